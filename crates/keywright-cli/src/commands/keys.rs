//! `keywright keys`: the keys of this machine, and virtual keys for callers of the gateway.

mod add;
mod change;
mod entered;
mod export;
mod failed;
mod history;
mod import;
mod issue;
mod keep;
mod list;
mod live;
mod noted;
mod place;
mod remove;
mod replacing;
mod rotate;
mod shown;
mod stored;
mod test;
mod unopened;

use keywright_core::{Secret, token};

pub(crate) use self::entered::{open_vault, yes};
pub(crate) use self::keep::Place;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Store, list, check and replace the keys of this machine; make virtual keys for callers of `keywright serve`.
///
/// Keys are kept in the keyring of the operating system, or, where there is none, in a vault: a file encrypted with age that
/// only you can read. `keywright run` finds them there without configuration, after the environment and `.env`. No key is
/// ever an argument, and none is shown.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  keywright keys add openai             asks for the key; what you paste stays hidden
  keywright keys list --live            each key: where it is, whether it works
  keywright keys test openai            one free request for each key
  keywright keys rotate openai          a new key in, asked about, the old one out
  keywright keys rotate openai --via-admin-api   the same, and nobody pastes: OpenAI makes it and deletes the old one
  keywright keys import .env            what a file holds, into the store"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Add(add::Args),
    List(list::Args),
    Test(test::Args),
    Rotate(rotate::Args),
    Remove(remove::Args),
    Import(import::Args),
    Export(export::Args),
    History(history::Args),
    Issue(issue::Args),
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let _hardened = crate::process::harden();
    match &args.action {
        Action::Add(args) => waited(add::run(args, terminal)),
        Action::List(args) => waited(list::run(args, terminal)),
        Action::Test(args) => waited(test::run(args, terminal)),
        Action::Remove(args) => waited(remove::run(args, terminal)),
        Action::Rotate(args) => waited(rotate::run(args, terminal)),
        Action::Import(args) => waited(import::run(args, terminal)),
        Action::Export(args) => waited(export::run(args, terminal)),
        Action::History(args) => history::run(args, terminal),
        Action::Issue(args) => issue::run(args, terminal),
    }
}

/// Runs a command that waits. A keyring that never answers does not hold up the end.
fn waited(command: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let runtime = super::runtime()?;
    let exit = runtime.block_on(command);
    runtime.shutdown_background();
    exit
}

/// A fresh token from the operating system's generator.
pub(super) fn new_token() -> Result<Secret, CliError> {
    let mut random = [0; 25];
    getrandom::fill(&mut random).map_err(CliError::Random)?;
    Ok(token::issue(&random))
}
