//! Requests that a text shows: `curl -v`, HTTP dumps, logged headers, pasted assignments.

use std::sync::LazyLock;

use regex::Regex;

use super::MASKED_ELLIPSIS;
use super::observe::{Observation, What, place};
use super::plain::{Line, Plain};
use super::readers::Meaning;
use super::rules::Rules;
use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::diagnosis::Confidence;
use crate::inspect::name_of;
use crate::provider::VariableRole;

/// What the shown credential headers and pasted assignments tell.
pub(super) fn sent_headers(plain: &Plain, seen: &mut Vec<Observation>) {
    let lines = plain.lines();
    for (index, line) in lines.iter().enumerate() {
        if let Some(meaning) = header(line, lines.get(index + 1)) {
            seen.push(place(plain, line.at, What::Header(meaning)));
        }
        for found in DOUBLE_SCHEME.find_iter(&line.text) {
            let _ = found;
            let says = "the header that was sent says `Bearer` twice: the scheme is part of the stored value";
            seen.push(place(plain, line.at, What::Header(meaning(Cause::HeaderMalformed, Confidence::Certain, says))));
        }
        if let Some(name) = COMMENTED.captures(&line.text).and_then(|found| found.get(1)) {
            seen.push(place(plain, line.at, What::CommentedOut(name.as_str().to_owned())));
        }
        if let Some(meaning) = foreign_to_azure(&line.text) {
            seen.push(place(plain, line.at, What::Header(meaning)));
        }
        if let Some((provider, meaning)) = assignment(&line.text) {
            seen.push(place(plain, line.at, What::Assignment { provider, meaning }));
        }
    }
}

/// A header line of a shown request that no server accepts, or that shows what the key looks like.
fn header(line: &Line, next: Option<&Line>) -> Option<Meaning> {
    let found = AUTHORIZATION.captures(&line.text)?;
    let value = found.get(1)?.as_str();
    let dump = line.text.starts_with('>');
    let goes_on = dump && next.is_some_and(|next| continues(&next.text));
    let Some(key) = strip_scheme(value) else {
        let shown = value.trim();
        let bare = dump && !shown.is_empty() && !shown.starts_with("Basic") && !shown.contains(' ');
        let says = "the request shows an Authorization header without the scheme `Bearer`";
        return bare.then(|| meaning(Cause::HeaderMalformed, Confidence::Certain, says));
    };
    let key = key.trim_end_matches(['\r', '\n']);
    if goes_on {
        let says = "the request shows a header that goes on in the next line: a newline is inside the key";
        return Some(meaning(Cause::WhitespaceOrNewline, Confidence::Certain, says));
    }
    shown_key(key, dump)
}

/// What is wrong about a key as it was sent.
fn shown_key(key: &str, dump: bool) -> Option<Meaning> {
    // A no-break space is white space to Rust and the defect to us.
    let trimmed = key.trim_matches(|c: char| c.is_ascii_whitespace());
    if trimmed.is_empty() {
        let says = "the request shows `Authorization: Bearer` with no key behind it";
        return dump.then(|| Meaning {
            alternatives: vec![Cause::MissingKey],
            ..meaning(Cause::EmptyKey, Confidence::Certain, says)
        });
    }
    if trimmed.starts_with('$') || trimmed.contains("***") {
        return None;
    }
    if matches!(trimmed, "None" | "undefined" | "null") {
        let says = format!("the request carries the word `{trimmed}` instead of a key");
        return Some(meaning(Cause::MissingKey, Confidence::Likely, &says));
    }
    if let Some(says) = super::echo::placeholder(trimmed) {
        return Some(meaning(
            Cause::PlaceholderKey,
            Confidence::Likely,
            &says.replace("the provider's echo", "the request"),
        ));
    }
    if let Some(c) = trimmed.chars().find(|c| !c.is_ascii() && *c != MASKED_ELLIPSIS) {
        let says = format!("the request shows {} in the key", name_of(original(c)));
        return Some(meaning(Cause::HiddenOrNonAsciiCharacter, Confidence::Certain, &says));
    }
    let quote = trimmed.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let closed = trimmed.len() > 2 && trimmed.ends_with(quote);
    let says = format!("the request shows {} around the key", name_of(quote));
    (dump && closed).then(|| meaning(Cause::QuotesInKey, Confidence::Certain, &says))
}

/// The character as it was before masks and ellipses were told apart.
const fn original(c: char) -> char {
    if c == super::TYPED_ELLIPSIS { '\u{2026}' } else { c }
}

fn strip_scheme(value: &str) -> Option<&str> {
    let value = value.trim_start();
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    (scheme.eq_ignore_ascii_case("Bearer") && (rest.is_empty() || rest.starts_with([' ', '\t']))).then_some(rest)
}

/// A line of a request's head that is no header: what stood behind a newline in the value before.
fn continues(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('>') else {
        return false;
    };
    let rest = rest.trim();
    !rest.is_empty() && !rest.contains(':') && !rest.contains(' ')
}

/// A key of OpenAI's shape in the header that only Azure reads.
fn foreign_to_azure(line: &str) -> Option<Meaning> {
    let says = "the request shows a key of OpenAI's shape in the `api-key` header, which is Azure's";
    AZURE_HEADER.is_match(line).then(|| meaning(Cause::AzureVsOpenaiMixup, Confidence::Certain, says))
}

/// A pasted `NAME = value` whose value cannot be a key of the variable's provider.
fn assignment(line: &str) -> Option<(String, Meaning)> {
    let found = ASSIGNMENT.captures(line)?;
    let (name, value) = (found.get(1)?.as_str(), found.get(2)?.as_str());
    let provider = Catalogue::builtin()
        .providers()
        .iter()
        .find(|provider| provider.variables_of(VariableRole::Key).any(|variable| variable.name == name))?;
    let foreign = Rules::builtin().prefixes.iter().find(|prefix| value.starts_with(&prefix.begins))?;
    let own = provider.keys.iter().any(|shape| {
        !shape.prefix.is_empty()
            && foreign.begins.starts_with(&shape.prefix)
            && foreign.begins.len() <= shape.prefix.len()
    });
    let own = own || provider.keys.iter().any(|shape| shape.prefix.starts_with(&foreign.begins));
    let says = format!("the text sets {name} to a value that begins like a key of {}", foreign.owner);
    (!own).then(|| (provider.id.clone(), meaning(Cause::WrongProviderKey, Confidence::Likely, &says)))
}

fn meaning(cause: Cause, confidence: Confidence, says: &str) -> Meaning {
    Meaning { cause, confidence, alternatives: Vec::new(), says: says.to_owned(), variable: None, unsendable: None }
}

static AUTHORIZATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^[> \t]*(?i:authorization)\\*["']?[ \t]*:[ \t]*(.*)$"#).expect("a fixed pattern compiles")
});

/// An assignment that is commented out.
static COMMENTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[ \t]*#[ \t]*(?:export )?([A-Z][A-Z0-9_]*(?:KEY|TOKEN))[ ]*=").expect("a fixed pattern compiles")
});

static AZURE_HEADER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?i:api-key)["']?:[ ]*["']?sk-"#).expect("a fixed pattern compiles"));

static DOUBLE_SCHEME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i:Bearer[ ]+Bearer)[ ]").expect("a fixed pattern compiles"));

static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([A-Z][A-Z0-9_]{3,60})["'\]]*[ ]*[=:][ ]*["']?([A-Za-z][A-Za-z0-9_.-]{7,})"#)
        .expect("a fixed pattern compiles")
});
