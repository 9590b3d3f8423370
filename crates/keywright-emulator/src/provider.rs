//! The three providers that are emulated, and the path prefix each one lives under.

use std::fmt;
use std::str::FromStr;

use crate::ControlError;

/// A provider that the emulator plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// `api.openai.com`.
    OpenAi,
    /// `api.fireworks.ai`.
    Fireworks,
    /// `api.together.ai`.
    Together,
}

impl Provider {
    /// Every provider, in the order used everywhere.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Fireworks, Self::Together];

    /// The catalogue id, which is also the path prefix.
    pub const fn id(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Fireworks => "fireworks",
            Self::Together => "together",
        }
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::OpenAi => 0,
            Self::Fireworks => 1,
            Self::Together => 2,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Provider {
    type Err = ControlError;

    fn from_str(id: &str) -> Result<Self, ControlError> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.id() == id)
            .ok_or_else(|| ControlError::UnknownProvider { provider: id.into() })
    }
}
