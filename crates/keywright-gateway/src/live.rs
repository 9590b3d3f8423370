//! What every request sees: one snapshot of providers, keys, routes and callers.
//!
//! A reader takes the snapshot once and never waits. Keys are shared between snapshots, so their
//! state survives a reload: it is bound to the key's value, not to its place in a list.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use keywright::http::{Connector, Origin, Versions};
use keywright::sources::Resolver;
use keywright::state::Memory;
use keywright::trust::ExtraTrust;
use keywright_core::{ProviderSpec, Secret, token};

use crate::config::{Config, GatewaySettings, PathPolicy, ProviderSettings};
use crate::key::{Key, KeyValue, Loaded, Unreadable};
use crate::limiter::Limiter;
use crate::metrics::Traffic;
use crate::pool::Pool;
use crate::start::StartError;

/// One snapshot of everything that a request needs.
pub(crate) struct Live {
    pub(crate) settings: GatewaySettings,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) routes: BTreeMap<String, Vec<(String, String)>>,
    pub(crate) callers: Callers,
}

/// What the source of a key handed out while a snapshot was built.
pub(crate) struct HandedOut {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) key: Arc<Key>,
    pub(crate) value: Result<KeyValue, Unreadable>,
}

/// One provider that is set up to be called.
pub(crate) struct Upstream {
    pub(crate) spec: &'static ProviderSpec,
    pub(crate) id: String,
    pub(crate) origin: Origin,
    /// As configured, in order.
    pub(crate) keys: Vec<Arc<Key>>,
    /// What people gave since, when no other was left. They survive a reload.
    pub(crate) given: Arc<ArcSwap<Vec<Arc<Key>>>>,
    pub(crate) paths: PathPolicy,
    pub(crate) double_billing: bool,
    pub(crate) connector: Connector,
    /// Idle connections, one pool a worker.
    pub(crate) pools: Vec<Pool>,
    pub(crate) auth_name: HeaderName,
    pub(crate) fixed_headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) tenant_headers: Vec<HeaderName>,
    /// The provider's id, as `x-keywright-provider` tells it.
    pub(crate) id_header: HeaderValue,
    pub(crate) host_header: HeaderValue,
    pub(crate) traffic: Arc<Traffic>,
    /// Rises whenever the standing of one of the keys changes.
    pub(crate) changes: Arc<tokio::sync::watch::Sender<u64>>,
    /// The sum of all weights.
    pub(crate) total_weight: u64,
}

/// Who may call.
pub(crate) struct Callers {
    /// By SHA-256 of the token.
    pub(crate) by_digest: HashMap<[u8; 32], Arc<Caller>>,
    /// Whether anyone may call: nothing is configured and the listener is on loopback.
    pub(crate) open: bool,
}

/// One caller.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) providers: Vec<String>,
    pub(crate) models: Vec<String>,
    pub(crate) expires_at: Option<u64>,
    pub(crate) limiter: Option<Limiter>,
}

impl Live {
    /// Builds a snapshot. Keys of `before` that have the same reference keep their value and their state; what their
    /// sources hand out now comes beside the snapshot.
    pub(crate) async fn build(
        config: &Config,
        resolver: &Resolver,
        memory: Option<&Memory>,
        run_token: Option<&Secret>,
        workers: usize,
        before: Option<&Self>,
    ) -> Result<(Self, Vec<HandedOut>), StartError> {
        resolver.adopt(&config.sources);
        let mut upstreams = Vec::with_capacity(config.providers.len());
        let mut handed_out = Vec::new();
        for settings in &config.providers {
            let old = before.and_then(|live| live.upstream(&settings.id));
            // A provider that is new in a reload has no keys before.
            let before = before.map(|_| old.map_or(&[][..], |old| old.keys.as_slice()));
            let spec = spec(settings)?;
            let loads = settings.keys.iter().map(|key| Key::load(key, spec, resolver, memory, before));
            let loaded = futures_util::future::try_join_all(loads).await?;
            let keys = loaded.iter().map(|loaded| Arc::clone(&loaded.key)).collect();
            let upstream = Arc::new(Upstream::build(settings, &config.gateway, keys, workers, old)?);
            handed_out.extend(loaded.into_iter().filter_map(|Loaded { key, handed_out }| {
                Some(HandedOut { upstream: Arc::clone(&upstream), key, value: handed_out? })
            }));
            upstreams.push(upstream);
        }
        let live = Self {
            settings: config.gateway.clone(),
            upstreams,
            routes: config.route_table(),
            callers: Callers::build(config, run_token),
        };
        Ok((live, handed_out))
    }

    /// The upstream of a provider id.
    pub(crate) fn upstream(&self, id: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.iter().find(|upstream| upstream.id == id)
    }

    /// All keys of all upstreams.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&Arc<Upstream>, Arc<Key>)> {
        self.upstreams.iter().flat_map(|upstream| upstream.ring().into_iter().map(move |key| (upstream, key)))
    }
}

impl Upstream {
    fn build(
        settings: &ProviderSettings,
        gateway: &GatewaySettings,
        keys: Vec<Arc<Key>>,
        workers: usize,
        old: Option<&Arc<Self>>,
    ) -> Result<Self, StartError> {
        let spec = spec(settings)?;
        let origin = settings.origin().map_err(|source| StartError::BaseUrl { id: settings.id.clone(), source })?;
        let versions = if settings.http2 { Versions::Both } else { Versions::Http1 };
        let trust = settings.ca_certificate.as_deref().map(ExtraTrust::read).transpose();
        let trust = trust.map_err(|source| StartError::CaCertificate { id: settings.id.clone(), source })?;
        let connector = Connector::trusting(gateway.connect_timeout, versions, &trust.unwrap_or_default())?;
        let name = |text: &str| {
            HeaderName::try_from(text).map_err(|_| StartError::UnknownProvider { id: settings.id.clone() })
        };
        let value = |text: &str| {
            HeaderValue::try_from(text).map_err(|_| StartError::UnknownProvider { id: settings.id.clone() })
        };
        let fixed_headers = spec
            .http
            .headers
            .iter()
            .map(|fixed| Ok((name(&fixed.name)?, value(&fixed.value)?)))
            .collect::<Result<_, StartError>>()?;
        Ok(Self {
            spec,
            id: settings.id.clone(),
            id_header: value(&settings.id)?,
            host_header: value(origin.authority().as_str())?,
            auth_name: HeaderName::from_static(spec.http.auth.name()),
            tenant_headers: spec.http.tenant_headers.iter().map(|header| name(header)).collect::<Result<_, _>>()?,
            fixed_headers,
            origin,
            total_weight: keys.iter().map(|key| u64::from(key.weight)).sum(),
            keys,
            given: old.map_or_else(Arc::default, |old| Arc::clone(&old.given)),
            paths: settings.paths,
            double_billing: settings.allow_double_billing,
            connector,
            pools: (0..workers).map(|_| Pool::default()).collect(),
            traffic: old.map_or_else(Arc::default, |old| Arc::clone(&old.traffic)),
            changes: old.map_or_else(|| Arc::new(tokio::sync::watch::Sender::new(0)), |old| Arc::clone(&old.changes)),
        })
    }

    /// Tells requests that wait for a verdict that something changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    /// Every key: as configured, then those that people gave.
    pub(crate) fn ring(&self) -> Vec<Arc<Key>> {
        self.keys.iter().cloned().chain(self.given.load().iter().cloned()).collect()
    }

    /// Whether callers' own credentials go through: no key is configured.
    pub(crate) fn passes_through(&self) -> bool {
        self.keys.is_empty()
    }
}

fn spec(settings: &ProviderSettings) -> Result<&'static ProviderSpec, StartError> {
    settings.spec().ok_or_else(|| StartError::UnknownProvider { id: settings.id.clone() })
}

impl Callers {
    fn build(config: &Config, run_token: Option<&Secret>) -> Self {
        let mut by_digest = HashMap::new();
        for key in &config.virtual_keys {
            let caller = Caller {
                name: key.name.clone(),
                providers: key.providers.clone(),
                models: key.models.clone(),
                expires_at: key.expires_at,
                limiter: key.requests_per_minute.map(Limiter::per_minute),
            };
            by_digest.insert(key.sha256, Arc::new(caller));
        }
        if let Some(token) = run_token {
            by_digest.insert(token::digest(token.expose()), Arc::new(Caller::run()));
        }
        let open = by_digest.is_empty() && config.gateway.listen.ip().is_loopback();
        Self { by_digest, open }
    }
}

impl Caller {
    /// The program that `keywright run` started.
    fn run() -> Self {
        Self { name: "run".to_owned(), providers: Vec::new(), models: Vec::new(), expires_at: None, limiter: None }
    }

    /// Anyone on this machine.
    pub(crate) fn anyone() -> Self {
        Self { name: "anyone".to_owned(), ..Self::run() }
    }
}
