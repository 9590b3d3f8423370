//! Files and folders that only their owner can read.

#[cfg(feature = "keyring")]
mod replacing;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use keywright_core::Secret;

#[cfg(feature = "keyring")]
pub(crate) use self::replacing::{Mode, remove_leftovers, replace};
use super::StateError;

/// Makes a folder for its owner alone, or checks the one that is there.
pub(super) fn create_directory(path: &Path) -> Result<(), StateError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| StateError::of_io(path, &error))?;
    check_mode(path)
}

/// Makes an empty file for its owner alone; one that is there stays as it is.
pub(crate) fn touch(path: &Path) -> Result<(), StateError> {
    match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop).map_err(|error| StateError::of_io(path, &error)),
    }
}

/// Refuses a file or folder that others can read or change.
pub(crate) fn check_mode(path: &Path) -> Result<(), StateError> {
    #[cfg(unix)]
    {
        let found = fs::metadata(path).map_err(|error| StateError::of_io(path, &error))?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(StateError::OpenToOthers { path: path.to_owned(), mode, directory: found.is_dir() });
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Reads a small file that must be private; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, StateError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Secret::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(StateError::Damaged { path: path.to_owned() });
        }
        Err(error) => return Err(StateError::of_io(path, &error)),
    };
    check_mode(path).map(|()| Some(text))
}

/// Writes a small file once, whole or not at all. When another process was faster, its content stands and is returned.
pub(crate) fn write_once(path: &Path, content: &Secret) -> Result<Secret, StateError> {
    let fresh = fresh_name(path)?;
    let written = (|| {
        let mut file = create(&fresh)?;
        file.write_all(content.expose().as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, a link never replaces what is there.
        fs::hard_link(&fresh, path)
    })();
    // It has its second name now, or is of no use.
    let _ = fs::remove_file(&fresh);
    match written {
        Ok(()) => Ok(content.clone()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| StateError::of_io(path, &io::ErrorKind::NotFound.into()))
        }
        Err(error) => Err(StateError::of_io(path, &error)),
    }
}

/// Writes a file beside another one and removes it: what the operating system says to that.
pub(super) fn try_to_write_beside(path: &Path) -> Result<(), StateError> {
    let fresh = fresh_name(path)?;
    let written = create(&fresh).and_then(|mut file| {
        file.write_all(&vec![0; TRIED_BYTES])?;
        file.sync_all()
    });
    // It was never there, or is of no use.
    let _ = fs::remove_file(&fresh);
    written.map_err(|error| StateError::of_io(path, &error))
}

/// A name beside a file that nobody else uses: two processes, or two threads of one, may be at it.
fn fresh_name(path: &Path) -> Result<PathBuf, StateError> {
    let mut name = path.as_os_str().to_owned();
    let random = getrandom::u64().map_err(|_| StateError::NoRandom)?;
    name.push(format!(".{random:016x}{NEW}"));
    Ok(PathBuf::from(name))
}

/// As large as what SQLite needs beside its file.
const TRIED_BYTES: usize = 64 * 1024;
/// The end of the name of a file that is being written.
const NEW: &str = ".new";

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
