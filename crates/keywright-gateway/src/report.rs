//! What the gateway knows, for people and programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keywright_core::Diagnosis;
use keywright_core::ring::Health;
use serde::Serialize;

use crate::clock;
use crate::key::Key;
use crate::last_failure::{self, LastFailure};
use crate::live::Upstream;
use crate::shared::Shared;

/// What the gateway knows. It holds no secret.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Requests that came in for a provider.
    pub requests: u64,
    /// Requests that were served after a refusal.
    pub failovers: u64,
    /// Requests that the gateway itself refused.
    pub refused: u64,
    /// The last failure that a caller was told of.
    pub last_failure: Option<LastFailure>,
    /// Each provider, in order.
    pub providers: Vec<ProviderReport>,
}

/// One provider.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderReport {
    /// Its catalogue id.
    pub id: String,
    /// Where it is reached.
    pub origin: String,
    /// Requests that came in for it.
    pub requests: u64,
    /// Requests that were served after a refusal.
    pub failovers: u64,
    /// Requests that found no usable key.
    pub all_out: u64,
    /// Each key, in order.
    pub keys: Vec<KeyReport>,
}

/// One key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyReport {
    /// The masked value.
    pub masked: String,
    /// Where it was found.
    pub place: String,
    /// The reference that it is read from; empty for a key that a person gave.
    pub reference: String,
    /// Whether it is the last known good value, in the place of what its source gives.
    pub last_known_good: bool,
    /// What its source says, while it gives nothing that can be used; the key serves on.
    pub source_down: Option<String>,
    /// Its state.
    pub health: Health,
    /// Why it is out, if it is.
    pub diagnosis: Option<Diagnosis>,
    /// Requests sent with it.
    pub calls: u64,
    /// Requests that it served.
    pub served: u64,
    /// Requests refused for a cause that concerns the key.
    pub refused: u64,
    /// Refusals of requests that were under way when the first one came back.
    pub in_flight: u64,
    /// Refusals of requests that were sent after it was known to be bad.
    pub useless: u64,
    /// Free questions asked about it.
    pub probes: u64,
}

/// Reads the report.
pub(crate) fn report(shared: &Shared) -> Report {
    let live = shared.live.load();
    let providers: Vec<ProviderReport> = live.upstreams.iter().map(|upstream| provider_report(upstream)).collect();
    Report {
        requests: last_failure::requests(&live),
        failovers: providers.iter().map(|provider| provider.failovers).sum(),
        refused: read(&shared.refused),
        last_failure: shared.last_failure.read(&live),
        providers,
    }
}

/// One provider's part of the report.
pub(crate) fn provider_report(upstream: &Upstream) -> ProviderReport {
    let now = clock::now();
    let key_report = |key: Arc<Key>| KeyReport {
        masked: key.masked(),
        place: key.place(),
        reference: key.source(),
        last_known_good: key.stands_in(),
        source_down: key.source_down().map(|why| why.says.clone()),
        health: key.health(),
        diagnosis: key.diagnosis(upstream.spec, now),
        calls: read(&key.counts.calls),
        served: read(&key.counts.served),
        refused: read(&key.counts.refused),
        in_flight: read(&key.counts.in_flight),
        useless: read(&key.counts.useless),
        probes: read(&key.counts.probes),
    };
    ProviderReport {
        id: upstream.id.clone(),
        origin: upstream.origin.to_string(),
        requests: read(&upstream.traffic.requests),
        failovers: read(&upstream.traffic.failovers),
        all_out: read(&upstream.traffic.all_out),
        keys: upstream.ring().into_iter().map(key_report).collect(),
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
