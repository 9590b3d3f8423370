//! `keywright serve`: the gateway as a service.

mod look;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use keywright::sources::Resolver;
use keywright::state::Memory;
use keywright_gateway::{Config, FileWatch, Gateway, StartError, StartOptions};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::config::{self, DEFAULT_FILE, load};
use crate::asking::{self, Attendant};
use crate::error::CliError;
use crate::exit::Exit;
use crate::gate::{self, Gate, Kept};
use crate::key_report::{KeyReport, KeySeen};
use crate::logging::{self, LogFormat};
use crate::memory::Forget;
use crate::process;
use crate::terminal::{Role, Terminal, paint};

/// Run the gateway as a service: callers hold virtual keys, the real keys stay here.
///
/// A revoked key is found out on the first refusal, the request goes on with the next key, and the
/// log says which key died and why. Point any SDK at `http://ADDRESS/openai/v1` (or `/fireworks`,
/// `/together`, or `/v1` for models named `provider/model`).
///
/// A configuration that has changed is read again without dropping a request, and so is an unchanged one on
/// SIGHUP, with all its keys: a new key is asked about before it takes over, a refused one leaves the old one
/// serving. A broken configuration is refused and the old one stays. SIGTERM and SIGINT finish what is running; a second one stops at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright serve                            with ./keywright.toml
  keywright serve --config /etc/keywright.toml --log-format json
  keywright serve --check                    is everything in place? then exit
  keywright serve --live --require openai    start only when OpenAI answers for a key

`keywright config init` writes a configuration to start from; `keywright keys issue NAME` makes
the keys that callers use.

Exit codes: 0 it was stopped; 1 not started, the report says why: no usable key where one is required, every key
refused with --live, an address that cannot be had; 2 the command line or the configuration is wrong.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Check the configuration and the keys, and exit: 0 when at least one key of each provider is usable.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    gate: Gate,
    #[command(flatten)]
    forget: Forget,
    /// Ask at this terminal for a key when a provider has none left; requests wait for it.
    #[arg(long, conflicts_with = "no_ask")]
    ask: bool,
    /// Never ask, whatever the configuration says.
    #[arg(long)]
    no_ask: bool,
    /// Print events as JSON lines for programs instead of text for people; what is known of the keys goes to stderr.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    // It looks first: what changes after that is read again.
    let file = FileWatch::new(&args.config);
    let config = load(&args.config, terminal)?;
    process::harden();
    let runtime = super::runtime()?;
    let exit = runtime.block_on(serve(args, config, file, terminal));
    // Nobody waits for a name lookup that is still running.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

async fn serve(args: &Args, config: Config, mut file: FileWatch, terminal: &Terminal) -> Result<Exit, CliError> {
    warn(&config, args, terminal);
    let resolver = Resolver::process();
    let memory = args.forget.open(&config.gateway, &resolver, terminal);
    let report = look::keys(&config, args.gate.live, &resolver, memory.as_ref(), terminal).await;
    show(&report, args, terminal)?;
    if !unmet(&report, Kept::Start, args, terminal).is_empty() {
        return Ok(Exit::Unhealthy);
    }
    if args.check {
        let healthy = every_provider_can_serve(&config, &report) && report.required().is_ok();
        return Ok(if healthy { Exit::Healthy } else { Exit::Unhealthy });
    }
    report.required()?;
    let mut signals = Signals::listen()?;
    let grace = config.gateway.drain_timeout;
    let ask = args.asks(&config, &resolver, terminal);
    let options = StartOptions { memory: memory.clone(), ask, ..StartOptions::default() };
    let gateway = Gateway::start(config, resolver.clone(), options).await.map_err(|error| not_started(&error))?;
    announce(&gateway, args.json, terminal)?;
    let reloads = async {
        loop {
            let heard = tokio::select! {
                heard = signals.next() => heard,
                () = file.changed() => Heard::Reload,
            };
            if heard == Heard::Stop {
                break;
            }
            file.look();
            reload(&gateway, args, &resolver, memory.as_ref(), terminal).await;
        }
    };
    let attendant = Attendant::new(&gateway, terminal, &resolver, None);
    tokio::select! {
        () = reloads => {}
        never = attendant.attend() => match never {},
    }
    terminal.tell("keywright: finishing what is running; a second signal stops at once");
    let drained = tokio::select! {
        drained = gateway.shutdown(grace) => drained,
        () = signals.stop() => false,
    };
    if !drained {
        terminal.tell("keywright: stopped before every request had ended");
    }
    Ok(Exit::Healthy)
}

impl Args {
    /// Whether a person is asked; one who wants to be and cannot is told.
    fn asks(&self, config: &Config, resolver: &Resolver, terminal: &Terminal) -> bool {
        let wanted = !self.no_ask && (self.ask || config.gateway.ask == Some(true));
        let there = asking::somebody_is_there(resolver.environment());
        if wanted && !there {
            let head = paint(Role::Warning, "warning:");
            terminal.tell(format_args!("{head} there is no terminal here, so nobody is asked for a key"));
        }
        wanted && there
    }
}

/// The report on the keys: for people, for programs, or for whoever collects the logs.
fn show(report: &KeyReport, args: &Args, terminal: &Terminal) -> Result<(), CliError> {
    if args.check && args.json {
        terminal.out_json(&report.event())?;
    } else {
        tell(args, terminal, || report.event(), || report.tell(terminal));
    }
    Ok(())
}

/// Why the gateway does not start, or take over a configuration; told, and nothing where nothing is wrong.
fn unmet(report: &KeyReport, kept: Kept, args: &Args, terminal: &Terminal) -> Vec<String> {
    let unmet = args.gate.unmet(report, |provider| look::searched(provider, report, &args.config));
    if !unmet.is_empty() {
        tell(args, terminal, || gate::event(&unmet, kept), || gate::tell(&unmet, kept, terminal));
    }
    gate::reasons(&unmet)
}

/// Standard error gets what happened: as one line of JSON for programs and among JSON logs, else in words.
fn tell(args: &Args, terminal: &Terminal, event: impl Fn() -> Value, words: impl Fn()) {
    match (args.json, terminal.log_format) {
        (_, LogFormat::Json) => terminal.tell(logging::line(event())),
        (true, LogFormat::Text) => terminal.tell(event()),
        (false, LogFormat::Text) => words(),
    }
}

/// What in the configuration works, and probably not as it was meant.
fn warn(config: &Config, args: &Args, terminal: &Terminal) {
    if !config.warnings.is_empty() {
        let file = &args.config;
        tell(args, terminal, || config::warnings_event(file, config), || config::warn(file, config, terminal));
    }
}

/// Whether each provider that has keys has a usable one.
fn every_provider_can_serve(config: &Config, report: &KeyReport) -> bool {
    config.providers.iter().filter(|provider| !provider.keys.is_empty()).all(|provider| {
        let of_provider = |key: &&KeySeen| key.provider == provider.id && key.usable();
        report.keys.iter().any(|key| of_provider(&key))
    })
}

fn announce(gateway: &Gateway, as_json: bool, terminal: &Terminal) -> Result<(), CliError> {
    let admin = gateway.admin_addr().map(|addr| addr.to_string());
    let listen = gateway.addr().to_string();
    if as_json {
        terminal.out_json(&json!({"event": "listening", "listen": listen, "admin": admin}))?;
        return Ok(());
    }
    terminal.out(format_args!("{} on http://{listen}", paint(Role::Good, "listening")))?;
    if let Some(admin) = admin {
        terminal.out(format_args!("admin     on http://{admin}"))?;
    }
    Ok(())
}

/// A configuration that cannot be used changes nothing.
async fn reload(gateway: &Gateway, args: &Args, resolver: &Resolver, memory: Option<&Memory>, terminal: &Terminal) {
    let kept = |terminal: &Terminal| terminal.tell("keywright: the configuration is as it was before");
    let file = &args.config;
    let config = match load(file, terminal) {
        Ok(config) => config,
        Err(error) => {
            gateway.reload_failed(&error.to_string());
            error.report(terminal);
            return kept(terminal);
        }
    };
    warn(&config, args, terminal);
    resolver.forget();
    let report = look::keys(&config, false, resolver, memory, terminal).await;
    tell(args, terminal, || report.event(), || report.tell(terminal));
    let reasons = unmet(&report, Kept::Reload, args, terminal);
    if !reasons.is_empty() {
        gateway.reload_failed(&reasons.join("; "));
        return kept(terminal);
    }
    if let Err(error) = report.required() {
        gateway.reload_failed(&error.to_string());
        error.report(terminal);
        return kept(terminal);
    }
    match gateway.reload(config).await {
        Ok(kept) => {
            terminal.tell(format_args!("keywright: `{}` was read again", file.display()));
            if !kept.is_empty() {
                let head = paint(Role::Warning, "warning:");
                let names: Vec<String> = kept.iter().map(|name| format!("`gateway.{name}`")).collect();
                let names = names.join(", ");
                terminal.tell(format_args!("{head} changed in it and taken by a restart only: {names}"));
            }
        }
        Err(error) => {
            not_started(&error).report(terminal);
            kept(terminal);
        }
    }
}

/// The error of a gateway that does not start; an address has its own advice.
pub(super) fn not_started(error: &StartError) -> CliError {
    let StartError::Listen { address, source } = error else {
        return CliError::Gateway { message: error.to_string(), help: None };
    };
    let port = address.port();
    let (why, help) = match source.kind() {
        ErrorKind::AddrInUse => (
            "another program listens there".to_owned(),
            format!(
                "see which with `ss -ltnp 'sport = :{port}'` or `lsof -nP -iTCP:{port} -sTCP:LISTEN`, \
                 or set another `gateway.listen`"
            ),
        ),
        ErrorKind::AddrNotAvailable => {
            ("this machine does not have that address".to_owned(), "`ip address` lists the addresses it has".to_owned())
        }
        ErrorKind::PermissionDenied => (
            "the system does not allow it".to_owned(),
            "ports below 1024 need privileges: set another `gateway.listen`".to_owned(),
        ),
        _ => (source.to_string(), "set another `gateway.listen`".to_owned()),
    };
    CliError::Gateway { message: format!("cannot listen on {address}: {why}"), help: Some(help) }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Reload,
    Stop,
}

struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // By default it would end us at once and leave a terminal without echo.
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.reload.recv() => Heard::Reload,
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.quit.recv() => Heard::Stop,
        }
    }

    async fn stop(&mut self) {
        while self.next().await == Heard::Reload {}
    }
}
