//! Chores that need more than one cargo command: `cargo xtask --help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to a person")]

mod bench;
mod conformance;
mod counts;
mod docs;
mod environments;
mod pages;
mod process;
mod python_wheel;
mod report;
mod test;

use std::process::ExitCode;

/// What a chore may fail with: the message is shown, nothing handles it.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("--help", &[][..]),
    };
    let outcome = match name {
        "test" => test::run(rest),
        "conformance" => conformance::run(rest),
        "pages" => pages::run(rest),
        "docs" => docs::run(rest),
        "bench" => Ok(bench::run(rest)),
        "--help" | "-h" | "help" => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(format!("no chore `{unknown}`; see `cargo xtask --help`").into()),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::from(2)
    })
}

const HELP: &str = "\
Chores of the Keywright workspace

Usage: cargo xtask <CHORE> [OPTIONS]

  test [--only NAME…] [--list]    install what the tests need, run all of them, count them
  conformance [--only NAME…]      run the SDKs' own suites directly and through the gateway, and compare
  pages verify [--write]          run the programs of the error pages, and record what they did
  docs                            build the book of docs/ with its generated reference
  bench gateway|explain|start     measure each beside its peers; see bench/README.md
  bench rotation                  rotate keys under load; fails if a request does
  bench help                      all benches and their options

What is downloaded goes to target/test-env and is kept until its list of versions changes. Missing system
packages are installed with apt-get: that takes Debian and root, and they stay.";
