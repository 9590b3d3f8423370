//! What is known about each key before anything uses it: presence and format, never the value.

use keywright::credential::fingerprinter;
use keywright::sources::{Found, Miss, Reference};
use keywright_core::inspect::{Finding, Severity, inspect};
use keywright_core::{Cause, Fix, ProviderSpec, Secret};
use keywright_gateway::{IfMissing, KeySettings};
use serde::Serialize;
use serde_json::{Value, json};

use crate::diagnosis;
use crate::error::{CliError, count};
use crate::live_check::{self, Answered, Word};
use crate::terminal::{Role, Terminal, paint};

/// What is known about the keys. Text and JSON are views of this one value.
#[derive(Debug, Default, Serialize)]
pub(crate) struct KeyReport {
    /// In the order of use.
    pub(crate) keys: Vec<KeySeen>,
}

/// What is known about one key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct KeySeen {
    /// The provider's id.
    pub(crate) provider: String,
    /// The reference that leads to it.
    pub(crate) reference: String,
    /// Where it stands.
    pub(crate) place: String,
    /// The value's mask; `None` when there is no value.
    pub(crate) masked: Option<String>,
    /// The value's fingerprint in this process, as its metrics and log lines have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    /// Whether it is used.
    pub(crate) state: KeyState,
    /// What is strange about it.
    pub(crate) findings: Vec<Finding>,
    /// Whether nothing starts without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) required: bool,
    /// What to do about a place that gave nothing, in the words of its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
    /// The command that does that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// What the provider said, when it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) live: Option<Answered>,
}

/// Whether a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyState {
    /// Nothing is strange about it.
    Good,
    /// It is used, and something is strange.
    Doubtful,
    /// It cannot work and is left out.
    Unusable,
    /// There is no value.
    Missing,
}

impl KeySeen {
    /// Inspects a key that was found.
    pub(crate) fn inspected(provider: &ProviderSpec, found: &Found) -> Self {
        let mut seen = Self::entered(provider, &found.secret, &found.place);
        seen.fingerprint = seen.masked.as_ref().map(|_| fingerprinter().fingerprint(&found.secret).to_string());
        Self { reference: found.reference.to_string(), ..seen }
    }

    /// Inspects a key that no reference leads to yet.
    pub(crate) fn entered(provider: &ProviderSpec, key: &Secret, place: &str) -> Self {
        let findings = inspect(key.expose(), provider);
        let state = match findings.first().map(|finding| finding.severity) {
            None | Some(Severity::Note) => KeyState::Good,
            Some(Severity::Warning) => KeyState::Doubtful,
            Some(Severity::Error) => KeyState::Unusable,
        };
        Self {
            provider: provider.id.clone(),
            reference: String::new(),
            place: place.to_owned(),
            masked: (!key.expose().is_empty()).then(|| key.masked()),
            fingerprint: None,
            state,
            findings,
            required: false,
            help: None,
            command: None,
            live: None,
        }
    }

    /// A reference that led to nothing.
    pub(crate) fn missing(provider: &str, reference: &str, miss: &Miss) -> Self {
        Self {
            provider: provider.to_owned(),
            reference: reference.to_owned(),
            place: miss.to_string(),
            masked: None,
            fingerprint: None,
            state: KeyState::Missing,
            findings: Vec::new(),
            required: false,
            help: None,
            command: None,
            live: None,
        }
        .mended_by(miss)
    }

    fn mended_by(self, miss: &Miss) -> Self {
        let (help, command) = miss.fix(&self.provider).map(|Fix { says, command }| (says, command)).unzip();
        Self { help, command: command.flatten(), ..self }
    }

    /// A configured key that led to nothing, as its `if_missing` wants it told; `None` for not at all.
    pub(crate) fn missing_as(key: &KeySettings, provider: &str, miss: &Miss) -> Option<Self> {
        let seen = || Self::missing(provider, &key.reference, miss);
        match key.if_missing {
            IfMissing::Error => Some(Self { required: true, ..seen() }),
            IfMissing::Warn => Some(seen()),
            IfMissing::Ignore => None,
        }
    }

    /// Adds what the provider said when it was asked about the key.
    pub(crate) fn heard(&mut self, answered: Answered) {
        // Without a verdict, what was found is about the way, not about the key.
        if let Some(finding) = answered.finding.clone().filter(|_| answered.outcome != Word::NoVerdict) {
            self.state = match (finding.severity, self.state) {
                (Severity::Error, _) => KeyState::Unusable,
                (Severity::Warning, KeyState::Good) => KeyState::Doubtful,
                (Severity::Warning | Severity::Note, state) => state,
            };
            self.findings.insert(0, finding);
            self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        }
        self.live = Some(answered);
    }

    /// The last known good value, in the place of what its source cannot say.
    pub(crate) fn standing_in(provider: &ProviderSpec, found: &Found, miss: &Miss) -> Self {
        let mut seen = Self::inspected(provider, found);
        seen.state = KeyState::Doubtful;
        seen.findings.insert(0, Finding::warning(miss.cause(), miss.to_string()));
        seen.mended_by(miss)
    }

    /// It cannot work, and the last known good value, told in these words, serves in its place.
    pub(crate) fn recalled(&mut self, good: &str) {
        self.state = KeyState::Doubtful;
        self.fingerprint = None;
        let cause = self.findings.first().map_or(Cause::Other, |finding| finding.cause);
        self.findings.insert(0, Finding::warning(cause, format!("in its place: {good}")));
    }

    /// Whether it is used.
    pub(crate) const fn usable(&self) -> bool {
        matches!(self.state, KeyState::Good | KeyState::Doubtful)
    }

    /// The first thing to do about it.
    pub(crate) fn fix(&self) -> Option<Fix> {
        if let Some(says) = &self.help {
            return Some(Fix { says: says.clone(), command: self.command.clone() });
        }
        let of_page = |cause| match self.reference.parse::<Reference>() {
            Ok(reference) => reference.fix_of(cause, &self.provider),
            Err(_) => keywright_core::page::fixes(cause, &self.provider).into_iter().next(),
        };
        match (self.state, self.findings.first()) {
            (KeyState::Missing, _) => of_page(Cause::MissingKey),
            (KeyState::Unusable, Some(finding)) => finding.fix.clone().or_else(|| of_page(finding.cause)),
            (KeyState::Good | KeyState::Doubtful | KeyState::Unusable, _) => None,
        }
    }
}

impl KeyReport {
    /// How many keys are used.
    pub(crate) fn usable(&self) -> usize {
        self.keys.iter().filter(|key| key.usable()).count()
    }

    /// Refuses to go on without a key that must be there.
    pub(crate) fn required(&self) -> Result<(), CliError> {
        match self.keys.iter().find(|key| key.required) {
            Some(key) => Err(CliError::Required { reference: key.reference.clone(), place: key.place.clone() }),
            None => Ok(()),
        }
    }

    /// Whether every key is used and nothing is strange, as far as anybody was asked.
    pub(crate) fn all_good(&self) -> bool {
        let works = |key: &KeySeen| key.live.as_ref().is_none_or(|live| live.outcome == Word::Works);
        self.keys.iter().all(|key| key.state == KeyState::Good && works(key))
    }

    /// The keys of one provider.
    pub(crate) fn of<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a KeySeen> {
        self.keys.iter().filter(move |key| key.provider == provider)
    }

    /// What the providers said, as far as they were asked.
    fn answers(&self) -> impl Iterator<Item = &Answered> + Clone {
        self.keys.iter().filter_map(|key| key.live.as_ref())
    }

    /// The report as one event for programs.
    pub(crate) fn event(&self) -> Value {
        json!({
            "schema": 1, "event": "keys", "keys": self.keys, "network": live_check::on_the_way(self.answers()),
        })
    }

    /// Tells a person: one line a key, then what is strange about it.
    pub(crate) fn tell(&self, terminal: &Terminal) {
        if self.keys.is_empty() {
            return terminal.tell("keywright: no key is configured");
        }
        let mut providers: Vec<&str> = self.keys.iter().map(|key| key.provider.as_str()).collect();
        providers.dedup();
        terminal.tell(format_args!(
            "keywright: {} of {} usable, for {}",
            self.usable(),
            count(self.keys.len(), "key"),
            providers.join(", "),
        ));
        let width = |text: fn(&KeySeen) -> &str| {
            let lengths = self.keys.iter().map(|key| text(key).chars().count());
            lengths.max().unwrap_or_default()
        };
        let provider_width = width(|key| &key.provider);
        let mask_width = width(KeySeen::shown);
        for key in &self.keys {
            terminal.tell(format_args!(
                "  {} {:provider_width$}  {:mask_width$}  {}{}",
                key.badge(),
                key.provider,
                key.shown(),
                key.place,
                key.live.as_ref().map(|said| format!("  live: {}", said.told())).unwrap_or_default(),
            ));
            key.tell_findings(terminal);
        }
        live_check::tell_unanswered(self.answers(), terminal);
    }
}

impl KeySeen {
    pub(crate) fn shown(&self) -> &str {
        self.masked.as_deref().unwrap_or("-")
    }

    pub(crate) fn badge(&self) -> String {
        let (role, word) = match self.state {
            KeyState::Good => (Role::Good, "[ok]  "),
            KeyState::Doubtful => (Role::Warning, "[warn]"),
            KeyState::Unusable | KeyState::Missing => (Role::Error, "[fail]"),
        };
        paint(role, word)
    }

    pub(crate) fn tell_findings(&self, terminal: &Terminal) {
        for finding in self.findings.iter().filter(|finding| finding.severity > Severity::Note) {
            terminal.tell(format_args!("         {}", diagnosis::finding_head(finding)));
        }
        self.tell_fix(terminal);
    }

    /// The first thing to do about a key that is not used.
    pub(crate) fn tell_fix(&self, terminal: &Terminal) {
        if let Some(fix) = self.fix() {
            diagnosis::tell_fix(&fix, "         ", terminal);
        }
    }
}
