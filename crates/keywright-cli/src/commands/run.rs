//! `keywright run`: starts a program that never holds a real key.

mod child;
pub(super) mod doors;
mod ending;
mod environment;
mod live;
mod relay;
mod rings;
mod signals;
mod story;
mod tail;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use keywright::sources::Resolver;
use keywright_gateway::{Config, Gateway, Report, StartOptions};

use self::child::{Child, Ended};
use self::ending::Ending;
use self::environment::{ChildEnvironment, Hand};
use self::rings::Rings;
use self::signals::Signals;
use super::{config, keys, serve};
use crate::asking::{self, Attendant, Program};
use crate::error::CliError;
use crate::exit::Exit;
use crate::gate::Gate;
use crate::memory::Forget;
use crate::process::{self, Hardened};
use crate::terminal::Terminal;

/// Run a program that never holds a real key, and that a revoked key does not stop.
///
/// Finds the keys of each provider (environment, then `.env`; `NAME`, `NAME_1` … `NAME_9`,
/// `NAME_BACKUP`; else what `keywright keys add` stored), says what is wrong with them, and starts the program with a token in the place of
/// each key and a local gateway as base URL. When a key dies, the next one serves the same request.
/// When the last one dies and you are at the terminal, its requests wait while you are told why and asked
/// for a new key; then they go on, and you may keep it for next time. Without a terminal, the program gets the provider's own error, with the
/// true cause in it. When the program ends with a failed call, the cause is told below what it wrote.
///
/// The program is unchanged: stdin, terminal, signals and exit code pass through. What it writes to a
/// pipe or a file has keys masked; a terminal is untouched. A base URL that was set already
/// (`OPENAI_BASE_URL` …) stays in force: the gateway sends there. The program does not get what opens the
/// key vault (`KEYWRIGHT_AGE_…`); logins to vaults and clouds (`VAULT_TOKEN` …) are passed on, since programs need them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright run -- python app.py
  keywright run --live -- npm start            ask the providers about each key first
  keywright run --require openai -- ./worker   do not start it without a usable OpenAI key
  keywright run --env-file prod.env -- ./app
  keywright run --direct -- ./app              for a program that must hold the real keys

Exit codes: the program's own; 128+N when signal N ended it; 1 not started, because of `--require` or `--live`;
125 keywright failed before the start, 126 the program is not executable, 127 there is no such program.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    #[command(flatten)]
    gate: Gate,
    /// Give the program the real keys; no gateway, no failover.
    #[arg(long)]
    direct: bool,
    /// Leave keys in what the program writes to a pipe or a file.
    #[arg(long)]
    no_masking: bool,
    #[command(flatten)]
    forget: Forget,
    /// Tell about the keys, and how it ended, as JSON lines on stderr.
    #[arg(long)]
    json: bool,
    /// Never ask for a key or a passphrase, also when a person is at the terminal and no key is left.
    #[arg(long)]
    no_ask: bool,
    /// Say nothing before the start unless something is wrong.
    #[arg(short, long)]
    quiet: bool,
    /// Only this provider; may be given more than once.
    #[arg(long = "provider", value_name = "ID", value_parser = super::provider_id)]
    providers: Vec<String>,
    /// Read this dotenv file instead of `.env`; may be given more than once.
    #[arg(long = "env-file", value_name = "PATH")]
    env_files: Vec<PathBuf>,
    /// Take providers, their keys and base URLs, and routes from this configuration.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let hardened = process::harden();
    let runtime = super::runtime()?;
    let exit = runtime.block_on(supervise(args, &hardened, terminal));
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

async fn supervise(args: &Args, hardened: &Hardened, terminal: &Terminal) -> Result<Exit, CliError> {
    let configured =
        args.config.as_deref().map_or_else(|| Ok(Config::default()), |file| config::load(file, terminal))?;
    let resolver = Resolver::process();
    let memory = args.forget.open(&configured.gateway, &resolver, terminal);
    let may_ask = args.asks(&configured) && asking::somebody_is_there(resolver.environment());
    let wanted = args.wanted(may_ask.then_some(terminal));
    let mut rings = Rings::collect(wanted, &configured, &resolver, memory.as_ref()).await?;
    terminal.guard(&rings.secrets());
    if args.gate.live {
        live::ask(&mut rings, &configured, args.direct, &resolver, terminal).await;
    }
    if !args.direct {
        rings.recall(memory.as_ref());
    }
    story::before(&rings, args.telling(), terminal);
    if let Some(exit) = story::stopped(&rings, &args.gate, args.telling(), terminal) {
        return Ok(exit);
    }
    rings.report().required()?;
    if rings.usable().next().is_none() {
        return story::no_key(&rings, args.telling(), terminal);
    }
    let guard = rings.guard();
    let parent = resolver.environment().all();
    if args.direct {
        let environment = environment::direct(parent, &rings);
        let ended = start(args, environment, None, hardened, terminal).await?;
        return Ok(end(args, ended, None, &rings, terminal));
    }
    let token = keys::new_token()?;
    let options = StartOptions { run_token: Some(token.clone()), memory, ask: may_ask, ..StartOptions::default() };
    let gateway = open(rings.configuration(configured), &resolver, options).await?;
    let hand = Hand { addr: gateway.addr(), token: &token };
    let environment = environment::through_gateway(parent, &rings, &hand, &guard);
    let shared = Program::at_terminal();
    let attendant = Attendant::new(&gateway, terminal, &resolver, shared.as_ref());
    let program = async {
        // Before the program ends, so that no signal falls between.
        let mut signals = Signals::listen()?;
        let ended = start(args, environment, shared.as_ref(), hardened, terminal).await?;
        if !ended.by_signal {
            // A person who has just pasted a key may still say what becomes of it. A signal ends that.
            tokio::select! {
                () = attendant.decided() => {}
                _ = signals.next() => {}
            }
        }
        Ok::<_, CliError>(ended)
    };
    let ended = tokio::select! {
        ended = program => ended,
        never = attendant.attend() => match never {},
    };
    let report = gateway.report();
    gateway.shutdown(LAST_REQUESTS).await;
    Ok(end(args, ended?, Some(report), &rings, terminal))
}

/// Tells why the program failed, if it did. The exit code is the program's, whatever there is to tell.
fn end(args: &Args, ended: Ended, report: Option<Report>, rings: &Rings, terminal: &Terminal) -> Exit {
    let code = ended.code;
    ending::tell(&Ending::new(ended, args.program(), report, rings, terminal), args.telling(), terminal);
    Exit::Child(code)
}

async fn open(mut config: Config, resolver: &Resolver, options: StartOptions) -> Result<Gateway, CliError> {
    config.gateway.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.gateway.admin = None;
    config.gateway.tls = None;
    config.virtual_keys = Vec::new();
    Gateway::start(config, resolver.clone(), options).await.map_err(|error| serve::not_started(&error))
}

async fn start(
    args: &Args,
    environment: ChildEnvironment,
    shared: Option<&Program>,
    hardened: &Hardened,
    terminal: &Terminal,
) -> Result<Ended, CliError> {
    if terminal.verbose > 0 {
        for note in &environment.notes {
            terminal.tell(format_args!("keywright: {note}"));
        }
    }
    let child = Child {
        command: &args.command,
        environment: environment.variables,
        redactor: (!args.no_masking).then(|| terminal.redactor()),
        shared,
    };
    child.run(hardened).await
}

impl Args {
    fn wanted<'a>(&'a self, asks: Option<&'a Terminal>) -> rings::Wanted<'a> {
        rings::Wanted { providers: &self.providers, required: &self.gate.require, env_files: &self.env_files, asks }
    }

    /// Whether a person may be asked.
    fn asks(&self, config: &Config) -> bool {
        !self.no_ask && config.gateway.ask != Some(false)
    }

    const fn telling(&self) -> story::Telling {
        match (self.json, self.quiet) {
            (true, _) => story::Telling::Json,
            (false, true) => story::Telling::Quiet,
            (false, false) => story::Telling::Text,
        }
    }

    fn program(&self) -> String {
        self.command.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// The program is gone; only what it left running can still ask.
const LAST_REQUESTS: Duration = Duration::from_secs(1);
