//! Configurations that the user has allowed to run helpers.

use std::path::Path;

use keywright_core::Secret;
use sha2::{Digest, Sha256};

use super::{Directory, StateError, private};
use crate::hex::hex;

/// Remembers which configurations may run helpers, each by the SHA-256 of its path and its content: one that moved or
/// changed must be allowed again.
#[derive(Clone, Debug)]
pub struct Allowed {
    folder: Directory,
}

impl Allowed {
    /// The memory of this installation.
    pub fn of(state: &Directory) -> Self {
        Self { folder: Directory::at(state.file("allowed")) }
    }

    /// Whether this file, with this content, was allowed.
    pub fn allows(&self, file: &Path, content: &str) -> Result<bool, StateError> {
        Ok(private::read(&self.folder.file(&name(file, content)?))?.is_some())
    }

    /// Allows this file with this content.
    pub fn allow(&self, file: &Path, content: &str) -> Result<(), StateError> {
        self.folder.create()?;
        // The path is for a person who looks at the folder.
        let shown = Secret::new(format!("{}\n", file.display()));
        private::write_once(&self.folder.file(&name(file, content)?), &shown).map(drop)
    }

    /// Takes it back; false when it was not allowed.
    pub fn deny(&self, file: &Path, content: &str) -> Result<bool, StateError> {
        let path = self.folder.file(&name(file, content)?);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StateError::of_io(&path, &error)),
        }
    }
}

/// By the path without links: two names of one file are one file.
fn name(file: &Path, content: &str) -> Result<String, StateError> {
    let path = file.canonicalize().map_err(|error| StateError::of_io(file, &error))?;
    let digest = Sha256::new()
        .chain_update(path.as_os_str().as_encoded_bytes())
        .chain_update(b"\n")
        .chain_update(content)
        .finalize();
    Ok(hex(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_path_or_another_content_is_another_file() {
        let home = tempfile::tempdir().expect("a folder");
        let allowed = Allowed::of(&Directory::at(home.path().join("state")));
        let (file, copy) = (home.path().join("a.toml"), home.path().join("b.toml"));
        for path in [&file, &copy] {
            std::fs::write(path, "one").expect("written");
        }
        assert_eq!(allowed.allows(&file, "one"), Ok(false));
        assert_eq!(allowed.allow(&file, "one"), Ok(()));
        assert_eq!(allowed.allow(&file, "one"), Ok(()), "twice is as good");
        assert_eq!(allowed.allows(&file, "one"), Ok(true));
        assert_eq!(allowed.allows(&file, "two"), Ok(false));
        assert_eq!(allowed.allows(&copy, "one"), Ok(false));
        #[cfg(unix)]
        {
            let link = home.path().join("link.toml");
            std::os::unix::fs::symlink(&file, &link).expect("linked");
            assert_eq!(allowed.allows(&link, "one"), Ok(true));
        }
        assert_eq!(allowed.deny(&file, "one"), Ok(true));
        assert_eq!(allowed.deny(&file, "one"), Ok(false));
        assert_eq!(allowed.allows(&file, "one"), Ok(false));
    }
}
