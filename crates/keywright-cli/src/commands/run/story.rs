//! What a person is told before the start.

use keywright::sources::Hint;
use keywright::store::StoreError;
use keywright_core::diagnosis::Confidence;
use keywright_core::{Catalogue, Cause, Diagnosis, Fix, Witness};
use serde_json::json;

use super::rings::Rings;
use crate::diagnosis;
use crate::error::CliError;
use crate::exit::Exit;
use crate::gate::{self, Gate, Kept, Searched};
use crate::key_report::KeySeen;
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

/// What is known about the keys, before the program starts.
pub(super) fn before(rings: &Rings, telling: Telling, terminal: &Terminal) {
    let report = rings.report();
    if telling == Telling::Json {
        let mut event = report.event();
        let told = |(_, hint): &(_, Hint)| json!({"cause": hint.cause, "place": hint.place, "says": hint.says});
        event["hints"] = rings.hints.iter().map(told).collect();
        return terminal.tell(event);
    }
    let worth_telling = telling == Telling::Text || !report.all_good();
    if !report.keys.is_empty() && worth_telling {
        report.tell(terminal);
        tell_places(rings, terminal);
    }
    for (_, hint) in &rings.hints {
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

/// No key can be used: told with the diagnosis, and the program is not started.
pub(super) fn no_key(rings: &Rings, telling: Telling, terminal: &Terminal) -> Result<Exit, CliError> {
    let specs: Vec<_> = rings.doors.iter().filter_map(|door| Catalogue::builtin().provider(&door.names_of)).collect();
    // A provider whose keys the configuration names is asked nowhere else.
    let searched_for = specs.iter().filter(|spec| rings.asked.iter().any(|(provider, _)| *provider == spec.id));
    let variables: Vec<&str> = searched_for.filter_map(|spec| spec.key_variable()).collect();
    // A vault that may hold the key, and that only its passphrase opens, is the first thing to mend.
    let opens = rings.unopened.iter().find(|why| why.wants_passphrase()).and_then(StoreError::mend);
    let diagnosis = rings.keys.is_empty().then(|| {
        let cause = rings.hints.first().map_or(Cause::MissingKey, |(_, hint)| hint.cause);
        let provider = specs.first().map_or("unknown", |spec| spec.id.as_str());
        let diagnosis = evidence(rings, Diagnosis::new(provider, cause, Confidence::Certain));
        let first = rings.missing.iter().filter(|key| key.provider == provider).find_map(KeySeen::fix);
        let diagnosis = first.into_iter().fold(diagnosis, Diagnosis::mended_at);
        let opens = opens.iter().map(|opens| Fix { says: format!("The key vault is locked. {opens}"), command: None });
        opens.fold(diagnosis, Diagnosis::mended_by)
    });
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let one = if variables.len() == 1 { "" } else { "one of " };
    let set = || match &*variables {
        [] => "each key that the configuration names is told above, with what mends it".to_owned(),
        names => format!(
            "set {one}{} in the environment or in `.env`, or store one with `keywright keys add`",
            names.join(", ")
        ),
    };
    let error = CliError::NoKey {
        providers: names.join(", "),
        help: opens.map_or_else(set, |opens| format!("the key vault is locked. {opens}")),
    };
    if telling == Telling::Json {
        terminal.tell(gate::not(Kept::Start, &[error.to_string()], diagnosis.as_slice()));
        return Ok(Exit::NotStarted);
    }
    if let Some(diagnosis) = diagnosis {
        diagnosis::tell(&diagnosis, &searched(rings), terminal);
    }
    Err(error)
}

/// What keeps the program from being started, told; `None` when nothing does.
pub(super) fn stopped(rings: &Rings, gate: &Gate, telling: Telling, terminal: &Terminal) -> Option<Exit> {
    let unmet = gate.unmet(&rings.report(), |provider| searched_for(provider, rings));
    match (unmet.is_empty(), telling) {
        (true, _) => return None,
        (false, Telling::Json) => terminal.tell(gate::event(&unmet, Kept::Start)),
        (false, Telling::Text | Telling::Quiet) => gate::tell(&unmet, Kept::Start, terminal),
    }
    Some(Exit::Unhealthy)
}

/// Where the keys of one provider were looked for, and what each place said.
fn searched_for(provider: &str, rings: &Rings) -> Searched {
    let hints = || rings.hints.iter().filter(|(of, _)| of == provider).map(|(_, hint)| hint);
    let asked = rings.asked.iter().filter(|(of, _)| of == provider).map(|(_, miss)| miss.to_string());
    let stores = rings.stores.iter().map(|asked| format!("{}: {}", asked.place, asked.why));
    Searched {
        places: searched(rings),
        cause: hints().next().map_or(Cause::MissingKey, |hint| hint.cause),
        says: hints().map(|hint| format!("{}: {}", hint.place, hint.says)).chain(asked).chain(stores).collect(),
    }
}

/// Where keys were looked for.
fn searched(rings: &Rings) -> String {
    if rings.asked.is_empty() && !rings.missing.is_empty() {
        let references: Vec<&str> = rings.missing.iter().map(|key| key.reference.as_str()).collect();
        return references.join(", then ");
    }
    let files = rings.files.iter().map(|(path, file)| match file {
        Ok(_) => path.display().to_string(),
        Err(why) => format!("{} ({why})", path.display()),
    });
    let stores = ["the keyring", "the key vault"].map(str::to_owned);
    let places: Vec<String> = std::iter::once("the environment".to_owned()).chain(files).chain(stores).collect();
    places.join(", then ")
}

/// Every place that was asked, one line a provider.
fn evidence(rings: &Rings, diagnosis: Diagnosis) -> Diagnosis {
    let hints = rings.hints.iter().map(|(_, hint)| format!("{}: {}", hint.place, hint.says));
    let missing = rings.missing.iter().map(|key| format!("{}: {}", key.provider, key.place));
    let stores = rings.stores.iter().map(|asked| format!("{}: {}", asked.place, asked.why));
    let asked = rings.asked.iter().map(|(provider, miss)| format!("{provider}: {miss}"));
    hints
        .chain(missing)
        .chain(asked)
        .chain(stores)
        .fold(diagnosis, |diagnosis, says| diagnosis.with_evidence(Witness::Environment, says))
}
