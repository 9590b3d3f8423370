//! How the process ends.

use std::process::ExitCode;

/// How the process ends. Documented; the numbers never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Healthy,
    /// What was checked is not well, or a service could not start; the report says why.
    Unhealthy,
    /// The command line or a configuration file is wrong.
    Usage,
    /// No verdict: the network or a source gave no answer.
    Unknown,
    /// `run`: we failed before the program started.
    NotStarted,
    /// `run`: the program was found and cannot be executed.
    NotExecutable,
    /// `run`: there is no such program.
    NotFound,
    /// `run`: the program's own code, or 128 + N for signal N.
    Child(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Unhealthy => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::NotStarted => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Child(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
