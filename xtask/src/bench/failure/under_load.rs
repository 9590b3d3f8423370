//! Full load: one key after another is revoked while clients are busy.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::bench::contender::{Contender, Ground, Keys};
use crate::bench::error::{Error, Result};
use crate::bench::load::{Load, Tally};
use crate::bench::options::Options;
use crate::bench::payload::Workload;
use crate::bench::rounds::micros;
use crate::bench::statistics::Spread;
use crate::bench::upstream::{Calls, KeyCalls, Remote};

/// What revocations under load cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UnderLoad {
    /// Keys revoked.
    pub(crate) revocations: usize,
    /// Requests in flight all the time.
    pub(crate) connections: usize,
    /// Good answers.
    pub(crate) requests: u64,
    /// Good answers a second.
    pub(crate) rate: f64,
    /// Requests without a good answer.
    pub(crate) errors: u64,
    /// The first of them, in words.
    pub(crate) first_error: Option<String>,
    /// Latency over the whole run.
    pub(crate) p50_us: f64,
    /// 99 of 100 take no longer.
    pub(crate) p99_us: f64,
    /// The slowest request.
    pub(crate) longest_us: f64,
    /// Refused chat calls a revocation.
    pub(crate) refused: Spread,
    /// Of those, beyond the requests in flight at the moment of revocation.
    pub(crate) beyond_in_flight: Spread,
    /// Of those, arrived more than 50 ms after the revocation.
    pub(crate) late: Spread,
    /// Free looks (`/v1/models`, `/v1/me`) at the dead key, a revocation.
    pub(crate) looks: Spread,
    /// From the revocation to the last refused chat call.
    pub(crate) last_refused_us: Spread,
    /// CPU time that keywright uses in a second without requests, right after.
    pub(crate) idle_cpu_us: f64,
}

/// A key and how many requests were in flight when it was revoked.
struct Revocation {
    key: String,
    in_flight: u64,
}

/// Revokes the busiest key every quarter of a second, `revocations` times.
pub(super) async fn measure(
    options: &Options,
    ground: Ground<'_>,
    build: &Path,
    remote: &mut Remote,
    revocations: usize,
) -> Result<UnderLoad> {
    let keywright = Contender::keywright(ground, build, Keys(revocations + SPARE_KEYS)).await?;
    keywright.prove(&[Workload::Small]).await?;
    let length = BETWEEN * u32::try_from(revocations).unwrap_or(u32::MAX) + TAIL;
    let load = Load::start(&keywright.call(Workload::Small), options.connections, WARM_UP, length);
    tokio::time::sleep_until(load.starts.into()).await;
    let mut revoked = Vec::new();
    let mut seen = remote.calls().await?;
    for _ in 0..revocations {
        tokio::time::sleep(BETWEEN).await;
        let now = remote.calls().await?;
        let key = busiest(&seen, &now)?;
        remote.revoke(&key).await?;
        // A little later than the revocation itself, so rather too few than too many.
        revoked.push(Revocation { key, in_flight: load.in_flight() as u64 });
        seen = now;
    }
    let tally = load.finish().await;
    let idle = idle(&keywright).await;
    let calls = remote.calls().await?;
    let run = Run { connections: options.connections, length, tally, calls, revoked, idle };
    run.sum_up().ok_or_else(|| Error::program("keywright", "saw no revocation"))
}

/// CPU time in a second without requests; keys that are out must not keep anyone busy.
async fn idle(keywright: &Contender) -> Duration {
    tokio::time::sleep(BETWEEN).await;
    let Some(processes) = keywright.processes() else {
        return Duration::ZERO;
    };
    let before = processes.cpu();
    tokio::time::sleep(Duration::from_secs(1)).await;
    processes.cpu().since(&before).total()
}

/// Everything that was seen.
struct Run {
    connections: usize,
    length: Duration,
    tally: Tally,
    calls: Calls,
    revoked: Vec<Revocation>,
    idle: Duration,
}

impl Run {
    /// `None` without a revocation.
    fn sum_up(&self) -> Option<UnderLoad> {
        let latency = &self.tally.latency;
        Some(UnderLoad {
            revocations: self.revoked.len(),
            connections: self.connections,
            requests: latency.total(),
            rate: latency.total() as f64 / self.length.as_secs_f64(),
            errors: self.tally.errors,
            first_error: self.tally.first_error.as_ref().map(ToString::to_string),
            p50_us: micros(latency.quantile(0.5)),
            p99_us: micros(latency.quantile(0.99)),
            longest_us: micros(latency.largest()),
            refused: self.each(|key, _| refused(key))?,
            beyond_in_flight: self.each(|key, revocation| refused(key).saturating_sub(revocation.in_flight))?,
            late: self.each(|key, _| late(key))?,
            looks: self.each(|key, _| key.probe.get(&401).copied().unwrap_or(0))?,
            idle_cpu_us: micros(self.idle),
            last_refused_us: self.each(|key, _| key.refused_us.last().copied().unwrap_or(0))?,
        })
    }

    /// One number a revocation.
    fn each(&self, pick: impl Fn(&KeyCalls, &Revocation) -> u64) -> Option<Spread> {
        let nothing = KeyCalls::default();
        Spread::of(self.revoked.iter().map(|revocation| {
            let key = self.calls.keys.get(&revocation.key).unwrap_or(&nothing);
            pick(key, revocation) as f64
        }))
    }
}

fn refused(key: &KeyCalls) -> u64 {
    key.chat.get(&401).copied().unwrap_or(0)
}

fn late(key: &KeyCalls) -> u64 {
    key.refused_us.iter().filter(|&&micros| micros > LATE_US).count() as u64
}

/// The key with the most good chat calls between two counts.
fn busiest(before: &Calls, now: &Calls) -> Result<String> {
    let good = |calls: &Calls, key: &str| calls.keys.get(key).and_then(|key| key.chat.get(&200).copied()).unwrap_or(0);
    now.keys
        .keys()
        .max_by_key(|key| good(now, key).saturating_sub(good(before, key)))
        .cloned()
        .ok_or_else(|| Error::program("keywright", "never called the upstream"))
}

/// Keys that stay valid to the end.
const SPARE_KEYS: usize = 10;
/// Time from one revocation to the next.
const BETWEEN: Duration = Duration::from_millis(250);
/// Time after the last one.
const TAIL: Duration = Duration::from_secs(1);
/// Nothing counts before.
const WARM_UP: Duration = Duration::from_millis(500);
/// A call this long after the revocation cannot have been in flight.
const LATE_US: u64 = 50_000;
