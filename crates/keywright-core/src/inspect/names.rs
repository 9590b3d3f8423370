//! Names: keys under a name that nothing reads, and names that are set twice.

use super::setting::Settings;
use super::{Finding, Holder, Setting, mend, owner};
use crate::cause::Cause;
use crate::near::distance;
use crate::provider::{ProviderSpec, Variable, VariableRole, VariableStanding};

/// What is strange about the names under which a provider's keys and base URLs are set.
pub fn inspect(settings: &Settings, provider: &ProviderSpec) -> Vec<Finding> {
    let mut findings = disagreements(settings, provider);
    let Some(official) = provider.key_variable() else {
        return findings;
    };
    let read = |name: &str| settings.in_force(name).is_some_and(Setting::has_text);
    let has_key = provider
        .variables_of(VariableRole::Key)
        .filter(|variable| variable.standing == VariableStanding::Official)
        .any(|variable| read(&variable.name));
    if !has_key {
        findings.extend(instead_of(official, settings, provider));
    }
    findings
}

/// A name that is set in two places to different values: the first place wins in every SDK.
fn disagreements(settings: &Settings, provider: &ProviderSpec) -> Vec<Finding> {
    let mut names: Vec<&str> = provider
        .variables
        .iter()
        .filter(|variable| !matches!(variable.role, VariableRole::Other))
        .map(|variable| variable.name.as_str())
        .collect();
    names.dedup();
    names.iter().flat_map(|name| disagreement(settings.named(name))).collect()
}

fn disagreement<'a>(mut named: impl Iterator<Item = &'a Setting>) -> Vec<Finding> {
    let Some(winner) = named.next() else {
        return Vec::new();
    };
    named
        .filter(|loser| loser.place.source != winner.place.source && !loser.value.matches(&winner.value))
        .map(|loser| loser.located(overridden(winner, loser)))
        .collect()
}

/// The finding about a value that another place overrides.
pub fn overridden(winner: &Setting, loser: &Setting) -> Finding {
    let name = &loser.name;
    let says = format!("`{name}` differs from the {}, which comes first", winner.place);
    let finding = Finding::warning(Cause::StaleValueOverrides, says);
    match winner.holder {
        Holder::Environment => finding.fixed_by(
            "If the value here is the right one, remove the other from this shell.",
            Some(format!("unset {name}")),
        ),
        Holder::Dotenv | Holder::Other => {
            finding.fixed_by(format!("Keep one of the two: {} or {}.", winner.place, loser.place), None)
        }
    }
}

/// No key under the official name: which other name holds one?
fn instead_of(official: &str, settings: &Settings, provider: &ProviderSpec) -> Vec<Finding> {
    let keys: Vec<&Variable> = provider.variables_of(VariableRole::Key).collect();
    let known = |name: &str| provider.variables.iter().any(|variable| variable.name == name);
    let mut findings = Vec::new();
    for setting in settings.iter().filter(|setting| setting.has_text()) {
        let name = setting.name.as_str();
        let finding = match keys.iter().find(|variable| variable.name == name) {
            Some(variable) => unread(variable, official),
            None if !known(name) && is_near_miss(name, official) => Some(near_miss(official)),
            None => None,
        };
        findings.extend(finding.map(|finding| setting.located(renamed(finding, setting, official, settings))));
    }
    findings
}

fn unread(variable: &Variable, official: &str) -> Option<Finding> {
    match variable.standing {
        VariableStanding::Official => None,
        VariableStanding::Mistaken => Some(mistaken(official)),
        VariableStanding::Legacy | VariableStanding::OtherLibraries => {
            let readers = if variable.readers.is_empty() { "other libraries" } else { &variable.readers };
            let says = format!("the provider's own SDKs read `{official}`; this name is read by {readers}");
            Some(Finding::warning(Cause::WrongEnvVarName, says))
        }
    }
}

/// The finding about a key under a name that people set and nothing reads.
pub fn mistaken(official: &str) -> Finding {
    Finding::error(Cause::WrongEnvVarName, format!("nothing reads this name; the SDKs read `{official}`"))
}

fn near_miss(official: &str) -> Finding {
    Finding::error(
        Cause::WrongEnvVarName,
        format!("the name is almost `{official}`, which the SDKs read; nothing reads this one"),
    )
}

/// A slip of the hand: two edits at most, or only another case. `OPENAI_API_URL` is another word, not a slip.
pub fn is_near_miss(name: &str, official: &str) -> bool {
    let end = |name: &str| name.rsplit('_').next().unwrap_or_default().to_ascii_lowercase();
    let other_word = OTHER_ENDS.contains(&end(name).as_str());
    name != official
        && !other_word
        && name.len().abs_diff(official.len()) <= MOST_EDITS
        && distance(&name.to_ascii_lowercase(), &official.to_ascii_lowercase()) <= MOST_EDITS
}

fn renamed(finding: Finding, setting: &Setting, official: &str, settings: &Settings) -> Finding {
    let name = &setting.name;
    let says = format!("Write `{official}` in the place of `{name}`.");
    match setting.holder {
        Holder::Environment => {
            finding.fixed_by("Give the value to the name that is read.", Some(format!("export {official}=\"${name}\"")))
        }
        Holder::Dotenv if is_only_candidate(setting, official, settings) => {
            finding.fixed_by(says, Some(mend::COMMAND.to_owned()))
        }
        Holder::Dotenv => {
            let file = &setting.place.source;
            let command = format!("sed -i 's/^\\(export \\)\\{{0,1\\}}{name} *=/\\1{official}=/' '{file}'");
            finding.fixed_by(says, Some(command))
        }
        Holder::Other => finding,
    }
}

/// Whether [`mod@mend`] gives the official name to this setting: it is set nowhere, and nothing else in the file may be meant.
fn is_only_candidate(setting: &Setting, official: &str, settings: &Settings) -> bool {
    let same_file = |other: &&Setting| other.place.source == setting.place.source;
    let mut meant = settings.iter().filter(same_file).filter(|other| owner::meant_name(&other.name) == Some(official));
    settings.in_force(official).is_none()
        && owner::meant_name(&setting.name) == Some(official)
        && meant.all(|other| other.name == setting.name)
}

/// More edits are another word.
const MOST_EDITS: usize = 2;
/// Ends of names that mean something else than a key.
const OTHER_ENDS: &[&str] = &["url", "base", "host", "id", "type", "path", "file", "model", "org"];
