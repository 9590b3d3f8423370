//! The answer when no key is left: which keys, why each is out, and what to do.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use keywright_core::ring::{Health, Moment, Standing, same_moment};
use keywright_core::{Cause, Diagnosis, Fix};

use crate::answer::Refusal;
use crate::clock;
use crate::key::Key;
use crate::live::Upstream;
use crate::plan::Pin;

/// Builds the refusal. It is never a 429 for a key's problem and never a 401 to a caller whose own key is fine.
pub(crate) fn refusal(upstream: &Upstream, pin: Option<&Pin>, model: Option<&str>, last: Option<Cause>) -> Refusal {
    let now = clock::now();
    let whys: Vec<(Arc<Key>, Why)> = upstream
        .ring()
        .into_iter()
        .map(|key| {
            let why = why(upstream, &key, pin, model, now);
            (key, why)
        })
        .collect();
    let first = whys.iter().find_map(|(_, why)| why.diagnosis.as_ref());
    let cause = first.map(|diagnosis| diagnosis.cause).or(last).or_else(|| whys.iter().find_map(|(_, why)| why.cause));
    let cause = cause.unwrap_or(Cause::MissingKey);
    let mut message = format!("keywright: no usable key for {}", upstream.spec.name);
    for (at, (key, why)) in whys.iter().enumerate() {
        let mark = if at == 0 { ':' } else { ';' };
        let _ = write!(message, "{mark} {} ({}): {}", key.masked(), key.place(), why.says);
    }
    if let Some(pin) = pin {
        let _ = write!(
            message,
            ". The request names `{}`, which only keys of the project `{}` can see",
            pin.object, pin.project
        );
    }
    if suspect_provider(upstream) {
        message.push_str(". All keys were refused in the same moment: look at the provider, the clock or the way out before the keys");
    }
    message.push('.');
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, cause, message).retry_after(next_look(upstream, now));
    match first.and_then(|diagnosis| diagnosis.fixes.first()) {
        Some(Fix { says, command: Some(command) }) => refusal.help(format!("Fix: {says} `{command}`")),
        Some(Fix { says, command: None }) => refusal.help(format!("Fix: {says}")),
        None => refusal,
    }
}

/// Why one key does not serve this request.
struct Why {
    says: String,
    cause: Option<Cause>,
    diagnosis: Option<Diagnosis>,
}

fn why(upstream: &Upstream, key: &Key, pin: Option<&Pin>, model: Option<&str>, now: Moment) -> Why {
    let only = |says: String, cause: Option<Cause>| Why { says, cause, diagnosis: None };
    let project = key.project.as_deref();
    if pin.is_some_and(|pin| project.is_some_and(|project| project != pin.project)) {
        return only("belongs to another project".to_owned(), None);
    }
    if let Some(diagnosis) = key.diagnosis(upstream.spec, now) {
        let says = said(diagnosis.cause);
        return Why { says, cause: Some(diagnosis.cause), diagnosis: Some(diagnosis) };
    }
    if let Some(bench) = key.model_bench(|| model, now) {
        return only(said(bench), Some(bench));
    }
    match key.standing(now) {
        Standing::Resting(until) => {
            let seconds = now.until(until).as_secs() + 1;
            only(format!("rests for {seconds} s after a rate limit"), Some(Cause::RateLimit))
        }
        Standing::Ready | Standing::Deciding | Standing::Out(_) => {
            only("was refused for this request".to_owned(), None)
        }
    }
}

/// A cause in the words of its page, with its slug.
fn said(cause: Cause) -> String {
    format!("{} [{}]", keywright_core::page::cause_page(cause).title, cause.slug())
}

/// Whether all keys went out in one moment. A source without a value says nothing about the provider.
pub(crate) fn suspect_provider(upstream: &Upstream) -> bool {
    let keys = upstream.ring();
    let since: Vec<Moment> = keys
        .iter()
        .filter_map(|key| match key.health() {
            Health::Quarantined { since, .. } | Health::Suspect { since, .. } => Some(since),
            Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => None,
        })
        .collect();
    let sendable = keys.iter().all(|key| key.value().is_some());
    sendable && since.len() == keys.len() && same_moment(&since)
}

/// When the first key is looked at again.
fn next_look(upstream: &Upstream, now: Moment) -> Duration {
    let due = upstream.ring().iter().filter_map(|key| key.health().due_at()).min();
    due.map_or(Duration::from_secs(1), |due| now.until(due)).max(Duration::from_secs(1))
}
