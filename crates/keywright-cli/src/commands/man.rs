//! `keywright man`: the manual pages.

use std::path::PathBuf;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Print the manual page, or write one page a command into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright man | man -l -                       read it now
  keywright man --dir ~/.local/share/man/man1    install all pages")]
pub(crate) struct Args {
    /// Write `keywright.1`, `keywright-run.1` … into this folder, which is made if it is missing.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut command = Cli::command();
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        terminal.out_bytes(&page)?;
        return Ok(Exit::Healthy);
    };
    command.build();
    let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
    written.map_err(|source| CliError::Write { path: dir.clone(), source })?;
    Ok(Exit::Healthy)
}
