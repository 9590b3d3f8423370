//! Why a store did not take a key, and what to do about it.

use std::path::{Path, PathBuf};

use keywright_core::Fix;

use crate::sources::SourceError;
use crate::sources::age::keys::identity_beside;
use crate::state::StateError;

/// Why a store did not take or give back a key. What was stored before is still there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file of the store cannot be used.
    #[error(transparent)]
    Files(#[from] StateError),
    /// The store cannot be opened.
    #[error("{place}: {why}")]
    Source {
        /// The store.
        place: String,
        /// What it said.
        why: SourceError,
    },
    /// An encrypted file cannot be opened.
    #[error("the key vault `{}`: {why}", path.display())]
    Vault {
        /// The file.
        path: PathBuf,
        /// What would open it.
        lock: Lock,
        /// Why it stays closed.
        why: SourceError,
    },
    /// The reference leads to a source that is only read.
    #[error("keywright reads `{reference}` and does not write there")]
    ReadOnly {
        /// The reference.
        reference: String,
    },
    /// The encrypted file holds lines.
    #[error("`{}` holds lines `NAME=value`, not a JSON object", path.display())]
    Lines {
        /// The file.
        path: PathBuf,
    },
    /// Others can open the file, and writing it would leave them out.
    #[error("`{}` is encrypted for {recipients} recipients, and age does not tell who they are", path.display())]
    Shared {
        /// The file.
        path: PathBuf,
        /// How many.
        recipients: usize,
    },
    /// Encryption failed.
    #[error("`{}` cannot be encrypted", path.display())]
    Sealing {
        /// The file.
        path: PathBuf,
    },
}

/// What closes an encrypted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// A passphrase.
    Passphrase,
    /// Identities; also where the file does not say.
    Identity,
}

impl StoreError {
    /// What to do about it when a key was to be put there.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Source { why: SourceError::KeyringLocked, .. } => {
                self.mend().map(|mend| format!("{mend} Or use the vault: `--store age`."))
            }
            Self::Source { why: SourceError::NoKeyring, .. } => {
                Some("Use the vault that needs none: `--store age`.".to_owned())
            }
            _ => self.mend(),
        }
    }

    /// What makes the store usable again.
    pub fn mend(&self) -> Option<String> {
        Some(match self {
            Self::Files(error) => return error.help(),
            Self::Vault { path, lock, why } => return help_for_vault(path, *lock, *why),
            Self::Source { why: SourceError::TimedOut { .. }, .. } => {
                "See whether a window of the keyring waits for an answer, and unlock it.".to_owned()
            }
            Self::Source { why, .. } => return why.help().map(str::to_owned),
            Self::ReadOnly { .. } => {
                "Put it there with its own tool; keywright writes to `keyring://…` and `age://…`.".to_owned()
            }
            Self::Lines { .. } => {
                "Make it a JSON object: `{\"openai\": \"…\"}`, encrypted again with `age`.".to_owned()
            }
            Self::Shared { path, .. } => format!(
                "Change it with age itself: `age -d -i IDENTITY '{0}'`, then `age -R recipients.txt -o '{0}'`.",
                path.display()
            ),
            Self::Sealing { .. } => return None,
        })
    }

    /// What makes the store usable again, with the command apart where there is one.
    pub fn fix(&self) -> Option<Fix> {
        match self {
            Self::Files(error) => error.fix(),
            _ => self.mend().map(|says| Fix { says, command: None }),
        }
    }

    /// Whether there is no such store, so that no key is in it. Every other one may hold keys.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Source { why: SourceError::NoKeyring | SourceError::NoFile, .. })
    }

    /// Whether the passphrase was another one.
    pub fn is_wrong_passphrase(&self) -> bool {
        matches!(self, Self::Vault { lock: Lock::Passphrase, why: SourceError::WrongAgeKey, .. })
    }

    /// Whether a passphrase from a person may open the store.
    pub fn wants_passphrase(&self) -> bool {
        matches!(self, Self::Vault { lock: Lock::Passphrase, why: SourceError::NoAgeKey, .. })
    }

    /// The same in the words of a source.
    pub(super) fn why(&self) -> SourceError {
        match self {
            Self::Source { why, .. } | Self::Vault { why, .. } => *why,
            Self::Files(StateError::OpenToOthers { mode, .. }) => SourceError::OpenToOthers { mode: *mode },
            Self::Lines { .. } => SourceError::NotAnObject,
            Self::Files(_) | Self::ReadOnly { .. } | Self::Shared { .. } | Self::Sealing { .. } => SourceError::Denied,
        }
    }
}

/// What opens an encrypted file again.
fn help_for_vault(path: &Path, lock: Lock, why: SourceError) -> Option<String> {
    let (identity, path) = (identity_beside(path), path.display());
    Some(match (why, lock) {
        (SourceError::NoAgeKey, Lock::Passphrase) => {
            "It has a passphrase: set KEYWRIGHT_AGE_PASSPHRASE_FILE to a file that holds it; on a terminal \
             `keywright keys list` asks for it."
                .to_owned()
        }
        (SourceError::NoAgeKey, Lock::Identity) => format!(
            "Its identity file is missing: put `{}` back, or name the file that opens it in KEYWRIGHT_AGE_IDENTITY.",
            identity.display()
        ),
        (SourceError::WrongAgeKey, Lock::Passphrase) => {
            "It has another passphrase: look at KEYWRIGHT_AGE_PASSPHRASE, or at the file that \
             KEYWRIGHT_AGE_PASSPHRASE_FILE names."
                .to_owned()
        }
        (SourceError::WrongAgeKey, Lock::Identity) => format!(
            "It was closed for another identity: put the one that belongs to it in `{}`, or name it in \
             KEYWRIGHT_AGE_IDENTITY.",
            identity.display()
        ),
        (SourceError::BadAgeIdentity, _) => format!(
            "Look at `{}`, and at the files that KEYWRIGHT_AGE_IDENTITY, SOPS_AGE_KEY_FILE and \
             KEYWRIGHT_AGE_PASSPHRASE_FILE name.",
            identity.display()
        ),
        (SourceError::Denied, _) => {
            format!("See whose it is, `ls -l '{path}'`; if it is yours, `chmod 600 '{path}'` lets you read it.")
        }
        (SourceError::AgeDamaged | SourceError::NotAge | SourceError::NotJson { .. }, _) => {
            format!("Take it from a backup; or put it aside, `mv '{path}' '{path}.damaged'`, and store the keys again.")
        }
        (why, _) => return why.help().map(str::to_owned),
    })
}
