//! `cargo xtask bench rotation`: keys are rotated at their source while clients are busy, and no request fails.
//!
//! `keywright serve` reads its key from a file, `keywright emulate` is the provider. Half of the old keys are withdrawn
//! when the new one has taken over, as careful people do; half at once, so that requests meet a refused key.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use keywright_core::token;
use serde_json::Value;

use super::error::{Error, Result};
use super::load::{Call, Connection, Load};
use super::payload::{self, Headers, Workload};
use super::process::{self, Core, Program, Scratch};
use super::rounds::micros;
use super::{noise, optimise, report};

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    rotations: u32,
    requests: u64,
    connections: usize,
    binary: Option<PathBuf>,
    write: bool,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self { rotations: 50, requests: 20_000, connections: 16, binary: None, write: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Error::usage(format!("`{word}` needs a value")));
            match word.as_str() {
                "--rotations" => options.rotations = number(value()?)?,
                "--requests" => options.requests = number(value()?)?,
                "--connections" => options.connections = number(value()?)?,
                "--keywright" => options.binary = Some(PathBuf::from(value()?)),
                "--write" => options.write = true,
                _ => return Err(Error::usage(format!("unknown option `{word}`"))),
            }
        }
        Ok(options)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::usage(format!("`{text}` is no number")))
}

/// When an old key is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Withdrawn {
    /// When the new one has taken over.
    Afterwards,
    /// At once, before anybody can have read the new one.
    AtOnce,
}

/// What happened to the keys that were withdrawn in one way.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    rotations: u64,
    /// Calls that reached the provider with a key that was withdrawn.
    late_calls: u64,
    most_late_calls: u64,
    /// The longest time from the new value in the file to its first request.
    slowest: Duration,
}

/// Runs the bench, prints its table, and fails if a request failed.
pub(super) fn run(words: &[String]) -> Result<()> {
    let options = Options::parse(words)?;
    let keywright = options.binary.clone().map_or_else(optimise::keywright, Ok)?;
    let keywright = keywright.canonicalize().map_err(Error::io(format!("find {}", keywright.display())))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::io("start a runtime"))?.block_on(measure(&options, &keywright))
}

async fn measure(options: &Options, keywright: &std::path::Path) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut stage = Stage::start(&scratch, keywright).await?;
    // Load ends by its clock: rotations take the time that they take, and requests are counted afterwards.
    let length = LONGEST_ROTATION * options.rotations + TAIL;
    let load = Load::start(&stage.call(), options.connections, Duration::ZERO, length);
    let began = Instant::now();
    let mut counted = [Counted::default(); 2];
    let mut old = key(0);
    for number in 1..=options.rotations {
        let new = key(number);
        let way = if number % 2 == 0 { Withdrawn::Afterwards } else { Withdrawn::AtOnce };
        let took = stage.rotate(&old, &new, way).await?;
        let counts = &mut counted[way as usize];
        counts.rotations += 1;
        counts.slowest = counts.slowest.max(took);
        old = new;
        // Evenly spread, so that each key serves for a while.
        tokio::time::sleep_until((began + LONGEST_ROTATION * number).into()).await;
    }
    let tally = load.finish().await;
    for number in 0..options.rotations {
        let way = if number % 2 == 1 { Withdrawn::Afterwards } else { Withdrawn::AtOnce };
        let late = stage.late_calls(&key(number)).await?;
        counted[way as usize].late_calls += late;
        counted[way as usize].most_late_calls = counted[way as usize].most_late_calls.max(late);
    }
    let text = table(options, &tally, &counted, keywright);
    super::say(&text)?;
    if tally.errors > 0 || tally.latency.total() < options.requests {
        let fault = tally.first_error.as_ref().map_or_else(String::new, |fault| format!(": {fault}"));
        let says = format!("{} requests, {} of them failed{fault}", tally.latency.total(), tally.errors);
        return Err(stage.gateway.trouble(says));
    }
    if options.write { report::keep("rotation", &text) } else { Ok(()) }
}

fn table(options: &Options, tally: &super::load::Tally, counted: &[Counted; 2], keywright: &std::path::Path) -> String {
    let build = if keywright.to_string_lossy().contains("/debug/") { "debug build" } else { "release build" };
    let version = if options.binary.is_none() { format!("keywright {}", report::commit()) } else { version(keywright) };
    let latency = &tally.latency;
    let mut lines = vec![
        format!("{}, {}, {version}, {build}.", report::today(), noise::machine()),
        String::new(),
        format!(
            "{} requests with {} in flight, **{} failures**; p50 {:.1} ms, p99 {:.1} ms, longest {:.0} ms.",
            latency.total(),
            options.connections,
            tally.errors,
            micros(latency.quantile(0.5)) / 1e3,
            micros(latency.quantile(0.99)) / 1e3,
            micros(latency.largest()) / 1e3,
        ),
        String::new(),
        "| the old key is withdrawn | rotations | calls with it afterwards | most in one rotation | slowest, new value to takeover |"
            .to_owned(),
        "|---|--:|--:|--:|--:|".to_owned(),
    ];
    for (way, counts) in ["when the new one has taken over", "at once"].iter().zip(counted) {
        lines.push(format!(
            "| {way} | {} | {} | {} | {:.0} ms |",
            counts.rotations,
            counts.late_calls,
            counts.most_late_calls,
            counts.slowest.as_secs_f64() * 1e3
        ));
    }
    lines.join("\n")
}

/// What a given binary says that it is.
fn version(keywright: &std::path::Path) -> String {
    let told = Command::new(keywright).arg("--version").env_clear().output();
    told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned()).unwrap_or_default()
}

/// The provider, the gateway, and the file with the key.
struct Stage {
    provider: Control,
    admin: Control,
    address: SocketAddr,
    file: PathBuf,
    rotations: u64,
    gateway: Program,
    _emulator: Program,
}

impl Stage {
    async fn start(scratch: &Scratch, keywright: &std::path::Path) -> Result<Self> {
        let [provider, address, admin] = [process::free_port()?, process::free_port()?, process::free_port()?]
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut command = Command::new(keywright);
        command.args(["emulate", "--listen", &provider.to_string()]);
        let mut emulator = Program::start("emulator", scratch, Core::Any, &command)?;
        emulator.wait_for(provider).await?;
        let mut control = Control::new(provider);
        control.set(&key(0), "valid").await?;
        let file = scratch.path("openai.key");
        publish(&file, &key(0))?;
        let config = format!(
            "[gateway]\nlisten = \"{address}\"\nadmin = \"{admin}\"\n\n[[provider]]\nid = \"openai\"\n\
             base_url = \"http://{provider}/openai\"\nkeys = [\"file://{}\"]\n\n[[virtual_key]]\nname = \"bench\"\n\
             sha256 = \"{}\"\n",
            file.display(),
            token::digest_hex(&virtual_key()),
        );
        let mut command = Command::new(keywright);
        command.args(["serve", "--config"]).arg(scratch.write("rotation.toml", &config)?);
        command.env("HOME", scratch.path(""));
        let mut gateway = Program::start("gateway", scratch, Core::Any, &command)?;
        gateway.wait_for(address).await?;
        gateway.wait_for(admin).await?;
        let admin = Control::new(admin);
        Ok(Self { provider: control, admin, address, file, rotations: 0, gateway, _emulator: emulator })
    }

    fn call(&self) -> Call {
        let path = "/openai/v1/chat/completions";
        let request = payload::request(Workload::Small, Headers::Sdk, path, &virtual_key());
        Call { target: self.address, request, answer: None }
    }

    /// Puts a new key in the place of the old one, and waits until it has taken over; how long that took.
    async fn rotate(&mut self, old: &str, new: &str, way: Withdrawn) -> Result<Duration> {
        self.provider.set(new, "valid").await?;
        let published = Instant::now();
        publish(&self.file, new)?;
        if way == Withdrawn::AtOnce {
            self.provider.set(old, "revoked").await?;
        }
        self.rotations += 1;
        let deadline = Instant::now() + PATIENCE;
        while self.admin.rotations().await? < self.rotations {
            if Instant::now() > deadline {
                return Err(self.gateway.trouble(format!("rotation {} did not happen", self.rotations)));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let took = published.elapsed();
        if way == Withdrawn::Afterwards {
            // Requests that took the old key end with it.
            tokio::time::sleep(IN_FLIGHT).await;
            self.provider.set(old, "revoked").await?;
        }
        Ok(took)
    }

    async fn late_calls(&mut self, key: &str) -> Result<u64> {
        let told = self.provider.json("GET", &format!("/_control/calls/openai/{key}"), "").await?;
        let rows = told.get("calls").and_then(Value::as_array).cloned().unwrap_or_default();
        let refused = rows.iter().filter(|row| row.get("status").and_then(Value::as_u64) == Some(401));
        Ok(refused.filter_map(|row| row.get("calls")?.as_u64()).sum())
    }
}

/// A control door, or an operator's pages.
struct Control {
    address: SocketAddr,
    connection: Connection,
}

impl Control {
    fn new(address: SocketAddr) -> Self {
        Self { address, connection: Connection::new(address) }
    }

    async fn set(&mut self, key: &str, state: &str) -> Result<()> {
        let body = format!("{{\"state\": \"{state}\"}}");
        self.json("PUT", &format!("/_control/keys/openai/{key}"), &body).await.map(drop)
    }

    /// How many values have taken over from others.
    async fn rotations(&mut self) -> Result<u64> {
        let metrics = self.send("GET", "/metrics", "").await?;
        let metrics = String::from_utf8_lossy(&metrics);
        let line = metrics.lines().find_map(|line| line.strip_prefix("keywright_rotations_total "));
        line.and_then(|count| count.trim().parse().ok())
            .ok_or_else(|| Error::program("gateway", "tells no count of rotations"))
    }

    async fn json(&mut self, method: &str, path: &str, body: &str) -> Result<Value> {
        let answer = self.send(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| Error::program("emulator", format!("answers no JSON: {error}")))
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<Vec<u8>> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let call = Call { target: self.address, request: Bytes::from(request), answer: None };
        let seen = self.connection.exchange(&call).await;
        seen.map(|seen| seen.body)
            .map_err(|fault| Error::program("control", format!("refuses `{method} {path}`: {fault}")))
    }
}

/// Replaces the file as a whole, as careful programs do it.
fn publish(file: &std::path::Path, key: &str) -> Result<()> {
    let fresh = file.with_extension("new");
    let owner_only = fs::Permissions::from_mode(0o600);
    fs::write(&fresh, format!("{key}\n"))
        .and_then(|()| fs::set_permissions(&fresh, owner_only))
        .and_then(|()| fs::rename(&fresh, file))
        .map_err(Error::io("put a key into its file"))
}

/// A key of the right shape that nobody has.
fn key(number: u32) -> String {
    let half = "Q7aZ".repeat(18);
    format!("sk-proj-{half}Kw{number:04}T3BlbkFJ{half}Kw{number:04}")
}

/// What clients send.
fn virtual_key() -> String {
    token::issue(&[9; 25]).expose().to_owned()
}

/// From one rotation to the next. A file is looked at twice a second; rotations fall at every moment between two looks.
const LONGEST_ROTATION: Duration = Duration::from_millis(1_130);
/// Time after the last one.
const TAIL: Duration = Duration::from_secs(1);
/// A rotation that takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// A request that took the old key has reached the provider by then.
const IN_FLIGHT: Duration = Duration::from_millis(100);
