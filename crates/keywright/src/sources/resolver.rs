//! Turns a reference into a secret, and tells what was asked when there is none.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keywright_core::{Cause, Dotenv, DotenvError, Secret};

use super::dotenv::DotenvFile;
use super::env::Environment;
use super::file::SecretFile;
use super::{BoxFuture, Reference, Source};

/// Resolves references. Cheap to clone; every call reads the world again.
#[derive(Clone, Debug)]
pub struct Resolver {
    environment: Environment,
    directory: Arc<Path>,
}

/// A secret, and where it came from.
#[derive(Clone, Debug)]
pub struct Found {
    /// The value, exactly as it stands there; it may be empty.
    pub secret: Secret,
    /// The reference that leads to it again.
    pub reference: Reference,
    /// The place in words a person can find: `environment variable OPENAI_API_KEY`, `.env:3`.
    pub place: String,
}

/// Every place that was asked, and what it said. This is the evidence of a missing key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Miss {
    /// In the order of asking.
    pub asked: Vec<Asked>,
}

/// One place that was asked in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The place, as in [`Found::place`].
    pub place: String,
    /// What it said.
    pub why: SourceError,
}

/// Why a source gave nothing. No message holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The variable, or the member of the file, does not exist.
    #[error("not set")]
    NotSet,
    /// There is no such file.
    #[error("no such file")]
    NoFile,
    /// The operating system refuses to open it.
    #[error("permission denied")]
    Denied,
    /// The path is a directory.
    #[error("it is a directory, not a file")]
    Directory,
    /// The path is a device, a pipe or a socket.
    #[error("it is a device or a pipe, not a regular file")]
    Device,
    /// It is too large to be what it should be.
    #[error("larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Reading failed in another way.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// The value is not text.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// A field was asked for and the file is not JSON.
    #[error("not JSON (line {line}, column {column})")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A field was asked for and the JSON is not an object.
    #[error("JSON without fields")]
    NotAnObject,
    /// The field is a number, a list or an object.
    #[error("the field is not a string")]
    FieldNotText,
    /// The dotenv file cannot be read as one.
    #[error(transparent)]
    Dotenv(#[from] DotenvError),
}

impl SourceError {
    /// The cause that a missing key has because of this.
    pub const fn cause(self) -> Cause {
        match self {
            Self::Dotenv(_) | Self::Denied => Cause::EnvNotLoaded,
            Self::NotUtf8 => Cause::HiddenOrNonAsciiCharacter,
            Self::NotSet
            | Self::NoFile
            | Self::Directory
            | Self::Device
            | Self::TooLarge { .. }
            | Self::Unreadable(_)
            | Self::NotJson { .. }
            | Self::NotAnObject
            | Self::FieldNotText => Cause::MissingKey,
        }
    }
}

impl Miss {
    /// A miss of one place.
    pub fn of(place: impl Into<String>, why: SourceError) -> Self {
        let place = place.into();
        Self { asked: vec![Asked { place, why }] }
    }

    /// The cause: the most telling of what the places said.
    pub fn cause(&self) -> Cause {
        self.asked
            .iter()
            .map(|asked| asked.why.cause())
            .find(|cause| *cause != Cause::MissingKey)
            .unwrap_or(Cause::MissingKey)
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.asked.is_empty() {
            return f.write_str("no place was asked for a key");
        }
        for (at, Asked { place, why }) in self.asked.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{place}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Miss {}

impl Resolver {
    /// A resolver over an environment; relative paths start at `directory`.
    pub fn new(environment: Environment, directory: impl Into<PathBuf>) -> Self {
        Self { environment, directory: directory.into().into() }
    }

    /// A resolver over this process's environment and working directory.
    pub fn process() -> Self {
        Self::new(Environment::process(), "")
    }

    /// The environment it reads.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where relative paths start; empty for the working directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads the place that a reference names, now.
    pub fn resolve<'a>(&'a self, reference: &'a Reference) -> BoxFuture<'a, Result<Found, Miss>> {
        Box::pin(async move {
            let (source, name) = self.source(reference);
            match source.read(name).await {
                Ok(Some(reading)) => Ok(Found {
                    place: source.place(name, Some(&reading)),
                    secret: reading.secret,
                    reference: reference.clone(),
                }),
                Ok(None) => Err(Miss::of(source.place(name, None), SourceError::NotSet)),
                Err(why) => Err(Miss::of(source.place(name, None), why)),
            }
        })
    }

    /// Reads a whole dotenv file, for [`Resolver::discover`].
    pub async fn dotenv(&self, path: &Path) -> Result<Dotenv, SourceError> {
        self.dotenv_file(path).contents().await
    }

    fn source<'a>(&self, reference: &'a Reference) -> (Box<dyn Source>, &'a str) {
        match reference {
            Reference::Env { name } => (Box::new(self.environment.clone()), name),
            Reference::Dotenv { path, name } => (Box::new(self.dotenv_file(path)), name),
            Reference::File { path, field } => {
                let file = SecretFile { written: path.clone(), path: self.directory.join(path) };
                (Box::new(file), field.as_deref().unwrap_or_default())
            }
        }
    }

    fn dotenv_file(&self, path: &Path) -> DotenvFile {
        DotenvFile { written: path.to_owned(), path: self.directory.join(path) }
    }
}

#[cfg(test)]
mod tests;
