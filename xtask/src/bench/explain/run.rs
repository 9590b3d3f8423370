//! Runs a program to its end: how long it took, what it cost, how much memory it held.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::super::error::{Error, Result};

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    /// Seconds from before the start to the end.
    pub(super) wall: f64,
    /// Seconds of CPU time, in steps of a kernel tick.
    pub(super) cpu: f64,
    /// The most memory that was resident, as seen every few milliseconds.
    pub(super) peak_kib: u64,
}

/// Runs it. Any exit code will do, but no signal: `explain` and `rg` tell with it what they found.
pub(super) fn run(mut command: Command) -> Result<Ran> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::io(format!("start {name}; is it installed?")))?;
    let id = child.id();
    let watcher = thread::spawn(move || peak(id));
    // The end is seen before the entry in /proc goes away.
    let pid = Pid::from_child(&child);
    let ended = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    let wall = started.elapsed().as_secs_f64();
    ended.map_err(|error| Error::io(format!("wait for {name}"))(error.into()))?;
    let cpu = cpu_seconds(id);
    let status = child.wait().map_err(Error::io(format!("wait for {name}")))?;
    let peak_kib = watcher.join().unwrap_or_default();
    if status.code().is_none() {
        return Err(Error::program(&name, format!("was killed: {status}")));
    }
    Ok(Ran { wall, cpu, peak_kib })
}

/// `VmHWM` never falls, so the last look is the peak but for the last milliseconds.
#[expect(clippy::disallowed_methods, reason = "nothing tells when memory grows; it is looked at")]
fn peak(id: u32) -> u64 {
    let mut peak = 0;
    while let Ok(text) = fs::read_to_string(format!("/proc/{id}/status")) {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        match line.and_then(|line| line.split_whitespace().next()?.parse().ok()) {
            Some(now) => peak = now,
            None => break,
        }
        thread::sleep(LOOK);
    }
    peak
}

/// User and system time of all its threads, the ended ones too.
fn cpu_seconds(id: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces.
    let after = text.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

const LOOK: Duration = Duration::from_millis(2);
const TICKS_PER_SECOND: f64 = 100.0;
