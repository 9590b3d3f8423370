//! Counters of the data path, and their text for Prometheus.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::Cause;
use keywright_core::ring::Standing;

use crate::clock;
use crate::key::{Counts, Key};
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
            let bound =
                BOUNDS_US.get(bucket).map_or_else(|| "+Inf".to_owned(), |bound| (*bound as f64 / 1e6).to_string());
            let _ = writeln!(out, "{name}_bucket{{provider=\"{provider}\",le=\"{bound}\"}} {total}");
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
    let mut page = Page(String::with_capacity(8_192));
    providers(&live, &mut page);
    keys(&live, &mut page);
    gateway(shared, &mut page);
    page.0
}

/// The page as it is written.
struct Page(String);

impl Page {
    /// One metric with all of its rows, each with its labels.
    fn family(&mut self, name: &str, help: &str, rows: impl Iterator<Item = (String, i64)>) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}

fn gateway(shared: &Shared, page: &mut Page) {
    let read = |counter: &AtomicU64| whole(counter.load(Ordering::Relaxed));
    let rows = [
        ("keywright_replay_bytes", "Request bodies kept for a second attempt.", whole(shared.budget.kept() as u64)),
        (
            "keywright_parked_requests",
            "Requests that wait for a person to give a key.",
            whole(shared.parking.requests() as u64),
        ),
        ("keywright_connections", "Open connections from callers.", read(&shared.connections)),
        ("keywright_refused_total", "Requests that the gateway itself refused.", read(&shared.refused)),
        ("keywright_rotations_total", "Keys replaced by another value of their source.", read(&shared.rotations)),
        ("keywright_reloads_total", "Configurations taken over.", read(&shared.reloads)),
        (
            "keywright_reload_failures_total",
            "Configurations that could not be taken over.",
            read(&shared.reload_failures),
        ),
    ];
    for (name, help, value) in rows {
        page.family(name, help, std::iter::once((String::new(), value)));
    }
    let lost = shared.memory.iter().map(|memory| (String::new(), whole(memory.lost())));
    page.family("keywright_history_lost_total", "Events of keys that could not be written to the history.", lost);
}

fn providers(live: &Live, page: &mut Page) {
    type Read = fn(&Traffic) -> &AtomicU64;
    let of = |upstream: &Upstream| format!("{{provider=\"{}\"}}", upstream.id);
    let counters: [(&str, &str, Read); 3] = [
        ("keywright_requests_total", "Requests for a provider.", |traffic| &traffic.requests),
        ("keywright_failovers_total", "Requests served after a refusal.", |traffic| &traffic.failovers),
        ("keywright_all_out_total", "Requests that found no usable key.", |traffic| &traffic.all_out),
    ];
    for (name, help, read) in counters {
        let row = |upstream: &Arc<Upstream>| (of(upstream), whole(read(&upstream.traffic).load(Ordering::Relaxed)));
        page.family(name, help, live.upstreams.iter().map(row));
    }
    let open = |upstream: &Arc<Upstream>| (of(upstream), upstream.traffic.open.load(Ordering::Relaxed));
    page.family("keywright_open_requests", "Requests that are open now.", live.upstreams.iter().map(open));
    let answers = live.upstreams.iter().flat_map(|upstream| {
        let classes = upstream.traffic.by_class.iter().enumerate().skip(1);
        classes.map(|(class, count)| {
            let labels = format!("{{provider=\"{}\",class=\"{class}xx\"}}", upstream.id);
            (labels, whole(count.load(Ordering::Relaxed)))
        })
    });
    page.family("keywright_answers_total", "Answers by class of status.", answers);
    let now = clock::now();
    let ready = |upstream: &Arc<Upstream>| {
        let keys = upstream.ring();
        let ready = keys.iter().filter(|key| key.standing(now) == Standing::Ready);
        (of(upstream), whole(ready.count() as u64))
    };
    page.family("keywright_keys_ready", "Keys of a provider that may serve now.", live.upstreams.iter().map(ready));
    let name = "keywright_head_seconds";
    let _ = writeln!(page.0, "# HELP {name} Time until the head of the answer.\n# TYPE {name} histogram");
    for upstream in &live.upstreams {
        upstream.traffic.head_time.write(&mut page.0, name, &upstream.id);
    }
}

fn keys(live: &Live, page: &mut Page) {
    type Read = fn(&Counts) -> &AtomicU64;
    let counters: [(&str, &str, Read); 7] = [
        ("keywright_key_calls_total", "Requests sent with a key.", |counts| &counts.calls),
        ("keywright_key_served_total", "Requests that a key served.", |counts| &counts.served),
        ("keywright_key_refused_total", "Requests refused for a cause that concerns the key.", |counts| {
            &counts.refused
        }),
        ("keywright_key_in_flight_refusals_total", "Refusals of requests under way when the key went bad.", |counts| {
            &counts.in_flight
        }),
        (
            "keywright_key_useless_calls_total",
            "Refusals of requests sent after the key was known to be bad.",
            |counts| &counts.useless,
        ),
        (
            "keywright_last_known_good_total",
            "Times that the value that served last took the place of what a key's source gives.",
            |counts| &counts.stand_ins,
        ),
        ("keywright_key_probes_total", "Free questions asked about a key.", |counts| &counts.probes),
    ];
    let of = |upstream: &Upstream, key: &Key| format!("provider=\"{}\",key=\"{}\"", upstream.id, key.fingerprint());
    for (name, help, read) in counters {
        let rows = live.keys().map(|(upstream, key)| {
            (format!("{{{}}}", of(upstream, &key)), whole(read(&key.counts).load(Ordering::Relaxed)))
        });
        page.family(name, help, rows);
    }
    let rows = live.keys().map(|(upstream, key)| (format!("{{{}}}", of(upstream, &key)), i64::from(key.stands_in())));
    page.family(
        "keywright_last_known_good",
        "1 while the last known good value serves in the place of a key's own.",
        rows,
    );
    let rows = live.keys().map(|(upstream, key)| {
        let cause = key.source_down().map(|why| why.telling_cause());
        let labels = format!("{{{},cause=\"{}\"}}", of(upstream, &key), cause.map_or("", Cause::slug));
        (labels, i64::from(cause.is_some()))
    });
    page.family(
        "keywright_key_source_down",
        "1 while the source of a key gives nothing that can be used; its last value serves on.",
        rows,
    );
    let now = clock::now();
    let states = live.keys().map(|(upstream, key)| {
        let health = key.health();
        let known = key.diagnosis(upstream.spec, now).map(|diagnosis| diagnosis.cause);
        let cause = known.or(health.cause()).map_or("", Cause::slug);
        (format!("{{{},state=\"{}\",cause=\"{cause}\"}}", of(upstream, &key), health.name()), 1)
    });
    page.family("keywright_key_state", "1 for the state that a key is in.", states);
}

/// A count as a signed number: none of ours comes near the end.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

const BOUNDS_US: [u64; 14] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000, 60_000_000];
/// What Prometheus expects.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
