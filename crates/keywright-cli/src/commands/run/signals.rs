//! Signals that are meant for the child.

use std::fs::File;
use std::io;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind};

/// Hears the signals that a program may wait for, and passes them on.
///
/// There is no deadline after which the child is killed: whoever sent the signal decides that, as
/// it would without us.
///
/// A signal that was ignored before us, as `nohup` does, stays ignored, for the child too.
pub(super) struct Signals {
    terminate: Option<unix::Signal>,
    interrupt: Option<unix::Signal>,
    hangup: Option<unix::Signal>,
    quit: Option<unix::Signal>,
    user1: Option<unix::Signal>,
    user2: Option<unix::Signal>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        let listen = |kind: SignalKind| {
            let is_ignored = ignored >> (kind.as_raw_value() - 1) & 1 == 1;
            (!is_ignored).then(|| unix::signal(kind)).transpose()
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            quit: listen(SignalKind::quit())?,
            user1: listen(SignalKind::user_defined1())?,
            user2: listen(SignalKind::user_defined2())?,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            () = heard(&mut self.terminate) => Signal::TERM,
            () = heard(&mut self.interrupt) => Signal::INT,
            () = heard(&mut self.hangup) => Signal::HUP,
            () = heard(&mut self.quit) => Signal::QUIT,
            () = heard(&mut self.user1) => Signal::USR1,
            () = heard(&mut self.user2) => Signal::USR2,
        }
    }

    /// Passes a signal on, unless the terminal gave it to the child already.
    #[expect(clippy::unused_self, reason = "only who listens has a signal to pass on")]
    pub(super) fn pass_on(&self, signal: Signal, child: u32) {
        let from_keyboard = matches!(signal, Signal::INT | Signal::QUIT) && in_foreground();
        let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
        if let (false, Some(pid)) = (from_keyboard, pid) {
            // The child may be gone already.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Waits for one kind; for ever when it is ignored.
async fn heard(signal: &mut Option<unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores, one bit each. Where the system does not tell, none.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

/// Whether the terminal sends Ctrl-C to our process group, which is the child's too.
fn in_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}
