//! Encryption at rest: age, with an identity of this installation.
//!
//! The identity is kept in the operating system's keyring, where there is one, else in a file that only its owner can read. It is
//! made on first use.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ::age::secrecy::ExposeSecret;
use ::age::x25519::Identity;
use keywright_core::{Fingerprinter, Secret};

use super::{Directory, StateError, private};
use crate::hex::hex;

/// Encrypts for this installation, and decrypts. The identity is read when it is first needed: a keyring may be slow.
pub(super) struct Seal {
    directory: Directory,
    fingerprinter: Fingerprinter,
    identity: OnceLock<Identity>,
    /// When the keyring was found locked: a person is not asked twice a second.
    locked_at: Mutex<Option<Instant>>,
}

impl Seal {
    pub(super) const fn new(directory: Directory, fingerprinter: Fingerprinter) -> Self {
        Self { directory, fingerprinter, identity: OnceLock::new(), locked_at: Mutex::new(None) }
    }

    /// Encrypts a value.
    pub(super) fn close(&self, secret: &Secret) -> Result<Vec<u8>, StateError> {
        let recipient = self.identity()?.to_public();
        ::age::encrypt(&recipient, secret.expose().as_bytes()).map_err(|_| StateError::NoRandom)
    }

    /// Decrypts a value; `None` when it was encrypted for another identity, or was changed.
    pub(super) fn open(&self, sealed: &[u8]) -> Result<Option<Secret>, StateError> {
        let opened = ::age::decrypt(self.identity()?, sealed);
        Ok(opened.ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::new))
    }

    fn identity(&self) -> Result<&Identity, StateError> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let mut locked_at = self.locked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if locked_at.is_some_and(|at| at.elapsed() < BETWEEN_QUESTIONS) {
            return Err(StateError::KeyringLocked);
        }
        let text = self.kept().inspect_err(|error| {
            *locked_at = (*error == StateError::KeyringLocked).then(Instant::now);
        })?;
        let parsed = text.expose().trim_end().parse::<Identity>();
        let identity = parsed.map_err(|_| StateError::Damaged { path: self.directory.file(FILE) })?;
        Ok(self.identity.get_or_init(|| identity))
    }

    /// The identity where it is kept: made, if there is none.
    fn kept(&self) -> Result<Secret, StateError> {
        let path = self.directory.file(FILE);
        // Two processes that start at one time must not make two.
        let _held = self.directory.lock()?;
        if let Some(text) = private::read(&path)? {
            return Ok(text);
        }
        let fresh = || Secret::new(Identity::generate().to_string().expose_secret().to_owned());
        match keyring::read(&self.entry()) {
            keyring::Answer::Value(text) => Ok(text),
            keyring::Answer::NoEntry => {
                let text = fresh();
                if keyring::write(&self.entry(), &text) { Ok(text) } else { private::write_once(&path, &text) }
            }
            keyring::Answer::NoKeyring => private::write_once(&path, &fresh()),
            keyring::Answer::Locked => Err(StateError::KeyringLocked),
        }
    }

    /// The keyring is one for all installations of a user.
    fn entry(&self) -> String {
        let installation = self.fingerprinter.fingerprint(&Secret::new("last known good"));
        format!("last-known-good-{}", hex(installation.bytes()))
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The operating system's keyring, as far as it is needed here.
#[cfg(feature = "keyring")]
mod keyring {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use ::keyring::{Entry, Error};
    use keywright_core::Secret;

    pub(super) enum Answer {
        Value(Secret),
        NoEntry,
        NoKeyring,
        Locked,
    }

    pub(super) fn read(entry: &str) -> Answer {
        let entry = entry.to_owned();
        match within_limit(move || Entry::new(SERVICE, &entry)?.get_password()) {
            Some(Ok(text)) => Answer::Value(Secret::new(text)),
            Some(Err(Error::NoEntry)) => Answer::NoEntry,
            // It waits for a person, or holds something that cannot be told apart.
            None | Some(Err(Error::NoStorageAccess(_) | Error::Ambiguous(_))) => Answer::Locked,
            Some(Err(_)) => Answer::NoKeyring,
        }
    }

    /// True when it is kept.
    pub(super) fn write(entry: &str, text: &Secret) -> bool {
        let (entry, text) = (entry.to_owned(), text.clone());
        matches!(within_limit(move || Entry::new(SERVICE, &entry)?.set_password(text.expose())), Some(Ok(())))
    }

    /// The library waits for a daemon that may itself wait for a person.
    fn within_limit<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, answer) = sync_channel(1);
        std::thread::spawn(move || done.send(work()));
        answer.recv_timeout(LIMIT).ok()
    }

    const SERVICE: &str = "keywright";
    const LIMIT: Duration = Duration::from_secs(3);
}

/// A build without the keyring.
#[cfg(not(feature = "keyring"))]
mod keyring {
    use keywright_core::Secret;

    #[expect(dead_code, reason = "the answers of a build with a keyring")]
    pub(super) enum Answer {
        Value(Secret),
        NoEntry,
        NoKeyring,
        Locked,
    }

    pub(super) fn read(_: &str) -> Answer {
        Answer::NoKeyring
    }

    pub(super) fn write(_: &str, _: &Secret) -> bool {
        false
    }
}

const BETWEEN_QUESTIONS: Duration = Duration::from_secs(60);
const FILE: &str = "last-known-good.identity";
