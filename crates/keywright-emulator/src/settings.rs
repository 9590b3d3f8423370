//! Switches of the whole emulator; each can change while it runs.

use serde::{Deserialize, Serialize};

/// Whether the OpenAI Assistants API still exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assistants {
    /// As before 2026-08-26.
    Live,
    /// As since 2026-08-26: 404.
    #[default]
    Gone,
}

/// How Fireworks answers `GET /inference/v1/models`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FireworksModels {
    /// A list.
    #[default]
    Ok,
    /// `500 Error listing deployed models`, as some valid accounts get.
    Broken500,
}

/// What a key that was never registered gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownKeys {
    /// The provider's "invalid key" answer.
    #[default]
    Refuse,
    /// Treated as valid, of the default owner.
    Accept,
}

/// Which model names are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Models {
    /// Every well-formed name.
    #[default]
    Any,
    /// Only those that the models route lists and that are not shut down.
    Listed,
}

/// Every switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The Assistants API.
    pub assistants: Assistants,
    /// The Fireworks models route.
    pub fireworks_models: FireworksModels,
    /// Keys that were never registered.
    pub unknown_keys: UnknownKeys,
    /// Model names.
    pub models: Models,
    /// How long a key made or deleted through an admin route keeps its old state.
    pub propagation_delay_ms: u64,
}

/// The body of `PUT /_control/settings`: what is absent stays.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChange {
    assistants: Option<Assistants>,
    fireworks_models: Option<FireworksModels>,
    unknown_keys: Option<UnknownKeys>,
    models: Option<Models>,
    propagation_delay_ms: Option<u64>,
}

impl Settings {
    pub(crate) fn with(self, change: SettingsChange) -> Self {
        Self {
            assistants: change.assistants.unwrap_or(self.assistants),
            fireworks_models: change.fireworks_models.unwrap_or(self.fireworks_models),
            unknown_keys: change.unknown_keys.unwrap_or(self.unknown_keys),
            models: change.models.unwrap_or(self.models),
            propagation_delay_ms: change.propagation_delay_ms.unwrap_or(self.propagation_delay_ms),
        }
    }
}
