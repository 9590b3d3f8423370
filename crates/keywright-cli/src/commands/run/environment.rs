//! The child's environment: a token where a key was, the gateway where the provider was.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;

use keywright_core::provider::{Variable, VariableRole};
use keywright_core::{Catalogue, ProviderSpec, Redactor, Secret};

use super::doors::base_url_variables;
use super::rings::Rings;

/// What the child gets.
#[derive(Debug, Default)]
pub(super) struct ChildEnvironment {
    /// Every variable.
    pub(super) variables: BTreeMap<OsString, OsString>,
    /// What was changed beyond keys and base URLs, in words without values.
    pub(super) notes: Vec<String>,
}

/// What the child is given instead of keys.
pub(super) struct Hand<'a> {
    /// The gateway.
    pub(super) addr: SocketAddr,
    /// The token of this run.
    pub(super) token: &'a Secret,
}

/// Knows the real values.
pub(super) struct Guard(pub(super) Redactor);

impl Guard {
    /// Whether a value is or contains a real key, in any encoding.
    fn holds(&self, value: &OsStr) -> bool {
        self.0.finds_value(value.as_encoded_bytes())
    }
}

/// The environment for `--direct`: the first usable key of each provider, under its own name.
pub(super) fn direct(parent: BTreeMap<OsString, OsString>, rings: &Rings) -> ChildEnvironment {
    let mut variables = parent;
    for door in &rings.doors {
        let spec = Catalogue::builtin().provider(&door.names_of);
        let name = spec.and_then(ProviderSpec::key_variable);
        let key = rings.usable().find(|key| key.names_of == door.names_of);
        if let (Some(name), Some(key)) = (name, key) {
            variables.insert(name.into(), key.found.secret.expose().into());
        }
    }
    ChildEnvironment { variables, notes: Vec::new() }
}

/// The environment of a child that calls through the gateway and holds no real key.
pub(super) fn through_gateway(
    parent: BTreeMap<OsString, OsString>,
    rings: &Rings,
    hand: &Hand<'_>,
    guard: &Guard,
) -> ChildEnvironment {
    let mut child = ChildEnvironment { variables: parent, notes: Vec::new() };
    let dropped = child.drop_real_keys(guard);
    child.drop_what_opens_the_vault();
    for door in rings.open_doors() {
        let Some(spec) = Catalogue::builtin().provider(&door.names_of) else {
            continue;
        };
        for variable in &spec.variables {
            let was_set = dropped.contains(OsStr::new(&variable.name))
                || child.variables.contains_key(OsStr::new(&variable.name));
            let expected = was_set || spec.key_variable() == Some(&variable.name);
            child.hand_over(variable, expected, rings, hand);
        }
        for variable in base_url_variables(spec) {
            child.set(&variable.name, door.url(hand.addr, variable));
        }
    }
    for name in rings.sibling_variables() {
        child.set(name, hand.token.expose());
    }
    child.shield_from_files(rings, hand, guard);
    for name in ["NO_PROXY", "no_proxy"] {
        child.bypass_proxies(name);
    }
    let gone = dropped.iter().filter(|name| !child.variables.contains_key(*name));
    let notes = gone.map(|name| format!("`{}` held a real key and is not passed on", name.display()));
    child.notes.extend(notes.collect::<Vec<_>>());
    child
}

impl ChildEnvironment {
    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Real keys go, under whatever name and in whatever encoding. Tells the names.
    fn drop_real_keys(&mut self, guard: &Guard) -> BTreeSet<OsString> {
        let mut dropped = BTreeSet::new();
        self.variables.retain(|name, value| {
            let real = guard.holds(value);
            if real {
                dropped.insert(name.clone());
            }
            !real
        });
        dropped
    }

    /// What opens age files opens the vault that the real keys come from.
    fn drop_what_opens_the_vault(&mut self) {
        let opens = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with("KEYWRIGHT_AGE_"));
        let gone: Vec<OsString> = self.variables.keys().filter(|name| opens(name)).cloned().collect();
        for name in gone {
            self.variables.remove(&name);
            self.notes.push(format!("`{}` opens stored keys and is not passed on", name.display()));
        }
    }

    /// One variable of a provider whose requests go through the gateway. A key that is not expected,
    /// because nobody set it and the SDKs do not read it, is not invented.
    fn hand_over(&mut self, variable: &Variable, expected: bool, rings: &Rings, hand: &Hand<'_>) {
        let name = variable.name.as_str();
        let in_file = in_files(rings, name);
        // `OPENAI_API_KEY_PATH`: a file with a real key, which the oldest SDK prefers to the variable.
        let leads_to_a_key = name.ends_with("_KEY_PATH") || name.ends_with("_KEY_FILE");
        match variable.role {
            VariableRole::Key if !leads_to_a_key => {
                if expected || in_file {
                    self.set(name, hand.token.expose());
                }
            }
            VariableRole::AdminKey => self.take_away(name, in_file, "holds a real key"),
            VariableRole::Headers if self.carries_a_credential(name) || in_file => {
                self.take_away(name, in_file, "may carry a credential of its own");
            }
            _ if leads_to_a_key => self.take_away(name, in_file, "leads to a real key"),
            VariableRole::Key
            | VariableRole::BaseUrl
            | VariableRole::Organization
            | VariableRole::Project
            | VariableRole::Headers
            | VariableRole::Other => {}
        }
    }

    /// Removes a variable. Where a dotenv file would bring it back, an empty one stands in its place.
    fn take_away(&mut self, name: &str, in_file: bool, why: &str) {
        let was_set = self.variables.remove(OsStr::new(name)).is_some();
        if in_file {
            self.set(name, "");
        }
        if was_set || in_file {
            self.notes.push(format!("`{name}` {why} and is not passed on"));
        }
    }

    fn carries_a_credential(&self, name: &str) -> bool {
        let value = self.variables.get(OsStr::new(name));
        let text = value.map(|value| value.to_string_lossy().to_ascii_lowercase());
        text.is_some_and(|text| text.contains("authorization") || text.contains("api-key"))
    }

    /// Programs load `.env` themselves, but not over what is set: the token stands there first.
    fn shield_from_files(&mut self, rings: &Rings, hand: &Hand<'_>, guard: &Guard) {
        let entries = rings.files.iter().filter_map(|(_, file)| file.as_ref().ok()).flat_map(|file| &file.entries);
        for entry in entries {
            let real = guard.holds(OsStr::new(entry.value.expose()));
            if real && !self.variables.contains_key(OsStr::new(&entry.name)) {
                self.set(&entry.name, hand.token.expose());
            }
        }
    }

    /// A proxy cannot reach our loopback.
    fn bypass_proxies(&mut self, name: &str) {
        let before = self.variables.get(OsStr::new(name)).map(|value| value.to_string_lossy());
        let value = match before.as_deref().map(str::trim) {
            None | Some("") => LOOPBACK.to_owned(),
            Some("*") => "*".to_owned(),
            Some(list) => format!("{list},{LOOPBACK}"),
        };
        self.set(name, value);
    }
}

fn in_files(rings: &Rings, name: &str) -> bool {
    let files = rings.files.iter().filter_map(|(_, file)| file.as_ref().ok());
    files.into_iter().any(|file| file.last(name).is_some())
}

const LOOPBACK: &str = "127.0.0.1,localhost";

#[cfg(test)]
mod tests;
