//! What opens an age file: a passphrase, and identities.

use std::path::{Path, PathBuf};

use ::age::{Identity, IdentityFile, NoCallbacks};
use keywright_core::Secret;

use super::super::file::{LARGEST_SECRET_BYTES, read_bounded, without_last_newline};
use super::super::{Environment, SourceError};

/// What may open a file.
pub(crate) struct Keys {
    pub(crate) passphrase: Option<Secret>,
    pub(crate) identities: Vec<IdentityText>,
}

/// The text of an identity file.
#[derive(Clone)]
pub(crate) struct IdentityText {
    text: Secret,
    name: String,
}

/// The identity file of a vault that Keywright made: it stands beside it.
pub(crate) fn identity_beside(vault: &Path) -> PathBuf {
    vault.with_extension("identity")
}

impl Keys {
    /// A passphrase from `KEYWRIGHT_AGE_PASSPHRASE`, from the file that `KEYWRIGHT_AGE_PASSPHRASE_FILE` names, or typed; an
    /// identity from the file that `KEYWRIGHT_AGE_IDENTITY` or, as sops has it, `SOPS_AGE_KEY_FILE` names; and the
    /// identity that stands beside the file.
    pub(crate) async fn find(
        environment: &Environment,
        file: &Path,
        typed: Option<Secret>,
    ) -> Result<Self, SourceError> {
        let mut keys = Self { passphrase: environment.secret("KEYWRIGHT_AGE_PASSPHRASE")?, identities: Vec::new() };
        if let Some(path) = environment.value("KEYWRIGHT_AGE_PASSPHRASE_FILE") {
            let text = secret_text(Path::new(&path)).await?;
            keys.passphrase = Some(without_last_newline(&text));
        }
        keys.passphrase = keys.passphrase.or(typed);
        let named = environment.value("KEYWRIGHT_AGE_IDENTITY").or_else(|| environment.value("SOPS_AGE_KEY_FILE"));
        if let Some(path) = named {
            keys.identities.push(IdentityText::read(Path::new(&path)).await?);
        }
        let beside = identity_beside(file);
        if beside.is_file() {
            // With the two of them readable, the keys are.
            refuse_open_to_others(&beside)?;
            refuse_open_to_others(file)?;
            keys.identities.push(IdentityText::read(&beside).await?);
        }
        Ok(keys)
    }

    /// Whether there is nothing to try.
    pub(super) const fn none(&self) -> bool {
        self.passphrase.is_none() && self.identities.is_empty()
    }
}

impl IdentityText {
    async fn read(path: &Path) -> Result<Self, SourceError> {
        Ok(Self { text: secret_text(path).await?, name: path.to_string_lossy().into_owned() })
    }

    #[cfg(all(feature = "state", feature = "keyring"))]
    pub(crate) const fn new(text: Secret, name: String) -> Self {
        Self { text, name }
    }

    pub(super) fn identities(&self) -> Result<Vec<Box<dyn Identity>>, SourceError> {
        if self.is_ssh() {
            return match self.ssh()? {
                ::age::ssh::Identity::Unencrypted(key) => Ok(vec![Box::new(::age::ssh::Identity::from(key))]),
                ::age::ssh::Identity::Encrypted(_) => Err(SourceError::LockedAgeIdentity),
                ::age::ssh::Identity::Unsupported(_) => Err(SourceError::BadAgeIdentity),
            };
        }
        let identities = self.file()?.into_identities().map_err(|_| SourceError::BadAgeIdentity)?;
        Ok(identities.into_iter().map(|identity| identity as Box<dyn Identity>).collect())
    }

    /// Whom to encrypt for so that this identity opens it.
    #[cfg(all(feature = "state", feature = "keyring"))]
    pub(crate) fn recipients(&self) -> Result<Vec<Box<dyn ::age::Recipient + Send>>, SourceError> {
        if self.is_ssh() {
            let recipient = ::age::ssh::Recipient::try_from(self.ssh()?).map_err(|_| SourceError::BadAgeIdentity)?;
            return Ok(vec![Box::new(recipient)]);
        }
        self.file()?.to_recipients().map_err(|_| SourceError::BadAgeIdentity)
    }

    fn is_ssh(&self) -> bool {
        self.text.expose().contains("PRIVATE KEY-----")
    }

    fn ssh(&self) -> Result<::age::ssh::Identity, SourceError> {
        ::age::ssh::Identity::from_buffer(self.text.expose().as_bytes(), Some(self.name.clone()))
            .map_err(|_| SourceError::BadAgeIdentity)
    }

    fn file(&self) -> Result<IdentityFile<NoCallbacks>, SourceError> {
        IdentityFile::from_buffer(self.text.expose().as_bytes()).map_err(|_| SourceError::BadAgeIdentity)
    }
}

fn refuse_open_to_others(path: &Path) -> Result<(), SourceError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A file that is not there is somebody else's news.
        let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            return Err(SourceError::OpenToOthers { mode });
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

async fn secret_text(path: &Path) -> Result<Secret, SourceError> {
    let bytes = read_bounded(path, LARGEST_SECRET_BYTES).await.map_err(|_| SourceError::BadAgeIdentity)?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| SourceError::BadAgeIdentity)
}
