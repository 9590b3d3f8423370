//! Why the state cannot be used, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use keywright_core::Fix;
use rusqlite::ErrorCode;

use super::private;

/// Why the state cannot be used. A program that meets one works on and remembers nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The environment does not say where a user's files are.
    #[error("there is no folder to remember things in: HOME is not set")]
    NoHome,
    /// The folder is named by a relative path.
    #[error("KEYWRIGHT_STATE_DIR is not an absolute path")]
    RelativeDirectory,
    /// Others could read it.
    #[error("`{}` is open to other users (mode {mode:o})", path.display())]
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whether it is a folder.
        directory: bool,
    },
    /// The operating system refuses to open it.
    #[error("`{}`: permission denied", path.display())]
    Denied {
        /// The file or folder.
        path: PathBuf,
    },
    /// The disk, or the user's share of it, is used up.
    #[error("`{}`: no space is left on the disk", path.display())]
    Full {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file would become larger than this process may make one.
    #[error("`{}`: it would be larger than this process may make a file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The folder of a file does not exist.
    #[error("there is no folder `{}`", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The disk failed.
    #[error("`{}`: the disk cannot read or write it", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
    },
    /// The file, or the disk it is on, can only be read.
    #[error("`{}` can only be read", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The content is not what was written.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A newer Keywright wrote it.
    #[error("`{}` was written by a newer keywright (its schema is {found}, this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema of the file.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// Another process holds it for too long.
    #[error("`{}` is held by another process", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The operating system failed in another way.
    #[error("`{}` cannot be used: {kind}", path.display())]
    Failed {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        kind: io::ErrorKind,
    },
    /// SQLite refused for a reason that should not occur.
    #[error("`{}`: {says}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What SQLite said; it names tables and columns, never a value.
        says: String,
    },
    /// The keyring holds what opens the last known good keys, and does not give it.
    #[error("the keyring that opens the last known good keys is locked")]
    KeyringLocked,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandom,
}

impl StateError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> Option<String> {
        if let Some((says, command)) = self.mend() {
            return Some(format!("{says}: `{command}`."));
        }
        let path = |path: &Path| path.display().to_string();
        Some(match self {
            Self::NoHome | Self::RelativeDirectory => {
                "Set KEYWRIGHT_STATE_DIR to the absolute path of a folder of your own.".to_owned()
            }
            Self::Denied { path: denied } => {
                format!(
                    "See who owns it: `ls -ld '{}'`; or set KEYWRIGHT_STATE_DIR to a folder of your own.",
                    path(denied)
                )
            }
            Self::Full { .. } => "Make room on that disk; what was remembered before is still there.".to_owned(),
            Self::TooLarge { .. } => {
                "Raise the limit: `ulimit -f unlimited`, or `LimitFSIZE=infinity` in a systemd unit.".to_owned()
            }
            Self::Disk { .. } => {
                "Look at the disk: `df -h` says whether it is full, `dmesg` whether it fails.".to_owned()
            }
            Self::ReadOnly { .. } => "Set KEYWRIGHT_STATE_DIR to a folder that can be written.".to_owned(),
            Self::Newer { .. } => {
                "Use the newer keywright, or set KEYWRIGHT_STATE_DIR to another folder for this one.".to_owned()
            }
            Self::KeyringLocked => {
                "Unlock the keyring: log in to the desktop, or `gnome-keyring-daemon --unlock`.".to_owned()
            }
            Self::OpenToOthers { .. }
            | Self::Damaged { .. }
            | Self::Busy { .. }
            | Self::NoFolder { .. }
            | Self::Failed { .. }
            | Self::Refused { .. }
            | Self::NoRandom => return None,
        })
    }

    /// What to do, with the command that does it apart.
    pub fn fix(&self) -> Option<Fix> {
        match self.mend() {
            Some((says, command)) => Some(Fix { says: format!("{says}."), command: Some(command) }),
            None => self.help().map(|says| Fix { says, command: None }),
        }
    }

    fn mend(&self) -> Option<(&'static str, String)> {
        match self {
            Self::OpenToOthers { path, directory, .. } => {
                let mode = if *directory { "700" } else { "600" };
                Some(("Close it", format!("chmod {mode} '{}'", path.display())))
            }
            Self::Damaged { path } => {
                let path = path.display();
                Some(("Put it aside and a new one is made", format!("mv '{path}' '{path}.damaged'")))
            }
            Self::NoFolder { path } => Some(("Make it", format!("mkdir -p '{}'", path.display()))),
            Self::Busy { path } => Some(("See which process it is", format!("fuser '{}'", path.display()))),
            _ => None,
        }
    }

    /// What the operating system said about a file.
    pub(crate) fn of_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::FileTooLarge => Self::TooLarge { path },
            io::ErrorKind::NotFound => match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
                    Self::NoFolder { path: folder.to_owned() }
                }
                _ => Self::Failed { path, kind: io::ErrorKind::NotFound },
            },
            kind => Self::Failed { path, kind },
        }
    }

    /// SQLite does not tell what the operating system said: a small file beside its own is tried.
    fn of_disk(path: PathBuf) -> Self {
        match private::try_to_write_beside(&path) {
            Err(Self::Failed { .. }) | Ok(()) => Self::Disk { path },
            Err(Self::Full { .. }) => Self::Full { path },
            Err(Self::TooLarge { .. }) => Self::TooLarge { path },
            Err(error) => error,
        }
    }

    /// What SQLite said about its file.
    pub(super) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::AuthorizationForStatementDenied) => {
                Self::Denied { path }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::SystemIoFailure) => Self::of_disk(path),
            _ => Self::Refused { path, says: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_the_operating_system_says_is_told_in_plain_words_with_what_to_do() {
        let home = tempfile::tempdir().expect("a folder");
        let (file, lost) = (home.path().join("state.db"), home.path().join("gone/keys.age"));
        let of = |path: &Path, kind: io::ErrorKind| StateError::of_io(path, &kind.into());
        let io_failure = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_WRITE), None);
        let cases = [
            (of(&file, io::ErrorKind::StorageFull), "no space is left", "Make room"),
            (of(&file, io::ErrorKind::FileTooLarge), "larger than this process may make", "ulimit -f unlimited"),
            (of(&lost, io::ErrorKind::NotFound), "there is no folder `", "mkdir -p '"),
            (StateError::of_sqlite(&file, &io_failure), "the disk cannot read or write it", "df -h"),
        ];
        for (error, says, help) in cases {
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.help().is_some_and(|told| told.contains(help)), "{error}: {:?}", error.help());
        }
        let left: Vec<_> = std::fs::read_dir(home.path()).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
