//! Which key is asked about where, and which is not sent anywhere.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use keywright::http::{Connector, Origin, Versions};
use keywright::sources::{Reference, Resolver};
use keywright::survey::{Credential, Standing, Survey, network};
use keywright::trust::ExtraTrust;
use keywright::tunnel::Tunnel;
use keywright_core::inspect::proxy::Way;
use keywright_core::inspect::reach::{ProxyTrouble, Trouble};
use keywright_core::inspect::{base_url, setting::Settings};
use keywright_core::provider::{VariableRole, VariableStanding};
use keywright_core::{Catalogue, Cause, ProviderSpec, Secret};
use keywright_gateway::{Config, ProviderSettings};

use super::super::names::{NETWORK, Name};

/// What is to be asked.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One for each key and place, however often the key stands here.
    pub(super) questions: Vec<Question>,
    /// Keys that are not sent, by their place in the survey, and why.
    pub(super) skipped: Vec<(usize, String)>,
}

/// One key, and where it is asked about.
#[derive(Debug)]
pub(super) struct Question {
    /// The places of the key in the survey.
    pub(super) credentials: Vec<usize>,
    pub(super) spec: &'static ProviderSpec,
    pub(super) origin: Origin,
    pub(super) secret: Secret,
    /// Organisation and project, as programs here send them.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) way: Way,
    /// What opens the connection, or why nothing can.
    pub(super) connector: Result<Connector, Trouble>,
}

/// Where a key is asked about.
struct Target<'a> {
    spec: &'static ProviderSpec,
    origin: Origin,
    trust: Option<&'a PathBuf>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Plan {
    pub(super) fn of(survey: &Survey, config: &Config, names: &[Name], resolver: &Resolver, limit: Duration) -> Self {
        let mut plan = Self::default();
        let all = names.is_empty() || names.contains(&Name::Check(NETWORK));
        let wanted = |key: &Credential| all || names.contains(&Name::Provider(key.names_of.id.clone()));
        let in_force = |key: &Credential| key.standing == Standing::InForce && !key.secret.expose().is_empty();
        for (at, key) in survey.credentials.iter().enumerate() {
            if in_force(key) && wanted(key) {
                plan.add(at, key, survey, config, resolver, limit);
            }
        }
        plan
    }

    fn add(
        &mut self,
        at: usize,
        key: &Credential,
        survey: &Survey,
        config: &Config,
        resolver: &Resolver,
        limit: Duration,
    ) {
        if let Some(why) = not_to_be_sent(key) {
            return self.skipped.push((at, why));
        }
        for target in targets(key, &survey.settings, config) {
            let target = match target {
                Ok(target) => target,
                Err(why) => {
                    self.skipped.push((at, why));
                    continue;
                }
            };
            let same = |question: &&mut Question| {
                question.origin == target.origin
                    && question.headers == target.headers
                    && question.secret.matches(&key.secret)
            };
            if let Some(question) = self.questions.iter_mut().find(same) {
                question.credentials.push(at);
                continue;
            }
            let way = network::way(resolver.environment(), &target.origin);
            self.questions.push(Question {
                credentials: vec![at],
                connector: connector(&target, &way, limit),
                spec: target.spec,
                origin: target.origin,
                secret: key.secret.clone(),
                headers: target.headers,
                way,
            });
        }
    }
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

/// The places a key is used at: where programs of this environment send it, and where the configuration does.
fn targets<'a>(key: &Credential, settings: &Settings, config: &'a Config) -> Vec<Result<Target<'a>, String>> {
    let configured = config.providers.iter().find(|provider| provider.id == key.names_of.id).filter(|provider| {
        let references = provider.keys.iter().filter_map(|key| key.reference.parse::<Reference>().ok());
        references.map(|reference| reference.to_string()).any(|reference| reference == key.reference.to_string())
    });
    let only_configured = key.name == key.reference.to_string();
    let by_environment = (!only_configured || configured.is_none()).then(|| of_environment(key, settings));
    by_environment
        .into_iter()
        .chain(configured.map(|provider| of_configuration(key, provider)))
        .map(permitted)
        .collect()
}

fn of_environment<'a>(key: &Credential, settings: &Settings) -> Result<Target<'a>, String> {
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
    Ok(Target { spec, origin, trust: None, headers: tenants(settings, spec) })
}

fn of_configuration<'a>(key: &Credential, provider: &'a ProviderSettings) -> Result<Target<'a>, String> {
    let origin = provider.origin().map_err(|_| "`base_url` of the configuration leads nowhere".to_owned())?;
    Ok(Target { spec: key.names_of, origin, trust: provider.ca_certificate.as_ref(), headers: Vec::new() })
}

/// What a place must offer before a key goes there.
fn permitted(target: Result<Target<'_>, String>) -> Result<Target<'_>, String> {
    let target = target?;
    let (spec, origin) = (target.spec, &target.origin);
    if spec.probes.is_empty() {
        return Err(format!("there is no free question to {}", spec.name));
    }
    if !origin.is_encrypted() && Catalogue::builtin().provider_of_host(origin.host()).is_some() {
        return Err("`http://` would show it to everyone on the way".to_owned());
    }
    Ok(target)
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

/// What opens connections the way that programs here go. A plain address is always asked directly: a proxy would read the key.
fn connector(target: &Target<'_>, way: &Way, limit: Duration) -> Result<Connector, Trouble> {
    let trust = target.trust.map(|file| ExtraTrust::read(file)).transpose();
    let trust = trust.map_err(|error| Trouble::NothingTrusted(error.to_string()))?.unwrap_or_default();
    // Half of the time is for the connection, so that a silent answer is told from a silent host.
    let connector = Connector::trusting(limit / 2, Versions::default(), &trust).map_err(|error| error.trouble())?;
    match way {
        Way::Through(proxy) if target.origin.is_encrypted() => match Tunnel::of(proxy) {
            Some(tunnel) => Ok(connector.through(tunnel)),
            None => Err(Trouble::Proxy(ProxyTrouble::Foreign)),
        },
        Way::Through(_) | Way::Direct | Way::Excepted(_) | Way::Unusable(_) => Ok(connector),
    }
}
