//! Where keys are found: one file a source, a reference that names a place, a resolver that asks it.
//!
//! A source only reads. Every read looks at the world again, so that a rotated key is seen. A miss
//! lists every place that was asked and what it said: that list is the evidence.

#[cfg(feature = "age")]
pub(crate) mod age;
#[cfg(feature = "clouds")]
mod aws;
#[cfg(feature = "clouds")]
mod azure;
mod cloud;
mod discover;
mod dotenv;
mod env;
mod error;
pub(crate) mod file;
#[cfg(feature = "clouds")]
mod gcp;
mod helper;
#[cfg(feature = "keyring")]
pub(crate) mod keyring;
#[cfg(feature = "clouds")]
mod kubernetes;
mod login;
mod op;
mod process;
pub(crate) mod reference;
mod remote;
mod resolver;
mod settings;
mod systemd;
mod vault;

use std::pin::Pin;

pub use cloud::Cloud;
pub use discover::{Discovery, Hint};
pub(crate) use dotenv::LARGEST_DOTENV_BYTES;
pub use env::Environment;
pub use error::SourceError;
pub(crate) use file::read_bounded;
pub use helper::Helpers;
pub use reference::{Reference, ReferenceError};
pub use resolver::{Asked, Found, Miss, Resolver};
pub use settings::SourceSettings;

pub use keywright_core::dotenv::{Dotenv, DotenvError, Entry, LineFinding};
pub use keywright_core::near::near;

use keywright_core::Secret;

/// A boxed future, so that sources can stand behind one trait.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place that may hold secrets. Reading is all a source does.
pub trait Source: Send + Sync {
    /// How reports name the place of one secret: `environment variable OPENAI_API_KEY`, `.env:3`.
    fn place(&self, name: &str, reading: Option<&Reading>) -> String;

    /// Reads one secret, now. `Ok(None)` means "it is not here".
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>>;
}

/// What a source holds under a name.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The value, exactly as it stands there.
    pub secret: Secret,
    /// The line it stands in, counted from 1, for places that have lines.
    pub line: Option<usize>,
}
