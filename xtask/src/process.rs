//! Starting programs: what they print is shown at once and kept for counting.

use crate::Failure;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The folder that holds the workspace.
pub(crate) static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a folder of the workspace").to_path_buf()
});

/// The folder that cargo builds into.
#[expect(clippy::disallowed_methods, reason = "cargo tells its build folder in a variable")]
pub(crate) static TARGET: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| ROOT.join("target"), |at| ROOT.join(at)));

/// What is left of a program that ended.
pub(crate) struct Ended {
    pub(crate) success: bool,
    /// Its standard output, as lines.
    pub(crate) lines: Vec<String>,
}

/// A program that starts in the workspace's folder.
pub(crate) fn program(name: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(&*ROOT);
    command
}

/// The cargo that started this chore.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    program(option_env!("CARGO").unwrap_or("cargo"), arguments)
}

/// Runs to the end; standard output is shown while it comes and returned.
pub(crate) fn tee(command: &mut Command) -> Result<Ended, Failure> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|cause| failed_to_start(command, &cause))?;
    let output = child.stdout.take().expect("stdout is piped");
    let mut lines = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(io::stdout().lock(), "{line}")?;
        lines.push(line);
    }
    Ok(Ended { success: child.wait()?.success(), lines })
}

/// Runs to the end, silently; what it printed is the failure when it fails.
pub(crate) fn must(command: &mut Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|cause| failed_to_start(command, &cause))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("`{}` failed\n{}", shown(command), String::from_utf8_lossy(&said)).into())
}

/// Whether the program ran and was content; a missing program is a no.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn failed_to_start(command: &Command, cause: &io::Error) -> Failure {
    format!("cannot start `{}`: {cause}", shown(command)).into()
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
