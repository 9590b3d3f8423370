//! What the history knows of a key, and what these commands add to it. Without it they work and remember nothing.

use keywright::sources::Resolver;
use keywright::state::{Directory, Entry, Event, Happening, History, Timestamp};
use keywright_core::ring::Look;
use keywright_core::{ProviderSpec, Secret};

/// The history, as far as it can be used.
pub(super) struct Noted(Option<History>);

/// What the history says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The provider accepted it, and has not refused it since.
    Proved,
    /// The provider refuses it.
    Refused,
    /// Nobody knows.
    Unproved,
}

impl Noted {
    /// To be written to.
    pub(super) fn open(resolver: &Resolver) -> Self {
        Self::of(Directory::of(resolver.environment()).and_then(|directory| History::open(&directory).map(Some)))
    }

    /// To be read: to look at it is no reason to make it.
    pub(super) fn existing(resolver: &Resolver) -> Self {
        Self::of(Directory::of(resolver.environment()).and_then(|directory| History::open_existing(&directory)))
    }

    fn of(opened: Result<Option<History>, keywright::state::StateError>) -> Self {
        Self(opened.unwrap_or_else(|error| {
            tracing::warn!(%error, help = error.help(), "the history of keys cannot be used");
            None
        }))
    }

    /// What is known about a key.
    pub(super) fn known(&mut self, provider: &ProviderSpec, key: &Secret) -> Option<Entry> {
        self.0.as_mut()?.known(&provider.id, key).ok().flatten()
    }

    /// Whether a key proved itself.
    pub(super) fn standing(&mut self, provider: &ProviderSpec, key: &Secret) -> Standing {
        match self.known(provider, key) {
            Some(Entry { first_bad: Some(_), .. }) => Standing::Refused,
            Some(Entry { last_good: Some(_), .. }) => Standing::Proved,
            _ => Standing::Unproved,
        }
    }

    /// Notes that a key is here and, if it was asked about, what the provider said.
    pub(super) fn note(&mut self, provider: &ProviderSpec, key: &Secret, reference: &str, look: Option<Look>) {
        let Some(history) = &mut self.0 else {
            return;
        };
        let what = match look {
            Some(Look::Works) => Happening::Good { served: 0 },
            Some(Look::Refused(cause)) => Happening::Bad { cause },
            Some(Look::Unknown) | None => Happening::Seen,
        };
        let now = Timestamp::now();
        let event = Event { subject: history.subject(&provider.id, key, reference), at: now, what };
        if let Err(error) = history.note(&[event], now) {
            tracing::warn!(%error, help = error.help(), "the history of keys cannot be written");
        }
    }
}
