//! `cargo xtask bench gateway`: sets the scene, runs the measurements, shows the result.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::contender::{self, Contender, Ground};
use super::error::{Error, Result};
use super::failure;
use super::noise;
use super::optimise;
use super::options::{Measure, Options};
use super::process::{self, Scratch};
use super::profile;
use super::report::{self, Report};
use super::rounds::{Arena, Sample};
use super::usage::Processes;

/// Runs the whole bench; every program it starts has ended when it returns, however it returns.
pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start the generator's runtime"))?;
    runtime.block_on(async {
        // Losing this race drops the bench, and with it every program it holds.
        tokio::select! {
            result = bench(options) => result,
            error = interrupted() => Err(error),
        }
    })
}

async fn bench(options: &Options) -> Result<()> {
    let builds = builds(options)?;
    let scratch = Scratch::new()?;
    let (beside, core) = (options.place.beside(), options.place.proxies());
    process::pin_self(beside)?;
    let (upstream, mut remote) = contender::start_upstream(&scratch, options.headers, beside).await?;
    let ground = Ground {
        scratch: &scratch,
        upstream: remote.address(),
        workers: options.workers,
        headers: options.headers,
        core,
    };
    if options.measure == Measure::Profile {
        return profile::run(options, ground, &builds).await;
    }
    let mut report = Report::new(options, noise::machine());
    if options.measure != Measure::Failure {
        let contenders = Contender::all(options, ground, &builds).await?;
        for contender in &contenders {
            contender.prove(&options.workloads).await?;
        }
        let arena = Arena { contenders: &contenders, upstream: Processes::of_group(upstream.group()) };
        report.samples = arena.run(options, tell).await?;
    }
    if let (true, Some(build)) = (options.measure != Measure::Speed, builds.first()) {
        report.failure = Some(failure::measure(options, ground, build, &mut remote).await?);
    }
    report::show(&report, options)
}

/// The binaries to compare, built if need be.
fn builds(options: &Options) -> Result<Vec<PathBuf>> {
    if !options.has_keywright() {
        return Ok(Vec::new());
    }
    if options.binaries.is_empty() {
        return Ok(vec![optimise::keywright()?]);
    }
    let found = options
        .binaries
        .iter()
        .map(|binary| binary.canonicalize().map_err(Error::io(format!("find the program `{}`", binary.display()))));
    found.collect()
}

fn tell(sample: &Sample) {
    eprintln!(
        "round {} {:7} c={:<3} {:12} {:9.0}/s  p50 {:8.1} us  p99 {:9.1} us  cpu {:7.2} us  errors {}  others {:.2}",
        sample.round,
        sample.workload,
        sample.connections,
        sample.contender,
        sample.rate,
        sample.p50_us,
        sample.p99_us,
        sample.cpu_us.unwrap_or(0.0),
        sample.errors,
        sample.others,
    );
}

/// Returns when someone wants us to stop.
async fn interrupted() -> Error {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Error::Interrupted
}
