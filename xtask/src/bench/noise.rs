//! How much of the machine others use while we measure.

use std::fs;
use std::time::Instant;

/// CPU time of the whole machine at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    at: Instant,
    busy_seconds: f64,
}

impl Machine {
    /// Now.
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; the rest is contained in user.
        let busy = ticks.iter().enumerate().take(8).filter(|(place, _)| !matches!(place, 3 | 4));
        let busy: f64 = busy.map(|(_, ticks)| ticks).sum();
        Self { at: Instant::now(), busy_seconds: busy / TICKS_PER_SECOND }
    }

    /// Cores that others kept busy since `earlier`, given the seconds of CPU time we used ourselves.
    pub(crate) fn others(&self, earlier: &Self, ours: f64) -> f64 {
        let wall = (self.at - earlier.at).as_secs_f64();
        ((self.busy_seconds - earlier.busy_seconds - ours) / wall).max(0.0)
    }
}

/// How many cores there are, wherever we may run.
pub(crate) fn cores() -> usize {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    lines.count().max(1)
}

/// One line about where the numbers come from.
pub(crate) fn machine() -> String {
    let cores = cores();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(':')).map_or("unknown processor", |(_, name)| name.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {model}, Linux {}", kernel.trim())
}

/// The unit of `/proc/stat` on every Linux platform we run on.
const TICKS_PER_SECOND: f64 = 100.0;
