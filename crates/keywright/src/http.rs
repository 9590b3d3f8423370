//! Reaches a provider: address, TCP, TLS and the protocol that both sides speak.

mod stream;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::uri::{Authority, Scheme, Uri};
use keywright_core::inspect::base_url::{variables, without_ending};
use keywright_core::inspect::proxy::Way;
use keywright_core::inspect::reach::Step;
use keywright_core::{Cause, ProviderSpec};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use self::stream::Stream;
use crate::sources::Environment;
use crate::trust::ExtraTrust;
use crate::tunnel::{Tunnel, TunnelError};

/// Where a provider is reached: scheme, host, port and a path prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    encrypted: bool,
    host: String,
    port: u16,
    authority: Authority,
    prefix: String,
}

/// A URL that cannot be an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is not a URL.
    #[error("`{0}` is not a URL")]
    NotAUrl(String),
    /// Its scheme is missing or neither `http` nor `https`.
    #[error("`{0}` does not begin with `http://` or `https://`")]
    Scheme(String),
    /// It carries a user name, a password or a query, where keys leak.
    #[error("a base URL holds no user name, password or query")]
    Extra,
}

impl Origin {
    /// Parses a base URL. `sdk_base`, the usual end of the provider's base URLs (`/v1`), may be part of
    /// it or not: both mean the same place.
    pub fn parse(url: &str, sdk_base: &str) -> Result<Self, OriginError> {
        let uri: Uri = url.trim().parse().map_err(|_| OriginError::NotAUrl(url.to_owned()))?;
        let encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(OriginError::Scheme(url.to_owned())),
        };
        let authority = uri.authority().cloned().ok_or_else(|| OriginError::NotAUrl(url.to_owned()))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(OriginError::Extra);
        }
        let path = uri.path().trim_end_matches('/');
        let prefix = path.strip_suffix(sdk_base.trim_end_matches('/')).unwrap_or(path).to_owned();
        let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self { encrypted, host, port, authority, prefix })
    }

    /// Where a client of this provider goes: the base URL that it was given, else what the variables say that the provider's
    /// clients read, else the provider itself.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn of_client(
        provider: &ProviderSpec,
        given: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, OriginError> {
        let set = |name: &str| environment.text(name).filter(|value| !value.trim().is_empty());
        let of_environment = || {
            variables(provider)
                .find_map(|variable| Some(without_ending(&set(&variable.name)?, provider, &variable.name)))
        };
        let url = given.map(str::to_owned).or_else(of_environment).unwrap_or_else(|| provider.http.origin.clone());
        Self::parse(&url, &provider.http.sdk_base)
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is reached over TLS.
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Host and port as the `Host` header writes them.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The path before the provider's own paths; empty for the providers themselves.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        if self.encrypted { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.prefix)
    }
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot resolve `{host}`")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("cannot connect to `{host}:{port}`")]
    Refused {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("no TLS with `{host}`")]
    Tls {
        /// The host.
        host: String,
        /// What went wrong, such as an unknown issuer.
        source: io::Error,
    },
    /// It took too long.
    #[error("no connection to `{host}` within {after:?}")]
    TimedOut {
        /// The host.
        host: String,
        /// The limit.
        after: Duration,
        /// What was waited for.
        step: Step,
    },
    /// The proxy on the way did not pass it on.
    #[error("no way to `{host}`: {source}")]
    Proxy {
        /// The host.
        host: String,
        /// What the proxy did.
        source: TunnelError,
    },
    /// The first exchange of HTTP failed.
    #[error("`{host}` does not speak HTTP")]
    Http {
        /// The host.
        host: String,
        /// What hyper said.
        source: hyper::Error,
    },
    /// No trusted certificates could be loaded.
    #[error("no trusted certificates on this machine")]
    Trust(#[source] rustls::Error),
}

impl ConnectError {
    /// The cause that leads to its page.
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Resolve { .. } | Self::Refused { .. } | Self::Http { .. } => Cause::Network,
            Self::Tls { .. } | Self::Trust(_) => Cause::Tls,
            Self::TimedOut { .. } => Cause::Timeout,
            Self::Proxy { .. } => Cause::Proxy,
        }
    }
}

/// Which HTTP versions are offered upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2 where the other side agrees, else HTTP/1.1.
    #[default]
    Both,
    /// HTTP/1.1 only.
    Http1,
}

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    tls: Arc<ClientConfig>,
    tls_http1: Arc<ClientConfig>,
    limit: Duration,
    tunnel: Option<Arc<Tunnel>>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector that trusts what the operating system trusts.
    pub fn new(limit: Duration, versions: Versions) -> Result<Self, ConnectError> {
        Self::trusting(limit, versions, &ExtraTrust::default())
    }

    /// A connector that trusts what the operating system trusts, and more.
    pub fn trusting(limit: Duration, versions: Versions, extra: &ExtraTrust) -> Result<Self, ConnectError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = extra.verifier(Arc::clone(&provider)).map_err(ConnectError::Trust)?;
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ConnectError::Trust)?
            .dangerous() // Only the platform's verifier takes this way: it is no weaker than the usual one.
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        tls.alpn_protocols = vec![HTTP1.to_vec()];
        let tls_http1 = Arc::new(tls.clone());
        if versions == Versions::Both {
            tls.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        }
        Ok(Self { tls: Arc::new(tls), tls_http1, limit, tunnel: None })
    }

    /// The same, going to an origin the way that programs here go. A plain address is always reached directly: a proxy would
    /// read the key.
    ///
    /// None where a proxy stands in the way that wants TLS or SOCKS: neither is spoken here.
    pub fn on_the_way(&self, way: &Way, origin: &Origin) -> Option<Self> {
        let tunnel = match way {
            Way::Through(proxy) if origin.is_encrypted() => Some(Arc::new(Tunnel::of(proxy)?)),
            Way::Through(_) | Way::PassedBy(_) | Way::Direct | Way::Excepted(_) | Way::Unusable(_) => None,
        };
        Some(Self { tunnel, ..self.clone() })
    }

    /// Whether a connection to this place may turn out to speak HTTP/2.
    pub fn may_speak_http2(&self, origin: &Origin) -> bool {
        origin.encrypted && self.tls.alpn_protocols.len() > 1
    }

    /// Opens a connection within the limit.
    pub async fn connect(&self, origin: &Origin) -> Result<Stream, ConnectError> {
        self.within_limit(origin, &self.tls).await
    }

    /// Opens a connection that speaks HTTP/1.1, as upgrades need it, within the limit.
    pub async fn connect_http1(&self, origin: &Origin) -> Result<Stream, ConnectError> {
        self.within_limit(origin, &self.tls_http1).await
    }

    async fn within_limit(&self, origin: &Origin, tls: &Arc<ClientConfig>) -> Result<Stream, ConnectError> {
        let progress = Progress::default();
        let limited = tokio::time::timeout(self.limit, self.dial(origin, tls, &progress)).await;
        limited.unwrap_or_else(|_| {
            Err(ConnectError::TimedOut { host: origin.host.clone(), after: self.limit, step: progress.reached() })
        })
    }

    async fn dial(
        &self,
        origin: &Origin,
        tls: &Arc<ClientConfig>,
        progress: &Progress,
    ) -> Result<Stream, ConnectError> {
        let tcp = match &self.tunnel {
            None => dial_tcp(&origin.host, origin.port, progress).await?,
            Some(tunnel) => {
                progress.reach(Step::Proxy);
                let opened = tunnel.open(&origin.host, origin.port).await;
                opened.map_err(|source| ConnectError::Proxy { host: origin.host.clone(), source })?
            }
        };
        if !origin.encrypted {
            return Ok(Stream::Plain(tcp));
        }
        progress.reach(Step::Tls);
        let tls_error = |source| ConnectError::Tls { host: origin.host.clone(), source };
        let name = ServerName::try_from(origin.host.clone()).map_err(|error| tls_error(io::Error::other(error)))?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(tls_error)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// How far opening a connection came.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<Step>);

impl Default for Progress {
    fn default() -> Self {
        Self(Mutex::new(Step::Address))
    }
}

impl Progress {
    fn reach(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    fn reached(&self) -> Step {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn dial_tcp(host: &str, port: u16, progress: &Progress) -> Result<TcpStream, ConnectError> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?;
    progress.reach(Step::Connection);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                // Requests are small and answers wait for them; a failure here costs only time.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Refused { host: host.to_owned(), port, source: last })
}

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_may_end_in_the_sdk_base_or_not() {
        for url in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com/v1",
            "https://api.example.com/v1/",
        ] {
            let origin = Origin::parse(url, "/v1").expect("a URL");
            assert_eq!(origin.to_string(), "https://api.example.com", "{url}");
        }
        let local = Origin::parse("http://127.0.0.1:4200/openai", "/v1").expect("a URL");
        assert_eq!((local.prefix(), local.authority().as_str()), ("/openai", "127.0.0.1:4200"));
    }

    #[test]
    fn a_client_goes_where_it_is_told_else_where_the_variables_lead_else_to_the_provider() {
        let cases = [
            ("openai", None, None, "https://api.openai.com"),
            ("openai", None, Some(("OPENAI_BASE_URL", "https://proxy.example/v1")), "https://proxy.example"),
            ("openai", None, Some(("OPENAI_API_BASE", "https://proxy.example/v1")), "https://proxy.example"),
            ("openai", None, Some(("OPENAI_BASE_URL", "  ")), "https://api.openai.com"),
            ("fireworks", None, Some(("FIREWORKS_BASE_URL", "https://proxy.example")), "https://proxy.example"),
            (
                "fireworks",
                None,
                Some(("FIREWORKS_API_BASE", "https://proxy.example/inference/v1")),
                "https://proxy.example",
            ),
            (
                "fireworks",
                None,
                Some(("FIREWORKS_API_BASE", "https://proxy.example/inference")),
                "https://proxy.example",
            ),
            (
                "openai",
                Some("https://given.example/v1"),
                Some(("OPENAI_BASE_URL", "https://proxy.example")),
                "https://given.example",
            ),
        ];
        for (id, given, set, expected) in cases {
            let provider = keywright_core::Catalogue::builtin().provider(id).expect("in the catalogue");
            let origin = Origin::of_client(provider, given, &Environment::given(set)).expect("a URL");
            assert_eq!(origin.to_string(), expected, "{given:?} {set:?}");
        }
    }

    #[test]
    fn a_bad_base_url_is_refused() {
        assert!(matches!(
            Origin::parse("api.example.com/v1", "/v1"),
            Err(OriginError::Scheme(_) | OriginError::NotAUrl(_))
        ));
        assert!(matches!(Origin::parse("ftp://a", ""), Err(OriginError::Scheme(_))));
        assert_eq!(Origin::parse("https://u:p@host/v1", "/v1"), Err(OriginError::Extra));
        assert_eq!(Origin::parse("https://host/v1?key=1", "/v1"), Err(OriginError::Extra));
    }
}
