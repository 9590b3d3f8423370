//! Reaches a provider: address, TCP, TLS and the protocol that both sides speak.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Scheme, Uri};
use keywright_core::Cause;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::trust::ExtraTrust;

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
        Ok(Self { tls: Arc::new(tls), tls_http1, limit })
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
        tokio::time::timeout(self.limit, dial(origin, tls))
            .await
            .unwrap_or_else(|_| Err(ConnectError::TimedOut { host: origin.host.clone(), after: self.limit }))
    }
}

async fn dial(origin: &Origin, tls: &Arc<ClientConfig>) -> Result<Stream, ConnectError> {
    let tcp = dial_tcp(&origin.host, origin.port).await?;
    if !origin.encrypted {
        return Ok(Stream::Plain(tcp));
    }
    let tls_error = |source| ConnectError::Tls { host: origin.host.clone(), source };
    let name = ServerName::try_from(origin.host.clone()).map_err(|error| tls_error(io::Error::other(error)))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(tls_error)?;
    Ok(Stream::Tls(Box::new(stream)))
}

async fn dial_tcp(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?;
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

/// A connection, encrypted or not.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether both sides agreed on HTTP/2.
    pub fn speaks_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(HTTP2),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
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
