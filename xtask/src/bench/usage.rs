//! CPU time and memory of a process group, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The processes of one group.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    ids: Vec<u32>,
}

/// CPU time of every thread, in nanoseconds: so far, or between two moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    threads: BTreeMap<u32, u64>,
}

/// Memory of all processes together, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident; pages that processes share count once each.
    pub(crate) resident: u64,
    /// Resident, with shared pages divided among those who share them.
    pub(crate) proportional: u64,
}

impl Processes {
    /// Everyone in the process group `group`.
    pub(crate) fn of_group(group: u32) -> Self {
        let ids = numbers_in("/proc").filter(|&id| group_of(id) == Some(group)).collect();
        Self { ids }
    }

    /// Nobody.
    pub(crate) fn none() -> Self {
        Self { ids: Vec::new() }
    }

    /// Our own process.
    pub(crate) fn own() -> Self {
        Self { ids: vec![std::process::id()] }
    }

    /// The ids, for tools that want them.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// CPU time up to now; exact for threads that sleep, up to a tick late for those that run.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut cpu = Cpu::default();
        for id in &self.ids {
            let folder = format!("/proc/{id}/task");
            for thread in numbers_in(&folder) {
                let text = fs::read_to_string(format!("{folder}/{thread}/schedstat")).unwrap_or_default();
                let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
                cpu.threads.insert(thread, nanos.unwrap_or(0));
            }
        }
        cpu
    }

    /// Memory now.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for id in &self.ids {
            let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
            memory.resident += kib(&text, "Rss:");
            memory.proportional += kib(&text, "Pss:");
        }
        memory
    }
}

impl Cpu {
    /// What each thread used since `earlier`, user and system time.
    ///
    /// Threads that ended in between are left out; neither contender ends threads under load.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let used = self.threads.iter().map(|(thread, nanos)| {
            let before = earlier.threads.get(thread).copied().unwrap_or(0);
            (*thread, nanos.saturating_sub(before))
        });
        Self { threads: used.collect() }
    }

    /// All threads together.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.threads.values().sum())
    }

    /// One thread alone.
    pub(crate) fn of(&self, thread: u32) -> Duration {
        Duration::from_nanos(self.threads.get(&thread).copied().unwrap_or(0))
    }

    /// The thread that used most.
    pub(crate) fn busiest(&self) -> Option<u32> {
        self.threads.iter().max_by_key(|(_, nanos)| **nanos).map(|(thread, _)| *thread)
    }
}

fn group_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name in brackets: state, parent, group.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(2)?.parse().ok()
}

fn kib(rollup: &str, name: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Names in a folder that are numbers.
fn numbers_in(folder: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
