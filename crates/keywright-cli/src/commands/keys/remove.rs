//! `keywright keys remove`: a key leaves its store.

use keywright::sources::Resolver;
use keywright::store::KeyStore;

use super::entered;
use super::place::Where;
use super::stored;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Remove a stored key. It is asked for a yes first; the key itself stays valid until its provider revokes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys remove openai
  keywright keys remove openai --name team-b --yes

Exit codes: 0 removed; 1 it was not there, a store that may hold it cannot be opened, or the answer was no; 2 the command line is wrong.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let provider = args.place.provider()?;
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    let found = stored::the_one(&args.place, provider, &store, &resolver, terminal).await?;
    let (masked, place) = (found.secret.masked(), &found.place);
    if !args.yes {
        match entered::yes(&format!("Remove {masked} of {} ({place})?", provider.name)).await? {
            Some(true) => {}
            Some(false) => {
                let message = "the answer was no; nothing was removed".to_owned();
                return Err(CliError::Unmet { message, help: None });
            }
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
