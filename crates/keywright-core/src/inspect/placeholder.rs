//! What stands where a key should be and never was one.

use super::Finding;
use crate::cause::Cause;
use crate::dotenv::is_variable_name;
use crate::secret::mask;

/// A whole value that is something else: an unexpanded variable, an example, a URL, JSON, prose, a mask.
pub(super) fn instead_of_a_key(value: &str) -> Option<Finding> {
    let text = value.trim();
    unexpanded(text)
        .or_else(|| example(text))
        .or_else(|| something_else(text))
        .or_else(|| masked(value))
        .or_else(|| prose(text))
}

fn unexpanded(text: &str) -> Option<Finding> {
    let marked = text.starts_with('$')
        || text.starts_with("{{")
        || text.len() > 1 && text.starts_with('%') && text.ends_with('%');
    (marked && text.len() < LONGEST_VARIABLE).then(|| {
        let says = format!("the variable `{}` was not expanded", shown_name(text));
        Finding::error(Cause::PlaceholderKey, says).at(0)
    })
}

fn example(text: &str) -> Option<Finding> {
    let lower = text.trim_matches(['"', '\'', '<', '>', '[', ']']).to_ascii_lowercase();
    let filler = |c: char| matches!(c, 'x' | '*' | '.' | '-' | '_' | '0');
    let is_example = PLACEHOLDER_WORDS.contains(&lower.as_str())
        || PLACEHOLDER_PARTS.iter().any(|part| lower.contains(part))
        || lower.len() >= 8 && lower.trim_start_matches("sk").trim_start_matches("fw").chars().all(filler);
    is_example
        .then(|| Finding::error(Cause::PlaceholderKey, crate::page::cause_page(Cause::PlaceholderKey).title).at(0))
}

fn something_else(text: &str) -> Option<Finding> {
    let says = if text.starts_with("http://") || text.starts_with("https://") {
        "a URL stands where the key should be"
    } else if text.starts_with('{') || text.starts_with('[') {
        "JSON stands where the key should be"
    } else if text.starts_with("-----BEGIN ") {
        "a PEM block stands where the key should be"
    } else if REFERENCES.iter().any(|scheme| text.starts_with(scheme)) {
        "a reference to a secret stands here; the tool that puts the secret in its place did not run"
    } else {
        return None;
    };
    Some(Finding::error(Cause::NotAKeyValue, says).at(0))
}

fn masked(value: &str) -> Option<Finding> {
    let marks = ["…", "***", "...", "•", "●"];
    let at = marks.iter().filter_map(|mark| value.find(mark)).min()?;
    let says = "this is the masked form of a key, copied from a display";
    Some(Finding::error(Cause::PlaceholderKey, says).at(value[..at].chars().count()))
}

/// Several words, none of them with the length of a key.
fn prose(text: &str) -> Option<Finding> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let short = words.iter().all(|word| word.len() < SHORTEST_KEY);
    (words.len() > 2 && short).then(|| Finding::error(Cause::NotAKeyValue, "words stand where the key should be").at(0))
}

/// A variable's name may be shown; anything else may not.
fn shown_name(text: &str) -> String {
    let inside = |open: &str, close: &str| text.strip_prefix(open)?.strip_suffix(close);
    let name = inside("${{", "}}").or_else(|| inside("${", "}")).or_else(|| inside("{{", "}}"));
    let name = name.or_else(|| inside("%", "%")).or_else(|| text.strip_prefix('$'));
    // GitHub's `secrets.NAME` is two names.
    let is_name = |name: &str| name.trim().split('.').all(is_variable_name) && name.len() <= LONGEST_NAME;
    if name.is_some_and(is_name) { text.to_owned() } else { mask(text) }
}

/// Whether a value says that no key is needed. SDKs insist on one, and the documents of servers that take any (vLLM's, for
/// one) fill the place with such a word: for a server of one's own it is fine.
pub fn is_filler(value: &str) -> bool {
    FILLERS.iter().any(|filler| value.eq_ignore_ascii_case(filler))
}

const FILLERS: &[&str] = &["empty", "none", "null", "dummy", "fake", "not-needed", "not_needed", "no-token"];
/// Values that frameworks and tutorials put where a key belongs.
const PLACEHOLDER_WORDS: &[&str] = &[
    "none",
    "null",
    "nil",
    "undefined",
    "empty",
    "changeme",
    "change_me",
    "change-me",
    "todo",
    "test",
    "dummy",
    "fake",
    "secret",
    "api_key",
    "apikey",
    "api-key",
    "key",
    "token",
    "no-token",
    "not-needed",
    "not_needed",
    "user_provided",
    "dummy_key",
    "dummy-key",
    "your_token",
    "string",
    "example",
];
const PLACEHOLDER_PARTS: &[&str] = &[
    "your_api_key",
    "your-api-key",
    "your api key",
    "yourapikey",
    "your_key",
    "your-key",
    "your key",
    "yourkey",
    "your_openai",
    "your-openai",
    "your_fireworks",
    "your-fireworks",
    "your_together",
    "your-together",
    "api_key_here",
    "api-key-here",
    "key-here",
    "key_here",
    "placeholder",
    "insert_",
    "replace_me",
    "replace-me",
    "<key>",
    "my api key",
    "xxxxxxxx",
    "1234567890abcdef",
    "abcdefghijklmnopqrstuvwxyz",
];
/// How tools write "the secret is over there".
const REFERENCES: &[&str] =
    &["op://", "vault://", "openbao://", "keyring://", "arn:aws:", "encrypted:", "ref+", "age://"];
/// `${{ secrets.OPENAI_API_KEY }}` and the like are short.
const LONGEST_VARIABLE: usize = 96;
/// Longer names of variables are rare, and might be none.
const LONGEST_NAME: usize = 48;
/// No catalogued kind of key is shorter.
const SHORTEST_KEY: usize = 16;
