//! What a careless paste leaves around or inside a key.

use super::character::{is_invisible, looks_like, name_of};
use super::{Finding, Mend, placeholder, shape};
use crate::cause::Cause;
use crate::dotenv::is_variable_name;

/// A value without any visible character.
pub(super) fn blank(value: &str) -> Finding {
    let first = value.chars().next().unwrap_or(' ');
    Finding::error(Cause::WhitespaceOrNewline, "the value is white space only").at(0).character(first)
}

/// From the outside in: what was pasted before the key, quotes, then the first odd character of each kind.
pub(super) fn around_and_inside(value: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut from = 0;
    while let Some(pasted) = pasted_prefix(&value[from..]) {
        from += pasted.len();
    }
    if from > 0 {
        let says = format!("`{}` was pasted with the key", shown(&value[..from]));
        findings.push(Finding::error(Cause::HeaderMalformed, says).at(0));
    }
    let (start, end) = match quotes(&value[from..]) {
        Some((opening, closing)) => {
            findings.push(quoted(value, from, opening, closing));
            (from + opening.map_or(0, char::len_utf8), value.len() - closing.map_or(0, char::len_utf8))
        }
        None => (from, value.len()),
    };
    findings.extend(odd_characters(value, start, end));
    match sure(value) {
        Some(skip) => findings.into_iter().map(|finding| finding.mended_by(Mend::Clean(skip))).collect(),
        None => findings,
    }
}

fn quoted(value: &str, from: usize, opening: Option<char>, closing: Option<char>) -> Finding {
    let (quote, at, says) = match (opening, closing) {
        (Some(quote), Some(_)) => (quote, from, "the value stands between quotes, and begins with"),
        (Some(quote), None) => (quote, from, "the value begins with"),
        (None, closing) => {
            let quote = closing.unwrap_or('"');
            (quote, value.len() - quote.len_utf8(), "the value ends with")
        }
    };
    Finding::error(Cause::QuotesInKey, format!("{says} {}", name_of(quote)))
        .at(value[..at].chars().count())
        .character(quote)
}

/// The first control or white space character, and the first one beyond ASCII.
fn odd_characters(value: &str, start: usize, end: usize) -> Vec<Finding> {
    let offset = value[..start].chars().count();
    let inside = value.get(start..end).unwrap_or_default();
    let total = value.chars().count();
    let odd: Vec<(usize, char)> =
        inside.chars().enumerate().filter(|(_, c)| !c.is_ascii_graphic()).map(|(at, c)| (offset + at, c)).collect();
    let found = |cause: Cause, (at, c): &(usize, char)| {
        let likeness = looks_like(*c).map(|ascii| format!(" in the place of `{ascii}`")).unwrap_or_default();
        let says = format!("{}{likeness} at character {} of {total}", name_of(*c), at + 1);
        Finding::error(cause, says).at(*at).character(*c)
    };
    let blank = odd.iter().find(|(_, c)| c.is_ascii()).map(|odd| found(Cause::WhitespaceOrNewline, odd));
    let hidden = odd.iter().find(|(_, c)| !c.is_ascii()).map(|odd| found(Cause::HiddenOrNonAsciiCharacter, odd));
    let mut both: Vec<Finding> = blank.into_iter().chain(hidden).collect();
    both.sort_by_key(|finding| finding.at);
    both
}

/// The value as it was meant: without quotes, a pasted `Bearer`, white space and hidden characters.
///
/// Only for values whose right form is known otherwise, such as our own tokens, and for a mend that a
/// person agreed to: a provider's key is never mended silently.
pub fn cleaned(value: &str) -> String {
    key_characters(&value[key_begins(value)..])
}

/// Where the key begins: behind blanks, quotes and everything that was pasted before it.
fn key_begins(value: &str) -> usize {
    let mut rest = value;
    loop {
        let bare = rest.trim_start_matches(|c: char| is_quote(c) || is_invisible(c));
        let bare = pasted_prefix(bare).and_then(|pasted| bare.get(pasted.len()..)).unwrap_or(bare);
        if bare.len() == rest.len() {
            return value.len() - rest.len();
        }
        rest = bare;
    }
}

/// What is left without the characters that no key has.
pub(super) fn key_characters(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !is_quote(*c)).collect()
}

/// How many bytes to skip so that [`key_characters`] of the rest are what was meant; `None` when that is not sure.
///
/// A character that can be seen and that no key has may stand for another one. White space inside may join
/// two keys: it only goes when a whole key of a known kind is left.
fn sure(value: &str) -> Option<usize> {
    let begins = key_begins(value);
    let rest = &value[begins..];
    let key = key_characters(rest);
    let known = |c: char| c.is_ascii_graphic() || is_invisible(c) || is_quote(c);
    let bare = rest.trim_end_matches(|c: char| is_quote(c) || is_invisible(c));
    let in_one_piece = !bare.contains(|c: char| c.is_whitespace() || is_quote(c));
    let certain = rest.chars().all(known)
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && (in_one_piece || shape::is_whole_key(&key))
        && placeholder::instead_of_a_key(&key).is_none();
    let words = value[..begins].chars().any(|c| !is_quote(c) && !is_invisible(c));
    (certain && !key.is_empty()).then_some(if words { begins } else { 0 })
}

/// The quotes at both ends; either may be missing.
fn quotes(value: &str) -> Option<(Option<char>, Option<char>)> {
    let opening = value.chars().next().filter(|c| is_quote(*c));
    let closing = value.chars().next_back().filter(|c| is_quote(*c));
    if value.chars().nth(1).is_none() {
        return opening.map(|quote| (Some(quote), None));
    }
    (opening.is_some() || closing.is_some()).then_some((opening, closing))
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '<' | '>' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}')
}

/// What people paste together with a key: `Bearer `, `export NAME=`, `api_key: `.
fn pasted_prefix(value: &str) -> Option<&str> {
    let scheme = SCHEMES.iter().find(|scheme| starts_with_ignoring_case(value, scheme));
    if let Some(scheme) = scheme {
        return value.get(..scheme.len());
    }
    let (name, rest) = value.split_once(['=', ':'])?;
    let bare = name.strip_prefix("export ").unwrap_or(name).trim_matches(['"', '\'', ' ']);
    let named = is_variable_name(bare)
        && bare.len() <= LONGEST_NAME
        && (bare.contains('_') || name.starts_with("export "))
        && (bare.chars().all(|c| !c.is_ascii_lowercase()) || bare.to_ascii_lowercase().contains("key"));
    let value_follows = !rest.trim_start_matches([' ', '=']).is_empty();
    (named && value_follows).then(|| &value[..value.len() - rest.trim_start_matches(' ').len()])
}

fn starts_with_ignoring_case(value: &str, prefix: &str) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// What stands before a key may be shown: it is a scheme, or a variable's name.
fn shown(pasted: &str) -> String {
    pasted.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(LONGEST_SHOWN).collect()
}

const SCHEMES: &[&str] =
    &["Authorization: ", "Authorization:", "Bearer ", "x-api-key: ", "api-key: ", "--api-key=", "--api-key "];
/// What is longer and looks like a name may be a secret.
const LONGEST_NAME: usize = 40;
/// Longer names are cut.
const LONGEST_SHOWN: usize = 60;
