//! `keywright keys export --env`: the one command that hands keys out, to a file or another program, never to a screen.

use std::io::IsTerminal;
use std::path::PathBuf;

use keywright::sources::Resolver;
use keywright::store::{Kept, KeyStore};
use keywright_core::Secret;
use keywright_core::inspect::owner::sibling_names;

use super::{entered, place, unopened};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Write the stored keys as `NAME=value` lines, for a program that can read nothing else.
///
/// This is the one command that hands out real keys. They go to a file that only you can read, or to standard output when that
/// is a pipe or a file; on a terminal they would stay in its history, so that is refused. `keywright run` does without.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys export --env --output .env
  keywright keys export --env openai | ssh server 'umask 077; cat > app.env'

Exit codes: 0; 1 there is no such key; 2 the command line is wrong, the file exists, or standard output is a terminal;
3 a store that may hold more keys cannot be opened.")]
pub(super) struct Args {
    /// Only this provider.
    #[arg(value_name = "PROVIDER")]
    provider: Option<String>,
    /// As lines of a dotenv file. It must be said: what comes out are the keys themselves.
    #[arg(long, required = true)]
    env: bool,
    /// Write to this file, which must not exist; only you can read it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long, requires = "output")]
    force: bool,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let providers = place::providers(args.provider.as_deref())?;
    if args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(CliError::Usage {
            message: "standard output is a terminal, and a terminal remembers what it showed".to_owned(),
            help: Some("write to a file with `--output FILE`, or pipe it to the program that needs it".to_owned()),
        });
    }
    if let Some(path) = args.output.as_ref().filter(|path| !args.force && path.exists()) {
        return Err(CliError::Exists { path: path.clone() });
    }
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    // A vault that is not opened is told with the stores that gave nothing.
    let _ = entered::open_vault(&store, &resolver, terminal).await;
    let shelf = store.shelf(&providers).await;
    for (_, why) in &shelf.unopened {
        unopened::tell(why, terminal);
    }
    let mut names: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for kept in &shelf.keys {
        terminal.guard(&[&kept.found.secret]);
        match line(kept) {
            // The keyring comes first; a name has one value.
            Some((name, _)) if names.contains(&name) => {}
            Some((name, line)) => {
                names.push(name);
                lines.push(line);
            }
            None => terminal.tell(format_args!(
                "keywright: {} ({}) was left out: no variable is read for the name `{}`",
                kept.found.secret.masked(),
                kept.found.place,
                kept.name
            )),
        }
    }
    let exit = unopened::exit(shelf.unopened.len(), Exit::Healthy);
    if lines.is_empty() && exit != Exit::Healthy {
        terminal.tell("keywright: nothing was written");
        return Ok(exit);
    }
    if lines.is_empty() {
        let help = Some("`keywright keys list` shows what is stored, `keywright keys add` stores a key".to_owned());
        return Err(CliError::Unmet { message: "no stored key has a variable to go to".to_owned(), help });
    }
    let text = Secret::new(lines.iter().map(Secret::expose).collect::<Vec<_>>().join("\n"));
    if let Some(path) = &args.output {
        keywright::store::write_private(path, &Secret::new(format!("{}\n", text.expose())))?;
        terminal.tell(format_args!("wrote {} to `{}`, for you alone", count(lines.len(), "key"), path.display()));
    } else {
        terminal.out_secret(&text)?;
    }
    Ok(exit)
}

/// The line of a key: the default one has the variable that the SDKs read, `1` … `9` and `backup` its siblings.
fn line(kept: &Kept) -> Option<(String, Secret)> {
    let official = kept.provider.key_variable()?;
    let name = match kept.name.as_str() {
        "default" => official.to_owned(),
        other => {
            let sibling = format!("{official}_{}", other.to_ascii_uppercase());
            sibling_names(official).find(|name| *name == sibling)?
        }
    };
    let value = kept.found.secret.expose();
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c));
    let line = if plain { format!("{name}={value}") } else { format!("{name}='{value}'") };
    (!value.contains(['\'', '\n', '\r'])).then(|| (name, Secret::new(line)))
}
