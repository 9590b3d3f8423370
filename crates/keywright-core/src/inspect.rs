//! Offline inspection of a value that should be a key. Pure: a value in, findings out.

use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::provider::{KeyShape, ProviderSpec};
use crate::secret::mask;

/// One thing that is wrong, or strange, about a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub cause: Cause,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, without showing the value.
    pub says: String,
    /// The index of the first character concerned, counted from 0.
    pub at: Option<usize>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Strange; it may work.
    Warning,
    /// It cannot work.
    Error,
}

/// Inspects a value meant as a key of `provider`. The worst finding comes first.
///
/// A shape that no catalogued kind of key has is a warning, never an error: shapes drift.
pub fn inspect(value: &str, provider: &ProviderSpec) -> Vec<Finding> {
    if value.is_empty() {
        return vec![error(Cause::EmptyKey, "the value is empty", None)];
    }
    if value.trim().is_empty() {
        return vec![error(Cause::WhitespaceOrNewline, "the value is white space only", Some(0))];
    }
    let mut findings = surface(value);
    if findings.is_empty() {
        findings.extend(substance(value, provider));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// What a careless paste leaves around or inside a key.
fn surface(value: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((quote, _)) = quotes(value) {
        findings.push(error(Cause::QuotesInKey, format!("the value begins with {}", name_of(quote)), Some(0)));
    }
    if let Some(pasted) = pasted_prefix(value) {
        findings.push(error(Cause::HeaderMalformed, format!("`{pasted}` was pasted with the key"), Some(0)));
    }
    let odd = value.chars().enumerate().find(|(_, c)| !c.is_ascii_graphic());
    match odd {
        Some((at, c)) if c.is_ascii() => {
            let says = format!("{} at position {at} of {}", name_of(c), value.chars().count());
            findings.push(error(Cause::WhitespaceOrNewline, says, Some(at)));
        }
        Some((at, c)) if quotes(value).is_none() => {
            let says = format!("{} at position {at}", name_of(c));
            findings.push(error(Cause::HiddenOrNonAsciiCharacter, says, Some(at)));
        }
        _ => {}
    }
    findings
}

/// What the value itself tells, once it is clean.
fn substance(value: &str, provider: &ProviderSpec) -> Option<Finding> {
    if let Some(says) = placeholder(value) {
        return Some(error(Cause::PlaceholderKey, says, None));
    }
    if value.starts_with("http://") || value.starts_with("https://") || value.starts_with('{') {
        return Some(error(Cause::NotAKeyValue, "a URL or JSON stands where the key should be", Some(0)));
    }
    if value.contains('…') || value.contains("***") || value.contains("...") {
        return Some(error(Cause::PlaceholderKey, "this is the masked form of a key, copied from a display", None));
    }
    let known = |spec: &'_ ProviderSpec| spec.keys.iter().any(|shape| shape.fits(value));
    if known(provider) || provider.keys.is_empty() {
        return None;
    }
    let owner = Catalogue::builtin()
        .providers()
        .iter()
        .find(|other| other.id != provider.id && other.keys.iter().any(|shape| !shape.weak && shape.fits(value)));
    if let Some(owner) = owner {
        let says = format!("{} has the shape of a key of {}", mask(value), owner.name);
        return Some(warning(Cause::WrongProviderKey, says));
    }
    Some(misshapen(value, provider))
}

/// A value that begins like a key of this provider and then differs.
fn misshapen(value: &str, provider: &ProviderSpec) -> Finding {
    let shape =
        provider.keys.iter().filter(|shape| !shape.prefix.is_empty()).find(|shape| value.starts_with(&shape.prefix));
    match shape {
        Some(shape) if value[shape.prefix.len()..].contains(shape.prefix.as_str()) => {
            warning(Cause::TruncatedOrMistyped, format!("two keys seem to be joined: `{}` occurs twice", shape.prefix))
        }
        Some(shape) if !shape.lengths.is_empty() && !shape.lengths.contains(&value.len()) => {
            let says = format!("{} characters; a {} has {}", value.len(), shape.kind, list(&shape.lengths));
            warning(Cause::TruncatedOrMistyped, says)
        }
        Some(shape) => warning(Cause::TruncatedOrMistyped, format!("it is not shaped like a {}", shape.kind)),
        None => {
            let kinds: Vec<&str> =
                provider.keys.iter().map(|shape| shape.prefix.as_str()).filter(|prefix| !prefix.is_empty()).collect();
            let says = format!(
                "no known kind of {} key begins like {}; known are {}",
                provider.name,
                mask(value),
                kinds.join(", ")
            );
            warning(Cause::NotAKeyValue, says)
        }
    }
}

impl KeyShape {
    /// Whether a value has this shape: prefix, length, characters, marker.
    pub fn fits(&self, value: &str) -> bool {
        let Some(tail) = value.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let length = self.lengths.is_empty() && tail.len() >= SHORTEST_TAIL || self.lengths.contains(&value.len());
        length
            && tail.chars().all(|c| self.charset.holds(c))
            && self.marker.as_deref().is_none_or(|marker| tail.contains(marker))
    }
}

/// The value as it was meant: without quotes, a pasted `Bearer`, white space and hidden characters.
///
/// Only for values whose right form is known otherwise, such as our own tokens: a provider's key is
/// never mended silently.
pub fn cleaned(value: &str) -> String {
    let visible: String = value.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    let mut text = visible.trim();
    while let Some(rest) = pasted_prefix(text).and_then(|pasted| text.get(pasted.len()..)) {
        text = rest.trim_start();
    }
    text.trim_matches(|c: char| matches!(c, '"' | '\'' | '`' | '<' | '>' | ' ')).to_owned()
}

fn quotes(value: &str) -> Option<(char, char)> {
    let (first, last) = (value.chars().next()?, value.chars().next_back()?);
    let opening = matches!(first, '"' | '\'' | '`' | '<' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}');
    opening.then_some((first, last))
}

/// What people paste together with a key.
fn pasted_prefix(value: &str) -> Option<&str> {
    let named = value.find('=').filter(|at| {
        let name = &value[..*at];
        let name = name.strip_prefix("export ").unwrap_or(name);
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    });
    if let Some(at) = named {
        return value.get(..=at);
    }
    ["Bearer ", "bearer ", "Authorization: "].into_iter().find(|prefix| value.starts_with(prefix))
}

fn placeholder(value: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    if (value.starts_with('$') || value.starts_with("{{") || value.starts_with('%')) && value.len() < 64 {
        return Some(format!("the variable `{}` was not expanded", mask_name(value)));
    }
    let word = PLACEHOLDER_WORDS.iter().find(|word| lower == **word);
    let part = PLACEHOLDER_PARTS.iter().find(|part| lower.contains(**part));
    let filler = value.len() >= 8 && value.chars().all(|c| matches!(c, 'x' | 'X' | '*' | '.' | '-' | '_'));
    (word.is_some() || part.is_some() || filler).then(|| "an example value stands where the key should be".to_owned())
}

/// A variable's name may be shown; anything else may not.
fn mask_name(value: &str) -> String {
    let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '$' | '{' | '}' | '%');
    if value.chars().all(name) { value.to_owned() } else { mask(value) }
}

/// What a person would call a character.
pub fn name_of(c: char) -> String {
    let name = match c {
        ' ' => "a space",
        '\n' => "a newline",
        '\r' => "a carriage return",
        '\t' => "a tab",
        '\0' => "a NUL",
        '"' => "a double quote",
        '\'' => "a single quote",
        '`' => "a backtick",
        '<' => "an angle bracket",
        '\u{a0}' => "a no-break space",
        '\u{200b}' => "a zero-width space",
        '\u{200c}' => "a zero-width non-joiner",
        '\u{200d}' => "a zero-width joiner",
        '\u{2060}' => "a word joiner",
        '\u{feff}' => "a byte-order mark",
        '\u{201c}' | '\u{201d}' => "a curly double quote",
        '\u{2018}' | '\u{2019}' => "a curly single quote",
        '\u{2026}' => "an ellipsis",
        '\u{2013}' | '\u{2014}' => "a long dash",
        c if c.is_control() => "a control character",
        _ => "a character that no key has",
    };
    format!("{name} (U+{:04X})", u32::from(c))
}

fn list(lengths: &[usize]) -> String {
    lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

fn error(cause: Cause, says: impl Into<String>, at: Option<usize>) -> Finding {
    Finding { cause, severity: Severity::Error, says: says.into(), at }
}

fn warning(cause: Cause, says: impl Into<String>) -> Finding {
    Finding { cause, severity: Severity::Warning, says: says.into(), at: None }
}

/// Values that frameworks and tutorials put where a key belongs.
const PLACEHOLDER_WORDS: &[&str] = &[
    "none",
    "null",
    "nil",
    "undefined",
    "empty",
    "changeme",
    "todo",
    "test",
    "dummy",
    "fake",
    "secret",
    "api_key",
    "key",
    "no-token",
    "not-needed",
    "user_provided",
    "dummy_key",
];
const PLACEHOLDER_PARTS: &[&str] = &[
    "your_api_key",
    "your-api-key",
    "your_key",
    "your-key",
    "yourkey",
    "api_key_here",
    "key-here",
    "placeholder",
    "insert_",
    "replace_me",
    "<key>",
    "my api key",
    "xxxxxxxx",
];
/// A tail shorter than this is no key where no length is known.
const SHORTEST_TAIL: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn openai() -> &'static ProviderSpec {
        Catalogue::builtin().provider("openai").expect("in the catalogue")
    }

    fn good() -> String {
        format!("sk-proj-{}T3BlbkFJ{}", "a".repeat(74), "b".repeat(74))
    }

    fn first(value: &str) -> Option<(Cause, Option<usize>)> {
        inspect(value, openai()).first().map(|finding| (finding.cause, finding.at))
    }

    #[test]
    fn a_clean_key_has_no_finding() {
        assert_eq!(first(&good()), None);
    }

    #[test]
    fn each_defect_is_found_at_its_place() {
        let key = good();
        let cases = [
            (String::new(), Cause::EmptyKey, None),
            (" \n".to_owned(), Cause::WhitespaceOrNewline, Some(0)),
            (format!("{key}\n"), Cause::WhitespaceOrNewline, Some(164)),
            (format!(" {key}"), Cause::WhitespaceOrNewline, Some(0)),
            (format!("\"{key}\""), Cause::QuotesInKey, Some(0)),
            (format!("\u{201c}{key}\u{201d}"), Cause::QuotesInKey, Some(0)),
            (format!("{}\u{200b}{}", &key[..12], &key[12..]), Cause::HiddenOrNonAsciiCharacter, Some(12)),
            (format!("OPENAI_API_KEY={key}"), Cause::HeaderMalformed, Some(0)),
            ("${OPENAI_API_KEY}".to_owned(), Cause::PlaceholderKey, None),
            ("YOUR_API_KEY".to_owned(), Cause::PlaceholderKey, None),
            ("https://api.openai.com/v1".to_owned(), Cause::NotAKeyValue, Some(0)),
            (key[..163].to_owned(), Cause::TruncatedOrMistyped, None),
            (format!("{key}{key}"), Cause::TruncatedOrMistyped, None),
        ];
        for (value, cause, at) in cases {
            assert_eq!(first(&value), Some((cause, at)), "{}", mask(&value));
        }
    }

    #[test]
    fn no_finding_shows_the_value() {
        for value in [format!("{}\n", good()), good()[..150].to_owned(), "hunter2-is-my-secret-value".to_owned()] {
            for finding in inspect(&value, openai()) {
                assert!(!finding.says.contains(&value.trim()[8..20]), "{}", finding.says);
            }
        }
    }

    #[test]
    fn a_dirty_token_is_cleaned() {
        let token = "sk-kwt-0123";
        for dirty in [
            "Bearer sk-kwt-0123",
            " \"sk-kwt-0123\" ",
            "sk-kwt-\u{200b}0123",
            "\u{201c}sk-kwt-0123\u{201d}",
            "Bearer  sk-kwt-0123 ",
            "\u{a0}sk-kwt-0123",
        ] {
            assert_eq!(cleaned(dirty), token);
        }
    }
}
