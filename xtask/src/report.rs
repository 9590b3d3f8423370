//! Stages of a chore: each is timed and counted, and a table at the end shows all of them.

use crate::Failure;
use crate::counts::Counts;
use crate::process;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// The stages that ran so far.
#[derive(Default)]
pub(crate) struct Report {
    stages: Vec<Stage>,
}

struct Stage {
    name: String,
    took: Duration,
    counts: Counts,
    success: bool,
}

impl Report {
    /// Runs a test program and counts its tests. One that fails without a failed test counts as one failure.
    pub(crate) fn tests(&mut self, name: &str, command: &mut Command) {
        self.stage(name, || {
            let ended = process::tee(command)?;
            let mut counts = Counts::read(ended.lines.iter().map(String::as_str));
            if !ended.success && counts.failed == 0 {
                counts.failed = 1;
            }
            Ok(counts)
        });
    }

    /// Runs a step that has no tests of its own. Returns whether it went well.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), Failure>) -> bool {
        self.stage(name, || work().map(|()| Counts::default()))
    }

    fn stage(&mut self, name: &str, work: impl FnOnce() -> Result<Counts, Failure>) -> bool {
        println!("\n── {name}");
        let start = Instant::now();
        let counts = work().unwrap_or_else(|failure| {
            println!("error: {failure}");
            Counts { passed: 0, failed: 1 }
        });
        let success = counts.failed == 0;
        self.stages.push(Stage { name: name.to_owned(), took: start.elapsed(), counts, success });
        success
    }

    /// Prints the table and the line that sums it up.
    pub(crate) fn finish(self) -> ExitCode {
        let mut total = Counts::default();
        let mut took = Duration::ZERO;
        println!("\n{:<28} {:>8} {:>8} {:>9}", "stage", "passed", "failed", "time");
        for stage in &self.stages {
            let Counts { passed, failed } = stage.counts;
            let mark = if stage.success { "" } else { "  FAILED" };
            let seconds = stage.took.as_secs_f64();
            println!("{:<28} {passed:>8} {failed:>8} {seconds:>7.1} s{mark}", stage.name);
            total += stage.counts;
            took += stage.took;
        }
        println!("{:<28} {:>8} {:>8} {:>7.1} s\n", "", "", "", took.as_secs_f64());
        println!("{} passed, {} failed", total.passed, total.failed);
        if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
