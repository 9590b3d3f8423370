//! The command `keywright`: the library of the same crate does the work.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keywright_cli::guard_panics();
    keywright_cli::run(std::env::args_os()).into()
}
