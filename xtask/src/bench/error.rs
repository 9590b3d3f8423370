//! What can go wrong in a bench.

use std::io;
use std::process::ExitCode;

/// A bench that could not be run, or whose result may not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line does not make sense.
    #[error("{text}; `cargo xtask bench help` lists what there is")]
    Usage {
        /// What is wrong with it.
        text: String,
    },
    /// The operating system refused something.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, as a verb phrase.
        action: String,
        /// The refusal.
        source: io::Error,
    },
    /// A program we need stopped, failed or did not answer.
    #[error("{program} {trouble}\n{log}")]
    Program {
        /// Its name.
        program: String,
        /// What it did, as a verb phrase.
        trouble: String,
        /// The end of what it printed.
        log: String,
    },
    /// A contender's answers were wrong, so its numbers mean nothing.
    #[error("{contender} answered {workload} wrongly: {fault}")]
    Answer {
        /// Who.
        contender: String,
        /// What was asked.
        workload: String,
        /// How the answer was wrong.
        fault: String,
    },
    /// Someone pressed ctrl-c or sent SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// A result of this module.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A command line that does not make sense.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage { text: text.into() }
    }

    /// Turns an [`io::Error`] into ours; `action` is a verb phrase.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// A program that did something it should not.
    pub(crate) fn program(program: &str, trouble: impl Into<String>) -> Self {
        Self::Program { program: program.to_owned(), trouble: trouble.into(), log: String::new() }
    }

    /// The exit code a shell sees.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            Self::Interrupted => ExitCode::from(130),
            Self::Io { .. } | Self::Program { .. } | Self::Answer { .. } => ExitCode::from(1),
        }
    }
}
