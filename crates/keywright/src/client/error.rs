//! What a client says when a call failed.

use std::time::Duration;

use async_openai::error::OpenAIError;
use keywright_core::all_out::AllOut;
use keywright_core::{Diagnosis, Fix, Verdict};

use crate::http::{ConnectError, OriginError};

/// Why a client could not be built, or a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key is the cause, or what it may do: at construction, or when every key was refused.
    #[error("{}", in_words(.0))]
    Authentication(Box<Diagnosis>),
    /// Something else is the cause: a limit, credit, the request, the network, the provider.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// The catalogue has no such provider.
    #[error("no provider `{id}` is in the catalogue; it has {}", catalogued())]
    UnknownProvider {
        /// What was asked for.
        id: String,
    },
    /// The base URL leads nowhere.
    #[error(transparent)]
    BaseUrl(#[from] OriginError),
    /// No connection can be made from here.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// An answer that is not what was asked for.
    #[error("{0}")]
    Unreadable(String),
    /// What `async-openai` says of its own.
    #[error(transparent)]
    Api(OpenAIError),
}

/// A call that failed for another reason than its key.
#[derive(Debug)]
pub struct Failure {
    /// The cause, with the evidence and what to do.
    pub diagnosis: Diagnosis,
    /// The provider's status, if it answered.
    pub status: Option<u16>,
    /// What the provider said, without any key.
    pub message: Option<String>,
    /// How long to wait before the next try, where the provider or the ring says so.
    pub retry_after: Option<Duration>,
}

impl Error {
    pub(super) fn of_diagnosis(diagnosis: Diagnosis) -> Self {
        Self::of_failure(Failure { diagnosis, status: None, message: None, retry_after: None })
    }

    pub(super) fn of_failure(failure: Failure) -> Self {
        match failure.diagnosis.verdict {
            Verdict::Auth => Self::Authentication(Box::new(failure.diagnosis)),
            Verdict::NotAuth | Verdict::Unrecognised => Self::Failed(Box::new(failure)),
        }
    }

    pub(super) fn of_all_out(out: AllOut) -> Self {
        let AllOut { message, diagnosis, retry_after, .. } = out;
        Self::of_failure(Failure { diagnosis, status: None, message: Some(message), retry_after: Some(retry_after) })
    }

    /// The diagnosis, if the call failed for a reason that has one.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        match self {
            Self::Authentication(diagnosis) => Some(diagnosis),
            Self::Failed(failure) => Some(&failure.diagnosis),
            Self::Api(error) => Self::of(error).and_then(Self::diagnosis),
            Self::UnknownProvider { .. } | Self::BaseUrl(_) | Self::Connect(_) | Self::Unreadable(_) => None,
        }
    }

    /// The error of this crate that a call through [`super::Client::api`] carries, if it does.
    pub fn of(error: &OpenAIError) -> Option<&Self> {
        match error {
            OpenAIError::Boxed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl From<OpenAIError> for Error {
    fn from(error: OpenAIError) -> Self {
        match error {
            OpenAIError::Boxed(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::Api(OpenAIError::Boxed(other)),
            },
            other => Self::Api(other),
        }
    }
}

impl From<Error> for OpenAIError {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(error) => error,
            other => Self::Boxed(Box::new(other)),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&in_words(&self.diagnosis))?;
        self.message.as_ref().map_or(Ok(()), |message| write!(f, " ({message})"))
    }
}

/// A diagnosis in one line: what happened, what was seen, what to do.
fn in_words(diagnosis: &Diagnosis) -> String {
    let seen: Vec<&str> = diagnosis.evidence.iter().map(|evidence| evidence.says.as_str()).collect();
    let mut says = format!("{}: {} [{}]", diagnosis.provider, diagnosis.title(), diagnosis.cause.slug());
    if !seen.is_empty() {
        says = format!("{says}: {}", seen.join("; "));
    }
    match diagnosis.fixes.first() {
        Some(Fix { says: fix, command: Some(command) }) => format!("{says}. Fix: {fix} `{command}`"),
        Some(Fix { says: fix, command: None }) => format!("{says}. Fix: {fix}"),
        None => says,
    }
}

fn catalogued() -> String {
    let ids = keywright_core::Catalogue::builtin().providers().iter().map(|provider| provider.id.as_str());
    ids.collect::<Vec<_>>().join(", ")
}
