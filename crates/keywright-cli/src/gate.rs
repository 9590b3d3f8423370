//! What must hold before anything starts: `--require` and `--live` of `run` and `serve`.

use std::collections::BTreeSet;

use keywright_core::diagnosis::Confidence;
use keywright_core::inspect::Severity;
use keywright_core::{Cause, Diagnosis, Witness};
use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::provider_id;
use crate::diagnosis;
use crate::key_report::{KeyReport, KeySeen};
use crate::live_check::Word;
use crate::terminal::{Role, Terminal, paint};

/// What must hold before the start.
#[derive(Debug, clap::Args)]
pub(crate) struct Gate {
    /// Ask each provider about each key before the start, one free request a key; nothing starts while a provider refuses
    /// every key of it. One that gives no answer is a warning, unless it is required.
    #[arg(long)]
    pub(crate) live: bool,
    /// Start only if this provider has a usable key, with `--live` one that it answers for; may be given more than once.
    #[arg(long, value_name = "PROVIDER", value_parser = provider_id)]
    pub(crate) require: Vec<String>,
}

/// Where the keys of a provider were looked for, in vain.
#[derive(Debug)]
pub(crate) struct Searched {
    /// All places, in a few words.
    pub(crate) places: String,
    /// Why there is none.
    pub(crate) cause: Cause,
    /// What each place said.
    pub(crate) says: Vec<String>,
}

/// A provider that cannot serve.
#[derive(Debug)]
pub(crate) struct Unmet {
    is_required: bool,
    /// Where its key stands, or was looked for.
    place: String,
    diagnosis: Diagnosis,
}

impl Gate {
    /// The providers that keep the start from happening; `searched` knows where the keys of one were looked for.
    ///
    /// A required provider must be able to serve as far as anybody knows: with `--live`, one that gives no answer is not.
    /// Of the others only a refusal of every key counts, since a network that comes up late mends itself.
    pub(crate) fn unmet(&self, report: &KeyReport, searched: impl Fn(&str) -> Searched) -> Vec<Unmet> {
        let mut providers: Vec<&str> = self.require.iter().map(String::as_str).collect();
        providers.extend(report.keys.iter().map(|key| key.provider.as_str()));
        let mut seen = BTreeSet::new();
        providers.retain(|provider| seen.insert(*provider));
        let is_required = |provider: &str| self.require.iter().any(|required| required == provider);
        let stops = |provider: &&str| {
            let keys: Vec<&KeySeen> = report.of(provider).collect();
            if is_required(provider) {
                return !keys.iter().any(|key| key.usable() && !is_silent(key));
            }
            self.live && keys.iter().any(|key| is_refused(key)) && !keys.iter().any(|key| key.usable())
        };
        let unmet = |provider: &str| Unmet {
            is_required: is_required(provider),
            ..Unmet::of(provider, &report.of(provider).collect::<Vec<_>>(), &searched)
        };
        providers.into_iter().filter(stops).map(unmet).collect()
    }
}

fn is_refused(key: &KeySeen) -> bool {
    key.live.as_ref().is_some_and(|live| live.outcome == Word::Refused)
}

fn is_silent(key: &KeySeen) -> bool {
    key.live.as_ref().is_some_and(|live| live.outcome == Word::NoVerdict)
}

impl Unmet {
    /// The cause is that of the first key that was asked about, else of the first that cannot work; the rest is evidence.
    fn of(provider: &str, keys: &[&KeySeen], searched: &impl Fn(&str) -> Searched) -> Self {
        let decisive = keys.iter().find(|key| is_refused(key)).or_else(|| keys.iter().find(|key| is_silent(key)));
        let decisive = decisive.or_else(|| keys.iter().find(|key| key.masked.is_some() || !key.findings.is_empty()));
        let Some(decisive) = decisive else {
            return Self::missing(provider, keys, searched(provider));
        };
        let offline = || Some(decisive.findings.first()?.diagnosis(provider));
        let said = decisive.live.as_ref().and_then(|live| live.diagnosis.clone());
        let diagnosis = said.or_else(offline);
        let diagnosis = diagnosis.unwrap_or_else(|| Diagnosis::new(provider, Cause::Other, Confidence::Possible));
        let others = keys.iter().filter(|key| !std::ptr::eq(**key, *decisive));
        let diagnosis = others.fold(diagnosis, |diagnosis, key| {
            let witness = if key.live.is_some() { Witness::Probe } else { Witness::Environment };
            diagnosis.with_evidence(witness, says(key))
        });
        Self { is_required: false, place: place(decisive), diagnosis }
    }

    /// No value anywhere: what each place said, and what its source advises.
    fn missing(provider: &str, keys: &[&KeySeen], searched: Searched) -> Self {
        let configured = keys.iter().map(|key| format!("{}: {}", key.reference, key.place));
        let all = configured.chain(searched.says);
        let diagnosis = Diagnosis::new(provider, searched.cause, Confidence::Certain);
        let diagnosis = all.fold(diagnosis, |diagnosis, says| diagnosis.with_evidence(Witness::Environment, says));
        let diagnosis = keys.iter().find_map(|key| key.fix()).into_iter().fold(diagnosis, Diagnosis::mended_at);
        Self { is_required: false, place: searched.places, diagnosis }
    }

    fn reason(&self) -> String {
        let provider = &self.diagnosis.provider;
        if self.is_required {
            return format!("{provider} is required and has no key that can serve");
        }
        format!("{provider} refuses every key of it")
    }
}

fn place(key: &KeySeen) -> String {
    key.masked.as_ref().map_or_else(|| key.place.clone(), |masked| format!("{} ({masked})", key.place))
}

fn says(key: &KeySeen) -> String {
    let worst = key.findings.iter().find(|finding| finding.severity == Severity::Error);
    let live = || key.live.as_ref().map(|live| format!("{}: {}", place(key), live.told()));
    worst.map(|finding| format!("{}: {}", place(key), finding.says)).or_else(live).unwrap_or_else(|| place(key))
}

/// What an unmet gate keeps from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A start.
    Start,
    /// Another configuration taking over.
    Reload,
}

/// Tells a person why it does not happen: each diagnosis, then the end.
pub(crate) fn tell(unmet: &[Unmet], kept: Kept, terminal: &Terminal) {
    for Unmet { place, diagnosis, .. } in unmet {
        diagnosis::tell(diagnosis, place, terminal);
        terminal.tell(diagnosis::page_line(diagnosis));
    }
    let what = match kept {
        Kept::Start => "not started",
        Kept::Reload => "not taken over",
    };
    terminal.tell(format_args!("{} {what}: {}", paint(Role::Error, "error:"), reasons(unmet).join("; ")));
}

/// Why, one a provider.
pub(crate) fn reasons(unmet: &[Unmet]) -> Vec<String> {
    unmet.iter().map(Unmet::reason).collect()
}

/// The same as one event for programs.
pub(crate) fn event(unmet: &[Unmet], kept: Kept) -> Value {
    let diagnoses: Vec<&Diagnosis> = unmet.iter().map(|unmet| &unmet.diagnosis).collect();
    not(kept, &reasons(unmet), &diagnoses)
}

/// What does not happen, as one event for programs: why, in words and as diagnoses.
pub(crate) fn not(kept: Kept, reasons: &[String], diagnoses: &[impl Serialize]) -> Value {
    let name = match kept {
        Kept::Start => "not_started",
        Kept::Reload => "not_reloaded",
    };
    json!({"schema": 1, "event": name, "reasons": reasons, "diagnoses": diagnoses})
}
