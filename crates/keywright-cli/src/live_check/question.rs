//! One key, where it is asked about, and the way there.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use keywright::http::{Connector, Origin, Versions};
use keywright::probe::{Target, ask};
use keywright::sources::Environment;
use keywright::survey::network;
use keywright::trust::ExtraTrust;
use keywright_core::inspect::Finding;
use keywright_core::inspect::proxy::Way;
use keywright_core::inspect::reach::{ProxyTrouble, Trouble};
use keywright_core::{Catalogue, ProviderSpec, Secret};
use keywright_gateway::ProviderSettings;

use super::{Heard, Planned};

/// One key, and where it is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Who is asked.
    pub(super) spec: &'static ProviderSpec,
    pub(crate) origin: Origin,
    pub(super) key: Secret,
    pub(super) way: Way,
    /// Certificates that are trusted there, beside the system's.
    trust: Option<PathBuf>,
    /// Organisation and project, as programs here send them.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What was found about the key offline.
    pub(super) known: Vec<Finding>,
}

impl Question {
    /// A question that goes the way of programs here; refused where the key would be shown to others.
    pub(crate) fn new(
        spec: &'static ProviderSpec,
        origin: Origin,
        key: &Secret,
        environment: &Environment,
    ) -> Result<Self, String> {
        if spec.probes.is_empty() {
            return Err(format!("there is no free question to {}", spec.name));
        }
        if !origin.is_encrypted() && Catalogue::builtin().provider_of_host(origin.host()).is_some() {
            return Err("`http://` would show it to everyone on the way".to_owned());
        }
        let way = network::way(environment, &origin);
        Ok(Self { spec, origin, key: key.clone(), way, trust: None, headers: Vec::new(), known: Vec::new() })
    }

    /// The same with what is known about the key.
    #[must_use]
    pub(crate) fn knowing(self, known: &[Finding]) -> Self {
        Self { known: known.to_vec(), ..self }
    }

    /// The same with certificates that are trusted there.
    #[must_use]
    pub(crate) fn trusting(self, certificates: Option<PathBuf>) -> Self {
        Self { trust: certificates, ..self }
    }

    /// The same with headers that go along.
    #[must_use]
    pub(crate) fn with_headers(self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { headers, ..self }
    }

    /// The same as the gateway goes: past every proxy.
    #[must_use]
    pub(crate) fn past_proxies(self) -> Self {
        let way = match self.way {
            Way::Through(proxy) => Way::PassedBy(proxy),
            way @ (Way::Direct | Way::Excepted(_) | Way::Unusable(_) | Way::PassedBy(_)) => way,
        };
        Self { way, ..self }
    }

    /// Whether both ask the same about the same key.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_at_the_place_of(other) && self.headers == other.headers && self.key.matches(&other.key)
    }

    /// Whether both are asked at one place, over one way.
    pub(crate) fn is_at_the_place_of(&self, other: &Self) -> bool {
        self.origin == other.origin && self.trust == other.trust
    }

    /// Asks.
    pub(super) async fn put(&self, limit: Duration) -> Heard {
        let connector = self.connector(limit)?;
        let Self { spec, origin, key, headers, .. } = self;
        Ok(ask(&connector, &Target { provider: spec, origin, key, headers }, limit).await)
    }

    /// What opens connections the way that programs here go.
    pub(crate) fn connector(&self, limit: Duration) -> Result<Connector, Trouble> {
        let trust = self.trust.as_ref().map(|file| ExtraTrust::read(file)).transpose();
        let trust = trust.map_err(|error| Trouble::NothingTrusted(error.to_string()))?.unwrap_or_default();
        // Half of the time is for the connection, so that a silent answer is told from a silent host.
        let connector = Connector::trusting(limit / 2, Versions::default(), &trust).map_err(|error| error.trouble())?;
        connector.on_the_way(&self.way, &self.origin).ok_or(Trouble::Proxy(ProxyTrouble::Foreign))
    }
}

/// A question that goes where a configured provider is.
pub(crate) fn configured(provider: &ProviderSettings, key: &Secret, environment: &Environment) -> Planned {
    let spec = provider.spec().ok_or_else(|| "the provider is not catalogued".to_owned())?;
    let origin = provider.origin().map_err(|_| "`base_url` of the configuration leads nowhere".to_owned())?;
    Ok(Question::new(spec, origin, key, environment)?.trusting(provider.ca_certificate.clone()))
}
