//! Finds a provider's keys without configuration.
//!
//! Asked in this order: the environment, then each dotenv file. In each of them first the variable
//! that the provider's SDKs read, then its siblings (`NAME_1` … `NAME_9`, `NAME_BACKUP`), then
//! the names that older SDKs and other libraries read. Every different value joins the ring in that
//! order, so that a good second key in `.env` serves when the first one is refused.

use std::path::{Path, PathBuf};

use keywright_core::inspect::owner::sibling_names;
use keywright_core::provider::{ProviderSpec, VariableRole, VariableStanding};
use keywright_core::{Cause, Secret};

use super::error::SourceError;
use super::resolver::{Found, Miss, Resolver};
use super::{Asked, Dotenv, Reference};

/// What was found for one provider.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// The keys, in the order to use them; no value twice. A value may be empty or malformed.
    pub found: Vec<Found>,
    /// Every place that had none.
    pub asked: Miss,
    /// What a person should know about the places.
    pub hints: Vec<Hint>,
}

/// Something strange about where keys are, in words that hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What it would cause.
    pub cause: Cause,
    /// The place.
    pub place: String,
    /// What was seen.
    pub says: String,
}

impl Resolver {
    /// Finds the keys of a provider in the environment and in these dotenv files, already read.
    pub fn discover(&self, provider: &ProviderSpec, files: &[(PathBuf, Result<Dotenv, SourceError>)]) -> Discovery {
        let names = KeyNames::of(provider);
        let mut discovery = Discovery::default();
        for name in &names.read {
            self.ask_environment(name, &mut discovery);
        }
        for (path, file) in files {
            match file {
                Ok(file) => ask_file(path, file, &names, &mut discovery),
                Err(why) => discovery.asked.asked.push(Asked { place: path.display().to_string(), why: *why }),
            }
        }
        if discovery.found.is_empty() {
            self.hint_at_mistaken(&names, files, &mut discovery);
        }
        discovery
    }

    fn ask_environment(&self, name: &KeyName, discovery: &mut Discovery) {
        let place = format!("environment variable {}", name.name);
        match self.environment().secret(&name.name) {
            Ok(Some(secret)) => {
                let reference = Reference::Env { name: name.name.clone() };
                discovery.add(Found { secret, reference, place });
            }
            Ok(None) if name.expected => discovery.asked.asked.push(Asked { place, why: SourceError::NotSet }),
            Ok(None) => {}
            Err(why) => discovery.asked.asked.push(Asked { place, why }),
        }
    }

    /// No key was found: is there one under a name that nothing reads?
    fn hint_at_mistaken(
        &self,
        names: &KeyNames,
        files: &[(PathBuf, Result<Dotenv, SourceError>)],
        discovery: &mut Discovery,
    ) {
        let says = format!("nothing reads this name; the SDKs read `{}`", names.official);
        let hint = |place: String| Hint { cause: Cause::WrongEnvVarName, place, says: says.clone() };
        for name in &names.mistaken {
            if self.environment().value(name).is_some_and(|v| !v.is_empty()) {
                discovery.hints.push(hint(format!("environment variable {name}")));
            }
            for (path, file) in files {
                let entry = file.as_ref().ok().and_then(|file| file.last(name));
                if let Some(entry) = entry {
                    discovery.hints.push(hint(format!("{}:{}", path.display(), entry.line)));
                }
            }
        }
    }
}

fn ask_file(path: &Path, file: &Dotenv, names: &KeyNames, discovery: &mut Discovery) {
    for name in &names.read {
        let Some(entry) = file.last(&name.name) else {
            if name.expected {
                discovery
                    .asked
                    .asked
                    .push(Asked { place: format!("{} in {}", name.name, path.display()), why: SourceError::NotSet });
            }
            continue;
        };
        let place = format!("{}:{}", path.display(), entry.line);
        discovery.note_disagreement(&name.name, &place, &entry.value);
        discovery.hints.extend(file.findings_at(entry.line).map(|finding| Hint {
            cause: finding.cause,
            place: place.clone(),
            says: finding.says.clone(),
        }));
        discovery.add(Found {
            secret: entry.value.clone(),
            reference: Reference::Dotenv { path: path.to_owned(), name: name.name.clone() },
            place,
        });
    }
}

impl Discovery {
    /// Adds a key unless its value is there already.
    fn add(&mut self, found: Found) {
        let known = self.found.iter().any(|other| other.secret.matches(&found.secret));
        if !known {
            self.found.push(found);
        }
    }

    /// The same name with another value in an earlier place: that place wins in every SDK.
    fn note_disagreement(&mut self, name: &str, place: &str, value: &Secret) {
        let earlier =
            self.found.iter().find(|found| matches!(&found.reference, Reference::Env { name: other } if other == name));
        if let Some(earlier) = earlier.filter(|earlier| !earlier.secret.matches(value)) {
            self.hints.push(Hint {
                cause: Cause::StaleValueOverrides,
                place: place.to_owned(),
                says: format!("`{name}` differs from the {}, which comes first", earlier.place),
            });
        }
    }
}

/// The names of one provider's keys.
struct KeyNames {
    /// The name to tell people.
    official: String,
    /// In the order of asking.
    read: Vec<KeyName>,
    mistaken: Vec<String>,
}

struct KeyName {
    name: String,
    /// Whether its absence is worth telling.
    expected: bool,
}

impl KeyNames {
    fn of(provider: &ProviderSpec) -> Self {
        let of_standing = |standing: VariableStanding| {
            provider
                .variables_of(VariableRole::Key)
                .filter(move |variable| variable.standing == standing)
                .map(|variable| variable.name.clone())
                .filter(|name| !names_a_file(name))
        };
        let name = |expected: bool| move |name: String| KeyName { name, expected };
        let official: Vec<String> = of_standing(VariableStanding::Official).collect();
        let siblings = official.iter().flat_map(|name| sibling_names(name));
        let others = of_standing(VariableStanding::Legacy).chain(of_standing(VariableStanding::OtherLibraries));
        let read = official.iter().cloned().map(name(true)).chain(siblings.chain(others).map(name(false)));
        Self {
            read: read.collect(),
            mistaken: of_standing(VariableStanding::Mistaken).collect(),
            official: official.first().cloned().unwrap_or_default(),
        }
    }
}

/// Variables such as `OPENAI_API_KEY_PATH` hold a path, not a key.
pub(super) fn names_a_file(name: &str) -> bool {
    name.ends_with("_PATH") || name.ends_with("_FILE")
}

#[cfg(test)]
mod tests;
