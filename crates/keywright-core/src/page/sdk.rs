//! The SDKs that snippets are written for, from `data/pages/sdks.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// An SDK, and what a snippet has to know of it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sdk {
    /// As its users call it.
    pub name: String,
    /// A catalogue id.
    pub provider: String,
    /// The word behind the fence.
    pub language: String,
    /// The package whose version counts.
    pub package: String,
    /// What is imported.
    pub module: String,
    /// The class of its client.
    pub client: String,
    /// A model that its provider has.
    pub model: String,
    /// The variable with the base URL, and what follows the provider's own address in it.
    pub base_url: (String, String),
    /// The test environments that hold it, oldest version first.
    pub environments: Vec<String>,
}

/// The SDK of this name.
pub fn sdk(name: &str) -> Option<&'static Sdk> {
    SDKS.get(name)
}

/// All SDKs by name.
pub fn sdks() -> &'static BTreeMap<String, Sdk> {
    &SDKS
}

static SDKS: LazyLock<BTreeMap<String, Sdk>> =
    LazyLock::new(|| toml::from_str(include_str!("../../data/pages/sdks.toml")).expect("a test reads it"));
