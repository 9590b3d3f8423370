//! One age file with a JSON object of keys: read, changed and replaced under a lock.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keywright_core::Secret;

use super::seal::{self, Opened, Seal};
use super::{Kind, Lock, StoreError};
use crate::sources::age::keys::{IdentityText, Keys, identity_beside};
use crate::sources::file::read_bounded;
use crate::sources::{Environment, SourceError};
use crate::state::{Directory, StateError, private};

/// What a vault holds: keys by field. Fields that are no texts belong to somebody else and stay.
pub(super) type Fields = serde_json::Map<String, serde_json::Value>;

/// An age file that is written.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    pub(super) path: PathBuf,
    /// Its folder, when it is the embedded vault: made on first use, and nobody else's business.
    pub(super) directory: Option<Directory>,
    pub(super) environment: Environment,
    /// A passphrase that a person typed.
    pub(super) typed: Option<Secret>,
}

/// What to do when there is no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Create,
    Leave,
}

impl Vault {
    /// What it holds.
    pub(super) async fn fields(&self) -> Result<Vec<(String, Secret)>, StoreError> {
        let Some(bytes) = self.before(&self.path).await? else {
            return Err(StoreError::Source { place: Kind::Age.place().to_owned(), why: SourceError::NoFile });
        };
        let keys = self.keys().await.map_err(|why| refused(&self.path, &bytes, why))?;
        let path = self.path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let opened = seal::open(&bytes, &keys).and_then(|opened| parsed(&opened.text));
            opened.map_err(|why| refused(&path, &bytes, why))
        });
        let fields = opened.await.unwrap_or_else(|_| Err(StoreError::Sealing { path: self.path.clone() }))?;
        let texts = fields.into_iter().filter_map(|(field, value)| match value {
            serde_json::Value::String(text) => Some((field, Secret::new(text))),
            _ => None,
        });
        Ok(texts.collect())
    }

    /// Changes what it holds, all or nothing. `work` says whether it changed anything.
    pub(super) async fn change(
        &self,
        absent: Absent,
        work: impl FnOnce(&mut Fields) -> bool + Send + 'static,
    ) -> Result<bool, StoreError> {
        // Through a link the file itself is replaced, not the link.
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        if absent == Absent::Leave && !path.exists() {
            return Ok(false);
        }
        if let Some(directory) = &self.directory {
            directory.create()?;
        }
        let held = lock(&path).await?;
        let before = self.before(&path).await?;
        let keys = self.keys().await.map_err(|why| refused(&path, before.as_deref().unwrap_or_default(), why))?;
        let changed = tokio::task::spawn_blocking(move || {
            let _held = held;
            private::remove_leftovers(&path);
            change_now(&path, before.as_deref(), keys, work)
        });
        changed.await.unwrap_or_else(|_| Err(StoreError::Sealing { path: self.path.clone() }))
    }

    async fn before(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match read_bounded(path, LARGEST_BYTES).await {
            Ok(bytes) => {
                if self.directory.is_some() {
                    private::check_mode(path)?;
                }
                Ok(Some(bytes))
            }
            Err(SourceError::NoFile) => Ok(None),
            Err(why) => Err(refused(path, &[], why)),
        }
    }

    /// Why it is not opened, after a source said so much.
    pub(super) async fn refused(&self, why: SourceError) -> StoreError {
        let bytes = read_bounded(&self.path, LARGEST_BYTES).await.unwrap_or_default();
        refused(&self.path, &bytes, why)
    }

    async fn keys(&self) -> Result<Keys, SourceError> {
        Keys::find(&self.environment, &self.path, self.typed.clone()).await
    }
}

fn change_now(
    path: &Path,
    before: Option<&[u8]>,
    mut keys: Keys,
    work: impl FnOnce(&mut Fields) -> bool,
) -> Result<bool, StoreError> {
    let (mut fields, seal) = match before {
        Some(bytes) => {
            let source = |why| refused(path, bytes, why);
            let Opened { text, seal, recipients } = seal::open(bytes, &keys).map_err(source)?;
            if recipients > 1 {
                return Err(StoreError::Shared { path: path.to_owned(), recipients });
            }
            if !text.expose().trim_start().starts_with('{') {
                return Err(StoreError::Lines { path: path.to_owned() });
            }
            (parsed(&text).map_err(source)?, seal)
        }
        None => (Fields::new(), new_seal(path, &mut keys)?),
    };
    if !work(&mut fields) {
        return Ok(false);
    }
    let text = serde_json::to_string_pretty(&fields).map_err(|_| StoreError::Sealing { path: path.to_owned() })?;
    let sealed = seal.close(&Secret::new(text + "\n"));
    let sealed = sealed.map_err(|_| StoreError::Sealing { path: path.to_owned() })?;
    private::replace(path, &sealed, private::Mode::AsBefore)?;
    Ok(true)
}

/// How a new vault is closed: with the passphrase or the identity that is set, else with an identity made for it.
fn new_seal(path: &Path, keys: &mut Keys) -> Result<Seal, StoreError> {
    if let Some(passphrase) = keys.passphrase.take() {
        return Ok(Seal::passphrase(passphrase));
    }
    let identity = match keys.identities.pop() {
        Some(identity) => identity,
        None => made_beside(path)?,
    };
    Ok(Seal::recipients(identity.recipients().map_err(|why| refused(path, &[], why))?))
}

/// Makes the identity that stands beside a vault, as `age-keygen` writes it.
fn made_beside(vault: &Path) -> Result<IdentityText, StoreError> {
    let path = identity_beside(vault);
    let content = private::write_once(&path, &seal::new_identity())?;
    Ok(IdentityText::new(content, path.display().to_string()))
}

fn parsed(text: &Secret) -> Result<Fields, SourceError> {
    let value: serde_json::Value = serde_json::from_str(text.expose())
        .map_err(|error| SourceError::NotJson { line: error.line(), column: error.column() })?;
    match value {
        serde_json::Value::Object(fields) => Ok(fields),
        _ => Err(SourceError::NotAnObject),
    }
}

/// Which file it is that keeps the vault closed, and what would open it.
fn refused(path: &Path, bytes: &[u8], why: SourceError) -> StoreError {
    if let SourceError::OpenToOthers { .. } = why {
        // Of the two that open it together, the one that others can read.
        let open = [identity_beside(path), path.to_owned()].into_iter().filter(|path| path.exists());
        if let Some(error) = open.map(|path| private::check_mode(&path)).find_map(Result::err) {
            return StoreError::Files(error);
        }
    }
    let lock = if seal::has_passphrase(bytes) { Lock::Passphrase } else { Lock::Identity };
    StoreError::Vault { path: path.to_owned(), lock, why }
}

/// One writer at a time. Held until it is dropped; a process that dies lets go of it.
async fn lock(vault: &Path) -> Result<File, StoreError> {
    let mut name = vault.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    private::touch(&path)?;
    let failed = |error: &std::io::Error| StateError::of_io(&path, error);
    let file = File::open(&path).map_err(|error| failed(&error))?;
    let taken = tokio::time::timeout(PATIENCE, async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(BETWEEN_LOOKS).await,
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
        }
    });
    taken.await.unwrap_or_else(|_| Err(StateError::Busy { path: path.clone() }))?;
    Ok(file)
}

/// The largest vault.
const LARGEST_BYTES: u64 = 1024 * 1024;
/// How long to wait for another writer; with a passphrase one write takes some seconds.
const PATIENCE: Duration = Duration::from_secs(15);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
