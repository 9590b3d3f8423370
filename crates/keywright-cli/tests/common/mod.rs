//! Runs the real binary, from outside, in an environment and a folder of its own.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod schema;
pub(crate) mod servers;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use keywright_emulator::Emulator;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A folder to work in, and what the binary gets.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    variables: Vec<(String, String)>,
}

/// How the binary ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).expect("written");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The binary with these arguments; nothing of the tester's environment but `PATH`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
        command.args(arguments).stdin(Stdio::null());
        self.furnish(&mut command);
        command
    }

    fn furnish(&self, command: &mut Command) {
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", env!("PATH"))
            // The tester's own keyring is not asked.
            .env("DBUS_SESSION_BUS_ADDRESS", "disabled:")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().expect("the binary starts");
        Ended {
            code: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts the binary and waits for a line of stdout that contains `sign`.
    pub(crate) fn start(&self, arguments: &[&str], sign: &str) -> Running {
        self.start_command(self.command(arguments), sign, Stdio::null())
    }

    /// The same for any command, which gets this standard input.
    pub(crate) fn start_command(&self, mut command: Command, sign: &str, stdin: Stdio) -> Running {
        self.furnish(&mut command);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut before = String::new();
        while !before.contains(sign) {
            let read = stdout.read_line(&mut before).expect("readable");
            if read == 0 {
                let mut stderr = String::new();
                let mut pipe = child.stderr.take().expect("piped");
                pipe.read_to_string(&mut stderr).expect("readable");
                panic!("ended without `{sign}`: {before}\n{stderr}");
            }
        }
        Running { child, stdout, before }
    }
}

/// The binary while it runs.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// What it printed so far.
    pub(crate) before: String,
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("it runs");
    }

    /// Waits for a line of stderr that contains `sign`.
    /// What it wrote until then.
    pub(crate) fn wait_for_stderr(&mut self, sign: &str) -> String {
        let stderr = self.child.stderr.as_mut().expect("piped");
        let mut seen = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&seen).contains(sign) {
            assert_eq!(stderr.read(&mut byte).expect("readable"), 1, "no `{sign}`");
            seen.push(byte[0]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    pub(crate) fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let mut stdout = std::mem::take(&mut self.before);
        self.stdout.read_to_string(&mut stdout).expect("readable");
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("piped");
        pipe.read_to_string(&mut stderr).expect("readable");
        let status = self.child.wait().expect("it ends");
        Ended { code: status.code().expect("no signal ended it"), stdout, stderr }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn out(self, fragment: &str) -> Self {
        assert!(self.stdout.contains(fragment), "no `{fragment}` in {self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn err(self, fragment: &str) -> Self {
        assert!(self.stderr.contains(fragment), "no `{fragment}` in {self:?}");
        self
    }

    /// Neither stream holds this value.
    #[track_caller]
    pub(crate) fn hides(self, secret: &str) -> Self {
        let shown = self.stdout.contains(secret) || self.stderr.contains(secret);
        assert!(!shown, "a key is shown: {self:?}");
        self
    }
}

/// A key of OpenAI's shape; its number is its end.
pub(crate) fn openai_key(number: usize) -> String {
    keywright_emulator::sample_keys("openai", number).pop().expect("numbers start at 1")
}

/// Hex, as `xxd -p` writes it.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The providers, on a thread of their own. They live as long as the test's process.
pub(crate) fn upstream() -> Arc<Emulator> {
    let (to_test, from_thread) = std::sync::mpsc::sync_channel(1);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let emulator = Emulator::builder().with_sample_keys().start().await.expect("the emulator starts");
            to_test.send(Arc::new(emulator)).expect("the test waits");
            std::future::pending::<()>().await;
        });
    });
    from_thread.recv().expect("the emulator starts")
}
