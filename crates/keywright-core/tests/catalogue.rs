//! The catalogue proves itself: every rule has an answer that leads to it, every answer a rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use keywright_core::page::cause_page;
use keywright_core::provider::{Charset, KeyShape, Rule, VariableRole};
use keywright_core::reading::Reading;
use keywright_core::{Answer, Catalogue, Cause, Confidence, ProviderSpec, classify};
use strum::VariantArray;

/// One file of `data/answers`: where it comes from, and what the provider said.
struct Recorded {
    source: String,
    mark: String,
    path: String,
    status: u16,
    body: Vec<u8>,
}

impl Recorded {
    fn read(provider: &str, stem: &str) -> Self {
        let file = data().join("answers").join(provider).join(format!("{stem}.http"));
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self::parse(&bytes).unwrap_or_else(|| panic!("{} is not a recorded answer", file.display()))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let note = |name: &str| {
            let value = head.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or_default().to_owned()
        };
        let status_line = head.lines().find(|line| !line.starts_with("# "))?;
        let status = status_line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
        let (source, mark, path) = (note("source"), note("mark"), note("path"));
        Some(Self { source, mark, path, status, body: bytes[end + 2..].to_vec() })
    }

    fn answer(&self) -> Answer<'_> {
        Answer { status: self.status, path: &self.path, body: &self.body }
    }
}

#[test]
fn every_rule_is_reached_by_its_answers() {
    for (provider, rule) in rules() {
        assert!(!rule.answers.is_empty(), "{} {}: name an answer", provider.id, rule.id);
        for stem in &rule.answers {
            let recorded = Recorded::read(&provider.id, stem);
            let found = classify(provider, &recorded.answer())
                .unwrap_or_else(|| panic!("{} {stem}: not a failure", provider.id));
            assert_eq!(found.rule.as_ref(), Some(&rule.id), "{} {stem}", provider.id);
            assert_eq!(found.cause, rule.cause, "{} {stem}", provider.id);
        }
    }
}

#[test]
fn a_client_that_prints_the_sentence_alone_gets_the_same_cause() {
    for (provider, rule) in rules() {
        for stem in &rule.answers {
            let recorded = Recorded::read(&provider.id, stem);
            let sentence = Reading::of(&recorded.body).message.unwrap_or_default();
            if sentence.is_empty() || recorded.status < 400 {
                continue;
            }
            let answer = Answer { body: sentence.as_bytes(), ..recorded.answer() };
            let found = classify(provider, &answer).map(|found| found.cause);
            assert_eq!(found, Some(rule.cause), "{} {stem}: {sentence}", provider.id);
        }
    }
}

#[test]
fn every_answer_belongs_to_a_rule() {
    for provider in providers() {
        let named: BTreeSet<String> = provider.rules.iter().flat_map(|rule| rule.answers.iter().cloned()).collect();
        let found = stems(&data().join("answers").join(&provider.id), "http");
        assert_eq!(found, named, "{}: files on the left, rules on the right", provider.id);
    }
    let known: BTreeSet<String> = providers().iter().map(|provider| provider.id.clone()).collect();
    assert!(stems(&data().join("answers"), "").is_subset(&known), "answers of a provider without a file");
}

#[test]
fn every_answer_tells_where_it_comes_from() {
    for (provider, rule) in rules() {
        for stem in &rule.answers {
            let recorded = Recorded::read(&provider.id, stem);
            let place = format!("{} {stem}", provider.id);
            assert!(!recorded.source.is_empty(), "{place}: name the source");
            assert!(["R", "T", "S", "D", "I", "F", "G"].contains(&recorded.mark.as_str()), "{place}: mark it");
            assert!(recorded.path.starts_with('/'), "{place}: name the path");
            assert!(stem.starts_with(&recorded.status.to_string()), "{place}: the name begins with the status");
        }
    }
}

#[test]
fn the_built_in_list_is_the_folder() {
    let built_in: BTreeSet<String> = providers().iter().map(|provider| provider.id.clone()).collect();
    assert_eq!(built_in.len(), providers().len(), "an id twice");
    assert_eq!(stems(&data().join("providers"), "toml"), built_in);
}

#[test]
fn rule_ids_are_unique() {
    for provider in providers() {
        let ids: BTreeSet<&str> = provider.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids.len(), provider.rules.len(), "{}", provider.id);
    }
}

#[test]
fn a_rule_claims_no_more_than_it_knows() {
    for (provider, rule) in rules() {
        let place = format!("{} {}", provider.id, rule.id);
        let named = !(rule.code.is_empty() && rule.kind.is_empty() && rule.message.is_empty());
        assert!(named || rule.or_message.is_empty(), "{place}: `or_message` stands beside a code, type or message");
        assert!(named || !rule.status.is_empty() || !rule.path.is_empty(), "{place} covers everything");
        assert!(rule.confidence != Confidence::Certain || rule.alternatives.is_empty(), "{place}: certain, or not?");
        assert!(!rule.alternatives.contains(&rule.cause), "{place} lists its own cause");
        assert!(rule.cause != Cause::InvalidKey || rule.alternatives.contains(&Cause::RevokedOrRotated), "{place}");
    }
}

#[test]
fn every_shape_fits_a_key_of_its_making() {
    for (provider, shape) in shapes() {
        let place = format!("{} {}", provider.id, shape.kind);
        assert!(!shape.source.is_empty(), "{place}: name the source");
        assert!(shape.weak || !shape.prefix.is_empty(), "{place}: a shape without a prefix is weak");
        for key in synthetic_keys(shape) {
            assert!(fits(shape, &key), "{place}: {key}");
        }
    }
}

#[test]
fn strong_shapes_of_two_providers_share_no_key() {
    for (provider, shape) in shapes().filter(|(_, shape)| !shape.weak) {
        for (other, theirs) in shapes().filter(|(other, theirs)| other.id != provider.id && !theirs.weak) {
            for key in synthetic_keys(shape) {
                assert!(!fits(theirs, &key), "{} {} and {} {}", provider.id, shape.kind, other.id, theirs.kind);
            }
        }
    }
}

#[test]
fn a_base_url_says_what_it_ends_in() {
    for provider in providers() {
        let mut seen = BTreeSet::new();
        for variable in &provider.variables {
            let place = format!("{} {}", provider.id, variable.name);
            assert_eq!(variable.role == VariableRole::BaseUrl, variable.ends_in.is_some(), "{place}");
            assert!(seen.insert((&variable.name, &variable.ends_in)), "{place} twice");
        }
        assert!(provider.key_variable().is_some(), "{}: which variable holds the key?", provider.id);
    }
}

#[test]
fn a_provider_owns_its_origin() {
    for provider in providers() {
        let host = provider.http.origin.split_once("://").map_or("", |(_, host)| host);
        assert!(!host.is_empty() && !host.contains('/'), "{}: scheme and host", provider.id);
        assert!(
            provider.http.hosts.is_empty() || provider.http.hosts.iter().any(|known| known == host),
            "{}",
            provider.id
        );
        for known in &provider.http.hosts {
            let owner = Catalogue::builtin().provider_of_host(known).map(|owner| owner.id.as_str());
            assert_eq!(owner, Some(provider.id.as_str()), "{known} belongs to two");
        }
        for probe in &provider.probes {
            assert!(probe.path.starts_with('/') && !probe.source.is_empty(), "{} {}", provider.id, probe.path);
        }
    }
}

#[test]
fn every_page_is_short_and_says_what_to_do() {
    for cause in Cause::VARIANTS {
        let (page, slug) = (cause_page(*cause), cause.slug());
        assert!(
            page.title.len() < LONGEST_TITLE && page.title.starts_with(char::is_lowercase),
            "{slug}: {}",
            page.title
        );
        assert!((2..=4).contains(&page.fixes.len()), "{slug}: two to four fixes");
        assert!(page.body.lines().count() < LONGEST_PAGE, "{slug}: shorten it");
        for fix in page.fixes {
            let words: Vec<&str> = fix.command.as_deref().unwrap_or_default().split(' ').collect();
            let ours = words[0] == "keywright";
            assert!(!ours || COMMANDS.contains(&words[1]), "{slug}: {}", words.join(" "));
        }
    }
}

#[test]
fn no_file_holds_a_real_key() {
    for file in files_below(&data()) {
        let bytes = fs::read(&file).expect("a data file");
        let text = String::from_utf8_lossy(&bytes);
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
            assert!(!looks_real(word), "{}: {word}", file.display());
        }
    }
}

/// Whether a word has a key's shape and is not plainly made up.
fn looks_real(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let distinct: BTreeSet<char> = word.chars().collect();
    word.len() >= SHORTEST_KEY
        && digits > 0
        && distinct.len() > MOST_SYNTHETIC_CHARACTERS
        && shapes().any(|(_, shape)| (!shape.weak || !shape.lengths.is_empty()) && fits(shape, word))
}

/// Whether a key has this shape.
fn fits(shape: &KeyShape, key: &str) -> bool {
    let Some(rest) = key.strip_prefix(shape.prefix.as_str()) else {
        return false;
    };
    let balanced = shape
        .marker
        .as_deref()
        .is_none_or(|marker| rest.split_once(marker).is_some_and(|(before, after)| before.len() == after.len()));
    (shape.lengths.is_empty() || shape.lengths.contains(&key.len()))
        && rest.chars().all(|c| shape.charset.holds(c))
        && balanced
}

/// Keys of this shape that nobody could take for real ones, one a length.
fn synthetic_keys(shape: &KeyShape) -> Vec<String> {
    let unknown = [shape.prefix.len() + LENGTH_WHERE_NONE_IS_KNOWN];
    let lengths = if shape.lengths.is_empty() { &unknown[..] } else { &shape.lengths };
    let fill = if shape.charset == Charset::Hex { "a0" } else { "A0" };
    let fill = if shape.charset == Charset::Lower { "a0" } else { fill };
    lengths.iter().map(|length| synthetic_key(shape, *length, fill)).collect()
}

fn synthetic_key(shape: &KeyShape, length: usize, fill: &str) -> String {
    let marker = shape.marker.as_deref().unwrap_or_default();
    let room = length - shape.prefix.len() - marker.len();
    let filled = |count: usize| fill.chars().cycle().take(count).collect::<String>();
    format!("{}{}{marker}{}", shape.prefix, filled(room / 2), filled(room - room / 2))
}

fn providers() -> &'static [ProviderSpec] {
    Catalogue::builtin().providers()
}

fn rules() -> impl Iterator<Item = (&'static ProviderSpec, &'static Rule)> {
    providers().iter().flat_map(|provider| provider.rules.iter().map(move |rule| (provider, rule)))
}

fn shapes() -> impl Iterator<Item = (&'static ProviderSpec, &'static KeyShape)> {
    providers().iter().flat_map(|provider| provider.keys.iter().map(move |shape| (provider, shape)))
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// The names in a folder without their extension; none if there is no folder.
fn stems(folder: &Path, extension: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .map(|entry| entry.expect("a folder entry").path())
        .map(|path| {
            assert_eq!(path.extension().unwrap_or_default(), extension, "{}", path.display());
            path.file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a data folder");
    let paths = entries.map(|entry| entry.expect("a folder entry").path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The commands that a fix may name.
const COMMANDS: [&str; 6] = ["pages", "doctor", "explain", "run", "keys", "config"];
/// Titles stand in one line of a terminal.
const LONGEST_TITLE: usize = 60;
/// Pages are read to the end.
const LONGEST_PAGE: usize = 120;
/// Shorter words are no keys.
const SHORTEST_KEY: usize = 24;
/// A made-up key repeats a few characters.
const MOST_SYNTHETIC_CHARACTERS: usize = 10;
/// How much follows the prefix of a made-up key where no length is known.
const LENGTH_WHERE_NONE_IS_KNOWN: usize = 32;
