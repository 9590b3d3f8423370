//! Keys in the keyring of the operating system: service is the provider, account is the name.

use std::collections::HashMap;
use std::time::Duration;

use ::keyring::{Entry, Error};
use keywright_core::{ProviderSpec, Secret};

use super::{Kept, KeyName, Kind, shelf};
use crate::sources::keyring::{LIMIT, ask, present};
use crate::sources::{Found, Reference, SourceError};

/// Whether a keyring service answers.
pub(super) async fn answers() -> Result<(), SourceError> {
    ask(AT_A_START, || if Entry::store_status().is_ok() { Ok(()) } else { Err(Error::NoDefaultStore) }).await
}

pub(super) async fn put(service: &str, account: &str, key: &Secret) -> Result<(), SourceError> {
    let (service, account, key) = (service.to_owned(), account.to_owned(), key.clone());
    ask(PATIENCE, move || {
        let entry = Entry::new(&service, &account)?;
        entry.set_password(key.expose())?;
        // A mark, so that the entry is found again under any name. Keyrings without marks have fixed names.
        let marked = entry.inner.update_attributes(&HashMap::from([MARK]));
        if let Err(error) = marked {
            tracing::debug!(%error, "the keyring entry is not marked");
        }
        Ok(())
    })
    .await
}

pub(super) async fn remove(service: &str, account: &str) -> Result<bool, SourceError> {
    let (service, account) = (service.to_owned(), account.to_owned());
    ask(PATIENCE, move || Ok(present(Entry::new(&service, &account)?.delete_credential())?.is_some())).await
}

/// The keys of these providers: those that we marked, and whatever has the default name.
pub(super) async fn held(providers: &[&'static ProviderSpec], limit: Duration) -> Result<Vec<Kept>, SourceError> {
    let providers = providers.to_vec();
    ask(limit, move || {
        // To connect is the first thing: without a service no search is possible.
        if Entry::store_status().is_err() {
            return Err(Error::NoDefaultStore);
        }
        let mut kept = Vec::new();
        for (provider, name) in names(&providers)? {
            let entry = Entry::new(&provider.id, name.as_str())?;
            if let Some(password) = present(entry.get_password())? {
                kept.push(of_entry(provider, name, password));
            }
        }
        Ok(shelf::in_order(kept))
    })
    .await
}

fn of_entry(provider: &'static ProviderSpec, name: KeyName, password: String) -> Kept {
    let place = format!("keyring entry {}/{name}", provider.id);
    let reference = Reference::Keyring { service: provider.id.clone(), account: name.as_str().to_owned() };
    let found = Found { secret: Secret::new(password), reference, place };
    Kept { provider, name, kind: Kind::Keyring, found }
}

/// The names to ask for.
#[cfg(all(unix, not(target_os = "macos")))]
fn names(providers: &[&'static ProviderSpec]) -> Result<Vec<(&'static ProviderSpec, KeyName)>, Error> {
    let mut names: Vec<(&'static ProviderSpec, KeyName)> =
        providers.iter().map(|provider| (*provider, KeyName::default())).collect();
    for entry in keyring_core::Entry::search(&HashMap::from([MARK]))? {
        let Some((service, account)) = entry.get_specifiers() else {
            continue;
        };
        let provider = providers.iter().find(|provider| provider.id == service);
        let Some((provider, name)) = provider.zip(account.parse::<KeyName>().ok()) else {
            continue;
        };
        if name != KeyName::default() {
            names.push((*provider, name));
        }
    }
    Ok(names)
}

/// These keyrings have no marks of ours.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn names(providers: &[&'static ProviderSpec]) -> Result<Vec<(&'static ProviderSpec, KeyName)>, Error> {
    let numbered = (1..=9).map(|number| number.to_string());
    let texts = numbered.chain(["backup".to_owned()]).filter_map(|text| text.parse::<KeyName>().ok());
    let known: Vec<KeyName> = std::iter::once(KeyName::default()).chain(texts).collect();
    let of = |name: &KeyName| [name.clone(), name.previous()];
    let all = providers.iter().flat_map(|provider| known.iter().flat_map(of).map(move |name| (*provider, name)));
    Ok(all.collect())
}

/// The attribute that marks our entries.
const MARK: (&str, &str) = ("application", "keywright");
/// Somebody may have to unlock it.
pub(super) const PATIENCE: Duration = LIMIT;
/// A program that starts does not wait for a person.
pub(super) const AT_A_START: Duration = Duration::from_secs(3);
