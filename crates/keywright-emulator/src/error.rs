//! What the control door refuses.

use crate::Provider;

/// A control call that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// No such provider.
    #[error("unknown provider `{provider}`")]
    UnknownProvider {
        /// What was asked for.
        provider: String,
    },
    /// No such state.
    #[error("unknown state `{state}`")]
    UnknownState {
        /// What was asked for.
        state: String,
    },
    /// The state is another provider's.
    #[error("state `{state}` does not exist at {provider}")]
    NotAtProvider {
        /// The state.
        state: &'static str,
        /// The provider.
        provider: Provider,
    },
    /// An option that the state needs is missing, or one it does not have is given.
    #[error("state `{state}` {problem} option `{option}`")]
    Option {
        /// The state.
        state: &'static str,
        /// `needs` or `has no`.
        problem: &'static str,
        /// The option.
        option: &'static str,
    },
    /// An option has a value that makes no sense.
    #[error("option `{option}` must be {expected}")]
    Value {
        /// The option.
        option: &'static str,
        /// What it may be.
        expected: String,
    },
    /// The key table is full.
    #[error("too many keys are registered")]
    Full,
}

impl ControlError {
    /// The part of the request at fault.
    pub const fn at(&self) -> &'static str {
        match self {
            Self::UnknownProvider { .. } => "path",
            Self::UnknownState { .. } | Self::NotAtProvider { .. } => "state",
            Self::Option { option, .. } | Self::Value { option, .. } => option,
            Self::Full => "key",
        }
    }
}
