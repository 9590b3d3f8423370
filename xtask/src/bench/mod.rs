//! `cargo xtask bench`: the gateway beside nginx, a bare hyper proxy and no proxy at all; `explain` beside ripgrep; `run` beside `env`.
//!
//! `bench/README.md` says how to repeat a run and what each number covers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who runs it")]

mod contender;
mod error;
mod explain;
mod failure;
mod floor;
mod gateway;
mod load;
mod noise;
mod optimise;
mod options;
mod payload;
mod process;
mod profile;
mod report;
mod rotation;
mod rounds;
mod start;
mod statistics;
mod upstream;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;

use error::Result;
use options::Options;

/// Runs `cargo xtask bench …`; `args` are the words after `bench`.
pub(crate) fn run(args: &[String]) -> ExitCode {
    match dispatch(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let (name, rest) = args.split_first().map_or(("help", args), |(name, rest)| (name, rest));
    match name {
        "gateway" if rest.iter().any(|word| word == "--help" || word == "-h") => help(),
        "gateway" => {
            let options = Options::parse(rest)?;
            optimise::ensure(args)?;
            gateway::run(&options)
        }
        "explain" if rest.iter().any(|word| word == "--help" || word == "-h") => help(),
        // It only starts programs and waits, so it need not be optimised itself.
        "explain" => explain::run(rest),
        "start" if rest.iter().any(|word| word == "--help" || word == "-h") => help(),
        "start" => start::run(rest),
        "rotation" if rest.iter().any(|word| word == "--help" || word == "-h") => help(),
        "rotation" => rotation::run(rest),
        "upstream" => upstream::run(rest),
        "floor" => floor::run(rest),
        "help" | "--help" | "-h" => help(),
        other => Err(error::Error::usage(format!("unknown bench `{other}`"))),
    }
}

fn help() -> Result<()> {
    say(options::HELP)
}

/// Prints a text.
fn say(text: &str) -> Result<()> {
    // Whoever reads only the beginning closes the pipe; that is no failure.
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error::Error::io("print")(error)),
        _ => Ok(()),
    }
}
