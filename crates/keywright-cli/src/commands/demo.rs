//! `keywright demo`: the whole story on this machine, on real traffic.

mod client;
mod load;
mod stage;
mod story;

use std::num::NonZeroU32;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// See a request survive a revoked key: emulated providers, this gateway, and clients under load.
///
/// One call to each of OpenAI, Fireworks AI and Together AI; then several clients send JSON and SSE
/// requests without a pause while keys are revoked, expire or run out of credit one after another; then
/// each dead key's diagnosis; last, what an app gets when no key is left. No network, no account and no
/// key is needed: the providers are emulated on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright demo                       a few seconds, nine thousand requests
  keywright demo --requests 100000     longer
  keywright demo --json                the same as one JSON object

Exit codes: 0 when no request was lost, 1 when one was.")]
pub(crate) struct Args {
    /// How many requests the load has.
    #[arg(long, value_name = "COUNT", default_value = "9000")]
    requests: NonZeroU32,
    /// How many clients send them, each with a connection of its own.
    #[arg(long, value_name = "COUNT", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=512))]
    clients: u16,
    /// Makes the emulator's ids and numbers repeat from run to run.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object at the end instead of the story.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    super::runtime()?.block_on(story::tell(args, terminal))
}
