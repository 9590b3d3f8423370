//! Rounds: every contender, one after another, over and over, so that a noisy minute hits all of them.

use std::time::Duration;

use serde::Serialize;

use super::contender::Contender;
use super::error::Result;
use super::load::{Load, Tally};
use super::noise::Machine;
use super::options::Options;
use super::payload::Workload;
use super::usage::{Memory, Processes};

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// From 1.
    pub(crate) round: u32,
    /// Who.
    pub(crate) contender: String,
    /// What was asked.
    pub(crate) workload: &'static str,
    /// Requests in flight.
    pub(crate) connections: usize,
    /// Good answers.
    pub(crate) requests: u64,
    /// Bad ones.
    pub(crate) errors: u64,
    /// Good answers a second.
    pub(crate) rate: f64,
    /// Median time from the first byte written to the last byte read, in microseconds.
    pub(crate) p50_us: f64,
    /// 99 of 100 take no longer.
    pub(crate) p99_us: f64,
    /// CPU time of the proxy a request, user and system, in microseconds; absent for direct.
    pub(crate) cpu_us: Option<f64>,
    /// CPU time of the upstream a request.
    pub(crate) upstream_cpu_us: f64,
    /// CPU time of the generator a request.
    pub(crate) generator_cpu_us: f64,
    /// Resident memory right after, in KiB; absent for direct.
    pub(crate) resident_kib: Option<u64>,
    /// The same with shared pages divided among those who share them.
    pub(crate) proportional_kib: Option<u64>,
    /// Chunks an answer came in: how far a stream's 50 events were lumped together on the way.
    pub(crate) parts: f64,
    /// Cores that other programs kept busy meanwhile.
    pub(crate) others: f64,
}

/// Everything that is watched while it runs.
pub(crate) struct Arena<'a> {
    /// Who takes part.
    pub(crate) contenders: &'a [Contender],
    /// The upstream's processes.
    pub(crate) upstream: Processes,
}

/// What one measurement is.
#[derive(Clone, Copy, Debug)]
struct Turn {
    round: u32,
    workload: Workload,
    connections: usize,
    length: Duration,
}

impl Arena<'_> {
    /// Measures everything the options ask for; `progress` hears of each sample.
    pub(crate) async fn run(&self, options: &Options, progress: impl Fn(&Sample)) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for round in 1..=options.rounds {
            for &workload in &options.workloads {
                for (connections, length) in turns(options, workload) {
                    let turn = Turn { round, workload, connections, length };
                    for contender in self.order(round) {
                        let sample = self.measure(contender, turn).await?;
                        progress(&sample);
                        samples.push(sample);
                    }
                }
            }
        }
        Ok(samples)
    }

    /// Every second round runs backwards, so that nobody always follows the same neighbour.
    fn order(&self, round: u32) -> Vec<&Contender> {
        let mut order: Vec<&Contender> = self.contenders.iter().collect();
        if round.is_multiple_of(2) {
            order.reverse();
        }
        order
    }

    async fn measure(&self, contender: &Contender, turn: Turn) -> Result<Sample> {
        let proxy = contender.processes();
        let own = Processes::own();
        let call = contender.call(turn.workload);
        let load = Load::start(&call, turn.connections, WARM_UP, turn.length);
        tokio::time::sleep_until(load.starts.into()).await;
        let before = (proxy.as_ref().map(Processes::cpu), self.upstream.cpu(), own.cpu(), Machine::now());
        tokio::time::sleep_until(load.ends.into()).await;
        let machine = Machine::now();
        let used_by_proxy = proxy.as_ref().zip(before.0.as_ref()).map(|(proxy, cpu)| proxy.cpu().since(cpu).total());
        let used = Used {
            proxy: used_by_proxy,
            upstream: self.upstream.cpu().since(&before.1).total(),
            generator: own.cpu().since(&before.2).total(),
        };
        let tally = load.finish().await;
        if let (0, Some(fault)) = (tally.latency.total(), &tally.first_error) {
            return Err(contender.wrong(turn.workload, &fault.to_string()));
        }
        let others = machine.others(&before.3, used.all().as_secs_f64());
        let memory = proxy.map(|proxy| proxy.memory());
        Ok(sample(contender, turn, &tally, &used, memory, others))
    }
}

/// Loaded, and one at a time for half as long; a paced stream alone would only show its own pauses.
fn turns(options: &Options, workload: Workload) -> Vec<(usize, Duration)> {
    let mut turns = vec![(options.connections, options.length), (1, options.length / 2)];
    if workload == Workload::Paced || options.connections == 1 {
        turns.truncate(1);
    }
    turns
}

/// CPU time by party.
struct Used {
    proxy: Option<Duration>,
    upstream: Duration,
    generator: Duration,
}

impl Used {
    fn all(&self) -> Duration {
        self.proxy.unwrap_or_default() + self.upstream + self.generator
    }
}

fn sample(
    contender: &Contender,
    turn: Turn,
    tally: &Tally,
    used: &Used,
    memory: Option<Memory>,
    others: f64,
) -> Sample {
    let requests = tally.latency.total();
    let each = |time: Duration| micros(time) / requests.max(1) as f64;
    Sample {
        round: turn.round,
        contender: contender.name.clone(),
        workload: turn.workload.name(),
        connections: turn.connections,
        requests,
        errors: tally.errors,
        rate: requests as f64 / turn.length.as_secs_f64(),
        p50_us: micros(tally.latency.quantile(0.5)),
        p99_us: micros(tally.latency.quantile(0.99)),
        cpu_us: used.proxy.map(each),
        upstream_cpu_us: each(used.upstream),
        generator_cpu_us: each(used.generator),
        resident_kib: memory.map(|memory| memory.resident),
        proportional_kib: memory.map(|memory| memory.proportional),
        parts: tally.parts as f64 / requests.max(1) as f64,
        others,
    }
}

/// A duration in microseconds.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Connections open and pools fill before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);
