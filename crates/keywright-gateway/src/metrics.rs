//! Counters of the data path, and their text for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::ring::Health;

use crate::clock;
use crate::live::{Live, Upstream};
use crate::shared::Shared;

/// What went through one provider. It survives a reload.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Requests that came in for it.
    pub(crate) requests: AtomicU64,
    /// Requests that another key or provider served after a refusal.
    pub(crate) failovers: AtomicU64,
    /// Requests that ended with the all-out answer.
    pub(crate) all_out: AtomicU64,
    /// Requests that are open now.
    pub(crate) open: AtomicI64,
    /// Answers by class of status: 1xx … 5xx, and 0 for none.
    pub(crate) by_class: [AtomicU64; 6],
    /// Time until the head of the answer.
    pub(crate) head_time: Histogram,
}

impl Traffic {
    /// Counts one answer.
    pub(crate) fn answered(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).min(5);
        self.by_class[class].fetch_add(1, Ordering::Relaxed);
        self.head_time.observe(took);
    }
}

/// A histogram of times with fixed bounds: two relaxed additions an observation.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, provider: &str) {
        let mut total = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let bound = BOUNDS_US.get(bucket).map_or_else(
                || "+Inf".to_owned(),
                |bound| (*bound as f64 / 1e6).to_string(),
            );
            let _ = writeln!(
                out,
                "{name}_bucket{{provider=\"{provider}\",le=\"{bound}\"}} {total}"
            );
        }
        let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(
            out,
            "{name}_sum{{provider=\"{provider}\"}} {sum}\n{name}_count{{provider=\"{provider}\"}} {total}"
        );
    }
}

/// The metrics page, in the Prometheus text format. Keys are told by fingerprint.
pub(crate) fn page(shared: &Shared) -> String {
    let live = shared.live.load();
    let mut out = String::with_capacity(4_096);
    providers(&live, &mut out);
    keys(&live, &mut out);
    let gauges = [
        (
            "keywright_replay_bytes",
            "Request bodies kept for a second attempt.",
            shared.budget.kept() as u64,
        ),
        (
            "keywright_connections",
            "Open connections from callers.",
            shared.connections.load(Ordering::Relaxed),
        ),
        (
            "keywright_refused_total",
            "Requests that the gateway itself refused.",
            shared.refused.load(Ordering::Relaxed),
        ),
        (
            "keywright_reloads_total",
            "Configurations taken over.",
            shared.reloads.load(Ordering::Relaxed),
        ),
        (
            "keywright_reload_failures_total",
            "Configurations that could not be taken over.",
            shared.reload_failures.load(Ordering::Relaxed),
        ),
    ];
    for (name, help, value) in gauges {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        let _ = writeln!(
            out,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    }
    out
}

fn providers(live: &Live, out: &mut String) {
    type Read = fn(&Upstream) -> u64;
    let counters: [(&str, &str, Read); 3] = [
        (
            "keywright_requests_total",
            "Requests for a provider.",
            |upstream| upstream.traffic.requests.load(Ordering::Relaxed),
        ),
        (
            "keywright_failovers_total",
            "Requests served after a refusal.",
            |upstream| upstream.traffic.failovers.load(Ordering::Relaxed),
        ),
        (
            "keywright_all_out_total",
            "Requests that found no usable key.",
            |upstream| upstream.traffic.all_out.load(Ordering::Relaxed),
        ),
    ];
    for (name, help, read) in counters {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for upstream in &live.upstreams {
            let _ = writeln!(
                out,
                "{name}{{provider=\"{}\"}} {}",
                upstream.id,
                read(upstream)
            );
        }
    }
    let _ = writeln!(
        out,
        "# HELP keywright_open_requests Requests that are open now.\n# TYPE keywright_open_requests gauge"
    );
    for upstream in &live.upstreams {
        let _ = writeln!(
            out,
            "keywright_open_requests{{provider=\"{}\"}} {}",
            upstream.id,
            upstream.traffic.open.load(Ordering::Relaxed)
        );
    }
    let _ = writeln!(
        out,
        "# HELP keywright_answers_total Answers by class of status.\n# TYPE keywright_answers_total counter"
    );
    for upstream in &live.upstreams {
        for (class, count) in upstream.traffic.by_class.iter().enumerate().skip(1) {
            let _ = writeln!(
                out,
                "keywright_answers_total{{provider=\"{}\",class=\"{class}xx\"}} {}",
                upstream.id,
                count.load(Ordering::Relaxed)
            );
        }
    }
    let name = "keywright_head_seconds";
    let _ = writeln!(
        out,
        "# HELP {name} Time until the head of the answer.\n# TYPE {name} histogram"
    );
    for upstream in &live.upstreams {
        upstream.traffic.head_time.write(out, name, &upstream.id);
    }
}

fn keys(live: &Live, out: &mut String) {
    type Read = fn(&crate::key::Counts) -> &AtomicU64;
    let counters: [(&str, &str, Read); 6] = [
        (
            "keywright_key_calls_total",
            "Requests sent with a key.",
            |counts| &counts.calls,
        ),
        (
            "keywright_key_served_total",
            "Requests that a key served.",
            |counts| &counts.served,
        ),
        (
            "keywright_key_refused_total",
            "Requests refused for a cause that concerns the key.",
            |counts| &counts.refused,
        ),
        (
            "keywright_key_in_flight_refusals_total",
            "Refusals of requests that were under way when the key went bad.",
            |counts| &counts.in_flight,
        ),
        (
            "keywright_key_useless_calls_total",
            "Refusals of requests that were sent after the key was known to be bad.",
            |counts| &counts.useless,
        ),
        (
            "keywright_key_probes_total",
            "Free questions asked about a key.",
            |counts| &counts.probes,
        ),
    ];
    let label = |upstream: &Upstream, key: &crate::key::Key| {
        let id = key
            .value()
            .map_or_else(|| "none".to_owned(), |value| value.fingerprint.to_string());
        format!("provider=\"{}\",key=\"{id}\"", upstream.id)
    };
    for (name, help, read) in counters {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for (upstream, key) in live.keys() {
            let _ = writeln!(
                out,
                "{name}{{{}}} {}",
                label(upstream, key),
                read(&key.counts).load(Ordering::Relaxed)
            );
        }
    }
    let _ = writeln!(
        out,
        "# HELP keywright_key_state 1 for the state that a key is in.\n# TYPE keywright_key_state gauge"
    );
    for (upstream, key) in live.keys() {
        let health = key.health();
        let cause = crate::settle::cause_of(health).map_or("", keywright_core::Cause::slug);
        let _ = writeln!(
            out,
            "keywright_key_state{{{},state=\"{}\",cause=\"{cause}\"}} 1",
            label(upstream, key),
            health.name()
        );
    }
    let _ = writeln!(
        out,
        "# HELP keywright_keys_ready Keys of a provider that may serve now.\n# TYPE keywright_keys_ready gauge"
    );
    let now = clock::now();
    for upstream in &live.upstreams {
        let ready = upstream.keys.iter().filter(|key| {
            matches!(key.health(), Health::Active | Health::Probation { .. })
                || key.standing(now) == keywright_core::ring::Standing::Ready
        });
        let _ = writeln!(
            out,
            "keywright_keys_ready{{provider=\"{}\"}} {}",
            upstream.id,
            ready.count()
        );
    }
}

const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    10_000_000, 60_000_000,
];
/// What Prometheus expects.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
