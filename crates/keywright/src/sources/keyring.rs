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
            let read = ask(LIMIT, move || present(Entry::new(&service, &account)?.get_password())).await?;
            Ok(read.map(|password| Reading { secret: Secret::new(password), line: None }))
        })
    }
}

/// Asks the keyring off this thread: its library waits for a daemon that may itself wait for a person.
pub(crate) async fn ask<T: Send + 'static>(
    limit: Duration,
    question: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, SourceError> {
    let answer = tokio::time::timeout(limit, tokio::task::spawn_blocking(question))
        .await
        .map_err(|_| SourceError::TimedOut { seconds: limit.as_secs() })?;
    answer.unwrap_or(Err(Error::NoDefaultStore)).map_err(|error| refusal(&error))
}

/// That there is no such entry is an answer.
pub(crate) fn present<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(Error::NoEntry) => Ok(None),
        other => other.map(Some),
    }
}

fn refusal(error: &Error) -> SourceError {
    match error {
        Error::NoEntry => SourceError::NotSet,
        Error::NoDefaultStore => SourceError::NoKeyring,
        Error::NoStorageAccess(_) => SourceError::KeyringLocked,
        Error::BadEncoding(_) | Error::BadDataFormat(..) => SourceError::NotUtf8,
        Error::Ambiguous(_) => SourceError::KeyringAmbiguous,
        error => {
            // The message may name the entry; it holds no secret.
            tracing::debug!(%error, "the keyring refused");
            SourceError::KeyringRefused
        }
    }
}

/// A keyring that must be unlocked asks a person, and nobody may be there.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
