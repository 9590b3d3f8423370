//! A key that a person gave while requests waited for one is kept, as `keys add` keeps one.

use keywright::sources::{Found, Reference, Resolver};
use keywright::store::{KeyName, KeyStore, Kind};
use keywright_core::ring::Look;
use keywright_core::{ProviderSpec, Secret};

use super::add;
use super::change::Change;
use super::noted::Noted;

use crate::error::CliError;
use crate::terminal::Terminal;

/// Where a key can be kept.
#[derive(Debug)]
pub(crate) struct Place {
    store: KeyStore,
    pub(crate) kind: Kind,
    pub(crate) reference: Reference,
}

impl Place {
    /// Where `keys add` would put a key of this provider; `None` where nothing can be stored.
    pub(crate) async fn of(provider: &ProviderSpec, resolver: &Resolver) -> Option<Self> {
        let store = KeyStore::of(resolver);
        let kind = store.preferred().await;
        let reference = store.reference(kind, provider, &KeyName::default()).ok()?;
        Some(Self { store, kind, reference })
    }

    /// Puts a key there that the provider says works. What was there is kept as `previous`, and given back.
    pub(crate) async fn put(
        &self,
        provider: &'static ProviderSpec,
        key: &Secret,
        resolver: &Resolver,
        terminal: &Terminal,
    ) -> Result<Option<Found>, CliError> {
        let before = add::before(&self.store, resolver, &self.reference, terminal).await?;
        let stored = add::Stored { provider, key, reference: &self.reference, look: Some(Look::Works) };
        match &before {
            Some(old) if old.secret.matches(key) => {}
            // It may work, and nobody asked for its end.
            Some(old) => {
                let standing = Noted::existing(resolver).standing(provider, &old.secret);
                let change = Change { provider, old, standing, new: key, proved: true, keep_old: true };
                change.make(&self.store).await?;
            }
            None => stored.put(&self.store, resolver, terminal).await?,
        }
        stored.note(resolver);
        Ok(before.filter(|old| !old.secret.matches(key)))
    }
}
