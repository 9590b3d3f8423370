//! Where keys are put: the writing side of `sources`.
//!
//! The keyring of the operating system, or an embedded vault: one age file of this user. A write is whole or it did not
//! happen; what was stored before outlives every failure. Two processes do not undo each other's work.

mod error;
mod keyring;
mod name;
mod seal;
mod shelf;
mod vault;

use std::path::PathBuf;

use keywright_core::{ProviderSpec, Secret};

pub use self::error::{Lock, StoreError};
pub use self::name::{KeyName, NameError};
pub use self::shelf::{Kept, Shelf};
use self::vault::Vault;
use crate::sources::{Asked, Found, Reference, Resolver, SourceError};
use crate::state::{Directory, StateError, private};

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The keyring of the operating system.
    Keyring,
    /// The embedded vault.
    Age,
}

impl Kind {
    /// Its name on the command line and in JSON.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::Age => "age",
        }
    }

    /// How reports name it.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Keyring => "the keyring",
            Self::Age => "the key vault",
        }
    }
}

/// The stores of this user.
#[derive(Clone, Debug)]
pub struct KeyStore {
    resolver: Resolver,
    directory: Result<Directory, StateError>,
}

impl KeyStore {
    /// The stores that belong to a resolver's environment.
    pub fn of(resolver: &Resolver) -> Self {
        Self { directory: Directory::of(resolver.environment()), resolver: resolver.clone() }
    }

    /// The file of the embedded vault.
    pub fn vault_path(&self) -> Result<PathBuf, StoreError> {
        Ok(self.directory.clone()?.file(VAULT_FILE))
    }

    /// The store for new keys: the keyring if one answers, else the vault.
    pub async fn preferred(&self) -> Kind {
        let keyring = self.resolver.environment().is_process() && keyring::answers().await.is_ok();
        if keyring { Kind::Keyring } else { Kind::Age }
    }

    /// The place of a provider's key in a store.
    pub fn reference(&self, kind: Kind, provider: &ProviderSpec, name: &KeyName) -> Result<Reference, StoreError> {
        Ok(match kind {
            Kind::Keyring => Reference::Keyring { service: provider.id.clone(), account: name.as_str().to_owned() },
            Kind::Age => Reference::Age { path: self.vault_path()?, field: name.field(provider) },
        })
    }

    /// The name under which programs find a place by themselves; `None` for one that only a reference leads to.
    pub fn name_of(&self, provider: &ProviderSpec, reference: &Reference) -> Option<KeyName> {
        match reference {
            Reference::Keyring { service, account } if *service == provider.id => account.parse().ok(),
            Reference::Age { path, field } if self.vault_path().is_ok_and(|vault| vault == *path) => {
                KeyName::of_field(field, provider)
            }
            _ => None,
        }
    }

    /// Whether keys can be written to a place.
    pub fn takes(&self, reference: &Reference) -> Result<(), StoreError> {
        match reference {
            Reference::Keyring { .. } | Reference::Age { .. } => Ok(()),
            _ => Err(StoreError::ReadOnly { reference: reference.to_string() }),
        }
    }

    /// The key in a place now, if there is one.
    pub async fn look(&self, reference: &Reference) -> Result<Option<Found>, StoreError> {
        match self.resolver.resolve(reference).await {
            Ok(found) => Ok(Some(found)),
            Err(miss) => match miss.asked.into_iter().next() {
                Some(Asked { why: SourceError::NotSet | SourceError::NoFile | SourceError::NoField, .. }) | None => {
                    Ok(None)
                }
                Some(Asked { place, why }) => Err(match reference {
                    Reference::Age { path, .. } => self.vault(path).refused(why).await,
                    _ => StoreError::Source { place, why },
                }),
            },
        }
    }

    /// Whether the file of a reference exists; a keyring always does.
    pub fn is_there(&self, reference: &Reference) -> bool {
        match reference {
            Reference::Age { path, .. } => self.resolver.directory().join(path).exists(),
            _ => true,
        }
    }

    /// Opens the vault, if there is one.
    pub async fn open_vault(&self) -> Result<(), StoreError> {
        let path = self.vault_path()?;
        match self.vault(&path).fields().await {
            Err(error) if !error.is_absence() => Err(error),
            _ => Ok(()),
        }
    }

    /// Where the key before the one in this place is kept until the new one has proved itself.
    pub fn place_of_previous(&self, provider: &ProviderSpec, reference: &Reference) -> Result<Reference, StoreError> {
        self.takes(reference)?;
        let beside = |text: &str| format!("{text}.previous");
        Ok(match reference {
            Reference::Keyring { service, account } => {
                let name = account.parse::<KeyName>().map(|name| name.previous().to_string());
                Reference::Keyring { service: service.clone(), account: name.unwrap_or_else(|_| beside(account)) }
            }
            Reference::Age { path, field } => {
                let name = KeyName::of_field(field, provider).map(|name| name.previous().field(provider));
                Reference::Age { path: path.clone(), field: name.unwrap_or_else(|| beside(field)) }
            }
            other => other.clone(),
        })
    }

    /// Stores a key, in the place of the one that was there.
    pub async fn put(&self, reference: &Reference, key: &Secret) -> Result<(), StoreError> {
        match reference {
            Reference::Keyring { service, account } => keyring::put(service, account, key)
                .await
                .map_err(|why| StoreError::Source { place: reference.to_string(), why }),
            Reference::Age { path, field } => {
                let (field, key) = (field.clone(), key.clone());
                let insert = move |keys: &mut vault::Fields| {
                    keys.insert(field, key.expose().into());
                    true
                };
                self.vault(path).change(vault::Absent::Create, insert).await.map(drop)
            }
            _ => Err(StoreError::ReadOnly { reference: reference.to_string() }),
        }
    }

    /// Takes a key out of its store. `false` when it was not there.
    pub async fn remove(&self, reference: &Reference) -> Result<bool, StoreError> {
        match reference {
            Reference::Keyring { service, account } => keyring::remove(service, account)
                .await
                .map_err(|why| StoreError::Source { place: reference.to_string(), why }),
            Reference::Age { path, field } => {
                let field = field.clone();
                let remove = move |keys: &mut vault::Fields| keys.remove(&field).is_some();
                self.vault(path).change(vault::Absent::Leave, remove).await
            }
            _ => Err(StoreError::ReadOnly { reference: reference.to_string() }),
        }
    }

    /// The keys of these providers, in every store.
    pub async fn shelf(&self, providers: &[&'static ProviderSpec]) -> Shelf {
        let mut found = Shelf::default();
        found.take(Kind::Keyring, self.in_keyring(providers, keyring::PATIENCE).await);
        found.take(Kind::Age, self.in_vault(providers).await);
        found
    }

    /// The keys of these providers for a program that starts: the keyring first, then the vault for those that the
    /// keyring has none of. A keyring that does not answer soon is left alone.
    pub async fn discover(&self, providers: &[&'static ProviderSpec]) -> Shelf {
        let mut found = Shelf::default();
        if providers.is_empty() {
            return found;
        }
        found.take(Kind::Keyring, self.in_keyring(providers, keyring::AT_A_START).await);
        let without = |provider: &&&'static ProviderSpec| found.of(provider).next().is_none();
        let left: Vec<&'static ProviderSpec> = providers.iter().filter(without).copied().collect();
        if !left.is_empty() {
            found.take(Kind::Age, self.in_vault(&left).await);
        }
        found
    }

    async fn in_keyring(
        &self,
        providers: &[&'static ProviderSpec],
        limit: std::time::Duration,
    ) -> Result<Vec<Kept>, StoreError> {
        let held = if self.resolver.environment().is_process() {
            keyring::held(providers, limit).await
        } else {
            Err(SourceError::NoKeyring)
        };
        held.map_err(|why| StoreError::Source { place: Kind::Keyring.place().to_owned(), why })
    }

    async fn in_vault(&self, providers: &[&'static ProviderSpec]) -> Result<Vec<Kept>, StoreError> {
        let path = self.vault_path().map_err(|error| match error {
            // A service without a home has no vault by intent.
            StoreError::Files(StateError::NoHome) => {
                StoreError::Source { place: Kind::Age.place().to_owned(), why: SourceError::NoFile }
            }
            error => error,
        })?;
        let fields = self.vault(&path).fields().await?;
        Ok(shelf::of_vault(&path, fields, providers))
    }

    fn vault(&self, path: &std::path::Path) -> Vault {
        let ours = self.directory.as_ref().ok().filter(|directory| directory.file(VAULT_FILE) == path);
        Vault {
            path: self.resolver.directory().join(path),
            directory: ours.cloned(),
            environment: self.resolver.environment().clone(),
            typed: self.resolver.passphrase(),
        }
    }
}

/// Replaces a file by keys in clear, whole or not at all; only its owner can read it, whoever could before.
pub fn write_private(path: &std::path::Path, text: &Secret) -> Result<(), StoreError> {
    Ok(private::replace(path, text.expose().as_bytes(), private::Mode::Private)?)
}

impl Shelf {
    fn take(&mut self, kind: Kind, found: Result<Vec<Kept>, StoreError>) {
        match found {
            Ok(kept) => self.keys.extend(kept),
            Err(error) => {
                self.asked.push(Asked { place: kind.place().to_owned(), why: error.why() });
                if !error.is_absence() {
                    self.unopened.push((kind, error));
                }
            }
        }
    }
}

const VAULT_FILE: &str = "keys.age";

#[cfg(test)]
mod tests;
