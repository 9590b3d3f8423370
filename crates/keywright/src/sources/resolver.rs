//! Turns a reference into a secret, and tells what was asked when there is none.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keywright_core::{Cause, Dotenv, Fix, Secret};

use super::dotenv::DotenvFile;
use super::env::Environment;
use super::error::SourceError;
use super::file::SecretFile;
use super::helper::Helper;
use super::login::Logins;
use super::op::OnePassword;
use super::remote::{Documents, Store, Stored};
use super::systemd::Credential;
use super::vault::VaultSecret;
use super::{BoxFuture, Reference, Source, SourceSettings};

/// Resolves references. Cheap to clone; every call reads the world again.
#[derive(Clone, Debug)]
pub struct Resolver {
    environment: Environment,
    directory: Arc<Path>,
    #[cfg(feature = "age")]
    opened: super::age::Opened,
    logins: Logins,
    documents: Documents,
    /// Shared by all clones: a configuration that is read again holds for all of them.
    settings: Arc<RwLock<Arc<SourceSettings>>>,
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
    /// The reference that led to nothing; `None` where several places were searched.
    pub reference: Option<Box<Reference>>,
}

/// One place that was asked in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The place, as in [`Found::place`].
    pub place: String,
    /// What it said.
    pub why: SourceError,
}

impl Miss {
    /// A miss of one place.
    pub fn of(place: impl Into<String>, why: SourceError) -> Self {
        let place = place.into();
        Self { asked: vec![Asked { place, why }], reference: None }
    }

    fn at(reference: &Reference, place: String, why: SourceError) -> Self {
        Self { reference: Some(Box::new(reference.clone())), ..Self::of(place, why) }
    }

    /// The cause: the most telling of what the places said.
    pub fn cause(&self) -> Cause {
        self.asked
            .iter()
            .map(|asked| asked.why.cause())
            .find(|cause| *cause != Cause::MissingKey)
            .unwrap_or(Cause::MissingKey)
    }

    /// Whether no place could say what the key is, rather than that there is none.
    pub fn is_outage(&self) -> bool {
        !self.asked.is_empty() && self.asked.iter().all(|asked| asked.why.is_outage())
    }

    /// What to do so that a key of the provider is found by this reference; `None` where several places were searched.
    pub fn fix(&self, provider: &str) -> Option<Fix> {
        self.reference.as_ref()?.fix(self.asked.first()?.why, provider)
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
        Self {
            environment,
            directory: directory.into().into(),
            #[cfg(feature = "age")]
            opened: super::age::Opened::default(),
            logins: Logins::default(),
            documents: Documents::default(),
            settings: Arc::default(),
        }
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

    /// The folder that relative references begin at, in full: `.env` of another project is another file.
    pub fn scope(&self) -> String {
        let directory = if self.directory.as_os_str().is_empty() { Path::new(".") } else { self.directory() };
        std::path::absolute(directory).map_or_else(|_| String::new(), |path| path.to_string_lossy().into_owned())
    }

    /// Takes over what a configuration says about sources, for this resolver and all its clones.
    pub fn adopt(&self, settings: &SourceSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings.clone());
    }

    /// What the configuration says about sources.
    pub fn settings(&self) -> Arc<SourceSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens age files with a passphrase that a person typed, unless the environment has one.
    #[cfg(feature = "age")]
    pub fn use_passphrase(&self, passphrase: Secret) {
        self.opened.use_passphrase(passphrase);
    }

    #[cfg(all(feature = "state", feature = "keyring"))]
    pub(crate) fn passphrase(&self) -> Option<Secret> {
        self.opened.passphrase()
    }

    /// Reads the place that a reference names, now.
    pub fn resolve<'a>(&'a self, reference: &'a Reference) -> BoxFuture<'a, Result<Found, Miss>> {
        self.read(reference, Duration::ZERO)
    }

    /// As [`Resolver::resolve`], for a program that starts: what a vault, a cloud or a helper answered a moment ago will do, so
    /// that the report on the keys and their first use ask it once.
    pub fn resolve_recent<'a>(&'a self, reference: &'a Reference) -> BoxFuture<'a, Result<Found, Miss>> {
        self.read(reference, RECENT)
    }

    /// How soon a place wants to be read again, as its last answer said: a lease ends, or the login it is read with. Most
    /// places do not say.
    pub fn read_again(&self, reference: &Reference) -> Option<Duration> {
        match reference {
            Reference::Vault { path, .. } => self.documents.read_again(&super::vault::place(path)),
            _ => None,
        }
    }

    /// Asks every place anew, also for [`Resolver::resolve_recent`].
    pub fn forget(&self) {
        self.documents.forget();
    }

    fn read<'a>(&'a self, reference: &'a Reference, max_age: Duration) -> BoxFuture<'a, Result<Found, Miss>> {
        Box::pin(async move {
            let (source, name) = self.source(reference, max_age);
            match source.read(name).await {
                Ok(Some(reading)) => Ok(Found {
                    place: source.place(name, Some(&reading)),
                    secret: reading.secret,
                    reference: reference.clone(),
                }),
                Ok(None) => Err(Miss::at(reference, source.place(name, None), SourceError::NotSet)),
                Err(why) => Err(Miss::at(reference, source.place(name, None), why)),
            }
        })
    }

    /// The file that a reference is read from, for sources that are files.
    pub fn file_of(&self, reference: &Reference) -> Option<PathBuf> {
        match reference {
            Reference::Dotenv { path, .. } | Reference::File { path, .. } | Reference::Age { path, .. } => {
                Some(self.directory.join(path))
            }
            Reference::Systemd { name, .. } => {
                Some(Path::new(&self.environment.value("CREDENTIALS_DIRECTORY")?).join(name))
            }
            _ => None,
        }
    }

    /// Reads a whole dotenv file, for [`Resolver::discover`].
    pub async fn dotenv(&self, path: &Path) -> Result<Dotenv, SourceError> {
        self.dotenv_file(path).contents().await
    }

    fn source<'a>(&self, reference: &'a Reference, max_age: Duration) -> (Box<dyn Source>, &'a str) {
        let environment = || self.environment.clone();
        match reference {
            Reference::Env { name } => (Box::new(self.environment.clone()), name),
            Reference::Dotenv { path, name } => (Box::new(self.dotenv_file(path)), name),
            Reference::File { path, field } => {
                let file = SecretFile { written: path.clone(), path: self.directory.join(path) };
                (Box::new(file), field.as_deref().unwrap_or_default())
            }
            Reference::Systemd { name, field } => {
                let credential = Credential { environment: self.environment.clone(), name: name.clone() };
                (Box::new(credential), field.as_deref().unwrap_or_default())
            }
            Reference::Age { path, field } => (self.age_file(path), field),
            Reference::Keyring { service, account } => (keyring(service), account),
            Reference::OnePassword { path } => {
                (self.stored(OnePassword { path: path.clone(), environment: environment() }, max_age), "")
            }
            Reference::Helper { name } => (self.stored(self.helper(name), max_age), ""),
            Reference::Vault { path, field } => {
                let (environment, logins) = (environment(), self.logins.clone());
                (self.stored(VaultSecret::new(path, environment, logins), max_age), field)
            }
            Reference::AwsSecret { field, .. }
            | Reference::AwsParameter { field, .. }
            | Reference::GoogleSecret { field, .. }
            | Reference::AzureSecret { field, .. } => {
                (self.cloud(reference, max_age), field.as_deref().unwrap_or_default())
            }
            Reference::KubernetesSecret { key, .. } => (self.cloud(reference, max_age), key),
        }
    }

    fn stored(&self, store: impl Store + 'static, max_age: Duration) -> Box<dyn Source> {
        let limit = self.settings().time_limit;
        Box::new(Stored { store, documents: self.documents.clone(), max_age, limit })
    }

    #[cfg(feature = "clouds")]
    fn cloud(&self, reference: &Reference, max_age: Duration) -> Box<dyn Source> {
        use super::{aws, azure, gcp, kubernetes};

        let (environment, logins) = (self.environment.clone(), self.logins.clone());
        match reference.clone() {
            Reference::AwsSecret { name, region, version, .. } => {
                let kind = aws::Kind::Secret;
                self.stored(aws::AwsSecret { kind, name, region, version, environment, logins }, max_age)
            }
            Reference::AwsParameter { name, region, version, .. } => {
                let kind = aws::Kind::Parameter;
                self.stored(aws::AwsSecret { kind, name, region, version, environment, logins }, max_age)
            }
            Reference::GoogleSecret { project, name, version, .. } => {
                self.stored(gcp::GoogleSecret { project, name, version, environment, logins }, max_age)
            }
            Reference::AzureSecret { vault, name, version, .. } => {
                self.stored(azure::AzureSecret { vault, name, version, environment, logins }, max_age)
            }
            Reference::KubernetesSecret { namespace, name, .. } => {
                self.stored(kubernetes::KubernetesSecret { namespace, name, environment }, max_age)
            }
            other => Box::new(LeftOut(other.to_string())),
        }
    }

    #[cfg(not(feature = "clouds"))]
    #[expect(clippy::unused_self, reason = "a build with the source needs it")]
    fn cloud(&self, reference: &Reference, _: Duration) -> Box<dyn Source> {
        Box::new(LeftOut(reference.to_string()))
    }

    fn helper(&self, name: &str) -> Helper {
        let settings = self.settings();
        Helper {
            name: name.to_owned(),
            helpers: settings.helpers.clone(),
            environment: self.environment.clone(),
            directory: Arc::clone(&self.directory),
            limit: settings.time_limit,
        }
    }

    #[cfg(feature = "age")]
    fn age_file(&self, path: &Path) -> Box<dyn Source> {
        Box::new(super::age::AgeFile {
            written: path.to_owned(),
            path: self.directory.join(path),
            environment: self.environment.clone(),
            opened: self.opened.clone(),
        })
    }

    #[cfg(not(feature = "age"))]
    #[expect(clippy::unused_self, reason = "a build with the source needs it")]
    fn age_file(&self, path: &Path) -> Box<dyn Source> {
        Box::new(LeftOut(path.display().to_string()))
    }

    fn dotenv_file(&self, path: &Path) -> DotenvFile {
        DotenvFile { written: path.to_owned(), path: self.directory.join(path) }
    }
}

#[cfg(feature = "keyring")]
fn keyring(service: &str) -> Box<dyn Source> {
    Box::new(super::keyring::Keyring { service: service.to_owned() })
}

#[cfg(not(feature = "keyring"))]
fn keyring(service: &str) -> Box<dyn Source> {
    Box::new(LeftOut(format!("keyring entry {service}")))
}

/// A source that this build does not have.
struct LeftOut(String);

impl Source for LeftOut {
    fn place(&self, _: &str, _: Option<&super::Reading>) -> String {
        self.0.clone()
    }

    fn read<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<super::Reading>, SourceError>> {
        Box::pin(std::future::ready(Err(SourceError::LeftOut)))
    }
}

/// A start takes no longer, and nobody rotates a key between its first two reads.
const RECENT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
