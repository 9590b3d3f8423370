//! What the last run of the snippets found, from `data/pages/verified.toml`. A chore writes it; nobody else does.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The last run of all snippets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// The day, as in `2026-11-21`.
    pub date: String,
    /// One row a page, snippet and SDK version.
    #[serde(default, rename = "run")]
    pub runs: Vec<Run>,
    /// What the broken snippets printed with the newest version, keys masked.
    #[serde(default, rename = "trace")]
    pub traces: Vec<Trace>,
}

/// One snippet with one SDK.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The page's name; `shared` for the snippets that pages share.
    pub page: String,
    /// The snippet's name on its page.
    pub snippet: String,
    /// Package and version.
    pub sdk: String,
    /// What it did.
    pub result: String,
}

/// What a program printed when it died.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The page's name.
    pub page: String,
    /// Package and version.
    pub sdk: String,
    /// The end of its stderr.
    pub text: String,
}

/// The last run.
pub fn verified() -> &'static Verified {
    static VERIFIED: LazyLock<Verified> =
        LazyLock::new(|| toml::from_str(include_str!("../../data/pages/verified.toml")).expect("a test reads it"));
    &VERIFIED
}
