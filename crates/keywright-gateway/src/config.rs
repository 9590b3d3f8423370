//! The configuration: what a person types, checked once, so that a value of [`Config`] is valid.

mod problem;
mod raw;
mod restart;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use keywright::http::Origin;
use keywright::sources::SourceSettings;
use keywright_core::{Catalogue, ProviderSpec};

pub use problem::ConfigProblem;

/// The gateway's configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// How the gateway listens, and its limits.
    pub gateway: GatewaySettings,
    /// How keys are read. Its helpers are not allowed until the caller says so.
    pub sources: SourceSettings,
    /// The providers it may call, in order.
    pub providers: Vec<ProviderSettings>,
    /// Model names of the unified door.
    pub routes: Vec<RouteSettings>,
    /// Who may call. Empty lets anyone on this machine call.
    pub virtual_keys: Vec<VirtualKeySettings>,
    /// What works, and probably not as it was meant. Nothing is kept from starting by it.
    pub warnings: Vec<ConfigProblem>,
}

/// How the gateway listens, and its limits.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// Where an operator connects for health and metrics; `None` for no such listener.
    pub admin: Option<SocketAddr>,
    /// Worker threads; 0 for one a core.
    pub workers: usize,
    /// Names that the `Host` header may hold beside loopback names. Empty, when not on loopback, allows any.
    pub allowed_hosts: Vec<String>,
    /// Certificate chain and private key, PEM files.
    pub tls: Option<TlsFiles>,
    /// Until a connection to a provider stands.
    pub connect_timeout: Duration,
    /// Until the first byte of an answer.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a body, either way.
    pub idle_timeout: Duration,
    /// For a whole request.
    pub total_timeout: Duration,
    /// Until a caller has sent its request head.
    pub head_timeout: Duration,
    /// How long a request waits for the look that decides about its only key.
    pub confirm_timeout: Duration,
    /// A body up to this size is kept for a second attempt; a larger one is streamed once.
    pub replay_limit_bytes: usize,
    /// All bodies kept at one time.
    pub replay_total_bytes: usize,
    /// A larger body is refused.
    pub body_limit_bytes: u64,
    /// A larger request head is refused.
    pub head_limit_bytes: usize,
    /// Connections from callers at one time.
    pub connection_limit: usize,
    /// How long open requests may take after a stop was asked for.
    pub drain_timeout: Duration,
    /// Whether what happens to keys is noted in the history of this installation. Read at the start only.
    pub history: bool,
    /// For how long the last value of a key that served is kept, to stand in when its source gives nothing that works;
    /// `None` keeps none. Read at the start only.
    pub last_known_good: Option<Duration>,
    /// Whether a person at the terminal is asked for a key when none is left; `None` leaves it to the command.
    pub ask: Option<bool>,
    /// Requests that wait for that person at one time; those beyond get their answer at once.
    pub park_requests: usize,
    /// The bodies of all requests that wait.
    pub park_bytes: usize,
    /// How long a request waits.
    pub park_timeout: Duration,
}

/// Certificate chain and private key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        raw::RawGateway::default().settings()
    }
}

/// One provider that the gateway may call.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// A catalogue id.
    pub id: String,
    /// Its keys, in order of preference. Empty passes the caller's own credential on.
    pub keys: Vec<KeySettings>,
    /// Another place for this provider, instead of the catalogued origin.
    pub base_url: Option<String>,
    /// PEM file with certificates that are trusted beside those of the operating system, for this provider
    /// only. A relative path begins at the working directory.
    pub ca_certificate: Option<PathBuf>,
    /// Whether paths are mended.
    pub paths: PathPolicy,
    /// Which HTTP versions are offered upstream.
    pub http2: bool,
    /// Whether a request that may have run upstream may be sent again. It may then be billed twice.
    pub allow_double_billing: bool,
}

impl ProviderSettings {
    /// A provider with these references as its keys, and defaults for the rest.
    pub fn new(id: impl Into<String>, references: impl IntoIterator<Item = String>) -> Self {
        Self {
            id: id.into(),
            keys: references.into_iter().map(KeySettings::new).collect(),
            base_url: None,
            ca_certificate: None,
            paths: PathPolicy::Mend,
            http2: true,
            allow_double_billing: false,
        }
    }

    /// What the catalogue knows about it.
    pub fn spec(&self) -> Option<&'static ProviderSpec> {
        Catalogue::builtin().provider(&self.id)
    }

    /// Where it is reached.
    pub fn origin(&self) -> Result<Origin, keywright::http::OriginError> {
        let spec = self.spec();
        let sdk_base = spec.map_or("", |spec| spec.http.sdk_base.as_str());
        let catalogued = spec.map_or("", |spec| spec.http.origin.as_str());
        Origin::parse(self.base_url.as_deref().unwrap_or(catalogued), sdk_base)
    }
}

/// Whether paths are mended before they go upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathPolicy {
    /// Doubled versions, missing versions and missing prefixes are mended.
    #[default]
    Mend,
    /// What follows `/{provider}` goes upstream as it is.
    Verbatim,
}

/// One key of a provider.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Where the value is found: `env://NAME`, `dotenv://FILE#NAME`, `file:///PATH`.
    pub reference: String,
    /// The account it belongs to. Keys without one are taken to belong to accounts of their own.
    pub account: Option<String>,
    /// The project it belongs to. Keys without one are taken to share one project.
    pub project: Option<String>,
    /// Its share of requests, relative to the other keys; 0 for "only when those before it are out".
    pub weight: u32,
    /// What it means that its source has no value.
    pub if_missing: IfMissing,
}

/// What it means that a source has no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfMissing {
    /// Nothing starts without it.
    Error,
    /// It is told, and the key is out until its source has a value.
    #[default]
    Warn,
    /// It is not told; the key is out until its source has a value.
    Ignore,
}

impl KeySettings {
    /// A key by reference alone.
    pub fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into(), account: None, project: None, weight: 0, if_missing: IfMissing::Warn }
    }
}

/// One model name of the unified door.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// What an app asks for.
    pub model: String,
    /// `provider/model`, in order of preference.
    pub to: Vec<(String, String)>,
}

/// One caller.
#[derive(Clone, Debug)]
pub struct VirtualKeySettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// The SHA-256 of the token.
    pub sha256: [u8; 32],
    /// The providers it may use; empty allows all.
    pub providers: Vec<String>,
    /// The models it may use; empty allows all.
    pub models: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
}

impl Config {
    /// Reads a configuration file's text. Every problem that can be found at once is returned.
    ///
    /// The files that it names are not opened.
    pub fn parse(text: &str) -> Result<Self, Vec<ConfigProblem>> {
        Self::read(text, raw::Files::Unopened)
    }

    /// As [`Config::parse`]; problems of the certificate files that it names are returned too.
    pub fn check(text: &str) -> Result<Self, Vec<ConfigProblem>> {
        Self::read(text, raw::Files::Opened)
    }

    fn read(text: &str, files: raw::Files) -> Result<Self, Vec<ConfigProblem>> {
        let raw: raw::RawConfig = toml::from_str(text).map_err(|error| vec![ConfigProblem::of_toml(text, &error)])?;
        raw.checked(text, files)
    }

    /// The JSON Schema of the file.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(raw::RawConfig).into()
    }

    /// A commented file to start from.
    pub const fn sample() -> &'static str {
        include_str!("config/sample.toml")
    }

    /// The routes by model name.
    pub(crate) fn route_table(&self) -> BTreeMap<String, Vec<(String, String)>> {
        self.routes.iter().map(|route| (route.model.clone(), route.to.clone())).collect()
    }
}

#[cfg(test)]
mod tests;
