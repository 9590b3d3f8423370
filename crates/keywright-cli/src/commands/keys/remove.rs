//! `keywright keys remove`: a key leaves its store.

use keywright::sources::{Found, Resolver};
use keywright::store::KeyStore;
use keywright_core::ProviderSpec;

use super::entered;
use super::place::{self, Where};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Remove a stored key. It is asked for a yes first; the key itself stays valid until its provider revokes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys remove openai
  keywright keys remove openai --name team-b --yes

Exit codes: 0 removed; 1 it was not there, or the answer was no; 2 the command line is wrong.")]
pub(super) struct Args {
    /// Whose key it is.
    #[arg(value_name = "PROVIDER")]
    provider: String,
    #[command(flatten)]
    place: Where,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let provider = place::provider(&args.provider)?;
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    let found = the_one(args, provider, &store, &resolver, terminal).await?;
    let (masked, place) = (found.secret.masked(), &found.place);
    if !args.yes {
        match entered::yes(&format!("Remove {masked} of {} ({place})?", provider.name)).await? {
            Some(true) => {}
            Some(false) => return Err(not_removed("the answer was no; nothing was removed", None)),
            None => {
                let help = Some("`--yes` removes it without a question".to_owned());
                return Err(CliError::Usage { message: "there is no terminal to ask on".to_owned(), help });
            }
        }
    }
    let reference = &found.reference;
    entered::with_passphrase(&store, &resolver, terminal, async |store| store.remove(reference).await).await?;
    terminal.out(format_args!("{} removed {masked} of {} ({place})", paint(Role::Good, "[ok]"), provider.name))?;
    if let Some(page) = &provider.keys_url {
        terminal.tell(format_args!("  next: it still works until you revoke it at {page}"));
    }
    Ok(Exit::Healthy)
}

/// The key that is meant: it stands in one place only, or the place was named.
async fn the_one(
    args: &Args,
    provider: &'static ProviderSpec,
    store: &KeyStore,
    resolver: &Resolver,
    terminal: &Terminal,
) -> Result<Found, CliError> {
    let references = args.place.all(provider, store)?;
    let named = references.len() == 1;
    let mut there: Vec<Found> = Vec::new();
    for reference in &references {
        let looked =
            entered::with_passphrase(store, resolver, terminal, async |store| store.look(reference).await).await;
        match looked {
            Ok(found) => there.extend(found),
            // A machine without a keyring has no key in it.
            Err(error) if named => return Err(error),
            Err(error) => tracing::debug!(%error, "a store was not looked into"),
        }
    }
    terminal.guard(&there.iter().map(|found| &found.secret).collect::<Vec<_>>());
    if there.len() > 1 {
        let help = Some("say which with `--store keyring` or `--store age`".to_owned());
        return Err(CliError::Usage { message: "there is one in the keyring and one in the vault".to_owned(), help });
    }
    let asked: Vec<String> = references.iter().map(ToString::to_string).collect();
    let nothing = || {
        let help = Some(format!("`keywright keys list {}` shows what is stored", provider.id));
        not_removed(&format!("no such key: not in {}", asked.join(", not in ")), help)
    };
    there.pop().ok_or_else(nothing)
}

fn not_removed(message: &str, help: Option<String>) -> CliError {
    CliError::Unmet { message: message.to_owned(), help }
}
