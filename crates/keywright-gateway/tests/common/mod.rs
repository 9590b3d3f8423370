//! One emulator, one gateway, keys in files: what every test starts from.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod secure;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use keywright::sources::{Environment, Resolver};
use keywright::state::{Directory, Keeps, Memory};
use keywright_core::ring::Backoff;
use keywright_emulator::{Emulator, KeySpec, KeyState};
use keywright_gateway::{Config, Gateway, GatewaySettings, KeySettings, ProviderSettings, StartOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An emulator and a gateway in front of it. Both stop when it is dropped.
pub struct Stage {
    pub emulator: Emulator,
    pub gateway: Gateway,
    pub directory: TempDir,
    /// What the gateway was started with.
    pub config: Config,
}

/// What comes back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// A key of the right shape whose tail says which one it is.
pub fn key(provider: &str, tag: &str) -> String {
    // Not one letter again and again: that would be a placeholder.
    let letters = |length: usize| "k3Yq8Zt5Wm2Rj7Xd4Hs9Vb6Nf".chars().cycle().take(length).collect::<String>();
    let fill = |length: usize| format!("{}{tag}", letters(length - tag.len()));
    match provider {
        "openai" => format!("sk-proj-{}T3BlbkFJ{}", letters(74), fill(74)),
        "fireworks" => format!("fw_{}", fill(24)),
        _ => format!("tgp_v1_{}", fill(43)),
    }
}

/// Starts building a stage.
pub fn stage() -> StageBuilder {
    StageBuilder {
        providers: Vec::new(),
        settings: local_settings(),
        adjust: Box::new(|_| {}),
        remembers: false,
        ask: false,
    }
}

/// Loopback, a free port, two workers.
pub fn local_settings() -> GatewaySettings {
    GatewaySettings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), workers: 2, ..GatewaySettings::default() }
}

/// A key's tag, account and project.
pub type Label = (&'static str, Option<&'static str>, Option<&'static str>);
type Adjust = Box<dyn FnOnce(&mut Config)>;

pub struct StageBuilder {
    providers: Vec<(&'static str, Vec<Label>)>,
    pub settings: GatewaySettings,
    adjust: Adjust,
    remembers: bool,
    ask: bool,
}

impl StageBuilder {
    /// Adds a provider with valid keys, named by their tags.
    pub fn provider(mut self, id: &'static str, tags: &[&'static str]) -> Self {
        self.providers.push((id, tags.iter().map(|tag| (*tag, None, None)).collect()));
        self
    }

    /// Adds a provider whose keys have an account and a project.
    pub fn labelled(mut self, id: &'static str, keys: &[Label]) -> Self {
        self.providers.push((id, keys.to_vec()));
        self
    }

    /// Changes the settings.
    pub fn settings(mut self, change: impl FnOnce(&mut GatewaySettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes the configuration before the start.
    pub fn config(mut self, change: impl FnOnce(&mut Config) + 'static) -> Self {
        self.adjust = Box::new(change);
        self
    }

    /// Keeps a state beside the keys: see [`memory`].
    pub fn remembering(mut self) -> Self {
        self.remembers = true;
        self
    }

    /// Requests wait for a person when no key is left.
    pub fn asking(mut self) -> Self {
        self.ask = true;
        self
    }

    pub async fn start(self) -> Stage {
        let emulator = Emulator::builder().start().await.expect("an emulator");
        let directory = tempfile::tempdir().expect("a directory");
        let mut config = Config { gateway: self.settings, ..Config::default() };
        for (id, keys) in &self.providers {
            let mut provider = ProviderSettings::new(*id, []);
            provider.base_url = Some(emulator.base_url(id));
            for (tag, account, project) in keys {
                let mut spec = KeySpec::valid();
                if let Some(project) = project {
                    spec = spec.project(*project);
                }
                emulator.set_key(id, &key(id, tag), spec).expect("a key");
                let path = directory.path().join(format!("{id}-{tag}"));
                std::fs::write(&path, key(id, tag)).expect("a file");
                provider.keys.push(KeySettings {
                    account: account.map(str::to_owned),
                    project: project.map(str::to_owned),
                    ..KeySettings::new(format!("file://{}", path.display()))
                });
            }
            config.providers.push(provider);
        }
        (self.adjust)(&mut config);
        let memory = self.remembers.then(|| memory(&directory));
        let options = StartOptions { backoff: Some(quick()), memory, ask: self.ask, ..StartOptions::default() };
        let gateway = start(config.clone(), options).await;
        Stage { emulator, gateway, directory, config }
    }
}

/// Looks come soon, so that tests do not wait.
pub fn quick() -> Backoff {
    Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(1), pause: Duration::from_millis(500) }
}

/// The state in this directory, as a process that starts opens it.
pub fn memory(directory: &TempDir) -> Memory {
    let keeps = Keeps { history: true, last_known_good: Some(Duration::from_secs(3_600)), scope: "/".to_owned() };
    Memory::start(&Directory::at(directory.path().join("state")), keeps).expect("a state")
}

pub async fn start(config: Config, options: StartOptions) -> Gateway {
    let resolver = Resolver::new(Environment::default(), PathBuf::from("/"));
    Gateway::start(config, resolver, options).await.expect("a gateway")
}

/// A gateway before one OpenAI-like provider at this address, with the key `one1`.
pub async fn towards(address: SocketAddr, adjust: impl FnOnce(&mut Config)) -> (Gateway, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("key");
    std::fs::write(&path, key("openai", "one1")).expect("a file");
    let mut provider = ProviderSettings::new("openai", [format!("file://{}", path.display())]);
    provider.base_url = Some(format!("http://{address}"));
    let mut config = Config { gateway: local_settings(), providers: vec![provider], ..Config::default() };
    adjust(&mut config);
    (start(config, StartOptions::default()).await, directory)
}

impl Stage {
    /// Stops the gateway and starts another one with the same configuration and state.
    pub async fn restart(self) -> Self {
        let Self { emulator, gateway, directory, config } = self;
        assert!(gateway.shutdown(Duration::from_secs(10)).await, "drained");
        let options =
            StartOptions { backoff: Some(quick()), memory: Some(memory(&directory)), ..StartOptions::default() };
        let gateway = start(config.clone(), options).await;
        Self { emulator, gateway, directory, config }
    }

    pub fn set(&self, provider: &str, tag: &str, state: KeyState) {
        self.emulator.set_key(provider, &key(provider, tag), state).expect("a key");
    }

    /// How often a key reached the provider, probes included.
    pub fn calls(&self, provider: &str, tag: &str) -> u64 {
        self.emulator.calls_of(provider, &key(provider, tag)).iter().map(|count| count.calls).sum()
    }

    /// Writes another value where a key is kept.
    pub fn rewrite(&self, provider: &str, tag: &str, value: &str) {
        std::fs::write(self.directory.path().join(format!("{provider}-{tag}")), value).expect("a file");
    }

    pub async fn post(&self, path: &str, body: &str) -> Reply {
        post(self.gateway.addr(), path, &[], body).await
    }

    pub async fn chat(&self) -> Reply {
        self.post("/openai/v1/chat/completions", CHAT).await
    }

    /// Waits until the report satisfies a condition.
    pub async fn until(&self, what: &str, holds: impl Fn(&keywright_gateway::Report) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while !holds(&self.gateway.report()) {
            assert!(tokio::time::Instant::now() < deadline, "never happened: {what}: {:?}", self.gateway.report());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub const CHAT: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}"#;
pub const STREAM: &str =
    r#"{"model":"gpt-4o-mini","stream":true,"max_tokens":20,"messages":[{"role":"user","content":"Hello"}]}"#;

/// One POST on a connection of its own.
pub async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = Request::post(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(address, request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request")).await
}

pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(address, request.body(Full::default()).expect("a request")).await
}

pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Reply {
    let response = begin(address, request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Reply { status: head.status, headers: head.headers, body }
}

/// Sends a request and gives the answer as soon as its head is there.
pub async fn begin(address: SocketAddr, mut request: Request<Full<Bytes>>) -> http::Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    if !request.headers().contains_key("host") {
        request.headers_mut().insert("host", address.to_string().parse().expect("a host"));
    }
    sender.send_request(request).await.expect("an answer")
}

/// Sends raw bytes and reads until the other side closes or falls silent.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// An upstream that answers every connection with the same bytes, and says what it was sent.
pub async fn canned(answer: &'static [u8]) -> (SocketAddr, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                let _ = sender.send(String::from_utf8_lossy(&buffer[..read]).into_owned()).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, receiver)
}
