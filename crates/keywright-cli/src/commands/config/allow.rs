//! `keywright config allow` and `deny`: whether a configuration may run the helpers that it names.

use std::path::{Path, PathBuf};

use keywright::sources::Environment;
use keywright::state::{Allowed, Directory};
use keywright_gateway::Config;

use super::{DEFAULT_FILE, read, told};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Let a configuration run the helpers that it names.
///
/// A helper is a program that prints a key. A configuration may come with somebody else's repository, so none of its
/// helpers runs before you have allowed it; a file that moved or changed must be allowed again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,
}

pub(super) fn allow(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let text = read(&args.file)?;
    let config = Config::parse(&text).map_err(|problems| told(&args.file, &problems, terminal))?;
    let commands = &config.sources.helpers.commands;
    let file = args.file.display();
    if commands.is_empty() {
        terminal.out(format_args!("`{file}` names no helper: there is nothing to allow"))?;
        return Ok(Exit::Healthy);
    }
    memory()?.allow(&args.file, &text)?;
    let helpers = count(commands.len(), "helper");
    terminal.out(format_args!("{} `{file}` may run {helpers}:", paint(Role::Good, "[ok]")))?;
    for (name, argv) in commands {
        terminal.out(format_args!("  {name}: {}", argv.join(" ")))?;
    }
    Ok(Exit::Healthy)
}

pub(super) fn deny(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let was = memory()?.deny(&args.file, &read(&args.file)?)?;
    let now = if was { "is no longer allowed" } else { "was not allowed" };
    terminal.out(format_args!("`{}` {now} to run helpers", args.file.display()))?;
    Ok(Exit::Healthy)
}

/// Whether the user has allowed this file as it is. A memory that cannot be read allows nothing.
pub(super) fn is_allowed(file: &Path, text: &str, terminal: &Terminal) -> bool {
    let known = memory().and_then(|memory| memory.allows(file, text).map_err(CliError::from));
    known.unwrap_or_else(|error| {
        error.report(terminal);
        false
    })
}

fn memory() -> Result<Allowed, CliError> {
    Ok(Allowed::of(&Directory::of(&Environment::process())?))
}
