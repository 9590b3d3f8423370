//! What a configuration says about sources.

use std::time::Duration;

use super::Helpers;

/// What a configuration says about sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// Programs that print a key.
    pub helpers: Helpers,
    /// How long one place may take to answer.
    pub time_limit: Duration,
    /// How often places beyond this machine are asked for a new value of a key that serves; `None` for never.
    pub poll: Option<Duration>,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self { helpers: Helpers::default(), time_limit: Duration::from_secs(10), poll: Some(Duration::from_secs(300)) }
    }
}
