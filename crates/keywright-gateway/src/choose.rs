//! Chooses the key of the next attempt.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keywright_core::ring::{Moment, Standing, Want};

use crate::key::Key;
use crate::live::Upstream;
use crate::model::Model;
use crate::settle::InUse;

/// The choice.
pub(crate) enum Choice {
    /// This key serves.
    Use(InUse),
    /// A look is under way that may give a key within moments.
    Deciding,
    /// Every key that is left rests or is out.
    None,
}

/// Chooses: the first key in order that may serve, or by weight where weights are set.
pub(crate) fn choose(upstream: &Arc<Upstream>, want: &Want, model: &Model, now: Moment) -> Choice {
    let mut deciding = false;
    let start = weighted_start(upstream);
    let (before, after) = upstream.keys.split_at(start);
    let given = upstream.given.load();
    for key in after.iter().chain(before).chain(given.iter()) {
        match key.standing(now) {
            Standing::Ready => match take(upstream, key, want, model, now) {
                Taken::Yes(used) => return Choice::Use(used),
                Taken::OnTrial => deciding = true,
                Taken::No => {}
            },
            Standing::Deciding => deciding = deciding || fits(key, want, model, now),
            Standing::Resting(_) | Standing::Out(_) => {}
        }
    }
    if deciding { Choice::Deciding } else { Choice::None }
}

enum Taken {
    Yes(InUse),
    /// The one request that probation allows is under way.
    OnTrial,
    No,
}

fn take(upstream: &Arc<Upstream>, key: &Arc<Key>, want: &Want, model: &Model, now: Moment) -> Taken {
    if !fits(key, want, model, now) {
        return Taken::No;
    }
    let Some(value) = key.value().filter(|value| !want.tried.contains(&value.fingerprint)) else {
        return Taken::No;
    };
    match key.admit_trial() {
        Some(trial) => {
            Taken::Yes(InUse { key: Arc::clone(key), value, trial: trial.then(|| Arc::clone(upstream)), taken_at: now })
        }
        None => Taken::OnTrial,
    }
}

fn fits(key: &Key, want: &Want, model: &Model, now: Moment) -> bool {
    want.fits(key.project.as_deref(), key.account.as_deref()) && key.model_bench(|| model.name(), now).is_none()
}

/// Where to begin: at the first key, or spread over the keys by their weights.
fn weighted_start(upstream: &Upstream) -> usize {
    if upstream.total_weight == 0 {
        return 0;
    }
    // The counter of requests turns the wheel; it was raised when this request came in.
    let mut at = upstream.traffic.requests.load(Ordering::Relaxed) % upstream.total_weight;
    for (index, key) in upstream.keys.iter().enumerate() {
        let weight = u64::from(key.weight);
        if at < weight {
            return index;
        }
        at -= weight;
    }
    0
}
