//! One file a command.

mod completions;
mod config;
mod demo;
pub(crate) mod doctor;
mod emulate;
pub(crate) mod explain;
pub(crate) mod keys;
mod man;
mod pages;
mod run;
mod serve;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// What keywright can do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Doctor(doctor::Args),
    Pages(pages::Args),
    Run(run::Args),
    Serve(serve::Args),
    Emulate(emulate::Args),
    Explain(explain::Args),
    Keys(keys::Args),
    Config(config::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self, terminal: &Terminal) -> Result<Exit, CliError> {
        match self {
            Self::Demo(args) => demo::run(&args, terminal),
            Self::Doctor(args) => doctor::run(&args, terminal),
            Self::Pages(args) => pages::run(&args, terminal),
            Self::Run(args) => run::run(&args, terminal),
            Self::Serve(args) => serve::run(&args, terminal),
            Self::Emulate(args) => emulate::run(&args, terminal),
            Self::Explain(args) => explain::run(&args, terminal),
            Self::Keys(args) => keys::run(&args, terminal),
            Self::Config(args) => config::run(&args, terminal),
            Self::Completions(args) => completions::run(&args, terminal),
            Self::Man(args) => man::run(&args, terminal),
        }
    }

    /// Whether exit codes belong to another program.
    pub(crate) const fn is_run(&self) -> bool {
        matches!(self, Self::Run(_))
    }

    /// What is logged when `KEYWRIGHT_LOG` says nothing.
    pub(crate) const fn log_level(&self, verbose: u8) -> &'static str {
        match (self, verbose) {
            (_, 2..) => "debug",
            (Self::Serve(_), _) | (_, 1) => "info",
            // The program owns the terminal; what it must know is in the report at the end.
            (Self::Run(_) | Self::Demo(_), 0) => "error",
            (_, 0) => "warn",
        }
    }
}

/// Reads the value of an option that names a provider.
pub(crate) fn provider_id(id: &str) -> Result<String, String> {
    let providers = keywright_core::Catalogue::builtin().providers();
    if providers.iter().any(|provider| provider.id == id) {
        return Ok(id.to_owned());
    }
    let ids: Vec<&str> = providers.iter().map(|provider| provider.id.as_str()).collect();
    let near = keywright::sources::near(id, ids.iter().copied());
    let near = near.map(|near| format!("; did you mean `{near}`?"));
    Err(format!("known are {}{}", ids.join(", "), near.unwrap_or_default()))
}

/// The runtime of the commands that wait for the network. The gateway has threads of its own.
fn runtime() -> Result<tokio::runtime::Runtime, crate::error::CliError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
