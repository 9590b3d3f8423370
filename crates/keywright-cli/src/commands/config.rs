//! `keywright config`: check, describe and begin a configuration file.

mod allow;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use keywright_gateway::{Config, ConfigProblem};
use serde_json::json;

use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Check, describe or begin keywright.toml.
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  keywright config init                 write a commented keywright.toml
  keywright config check                what is wrong, with line, column and the near name
  keywright config schema > schema.json for editors that complete and check TOML
  keywright config allow                let its helpers (`cmd://NAME`) run"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Check(Check),
    /// Print the JSON Schema of the configuration.
    Schema,
    Init(Init),
    Allow(allow::Args),
    /// Take back what `config allow` allowed.
    Deny(allow::Args),
}

/// Say what is wrong with a configuration, and where; exit 2 when something is.
///
/// A misspelt name or a value of the wrong type ends the reading: it is the only problem shown. Once the file can be read, all
/// other problems are shown together. What works, and probably not as it was meant, is a warning and changes no exit code.
#[derive(Debug, clap::Args)]
struct Check {
    /// The file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

/// Write a commented configuration to start from.
#[derive(Debug, clap::Args)]
struct Init {
    /// The file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

/// The file that is read when none is named.
pub(super) const DEFAULT_FILE: &str = "keywright.toml";

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.action {
        Action::Check(args) => check(args, terminal),
        Action::Init(args) => init(args, terminal),
        Action::Allow(args) => allow::allow(args, terminal),
        Action::Deny(args) => allow::deny(args, terminal),
        Action::Schema => {
            let schema = serde_json::to_string_pretty(&Config::schema()).map_err(std::io::Error::from)?;
            terminal.out(schema)?;
            Ok(Exit::Healthy)
        }
    }
}

/// Reads a configuration, and whether it may run helpers; the problems that were found are told to the person.
pub(super) fn load(file: &Path, terminal: &Terminal) -> Result<Config, CliError> {
    let text = read(file)?;
    let mut config = Config::parse(&text).map_err(|problems| told(file, &problems, terminal))?;
    let helpers = &mut config.sources.helpers;
    helpers.file = Some(file.to_owned());
    // Asked of the text that was parsed: a file that changes meanwhile changes nothing.
    helpers.allowed = !helpers.commands.is_empty() && allow::is_allowed(file, &text, terminal);
    Ok(config)
}

fn told(file: &Path, problems: &[ConfigProblem], terminal: &Terminal) -> CliError {
    for problem in problems {
        tell(file, problem, paint(Role::Error, "error:"), terminal);
    }
    CliError::Config { path: file.to_owned(), problems: problems.len() }
}

/// What works, and probably not as it was meant, as one event for programs.
pub(super) fn warnings_event(file: &Path, config: &Config) -> serde_json::Value {
    json!({
        "schema": 1, "event": "config_warnings", "level": "WARN",
        "file": file.display().to_string(), "warnings": listed(&config.warnings),
    })
}

/// The same for a person.
pub(super) fn warn(file: &Path, config: &Config, terminal: &Terminal) {
    for warning in &config.warnings {
        tell(file, warning, paint(Role::Warning, "warning:"), terminal);
    }
}

fn check(args: &Check, terminal: &Terminal) -> Result<Exit, CliError> {
    if !args.json {
        let config = Config::check(&read(&args.file)?).map_err(|problems| told(&args.file, &problems, terminal))?;
        warn(&args.file, &config, terminal);
        let providers = count(config.providers.len(), "provider");
        let keys = config.providers.iter().map(|provider| provider.keys.len()).sum();
        terminal.out(format_args!(
            "{} `{}`: {providers}, {}, {}, {}",
            paint(Role::Good, "[ok]"),
            args.file.display(),
            count(keys, "key"),
            count(config.routes.len(), "route"),
            count(config.virtual_keys.len(), "virtual key"),
        ))?;
        return Ok(Exit::Healthy);
    }
    let (problems, warnings) = match Config::check(&read(&args.file)?) {
        Ok(config) => (Vec::new(), config.warnings),
        Err(problems) => (problems, Vec::new()),
    };
    terminal.out_json(&json!({
        "schema": 1, "file": args.file.display().to_string(), "ok": problems.is_empty(),
        "problems": listed(&problems), "warnings": listed(&warnings),
    }))?;
    Ok(if problems.is_empty() { Exit::Healthy } else { Exit::Usage })
}

fn listed(problems: &[ConfigProblem]) -> Vec<serde_json::Value> {
    let object = |problem: &ConfigProblem| {
        json!({
            "line": problem.line, "column": problem.column,
            "message": problem.message, "help": problem.help,
        })
    };
    problems.iter().map(object).collect()
}

fn init(args: &Init, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let path = || args.file.clone();
    let opened = options.open(&args.file);
    let written = opened.and_then(|mut file| file.write_all(Config::sample().as_bytes()));
    written.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => CliError::Exists { path: path() },
        _ => CliError::Write { path: path(), source },
    })?;
    terminal.tell(format_args!("wrote `{}`", args.file.display()));
    terminal.tell("  next: name your keys in it, then `keywright serve`");
    Ok(Exit::Healthy)
}

fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|source| CliError::Read {
        path: file.to_owned(),
        source,
        absent: Some("check the path, or make one with `keywright config init`"),
    })
}

fn tell(file: &Path, problem: &ConfigProblem, head: impl std::fmt::Display, terminal: &Terminal) {
    terminal.tell(format_args!("{head} {}", problem.message));
    let place = [problem.line, problem.column]
        .iter()
        .flatten()
        .fold(file.display().to_string(), |place, number| format!("{place}:{number}"));
    terminal.tell(format_args!("  {} {place}", paint(Role::Pointer, "-->")));
    if let Some(help) = &problem.help {
        terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
    }
}
