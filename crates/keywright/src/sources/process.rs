//! Runs a program that prints a key: bounded in time and output, and ended with everything that it started.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use keywright_core::Secret;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::SourceError;
use super::file::{LARGEST_SECRET_BYTES, without_last_newline};

/// What a program did.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// Wrapped at once, so that it is wiped whatever happens next.
    pub(super) printed: Secret,
    /// Standard error, where the command asked for it. It may hold a key and is never shown.
    pub(super) complained: Secret,
}

/// Runs a command to its end. `spawn_error` says what it means that it cannot be started.
pub(super) async fn run(
    mut command: Command,
    limit: Duration,
    spawn_error: fn(&std::io::Error) -> SourceError,
) -> Result<Ended, SourceError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    // A group of its own: what it starts ends with it.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| spawn_error(&error))?;
    let mut group = Group::of(&child);
    let ended = tokio::time::timeout(limit, watch(&mut child)).await;
    let ended = ended.unwrap_or(Err(SourceError::TimedOut { seconds: limit.as_secs() }))?;
    group.ended();
    Ok(ended)
}

/// One line, and nothing else. One newline at the end is forgiven.
pub(super) fn one_line(printed: &Secret) -> Result<Secret, SourceError> {
    let line = without_last_newline(printed);
    match line.expose() {
        text if text.trim().is_empty() => Err(SourceError::HelperSilent),
        text if text.contains('\n') => Err(SourceError::HelperTwoLines),
        _ => Ok(line),
    }
}

async fn watch(child: &mut Child) -> Result<Ended, SourceError> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (printed, complained) = tokio::try_join!(bounded(stdout), bounded(stderr))?;
    let status = child.wait().await.map_err(|error| SourceError::Unreadable(error.kind()))?;
    Ok(Ended { status, printed, complained })
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Result<Secret, SourceError> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let read = pipe.take(LARGEST_SECRET_BYTES + 1).read_to_end(&mut bytes).await;
        read.map_err(|error| SourceError::Unreadable(error.kind()))?;
    }
    if bytes.len() as u64 > LARGEST_SECRET_BYTES {
        return Err(SourceError::TooLarge { limit_bytes: LARGEST_SECRET_BYTES });
    }
    String::from_utf8(bytes).map(Secret::new).map_err(|_| SourceError::NotUtf8)
}

/// The process group of a program that still runs; dropping it ends them all.
struct Group(#[cfg(unix)] Option<rustix::process::Pid>);

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(rustix::process::Pid::from_raw))
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self()
    }

    /// The program was waited for: its number may belong to another one soon.
    fn ended(&mut self) {
        #[cfg(unix)]
        self.0.take();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.0.take() {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
