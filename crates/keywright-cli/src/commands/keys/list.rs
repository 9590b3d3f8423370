//! `keywright keys list`: every key of this machine.

use keywright::sources::Resolver;
use keywright::store::KeyStore;

use super::place;
use super::shown::{Rows, exit_of};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// List the keys that programs here find: masked, with their source, their health and their age.
///
/// The order is the order of use: environment, `.env`, keyring, vault. What is stored is used while the environment and `.env`
/// have no usable key, and the vault while the keyring has none. Health is what the offline inspection says and what
/// the history knows; with `--live` each provider is asked about each key, one free request a key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys list
  keywright keys list openai --live
  keywright keys list --json

Exit codes: 0; 3 a store that may hold keys cannot be opened; with --live also 1 a key is refused, 3 no verdict on one.")]
pub(super) struct Args {
    /// Only this provider.
    #[arg(value_name = "PROVIDER")]
    provider: Option<String>,
    /// Ask each provider about each key: one free request a key.
    #[arg(long)]
    live: bool,
    /// Print one JSON object for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let providers = place::providers(args.provider.as_deref())?;
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    let mut rows = Rows::gather(&providers, &store, &resolver, terminal).await;
    if args.live {
        rows.ask(&resolver, terminal).await?;
    } else {
        rows.recall();
    }
    if args.json {
        terminal.out_json(&rows.json())?;
    } else {
        rows.tell(terminal)?;
        rows.tell_unopened(terminal);
        if rows.is_nowhere() {
            terminal.tell("keywright: no key is here; `keywright keys add openai` stores one");
        }
    }
    Ok(rows.exit(if args.live { exit_of(&rows.keys) } else { Exit::Healthy }))
}
