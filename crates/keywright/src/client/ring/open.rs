//! Opens a ring: finds the keys of a provider, looks at each, and tells why there is none.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use keywright_core::inspect::{Finding, Place, Severity, inspect_at, is_filler};
use keywright_core::pins::Pins;
use keywright_core::{Cause, Confidence, Diagnosis, ProviderSpec, Secret, Witness};

use super::key::Key;
use super::read::recalled;
use super::value::Value;
use super::{Given, Inner, Policy, Ring, now};
use crate::credential::{self, Unsendable};
use crate::sources::{Found, Hint, Miss, Reference, Resolver, SourceError};
use crate::state::{Directory, Keeps, Memory, StateError, USUAL_RECALL};

/// A ring that is about to be opened: where its keys come from, and what is remembered of them.
///
/// With neither keys nor references the keys are looked for: in the environment, then in `.env`, then in the keyring and
/// the key vault of this installation.
#[derive(Clone, Debug)]
pub struct Opening {
    provider: &'static ProviderSpec,
    resolver: Resolver,
    keys: Vec<Given>,
    references: Vec<KeyPlace>,
    policy: Policy,
    memory: Remembers,
    own_server: bool,
}

#[derive(Clone, Debug)]
enum Remembers {
    /// Where this installation keeps its state, if that can be used.
    Here,
    With(Memory),
    Nothing,
}

/// A reference, with what is known of its key.
#[derive(Clone, Debug)]
struct KeyPlace {
    reference: Reference,
    project: Option<String>,
    account: Option<String>,
}

impl Ring {
    /// Begins to open the ring of a provider.
    pub fn opening(provider: &'static ProviderSpec) -> Opening {
        Opening {
            provider,
            resolver: Resolver::process(),
            keys: Vec::new(),
            references: Vec::new(),
            policy: Policy::default(),
            memory: Remembers::Here,
            own_server: false,
        }
    }

    /// A ring of keys that are given outright. It remembers nothing beyond this process.
    ///
    /// # Errors
    /// The diagnosis, when none of them can work: none given, empty, a placeholder, malformed.
    pub fn new(provider: &'static ProviderSpec, keys: Vec<Given>, policy: Policy) -> Result<Self, Box<Diagnosis>> {
        Opening { keys, policy, ..Self::opening(provider) }.close(Vec::new(), &Looked::default(), None)
    }

    /// The ring of a provider with the keys of this machine.
    ///
    /// # Errors
    /// The diagnosis, when there is no key that can work.
    pub async fn open(provider: &'static ProviderSpec) -> Result<Self, Box<Diagnosis>> {
        Self::opening(provider).open().await
    }
}

/// What was looked at in vain.
#[derive(Debug, Default)]
struct Looked {
    asked: Miss,
    hints: Vec<Hint>,
}

type Loaded = (Given, Result<Value, Useless>);

/// Why a key cannot be used.
#[derive(Debug)]
struct Useless {
    why: Unsendable,
    diagnosis: Diagnosis,
}

impl Useless {
    fn of(provider: &ProviderSpec, why: Unsendable) -> Self {
        let diagnosis = Diagnosis::new(&provider.id, why.cause, Confidence::Certain)
            .with_evidence(Witness::Environment, why.says.clone());
        let diagnosis = why.fix.clone().into_iter().fold(diagnosis, Diagnosis::mended_at);
        Self { why, diagnosis }
    }

    fn found(provider: &ProviderSpec, finding: Finding, place: &str) -> Self {
        let why = Unsendable::of(finding.cause, format!("{place}: {}", finding.says));
        Self { why, diagnosis: finding.in_place(&Place::file(place)).diagnosis(&provider.id) }
    }
}

impl Opening {
    /// Reads keys with this resolver instead of the environment and the working directory of this process.
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Adds a key that is given outright.
    #[must_use]
    pub fn key(mut self, key: Given) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds a place to read a key from.
    #[must_use]
    pub fn reference(self, reference: Reference) -> Self {
        self.reference_of(reference, None, None)
    }

    /// The same, for a key whose project and account are known.
    #[must_use]
    pub fn reference_of(mut self, reference: Reference, project: Option<String>, account: Option<String>) -> Self {
        self.references.push(KeyPlace { reference, project, account });
        self
    }

    /// Waits by other rules.
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Remembers with this memory.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = Remembers::With(memory);
        self
    }

    /// Remembers nothing beyond this process: no history, no last known good key.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.memory = Remembers::Nothing;
        self
    }

    /// The keys go to a server that is none of the catalogue's: a word in the place of a key, such as `EMPTY`, may be what it wants.
    #[must_use]
    pub const fn own_server(mut self, own: bool) -> Self {
        self.own_server = own;
        self
    }

    /// Reads the keys and opens the ring.
    ///
    /// # Errors
    /// The diagnosis, when there is no key that can work.
    pub async fn open(self) -> Result<Ring, Box<Diagnosis>> {
        let memory = self.open_memory();
        let mut looked = Looked::default();
        let mut loaded = Vec::new();
        for place in &self.references {
            loaded.extend(self.read(place, memory.as_ref(), &mut looked).await);
        }
        if self.references.is_empty() && self.keys.is_empty() {
            loaded = self.discovered(&mut looked).await;
        }
        self.close(loaded, &looked, memory)
    }

    fn open_memory(&self) -> Option<Memory> {
        match &self.memory {
            Remembers::Nothing => None,
            Remembers::With(memory) => Some(memory.clone()),
            Remembers::Here => {
                let keeps = Keeps { history: true, last_known_good: Some(USUAL_RECALL), scope: self.resolver.scope() };
                let directory = Directory::of(self.resolver.environment());
                directory.and_then(|directory| Memory::start(&directory, keeps)).inspect_err(untold).ok()
            }
        }
    }

    async fn read(&self, place: &KeyPlace, memory: Option<&Memory>, looked: &mut Looked) -> Option<Loaded> {
        let KeyPlace { reference, project, account } = place;
        let given = |secret: Secret, place: String| Given {
            secret,
            place,
            reference: Some(reference.clone()),
            project: project.clone(),
            account: account.clone(),
        };
        match self.resolver.resolve_recent(reference).await {
            Ok(Found { secret, place, .. }) => Some(self.inspected(given(secret, place))),
            Err(miss) => {
                let recalled = recalled(memory, self.provider, reference, &miss).await;
                let why = Unsendable::missed(&miss, &self.provider.id);
                if let Some(value) = &recalled {
                    let (key, place) = (value.secret.masked(), &value.place);
                    tracing::warn!(
                        provider = self.provider.id,
                        key,
                        place,
                        why = why.says,
                        "the last known good key serves"
                    );
                }
                looked.asked.asked.extend(miss.asked);
                let place = reference.to_string();
                // Its source may have a value later.
                Some((given(Secret::new(""), place), recalled.ok_or_else(|| Useless::of(self.provider, why))))
            }
        }
    }

    /// Without a word from the program: the environment, `.env`, then what is stored.
    async fn discovered(&self, looked: &mut Looked) -> Vec<Loaded> {
        let path = PathBuf::from(".env");
        let file = self.resolver.dotenv(&path).await;
        let files = if matches!(file, Err(SourceError::NoFile)) { Vec::new() } else { vec![(path, file)] };
        let discovery = self.resolver.discover(self.provider, &files);
        (looked.asked, looked.hints) = (discovery.asked, discovery.hints);
        let loaded: Vec<Loaded> = discovery.found.into_iter().map(|found| self.inspected(given(found))).collect();
        #[cfg(feature = "keyring")]
        if !loaded.iter().any(|(_, value)| value.is_ok()) {
            let stored = crate::store::KeyStore::of(&self.resolver).discover(&[self.provider]).await;
            let kept = stored.keys.into_iter().map(|kept| self.inspected(given(kept.found)));
            looked.asked.asked.extend(stored.asked);
            return loaded.into_iter().chain(kept).collect();
        }
        loaded
    }

    /// A key is used unless it cannot work. What looks strange is told and tried.
    fn inspected(&self, given: Given) -> Loaded {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let text = given.secret.expose();
        let finding = inspect_at(text, self.provider, Some(now)).into_iter().next();
        let finding = finding.filter(|_| !(self.own_server && is_filler(text)));
        if let Some(finding) = &finding {
            let (cause, place) = (finding.cause.slug(), &given.place);
            tracing::warn!(provider = self.provider.id, cause, place, says = finding.says, "the key looks wrong");
        }
        let value = match finding.filter(|finding| finding.severity == Severity::Error) {
            Some(finding) => Err(Useless::found(self.provider, finding, &given.place)),
            None => Value::of(given.secret.clone(), given.place.clone(), self.provider, false)
                .map_err(|why| Useless::of(self.provider, why)),
        };
        if let Ok(value) = &value {
            let shape = self.provider.keys.iter().find(|shape| shape.fits(text));
            let format = shape.map_or("no known format", |shape| shape.kind.as_str());
            let fingerprint = credential::fingerprinter().fingerprint(&value.secret);
            let (provider, source) = (&self.provider.id, &given.place);
            tracing::info!(provider, present = true, format, source, %fingerprint, "key found");
        }
        (given, value)
    }

    fn close(self, mut loaded: Vec<Loaded>, looked: &Looked, memory: Option<Memory>) -> Result<Ring, Box<Diagnosis>> {
        loaded.extend(self.keys.iter().map(|given| self.inspected(given.clone())));
        if !loaded.iter().any(|(_, value)| value.is_ok()) {
            let diagnosis = self.no_key(&loaded, looked);
            tracing::info!(
                provider = self.provider.id,
                present = false,
                cause = diagnosis.cause.slug(),
                "no usable key"
            );
            return Err(Box::new(diagnosis));
        }
        let now = now();
        let key = |(given, value): Loaded| {
            Arc::new(Key::new(&given, value.map_err(|useless| useless.why), self.provider, memory.as_ref(), now))
        };
        let keys = loaded.into_iter().map(key).collect();
        let Self { provider, policy, resolver, .. } = self;
        Ok(Ring(Arc::new(Inner {
            provider,
            keys,
            pins: Pins::default(),
            policy,
            resolver,
            memory,
            process: std::process::id(),
        })))
    }

    /// Why no key can work: what is wrong with the first one, or where one was looked for.
    fn no_key(&self, loaded: &[Loaded], looked: &Looked) -> Diagnosis {
        let useless: Vec<&Useless> = loaded.iter().filter_map(|(_, value)| value.as_ref().err()).collect();
        // A key that is there and wrong says more than one that is not there.
        let first = useless.iter().find(|useless| useless.why.cause != Cause::MissingKey).or(useless.first());
        let none = || {
            let cause = looked.hints.first().map_or_else(|| looked.asked.cause(), |hint| hint.cause);
            Diagnosis::new(&self.provider.id, cause, Confidence::Certain)
                .with_evidence(Witness::Environment, looked.asked.to_string())
        };
        let mut diagnosis = first.map_or_else(none, |first| first.diagnosis.clone());
        let others = useless.iter().filter(|useless| first.is_some_and(|first| !std::ptr::eq(*first, **useless)));
        let hints = looked.hints.iter().map(|hint| format!("{}: {}", hint.place, hint.says));
        for says in others.map(|other| other.why.says.clone()).chain(hints) {
            diagnosis = diagnosis.with_evidence(Witness::Environment, says);
        }
        diagnosis
    }
}

fn given(found: Found) -> Given {
    Given { secret: found.secret, place: found.place, reference: Some(found.reference), project: None, account: None }
}

fn untold(error: &StateError) {
    // A service without a home has none by intent.
    if matches!(error, StateError::NoHome) {
        tracing::debug!(%error, "nothing is remembered of the keys");
    } else {
        tracing::warn!(%error, help = error.help(), "nothing is remembered of the keys");
    }
}
