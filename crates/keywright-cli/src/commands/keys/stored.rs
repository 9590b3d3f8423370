//! The stored key that a command line means.

use keywright::sources::{Found, Reference, Resolver};
use keywright::store::{KeyStore, Kind, StoreError};
use keywright_core::ProviderSpec;

use super::entered;
use super::place::Where;
use crate::error::CliError;
use crate::terminal::Terminal;

/// The key that is meant: it stands in one place only, or the place was named.
pub(super) async fn the_one(
    place: &Where,
    provider: &'static ProviderSpec,
    store: &KeyStore,
    resolver: &Resolver,
    terminal: &Terminal,
) -> Result<Found, CliError> {
    let references = place.all(provider, store)?;
    let named = references.len() == 1;
    let mut there: Vec<Found> = Vec::new();
    let mut unopened: Vec<StoreError> = Vec::new();
    for reference in &references {
        store.takes(reference)?;
        let looked =
            entered::with_passphrase(store, resolver, terminal, async |store| store.look(reference).await).await;
        match looked {
            Ok(found) => there.extend(found),
            Err(error) if named => return Err(error.into()),
            // A machine without a keyring has no key in it.
            Err(error) if error.is_absence() => tracing::debug!(%error, "a store was not looked into"),
            Err(error) => unopened.push(error),
        }
    }
    terminal.guard(&there.iter().map(|found| &found.secret).collect::<Vec<_>>());
    if there.len() > 1 {
        let help = Some("say which with `--store keyring` or `--store age`".to_owned());
        return Err(CliError::Usage { message: "there is one in the keyring and one in the vault".to_owned(), help });
    }
    if let Some(why) = unopened.first() {
        return Err(unsure(why, there.first()));
    }
    there.pop().ok_or_else(|| {
        let asked: Vec<String> = references.iter().map(ToString::to_string).collect();
        CliError::Unmet {
            message: format!("no such key: not in {}", asked.join(", not in ")),
            help: Some(format!("`keywright keys list {}` shows what is stored", provider.id)),
        }
    })
}

/// One store may hold the key that is meant, and nobody could look: no other key is taken for it.
fn unsure(why: &StoreError, elsewhere: Option<&Found>) -> CliError {
    let Some(found) = elsewhere else {
        let message = format!("the key may be in a store that cannot be opened: {why}");
        return CliError::Unmet { message, help: why.mend() };
    };
    let message = format!(
        "which key is meant is not known: one is there ({}), and another may be in a store that cannot be opened: {why}",
        found.place
    );
    let kind = if let Reference::Keyring { .. } = found.reference { Kind::Keyring } else { Kind::Age };
    let named = format!("Or say that you mean the one in {}: `--store {}`.", kind.place(), kind.id());
    let help: Vec<String> = why.mend().into_iter().chain([named]).collect();
    CliError::Unmet { message, help: Some(help.join(" ")) }
}
