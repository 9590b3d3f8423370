//! How a provider's keys are made and deleted by a program.

use serde::Deserialize;

/// A provider's admin API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// How it works.
    pub api: AdminApi,
    /// Where the fact comes from.
    pub source: String,
}

/// How an admin API works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminApi {
    /// Projects have service accounts, and those have keys. An admin key makes them; it serves nothing else.
    ServiceAccounts,
    /// Users of an account have keys. Any key of theirs makes others.
    UserKeys,
}
