//! Where a provider's base URL led before we came, and which door of the gateway takes its place.

use std::path::PathBuf;

use keywright::http::Origin;
use keywright::sources::{Dotenv, Environment, SourceError};
use keywright_core::inspect::base_url;
use keywright_core::provider::{Variable, VariableRole, VariableStanding};
use keywright_core::{Catalogue, ProviderSpec};

/// The dotenv files, as they were read.
pub(crate) type EnvFiles = [(PathBuf, Result<Dotenv, SourceError>)];

/// One provider's variables, and the door of the gateway that they are to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    /// Whose variables: a catalogue id.
    pub(super) names_of: String,
    /// The provider that gets the requests.
    pub(crate) leads_to: String,
    /// The path of a base URL that leads to another provider; `None` for the catalogued ending.
    pub(super) path: Option<String>,
    /// Another place of the same provider, from a base URL variable.
    pub(crate) base_url: Option<String>,
    /// The variable that said so.
    pub(super) said_by: Option<String>,
}

impl Door {
    /// Finds the door of a provider, from its base URL variables as they are now.
    pub(crate) fn of(provider: &ProviderSpec, environment: &Environment, files: &EnvFiles) -> Self {
        let plain = Self {
            names_of: provider.id.clone(),
            leads_to: provider.id.clone(),
            path: None,
            base_url: None,
            said_by: None,
        };
        let Some((variable, value)) = base_url(provider, environment, files) else {
            return plain;
        };
        let Ok(origin) = Origin::parse(&value, "") else {
            return plain;
        };
        let host = origin.authority().host();
        let is_own = |spec: &ProviderSpec| spec.http.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        let said_by = Some(variable.name.clone());
        match Catalogue::builtin().provider_of_host(host) {
            // A region of its own is another place too.
            _ if is_own(provider) && provider.http.origin.ends_with(host) => plain,
            Some(other) if other.id != provider.id => {
                Self { leads_to: other.id.clone(), path: Some(origin.prefix().to_owned()), said_by, ..plain }
            }
            _ => Self { base_url: Some(base_url::without_ending(&value, provider, &variable.name)), said_by, ..plain },
        }
    }

    /// What a base URL variable of this door is to hold.
    pub(super) fn url(&self, gateway: std::net::SocketAddr, variable: &Variable) -> String {
        let path = match &self.path {
            Some(path) => path,
            None => variable.ends_in.as_deref().unwrap_or_default(),
        };
        format!("http://{gateway}/{}{path}", self.leads_to)
    }
}

/// The base URL variables that something reads; of several spellings of one name the first counts.
pub(super) fn base_url_variables(provider: &ProviderSpec) -> impl Iterator<Item = &Variable> {
    let mut seen: Vec<&str> = Vec::new();
    provider
        .variables_of(VariableRole::BaseUrl)
        .filter(|variable| variable.standing != VariableStanding::Mistaken)
        .filter(move |variable| {
            let new = !seen.contains(&variable.name.as_str());
            seen.push(&variable.name);
            new
        })
}

/// The first base URL that is set: in the environment, then in the dotenv files.
fn base_url<'a>(
    provider: &'a ProviderSpec,
    environment: &Environment,
    files: &EnvFiles,
) -> Option<(&'a Variable, String)> {
    let set = |value: &String| !value.trim().is_empty();
    let in_environment = base_url_variables(provider)
        .find_map(|variable| Some((variable, environment.text(&variable.name).filter(set)?)));
    in_environment.or_else(|| {
        files.iter().filter_map(|(_, file)| file.as_ref().ok()).find_map(|file| {
            base_url_variables(provider).find_map(|variable| {
                let value = file.last(&variable.name)?.value.expose().to_owned();
                Some((variable, Some(value).filter(set)?))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(id: &str, variables: &[(&str, &str)]) -> Door {
        let provider = Catalogue::builtin().provider(id).expect("in the catalogue");
        let environment = Environment::given(variables.iter().copied());
        Door::of(provider, &environment, &[])
    }

    #[test]
    fn the_providers_own_url_changes_nothing() {
        let plain = door("openai", &[]);
        assert_eq!(plain.leads_to, "openai");
        for url in ["https://api.openai.com/v1", "https://api.openai.com/v1/", "", "nonsense"] {
            assert_eq!(door("openai", &[("OPENAI_BASE_URL", url)]), plain, "{url}");
        }
    }

    #[test]
    fn another_place_is_kept_without_the_sdks_ending() {
        for (id, variable, url) in [
            ("openai", "OPENAI_BASE_URL", "http://127.0.0.1:4200/openai/v1"),
            ("openai", "OPENAI_API_BASE", "http://127.0.0.1:4200/openai/"),
            ("fireworks", "FIREWORKS_API_BASE", "http://127.0.0.1:4200/fireworks/inference/v1"),
            ("fireworks", "FIREWORKS_BASE_URL", "http://127.0.0.1:4200/fireworks"),
            ("together", "TOGETHER_BASE_URL", "http://127.0.0.1:4200/together/v1"),
        ] {
            let door = door(id, &[(variable, url)]);
            let place = format!("http://127.0.0.1:4200/{id}");
            assert_eq!(door.base_url, Some(place), "{variable}={url}");
            assert_eq!(door.said_by.as_deref(), Some(variable));
        }
    }

    #[test]
    fn an_openai_client_of_another_provider_keeps_its_provider() {
        let door = door("openai", &[("OPENAI_BASE_URL", "https://api.fireworks.ai/inference/v1")]);
        assert_eq!((door.names_of.as_str(), door.leads_to.as_str()), ("openai", "fireworks"));
        let openai = Catalogue::builtin().provider("openai").expect("in the catalogue");
        let variable = base_url_variables(openai).next().expect("one at least");
        let gateway = std::net::SocketAddr::from(([127, 0, 0, 1], 4100));
        assert_eq!(door.url(gateway, variable), "http://127.0.0.1:4100/fireworks/inference/v1");
    }
}
