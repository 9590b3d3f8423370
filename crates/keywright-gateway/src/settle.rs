//! Settle: tells the ring, the counters and the keeper how an attempt went.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keywright_core::ring::{Backoff, Event, Health, Moment};
use keywright_core::{Bench, Cause, Classified, Fingerprint};

use crate::clock;
use crate::key::{Change, Key, KeyValue};
use crate::live::Upstream;
use crate::metrics::Traffic;
use crate::shared::Shared;

/// A key in use by one attempt.
pub(crate) struct InUse {
    pub(crate) key: Arc<Key>,
    pub(crate) value: Arc<KeyValue>,
    /// Set for the one attempt that probation allows: whom to tell when it is over.
    pub(crate) trial: Option<Arc<Upstream>>,
    /// When it was chosen.
    pub(crate) taken_at: Moment,
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(upstream) = &self.trial {
            self.key.end_trial();
            upstream.changed();
        }
    }
}

/// Counts a request as open until it is dropped.
pub(crate) struct InFlight(Arc<Traffic>);

impl InFlight {
    pub(crate) fn new(traffic: &Arc<Traffic>) -> Self {
        traffic.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(traffic))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The attempt was served.
pub(crate) fn served(shared: &Shared, upstream: &Upstream, used: &InUse, now: Moment) {
    let counts = &used.key.counts;
    counts.served.fetch_add(1, Ordering::Relaxed);
    counts.last_served.store(now.0, Ordering::Relaxed);
    // Only probation learns from a served request; every other state is left alone without a lock.
    if used.trial.is_some() {
        let change = used.key.tell(used.value.fingerprint, Event::Served, &Backoff::default(), now);
        announce(shared, upstream, &used.key, change);
    }
}

/// What a refusal said.
pub(crate) struct Refusal<'a> {
    pub(crate) status: u16,
    pub(crate) classified: &'a Classified,
    /// The model that was asked for.
    pub(crate) model: Option<&'a str>,
    pub(crate) retry_after: Option<Duration>,
}

/// The attempt was refused.
pub(crate) fn refused(shared: &Shared, upstream: &Upstream, used: &InUse, refusal: &Refusal<'_>) {
    let now = clock::now();
    let cause = refusal.classified.cause;
    match cause.bench() {
        Bench::Nothing => {}
        Bench::KeyAndModel => {
            used.key.count_refusal(used.taken_at);
            // Without a model in the request there is no pair to bench.
            if let Some(model) = refusal.model {
                used.key.bench_model(model, cause, now);
            }
        }
        Bench::Cooldown => condemn(shared, upstream, &used.key, used.value.fingerprint, refusal, now),
        Bench::Key | Bench::Account => {
            used.key.count_refusal(used.taken_at);
            condemn(shared, upstream, &used.key, used.value.fingerprint, refusal, now);
            if cause.bench() == Bench::Account {
                refuse_account(shared, upstream, used, refusal, now);
            }
        }
    }
}

/// Tells one key of a refusal that concerns it.
fn condemn(shared: &Shared, upstream: &Upstream, key: &Key, value: Fingerprint, refusal: &Refusal<'_>, now: Moment) {
    let cause = refusal.classified.cause;
    let Some(event) = Event::of_refusal(cause, refusal.retry_after) else {
        return;
    };
    let change = key.tell(value, event, &shared.backoff, now);
    if cause.bench() != Bench::Cooldown && change.is_some_and(|change| change.from != change.to) {
        key.note_refusal(upstream.spec, refusal.status, refusal.classified);
    }
    announce(shared, upstream, key, change);
}

/// What concerns the account concerns every key that is known to belong to it.
fn refuse_account(shared: &Shared, upstream: &Upstream, used: &InUse, refusal: &Refusal<'_>, now: Moment) {
    let Some(account) = used.key.account.as_deref() else {
        return;
    };
    let same = |key: &&Arc<Key>| key.account.as_deref() == Some(account) && !Arc::ptr_eq(key, &used.key);
    for key in upstream.ring().iter().filter(same) {
        if let Some(value) = key.value() {
            condemn(shared, upstream, key, value.fingerprint, refusal, now);
        }
    }
}

/// Makes a change known: to waiting requests, to the keeper and to the log.
pub(crate) fn announce(shared: &Shared, upstream: &Upstream, key: &Key, change: Option<Change>) {
    let Some(change) = change else {
        return;
    };
    if change.task.is_some() {
        shared.wake_keeper.notify_one();
    }
    if change.from == change.to {
        return;
    }
    upstream.changed();
    chronicle(key, change);
    // What callers are told: the history may know more than the refusal did.
    let diagnosis = key.diagnosis(upstream.spec, clock::now());
    let known = diagnosis.as_ref().map(|diagnosis| diagnosis.cause);
    let cause = known.or(change.to.cause()).map_or("", Cause::slug);
    let fingerprint = key.fingerprint();
    let (from, to) = (change.from.name(), change.to.name());
    match change.to {
        Health::Quarantined { .. } if matches!(change.from, Health::Quarantined { .. }) => {
            tracing::debug!(provider = upstream.id, key = key.masked(), fingerprint, cause, "key is still out");
        }
        Health::Quarantined { .. } => {
            shared.wake_keeper.notify_one();
            tracing::warn!(
                provider = upstream.id,
                key = key.masked(),
                fingerprint,
                place = key.place(),
                from,
                to,
                cause,
                help = diagnosis.as_ref().and_then(|diagnosis| Some(diagnosis.fixes.first()?.says.as_str())),
                "key is out"
            );
        }
        _ => tracing::info!(provider = upstream.id, key = key.masked(), fingerprint, from, to, cause, "key changed"),
    }
}

/// What the history should know of a change: when the key last served, and that it is out.
fn chronicle(key: &Key, change: Change) {
    let was_out = match change.from {
        Health::Quarantined { cause, .. } => Some(cause),
        Health::Active | Health::Suspect { .. } | Health::CoolingDown { .. } | Health::Probation { .. } => None,
    };
    match change.to {
        Health::Suspect { .. } => key.tell_last_service(true),
        Health::Quarantined { cause, .. } if was_out != Some(cause) => {
            if matches!(change.from, Health::Active | Health::CoolingDown { .. } | Health::Probation { .. }) {
                key.tell_last_service(true);
            }
            key.chronicle.refused(cause);
        }
        Health::Quarantined { .. } | Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => {}
    }
}
