//! Reaches a provider: address, TCP, TLS and the protocol that both sides speak.

mod origin;
mod stream;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keywright_core::Cause;
use keywright_core::inspect::proxy::Way;
use keywright_core::inspect::reach::Step;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use self::origin::{Origin, OriginError};
pub use self::stream::Stream;
use crate::trust::ExtraTrust;
use crate::tunnel::{Tunnel, TunnelError};

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
        origin.is_encrypted() && self.tls.alpn_protocols.len() > 1
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
            Err(ConnectError::TimedOut { host: origin.host().to_owned(), after: self.limit, step: progress.reached() })
        })
    }

    async fn dial(
        &self,
        origin: &Origin,
        tls: &Arc<ClientConfig>,
        progress: &Progress,
    ) -> Result<Stream, ConnectError> {
        let tcp = match &self.tunnel {
            None => dial_tcp(origin.host(), origin.port(), progress).await?,
            Some(tunnel) => {
                progress.reach(Step::Proxy);
                let opened = tunnel.open(origin.host(), origin.port()).await;
                opened.map_err(|source| ConnectError::Proxy { host: origin.host().to_owned(), source })?
            }
        };
        if !origin.is_encrypted() {
            return Ok(Stream::Plain(tcp));
        }
        progress.reach(Step::Tls);
        let tls_error = |source| ConnectError::Tls { host: origin.host().to_owned(), source };
        let name =
            ServerName::try_from(origin.host().to_owned()).map_err(|error| tls_error(io::Error::other(error)))?;
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
