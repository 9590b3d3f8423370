//! The data files of `data/text`: what clients, services and programs print.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::{Captures, Regex};
use serde::Deserialize;

use super::plain::squeezed;
use crate::cause::{Cause, Verdict};
use crate::diagnosis::Confidence;

/// What a client or a service prints, and what it means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Symptom {
    /// A short stable name.
    pub(super) id: String,
    /// The literals that lead here; case and white space do not count.
    any: Vec<String>,
    /// A regular expression for what follows at once.
    #[serde(default)]
    then: Option<String>,
    /// How much the words alone tell.
    #[serde(default)]
    pub(super) weight: Weight,
    /// Who reads what follows, where the cause hangs on it.
    #[serde(default)]
    pub(super) reads: Reads,
    /// The provider, where the words name one.
    #[serde(default)]
    pub(super) provider: Option<String>,
    /// The provider that must have been called, for words that others use as well.
    #[serde(default)]
    pub(super) only: Option<String>,
    /// The verdict, where the cause alone does not give it.
    #[serde(default)]
    pub(super) verdict: Option<Verdict>,
    /// What it means.
    pub(super) cause: Cause,
    /// How sure that is.
    pub(super) confidence: Confidence,
    /// Other causes, most probable first.
    #[serde(default)]
    pub(super) alternatives: Vec<Cause>,
    /// What was seen, as a person says it.
    pub(super) says: String,
    /// Where the fact comes from.
    #[expect(dead_code, reason = "the file states it for its readers; parsing makes it mandatory")]
    source: String,
    /// `then`, compiled when it is first needed: most never are.
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

/// How much words alone tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Weight {
    /// Something failed and this hides what.
    Faint,
    /// Other programs say this too.
    Network,
    /// Exactly this, in exactly this case.
    #[default]
    Sure,
}

/// Who reads what follows a symptom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reads {
    /// Nobody.
    #[default]
    Nothing,
    /// A Python bytes literal with the header's value.
    HeaderValue,
    /// The quoted value before the words.
    QuotedBefore,
    /// The quoted value after the words.
    QuotedAfter,
    /// The position and code point of a JavaScript error.
    ByteString,
    /// The position and character of a Python codec error.
    Codec,
    /// The hexadecimal code point of an OkHttp error.
    UnexpectedChar,
    /// The variable's name before the words.
    VariableBefore,
    /// The variable's name that ends with the words.
    VariableHere,
    /// The slug of a cause, from an answer of our own.
    OwnCause,
}

/// A service that is no LLM provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// What it is called.
    pub(super) name: String,
    /// Ends of its host names.
    pub(super) hosts: Vec<String>,
    /// Words that only it uses.
    pub(super) says: Vec<String>,
    #[expect(dead_code, reason = "the file states it for its readers; parsing makes it mandatory")]
    source: String,
}

/// What in a text names a client or a provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    #[expect(dead_code, reason = "the file states it for its readers; parsing makes it mandatory")]
    name: String,
    /// The provider it serves.
    #[serde(default)]
    pub(super) provider: Option<String>,
    /// How strongly it names that provider.
    pub(super) tier: Tier,
    /// The path that it calls, where it calls one only.
    #[serde(default)]
    pub(super) path: Option<String>,
    /// The words.
    pub(super) mention: Vec<String>,
}

/// How strongly a mention names a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tier {
    /// The address that was called.
    Host,
    /// A package that serves one provider.
    Integration,
    /// The beginning of the key that was sent.
    Key,
    /// A provider's own SDK.
    Sdk,
    /// A variable that holds its key.
    Variable,
    /// One of its models.
    Model,
    /// No provider: a sign of an LLM call.
    Any,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Doubt {
    cause: Cause,
    others: Vec<Cause>,
    #[serde(default)]
    unseen: Vec<Cause>,
}

/// What another service's keys begin with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prefix {
    /// The first characters.
    pub(super) begins: String,
    /// Whose keys they are.
    pub(super) owner: String,
    #[expect(dead_code, reason = "the file states it for its readers; parsing makes it mandatory")]
    source: String,
}

#[derive(Deserialize)]
struct Prefixes {
    prefix: Vec<Prefix>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filler {
    value: String,
    #[expect(dead_code, reason = "the file states it for its readers; parsing makes it mandatory")]
    source: String,
}

#[derive(Deserialize)]
struct Fillers {
    filler: Vec<Filler>,
}

#[derive(Deserialize)]
struct Symptoms {
    symptom: Vec<Symptom>,
}

#[derive(Deserialize)]
struct Services {
    service: Vec<Service>,
}

#[derive(Deserialize)]
struct Clients {
    client: Vec<Client>,
}

#[derive(Deserialize)]
struct Doubts {
    doubt: Vec<Doubt>,
}

/// All data files, parsed once, with the automaton that finds their literals.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) symptoms: Vec<Symptom>,
    pub(super) services: Vec<Service>,
    pub(super) clients: Vec<Client>,
    pub(super) prefixes: Vec<Prefix>,
    /// Values that frameworks put where a key belongs.
    pub(super) fillers: Vec<String>,
    doubts: Vec<Doubt>,
    /// Finds the literals of symptoms.
    pub(super) literals: AhoCorasick,
    /// Whether a literal is a name in capitals, such as `EPIPE`: in small letters it is a part of other words.
    exact: Vec<bool>,
    /// The symptoms of each literal, in the order of the file.
    pub(super) by_literal: Vec<Vec<usize>>,
}

impl Rules {
    /// The built-in files; a test parses them all.
    pub(super) fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Rules> = LazyLock::new(|| Rules::parse().expect("a test parses every built-in file"));
        &BUILTIN
    }

    fn parse() -> Result<Self, toml::de::Error> {
        let Symptoms { symptom: symptoms } = toml::from_str(include_str!("../../data/text/symptoms.toml"))?;
        let Services { service: services } = toml::from_str(include_str!("../../data/text/services.toml"))?;
        let Clients { client: clients } = toml::from_str(include_str!("../../data/text/clients.toml"))?;
        let Doubts { doubt: doubts } = toml::from_str(include_str!("../../data/text/doubts.toml"))?;
        let Prefixes { prefix: prefixes } = toml::from_str(include_str!("../../data/text/prefixes.toml"))?;
        let Fillers { filler: fillers } = toml::from_str(include_str!("../../data/text/fillers.toml"))?;
        let fillers = fillers.into_iter().map(|filler| filler.value).collect();
        let mut patterns: Vec<String> = Vec::new();
        let mut by_literal: Vec<Vec<usize>> = Vec::new();
        for (index, symptom) in symptoms.iter().enumerate() {
            for literal in &symptom.any {
                let literal = squeezed(literal);
                if let Some(at) = patterns.iter().position(|known| known.eq_ignore_ascii_case(&literal)) {
                    by_literal[at].push(index);
                } else {
                    patterns.push(literal);
                    by_literal.push(vec![index]);
                }
            }
        }
        let exact = patterns.iter().map(|literal| !literal.contains(|c: char| c.is_lowercase())).collect();
        Ok(Self {
            exact,
            symptoms,
            services,
            clients,
            prefixes,
            fillers,
            doubts,
            literals: automaton(&patterns),
            by_literal,
        })
    }

    /// Whether the text spells a literal as it must.
    pub(super) fn is_spelled(&self, literal: usize, found: &str) -> bool {
        !self.exact[literal] || !found.contains(|c: char| c.is_ascii_lowercase())
    }

    /// Other causes that leave the same text as this one; more if nothing of the key was seen.
    pub(super) fn doubts(&self, cause: Cause, seen: bool) -> impl Iterator<Item = Cause> {
        let doubt = self.doubts.iter().find(move |doubt| doubt.cause == cause);
        let others = doubt.into_iter().flat_map(|doubt| &doubt.others);
        let unseen = doubt.into_iter().filter(move |_| !seen).flat_map(|doubt| &doubt.unseen);
        others.chain(unseen).copied()
    }
}

impl Symptom {
    /// Whether what follows the literal is as it must be, and the parts of it that have names.
    pub(super) fn follows<'t>(&self, text: &'t str) -> (bool, Option<Captures<'t>>) {
        let Some(pattern) = &self.then else {
            return (true, None);
        };
        let regex = self.compiled.get_or_init(|| Regex::new(&format!("(?x){pattern}")).ok());
        let found = regex.as_ref().and_then(|regex| regex.captures(text));
        (found.is_some(), found)
    }
}

/// Finds literals in squeezed text; the longest of those that begin at one place wins.
///
/// Texts are short and every start builds this anew, so the form that is built fastest is the fastest.
pub(super) fn automaton(patterns: &[String]) -> AhoCorasick {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(patterns)
        .expect("a few hundred patterns fit an automaton")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_parses_and_every_pattern_compiles() {
        let rules = Rules::parse().expect("the files are right");
        for symptom in &rules.symptoms {
            if let Some(then) = &symptom.then {
                Regex::new(&format!("(?x){then}")).unwrap_or_else(|error| panic!("{}: {error}", symptom.id));
                assert!(then.starts_with('^'), "{}", symptom.id);
            }
            assert!(!symptom.says.contains('—'), "{}", symptom.id);
        }
        let mut ids: Vec<_> = rules.symptoms.iter().map(|symptom| &symptom.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), rules.symptoms.len(), "an id stands twice");
    }

    #[test]
    fn every_provider_named_is_in_the_catalogue() {
        let rules = Rules::parse().expect("the files are right");
        let named = rules.clients.iter().filter_map(|client| client.provider.as_ref());
        for id in named.chain(rules.symptoms.iter().filter_map(|symptom| symptom.provider.as_ref())) {
            assert!(crate::Catalogue::builtin().provider(id).is_some(), "{id}");
        }
    }
}
