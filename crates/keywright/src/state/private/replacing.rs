//! A private file gets new content, whole or not at all. The stores of keys do that; the rest of the state is only added to.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::{NEW, create, fresh_name};
use crate::state::StateError;

/// Who can read a file that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Whoever could before.
    AsBefore,
    /// Its owner.
    Private,
}

/// Replaces a file by new content, whole or not at all.
pub(crate) fn replace(path: &Path, content: &[u8], mode: Mode) -> Result<(), StateError> {
    let fresh = fresh_name(path)?;
    let written = (|| {
        let mut file = create(&fresh)?;
        if let (Mode::AsBefore, Ok(before)) = (mode, fs::metadata(path)) {
            file.set_permissions(before.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&fresh);
        return Err(StateError::of_io(path, &error));
    }
    // The name is in the folder; that must reach the disk too. Not every file system can be asked for it.
    let _ = path.parent().and_then(|folder| File::open(folder).ok()).map(|folder| folder.sync_all());
    Ok(())
}

/// Removes what a process that was killed left behind while it replaced this file. The caller holds its lock.
pub(crate) fn remove_leftovers(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let leftover = |found: &str| {
        let random = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(NEW));
        random.is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(leftover) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
