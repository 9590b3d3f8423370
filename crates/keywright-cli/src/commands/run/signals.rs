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
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    quit: unix::Signal,
    user1: unix::Signal,
    user2: unix::Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
            quit: unix::signal(SignalKind::quit())?,
            user1: unix::signal(SignalKind::user_defined1())?,
            user2: unix::signal(SignalKind::user_defined2())?,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.user1.recv() => Signal::USR1,
            _ = self.user2.recv() => Signal::USR2,
        }
    }

    /// Passes a signal on, unless the terminal gave it to the child already.
    #[expect(
        clippy::unused_self,
        reason = "only who listens has a signal to pass on"
    )]
    pub(super) fn pass_on(&self, signal: Signal, child: u32) {
        let from_keyboard = matches!(signal, Signal::INT | Signal::QUIT) && in_foreground();
        let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
        if let (false, Some(pid)) = (from_keyboard, pid) {
            // The child may be gone already.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Whether the terminal sends Ctrl-C to our process group, which is the child's too.
fn in_foreground() -> bool {
    File::open("/dev/tty")
        .is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}
