//! The command `keywright`: calls, paints, exits.

mod asking;
mod cli;
mod commands;
mod diagnosis;
mod error;
mod exit;
mod gate;
mod key_report;
mod live_check;
mod logging;
mod memory;
mod process;
mod terminal;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::guard_panics();
    cli::main().into()
}
