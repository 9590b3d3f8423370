//! Helpers: programs that print a key. A configuration names them, and the user allows the configuration.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use keywright_core::Secret;
use tokio::process::Command;

use super::process::{one_line, run};
use super::remote::Store;
use super::{BoxFuture, Environment, SourceError};

/// The helpers that a configuration names: programs that print a key.
///
/// A configuration may come with a repository that somebody cloned, so none of its programs runs before the user has
/// allowed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helpers {
    /// Program and arguments by name. No shell reads them.
    pub commands: BTreeMap<String, Vec<String>>,
    /// The configuration that names them, for reports.
    pub file: Option<PathBuf>,
    /// Whether the user allowed that configuration, as it is now, to run them.
    pub allowed: bool,
}

/// A helper.
#[derive(Debug)]
pub(super) struct Helper {
    /// Its name in the configuration.
    pub(super) name: String,
    pub(super) helpers: Helpers,
    pub(super) environment: Environment,
    /// Where it is started, and where a relative path to it begins.
    pub(super) directory: Arc<Path>,
    pub(super) limit: Duration,
}

impl Store for Helper {
    fn place(&self) -> String {
        match &self.helpers.file {
            Some(file) => format!("helper {} of {}", self.name, file.display()),
            None => format!("helper {}", self.name),
        }
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>> {
        Box::pin(async move {
            let ended = run(self.command()?, self.limit, unstartable).await?;
            match (ended.status.success(), ended.status.code()) {
                (true, _) => one_line(&ended.printed).map(Some),
                (false, Some(status)) => Err(SourceError::HelperFailed { status }),
                (false, None) => Err(SourceError::HelperKilled),
            }
        })
    }
}

impl Helper {
    fn command(&self) -> Result<Command, SourceError> {
        let argv = self.helpers.commands.get(&self.name).ok_or(SourceError::NoHelper)?;
        let (program, arguments) = argv.split_first().ok_or(SourceError::NoHelper)?;
        if !self.helpers.allowed {
            return Err(SourceError::HelperNotAllowed);
        }
        let mut command = Command::new(program);
        // What it says to people may hold a key, so nobody reads it.
        command.args(arguments).env_clear().envs(self.environment.all()).stderr(Stdio::null());
        if !self.directory.as_os_str().is_empty() {
            command.current_dir(&*self.directory);
        }
        Ok(command)
    }
}

fn unstartable(error: &io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::HelperNotFound,
        io::ErrorKind::PermissionDenied => SourceError::HelperNotExecutable,
        // A file that is no program: a script without its first line.
        _ if error.raw_os_error() == Some(ENOEXEC) => SourceError::HelperNotExecutable,
        kind => SourceError::Unreadable(kind),
    }
}

/// "Exec format error" on every Unix.
const ENOEXEC: i32 = 8;

#[cfg(all(test, unix))]
mod tests;
