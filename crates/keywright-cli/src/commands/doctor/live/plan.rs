//! Which key is asked about where, and which is not sent anywhere.

use http::{HeaderName, HeaderValue};
use keywright::http::Origin;
use keywright::sources::{Environment, Reference};
use keywright::survey::{Credential, Standing, Survey};
use keywright_core::inspect::base_url;
use keywright_core::inspect::setting::Settings;
use keywright_core::provider::{VariableRole, VariableStanding};
use keywright_core::{Catalogue, Cause, ProviderSpec};
use keywright_gateway::Config;

use super::super::names::{NETWORK, Name};
use crate::live_check::{self, Planned, Question};

/// What is to be asked about each key, by its place in the survey; one for each place that it is sent to.
pub(super) fn of(
    survey: &Survey,
    config: &Config,
    names: &[Name],
    environment: &Environment,
) -> (Vec<usize>, Vec<Planned>) {
    let all = names.is_empty() || names.contains(&Name::Check(NETWORK));
    let wanted = |key: &Credential| all || names.contains(&Name::Provider(key.names_of.id.clone()));
    let in_force = |key: &Credential| key.standing == Standing::InForce && !key.secret.expose().is_empty();
    let keys = survey.credentials.iter().enumerate().filter(|(_, key)| in_force(key) && wanted(key));
    let planned = keys.flat_map(|(at, key)| {
        let questions = match not_to_be_sent(key) {
            Some(why) => vec![Err(why)],
            None => questions(key, &survey.settings, config, environment),
        };
        questions.into_iter().map(move |question| (at, question.map(|question| question.knowing(&key.findings))))
    });
    if is_only_network(names) { one_a_place(planned) } else { planned.unzip() }
}

/// Whether the way to the providers is all that is asked about.
fn is_only_network(names: &[Name]) -> bool {
    names.contains(&Name::Check(NETWORK)) && !names.iter().any(|name| matches!(name, Name::Provider(_)))
}

/// Whether a place can be reached, one key shows as well as ten.
fn one_a_place(planned: impl Iterator<Item = (usize, Planned)>) -> (Vec<usize>, Vec<Planned>) {
    let mut keys = Vec::new();
    let mut questions: Vec<Planned> = Vec::new();
    for (at, question) in planned {
        let Ok(question) = question else { continue };
        if !questions.iter().flatten().any(|known| known.is_at_the_place_of(&question)) {
            keys.push(at);
            questions.push(Ok(question));
        }
    }
    (keys, questions)
}

/// Why a key stays here, whatever its place.
fn not_to_be_sent(key: &Credential) -> Option<String> {
    let is_admin = key.names_of.variables_of(VariableRole::AdminKey).any(|variable| variable.name == key.name);
    if !key.is_usable() {
        return Some("it cannot work as it is".to_owned());
    }
    // The base URL leads to one provider, and the key is another one's: it is no business of theirs.
    if key.leads_to.id != key.names_of.id && key.findings.iter().any(|finding| finding.cause == Cause::WrongBaseUrl) {
        return Some(format!("it would go to {}", key.leads_to.name));
    }
    is_admin.then(|| "there is no free question about an admin key".to_owned())
}

/// The places a key is used at: where programs of this environment send it, and where the gateway does.
fn questions(key: &Credential, settings: &Settings, config: &Config, environment: &Environment) -> Vec<Planned> {
    let configured = config.providers.iter().find(|provider| provider.id == key.names_of.id).filter(|provider| {
        let references = provider.keys.iter().filter_map(|key| key.reference.parse::<Reference>().ok());
        references.map(|reference| reference.to_string()).any(|reference| reference == key.reference.to_string())
    });
    let only_configured = key.name == key.reference.to_string();
    let by_environment = (!only_configured || configured.is_none()).then(|| of_environment(key, settings, environment));
    by_environment
        .into_iter()
        .chain(configured.map(|provider| {
            live_check::configured(provider, &key.secret, environment).map(live_check::Question::past_proxies)
        }))
        .collect()
}

fn of_environment(key: &Credential, settings: &Settings, environment: &Environment) -> Planned {
    let spec = key.leads_to;
    let place = base_url::in_force(settings, key.names_of);
    let url = match place {
        None => spec.http.origin.clone(),
        Some(setting) => match Origin::parse(setting.value.expose(), "") {
            // At a provider's own host its own paths count, whoever's variable led there.
            Ok(origin) if Catalogue::builtin().provider_of_host(origin.host()).is_some() => {
                format!("{}://{}", origin.scheme(), origin.authority())
            }
            _ => base_url::without_ending(setting.value.expose(), key.names_of, &setting.name),
        },
    };
    let named =
        || place.map_or_else(|| format!("the address of {}", spec.name), |setting| format!("`{}`", setting.name));
    let origin = Origin::parse(&url, &spec.http.sdk_base).map_err(|_| format!("{} leads nowhere", named()))?;
    Ok(Question::new(spec, origin, &key.secret, environment)?.with_headers(tenants(settings, spec)))
}

/// The headers that official SDKs make of the variables for organisation and project.
fn tenants(settings: &Settings, spec: &ProviderSpec) -> Vec<(HeaderName, HeaderValue)> {
    let header = |role: VariableRole, ending: &str| {
        let official = |name: &&str| settings.in_force(name).is_some_and(keywright_core::inspect::Setting::has_text);
        let variables = spec.variables_of(role).filter(|variable| variable.standing == VariableStanding::Official);
        let name = variables.map(|variable| variable.name.as_str()).find(official)?;
        let header = spec.http.tenant_headers.iter().find(|header| header.ends_with(ending))?;
        let value = HeaderValue::try_from(settings.in_force(name)?.value.expose()).ok()?;
        Some((HeaderName::try_from(header).ok()?, value))
    };
    [header(VariableRole::Organization, "organization"), header(VariableRole::Project, "project")]
        .into_iter()
        .flatten()
        .collect()
}
