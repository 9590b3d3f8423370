//! What stands above a page's text: the fields, and how its snippets are run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How bad it is for the program that meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// Every call fails until a person acts, and a secret may be in strangers' hands.
    Critical,
    /// Every call fails until a person acts.
    High,
    /// Some calls fail, or a program can get past it by itself.
    Medium,
    /// It costs time, not answers.
    Low,
}

/// How hard it is to mend for somebody who meets it for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Difficulty {
    /// One setting.
    Easy,
    /// Some searching, or a second person.
    Medium,
    /// Several places, or somebody else's decision.
    Hard,
}

/// One fix as its page states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageFix {
    /// The advice; placeholders as in `{keys_url}`.
    pub says: String,
    /// The command that carries it out.
    #[serde(default)]
    pub command: Option<String>,
}

/// The fields of a page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrontMatter {
    pub(super) title: String,
    pub(super) severity: Severity,
    /// What providers answer; empty when the client stops before it sends.
    pub(super) http_status: Vec<u16>,
    pub(super) difficulty: Difficulty,
    pub(super) time_to_fix: String,
    /// Other names that people look for.
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    /// An exception's: whose it is, as a catalogue id.
    #[serde(default)]
    pub(super) provider: Option<String>,
    /// An exception's: the causes behind it, most frequent first.
    #[serde(default)]
    pub(super) causes: Vec<String>,
    /// Pages to read next.
    #[serde(default)]
    pub(super) related: Vec<String>,
    #[serde(default, rename = "fix")]
    pub(super) fixes: Vec<PageFix>,
    #[serde(default)]
    pub(super) code: Option<CodeSpec>,
    /// Fields that this page leaves out on purpose, each with the reason.
    #[serde(default)]
    pub(super) not_applicable: BTreeMap<String, String>,
}

/// How the snippets of a page are run.
#[derive(Debug, Deserialize)]
pub(super) struct CodeSpec {
    /// The SDK, as `data/pages/sdks.toml` names it.
    pub(super) sdk: String,
    /// By the snippet's name: the second word behind the fence.
    #[serde(flatten)]
    pub(super) scenes: BTreeMap<String, Scene>,
}

/// What surrounds one snippet while it runs, and what it must do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Variables; `<revoked>` stands for a new key in this state at the emulated provider.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Files in its folder, with the same placeholders.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What the control door is told about a placeholder's key beside its state, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// The class of the exception that ends it; `None` when it must not fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raises: Option<String>,
    /// What it says: on stderr when it raises, on stdout when not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// What is different with some versions, by test environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Other>,
}

/// What one version does instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// The class of the exception.
    pub raises: String,
    /// What it says on stderr.
    pub says: String,
}
