//! The operating system's keyring: Secret Service, Keychain, Credential Manager.

use std::time::Duration;

use ::keyring::{Entry, Error};
use keywright_core::Secret;

use super::{BoxFuture, Reading, Source, SourceError};

/// A service in the keyring. The name asked for is the account.
#[derive(Debug)]
pub(super) struct Keyring {
    pub(super) service: String,
}

impl Source for Keyring {
    fn place(&self, account: &str, _: Option<&Reading>) -> String {
        format!("keyring entry {}/{account}", self.service)
    }

    fn read<'a>(&'a self, account: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>> {
        Box::pin(async move {
            let (service, account) = (self.service.clone(), account.to_owned());
            // The library waits for a daemon that may itself wait for a person.
            let read = tokio::task::spawn_blocking(move || Entry::new(&service, &account)?.get_password());
            let read = tokio::time::timeout(LIMIT, read)
                .await
                .map_err(|_| SourceError::TimedOut { seconds: LIMIT.as_secs() })?;
            match read.unwrap_or(Err(Error::NoDefaultStore)) {
                Ok(password) => Ok(Some(Reading { secret: Secret::new(password), line: None })),
                Err(error) => missed(&error),
            }
        })
    }
}

fn missed(error: &Error) -> Result<Option<Reading>, SourceError> {
    match error {
        Error::NoEntry => Ok(None),
        Error::NoDefaultStore => Err(SourceError::NoKeyring),
        Error::NoStorageAccess(_) => Err(SourceError::KeyringLocked),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => Err(SourceError::NotUtf8),
        Error::Ambiguous(_) => Err(SourceError::KeyringAmbiguous),
        error => {
            // The message may name the entry; it holds no secret.
            tracing::debug!(%error, "the keyring refused");
            Err(SourceError::KeyringRefused)
        }
    }
}

/// A keyring that must be unlocked asks a person, and nobody may be there.
const LIMIT: Duration = Duration::from_secs(10);
