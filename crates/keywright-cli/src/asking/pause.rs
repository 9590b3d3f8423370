//! The program is paused while a person is asked: it shares the terminal, and would read what the person types.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;

use super::hidden::Console;
use super::processes::{self, Motion};

/// The program of `run`, where it reads the terminal that a person is asked at.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// While it runs.
    pid: Cell<Option<Pid>>,
    /// Changes with each signal for it.
    signalled: watch::Sender<()>,
    /// Whether nobody is asked any more: nobody answered, or the program cannot be paused.
    unasked: Cell<bool>,
}

impl Program {
    /// The program that is about to get our stdin; `None` when that is no terminal.
    pub(crate) fn at_terminal() -> Option<Self> {
        io::stdin().is_terminal().then(Self::default)
    }

    /// It runs.
    pub(crate) fn started(&self, pid: u32) {
        self.pid.set(i32::try_from(pid).ok().and_then(Pid::from_raw));
    }

    /// It ended; its number may soon be another's.
    pub(crate) fn ended(&self) {
        self.pid.set(None);
    }

    /// A signal came for it. A paused program would not hear it: the question ends.
    pub(crate) fn signal_came(&self) {
        self.signalled.send_replace(());
    }

    /// Asks nobody any more.
    pub(super) fn leave_alone(&self) {
        self.unasked.set(true);
    }

    pub(super) const fn is_left_alone(&self) -> bool {
        self.unasked.get()
    }
}

/// The program, stopped. Dropping this lets it go on.
///
/// Nothing is left stopped even if we are killed: the shell's group of processes is orphaned then, and the kernel hangs up
/// and continues an orphaned group that has a stopped member.
pub(super) struct Pause<'a> {
    program: &'a Program,
    console: Console,
    signals: watch::Receiver<()>,
    /// A shell continues a whole job, the program included.
    continued: unix::Signal,
    /// What we stopped, parents first.
    stopped: Vec<Pid>,
    /// Whether all of it stood still, so that the terminal was ours.
    held: bool,
}

/// What ends a question before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// A signal for the program.
    Signal,
    /// Somebody continued the program.
    Continued,
}

impl<'a> Pause<'a> {
    /// Stops nothing yet.
    pub(super) fn new(program: &'a Program, console: Console) -> io::Result<Self> {
        let continued = unix::signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        let signals = program.signalled.subscribe();
        Ok(Self { program, console, signals, continued, stopped: Vec::new(), held: false })
    }

    /// Stops the program and all that it started, whatever of it is not stopped. Fails when one of them cannot be.
    ///
    /// A stopped process leaves the queue of those who wait for the terminal's input.
    pub(super) async fn hold(&mut self) -> io::Result<()> {
        let (mut quiet, mut looks) = (0, 0);
        // What was started while we looked may be missed once, and not after everything else stands still.
        while quiet < 2 {
            quiet = if self.stop_those_that_run()? { quiet + 1 } else { 0 };
            looks += 1;
            if looks > MOST_LOOKS {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if quiet == 0 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        }
        self.held = true;
        Ok(())
    }

    /// Whether there were none.
    fn stop_those_that_run(&mut self) -> io::Result<bool> {
        let mut quiet = true;
        for process in processes::of_program(self.program.pid.get()) {
            // One that was stopped before us is none of ours, and stays so.
            if process.motion == Motion::Stopped {
                continue;
            }
            match kill_process(process.pid, Signal::STOP) {
                Ok(()) if !self.stopped.contains(&process.pid) => self.stopped.push(process.pid),
                Ok(()) => {}
                Err(rustix::io::Errno::SRCH) => continue,
                Err(error) => return Err(error.into()),
            }
            quiet &= process.motion == Motion::Stuck;
        }
        Ok(quiet)
    }

    /// Waits for what ends a question.
    pub(super) async fn disturbed(&mut self) -> Disturbance {
        tokio::select! {
            _ = self.signals.changed() => Disturbance::Signal,
            _ = self.continued.recv() => Disturbance::Continued,
        }
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        if self.held {
            // What came after the answer belongs to it: the rest of a paste.
            self.console.forget_input();
        }
        // Children first: a parent that looks after them finds none stopped.
        for pid in self.stopped.iter().rev() {
            // It may be gone.
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

/// Pauses between two looks, and how many: two seconds. What a signal does not stop by then is not going to.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
const MOST_LOOKS: u32 = 400;
