//! The keeper: looks after keys that are suspect or out, away from the data path.
//!
//! On a refusal it reads the key's source again before anything else: a changed value is a rotation,
//! not a failure. If the value is the same, one free probe decides. Keys that are out are looked at
//! again with backoff, and at once when their source hands out another value: local sources are read on every tick,
//! servers and helpers at their own pace ([`crate::pace`]).
//!
//! A probe that costs nothing says nothing about credit, so an account that was out proves itself by traffic: one request at
//! a time, on probation. When all keys of a provider go out in one moment, the provider, the clock or the way out is the
//! suspect: looks come sooner, and the answer says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keywright::probe::{Probed, probe};
use keywright_core::Cause;
use keywright_core::ring::{Backoff, Event, Health, Look, Moment, Task};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::all_out::suspect_provider;
use crate::clock;
use crate::key::{self, Key, KeyValue, LookRight, Unreadable};
use crate::live::Upstream;
use crate::settle;
use crate::shared::Shared;
use crate::stand_in;

/// Runs until the gateway stops.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut looks = JoinSet::new();
    let mut stop = shared.draining.subscribe();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Sources are read again on a tick only: the end of one look must not begin the next.
        let sources_due = tokio::select! {
            () = shared.wake_keeper.notified() => false,
            _ = tick.tick() => true,
            _ = stop.wait_for(|draining| *draining) => return,
        };
        while looks.try_join_next().is_some() {}
        start_looks(&shared, &mut looks, sources_due);
    }
}

fn start_looks(shared: &Arc<Shared>, looks: &mut JoinSet<()>, sources_due: bool) {
    let now = clock::now();
    for (upstream, key) in shared.live.load().keys() {
        if sources_due {
            key.tell_service(false);
        }
        if key.is_looked_at() {
            continue;
        }
        let Some(look) = needed(shared, upstream, &key).filter(|look| sources_due || *look == Needed::SourceAndProbe)
        else {
            continue;
        };
        if let Some(right) = key.begin_look() {
            tracing::debug!(provider = upstream.id, key = key.masked(), ?look, at = now.0, "looking at a key");
            looks.spawn(self::look(Arc::clone(shared), Arc::clone(upstream), key, look, right));
        }
    }
}

/// Looks at a key.
pub(crate) async fn look(
    shared: Arc<Shared>,
    upstream: Arc<Upstream>,
    key: Arc<Key>,
    needed: Needed,
    right: LookRight,
) {
    let seen = match needed {
        Needed::Source => reread(&shared, &upstream, &key).await,
        Needed::SourceAndProbe => confirm(&shared, &upstream, &key).await,
    };
    end_look(&shared, &upstream, &key, right, seen);
}

/// Ends a look, which has seen another value or a verdict, or nothing new.
pub(crate) fn end_look(shared: &Shared, upstream: &Upstream, key: &Key, right: LookRight, seen: bool) {
    drop(right);
    if matches!(key.health(), Health::Suspect { .. }) {
        // It was refused while this look was under way.
        shared.wake_keeper.notify_one();
    }
    if seen {
        upstream.changed();
    }
}

/// What a key needs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Its source may hold another value.
    Source,
    /// Its source, then a probe.
    SourceAndProbe,
}

fn needed(shared: &Shared, upstream: &Upstream, key: &Key) -> Option<Needed> {
    let now = clock::now();
    match key.health() {
        Health::Suspect { .. } => Some(Needed::SourceAndProbe),
        Health::Quarantined { .. } if key.value().is_none() => source_due(key, now),
        Health::Quarantined { retry_at, .. } => {
            let value = key.value()?;
            let backoff = if suspect_provider(upstream) { SOON } else { shared.backoff };
            let due = retry_at <= now;
            let change = due.then(|| key.tell(value.fingerprint, Event::Due, &backoff, now)).flatten();
            settle::announce(shared, upstream, key, change);
            let probe = change.is_some_and(|change| matches!(change.task, Some(Task::Confirm | Task::Probe)));
            if probe { Some(Needed::SourceAndProbe) } else { source_due(key, now) }
        }
        Health::CoolingDown { until } if until <= now => {
            let change = key.value().and_then(|value| key.tell(value.fingerprint, Event::Due, &shared.backoff, now));
            settle::announce(shared, upstream, key, change);
            None
        }
        // While the last known good value serves, the source is asked for one of its own.
        Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } if key.stands_in() => {
            source_due(key, now)
        }
        Health::Active if key.is_costly() => {
            let again = key.reference.as_ref().and_then(|reference| shared.resolver.read_again(reference));
            if key.pace.lease_due(again, now) {
                return Some(Needed::Source);
            }
            let every = shared.resolver.settings().poll?;
            key.pace.poll_due(every, now).then_some(Needed::Source)
        }
        Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => {
            key.is_due_again(now).then_some(Needed::Source)
        }
    }
}

/// A file is looked at on every tick, a server ever more slowly.
fn source_due(key: &Key, now: Moment) -> Option<Needed> {
    (!key.is_costly() || key.pace.retry_due(now)).then_some(Needed::Source)
}

/// Reads the source again; true when the key has a new value that may serve.
async fn reread(shared: &Shared, upstream: &Upstream, key: &Key) -> bool {
    let Some(reference) = &key.reference else {
        return false;
    };
    let handed_out = key::read(reference, upstream.spec, &shared.resolver).await;
    take(shared, upstream, key, handed_out).await
}

/// Takes what the source hands out; true when the key has a new value that may serve. Who calls it may look at the key.
pub(crate) async fn take(
    shared: &Shared,
    upstream: &Upstream,
    key: &Key,
    handed_out: Result<KeyValue, Unreadable>,
) -> bool {
    match handed_out {
        Ok(value) => {
            key.source_works(&upstream.id);
            offer(shared, upstream, key, value).await
        }
        Err(why) => {
            key.source_fails(&upstream.id, &why);
            if key.value().is_some() {
                return false;
            }
            let stand_in = match &key.reference {
                Some(reference) => why.stand_in(shared.memory.as_ref(), upstream.spec, reference).await,
                None => None,
            };
            let Some(value) = stand_in else {
                key.lose(&why);
                return false;
            };
            rotate(shared, upstream, key, value).await
        }
    }
}

/// What the source hands out: the value that serves, one that was refused already, or another one.
async fn offer(shared: &Shared, upstream: &Upstream, key: &Key, value: KeyValue) -> bool {
    let Some(old) = key.value() else {
        key.pace.restart();
        return rotate(shared, upstream, key, value).await;
    };
    let serves = !matches!(key.health(), Health::Suspect { .. } | Health::Quarantined { .. });
    match &old.stand_in {
        None if old.fingerprint == value.fingerprint => {
            key.forget_passed_over();
            false
        }
        None if serves && key.passes_over(value.fingerprint, clock::now()) => false,
        Some(_) if old.fingerprint == value.fingerprint => {
            tracing::info!(
                provider = upstream.id,
                key = old.masked,
                "the source hands out the last known good key again"
            );
            key.pace.restart();
            key.confirm_stand_in(value);
            false
        }
        Some(stand_in) if serves && stand_in.refuses(value.fingerprint) => false,
        _ => {
            key.pace.restart();
            rotate(shared, upstream, key, value).await
        }
    }
}

/// The one look after a refusal: source first, then a free probe.
async fn confirm(shared: &Shared, upstream: &Upstream, key: &Key) -> bool {
    key.pace.refused(clock::now());
    if reread(shared, upstream, key).await {
        return true;
    }
    let Some(value) = key.value() else {
        return true;
    };
    let probed = ask(shared, upstream, key, &value).await;
    if let Look::Refused(cause) = probed.look
        && stand_in::take_over(shared, upstream, key, &value, cause).await
    {
        return true;
    }
    key.note_look(described(upstream, &probed));
    let backoff = if suspect_provider(upstream) { SOON } else { shared.backoff };
    let change = key.tell(value.fingerprint, Event::Probed(probed.look), &backoff, clock::now());
    settle::announce(shared, upstream, key, change);
    if probed.look == Look::Works {
        key.chronicle.proved();
    }
    true
}

/// A new value is probed, then it joins the ring. Only a plain refusal keeps it out.
async fn rotate(shared: &Shared, upstream: &Upstream, key: &Key, value: KeyValue) -> bool {
    let probed = ask(shared, upstream, key, &value).await;
    let (old, new) = (key.masked(), value.masked.clone());
    if let Look::Refused(cause) = probed.look {
        tracing::warn!(
            provider = upstream.id,
            new,
            cause = cause.slug(),
            "the source hands out a value that the provider refuses"
        );
        // A value serves: no reason to put a refused one in its place.
        if let Some(old) = key.value()
            && !matches!(key.health(), Health::Suspect { .. } | Health::Quarantined { .. })
        {
            match &old.stand_in {
                Some(stand_in) => stand_in.refuse(value.fingerprint),
                // A new key may take a while to become known at the provider: it is asked about again.
                None => key.pass_over(value.fingerprint, &shared.backoff, clock::now()),
            }
            tracing::warn!(provider = upstream.id, key = old.masked, "the value before it serves on");
            return false;
        }
        if stand_in::take_over(shared, upstream, key, &value, cause).await {
            return true;
        }
        // It is remembered as the key's value, so that it is not probed again and again.
        let fingerprint = value.fingerprint;
        key.replace(value);
        let now = clock::now();
        for event in [Event::Refused(Cause::InvalidKey), Event::Probed(Look::Refused(cause))] {
            let change = key.tell(fingerprint, event, &shared.backoff, now);
            settle::announce(shared, upstream, key, change);
        }
        key.note_look(described(upstream, &probed));
        shared.refresh_redactor();
        return false;
    }
    let before = key.value();
    shared.retire(before.as_ref());
    key.replace(value);
    shared.refresh_redactor();
    upstream.changed();
    if before.is_some() {
        shared.rotations.fetch_add(1, Ordering::Relaxed);
        tracing::info!(provider = upstream.id, old, new, place = key.place(), "the key was rotated");
    } else {
        tracing::info!(provider = upstream.id, new, place = key.place(), "the key came in");
    }
    true
}

pub(crate) async fn ask(shared: &Shared, upstream: &Upstream, key: &Key, value: &KeyValue) -> Probed {
    key.counts.probes.fetch_add(1, Ordering::Relaxed);
    let limit = shared.live.load().settings.confirm_timeout.min(LONGEST_PROBE);
    probe(&upstream.connector, upstream.spec, &upstream.origin, &value.secret, limit).await
}

/// What a probe showed, in words.
fn described(upstream: &Upstream, probed: &Probed) -> String {
    let name = &upstream.spec.name;
    match (probed.look, &probed.answer, &probed.error) {
        (Look::Works, ..) => format!("a free question to {name} was answered: the key is known"),
        (Look::Refused(cause), Some((status, _)), _) => {
            format!("a free question to {name} was refused too: {status} [{}]", cause.slug())
        }
        (Look::Refused(cause), ..) => {
            format!("a free question to {name} shows: [{}]", cause.slug())
        }
        (Look::Unknown, _, Some(error)) => {
            format!("a free question to {name} got no answer: {error}")
        }
        (Look::Unknown, Some((status, _)), _) => {
            format!("a free question to {name} was answered {status}, which says nothing about the key")
        }
        (Look::Unknown, ..) => format!("{name} has no free question that proves a key"),
    }
}

/// How often sources on this machine are read again while their key is out.
const TICK: Duration = Duration::from_millis(500);
/// A probe that takes longer shows nothing.
const LONGEST_PROBE: Duration = Duration::from_secs(5);
/// When all keys went out at once, the provider may be back in a moment.
const SOON: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(15), pause: Duration::from_secs(2) };
