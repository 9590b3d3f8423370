//! What stands beside a symptom: a header's value, a position, a variable's name.
//!
//! All readers take squeezed text. None of them keeps a value: what they give is a cause and words.

use regex::Captures;

use super::rules::{Reads, Symptom};
use super::{MASKED_ELLIPSIS, Unsendable};
use crate::cause::Cause;
use crate::diagnosis::Confidence;
use crate::inspect::name_of;

/// What a symptom means at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) cause: Cause,
    pub(super) confidence: Confidence,
    pub(super) alternatives: Vec<Cause>,
    pub(super) says: String,
    /// The variable that the words name.
    pub(super) variable: Option<String>,
    /// The character of the key that the words name.
    pub(super) unsendable: Option<Unsendable>,
}

/// What a symptom means, given what stands before and after its words. `None` if it means nothing here.
pub(super) fn read(symptom: &Symptom, before: &str, after: &str, parts: Option<&Captures<'_>>) -> Option<Meaning> {
    let mut meaning = Meaning {
        cause: symptom.cause,
        confidence: symptom.confidence,
        alternatives: symptom.alternatives.clone(),
        says: symptom.says.clone(),
        variable: part(parts, "variable").map(str::to_owned),
        unsendable: None,
    };
    match symptom.reads {
        Reads::Nothing => {}
        Reads::HeaderValue => header_value(&mut meaning, after),
        Reads::QuotedBefore => quoted(&mut meaning, quoted_before(before)),
        Reads::QuotedAfter => quoted(&mut meaning, after.get(..after.len().min(NEAR)).unwrap_or(after)),
        Reads::ByteString => {
            let code = part(parts, "value").and_then(|value| value.parse().ok());
            character(&mut meaning, code.and_then(char::from_u32), number(parts, "position"));
        }
        Reads::Codec => codec(&mut meaning, parts),
        Reads::UnexpectedChar => {
            let code = part(parts, "hex").and_then(|hex| u32::from_str_radix(hex, 16).ok());
            let c = code.and_then(char::from_u32)?;
            if !c.is_ascii() {
                character(&mut meaning, Some(c), number(parts, "position"));
            }
        }
        Reads::OwnCause => meaning.cause = Cause::from_slug(part(parts, "cause")?)?,
        Reads::VariableBefore => meaning.variable = Some(variable_before(before)?),
        Reads::VariableHere => {
            let end = before.trim_end_matches(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            meaning.variable = Some(before[end.len()..].to_owned()).filter(|name| name.len() > SHORTEST_NAME);
            meaning.variable.as_ref()?;
        }
    }
    Some(meaning)
}

fn part<'t>(parts: Option<&Captures<'t>>, name: &str) -> Option<&'t str> {
    parts.and_then(|parts| parts.name(name)).map(|found| found.as_str())
}

fn number(parts: Option<&Captures<'_>>, name: &str) -> Option<usize> {
    part(parts, name).and_then(|text| text.parse().ok())
}

/// The value of a refused header as Python prints it: `'Bearer sk-…\n'`, with any number of escapes.
fn header_value(meaning: &mut Meaning, after: &str) {
    let after = after.trim_start_matches('\\');
    let Some(quote) = after.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        return;
    };
    let value = &after[1..];
    let Some(end) = value.find(quote) else {
        return;
    };
    let value = value[..end].trim_end_matches('\\');
    let key = value.strip_prefix("Bearer").or_else(|| value.strip_prefix("bearer")).unwrap_or(value);
    if key.is_empty() {
        meaning.cause = Cause::EmptyKey;
        meaning.alternatives = vec![Cause::WhitespaceOrNewline];
        "the HTTP library refused the header before anything was sent: no key follows `Bearer`"
            .clone_into(&mut meaning.says);
    }
}

/// The quoted text that ends here, without its quotes.
fn quoted_before(before: &str) -> &str {
    let before = before.trim_end_matches(['"', '\'', '`', '\\']);
    let from = before.len().saturating_sub(NEAR);
    let from = (from..=before.len()).find(|at| before.is_char_boundary(*at)).unwrap_or(before.len());
    let near = &before[from..];
    near.rfind(['"', '\'', '`', ':']).map_or(near, |at| &near[at + 1..])
}

fn quoted(meaning: &mut Meaning, value: &str) {
    if let Some(c) = value.chars().find(|c| !c.is_ascii() && *c != MASKED_ELLIPSIS) {
        character(meaning, Some(c), None);
    }
}

/// The character that an HTTP library could not send.
fn codec(meaning: &mut Meaning, parts: Option<&Captures<'_>>) {
    let position = number(parts, "position");
    if number(parts, "last").is_some() {
        if position.is_some_and(|at| at == 0 || at == BEARER) {
            meaning.cause = Cause::PlaceholderKey;
            meaning.confidence = Confidence::Likely;
            meaning.alternatives = vec![Cause::HiddenOrNonAsciiCharacter, Cause::NotAKeyValue];
            "the HTTP library could not encode the header: the key begins with words in another script"
                .clone_into(&mut meaning.says);
        }
        return;
    }
    let code = part(parts, "char").map(|text| text.trim_start_matches('\\'));
    let code = code.and_then(|text| u32::from_str_radix(text.get(1..)?, 16).ok());
    character(meaning, code.and_then(char::from_u32), position);
}

/// A character beyond ASCII, and where in the header's value it stands.
fn character(meaning: &mut Meaning, c: Option<char>, position: Option<usize>) {
    meaning.cause = Cause::HiddenOrNonAsciiCharacter;
    let Some(c) = c else {
        return;
    };
    let place = match position {
        // `Bearer ` stands before the key; with `x-api-key` nothing does.
        Some(at) if at >= BEARER => {
            let at = at - BEARER;
            meaning.unsendable = Some(Unsendable { at, character: c });
            format!(" is character {} of the key", at + 1)
        }
        Some(at) => format!(" is character {} of the header's value", at + 1),
        None => " is in the value".to_owned(),
    };
    meaning.says = format!("{}: {}{place}", meaning.says, name_of(c));
    match c {
        // Typography closes what a person opened: the codec names the first it meets, so the opening one was plain.
        '\u{2019}' | '\u{201d}' | '\u{bb}' => {
            meaning.cause = Cause::QuotesInKey;
            meaning.confidence = Confidence::Likely;
            meaning.alternatives = vec![Cause::HiddenOrNonAsciiCharacter];
        }
        '\u{2018}' | '\u{201c}' | '\u{ab}' => {
            meaning.confidence = Confidence::Likely;
            meaning.alternatives = vec![Cause::QuotesInKey];
        }
        c if c.is_alphabetic() => {
            meaning.confidence = Confidence::Likely;
            meaning.alternatives = vec![Cause::PlaceholderKey, Cause::NotAKeyValue];
        }
        _ => {}
    }
}

/// The name in capitals that ends here, quotes aside.
fn variable_before(before: &str) -> Option<String> {
    let before = before.trim_end_matches(['"', '\'', '`', '\\', '“', '”']);
    let start = before.trim_end_matches(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let name = &before[start.len()..];
    (name.len() > SHORTEST_NAME).then(|| name.to_owned())
}

/// The length of `Bearer `.
const BEARER: usize = 7;
const SHORTEST_NAME: usize = 3;
const NEAR: usize = 300;
