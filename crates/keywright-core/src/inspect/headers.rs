//! Variables that add headers: organisation, project, and free text that can replace the key.

use super::setting::Settings;
use super::{Finding, Holder, Setting};
use crate::cause::Cause;
use crate::provider::{ProviderSpec, Variable, VariableRole, VariableStanding};

/// What is strange about the variables of a provider that end up in headers.
pub fn inspect(settings: &Settings, provider: &ProviderSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    for setting in settings.iter().filter(|setting| setting.has_text()) {
        let variable = provider.variables.iter().find(|variable| variable.name == setting.name);
        let finding = variable.and_then(|variable| match variable.role {
            VariableRole::Organization | VariableRole::Project => Some(tenant(setting, variable, provider)),
            VariableRole::Headers => second_credential(setting, provider),
            VariableRole::Key | VariableRole::AdminKey | VariableRole::BaseUrl | VariableRole::Other => None,
        });
        findings.extend(finding.map(|finding| setting.located(finding)));
    }
    findings
}

/// An organisation or project that is not shaped like one, or that no SDK reads any more.
fn tenant(setting: &Setting, variable: &Variable, provider: &ProviderSpec) -> Finding {
    let name = &setting.name;
    let value = setting.value.expose();
    let what = if variable.role == VariableRole::Organization { "organisation" } else { "project" };
    let remove = (setting.holder == Holder::Environment).then(|| format!("unset {name}"));
    let odd =
        value.chars().position(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '$' | '{'));
    let prefix = match (provider.id.as_str(), variable.role) {
        ("openai", VariableRole::Organization) => "org-",
        ("openai", VariableRole::Project) => "proj_",
        _ => "",
    };
    let advice = "Remove it, unless one key is meant to work for several of them: the key knows its own.";
    if let Some(at) = odd {
        let at_which = at + 1;
        let says =
            format!("`{name}` holds a character that no {what} has, at character {at_which}; every request carries it");
        return Finding::error(Cause::WrongOrganizationOrProject, says).at(at).fixed_by(advice, remove);
    }
    if !value.starts_with(prefix) {
        let says = format!("`{name}` does not begin with `{prefix}`; every request carries it");
        return Finding::warning(Cause::WrongOrganizationOrProject, says).at(0).fixed_by(advice, remove);
    }
    match variable.standing {
        VariableStanding::Mistaken => {
            let says = format!("nothing reads `{name}`; this {what} has no effect");
            Finding::warning(Cause::WrongOrganizationOrProject, says).fixed_by(advice, remove)
        }
        VariableStanding::Legacy | VariableStanding::OtherLibraries => {
            let says = format!("`{name}` is read by {}", variable.readers);
            Finding::note(Cause::WrongOrganizationOrProject, says).fixed_by(advice, remove)
        }
        VariableStanding::Official => {
            let says = format!("`{name}` is set: every request names this {what}, and a key of another one is refused");
            Finding::note(Cause::WrongOrganizationOrProject, says).fixed_by(advice, remove)
        }
    }
}

/// A free header that is a credential: it goes beside the key, or in its place.
fn second_credential(setting: &Setting, provider: &ProviderSpec) -> Option<Finding> {
    let header = setting.value.expose().lines().find_map(|line| {
        let name = line.split_once(':')?.0.trim().to_ascii_lowercase();
        CREDENTIALS.contains(&name.as_str()).then_some(name)
    })?;
    let name = &setting.name;
    let says = format!("`{name}` sets `{header}`: it replaces the key, or goes beside it");
    let remove = (setting.holder == Holder::Environment).then(|| format!("unset {name}"));
    let advice = format!("Leave the credential to `{}`.", provider.key_variable().unwrap_or("the key's variable"));
    Some(Finding::error(Cause::HeaderMalformed, says).fixed_by(advice, remove))
}

const CREDENTIALS: &[&str] = &["authorization", "x-api-key", "api-key", "x-goog-api-key"];
