//! `keywright doctor`: what is wrong with the keys of this machine, and what mends it.

mod checks;
mod fix;
mod live;
mod names;
mod painter;
mod report;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keywright::sources::{Reference, Resolver};
use keywright::survey::{Scope, Survey};
use keywright_core::Fingerprinter;
use keywright_core::inspect::Finding;
use keywright_gateway::Config;

use self::live::Live;
use self::names::Name;
use self::report::{Check, Report, Status};
use super::config;
use crate::error::CliError;
use crate::exit::Exit;
use crate::memory;
use crate::terminal::Terminal;

/// Say what is wrong with the API keys here, and what mends it.
///
/// Looks at the environment, at `.env` files and at keywright.toml: each key with its source, its mask
/// and what is strange about it, down to the character; names that nothing reads; base URLs; what
/// shadows what; who else can read the files; proxies and certificates. Nothing leaves this machine
/// unless `--live` asks the providers, and no key is shown: the output is safe to paste. Only `--fix`
/// changes anything, after it showed what and asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright doctor
  keywright doctor openai               only this provider, and say if it has no key
  keywright doctor --live               ask the providers too: revoked, suspended, without credit, restricted
  keywright doctor --strict --json      for CI: warnings fail too
  keywright doctor --fix                mend .env: shows a diff, asks, keeps a backup
  keywright doctor --list-checks

Exit codes: 0 nothing is wrong (warnings allowed, unless --strict); 1 something is, or `--fix` was not agreed to; 2 the command line
or keywright.toml is wrong; 3 no verdict, because the network gave no answer.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    /// Only these checks or providers; `--list-checks` names them.
    #[arg(value_name = "NAME", value_parser = names::parse)]
    names: Vec<Name>,
    /// Print the JSON Schema of what `--json` prints.
    #[arg(long, exclusive = true)]
    schema: bool,
    /// Name every check and what it looks at.
    #[arg(long, conflicts_with_all = ["names", "strict"])]
    list_checks: bool,
    /// Ask each provider about its keys: one free question a key, or two, to its own host or the base URL set here.
    /// Missing credit need not show: such a question costs nothing.
    #[arg(long)]
    live: bool,
    /// Seconds that each question may take.
    #[arg(long, value_name = "SECONDS", default_value = "10", requires = "live", value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Warnings are failures too.
    #[arg(long)]
    strict: bool,
    /// Mend the dotenv files where it is sure what was meant: encoding, line ends, spaces, quotes, pasted words, hidden
    /// characters, names, repeated lines, who can read them, what git ignores.
    #[arg(long, conflicts_with_all = ["names", "list_checks"])]
    fix: bool,
    /// Write the changes of `--fix` without asking.
    #[arg(long, short, requires = "fix")]
    yes: bool,
    /// Print one JSON object for programs.
    #[arg(long)]
    json: bool,
    /// Words and plain characters in the place of signs.
    #[arg(long)]
    ascii: bool,
    /// Read this dotenv file instead of `.env`; may be given more than once.
    #[arg(long = "env-file", value_name = "PATH")]
    env_files: Vec<PathBuf>,
    /// Look at the keys and base URLs of this configuration too; `keywright.toml` if it is here.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    if args.schema {
        terminal.out(report::schema()?)?;
        return Ok(Exit::Healthy);
    }
    if args.list_checks {
        return names::list(args.json, terminal);
    }
    let _hardened = crate::process::harden();
    let resolver = Resolver::process();
    let Some(report) = super::runtime()?.block_on(examine(args, &resolver, terminal))? else {
        return Ok(Exit::Unhealthy);
    };
    if args.json {
        terminal.out_json(&report)?;
    } else {
        painter::paint_report(&report, args.look(&resolver), terminal)?;
    }
    Ok(args.exit(&report))
}

/// The report as a value and as text, for who prints in another way.
pub(crate) fn report(args: &Args, terminal: &Terminal) -> Result<Option<(serde_json::Value, String)>, CliError> {
    let Some(report) = super::runtime()?.block_on(examine(args, &Resolver::process(), terminal))? else {
        return Ok(None);
    };
    painter::paint_report(&report, painter::Look::Signs, terminal)?;
    Ok(Some((serde_json::to_value(&report).map_err(std::io::Error::from)?, terminal.kept())))
}

/// What is found; `None` when a change was not agreed to.
async fn examine(args: &Args, resolver: &Resolver, terminal: &Terminal) -> Result<Option<Report>, CliError> {
    let config = configuration(args.config.as_deref(), terminal)?;
    resolver.adopt(&config.sources);
    let configured = references(&config);
    let scope = Scope { env_files: &args.env_files, configured: &configured, stores: true, now: now() };
    let mut survey = Survey::take(resolver, &scope).await;
    terminal.guard(&survey.secrets());
    let mut mends = None;
    if args.fix {
        let done = fix::run(&survey, resolver, args.yes, args.json, terminal).await?;
        if done.applied {
            survey = Survey::take(resolver, &scope).await;
            terminal.guard(&survey.secrets());
        } else if done.is_unanswered && !args.json {
            return Ok(None);
        }
        mends = Some(done);
    }
    let mut checks = checks::of(&survey, &config, resolver.environment(), &memory::stand_ins(resolver), &args.names);
    let live = args.ask(&survey, &config, resolver, terminal).await;
    if let Some(live) = &live {
        checks = live.add_to(checks, &survey);
    } else {
        // Nobody is asked now: what the providers said before counts.
        let refused = memory::refusals(&survey, resolver);
        checks = checks
            .into_iter()
            .map(|check| {
                let own: Vec<Finding> =
                    refused.iter().filter(|(id, _)| *id == check.id).map(|(_, it)| it.clone()).collect();
                check.with(own)
            })
            .collect();
        if args.names.contains(&Name::Check(names::NETWORK)) {
            checks.push(Check::new(names::NETWORK, "Network", "not looked at without --live".to_owned(), Vec::new()));
        }
    }
    Ok(Some(Report { mends, ..Report::new(checks, &survey, live.as_ref(), &args.names, &fingerprinter()?) }))
}

impl Args {
    /// What the providers say, if they are to be asked.
    async fn ask(&self, survey: &Survey, config: &Config, resolver: &Resolver, terminal: &Terminal) -> Option<Live> {
        let limit = Duration::from_secs(self.timeout);
        if !self.live {
            return None;
        }
        Some(live::look(survey, config, &self.names, resolver, limit, terminal).await)
    }

    fn exit(&self, report: &Report) -> Exit {
        if report.mends.as_ref().is_some_and(|mends| !mends.is_done()) {
            return Exit::Unhealthy;
        }
        match (report.status, self.strict) {
            (Status::Ok, _) | (Status::Warn, false) => Exit::Healthy,
            (Status::Warn, true) | (Status::Fail, _) => Exit::Unhealthy,
            (Status::Unknown, _) => Exit::Unknown,
        }
    }

    fn look(&self, resolver: &Resolver) -> painter::Look {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| resolver.environment().text(name))
            .find(|value| !value.is_empty());
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        if self.ascii || !utf8 { painter::Look::Ascii } else { painter::Look::Signs }
    }
}

/// The configuration that was named, or the one that lies here.
fn configuration(named: Option<&Path>, terminal: &Terminal) -> Result<Config, CliError> {
    let here = Path::new(config::DEFAULT_FILE);
    match named {
        Some(file) => config::load(file, terminal),
        None if here.is_file() => config::load(here, terminal),
        None => Ok(Config::default()),
    }
}

/// The references of a configuration. It was checked, so every one can be read.
fn references(config: &Config) -> Vec<(String, Reference)> {
    let keys = config.providers.iter().flat_map(|provider| provider.keys.iter().map(move |key| (provider, key)));
    keys.filter_map(|(provider, key)| Some((provider.id.clone(), key.reference.parse().ok()?))).collect()
}

/// Fingerprints of this report cannot be looked up elsewhere.
fn fingerprinter() -> Result<Fingerprinter, CliError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(CliError::Random)?;
    Ok(Fingerprinter::new(key))
}

fn now() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}
