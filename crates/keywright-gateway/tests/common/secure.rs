//! A company's own certificates, and a provider behind them that speaks HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use keywright_gateway::{Config, Gateway, ProviderSettings, StartOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{key, local_settings, quick, start};

pub type Body = BoxBody<Bytes, Infallible>;
pub type Answer = BoxFuture<'static, Response<Body>>;
/// A test that plays the other side of a connection itself.
pub type Takes = fn(Tls) -> BoxFuture<'static, ()>;
/// A connection to the provider.
pub type Tls = tokio_rustls::server::TlsStream<TcpStream>;

pub const HTTP1: &[&[u8]] = &[b"http/1.1"];
pub const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

/// A certificate authority that no operating system knows, with files in a directory of its own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pub directory: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).expect("a file");
        Self { issuer: Issuer::new(params, key), certificate: certificate.into(), directory }
    }

    /// Where its own certificate is.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Writes a certificate and its key; gives their places.
    pub fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate");
        let place = |end: &str| self.directory.path().join(end);
        std::fs::write(place("leaf.pem"), leaf.pem()).expect("a file");
        std::fs::write(place("leaf.key"), key.serialize_pem()).expect("a file");
        (place("leaf.pem"), place("leaf.key"))
    }

    fn acceptor(&self, names: &[&str], alpn: &[&[u8]], change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let (leaf, key) = self.issue(names, change);
        let chain = vec![CertificateDer::from_pem_file(leaf).expect("PEM")];
        let key = PrivateKeyDer::from_pem_file(key).expect("PEM");
        let mut config = rustls::ServerConfig::builder_with_provider(ring())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Connects to a server with a certificate of this authority.
    pub async fn connect(&self, address: SocketAddr, alpn: &[&[u8]]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a root");
        let mut config = rustls::ClientConfig::builder_with_provider(ring())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let tcp = TcpStream::connect(address).await.expect("a connection");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("TLS")
    }
}

fn ring() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A provider behind TLS.
pub struct Provider {
    pub authority: Authority,
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub heads: Arc<Mutex<Vec<http::request::Parts>>>,
    /// 1 says goodbye to every connection (GOAWAY), 2 cuts them.
    pub close: watch::Sender<u8>,
}

/// How a provider behaves.
pub struct Manner {
    pub alpn: &'static [&'static [u8]],
    pub names: &'static [&'static str],
    pub change: fn(&mut CertificateParams),
    pub most_streams: u32,
    /// What a test does with a connection itself, by its number from 1; `None` lets hyper serve it.
    pub takes: fn(usize) -> Option<Takes>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { alpn: BOTH, names: &["localhost", "127.0.0.1"], change: |_| {}, most_streams: 200, takes: |_| None }
    }
}

impl Provider {
    /// Listens, and answers with what `answer` makes of a request.
    pub async fn start(manner: Manner, answer: fn(Request<Incoming>) -> Answer) -> Self {
        let authority = Authority::new();
        let acceptor = authority.acceptor(manner.names, manner.alpn, manner.change);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let provider = Self {
            authority,
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            heads: Arc::default(),
            close: watch::Sender::new(0),
        };
        let (connections, heads, close) =
            (Arc::clone(&provider.connections), Arc::clone(&provider.heads), provider.close.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, connections, heads) = (acceptor.clone(), Arc::clone(&connections), Arc::clone(&heads));
                let closed = close.subscribe();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                    match (manner.takes)(number) {
                        Some(takes) => takes(stream).await,
                        None => serve(stream, manner.most_streams, heads, closed, answer).await,
                    }
                });
            }
        });
        provider
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of the requests that came for one path.
    pub fn heard(&self, path: &str) -> Vec<http::request::Parts> {
        self.heads.lock().expect("heads").iter().filter(|head| head.uri.path() == path).cloned().collect()
    }

    /// A gateway with one worker in front of it, whose keys are named by their tags.
    pub async fn gateway(&self, tags: &[&str], change: impl FnOnce(&mut Config)) -> Gateway {
        start(self.config(tags, change), StartOptions { backoff: Some(quick()), ..StartOptions::default() }).await
    }

    pub fn config(&self, tags: &[&str], change: impl FnOnce(&mut Config)) -> Config {
        let mut provider = ProviderSettings::new("openai", []);
        provider.base_url = Some(format!("https://localhost:{}/v1", self.address.port()));
        provider.ca_certificate = Some(self.authority.file());
        for tag in tags {
            let path = self.authority.directory.path().join(tag);
            std::fs::write(&path, key("openai", tag)).expect("a file");
            provider.keys.push(keywright_gateway::KeySettings::new(format!("file://{}", path.display())));
        }
        let mut config = Config { gateway: local_settings(), providers: vec![provider], ..Config::default() };
        config.gateway.workers = 1;
        change(&mut config);
        config
    }
}

async fn serve(
    stream: Tls,
    most_streams: u32,
    heads: Arc<Mutex<Vec<http::request::Parts>>>,
    mut closed: watch::Receiver<u8>,
    answer: fn(Request<Incoming>) -> Answer,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        heads.lock().expect("heads").push(head.clone());
        let answer = answer(Request::from_parts(head, body));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(most_streams);
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            Ok(()) = closed.changed() => match *closed.borrow_and_update() {
                1 => connection.as_mut().graceful_shutdown(),
                _ => return,
            },
        }
    }
}

/// Plays OpenAI: keys whose tag begins with `dead` are unknown.
pub fn openai(request: Request<Incoming>) -> Answer {
    Box::pin(async move {
        let dead = is_dead(&request);
        let streams = request.into_body().collect().await.is_ok_and(|body| {
            let body = body.to_bytes();
            String::from_utf8_lossy(&body).contains("\"stream\":true")
        });
        match (dead, streams) {
            (true, _) => refusal(),
            (false, true) => whole("text/event-stream", EVENTS),
            (false, false) => whole("application/json", COMPLETION),
        }
    })
}

pub fn is_dead<B>(request: &Request<B>) -> bool {
    request.headers().get("authorization").is_some_and(|value| value.to_str().is_ok_and(|text| text.contains("dead")))
}

/// The answer to an unknown key.
pub fn refusal() -> Response<Body> {
    let mut response = whole(
        "application/json",
        r#"{"error":{"message":"Incorrect API key provided: sk-proj-****.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
    );
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

pub fn whole(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder().header("content-type", kind).body(Full::new(body.into()).boxed()).expect("a response")
}

pub const COMPLETION: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
pub const EVENTS: &str =
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n";
