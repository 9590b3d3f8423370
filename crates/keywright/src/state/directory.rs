//! Where the state lives, by platform.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::StateError;
use super::private;
use crate::sources::Environment;

/// The folder that holds what this installation remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(PathBuf);

impl Directory {
    /// The folder of this user: `KEYWRIGHT_STATE_DIR`, or `keywright` where the platform keeps an application's data.
    pub fn of(environment: &Environment) -> Result<Self, StateError> {
        // A relative path would be another folder for each working directory; XDG says to ignore one.
        let absolute =
            |name: &str| environment.value(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
        if environment.value(OVERRIDE).is_some_and(|value| !value.is_empty()) {
            return absolute(OVERRIDE).map(Self).ok_or(StateError::RelativeDirectory);
        }
        let data = if cfg!(windows) {
            absolute("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            absolute("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        };
        data.map(|data| Self(data.join("keywright"))).ok_or(StateError::NoHome)
    }

    /// A folder that is named outright.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What of it others can read or change: the folder, and the files in it. Keywright uses none of those.
    pub fn exposed(&self) -> Vec<StateError> {
        let files =
            std::fs::read_dir(&self.0).into_iter().flatten().flatten().take(MOST_FILES).map(|entry| entry.path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
        files.sort();
        let all = std::iter::once(self.0.clone()).chain(files);
        // What is not there, or cannot be looked at, is open to nobody.
        let open = |error: &StateError| matches!(error, StateError::OpenToOthers { .. });
        all.filter_map(|path| private::check_mode(&path).err()).filter(open).collect()
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the folder, for its owner alone. One that is there and open to others is refused.
    pub(crate) fn create(&self) -> Result<(), StateError> {
        private::create_directory(&self.0)
    }

    /// Keeps other processes from making what this one makes, until it is dropped.
    pub(super) fn lock(&self) -> Result<File, StateError> {
        let path = self.file("state.lock");
        private::touch(&path)?;
        let file = File::open(&path).map_err(|error| StateError::of_io(&path, &error))?;
        file.lock().map_err(|error| StateError::of_io(&path, &error))?;
        Ok(file)
    }
}

/// The ledger, the vault and what belongs to them are a dozen files.
const MOST_FILES: usize = 1000;
/// The variable that names another folder.
const OVERRIDE: &str = "KEYWRIGHT_STATE_DIR";

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_folder_follows_the_environment() {
        type Variables = &'static [(&'static str, &'static str)];
        let cases: [(Variables, Option<&str>); 8] = [
            (&[("HOME", "/home/a")], Some("/home/a/.local/share/keywright")),
            (&[("HOME", "/home/a"), ("XDG_DATA_HOME", "/data")], Some("/data/keywright")),
            (&[("HOME", "/home/a"), ("XDG_DATA_HOME", "data")], Some("/home/a/.local/share/keywright")),
            (&[("HOME", "/home/a"), ("KEYWRIGHT_STATE_DIR", "/var/lib/kw")], Some("/var/lib/kw")),
            (&[("HOME", "/home/a"), ("KEYWRIGHT_STATE_DIR", "")], Some("/home/a/.local/share/keywright")),
            (&[("HOME", "/home/a"), ("KEYWRIGHT_STATE_DIR", "kw")], None),
            (&[("HOME", "")], None),
            (&[], None),
        ];
        for (variables, expected) in cases {
            let found = Directory::of(&Environment::given(variables.iter().copied())).ok();
            assert_eq!(found, expected.map(Directory::at), "{variables:?}");
        }
    }
}
