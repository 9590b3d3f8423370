//! The answer when no key is left: which keys, why each is out, and what to do.

use std::sync::Arc;

use http::StatusCode;
use keywright_core::Cause;
use keywright_core::all_out::{AllOut, KeyOut, Together, Told, Why};
use keywright_core::pins::Pin;
use keywright_core::ring::{Health, Moment, same_moment};

use crate::answer::Refusal;
use crate::clock;
use crate::key::{Key, Unreadable};
use crate::live::Upstream;

/// Builds the refusal. It is never a 429 for a key's problem and never a 401 to a caller whose own key is fine.
pub(crate) fn refusal(upstream: &Upstream, pin: Option<&Pin>, model: Option<&str>, last: Option<Cause>) -> Refusal {
    let now = clock::now();
    let out =
        |key: Arc<Key>| KeyOut { masked: key.masked(), place: key.place(), why: why(upstream, &key, pin, model, now) };
    let keys: Vec<KeyOut> = upstream.ring().into_iter().map(out).collect();
    let together = Together {
        provider: upstream.spec,
        pin,
        last,
        in_one_moment: suspect_provider(upstream),
        retry_after: upstream.ring().iter().filter_map(|key| key.health().due_at()).min().map(|due| now.until(due)),
    };
    let all_out = AllOut::of(&together, &keys);
    let reply = all_out.reply(Told::Caller);
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let refusal = Refusal::new(status, all_out.cause(), all_out.message.clone()).retry_after(reply.retry_after);
    match all_out.fix() {
        Some(fix) => refusal.help(fix),
        None => refusal,
    }
}

fn why(upstream: &Upstream, key: &Key, pin: Option<&Pin>, model: Option<&str>, now: Moment) -> Why {
    let project = key.project.as_deref();
    if pin.is_some_and(|pin| project.is_some_and(|project| project != pin.project)) {
        return Why::other_project();
    }
    if let Some(diagnosis) = key.diagnosis(upstream.spec, now) {
        // Without a value, that is what the diagnosis tells.
        let down = key.source_down().filter(|_| key.value().is_some());
        return Why::out(diagnosis, down.as_deref().map(Unreadable::as_source_down));
    }
    match key.model_bench(|| model, now) {
        Some(bench) => Why::model(bench),
        None => Why::standing(key.standing(now), now),
    }
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
