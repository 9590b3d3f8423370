//! A new key in the place of an old one, and what becomes of the keys before it.

use keywright::sources::{Found, Reference};
use keywright::store::{KeyStore, StoreError};
use keywright_core::{ProviderSpec, Secret};

use super::noted::Standing;
use crate::error::CliError;

/// A new key that is to stand in the place of an old one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) provider: &'a ProviderSpec,
    pub(super) old: &'a Found,
    /// What the history says of the old key.
    pub(super) standing: Standing,
    pub(super) new: &'a Secret,
    /// Whether the provider accepts the new key.
    pub(super) proved: bool,
    /// Whether the old key is kept although the new one works.
    pub(super) keep_old: bool,
}

/// The new key is stored in the place of the old one.
#[derive(Debug)]
pub(super) struct Replaced {
    /// The mask of what `previous` holds, if the new key is not proved.
    pub(super) previous: String,
    /// The mask of a key that was stored and is not any more, beside the one that was replaced by a proved key.
    pub(super) dropped: Option<String>,
    /// Why the copy of the old key could not be taken out, where the new one makes it needless.
    pub(super) left: Option<StoreError>,
}

impl Replaced {
    /// What is left to do in the store, in words.
    pub(super) fn remains(&self, provider: &ProviderSpec) -> Option<String> {
        let why = self.left.as_ref()?;
        Some(format!(
            "the copy `previous` of the old key is still stored ({why}): `keywright keys test {}` drops it",
            provider.id
        ))
    }
}

impl Change<'_> {
    /// Stores the new key. At every moment one of the two is stored, and `previous` is the last key that is not known to
    /// fail until a newer one is proved. An error means that the new key is not stored.
    pub(super) async fn make(&self, store: &impl Writes) -> Result<Replaced, CliError> {
        let Self { provider, old, standing, new, proved, keep_old } = *self;
        let previous = store.place_of_previous(provider, &old.reference)?;
        let before = store.look(&previous).await?.filter(|kept| !kept.secret.matches(&old.secret));
        let copied = match &before {
            Some(kept) if !proved && standing == Standing::Unproved => return Err(self.unsettled(kept)),
            // What may work stays, and what was refused goes.
            Some(_) => keep_old && proved || !proved && standing == Standing::Proved,
            None => true,
        };
        if copied {
            store.put(&previous, &old.secret).await?;
        }
        store.put(&old.reference, new).await?;
        let left = if proved && !keep_old { store.remove(&previous).await.err() } else { None };
        let masked = |found: &Found| found.secret.masked();
        let (held, dropped) = match &before {
            Some(kept) if !copied && !proved => (masked(kept), Some(masked(old))),
            Some(kept) => (masked(old), Some(masked(kept)).filter(|_| left.is_none())),
            None => (masked(old), None),
        };
        Ok(Replaced { previous: held, dropped, left })
    }

    /// Neither of two new keys is proved, and the key before them is the last one that may work.
    fn unsettled(&self, kept: &Found) -> CliError {
        let Self { provider, old, new, .. } = *self;
        let (kept, old, new) = (kept.secret.masked(), old.secret.masked(), new.masked());
        CliError::Unmet {
            message: format!(
                "nobody answered about {new}, and {old} is not proved either: `previous` keeps {kept} until one of them \
                 is; nothing was stored"
            ),
            help: Some(format!(
                "when {0} answers, `keywright keys test {1}` settles it, then rotate again; or store the new key beside \
                 them: `keywright keys add {1} --name NAME`",
                provider.name, provider.id
            )),
        }
    }
}

/// What a replacement asks of a store.
pub(super) trait Writes {
    fn place_of_previous(&self, provider: &ProviderSpec, reference: &Reference) -> Result<Reference, StoreError>;
    async fn look(&self, reference: &Reference) -> Result<Option<Found>, StoreError>;
    async fn put(&self, reference: &Reference, key: &Secret) -> Result<(), StoreError>;
    async fn remove(&self, reference: &Reference) -> Result<bool, StoreError>;
}

impl Writes for KeyStore {
    fn place_of_previous(&self, provider: &ProviderSpec, reference: &Reference) -> Result<Reference, StoreError> {
        Self::place_of_previous(self, provider, reference)
    }

    async fn look(&self, reference: &Reference) -> Result<Option<Found>, StoreError> {
        Self::look(self, reference).await
    }

    async fn put(&self, reference: &Reference, key: &Secret) -> Result<(), StoreError> {
        Self::put(self, reference, key).await
    }

    async fn remove(&self, reference: &Reference) -> Result<bool, StoreError> {
        Self::remove(self, reference).await
    }
}
