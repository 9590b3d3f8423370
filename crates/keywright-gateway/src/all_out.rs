//! The answer when no key is left: which keys, why each is out, and what to do.

use std::fmt::Write;
use std::time::Duration;

use http::StatusCode;
use keywright_core::ring::{Health, Moment, Standing, same_moment};
use keywright_core::{Cause, Diagnosis};

use crate::answer::Refusal;
use crate::clock;
use crate::live::Upstream;
use crate::plan::Pin;

/// Builds the refusal. It is never a 429 for a key's problem and never a 401 to a caller whose own key is fine.
pub(crate) fn refusal(
    upstream: &Upstream,
    pin: Option<&Pin>,
    model: Option<&str>,
    last: Option<Cause>,
) -> Refusal {
    let now = clock::now();
    let mut cause = last;
    let mut lines = String::new();
    let mut advice: Option<Diagnosis> = None;
    for key in &upstream.keys {
        let other_project = pin.is_some_and(|pin| {
            key.project
                .as_ref()
                .is_some_and(|project| *project != pin.project)
        });
        let why = if other_project {
            "belongs to another project".to_owned()
        } else if let Some(diagnosis) = key.diagnosis(upstream.spec, now) {
            let why = format!("{} [{}]", diagnosis.title(), diagnosis.cause.slug());
            cause = cause
                .filter(|cause| *cause == diagnosis.cause)
                .or(Some(diagnosis.cause));
            advice.get_or_insert(diagnosis);
            why
        } else if let Some(bench) = model.and_then(|model| key.model_bench(model, now)) {
            cause = cause.or(Some(bench));
            format!("may not use this model [{}]", bench.slug())
        } else if let Standing::Resting(until) = key.standing(now) {
            cause = cause.or(Some(Cause::RateLimit));
            format!(
                "rests for {} s after a rate limit",
                now.until(until).as_secs() + 1
            )
        } else {
            "was refused for this request".to_owned()
        };
        let _ = write!(lines, " {} ({}): {why};", key.masked(), key.place());
    }
    let cause = cause.unwrap_or(Cause::MissingKey);
    let mut message = format!(
        "keywright: no usable key for {}:{}",
        upstream.spec.name,
        lines.trim_end_matches(';')
    );
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
    let diagnosis = advice
        .unwrap_or_else(|| Diagnosis::new(&upstream.id, cause, keywright_core::Confidence::Likely));
    let mut refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, cause, message)
        .retry_after(next_look(upstream, now));
    if let Some(fix) = diagnosis.fixes.first() {
        let command = fix
            .command
            .as_ref()
            .map(|command| format!(" `{command}`"))
            .unwrap_or_default();
        refusal = refusal.help(format!("Fix: {}{command}", fix.says));
    }
    refusal
}

/// Whether all keys went out in one moment.
pub(crate) fn suspect_provider(upstream: &Upstream) -> bool {
    let since: Vec<Moment> = upstream
        .keys
        .iter()
        .filter_map(|key| match key.health() {
            Health::Quarantined { since, .. } | Health::Suspect { since, .. } => Some(since),
            Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => None,
        })
        .collect();
    since.len() == upstream.keys.len() && same_moment(&since)
}

/// When the first key is looked at again.
fn next_look(upstream: &Upstream, now: Moment) -> Duration {
    let due = upstream
        .keys
        .iter()
        .filter_map(|key| key.health().due_at())
        .min();
    due.map_or(Duration::from_secs(1), |due| now.until(due))
        .max(Duration::from_secs(1))
}
