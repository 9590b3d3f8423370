//! Why a store did not take a key, and what to do about it.

use std::path::PathBuf;

use crate::sources::SourceError;
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

impl StoreError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Files(error) => return error.help(),
            Self::Source { why: SourceError::NoAgeKey, .. } => {
                "It has a passphrase: set KEYWRIGHT_AGE_PASSPHRASE_FILE to a file that holds it, or run this on a \
                 terminal, which asks for it."
                    .to_owned()
            }
            Self::Source { why: SourceError::KeyringLocked, .. } => {
                "Unlock the keyring: log in to the desktop, or `gnome-keyring-daemon --unlock`; or use `--store age`."
                    .to_owned()
            }
            Self::Source { why: SourceError::NoKeyring, .. } => {
                "Use the vault that needs none: `--store age`.".to_owned()
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

    /// Whether the passphrase was another one.
    pub fn is_wrong_passphrase(&self) -> bool {
        matches!(self, Self::Source { why: SourceError::WrongAgeKey, .. })
    }

    /// Whether a passphrase from a person may open the store.
    pub fn wants_passphrase(&self) -> bool {
        matches!(self, Self::Source { why: SourceError::NoAgeKey, .. })
    }
}
