//! What a person is told: before the start, and when it ended badly.

use keywright_core::diagnosis::Confidence;
use keywright_core::{Catalogue, Cause, Diagnosis, Witness};
use keywright_gateway::Report;
use serde_json::json;

use super::child::Ended;
use super::doors::base_url_variables;
use super::rings::Rings;
use crate::diagnosis;
use crate::error::CliError;
use crate::terminal::{Role, Terminal, paint};

/// How to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// For people.
    Text,
    /// For people, and only when something is wrong.
    Quiet,
    /// JSON lines.
    Json,
}

/// How it ended.
pub(super) struct Ending<'a> {
    pub(super) ended: Ended,
    pub(super) program: String,
    pub(super) report: Report,
    pub(super) rings: &'a Rings,
}

/// What is known about the keys, before the program starts.
pub(super) fn before(rings: &Rings, telling: Telling, terminal: &Terminal) {
    let report = rings.report();
    if telling == Telling::Json {
        terminal.tell(json!({
            "schema": 1, "event": "keys", "keys": report.keys,
            "hints": rings.hints.iter().map(|hint| json!({
                "cause": hint.cause, "place": hint.place, "says": hint.says,
            })).collect::<Vec<_>>(),
        }));
        return;
    }
    let worth_telling = telling == Telling::Text || !report.all_good();
    if !report.keys.is_empty() && worth_telling {
        report.tell(terminal);
        tell_places(rings, terminal);
    }
    for hint in &rings.hints {
        // That a second value stands in `.env` is how a ring is made, not a fault.
        if terminal.verbose > 0 || matches!(hint.cause, Cause::WrongEnvVarName) {
            let head = paint(Role::Warning, format_args!("warning[{}]:", hint.cause.slug()));
            terminal.tell(format_args!("{head} {}: {}", hint.place, hint.says));
        }
    }
}

/// Base URLs that were set before us stay in force; that is worth a line.
fn tell_places(rings: &Rings, terminal: &Terminal) {
    for door in rings.open_doors() {
        let Some(variable) = &door.said_by else {
            continue;
        };
        let place = door.base_url.as_deref().unwrap_or(&door.leads_to);
        terminal.tell(format_args!(
            "  {} `{variable}` of {} leads to {place}; the gateway sends there",
            paint(Role::Faint, "note:"),
            door.names_of,
        ));
    }
}

/// No key can be used: the diagnosis, and the error to end with.
pub(super) fn no_key(rings: &Rings, terminal: &Terminal) -> CliError {
    let specs: Vec<_> = rings.doors.iter().filter_map(|door| Catalogue::builtin().provider(&door.names_of)).collect();
    let variables: Vec<&str> = specs.iter().filter_map(|spec| spec.key_variable()).collect();
    if rings.keys.is_empty() {
        let cause = rings.hints.first().map_or(Cause::MissingKey, |hint| hint.cause);
        let provider = specs.first().map_or("unknown", |spec| spec.id.as_str());
        let diagnosis = evidence(rings, Diagnosis::new(provider, cause, Confidence::Certain));
        diagnosis::tell(&diagnosis, &searched(rings), terminal);
    }
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    CliError::NoKey {
        providers: names.join(", "),
        help: format!("set one of {} in the environment or in `.env`", variables.join(", ")),
    }
}

/// Where keys were looked for.
fn searched(rings: &Rings) -> String {
    let files = rings.files.iter().map(|(path, file)| match file {
        Ok(_) => path.display().to_string(),
        Err(why) => format!("{} ({why})", path.display()),
    });
    let places: Vec<String> = std::iter::once("the environment".to_owned()).chain(files).collect();
    places.join(", then ")
}

/// Every place that was asked, one line a provider.
fn evidence(rings: &Rings, diagnosis: Diagnosis) -> Diagnosis {
    let hints = rings.hints.iter().map(|hint| format!("{}: {}", hint.place, hint.says));
    let missing = rings.missing.iter().map(|key| format!("{}: {}", key.provider, key.place));
    let asked = rings.asked.iter().map(|(provider, miss)| format!("{provider}: {miss}"));
    hints
        .chain(missing)
        .chain(asked)
        .fold(diagnosis, |diagnosis, says| diagnosis.with_evidence(Witness::Environment, says))
}

/// When it ended badly: the diagnosis of each dead key, and whether the program went past us.
pub(super) fn after(ending: &Ending<'_>, telling: Telling, terminal: &Terminal) {
    let bypassed = ending.bypassed();
    if telling == Telling::Json {
        let dead: Vec<_> = ending.dead_keys().collect();
        terminal.tell(json!({
            "schema": 1, "event": "ended", "code": ending.ended.code, "bypassed": bypassed,
            "requests": ending.report.requests, "failovers": ending.report.failovers,
            "dead_keys": dead.iter().map(|(place, masked, diagnosis)| json!({
                "place": place, "masked": masked, "diagnosis": diagnosis,
            })).collect::<Vec<_>>(),
        }));
        return;
    }
    if !ending.failed() {
        return;
    }
    for (place, masked, diagnosis) in ending.dead_keys() {
        diagnosis::tell(diagnosis, &format!("{place} ({masked})"), terminal);
    }
    if bypassed {
        ending.tell_bypass(terminal);
    }
}

impl Ending<'_> {
    fn failed(&self) -> bool {
        self.ended.code != 0 || self.ended.saw_refusal
    }

    /// A token was handed out, nothing came, and the program failed by itself.
    fn bypassed(&self) -> bool {
        let by_itself = self.ended.saw_refusal || !self.ended.by_signal;
        self.failed() && by_itself && self.report.requests == 0
    }

    fn dead_keys(&self) -> impl Iterator<Item = (&str, &str, &Diagnosis)> {
        let keys = self.report.providers.iter().flat_map(|provider| &provider.keys);
        keys.filter_map(|key| Some((key.place.as_str(), key.masked.as_str(), key.diagnosis.as_ref()?)))
    }

    fn tell_bypass(&self, terminal: &Terminal) {
        let head = if self.ended.saw_refusal { paint(Role::Warning, "warning:") } else { paint(Role::Faint, "note:") };
        terminal.tell(format_args!("{head} `{}` failed and sent no request to keywright", self.program));
        let set: Vec<&str> = self
            .rings
            .open_doors()
            .filter_map(|door| Catalogue::builtin().provider(&door.names_of))
            .flat_map(base_url_variables)
            .map(|variable| variable.name.as_str())
            .collect();
        let note = paint(Role::Faint, "= note:");
        terminal.tell(format_args!("  {note} these lead to the gateway: {}", set.join(", ")));
        terminal.tell(format_args!(
            "  {} if it calls a provider, look for a base URL in its code (`base_url=`, `baseURL`, `api_base`) \
             or its settings: it must come from these variables; or use `--direct`",
            paint(Role::Pointer, "= help:"),
        ));
    }
}
