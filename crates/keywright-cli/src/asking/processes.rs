//! The processes of a program, and whether each stands still.

use rustix::process::Pid;

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) motion: Motion,
}

/// Whether a process can read a terminal now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    /// All of its threads are stopped, or gone.
    Stopped,
    /// Some of its threads wait in the kernel, where a stop takes hold before they are back in the program.
    Stuck,
    Running,
}

/// The program, if it runs, and everything that it started, as far as the system tells.
#[cfg(target_os = "linux")]
pub(super) fn of_program(root: Option<Pid>) -> Vec<Process> {
    let all = linux::all();
    let pids = linux::descendants(root.map(Pid::as_raw_nonzero), &all, rustix::process::getpid().as_raw_nonzero());
    let process =
        |pid: std::num::NonZeroI32| Some(Process { pid: Pid::from_raw(pid.get())?, motion: linux::motion(pid) });
    pids.into_iter().filter_map(process).collect()
}

/// The program alone: not every system lists the others.
#[cfg(not(target_os = "linux"))]
pub(super) fn of_program(root: Option<Pid>) -> Vec<Process> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    // Looks only: the child's end stays to be heard by who waits for it.
    let looks = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let motion = |pid| match waitid(WaitId::Pid(pid), looks) {
        Ok(None) => Motion::Running,
        Ok(Some(_)) | Err(_) => Motion::Stopped,
    };
    root.map(|pid| Process { pid, motion: motion(pid) }).into_iter().collect()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeSet;
    use std::fs;
    use std::num::NonZeroI32;

    use super::Motion;

    /// What `/proc/PID/stat` says, as far as it matters here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Stat {
        pub(super) pid: NonZeroI32,
        pub(super) state: char,
        /// 0 for none.
        pub(super) parent: i32,
        pub(super) group: i32,
    }

    impl Stat {
        /// The name, which comes second, may hold anything: spaces, brackets, line ends.
        pub(super) fn parse(text: &str) -> Option<Self> {
            let (head, tail) = text.rsplit_once(')')?;
            let mut fields = tail.split_ascii_whitespace();
            Some(Self {
                pid: head.split_once(' ')?.0.parse().ok()?,
                state: fields.next()?.chars().next()?,
                parent: fields.next()?.parse().ok()?,
                group: fields.next()?.parse().ok()?,
            })
        }
    }

    /// Every process that can be seen.
    pub(super) fn all() -> Vec<Stat> {
        stats("/proc")
    }

    /// What the numbered folders of a folder say. Those that vanish meanwhile are left out.
    fn stats(folder: &str) -> Vec<Stat> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let numbered =
            entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<i32>().is_ok()));
        let read = numbered.filter_map(|entry| fs::read(entry.path().join("stat")).ok());
        read.filter_map(|bytes| Stat::parse(&String::from_utf8_lossy(&bytes))).collect()
    }

    /// The process `root` and its descendants, parents first; and those whose parent ended: they have a foreign one, but
    /// our group, which whoever started us (`own`) did not put them into.
    pub(super) fn descendants(root: Option<NonZeroI32>, all: &[Stat], own: NonZeroI32) -> Vec<NonZeroI32> {
        let of = |pid: i32| all.iter().find(|stat| stat.pid.get() == pid);
        let group = of(own.get()).map_or(0, |stat| stat.group);
        let is_ours = |pid: i32| of(pid).is_some_and(|stat| stat.group == group);
        // The shell: the first of our ancestors that is not of our group.
        let mut starter = own.get();
        while is_ours(starter) {
            starter = of(starter).map_or(0, |stat| stat.parent);
        }
        let orphaned = |stat: &&Stat| stat.group == group && stat.parent != starter && !is_ours(stat.parent);
        let orphans = all.iter().filter(orphaned).map(|stat| stat.pid).filter(|pid| *pid != own);
        let mut found: Vec<NonZeroI32> = root.into_iter().chain(orphans).collect();
        let mut seen: BTreeSet<NonZeroI32> = found.iter().copied().collect();
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            let children = all.iter().filter(|stat| stat.parent == parent.get()).map(|stat| stat.pid);
            found.extend(children.filter(|pid| seen.insert(*pid)));
            next += 1;
        }
        found
    }

    /// Whether a process stands still: each of its threads stops for itself.
    pub(super) fn motion(pid: NonZeroI32) -> Motion {
        let threads = stats(&format!("/proc/{pid}/task"));
        let is = |states: &'static [char]| move |thread: &Stat| states.contains(&thread.state);
        if threads.iter().all(is(&['T', 't', 'Z', 'X', 'x'])) {
            return Motion::Stopped;
        }
        if threads.iter().all(is(&['T', 't', 'Z', 'X', 'x', 'D'])) { Motion::Stuck } else { Motion::Running }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn pid(number: i32) -> NonZeroI32 {
            NonZeroI32::new(number).expect("not 0")
        }

        #[test]
        fn a_name_may_hold_anything() {
            for name in ["python3", "a b", "x) R 1 (y", ") S 9 9", "(", ")", "line\nend"] {
                let stat = Stat::parse(&format!("42 ({name}) T 7 40 3 34816 42 0")).expect("parses");
                assert_eq!(stat, Stat { pid: pid(42), state: 'T', parent: 7, group: 40 }, "{name}");
            }
            for broken in ["", "42", "42 (x)", "42 (x) T", "0 (x) T 1 1", "x (x) T 1 1"] {
                assert_eq!(Stat::parse(broken), None, "{broken}");
            }
        }

        #[test]
        fn the_program_is_what_it_started_and_nobody_else() {
            let stat = |(number, parent, group)| Stat { pid: pid(number), state: 'S', parent, group };
            let all: Vec<Stat> = [
                (1, 0, 1),
                // A shell, a script in its foreground, what the script writes to, and us.
                (10, 1, 10),
                (20, 10, 20),
                (21, 10, 20),
                (22, 20, 20),
                (30, 20, 20),
                // The program, its children, and one with a session of its own.
                (31, 30, 20),
                (40, 31, 20),
                (41, 40, 41),
                // What it left behind, with a child.
                (50, 1, 20),
                (51, 50, 20),
                // A helper of ours, and strangers.
                (60, 30, 20),
                (70, 10, 70),
                (71, 1, 71),
            ]
            .map(stat)
            .into();
            let numbers = |found: Vec<NonZeroI32>| found.into_iter().map(NonZeroI32::get).collect::<Vec<_>>();
            assert_eq!(numbers(descendants(Some(pid(31)), &all, pid(30))), [31, 50, 40, 51, 41]);
            assert_eq!(numbers(descendants(None, &all, pid(30))), [50, 51]);
            assert_eq!(numbers(descendants(Some(pid(9)), &[], pid(30))), [9]);
        }
    }
}
