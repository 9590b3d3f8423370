//! The names that `keywright doctor NAME` takes: checks and providers.

use keywright_core::Catalogue;
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// A check, or the provider whose keys are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// One of [`CHECKS`].
    Check(&'static str),
    /// A catalogue id.
    Provider(String),
}

/// The checks beside those of the providers, each with what it looks at.
pub(super) const CHECKS: &[(&str, &str)] = &[
    (
        FILES,
        "dotenv files: encoding, quotes, spaces, comments, duplicates, who can read them, whether git ignores them",
    ),
    (
        SURROUNDINGS,
        "proxies, files of trusted certificates, variables that send requests elsewhere, keys in variables that reach a browser",
    ),
    (
        STATE,
        "what keywright remembers and stores here: the folder, the history of keys, the key vault; who can read them",
    ),
    (
        NETWORK,
        "with --live: whether providers can be reached, by one key a place; name, port, proxy, certificate, clock, foreign answers",
    ),
];

/// The check of dotenv files.
pub(super) const FILES: &str = "files";
/// The check of what all providers share.
pub(super) const SURROUNDINGS: &str = "surroundings";

/// The check of what this installation remembers.
pub(super) const STATE: &str = "state";

/// The check of the way to the providers; only with `--live`.
pub(super) const NETWORK: &str = "network";

/// Reads a name from the command line.
pub(super) fn parse(name: &str) -> Result<Name, String> {
    if let Some((check, _)) = CHECKS.iter().find(|(check, _)| *check == name) {
        return Ok(Name::Check(check));
    }
    let checks: Vec<&str> = CHECKS.iter().map(|(check, _)| *check).collect();
    crate::commands::provider_id(name)
        .map(Name::Provider)
        .map_err(|error| format!("{error}; and the checks {}", checks.join(", ")))
}

/// Names every check.
pub(super) fn list(json: bool, terminal: &Terminal) -> Result<Exit, CliError> {
    let providers = Catalogue::builtin().providers().iter().map(|provider| {
        let what =
            format!(
            "keys of {0}: presence, characters, shape, names, shadowing, base URLs, headers; with --live, what {0} says",
            provider.name
        );
        (provider.id.as_str(), what)
    });
    let checks = CHECKS.iter().map(|(id, what)| (*id, (*what).to_owned()));
    let all: Vec<(&str, String)> = providers.chain(checks).collect();
    if json {
        let list: Vec<_> = all.iter().map(|(id, what)| json!({ "id": id, "summary": what })).collect();
        terminal.out_json(&json!({ "schema_version": super::report::SCHEMA_VERSION, "checks": list }))?;
    } else {
        for (id, what) in all {
            terminal.out(format_args!("{id:13} {what}"))?;
        }
    }
    Ok(Exit::Healthy)
}
