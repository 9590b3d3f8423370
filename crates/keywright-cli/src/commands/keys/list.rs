//! `keywright keys list`: every key of this machine.

use keywright::sources::{Resolver, SourceError};
use keywright::store::KeyStore;

use super::place;
use super::shown::{Rows, exit_of};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// List the keys that programs here find: masked, with their source, their health and their age.
///
/// The order is the order of use: environment, `.env`, keyring, vault. Health is what the offline inspection says and what
/// the history knows; with `--live` each provider is asked about each key, one free request a key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys list
  keywright keys list openai --live
  keywright keys list --json

Exit codes: 0; with --live 1 when a key is refused, 3 when there was no verdict on one.")]
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
    }
    if args.json {
        terminal.out_json(&rows.json())?;
    } else {
        rows.tell(terminal)?;
        for asked in &rows.asked {
            // A machine without a keyring or a vault is as good as any other; one that cannot be opened is worth a word.
            let usual = matches!(asked.why, SourceError::NoKeyring | SourceError::NoFile);
            if !usual || terminal.verbose > 0 {
                let head = paint(Role::Warning, "warning:");
                terminal.tell(format_args!("{head} {}: {}", asked.place, asked.why));
                if let Some(help) = asked.why.help().filter(|_| !usual) {
                    terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
                }
            }
        }
        if rows.rows.is_empty() {
            terminal.tell("keywright: no key is here; `keywright keys add openai` stores one");
        }
    }
    Ok(if args.live { exit_of(&rows.rows) } else { Exit::Healthy })
}
