//! Asks git whether it would commit a file.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::sources::Environment;

/// Whether the next commit may hold this file. `None` without a repository, without git, or without an answer in time.
pub(crate) async fn commits(file: &Path, environment: &Environment) -> Option<bool> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    in_repository(folder).then_some(())?;
    let mut command = tokio::process::Command::new("git");
    command
        // A repository's settings may name programs to run; this question needs none.
        .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "check-ignore", "--quiet", "--"])
        .arg(file.file_name()?)
        .current_dir(folder)
        .env_clear()
        .envs(environment.value("PATH").map(|path| ("PATH", path)))
        .envs(environment.value("HOME").map(|home| ("HOME", home)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let status = tokio::time::timeout(PATIENCE, command.status()).await.ok()?.ok()?;
    match status.code() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

fn in_repository(folder: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| folder.ancestors().any(|above| above.join(".git").exists()))
}

/// Git answers in milliseconds; a slow network disk is not worth a wait.
const PATIENCE: Duration = Duration::from_secs(2);
