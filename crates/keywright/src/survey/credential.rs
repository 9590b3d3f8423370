//! One key that is here: under which name, in which place, and whether programs see it.

use std::path::PathBuf;

use keywright_core::inspect::{
    Finding, Holder, Place, Setting, Severity, base_url, names, owner, owner::sibling_names, setting::Settings,
    surroundings,
};
use keywright_core::provider::{ProviderSpec, VariableRole, VariableStanding};
use keywright_core::{Catalogue, Cause, Secret};

use super::Survey;
use crate::sources::{Found, Reference};

/// One key that is here.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The provider whose variable it stands in.
    pub names_of: &'static ProviderSpec,
    /// The provider that gets it: another one when the base URL leads there.
    pub leads_to: &'static ProviderSpec,
    /// The variable, or the reference.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The reference that leads to it.
    pub reference: Reference,
    /// The value.
    pub secret: Secret,
    /// Whether programs see it.
    pub standing: Standing,
    /// What is strange about it, the worst first.
    pub findings: Vec<Finding>,
}

/// Whether programs see a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They do.
    InForce,
    /// Another place has the same name and comes first.
    ShadowedBy(Place),
    /// It stands under a name that nothing is known to read.
    Unread,
}

impl Credential {
    /// A key that a configuration names.
    pub(super) fn configured(provider: &'static ProviderSpec, found: Found, now: Option<u64>) -> Self {
        let name = found.reference.to_string();
        let setting = Setting {
            // A fix names the variable as a shell knows it.
            name: match &found.reference {
                Reference::Env { name: variable } => variable.clone(),
                _ => name.clone(),
            },
            value: found.secret.clone(),
            place: Place::file(found.place),
            holder: match super::holder(&found.reference) {
                Holder::Environment => Holder::Environment,
                Holder::Dotenv | Holder::Other => Holder::Other,
            },
        };
        Self {
            names_of: provider,
            leads_to: provider,
            findings: setting.inspect(provider, now),
            name,
            place: setting.place,
            reference: found.reference,
            secret: found.secret,
            standing: Standing::InForce,
        }
    }

    /// What kind of place it stands in.
    pub fn holder(&self) -> Holder {
        super::holder(&self.reference)
    }

    /// Whether it may work: nothing that was found excludes it.
    pub fn is_usable(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }

    fn of(setting: &Setting, names_of: &'static ProviderSpec, settings: &Settings, now: Option<u64>) -> Self {
        let leads_to = base_url::leads_to(settings, names_of);
        Self {
            names_of,
            leads_to,
            name: setting.name.clone(),
            place: setting.place.clone(),
            reference: reference(setting),
            secret: setting.value.clone(),
            standing: Standing::InForce,
            findings: findings(setting, names_of, leads_to, settings, now),
        }
    }
}

/// The keys that stand under a provider's names.
pub(super) fn of(provider: &'static ProviderSpec, settings: &Settings, now: Option<u64>) -> Vec<Credential> {
    let mut credentials = Vec::new();
    for (name, standing) in key_names(provider) {
        let mut in_force: Option<Place> = None;
        for setting in settings.named(&name) {
            let mut credential = Credential::of(setting, provider, settings, now);
            credential.standing = match (&in_force, standing) {
                (_, VariableStanding::Mistaken) => Standing::Unread,
                (Some(winner), _) => Standing::ShadowedBy(winner.clone()),
                (None, _) => Standing::InForce,
            };
            in_force.get_or_insert_with(|| setting.place.clone());
            credentials.push(credential);
        }
    }
    credentials
}

/// Values of a known shape under names that no provider has; a copy of a known key is no news.
pub(super) fn under_other_names(survey: &Survey, now: Option<u64>) -> Vec<Credential> {
    let known = |setting: &Setting| survey.credentials.iter().any(|known| known.secret.matches(&setting.value));
    let unread = |setting: &Setting| {
        let owner = owner::by_shape(setting.value.expose())?;
        let credential = Credential::of(setting, owner, &survey.settings, now);
        Some(Credential { standing: Standing::Unread, ..credential })
    };
    let others = survey.settings.iter().filter(|setting| owner::by_name(&setting.name).is_none() && !known(setting));
    others.filter_map(unread).collect()
}

fn findings(
    setting: &Setting,
    names_of: &'static ProviderSpec,
    leads_to: &'static ProviderSpec,
    settings: &Settings,
    now: Option<u64>,
) -> Vec<Finding> {
    let is_admin = names_of.variables_of(VariableRole::AdminKey).any(|variable| variable.name == setting.name);
    let mut findings = setting.inspect(leads_to, now);
    if is_admin {
        findings.retain(|finding| finding.cause != Cause::InsufficientPermissionsOrScope);
    }
    let foreign = |finding: &Finding| matches!(finding.cause, Cause::WrongProviderKey | Cause::NotAKeyValue);
    let own = || setting.inspect(names_of, now).iter().all(|finding| finding.severity == Severity::Note);
    if leads_to.id != names_of.id && findings.iter().any(foreign) && own() {
        return base_url::mismatch(settings, names_of, leads_to).into_iter().collect();
    }
    findings
}

/// The names under which keys of a provider stand, official ones and their siblings first.
fn key_names(provider: &ProviderSpec) -> Vec<(String, VariableStanding)> {
    let is_path = |name: &str| name.ends_with("_PATH") || name.ends_with("_FILE");
    let roles = [VariableRole::Key, VariableRole::AdminKey];
    let variables = || roles.into_iter().flat_map(|role| provider.variables_of(role)).filter(|v| !is_path(&v.name));
    let official = variables().filter(|variable| variable.standing == VariableStanding::Official);
    let others = variables().filter(|variable| variable.standing != VariableStanding::Official);
    let mut names: Vec<(String, VariableStanding)> = Vec::new();
    for variable in official {
        names.push((variable.name.clone(), variable.standing));
        names.extend(sibling_names(&variable.name).map(|name| (name, variable.standing)));
    }
    names.extend(others.map(|variable| (variable.name.clone(), variable.standing)));
    names
}

/// Whether a variable concerns a provider: by its name, by a slip in its name, or by its value.
pub(super) fn is_relevant(name: &str, value: &str) -> bool {
    owner::by_name(name).is_some()
        || surroundings::PROXIES.contains(&name.to_ascii_uppercase().as_str())
        || owner::by_shape(value).is_some()
        || official_names().any(|official| names::is_near_miss(name, official))
}

/// Whether a variable's value must not be shown: all but base URLs, proxies and the like.
pub(super) fn may_be_secret(name: &str) -> bool {
    let variables = || Catalogue::builtin().providers().iter().flat_map(|provider| &provider.variables);
    variables().any(|variable| {
        variable.name == name
            && matches!(variable.role, VariableRole::Key | VariableRole::AdminKey | VariableRole::Headers)
    }) || official_names().any(|official| names::is_near_miss(name, official))
}

fn official_names() -> impl Iterator<Item = &'static str> {
    Catalogue::builtin().providers().iter().filter_map(ProviderSpec::key_variable)
}

fn reference(setting: &Setting) -> Reference {
    let name = setting.name.clone();
    match setting.holder {
        Holder::Environment | Holder::Other => Reference::Env { name },
        Holder::Dotenv => Reference::Dotenv { path: PathBuf::from(&setting.place.source), name },
    }
}
