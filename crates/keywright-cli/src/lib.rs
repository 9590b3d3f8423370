//! The command line of Keywright: calls, paints, exits.
//!
//! A library, because two programs are this command line: the binary `keywright`, and `python -m keywright`. What the
//! commands answer is there as values too, in [`host`].

mod asking;
mod cli;
mod commands;
mod diagnosis;
mod error;
mod exit;
mod gate;
pub mod host;
mod key_report;
mod live_check;
mod logging;
mod memory;
mod process;
mod terminal;

use std::ffi::OsString;

pub use process::guard_panics;

/// Runs a command line, whose first argument is the program's name, and says how the process is to end.
///
/// The codes are those of `keywright help`.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    cli::main(&arguments.into_iter().collect::<Vec<_>>()).code()
}
