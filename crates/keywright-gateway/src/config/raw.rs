//! The file exactly as a person types it, with every default.

mod check;
mod sources;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use keywright_core::ring::REPLAY_LIMIT;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{GatewaySettings, IfMissing, KeySettings, PathPolicy, TlsFiles};

pub(super) use check::Files;
use sources::RawSources;

/// keywright.toml
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "keywright.toml")]
pub(super) struct RawConfig {
    /// How the gateway listens, and its limits.
    #[serde(default)]
    gateway: RawGateway,
    /// How keys are read.
    #[serde(default)]
    sources: RawSources,
    /// Programs that print a key, for `cmd://NAME`: program and arguments, no shell. `keywright config allow` allows them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    helper: BTreeMap<String, Spanned<Vec<String>>>,
    /// The providers it may call.
    #[serde(default)]
    provider: Vec<RawProvider>,
    /// Model names of the unified door `/v1`.
    #[serde(default)]
    route: Vec<RawRoute>,
    /// Who may call.
    #[serde(default)]
    virtual_key: Vec<RawVirtualKey>,
}

/// The `[gateway]` table. Its `Default` holds every default.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGateway {
    /// Where callers connect. Beyond loopback it needs virtual keys, and TLS or `allow_plaintext = true`.
    listen: SocketAddr,
    /// Where an operator connects for /healthz, /readyz and /metrics. Loopback only.
    admin: Option<SocketAddr>,
    /// Worker threads; 0 for one a core.
    workers: usize,
    /// Names that the Host header may hold beside loopback names.
    allowed_hosts: Vec<String>,
    /// Allows listening beyond loopback without TLS: something in front must encrypt.
    allow_plaintext: bool,
    /// PEM file with the certificate chain, leaf first; from the working directory when relative, as every path here.
    tls_certificate: Option<PathBuf>,
    /// PEM file with the private key.
    tls_key: Option<PathBuf>,
    /// Until a connection to a provider stands.
    connect_timeout_ms: NonZeroU64,
    /// Until the first byte of an answer. SDKs wait up to 600 s, so shorter cuts them off.
    first_byte_timeout_ms: NonZeroU64,
    /// Between two pieces of a body, either way.
    idle_timeout_ms: NonZeroU64,
    /// For a whole request.
    total_timeout_ms: NonZeroU64,
    /// Until a caller has sent its request head.
    head_timeout_ms: NonZeroU64,
    /// How long a request waits for the look that decides about its only key.
    confirm_timeout_ms: NonZeroU64,
    /// A body up to this size is kept for a second attempt.
    replay_limit_bytes: usize,
    /// All bodies kept at one time.
    replay_total_bytes: usize,
    /// A larger body is refused.
    body_limit_bytes: u64,
    /// A larger request head is refused.
    #[schemars(range(min = 8192))]
    head_limit_bytes: usize,
    /// Connections from callers at one time.
    connection_limit: usize,
    /// How long open requests may take after a stop was asked for.
    drain_timeout_ms: u64,
    /// Whether what happens to keys is noted in the history of this installation; `keywright keys history` shows it.
    history: bool,
    /// Whether the last value of a key that served is kept, encrypted, and stands in when its source gives nothing that works.
    last_known_good: bool,
    /// For how long it may stand in, from when its source last handed it out and it served; at most 720.
    #[schemars(range(min = 1, max = 720))]
    last_known_good_hours: u32,
    /// Whether a person at the terminal is asked for a key when a provider has none left. By default `run` asks
    /// and `serve` does not.
    ask: Option<bool>,
    /// Requests that wait for that person at one time; those beyond are answered at once.
    park_requests: usize,
    /// The bodies of all requests that wait.
    park_bytes: usize,
    /// How long a request waits for that person.
    park_timeout_ms: NonZeroU64,
}

impl Default for RawGateway {
    fn default() -> Self {
        let ms = |ms: u64| NonZeroU64::new(ms).unwrap_or(NonZeroU64::MIN);
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4100)),
            admin: None,
            workers: 0,
            allowed_hosts: Vec::new(),
            allow_plaintext: false,
            tls_certificate: None,
            tls_key: None,
            connect_timeout_ms: ms(5_000),
            first_byte_timeout_ms: ms(600_000),
            idle_timeout_ms: ms(300_000),
            total_timeout_ms: ms(3_600_000),
            head_timeout_ms: ms(10_000),
            confirm_timeout_ms: ms(5_000),
            replay_limit_bytes: REPLAY_LIMIT,
            replay_total_bytes: 256 * MIB,
            // The largest upload that a provider takes is 512 MB; multipart adds a little.
            body_limit_bytes: 600 * MIB as u64,
            head_limit_bytes: 64 * 1024,
            connection_limit: 10_000,
            drain_timeout_ms: 30_000,
            history: true,
            last_known_good: true,
            last_known_good_hours: 7 * 24,
            ask: None,
            park_requests: 100,
            park_bytes: 64 * MIB,
            // Half of what SDKs wait for an answer.
            park_timeout_ms: ms(300_000),
        }
    }
}

impl RawGateway {
    pub(super) fn settings(self) -> GatewaySettings {
        let ms = |ms: NonZeroU64| Duration::from_millis(ms.get());
        GatewaySettings {
            listen: self.listen,
            admin: self.admin,
            workers: self.workers,
            allowed_hosts: self.allowed_hosts,
            tls: self.tls_certificate.zip(self.tls_key).map(|(certificate, key)| TlsFiles { certificate, key }),
            connect_timeout: ms(self.connect_timeout_ms),
            first_byte_timeout: ms(self.first_byte_timeout_ms),
            idle_timeout: ms(self.idle_timeout_ms),
            total_timeout: ms(self.total_timeout_ms),
            head_timeout: ms(self.head_timeout_ms),
            confirm_timeout: ms(self.confirm_timeout_ms),
            replay_limit_bytes: self.replay_limit_bytes,
            replay_total_bytes: self.replay_total_bytes,
            body_limit_bytes: self.body_limit_bytes,
            head_limit_bytes: self.head_limit_bytes.max(SMALLEST_HEAD),
            connection_limit: self.connection_limit.max(1),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms),
            history: self.history,
            last_known_good: self.last_known_good.then(|| {
                Duration::from_secs(u64::from(self.last_known_good_hours) * 3_600).min(keywright::state::LONGEST_RECALL)
            }),
            ask: self.ask,
            park_requests: self.park_requests,
            park_bytes: self.park_bytes,
            park_timeout: ms(self.park_timeout_ms),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    /// A catalogue id: openai, fireworks, together …
    #[schemars(with = "String")]
    id: Spanned<String>,
    /// Keys in order: references, or tables with `ref`, `account`, `project`, `weight`, `if_missing`.
    #[serde(default)]
    #[schemars(with = "Vec<RawKey>")]
    keys: Vec<Spanned<RawKey>>,
    /// Another place for this provider: the emulator, a region, a proxy.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    base_url: Option<Spanned<String>>,
    /// PEM file with certificates that are trusted beside those of the operating system, for this provider only.
    #[serde(default)]
    #[schemars(with = "Option<PathBuf>")]
    ca_certificate: Option<Spanned<PathBuf>>,
    /// `mend` (default) or `verbatim`.
    #[serde(default)]
    paths: PathPolicy,
    /// Whether HTTP/2 is offered upstream.
    #[serde(default = "yes")]
    http2: bool,
    /// Whether a request that may have run may be sent again, and so be billed twice.
    #[serde(default)]
    allow_double_billing: bool,
}

const fn yes() -> bool {
    true
}

/// A key: a reference alone, or with what is known about it.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
enum RawKey {
    Reference(String),
    Table(RawKeyTable),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawKeyTable {
    /// Where the value is found.
    r#ref: String,
    /// The account it belongs to.
    #[serde(default)]
    account: Option<String>,
    /// The project it belongs to.
    #[serde(default)]
    project: Option<String>,
    /// Its share of requests; 0, as without one, for "only when the others cannot" once another key has a weight.
    #[serde(default)]
    #[schemars(with = "u32", extend("default" = 0))]
    weight: Option<u32>,
    /// What it means that its source has no value; as `sources.if_missing` when left out.
    #[serde(default)]
    if_missing: Option<IfMissing>,
}

/// By hand, because the errors of `untagged` name neither the place nor the field.
impl<'de> Deserialize<'de> for RawKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = RawKey;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a reference such as \"env://OPENAI_API_KEY\", or a table with `ref`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawKey, E> {
                Ok(RawKey::Reference(text.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<RawKey, A::Error> {
                RawKeyTable::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(RawKey::Table)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl RawKey {
    /// The share that was written, if one was.
    const fn weight(&self) -> Option<u32> {
        match self {
            Self::Reference(_) => None,
            Self::Table(table) => table.weight,
        }
    }

    fn settings(self, if_missing: IfMissing) -> KeySettings {
        match self {
            Self::Reference(reference) => KeySettings { if_missing, ..KeySettings::new(reference) },
            Self::Table(table) => KeySettings {
                reference: table.r#ref,
                account: table.account,
                project: table.project,
                weight: table.weight.unwrap_or(0),
                if_missing: table.if_missing.unwrap_or(if_missing),
            },
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    /// What an app asks for at /v1.
    model: String,
    /// `provider/model`, in order of preference.
    #[schemars(with = "Vec<String>")]
    to: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawVirtualKey {
    /// Its name in logs and metrics.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// SHA-256 of the token, 64 hex digits; `keywright keys issue NAME` prints it.
    #[schemars(with = "String")]
    sha256: Spanned<String>,
    /// The providers it may use; all when left out.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    providers: Vec<Spanned<String>>,
    /// The models it may use; all when left out.
    #[serde(default)]
    models: Vec<String>,
    /// When it ends: an RFC 3339 date and time in UTC, such as 2027-01-31T00:00:00Z.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    expires: Option<Spanned<toml::value::Datetime>>,
    /// Requests a minute.
    #[serde(default)]
    requests_per_minute: Option<NonZeroU32>,
}

const MIB: usize = 1024 * 1024;
/// hyper needs this much for a head.
const SMALLEST_HEAD: usize = 8_192;
