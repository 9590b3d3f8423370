//! `keywright keys`: the keys of this machine, and virtual keys for callers of the gateway.

mod history;
mod issue;

use keywright_core::{Secret, token};

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Show what is known about the keys used here; make virtual keys for callers of `keywright serve`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    History(history::Args),
    Issue(issue::Args),
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.action {
        Action::History(args) => history::run(args, terminal),
        Action::Issue(args) => issue::run(args, terminal),
    }
}

/// A fresh token from the operating system's generator.
pub(super) fn new_token() -> Result<Secret, CliError> {
    let mut random = [0; 25];
    getrandom::fill(&mut random).map_err(CliError::Random)?;
    Ok(token::issue(&random))
}
