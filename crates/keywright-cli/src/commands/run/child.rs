//! The child: starting it, passing signals on, waiting for its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, PipeReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use keywright_core::Redactor;
use tokio::process::Command;

use super::relay::Relay;
use super::signals::Signals;
use super::tail::SharedTail;
use crate::asking::Program;
use crate::error::CliError;
use crate::exit::Exit;
use crate::process::Hardened;

/// What to start.
pub(super) struct Child<'a> {
    /// The program and its arguments.
    pub(super) command: &'a [OsString],
    /// Its whole environment.
    pub(super) environment: BTreeMap<OsString, OsString>,
    /// Masks keys in streams that are no terminal; `None` leaves the streams alone.
    pub(super) redactor: Option<Arc<Redactor>>,
    /// Where who asks a person finds it, if it reads the terminal.
    pub(super) shared: Option<&'a Program>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code, or 128 + N for signal N.
    pub(super) code: u8,
    /// Whether a signal ended it.
    pub(super) by_signal: bool,
    /// The end of its stderr; empty where that is a terminal, or is left alone.
    pub(super) stderr: SharedTail,
}

/// The reading ends of the streams that are masked.
#[derive(Default)]
struct Pipes {
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
}

impl Child<'_> {
    /// Starts it and waits for its end.
    pub(super) async fn run(self, hardened: &Hardened) -> Result<Ended, CliError> {
        let (program, arguments) = self.command.split_first().unzip();
        let program = program.cloned().unwrap_or_default();
        // Before the start, so that no signal falls between.
        let mut signals = Signals::listen()?;
        let mut command = Command::new(&program);
        command.args(arguments.unwrap_or_default()).env_clear().envs(&self.environment);
        let pipes = self.connect(&mut command)?;
        let spawned = command.spawn();
        // It holds the writing ends; the streams end when the child's own copies are closed.
        drop(command);
        let mut child = spawned.map_err(|error| not_started(&program, &error))?;
        let pid = child.id().unwrap_or_default();
        hardened.release(pid);
        if let Some(shared) = self.shared {
            shared.started(pid);
        }
        let tail = SharedTail::default();
        let relays = self.relay(pipes, &tail)?;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                signal = signals.next() => {
                    self.shared.map(Program::signal_came);
                    signals.pass_on(signal, pid);
                }
            }
        };
        self.shared.map(Program::ended);
        let [stdout, stderr] = &relays;
        tokio::join!(finish(stdout.as_ref()), finish(stderr.as_ref()));
        Ok(Ended { code: code(status), by_signal: status.signal().is_some(), stderr: tail })
    }

    /// A terminal is the child's own; anything else goes through us.
    fn connect(&self, command: &mut Command) -> io::Result<Pipes> {
        let mut pipes = Pipes::default();
        if self.redactor.is_none() {
            return Ok(pipes);
        }
        if !io::stdout().is_terminal() {
            let (reader, writer) = io::pipe()?;
            command.stdout(Stdio::from(writer));
            pipes.stdout = Some(reader);
        }
        if !io::stderr().is_terminal() {
            let (reader, writer) = io::pipe()?;
            command.stderr(Stdio::from(writer));
            pipes.stderr = Some(reader);
        }
        Ok(pipes)
    }

    fn relay(&self, pipes: Pipes, tail: &SharedTail) -> io::Result<[Option<Relay>; 2]> {
        let Some(redactor) = &self.redactor else {
            return Ok([None, None]);
        };
        let stdout = pipes.stdout.map(|pipe| Relay::start(pipe, io::stdout(), Arc::clone(redactor), None));
        let stderr =
            pipes.stderr.map(|pipe| Relay::start(pipe, io::stderr(), Arc::clone(redactor), Some(tail.clone())));
        Ok([stdout.transpose()?, stderr.transpose()?])
    }
}

async fn finish(relay: Option<&Relay>) {
    if let Some(relay) = relay {
        relay.finish().await;
    }
}

/// The code that a shell would show.
fn code(status: ExitStatus) -> u8 {
    let by_signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(by_signal).unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}

fn not_started(program: &OsString, error: &io::Error) -> CliError {
    let exists = std::path::Path::new(program).exists();
    let (why, exit) = match error.kind() {
        io::ErrorKind::NotFound if exists => {
            ("the interpreter in its first line does not exist".to_owned(), Exit::NotFound)
        }
        io::ErrorKind::NotFound => ("no such program".to_owned(), Exit::NotFound),
        io::ErrorKind::PermissionDenied => ("it is not executable".to_owned(), Exit::NotExecutable),
        _ if error.raw_os_error() == Some(ENOEXEC) => {
            ("it is not a program for this machine".to_owned(), Exit::NotExecutable)
        }
        _ => (error.to_string(), Exit::NotExecutable),
    };
    CliError::Program { program: program.to_string_lossy().into_owned(), why, exit }
}

/// "Exec format error", the same number on Linux, macOS and the BSDs.
const ENOEXEC: i32 = 8;
