//! The last known good key: when a source gives nothing that works, the value that served last stands in, loudly.
//!
//! It stands in when the source cannot be read, and when it hands out what the provider refuses. The source is read again
//! all the while, and the next value that the provider accepts ends it.

use std::sync::{Mutex, PoisonError};

use keywright::sources::{Miss, Reference};
use keywright::state::{Event, Happening, Memory, Timestamp, told};
use keywright_core::ring::Look;
use keywright_core::{Cause, Fingerprint, ProviderSpec};

use crate::keeper;
use crate::key::{self, Key, KeyValue};
use crate::live::Upstream;
use crate::shared::Shared;

/// What makes a value one that stands in.
#[derive(Debug, Default)]
pub(crate) struct StandIn {
    /// What the source hands out, and the provider refuses. None while the source cannot be read.
    refused: Mutex<Option<Fingerprint>>,
}

impl StandIn {
    fn of(refused: Option<Fingerprint>) -> Self {
        Self { refused: Mutex::new(refused) }
    }

    /// Whether the source's value was refused already.
    pub(crate) fn refuses(&self, value: Fingerprint) -> bool {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) == Some(value)
    }

    /// The source hands out another value, and the provider refuses that one too.
    pub(crate) fn refuse(&self, value: Fingerprint) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }
}

/// The value that stands in for a source that cannot be read.
pub(crate) async fn for_outage(
    memory: &Memory,
    spec: &ProviderSpec,
    reference: &Reference,
    miss: &Miss,
) -> Option<KeyValue> {
    let (memory, provider, asked, why) = (memory.clone(), spec.id.clone(), reference.clone(), miss.clone());
    // It may wait for the keyring.
    let found = tokio::task::spawn_blocking(move || memory.stand_in(&provider, &asked, &why)).await.ok()??;
    let value = key::prepare(found.secret, found.place, spec, Some(StandIn::default())).ok()?;
    announce(&spec.id, &value, &miss.to_string());
    Some(value)
}

/// The provider refuses what the source hands out: the value that served last is asked about, and takes its place.
/// Requests that wait for a verdict on the refused value are served by it.
pub(crate) async fn take_over(
    shared: &Shared,
    upstream: &Upstream,
    key: &Key,
    refused: &KeyValue,
    cause: Cause,
) -> bool {
    let Some(value) = remembered(shared, upstream, key, refused).await else {
        return false;
    };
    let probed = keeper::ask(shared, upstream, key, &value).await;
    if let Look::Refused(cause) = probed.look {
        tracing::warn!(
            provider = upstream.id,
            key = value.masked,
            cause = cause.slug(),
            "the last known good key is refused too"
        );
        note_refusal(shared, upstream, key, &value, cause);
        return false;
    }
    note_refusal(shared, upstream, key, refused, cause);
    let why = format!("{} refuses {} of {}: [{}]", upstream.spec.name, refused.masked, refused.place, cause.slug());
    announce(&upstream.id, &value, &why);
    key.replace(value);
    shared.refresh_redactor();
    upstream.changed();
    true
}

async fn remembered(shared: &Shared, upstream: &Upstream, key: &Key, refused: &KeyValue) -> Option<KeyValue> {
    let reference = key.reference.as_ref()?.to_string();
    let (memory, provider, asked) = (shared.memory.clone()?, upstream.id.clone(), reference.clone());
    let good = tokio::task::spawn_blocking(move || memory.last_known_good(&provider, &asked)).await.ok()??;
    let place = told(&reference, good.last_good);
    let stand_in = StandIn::of(Some(refused.fingerprint));
    let value = key::prepare(good.secret, place, upstream.spec, Some(stand_in)).ok()?;
    (value.fingerprint != refused.fingerprint).then_some(value)
}

fn note_refusal(shared: &Shared, upstream: &Upstream, key: &Key, value: &KeyValue, cause: Cause) {
    if let Some(memory) = &shared.memory {
        let subject = memory.subject(&upstream.id, &value.secret, key.source());
        memory.note(Event { subject, at: Timestamp::now(), what: Happening::Bad { cause } });
    }
}

fn announce(provider: &str, value: &KeyValue, why: &str) {
    tracing::warn!(provider, key = value.masked, place = value.place, why, "the last known good key serves");
}
