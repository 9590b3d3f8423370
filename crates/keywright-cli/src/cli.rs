//! The command line: what every command shares.

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use keywright::sources::Environment;
use keywright_core::Redactor;

use crate::commands::Command;
use crate::exit::Exit;
use crate::logging::{self, LogFormat};
use crate::terminal::{Color, SharedRedactor, Terminal};

/// Keeps programs that call LLM APIs running when an API key goes bad, and says exactly why it went bad.
#[derive(Debug, Parser)]
#[command(
    name = "keywright",
    version,
    propagate_version = true,
    disable_help_subcommand = false,
    arg_required_else_help = true,
    after_help = AFTER_HELP,
    after_long_help = AFTER_LONG_HELP,
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// When to use colour; `NO_COLOR` turns `auto` off.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true, hide_possible_values = true)]
    color: Color,
    /// How log lines look: `text` or `json`. `KEYWRIGHT_LOG` chooses which are shown, such as `debug`.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", global = true, hide_possible_values = true)]
    log_format: LogFormat,
    /// Say more; twice says everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

/// Runs the command that the arguments name; the first one is the program's name.
pub(crate) fn main(arguments: &[OsString]) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, arguments),
    };
    let redactor = SharedRedactor::default();
    let filter = Environment::process().text("KEYWRIGHT_LOG");
    let level = cli.command.log_level(cli.global.verbose);
    logging::start(cli.global.log_format, filter.as_deref(), level, redactor.clone());
    let terminal = Terminal::new(cli.global.color, cli.global.verbose, cli.global.log_format, redactor);
    let in_run = cli.command.is_run();
    match cli.command.run(&terminal) {
        Ok(exit) => exit,
        Err(error) => match error.report(&terminal) {
            // The codes 1 and 2 belong to the program that `run` starts.
            Exit::Unhealthy | Exit::Usage | Exit::Unknown if in_run => Exit::NotStarted,
            exit => exit,
        },
    }
}

/// `--help` and `--version` are answers; everything else is a wrong command line.
fn usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
    if error.use_stderr() {
        // It repeats arguments, and a key may stand among them by mistake.
        let text = error.render().to_string();
        let _ = std::io::stderr().write_all(Redactor::default().redact_str(&text).as_bytes());
    } else {
        // Nothing is left to do when even this cannot be printed.
        let _ = error.print();
    }
    match (error.use_stderr(), error.kind()) {
        (true, _) if asked_for_run(arguments) => Exit::NotStarted,
        (true, _) => Exit::Usage,
        (false, _) => Exit::Healthy,
    }
}

/// Whether the command line, which could not be read, names `run`.
fn asked_for_run(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .skip(1)
        .find(|argument| !argument.as_encoded_bytes().starts_with(b"-"))
        .is_some_and(|command| command == "run")
}

const AFTER_HELP: &str = "\
Examples:
  keywright run -- python app.py          run an app; real keys never reach it
  keywright doctor                        what is wrong with the keys here, and what mends it
  keywright serve --config keywright.toml the same as a service for a team
  keywright explain app.log               why did the call fail: cause, evidence, fix
  keywright config init                   a commented configuration to start from

`keywright help COMMAND` tells more. Source: https://github.com/keywright/keywright";

const AFTER_LONG_HELP: &str = "\
Examples:
  keywright run -- python app.py          run an app; real keys never reach it
  keywright doctor                        what is wrong with the keys here, and what mends it
  keywright serve --config keywright.toml the same as a service for a team
  keywright config init                   a commented configuration to start from

Exit codes:
  0  all is well
  1  not well; the report says why
  2  the command line or a configuration is wrong
  3  no verdict: the network or a source gave no answer
  run: the program's own code; 128+N when signal N ended it; 125 keywright failed
       before the start, 126 the program is not executable, 127 there is no such program

Environment:
  KEYWRIGHT_LOG  what is logged to stderr: error, warn, info, debug, trace, or target=level
  NO_COLOR       no colour, unless --color says otherwise

Nothing is sent anywhere but to the providers you call and the stores that hold your keys. There is no
telemetry and no update check.
Source: https://github.com/keywright/keywright";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
