//! Replaces a file in one step: whoever reads it sees all of the old text or all of the new one.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a file was not written. It is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Somebody else wrote it meanwhile.
    #[error("it changed since it was read; nothing was written, try again")]
    Changed,
    /// A directory, a device, a pipe.
    #[error("it is not a regular file")]
    NotRegular,
    /// Another name of the same file would keep the old text.
    #[error("it has {0} names (hard links); one of them alone cannot be mended")]
    Linked(u64),
    /// The new file would belong to somebody else.
    #[error("it belongs to another user or group, and this user cannot give files away")]
    Owner,
    /// The bytes are no text.
    #[error("`{0}` is no text")]
    NotText(String),
    /// It was never to be written.
    #[error("{0}")]
    NotMended(String),
    /// The operating system refuses.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// A file that may be replaced: links are followed, so that they stay what they are.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    metadata: Metadata,
}

impl Target {
    pub(super) fn of(path: &Path) -> Result<Self, WriteError> {
        let path = path.canonicalize().map_err(|source| WriteError::System { what: "find it", source })?;
        let metadata = path.symlink_metadata().map_err(|source| WriteError::System { what: "look at it", source })?;
        if !metadata.is_file() {
            return Err(WriteError::NotRegular);
        }
        match links(&metadata) {
            0 | 1 => Ok(Self { path, metadata }),
            names => Err(WriteError::Linked(names)),
        }
    }

    /// The permission bits, where there are some.
    pub(super) fn mode(&self) -> Option<u32> {
        mode(&self.metadata)
    }

    /// Whether it lies in the folder in which a person wrote its name.
    pub(super) fn is_beside(&self, written: &Path) -> bool {
        let folder = written.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        folder.and_then(|folder| folder.canonicalize().ok()).as_deref() == self.path.parent()
    }

    /// The first name beside it that no backup has.
    pub(super) fn backup(&self) -> Result<PathBuf, WriteError> {
        let name = |number: u32| match number {
            0 => self.beside(".bak"),
            number => self.beside(&format!(".bak.{number}")),
        };
        let free = (0..MOST_BACKUPS).map(name).find(|path| path.symlink_metadata().is_err());
        free.ok_or_else(|| WriteError::NotMended("it has too many backups beside it; remove some".to_owned()))
    }

    /// Writes a backup, then the new text. Returns where the backup is.
    pub(super) fn replace(&self, before: &[u8], after: &[u8], mode: Option<u32>) -> Result<PathBuf, WriteError> {
        let backup = self.backup()?;
        let failed = |source| WriteError::System { what: "keep a backup beside it", source };
        let mut kept = Unfinished::new(backup.clone()).map_err(failed)?;
        kept.fill(before).map_err(failed)?;
        self.rewrite(before, after, mode)?;
        kept.keep();
        Ok(backup)
    }

    /// Writes the new text, with these permission bits or the ones it has.
    pub(super) fn rewrite(&self, before: &[u8], after: &[u8], mode: Option<u32>) -> Result<(), WriteError> {
        let failed = |source| WriteError::System { what: "write beside it", source };
        let mut fresh = (0..MOST_BACKUPS)
            .map(|number| Unfinished::new(self.beside(&format!(".new{}.{number}", std::process::id()))))
            .find(|made| made.as_ref().err().is_none_or(|error| error.kind() != io::ErrorKind::AlreadyExists))
            .unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))
            .map_err(failed)?;
        fresh.fill(after).map_err(failed)?;
        same_owner(&fresh.file, &self.metadata)?;
        set_mode(&fresh.file, mode.or_else(|| self.mode())).map_err(failed)?;
        fresh.file.sync_all().map_err(failed)?;
        if !self.is_still(before) {
            return Err(WriteError::Changed);
        }
        std::fs::rename(&fresh.path, &self.path).map_err(|source| WriteError::System { what: "replace it", source })?;
        fresh.keep();
        // The new text is there; a folder that cannot be synchronised loses nothing but the order of two writes.
        let _ = self.path.parent().map(File::open).map(|folder| folder.and_then(|folder| folder.sync_all()));
        Ok(())
    }

    pub(super) fn set_mode(&self, mode: u32) -> Result<(), WriteError> {
        let failed = |source| WriteError::System { what: "change its mode", source };
        let file = File::open(&self.path).map_err(failed)?;
        set_mode(&file, Some(mode)).map_err(failed)
    }

    /// Whether the file is the one that was looked at, with the same text.
    fn is_still(&self, before: &[u8]) -> bool {
        let same = self.path.symlink_metadata().is_ok_and(|now| now.is_file() && is_same(&now, &self.metadata));
        same && std::fs::read(&self.path).is_ok_and(|now| now == before)
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name: OsString = self.path.file_name().unwrap_or_default().to_owned();
        name.push(end);
        self.path.with_file_name(name)
    }
}

/// Writes a file that does not exist.
pub(super) fn create(path: &Path, text: &[u8]) -> Result<(), WriteError> {
    let failed = |source| WriteError::System { what: "make `.gitignore`", source };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(|source| {
        let _ = std::fs::remove_file(path);
        failed(source)
    })
}

/// A new file for its owner alone; it goes away unless it is kept.
struct Unfinished {
    path: PathBuf,
    file: File,
    keep: bool,
}

impl Unfinished {
    fn new(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(&path)?, path, keep: false })
    }

    /// All of it, on the disk: a full disk says so here, before anything is replaced.
    fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_all()
    }

    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such bits")]
fn mode(metadata: &Metadata) -> Option<u32> {
    Some(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777)
}

#[cfg(unix)]
fn set_mode(file: &File, mode: Option<u32>) -> io::Result<()> {
    let Some(mode) = mode else { return Ok(()) };
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(unix)]
fn is_same(now: &Metadata, before: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (now.dev(), now.ino()) == (before.dev(), before.ino())
}

/// A file of another user stays his: root mends what a person owns.
#[cfg(unix)]
fn same_owner(fresh: &File, before: &Metadata) -> Result<(), WriteError> {
    use std::os::unix::fs::MetadataExt;
    let now = fresh.metadata().map_err(|source| WriteError::System { what: "look at what was written", source })?;
    if (now.uid(), now.gid()) == (before.uid(), before.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(fresh, Some(before.uid()), Some(before.gid())).map_err(|_| WriteError::Owner)
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: Option<u32>) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}

#[cfg(not(unix))]
fn is_same(now: &Metadata, before: &Metadata) -> bool {
    now.modified().ok() == before.modified().ok()
}

#[cfg(not(unix))]
fn same_owner(_: &File, _: &Metadata) -> Result<(), WriteError> {
    Ok(())
}

/// More backups of one file are a sign that something goes round in circles.
const MOST_BACKUPS: u32 = 100;
