//! What a command fails with, and how that is shown.

use std::io;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Why a command could not do its work. A bad key is not one of these: it is a finding.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A file cannot be read. `absent` is what to do when there is none.
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: io::Error, absent: Option<&'static str> },
    /// A file cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file is in the way.
    #[error("`{}` exists already", path.display())]
    Exists { path: PathBuf },
    /// A folder that is to be replaced is somebody else's.
    #[error("`{}` holds something that keywright did not write", path.display())]
    NotOurs { path: PathBuf },
    /// A page's template and its values do not fit; a test renders all of them.
    #[error("a page cannot be rendered: {0}")]
    Render(#[from] minijinja::Error),
    /// A configuration has problems; they are told already.
    #[error("`{}` has {}", path.display(), count(*problems, "problem"))]
    Config { path: PathBuf, problems: usize },
    /// No key can be used.
    #[error("no usable key for {providers}")]
    NoKey { providers: String, help: String },
    /// A key that must be there is missing.
    #[error("`{reference}` has no value and `if_missing` is `error`: {place}")]
    Required { reference: String, place: String },
    /// The gateway cannot start, or cannot take over a configuration.
    #[error("{message}")]
    Gateway { message: String, help: Option<String> },
    /// The program of `run` cannot be started.
    #[error("cannot start `{program}`: {why}")]
    Program { program: String, why: String, exit: Exit },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// A file that was named with an option cannot be used.
    #[error("`{}`: {why}", path.display())]
    EnvFile { path: PathBuf, why: keywright::sources::SourceError },
    /// A text cannot be a note.
    #[error(transparent)]
    Note(#[from] keywright_core::page::NoteError),
    /// What this installation remembers cannot be used.
    #[error(transparent)]
    State(#[from] keywright::state::StateError),
    /// A store did not take or give back a key.
    #[error(transparent)]
    Store(#[from] keywright::store::StoreError),
    /// The command line asks for something that cannot be done.
    #[error("{message}")]
    Usage { message: String, help: Option<String> },
    /// What was asked about is not there, or is not good enough.
    #[error("{message}")]
    Unmet { message: String, help: Option<String> },
    /// stdout is closed or broken.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    /// What to do about it. Never part of the message.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Read { source, absent, .. } => {
                absent.filter(|_| source.kind() == io::ErrorKind::NotFound).map(str::to_owned)
            }
            Self::Exists { .. } => Some("name another file, or replace it with `--force`".to_owned()),
            Self::NotOurs { .. } => Some("name a new or an empty folder".to_owned()),
            Self::NoKey { help, .. } => Some(help.clone()),
            Self::Required { .. } => Some("put the key there, or set `if_missing = \"warn\"` for it".to_owned()),
            Self::State(error) => error.help(),
            Self::Store(error) => error.help(),
            Self::Note(error) => Some(error.help().to_owned()),
            Self::Gateway { help, .. } | Self::Usage { help, .. } | Self::Unmet { help, .. } => help.clone(),
            Self::Program { exit, .. } => Some(match exit {
                Exit::NotExecutable => {
                    "make it executable with `chmod +x`, or start it through its interpreter".to_owned()
                }
                _ => "check the spelling, and that its folder is in PATH".to_owned(),
            }),
            Self::EnvFile { .. } => Some("`--env-file` takes the path of a dotenv file".to_owned()),
            Self::Config { .. } => Some("`keywright config schema` lists every setting".to_owned()),
            Self::Write { .. } | Self::Render(_) | Self::Random(_) | Self::Output(_) => None,
        }
    }

    /// How the process ends because of this.
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. }
            | Self::Exists { .. }
            | Self::NotOurs { .. }
            | Self::Config { .. }
            | Self::EnvFile { .. }
            | Self::Usage { .. }
            | Self::Note(_) => Exit::Usage,
            Self::Program { exit, .. } => *exit,
            // Whoever read our output has seen enough: `keywright … | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Healthy,
            Self::Write { .. }
            | Self::Render(_)
            | Self::NoKey { .. }
            | Self::Required { .. }
            | Self::Gateway { .. }
            | Self::State(_)
            | Self::Store(_)
            | Self::Unmet { .. }
            | Self::Random(_)
            | Self::Output(_) => Exit::Unhealthy,
        }
    }

    /// Tells a person, and says how to end.
    pub(crate) fn report(&self, terminal: &Terminal) -> Exit {
        let exit = self.exit();
        if exit != Exit::Healthy {
            terminal.tell(format_args!("{} {self}", paint(Role::Error, "error:")));
            if let Some(help) = self.help() {
                terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
            }
        }
        exit
    }
}

/// `1 problem`, `2 problems`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
