//! Encryption at rest: age, with an identity of this installation.
//!
//! The identity is kept in the operating system's keyring, where there is one, else in a file that only its owner can read. It is
//! made on first use. The copy of a key that is itself in the keyring is for the time when that is locked: what opens it is
//! always in a file.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ::age::secrecy::ExposeSecret;
use ::age::x25519::Identity;
use keywright_core::{Fingerprinter, Secret};

use super::{Directory, StateError, private};
use crate::hex::hex;
use crate::sources::Reference;

/// Encrypts for this installation, and decrypts. The identity is read when it is first needed: a keyring may be slow.
pub(super) struct Seal {
    directory: Directory,
    fingerprinter: Fingerprinter,
    keyring: Box<dyn Keyring>,
    identity: OnceLock<Identity>,
    /// That of copies of what is in the keyring.
    outside: OnceLock<Identity>,
    /// When the keyring was found locked: a person is not asked twice a second.
    locked_at: Mutex<Option<Instant>>,
}

impl Seal {
    pub(super) fn new(directory: Directory, fingerprinter: Fingerprinter) -> Self {
        Self::over(Box::new(keyring::System), directory, fingerprinter)
    }

    pub(super) fn over(keyring: Box<dyn Keyring>, directory: Directory, fingerprinter: Fingerprinter) -> Self {
        let (identity, outside) = (OnceLock::new(), OnceLock::new());
        Self { directory, fingerprinter, keyring, identity, outside, locked_at: Mutex::new(None) }
    }

    /// Encrypts a value that comes from such a place.
    pub(super) fn close(&self, kept_in: KeptIn, secret: &Secret) -> Result<Vec<u8>, StateError> {
        let identity = match kept_in {
            KeptIn::Keyring => self.outside()?,
            KeptIn::Elsewhere => self.identity()?,
        };
        ::age::encrypt(&identity.to_public(), secret.expose().as_bytes()).map_err(|_| StateError::NoRandom)
    }

    /// Decrypts a value; `None` when it was encrypted for another identity, or was changed.
    pub(super) fn open(&self, kept_in: KeptIn, sealed: &[u8]) -> Result<Option<Secret>, StateError> {
        if kept_in == KeptIn::Keyring
            && let Some(secret) = self.open_outside(sealed)?
        {
            return Ok(Some(secret));
        }
        // An earlier version closed all values for the one identity.
        Ok(opened(self.identity()?, sealed))
    }

    /// Decrypts the copy of a value of the keyring without it; `None` when that is needed.
    pub(super) fn open_outside(&self, sealed: &[u8]) -> Result<Option<Secret>, StateError> {
        Ok(opened(self.outside()?, sealed))
    }

    fn outside(&self) -> Result<&Identity, StateError> {
        if let Some(identity) = self.outside.get() {
            return Ok(identity);
        }
        let path = self.directory.file(OUTSIDE);
        let text = match private::read(&path)? {
            Some(text) => text,
            // Of two processes at one time, one writes it and both use it.
            None => private::write_once(&path, &fresh())?,
        };
        let identity = parsed(&text, path)?;
        Ok(self.outside.get_or_init(|| identity))
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
        let identity = parsed(&text, self.directory.file(FILE))?;
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
        match self.keyring.read(&self.entry()) {
            Answer::Value(text) => Ok(text),
            Answer::NoEntry => {
                let text = fresh();
                if self.keyring.write(&self.entry(), &text) { Ok(text) } else { private::write_once(&path, &text) }
            }
            Answer::NoKeyring => private::write_once(&path, &fresh()),
            Answer::Locked => Err(StateError::KeyringLocked),
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

/// Where the source of a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeptIn {
    Keyring,
    Elsewhere,
}

impl KeptIn {
    /// What a reference says.
    pub(super) fn of(reference: &str) -> Self {
        match reference.parse() {
            Ok(Reference::Keyring { .. }) => Self::Keyring,
            _ => Self::Elsewhere,
        }
    }
}

fn fresh() -> Secret {
    Secret::new(Identity::generate().to_string().expose_secret().to_owned())
}

fn parsed(text: &Secret, path: PathBuf) -> Result<Identity, StateError> {
    text.expose().trim_end().parse().map_err(|_| StateError::Damaged { path })
}

fn opened(identity: &Identity, sealed: &[u8]) -> Option<Secret> {
    let bytes = ::age::decrypt(identity, sealed).ok()?;
    String::from_utf8(bytes).ok().map(Secret::new)
}

/// A keyring, as far as it is needed here.
pub(super) trait Keyring: Send + Sync {
    fn read(&self, entry: &str) -> Answer;

    /// True when it is kept.
    fn write(&self, entry: &str, text: &Secret) -> bool;
}

/// What a keyring answers.
#[cfg_attr(not(any(feature = "keyring", test)), expect(dead_code, reason = "the answers of a build with a keyring"))]
pub(super) enum Answer {
    Value(Secret),
    NoEntry,
    NoKeyring,
    Locked,
}

/// The operating system's keyring.
#[cfg(feature = "keyring")]
mod keyring {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use ::keyring::{Entry, Error};
    use keywright_core::Secret;

    use super::{Answer, Keyring};

    pub(super) struct System;

    impl Keyring for System {
        fn read(&self, entry: &str) -> Answer {
            let entry = entry.to_owned();
            match within_limit(move || Entry::new(SERVICE, &entry)?.get_password()) {
                Some(Ok(text)) => Answer::Value(Secret::new(text)),
                Some(Err(Error::NoEntry)) => Answer::NoEntry,
                // It waits for a person, or holds something that cannot be told apart.
                None | Some(Err(Error::NoStorageAccess(_) | Error::Ambiguous(_))) => Answer::Locked,
                Some(Err(_)) => Answer::NoKeyring,
            }
        }

        fn write(&self, entry: &str, text: &Secret) -> bool {
            let (entry, text) = (entry.to_owned(), text.clone());
            matches!(within_limit(move || Entry::new(SERVICE, &entry)?.set_password(text.expose())), Some(Ok(())))
        }
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

    use super::{Answer, Keyring};

    pub(super) struct System;

    impl Keyring for System {
        fn read(&self, _: &str) -> Answer {
            Answer::NoKeyring
        }

        fn write(&self, _: &str, _: &Secret) -> bool {
            false
        }
    }
}

const BETWEEN_QUESTIONS: Duration = Duration::from_secs(60);
const FILE: &str = "last-known-good.identity";
/// The same for what is in the keyring. It is another file: while there is one of the first name, the keyring is not asked.
const OUTSIDE: &str = "last-known-good-of-keyring.identity";
