//! The file exactly as a person types it, with every default, and the checks that make it a [`Config`].

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use keywright::sources::near;
use keywright_core::Catalogue;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    Config, ConfigProblem, GatewaySettings, KeySettings, PathPolicy, ProviderSettings, RouteSettings, TlsFiles,
    VirtualKeySettings,
};

/// keywright.toml
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "keywright.toml")]
pub(super) struct RawConfig {
    /// How the gateway listens, and its limits.
    #[serde(default)]
    gateway: RawGateway,
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
    /// PEM file with the certificate chain.
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
            replay_limit_bytes: 32 * MIB,
            replay_total_bytes: 256 * MIB,
            // The largest upload that a provider takes is 512 MB; multipart adds a little.
            body_limit_bytes: 600 * MIB as u64,
            head_limit_bytes: 64 * 1024,
            connection_limit: 10_000,
            drain_timeout_ms: 30_000,
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
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    /// A catalogue id: openai, fireworks, together …
    #[schemars(with = "String")]
    id: Spanned<String>,
    /// Keys in order: references, or tables with `ref`, `account`, `project`, `weight`.
    #[serde(default)]
    #[schemars(with = "Vec<RawKey>")]
    keys: Vec<Spanned<RawKey>>,
    /// Another place for this provider: the emulator, a region, a proxy.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    base_url: Option<Spanned<String>>,
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
    /// Its share of requests.
    #[serde(default)]
    weight: u32,
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
    fn settings(self) -> KeySettings {
        match self {
            Self::Reference(reference) => KeySettings::new(reference),
            Self::Table(table) => KeySettings {
                reference: table.r#ref,
                account: table.account,
                project: table.project,
                weight: table.weight,
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

/// Collects problems while the checked value is built.
struct Check<'t> {
    text: &'t str,
    problems: Vec<ConfigProblem>,
}

impl Check<'_> {
    fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, help: Option<String>) {
        self.problems.push(ConfigProblem::at(self.text, Some(at.span().start), message, help));
    }

    fn general(&mut self, message: &str, help: &str) {
        self.problems.push(ConfigProblem::at(self.text, None, message, Some(help.to_owned())));
    }
}

impl RawConfig {
    pub(super) fn checked(self, text: &str) -> Result<Config, Vec<ConfigProblem>> {
        let mut check = Check { text, problems: Vec::new() };
        check_listen(&self.gateway, self.virtual_key.is_empty(), &mut check);
        let providers: Vec<_> = self.provider.into_iter().map(|raw| provider(raw, &mut check)).collect();
        check_unique(&providers, &mut check);
        let routes = self.route.into_iter().map(|raw| route(raw, &providers, &mut check)).collect();
        let virtual_keys = self.virtual_key.into_iter().map(|raw| virtual_key(raw, &mut check)).collect();
        if check.problems.is_empty() {
            Ok(Config { gateway: self.gateway.settings(), providers, routes, virtual_keys })
        } else {
            Err(check.problems)
        }
    }
}

fn check_listen(gateway: &RawGateway, open: bool, check: &mut Check<'_>) {
    if gateway.tls_certificate.is_some() != gateway.tls_key.is_some() {
        check.general(
            "TLS needs both a certificate and its key",
            "set both `gateway.tls_certificate` and `gateway.tls_key`",
        );
    }
    if gateway.admin.is_some_and(|admin| !admin.ip().is_loopback()) {
        check.general("the admin listener is beyond loopback", "use 127.0.0.1 in `gateway.admin`");
    }
    if gateway.listen.ip().is_loopback() {
        return;
    }
    if open {
        let help = "add a [[virtual_key]] (`keywright keys issue NAME` makes one), or listen on 127.0.0.1";
        check.general("anyone who reaches this address could use the keys", help);
    }
    if gateway.tls_certificate.is_none() && !gateway.allow_plaintext {
        let help = "set `gateway.tls_certificate` and `gateway.tls_key`, or `gateway.allow_plaintext = true` behind something that encrypts";
        check.general("listening beyond loopback without TLS", help);
    }
}

fn provider(raw: RawProvider, check: &mut Check<'_>) -> ProviderSettings {
    let catalogue = Catalogue::builtin();
    if catalogue.provider(raw.id.get_ref()).is_none() {
        let near = near(raw.id.get_ref(), catalogue.providers().iter().map(|known| known.id.as_str()));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        check.problem(&raw.id, format!("unknown provider `{}`", raw.id.get_ref()), help);
    }
    let keys = raw.keys.into_iter().map(|key| self::key(key, check)).collect();
    let settings = ProviderSettings {
        id: raw.id.into_inner(),
        keys,
        base_url: raw.base_url.as_ref().map(|url| url.get_ref().clone()),
        paths: raw.paths,
        http2: raw.http2,
        allow_double_billing: raw.allow_double_billing,
    };
    if let (Some(url), Err(error)) = (&raw.base_url, settings.origin()) {
        check.problem(url, error.to_string(), Some("write it as `https://host/path`".to_owned()));
    }
    settings
}

fn key(raw: Spanned<RawKey>, check: &mut Check<'_>) -> KeySettings {
    let span = raw.span();
    let settings = raw.into_inner().settings();
    if let Err(error) = settings.reference.parse::<keywright::sources::Reference>() {
        let help = Some("name the place instead, such as \"env://OPENAI_API_KEY\"".to_owned());
        check.problems.push(ConfigProblem::at(check.text, Some(span.start), error.to_string(), help));
    }
    settings
}

fn check_unique(providers: &[ProviderSettings], check: &mut Check<'_>) {
    let mut seen = HashSet::new();
    for provider in providers {
        if !seen.insert(provider.id.as_str()) {
            check.general(
                &format!("provider `{}` stands twice", provider.id),
                "put all of its keys into one [[provider]]",
            );
        }
    }
}

fn route(raw: RawRoute, providers: &[ProviderSettings], check: &mut Check<'_>) -> RouteSettings {
    let mut to = Vec::new();
    for target in raw.to {
        match target.get_ref().split_once('/') {
            Some((id, model)) if providers.iter().any(|provider| provider.id == id) && !model.is_empty() => {
                to.push((id.to_owned(), model.to_owned()));
            }
            Some((id, _)) => {
                let near = near(id, providers.iter().map(|provider| provider.id.as_str()));
                let help = near.map_or_else(
                    || "add a [[provider]] with this id".to_owned(),
                    |near| format!("did you mean `{near}/…`?"),
                );
                check.problem(
                    &target,
                    format!("route `{}` names `{id}`, which is no configured provider", raw.model),
                    Some(help),
                );
            }
            None => check.problem(&target, "a route's target is `provider/model`", None),
        }
    }
    RouteSettings { model: raw.model, to }
}

fn virtual_key(raw: RawVirtualKey, check: &mut Check<'_>) -> VirtualKeySettings {
    let sha256 = hex32(raw.sha256.get_ref()).unwrap_or_else(|| {
        let help = Some(format!(
            "`keywright keys issue {}` prints it; the token itself never stands here",
            raw.name.get_ref()
        ));
        check.problem(&raw.sha256, "`sha256` is 64 hex digits", help);
        [0; 32]
    });
    for provider in &raw.providers {
        if Catalogue::builtin().provider(provider.get_ref()).is_none() {
            check.problem(provider, format!("unknown provider `{}`", provider.get_ref()), None);
        }
    }
    let expires_at = raw.expires.and_then(|expires| {
        let seconds = unix_seconds(expires.get_ref());
        if seconds.is_none() {
            check.problem(
                &expires,
                "`expires` needs a date, a time and an offset",
                Some("write 2027-01-31T00:00:00Z".to_owned()),
            );
        }
        seconds
    });
    VirtualKeySettings {
        name: raw.name.into_inner(),
        sha256,
        providers: raw.providers.into_iter().map(Spanned::into_inner).collect(),
        models: raw.models,
        expires_at,
        requests_per_minute: raw.requests_per_minute.map(NonZeroU32::get),
    }
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Seconds since 1970 of a full date-time; days by the civil calendar.
fn unix_seconds(datetime: &toml::value::Datetime) -> Option<u64> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let minutes = match offset {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    u64::try_from(days * 86_400 + seconds - minutes * 60).ok()
}

const MIB: usize = 1024 * 1024;
/// hyper needs this much for a head.
const SMALLEST_HEAD: usize = 8_192;
