//! What is here: which keys, from which source and line, what shadows what, and what is wrong with it.
//!
//! Gathers the facts; `keywright_core::inspect` judges them. Reads variables and files of this machine
//! only, and changes nothing.

mod credential;
mod files;
pub(crate) mod git;
pub mod network;

use std::path::{Path, PathBuf};

use keywright_core::inspect::{
    Finding, Holder, Place, Setting, base_url, files as file_rules, headers, names, setting::Settings, surroundings,
};
use keywright_core::{Catalogue, Cause, Dotenv, ProviderSpec, Secret};

pub use self::credential::{Credential, Standing};
pub use self::files::SurveyedFile;
use crate::sources::{Environment, Reference, Resolver, SourceError};

/// What to look at.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    /// These dotenv files; empty for `.env`, and for files that people put in its place.
    pub env_files: &'a [PathBuf],
    /// References of a configuration, with the provider that each is for.
    pub configured: &'a [(String, Reference)],
    /// Whether to look into the keyring and the key vault too: the keyring may be slow, and may ask a person.
    pub stores: bool,
    /// The time, in seconds since 1970; without it no token is called expired.
    pub now: Option<u64>,
}

/// What is here.
#[derive(Debug, Default)]
pub struct Survey {
    /// Every variable that concerns a provider, in the order in which places win.
    pub settings: Settings,
    /// Every key, in the order of the catalogue; of one name the key in force comes first.
    pub credentials: Vec<Credential>,
    /// The dotenv files that were looked at.
    pub files: Vec<SurveyedFile>,
    /// What is strange about names, base URLs and headers, by provider.
    pub findings: Vec<(&'static ProviderSpec, Finding)>,
    /// What is strange about the rest of the environment.
    pub surroundings: Vec<Finding>,
    /// The stores that may hold keys and that nobody could look into.
    pub unopened: Vec<Finding>,
    /// The stores that were looked into.
    stores: Vec<&'static str>,
    /// The ids of the providers whose keys were looked for in the stores.
    stored_for: Vec<&'static str>,
}

impl Survey {
    /// Looks around.
    pub async fn take(resolver: &Resolver, scope: &Scope<'_>) -> Self {
        let mut survey = Self { files: files::read(resolver, scope.env_files).await, ..Self::default() };
        survey.settings = survey.relevant_settings(resolver.environment());
        for provider in Catalogue::builtin().providers() {
            survey.look_at(provider, scope.now);
        }
        survey.credentials.extend(credential::under_other_names(&survey, scope.now));
        for (id, reference) in scope.configured {
            survey.look_up(id, reference, resolver, scope.now).await;
        }
        if scope.stores {
            survey.look_into_stores(resolver, scope.now).await;
        }
        survey.surroundings = surroundings::inspect(&survey.settings);
        let (environment, directory) = (resolver.environment(), resolver.directory());
        survey.surroundings.extend(network::inspect(environment, directory, &survey.settings));
        survey
    }

    /// The keys that stand under a provider's names, or in its configuration.
    pub fn keys_of<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a Credential> {
        self.credentials.iter().filter(move |credential| credential.names_of.id == provider)
    }

    /// The providers that something here is set for, in the order of the catalogue.
    pub fn providers_in_use(&self) -> Vec<&'static ProviderSpec> {
        let found = |provider: &&'static ProviderSpec| {
            self.keys_of(&provider.id).any(|credential| credential.standing != Standing::Unread)
                || self.findings.iter().any(|(owner, _)| owner.id == provider.id)
                || base_url::in_force(&self.settings, provider).is_some()
        };
        Catalogue::builtin().providers().iter().filter(found).collect()
    }

    /// Every value that must not be shown.
    pub fn secrets(&self) -> Vec<&Secret> {
        let keys = self.credentials.iter().map(|credential| &credential.secret);
        let settings = self.settings.iter().filter(|setting| credential::may_be_secret(&setting.name));
        keys.chain(settings.map(|setting| &setting.value)).collect()
    }

    /// The dotenv files that loaders read, for what asks them by name.
    pub fn loaded_files(&self) -> Vec<(PathBuf, Result<Dotenv, SourceError>)> {
        let read = self.files.iter().filter(|file| file.facts.standing == file_rules::FileStanding::Read);
        read.map(|file| (PathBuf::from(&file.facts.path), file.contents.clone())).collect()
    }

    /// The finding about a provider that has no key in any place that could be looked into.
    pub fn missing(&self, provider: &ProviderSpec) -> Option<Finding> {
        let official = provider.key_variable()?;
        Some(self.nowhere(&format!("`{official}` is set"), &provider.id))
    }

    /// The finding that something, such as `OPENAI_API_KEY is set`, holds for no place that could be looked into.
    pub fn nowhere(&self, what: &str, provider: &str) -> Finding {
        let looked = self.files.iter().filter(|file| file.contents.is_ok()).map(|file| file.facts.path.as_str());
        let places: Vec<&str> =
            std::iter::once("the environment").chain(looked).chain(self.stores.iter().copied()).collect();
        let places = places.join(", not in ");
        let Some(first) = self.unopened.first() else {
            let fix = keywright_core::page::fixes(Cause::MissingKey, provider).into_iter().next();
            let says = format!("{what} nowhere: not in {places}");
            return Finding { fix, ..Finding::error(Cause::MissingKey, says) };
        };
        let closed: Vec<&str> = self.unopened.iter().map(|finding| finding.says.as_str()).collect();
        let says = format!("{what} in no place that could be looked into, not in {places}; {}", closed.join("; "));
        Finding { fix: first.fix.clone(), ..Finding::error(first.cause, says) }
    }

    /// The stores that may hold a key of this provider, and that nobody could look into.
    pub fn unopened_for(&self, provider: &ProviderSpec) -> &[Finding] {
        if self.stored_for.contains(&provider.id.as_str()) { &self.unopened } else { &[] }
    }

    /// The environment first, then each dotenv file that loaders read.
    fn relevant_settings(&self, environment: &Environment) -> Settings {
        let mut settings = Vec::new();
        for (name, value) in environment.all() {
            let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else {
                continue;
            };
            if credential::is_relevant(name, &value) {
                settings.push(Setting::variable(name, Secret::new(value)));
            }
        }
        for file in self.files.iter().filter(|file| file.facts.standing == file_rules::FileStanding::Read) {
            settings.extend(file.settings());
        }
        Settings::new(settings)
    }

    fn look_at(&mut self, provider: &'static ProviderSpec, now: Option<u64>) {
        let found = credential::of(provider, &self.settings, now);
        let has_key = found.iter().any(|credential| credential.standing == Standing::InForce);
        self.credentials.extend(found);
        let rules = [names::inspect, base_url::inspect, headers::inspect];
        let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(&self.settings, provider)).collect();
        let misnamed = findings.iter().any(|finding| finding.cause == Cause::WrongEnvVarName);
        if !has_key && !misnamed {
            findings.extend(self.unloaded(provider));
        }
        self.findings.extend(findings.into_iter().map(|finding| (provider, finding)));
    }

    /// A file that nothing loads and that holds what is missing.
    fn unloaded(&self, provider: &ProviderSpec) -> Option<Finding> {
        let official = provider.key_variable()?;
        self.files.iter().filter(|file| file.facts.standing != file_rules::FileStanding::Read).find_map(|file| {
            let entry = file.contents.as_ref().ok()?.last(official)?;
            let usable = keywright_core::inspect::inspect(entry.value.expose(), provider)
                .iter()
                .all(|finding| finding.severity < keywright_core::inspect::Severity::Error);
            usable.then(|| file_rules::not_loaded(&file.facts, entry.line, official))
        })
    }

    /// The keys that `keywright run` would find in the stores: those of providers without a usable one elsewhere.
    #[cfg(all(feature = "state", feature = "keyring"))]
    async fn look_into_stores(&mut self, resolver: &Resolver, now: Option<u64>) {
        let has_key = |provider: &ProviderSpec| {
            self.keys_of(&provider.id).any(|key| key.standing == Standing::InForce && key.is_usable())
        };
        let wanted: Vec<_> = Catalogue::builtin().providers().iter().filter(|provider| !has_key(provider)).collect();
        let stored = crate::store::KeyStore::of(resolver).discover(&wanted).await;
        self.stored_for = wanted.iter().map(|provider| provider.id.as_str()).collect();
        let kinds = [crate::store::Kind::Keyring, crate::store::Kind::Age];
        let is_open = |kind: &crate::store::Kind| stored.unopened.iter().all(|(closed, _)| closed != kind);
        self.stores = kinds.into_iter().filter(is_open).map(crate::store::Kind::place).collect();
        let finding = |why: &crate::store::StoreError| Finding {
            fix: why.fix(),
            ..Finding::warning(Cause::EnvNotLoaded, why.to_string())
        };
        self.unopened = stored.unopened.iter().map(|(_, why)| finding(why)).collect();
        for kept in stored.keys {
            let found = shown_below_home(kept.found, resolver.environment());
            self.credentials.push(Credential::configured(kept.provider, found, now));
        }
    }

    /// A build without stores.
    #[cfg(not(all(feature = "state", feature = "keyring")))]
    #[expect(clippy::unused_async, reason = "a build with stores waits for them")]
    async fn look_into_stores(&mut self, _: &Resolver, _: Option<u64>) {}

    /// A key that a configuration names.
    async fn look_up(&mut self, id: &str, reference: &Reference, resolver: &Resolver, now: Option<u64>) {
        let Some(provider) = Catalogue::builtin().provider(id) else {
            return;
        };
        match resolver.resolve(reference).await {
            Ok(found) => {
                let known = self.keys_of(id).any(|credential| credential.secret.matches(&found.secret));
                if !known {
                    self.credentials.push(Credential::configured(provider, found, now));
                }
            }
            Err(miss) => {
                let finding = Finding { fix: miss.fix(id), ..Finding::error(miss.cause(), miss.to_string()) };
                let place = Place::file(reference.to_string());
                self.findings.push((provider, finding.in_place(&place)));
            }
        }
    }
}

/// A path below the home folder begins with `~`, so that a report names no user.
pub fn shortened(path: &Path, environment: &Environment) -> String {
    let home = environment.text("HOME").filter(|home| home.len() > 1);
    let below = home.as_deref().and_then(|home| path.strip_prefix(home).ok());
    below.map_or_else(|| path.display().to_string(), |below| format!("~/{}", below.display()))
}

/// A report names no user: the path of the vault begins with `~`.
#[cfg(all(feature = "state", feature = "keyring"))]
fn shown_below_home(mut found: crate::sources::Found, environment: &Environment) -> crate::sources::Found {
    if let Reference::Age { path, .. } = &mut found.reference {
        *path = shortened(path, environment).into();
    }
    found
}

/// What kind of place a reference names.
fn holder(reference: &Reference) -> Holder {
    match reference {
        Reference::Env { .. } => Holder::Environment,
        Reference::Dotenv { .. } => Holder::Dotenv,
        Reference::File { .. }
        | Reference::Systemd { .. }
        | Reference::Age { .. }
        | Reference::Keyring { .. }
        | Reference::OnePassword { .. }
        | Reference::Helper { .. }
        | Reference::AwsSecret { .. }
        | Reference::AwsParameter { .. }
        | Reference::GoogleSecret { .. }
        | Reference::AzureSecret { .. }
        | Reference::KubernetesSecret { .. }
        | Reference::Vault { .. } => Holder::Other,
    }
}

#[cfg(test)]
mod tests;
