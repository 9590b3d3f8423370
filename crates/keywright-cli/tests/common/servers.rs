//! Servers that are no provider: silent ones, ones that answer something else, ones with a strange certificate.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use tempfile::TempDir;

/// A server on a thread of its own; it lives as long as the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Treats each connection as `serve` says; what that gives back was heard.
    fn start(serve: impl Fn(TcpStream) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let server = Self { address: listener.local_addr().expect("an address"), heard: Arc::default() };
        let heard = Arc::clone(&server.heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let said = serve(stream);
                heard.lock().expect("a list").push(said);
            }
        });
        server
    }

    /// Answers every request with these bytes.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Self::start(move |mut stream| {
            let heard = head(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
            heard
        })
    }

    /// Answers whatever comes, from its first byte on: what plain servers do when TLS is spoken to them.
    pub(crate) fn blunt(answer: &'static str) -> Self {
        Self::start(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            String::new()
        })
    }

    /// Takes connections, reads, and never says a word.
    pub(crate) fn silent() -> Self {
        Self::start(|mut stream| {
            let heard = head(&mut stream);
            thread::spawn(move || stream.read_to_end(&mut Vec::new()));
            heard
        })
    }

    /// Answers as a provider does, behind TLS.
    pub(crate) fn secure(certificate: &Certificate) -> Self {
        let config = Arc::clone(&certificate.config);
        Self::start(move |mut stream| {
            let mut session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            let heard = head(&mut tls);
            let _ = tls.write_all(MODELS.as_bytes());
            tls.conn.send_close_notify();
            let _ = tls.flush();
            heard
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn secure_url(&self) -> String {
        format!("https://localhost:{}/v1", self.address.port())
    }

    /// The heads of all requests; empty for a connection that said nothing one can read.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("a list").clone()
    }
}

fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A port at which nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A certificate, and the authority that issued it, which no system trusts.
pub(crate) struct Certificate {
    config: Arc<ServerConfig>,
    directory: TempDir,
}

impl Certificate {
    pub(crate) fn new(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_key = KeyPair::generate().expect("a key");
        let root = authority.self_signed(&authority_key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a folder");
        std::fs::write(directory.path().join("ca.pem"), root.pem()).expect("written");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &Issuer::new(authority, authority_key)).expect("a certificate");
        let chain = vec![CertificateDer::from_pem_slice(leaf.pem().as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        Self { config: Arc::new(config), directory }
    }

    /// Where the authority's own certificate is.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
}

/// What a provider says about its models, at the time it says.
const MODELS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\nconnection: close\r\n\r\n\
                      {\"object\":\"list\",\"data\":[]}";
