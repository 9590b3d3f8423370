//! The environment as a source of keys: the one place that reads it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use keywright_core::Secret;

use super::{BoxFuture, Reading, Source, SourceError};

/// The environment of this process, or one that a test gives.
#[derive(Clone, Debug, Default)]
pub struct Environment(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Process,
    Given(Arc<BTreeMap<OsString, OsString>>),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Process => "Process",
            Self::Given(_) => "Given(****)",
        })
    }
}

impl Environment {
    /// The environment of this process.
    pub const fn process() -> Self {
        Self(Kind::Process)
    }

    /// An environment of exactly these variables.
    pub fn given<K: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = variables.into_iter().map(|(k, v)| (k.into(), v.into()));
        Self(Kind::Given(Arc::new(pairs.collect())))
    }

    /// Whether it is the environment of this process: only then is this session's keyring the right one.
    pub const fn is_process(&self) -> bool {
        matches!(self.0, Kind::Process)
    }

    /// The value of a variable, if it is set.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn value(&self, name: impl AsRef<OsStr>) -> Option<OsString> {
        match &self.0 {
            Kind::Process => std::env::var_os(name),
            Kind::Given(variables) => variables.get(name.as_ref()).cloned(),
        }
    }

    /// The value of a variable, if it is set and is UTF-8.
    pub fn text(&self, name: impl AsRef<OsStr>) -> Option<String> {
        self.value(name)?.into_string().ok()
    }

    /// The value of a setting of another program; an empty one counts as unset.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A snapshot of every variable.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn all(&self) -> BTreeMap<OsString, OsString> {
        match &self.0 {
            Kind::Process => std::env::vars_os().collect(),
            Kind::Given(variables) => BTreeMap::clone(variables),
        }
    }

    /// Reads a variable as a secret.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, SourceError> {
        // A name with `=` or NUL cannot be set, and the system call would refuse it.
        self.value(name).map(|value| value.into_string().map(Secret::new)).transpose().map_err(|_| SourceError::NotUtf8)
    }
}

impl Source for Environment {
    fn place(&self, name: &str, _: Option<&Reading>) -> String {
        format!("environment variable {name}")
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>> {
        let reading = self.secret(name).map(|found| found.map(|secret| Reading { secret, line: None }));
        Box::pin(std::future::ready(reading))
    }
}
