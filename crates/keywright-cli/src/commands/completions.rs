//! `keywright completions`: completion scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Print the completion script of a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright completions bash > ~/.local/share/bash-completion/completions/keywright
  keywright completions zsh  > ~/.zfunc/_keywright
  keywright completions fish > ~/.config/fish/completions/keywright.fish")]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keywright", &mut script);
    terminal.out_bytes(&script)?;
    Ok(Exit::Healthy)
}
