//! One request at a time: what it costs a request that its first key is dead.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bench::contender::{Contender, Ground, Keys};
use crate::bench::error::{Error, Result};
use crate::bench::load::{Call, Connection};
use crate::bench::payload::{self, Workload};
use crate::bench::rounds::micros;
use crate::bench::statistics::Spread;
use crate::bench::upstream::Remote;
use crate::bench::usage::{Cpu, Processes};

/// What single requests cost; one at a time, each right after a few normal ones, so that all start equally warm.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FirstKey {
    /// Requests whose first key had just been revoked.
    pub(crate) samples: usize,
    /// Requests, with whatever key, that did not get their answer.
    pub(crate) errors: usize,
    /// Useless chat calls, one a sample at best.
    pub(crate) useless_calls: u64,
    /// Samples after which keywright was still busy half a second later; CPU times are worthless then.
    pub(crate) restless: usize,
    /// The upstream asked directly: the round trip.
    pub(crate) round_trip_us: Spread,
    /// Latency of a request whose key works.
    pub(crate) normal_us: Spread,
    /// Latency of a request whose first key is dead.
    pub(crate) dead_us: Spread,
    /// CPU time of keywright's worker thread for a request whose key works.
    pub(crate) normal_cpu_us: Spread,
    /// The same for a request whose first key is dead.
    pub(crate) dead_cpu_us: Spread,
    /// CPU time of all threads until keywright rests again: with confirming look, quarantine, log line.
    pub(crate) aftermath_cpu_us: Spread,
}

/// Asks `rings` times ten requests with a key that was revoked a moment before, each ten of a fresh keywright.
pub(super) async fn measure(ground: Ground<'_>, build: &Path, remote: &mut Remote, rings: usize) -> Result<FirstKey> {
    let mut seen = Seen::default();
    for _ in 0..rings {
        remote.reset().await?;
        one_ring(ground, build, remote, &mut seen).await?;
        let calls = remote.calls().await?;
        seen.useless_calls += calls.keys.values().filter_map(|key| key.chat.get(&401)).sum::<u64>();
    }
    let round_trip = round_trip(remote, ground, seen.dead.len()).await?;
    seen.sum_up(round_trip).ok_or_else(|| Error::program("keywright", "was asked nothing"))
}

/// Uses up one ring of keys; a short one, since every key that is out costs a little for ever after.
async fn one_ring(ground: Ground<'_>, build: &Path, remote: &mut Remote, seen: &mut Seen) -> Result<()> {
    let keywright = Contender::keywright(ground, build, Keys(PER_RING + SPARE_KEYS)).await?;
    keywright.prove(&[Workload::Small]).await?;
    let processes = keywright.processes();
    let processes = processes.ok_or_else(|| Error::program("keywright", "has no process"))?;
    let mut client = Client::new(keywright.call(Workload::Small), processes);
    client.wait_for_rest(&client.processes.cpu()).await;
    for _ in 0..PER_RING {
        for _ in 0..NORMAL_PER_SAMPLE {
            seen.normal.push(client.ask(remote, NOBODY).await?);
        }
        let key = newest_key(remote).await?;
        let dead = client.hit(remote, &key).await?;
        let aftermath = client.wait_for_rest(&dead.before).await;
        seen.restless += usize::from(aftermath.is_none());
        seen.aftermath.extend(aftermath.map(micros));
        seen.dead.push(dead);
    }
    Ok(())
}

/// Everything that was seen.
#[derive(Default)]
struct Seen {
    normal: Vec<Single>,
    dead: Vec<Single>,
    aftermath: Vec<f64>,
    restless: usize,
    useless_calls: u64,
}

impl Seen {
    fn sum_up(&self, round_trip_us: Spread) -> Option<FirstKey> {
        let dead_cpu_us = spread(&self.dead, Single::worker_cpu)?;
        let everyone = self.normal.iter().chain(&self.dead);
        Some(FirstKey {
            samples: self.dead.len(),
            errors: everyone.filter(|single| !single.good).count(),
            useless_calls: self.useless_calls,
            restless: self.restless,
            round_trip_us,
            normal_us: spread(&self.normal, |single| single.latency)?,
            dead_us: spread(&self.dead, |single| single.latency)?,
            normal_cpu_us: spread(&self.normal, Single::worker_cpu)?,
            dead_cpu_us,
            aftermath_cpu_us: Spread::of(self.aftermath.iter().copied()).unwrap_or(dead_cpu_us),
        })
    }
}

/// What is known of one request.
struct Single {
    before: Cpu,
    latency: Duration,
    cpu: Cpu,
    worker: Option<u32>,
    good: bool,
}

impl Single {
    fn worker_cpu(&self) -> Duration {
        self.worker.map_or(Duration::ZERO, |worker| self.cpu.of(worker))
    }
}

/// Asks one request at a time and watches what it costs.
struct Client {
    connection: Connection,
    call: Call,
    processes: Processes,
    /// The thread that carries requests: the busiest one in the first, when nobody else has anything to do.
    worker: Option<u32>,
}

impl Client {
    fn new(call: Call, processes: Processes) -> Self {
        Self { connection: Connection::new(call.target), call, processes, worker: None }
    }

    /// Revokes a key between two requests, and measures the second; its CPU time is read once the proxy sleeps again.
    async fn ask(&mut self, remote: &mut Remote, key: &str) -> Result<Single> {
        let mut good = true;
        for _ in 0..WARM_UP {
            good &= self.connection.exchange(&self.call).await.is_ok();
        }
        remote.revoke(key).await?;
        let before = self.processes.cpu();
        let sent = Instant::now();
        good &= self.connection.exchange(&self.call).await.is_ok();
        let latency = sent.elapsed();
        // The answer arrives a moment before the proxy is back in its sleep.
        tokio::time::sleep(SETTLE).await;
        let cpu = self.processes.cpu().since(&before);
        self.worker = self.worker.or_else(|| cpu.busiest());
        Ok(Single { before, latency, cpu, worker: self.worker, good })
    }

    /// Asks until the request that meets the dead key; in a ring that goes in order it is the first.
    async fn hit(&mut self, remote: &mut Remote, key: &str) -> Result<Single> {
        let mut revoked = key;
        for _ in 0..TRIES {
            let single = self.ask(remote, revoked).await?;
            let calls = remote.calls().await?;
            if calls.keys.get(key).is_some_and(|key| !key.refused_us.is_empty()) {
                return Ok(single);
            }
            revoked = NOBODY;
        }
        Err(Error::program("keywright", format!("did not use the revoked key in {TRIES} requests")))
    }

    /// CPU time from `before` until the proxy comes to rest; `None` if it does not.
    async fn wait_for_rest(&self, before: &Cpu) -> Option<Duration> {
        let deadline = Instant::now() + REST_LIMIT;
        let mut earlier = self.processes.cpu();
        while Instant::now() < deadline {
            tokio::time::sleep(REST_WINDOW).await;
            let now = self.processes.cpu();
            if now.since(&earlier).total() < REST_WINDOW / 20 {
                return Some(now.since(before).total());
            }
            earlier = now;
        }
        None
    }
}

async fn newest_key(remote: &mut Remote) -> Result<String> {
    let calls = remote.calls().await?;
    calls.last.ok_or_else(|| Error::program("keywright", "never called the upstream"))
}

/// The same requests, straight to the upstream.
async fn round_trip(remote: &mut Remote, ground: Ground<'_>, samples: usize) -> Result<Spread> {
    let path = "/v1/chat/completions";
    let key = payload::upstream_key(usize::MAX);
    let call = Call {
        target: remote.address(),
        request: payload::request(Workload::Small, ground.headers, path, &key),
        answer: Some(Workload::Small.answer()),
    };
    let mut client = Client::new(call, Processes::none());
    let mut singles = Vec::new();
    for _ in 0..samples {
        singles.push(client.ask(remote, NOBODY).await?);
    }
    spread(&singles, |single| single.latency).ok_or_else(|| Error::program("upstream", "was asked nothing"))
}

fn spread(singles: &[Single], pick: impl Fn(&Single) -> Duration) -> Option<Spread> {
    Spread::of(singles.iter().map(|single| micros(pick(single))))
}

/// Requests with a dead first key in one ring.
const PER_RING: usize = 10;
/// Keys that stay valid to the end.
const SPARE_KEYS: usize = 3;
/// Normal requests between two dead ones.
const NORMAL_PER_SAMPLE: usize = 5;
/// Requests until one must have met the dead key.
const TRIES: usize = 50;
/// Requests right before each measured one.
const WARM_UP: usize = 3;
/// A key that no one has: revoking it takes as long as revoking one in use.
const NOBODY: &str = "nobody";
/// Pause after each answer.
const SETTLE: Duration = Duration::from_millis(1);
/// A proxy that uses less than a twentieth of a core this long is at rest.
const REST_WINDOW: Duration = Duration::from_millis(10);
/// How long we wait for that.
const REST_LIMIT: Duration = Duration::from_millis(500);
