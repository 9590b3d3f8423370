//! The `[sources]` table: how keys are read.

use std::num::NonZeroU64;
use std::time::Duration;

use keywright::sources::{Helpers, SourceSettings};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::IfMissing;

/// The `[sources]` table. Its `Default` holds every default.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSources {
    /// How long one place may take to answer.
    timeout_ms: NonZeroU64,
    /// How often vaults, cloud stores and helpers are asked for a new value of a key that serves; 0 for never.
    poll_seconds: u64,
    /// What it means that a key's source has no value: `error` lets nothing start, `warn` tells it, `ignore` does not.
    pub(super) if_missing: IfMissing,
}

impl Default for RawSources {
    fn default() -> Self {
        let SourceSettings { time_limit, poll, .. } = SourceSettings::default();
        Self {
            timeout_ms: u64::try_from(time_limit.as_millis()).ok().and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN),
            poll_seconds: poll.map_or(0, |poll| poll.as_secs()),
            if_missing: IfMissing::default(),
        }
    }
}

impl RawSources {
    pub(super) fn settings(&self, helpers: Helpers) -> SourceSettings {
        SourceSettings {
            helpers,
            time_limit: Duration::from_millis(self.timeout_ms.get()),
            poll: (self.poll_seconds > 0).then(|| Duration::from_secs(self.poll_seconds)),
        }
    }
}
