//! The keys of each provider, in the order of use, and where requests go.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::future::join_all;
use keywright::http::Origin;
use keywright::sources::{Asked, Dotenv, Found, Hint, Miss, Reference, Resolver, SourceError};
use keywright::state::Memory;
use keywright::store::{KeyStore, StoreError};
use keywright_core::{Catalogue, Cause, ProviderSpec, Redactor, Secret};
use keywright_gateway::{Config, KeySettings, ProviderSettings};

use super::doors::{Door, base_url_variables};
use super::environment::Guard;
use crate::commands::keys;
use crate::error::CliError;
use crate::key_report::{KeyReport, KeySeen};
use crate::memory;
use crate::terminal::Terminal;

/// What the command line asks for.
pub(super) struct Wanted<'a> {
    /// Only these providers; empty for all.
    pub(super) providers: &'a [String],
    /// These too.
    pub(super) required: &'a [String],
    /// These dotenv files; empty for `.env`, which may be missing.
    pub(super) env_files: &'a [PathBuf],
    /// Where a person may be asked for the passphrase of the key vault.
    pub(super) asks: Option<&'a Terminal>,
}

impl Wanted<'_> {
    /// Whether the command line names this provider.
    fn names(&self, id: &str) -> bool {
        self.required.iter().chain(self.providers).any(|named| named == id)
    }

    /// By default every provider whose clients read a base URL from the environment: without one,
    /// a token in the place of the key would go straight to the provider.
    fn includes(&self, spec: &ProviderSpec, configured: bool) -> bool {
        if self.required.contains(&spec.id) {
            return true;
        }
        if !self.providers.is_empty() {
            return self.providers.contains(&spec.id);
        }
        configured || base_url_variables(spec).next().is_some() && Origin::parse(&spec.http.origin, "").is_ok()
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Rings {
    /// Each key, with what is known about it.
    pub(super) keys: Vec<Key>,
    /// References that led to nothing.
    pub(super) missing: Vec<KeySeen>,
    /// One a provider whose variables are looked at.
    pub(super) doors: Vec<Door>,
    /// The dotenv files.
    pub(super) files: Vec<(PathBuf, Result<Dotenv, SourceError>)>,
    /// What a person should know about the places, by provider.
    pub(super) hints: Vec<(String, Hint)>,
    /// Every place that had no key, by provider.
    pub(super) asked: Vec<(String, Miss)>,
    /// The keyring and the vault, if they gave nothing, and why.
    pub(super) stores: Vec<Asked>,
    /// Those that may hold a key and stay closed, and why.
    pub(super) unopened: Vec<StoreError>,
    /// Base URLs by provider, where they are not the catalogued ones.
    places: BTreeMap<String, String>,
}

/// One key of a ring.
#[derive(Debug)]
pub(super) struct Key {
    /// The provider it is used for.
    pub(super) spec: &'static ProviderSpec,
    /// The provider whose variable it stands in.
    pub(super) names_of: String,
    pub(super) found: Found,
    pub(super) seen: KeySeen,
    /// As the configuration states it, when it comes from there.
    settings: Option<KeySettings>,
}

impl Rings {
    /// Looks for keys: a configured provider's references, else the environment and the dotenv files, else
    /// the keyring and the vault.
    pub(super) async fn collect(
        wanted: Wanted<'_>,
        config: &Config,
        resolver: &Resolver,
        memory: Option<&Memory>,
    ) -> Result<Self, CliError> {
        resolver.adopt(&config.sources);
        let mut rings = Self { files: env_files(wanted.env_files, resolver).await?, ..Self::default() };
        for spec in Catalogue::builtin().providers() {
            let settings = config.providers.iter().find(|settings| settings.id == spec.id);
            if !wanted.includes(spec, settings.is_some()) {
                continue;
            }
            let door = Door::of(spec, resolver.environment(), &rings.files);
            match settings.filter(|settings| !settings.keys.is_empty()) {
                Some(settings) => rings.resolve(spec, settings, resolver, memory).await,
                None => rings.discover(spec, &door, resolver),
            }
            let written = settings.and_then(|settings| settings.base_url.clone());
            if let Some(place) = written.or_else(|| door.base_url.clone()) {
                rings.places.insert(spec.id.clone(), place);
            }
            rings.doors.push(door);
        }
        let configured =
            |id: &str| config.providers.iter().any(|settings| settings.id == id && !settings.keys.is_empty());
        rings.look_into_stores(&wanted, configured, resolver).await;
        Ok(rings)
    }

    /// What is stored for the providers that have no usable key yet. Programs that find their keys in the environment
    /// do not wait for a keyring on account of them.
    async fn look_into_stores(&mut self, wanted: &Wanted<'_>, configured: impl Fn(&str) -> bool, resolver: &Resolver) {
        let wanting = |door: &&Door| {
            door.leads_to == door.names_of
                && !configured(&door.names_of)
                && !self.usable().any(|key| key.spec.id == door.names_of)
        };
        let ids = self.doors.iter().filter(wanting).map(|door| door.names_of.as_str());
        let specs: Vec<&'static ProviderSpec> = ids.filter_map(|id| Catalogue::builtin().provider(id)).collect();
        let store = KeyStore::of(resolver);
        let mut stored = store.discover(&specs).await;
        // Who has a key for what they run is not asked on account of the other providers.
        let needed = self.usable().next().is_none() && stored.keys.is_empty()
            || specs.iter().any(|spec| wanted.names(&spec.id) && stored.of(spec).next().is_none());
        let is_locked = stored.unopened.iter().any(|(_, why)| why.wants_passphrase());
        if let Some(terminal) = wanted.asks.filter(|_| needed && is_locked)
            && keys::open_vault(&store, resolver, terminal).await.is_ok()
        {
            stored = store.discover(&specs).await;
        }
        for kept in stored.keys {
            self.add(kept.provider, &kept.provider.id, kept.found, None);
        }
        self.stores = stored.asked;
        self.unopened = stored.unopened.into_iter().map(|(_, why)| why).collect();
    }

    async fn resolve(
        &mut self,
        spec: &'static ProviderSpec,
        settings: &ProviderSettings,
        resolver: &Resolver,
        memory: Option<&Memory>,
    ) {
        // The configuration was checked, so every reference can be read.
        let keys = settings.keys.iter().filter_map(|key| Some((key, key.reference.parse::<Reference>().ok()?)));
        let reads = keys.map(|(key, reference)| async move {
            let read = resolver.resolve_recent(&reference).await;
            (key, reference, read)
        });
        for (key, reference, read) in join_all(reads).await {
            match read {
                Ok(found) => self.add(spec, &spec.id, found, Some(key.clone())),
                Err(miss) => match memory.and_then(|memory| memory.stand_in(&spec.id, &reference, &miss)) {
                    Some(found) => self.keys.push(Key {
                        spec,
                        names_of: spec.id.clone(),
                        seen: KeySeen::standing_in(spec, &found, &miss),
                        found,
                        settings: Some(key.clone()),
                    }),
                    None => self.missing.extend(KeySeen::missing_as(key, &spec.id, &miss)),
                },
            }
        }
    }

    fn discover(&mut self, names_of: &'static ProviderSpec, door: &Door, resolver: &Resolver) {
        // That there is no `.env` is told once, not for each provider.
        let absent = |file: &Result<_, _>| matches!(file, Err(SourceError::NoFile));
        let there = self.files.iter().filter(|(_, file)| !absent(file)).cloned();
        let discovery = resolver.discover(names_of, &there.collect::<Vec<_>>());
        let spec = Catalogue::builtin().provider(&door.leads_to).unwrap_or(names_of);
        for found in discovery.found {
            self.add(spec, &names_of.id, found, None);
        }
        self.hints.extend(discovery.hints.into_iter().map(|hint| (names_of.id.clone(), hint)));
        self.asked.push((names_of.id.clone(), discovery.asked));
    }

    fn add(&mut self, spec: &'static ProviderSpec, names_of: &str, found: Found, settings: Option<KeySettings>) {
        let known = self.keys.iter().any(|key| key.spec.id == spec.id && key.found.secret.matches(&found.secret));
        if !known {
            let seen = KeySeen::inspected(spec, &found);
            let names_of = names_of.to_owned();
            self.keys.push(Key { spec, names_of, found, seen, settings });
        }
    }

    /// Keys that cannot work, or were refused before, are used all the same where the gateway knows a value that served in their place.
    pub(super) fn recall(&mut self, memory: Option<&Memory>) {
        for key in &mut self.keys {
            memory::recall(memory, &key.spec.id, &key.found, &mut key.seen);
        }
    }

    /// The keys that are used.
    pub(super) fn usable(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.seen.usable())
    }

    /// The doors whose provider has a usable key: their variables are ours to set.
    pub(super) fn open_doors(&self) -> impl Iterator<Item = &Door> {
        self.doors.iter().filter(|door| self.usable().any(|key| key.spec.id == door.leads_to))
    }

    /// Where a provider is, when that is not the catalogued place.
    pub(super) fn base_url(&self, id: &str) -> Option<String> {
        self.places.get(id).cloned()
    }

    /// Variables such as `OPENAI_API_KEY_2`, which a program may read by itself.
    pub(super) fn sibling_variables(&self) -> impl Iterator<Item = &str> {
        self.usable().filter(|key| key.settings.is_none()).filter_map(|key| match &key.found.reference {
            Reference::Env { name } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Every value that must not be shown.
    pub(super) fn secrets(&self) -> Vec<&Secret> {
        self.keys.iter().map(|key| &key.found.secret).collect()
    }

    /// What the child's environment must not hold: every real value. An example value is none.
    pub(super) fn guard(&self) -> Guard {
        let real = |key: &&Key| {
            let placeholder = |cause: Cause| matches!(cause, Cause::PlaceholderKey | Cause::EmptyKey);
            !key.seen.findings.iter().any(|finding| placeholder(finding.cause))
        };
        let secrets: Vec<&Secret> = self.keys.iter().filter(real).map(|key| &key.found.secret).collect();
        Guard(Redactor::new(&secrets))
    }

    /// The report on all keys.
    pub(super) fn report(&self) -> KeyReport {
        let found = self.keys.iter().map(|key| key.seen.clone());
        KeyReport { keys: found.chain(self.missing.iter().cloned()).collect() }
    }

    /// The gateway's configuration: what was written, with the usable keys as its rings.
    pub(super) fn configuration(&self, written: Config) -> Config {
        let mut config = written;
        let settings = std::mem::take(&mut config.providers);
        for key in self.usable() {
            let id = &key.spec.id;
            let at = config.providers.iter().position(|provider| provider.id == *id);
            let at = at.unwrap_or_else(|| {
                let before = settings.iter().find(|provider| provider.id == *id);
                config.providers.push(self.provider(id, before));
                config.providers.len() - 1
            });
            let reference = || KeySettings::new(key.found.reference.to_string());
            config.providers[at].keys.push(key.settings.clone().unwrap_or_else(reference));
        }
        let known = |(provider, _): &(String, String)| config.providers.iter().any(|p| p.id == *provider);
        for route in &mut config.routes {
            route.to.retain(known);
        }
        config.routes.retain(|route| !route.to.is_empty());
        config
    }

    /// The settings of a provider, without its keys.
    pub(super) fn provider(&self, id: &str, written: Option<&ProviderSettings>) -> ProviderSettings {
        let mut provider = written.cloned().unwrap_or_else(|| ProviderSettings::new(id, []));
        provider.keys = Vec::new();
        provider.base_url = self.base_url(id);
        provider
    }
}

/// Reads the dotenv files. One that was asked for must be readable; `.env` may be missing.
async fn env_files(
    named: &[PathBuf],
    resolver: &Resolver,
) -> Result<Vec<(PathBuf, Result<Dotenv, SourceError>)>, CliError> {
    if named.is_empty() {
        let path = PathBuf::from(".env");
        let file = resolver.dotenv(&path).await;
        return Ok(vec![(path, file)]);
    }
    let mut files = Vec::new();
    for path in named {
        let file = resolver.dotenv(path).await.map_err(|why| CliError::EnvFile { path: path.clone(), why })?;
        files.push((path.clone(), Ok(file)));
    }
    Ok(files)
}
