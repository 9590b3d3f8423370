//! The one redactor: nothing that Keywright prints, logs or relays as an error holds a key.
//!
//! It works in two ways at once. By value: every loaded key, raw and in the encodings in which
//! programs and providers echo keys. By shape: anything that begins like a catalogued key and is long
//! enough to be one, loaded or not. [`RedactStream`] does the same across chunk boundaries.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::catalogue::Catalogue;
use crate::secret::{Secret, mask};
use crate::token::TOKEN_PREFIX;

/// Finds keys in bytes and puts their masks in their place.
#[derive(Clone)]
pub struct Redactor {
    values: Option<AhoCorasick>,
    /// What stands for each value pattern.
    masks: Vec<String>,
    /// The value patterns themselves, for chunk boundaries.
    patterns: Vec<Vec<u8>>,
    shapes: AhoCorasick,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("patterns", &self.patterns.len()).finish_non_exhaustive()
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Redactor {
    /// Prepares to redact these values, and everything of a known shape.
    ///
    /// Values shorter than eight bytes are left to the shapes: as text they are too common. Of one that no key is as long as,
    /// both ends are found.
    pub fn new(secrets: &[&Secret]) -> Self {
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut masks = Vec::new();
        for secret in secrets.iter().filter(|secret| secret.expose().trim().len() >= SHORTEST_VALUE) {
            for form in ends(secret.expose()).into_iter().flatten().flat_map(encoded_forms) {
                if !patterns.contains(&form) {
                    patterns.push(form);
                    masks.push(secret.masked());
                }
            }
        }
        let values = (!patterns.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&patterns)
                .expect("a few hundred patterns fit an automaton")
        });
        let shapes = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(shape_prefixes())
            .expect("the catalogue's prefixes fit an automaton");
        Self { values, masks, patterns, shapes }
    }

    /// The same bytes with every key masked; borrowed when there is none.
    pub fn redact<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let found = self.find(text);
        if found.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(replace(text, &found)) }
    }

    /// The same for text.
    pub fn redact_str<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.redact(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Whether the text holds one of the loaded values, in any encoding. Shapes alone do not count.
    pub fn finds_value(&self, text: &[u8]) -> bool {
        self.values.as_ref().is_some_and(|values| values.is_match(text))
    }

    /// Starts redacting a stream of chunks.
    pub fn stream(&self) -> RedactStream<'_> {
        RedactStream { redactor: self, carry: Vec::new() }
    }

    /// Every key in the text, in order, without overlaps.
    fn find(&self, text: &[u8]) -> Vec<(Range<usize>, Cow<'_, str>)> {
        let mut found: Vec<(Range<usize>, Cow<'_, str>)> = Vec::new();
        if let Some(values) = &self.values {
            let by_value = values.find_iter(text);
            found.extend(by_value.map(|m| (m.range(), Cow::Borrowed(self.masks[m.pattern().as_usize()].as_str()))));
        }
        for prefix in self.shapes.find_iter(text) {
            let end = prefix.end() + text[prefix.end()..].iter().take_while(|byte| is_key_byte(**byte)).count();
            let inside_a_word = prefix.start() > 0 && text[prefix.start() - 1].is_ascii_alphanumeric();
            if end - prefix.end() >= SHORTEST_TAIL && !inside_a_word {
                let key = String::from_utf8_lossy(&text[prefix.start()..end]);
                found.push((prefix.start()..end, Cow::Owned(mask(&key))));
            }
        }
        merged(found)
    }

    /// Where the unfinished end of a chunk begins: what follows may complete a key with the next chunk.
    fn unfinished(&self, text: &[u8]) -> usize {
        let run = text.len() - text.iter().rev().take(LONGEST_KEY).take_while(|byte| is_key_byte(**byte)).count();
        let by_shape = if self.may_begin_a_shape(&text[run..]) { run } else { text.len() };
        let by_value = self.patterns.iter().map(|pattern| partial_end(text, pattern)).min();
        by_shape.min(by_value.unwrap_or(text.len()))
    }

    fn may_begin_a_shape(&self, run: &[u8]) -> bool {
        !run.is_empty()
            && (self.shapes.is_match(run)
                || shape_prefixes().iter().any(|prefix| partial_end(run, prefix.as_bytes()) < run.len()))
    }
}

/// Redacts a stream chunk by chunk, holding back only what may be the beginning of a key.
#[derive(Debug)]
pub struct RedactStream<'a> {
    redactor: &'a Redactor,
    carry: Vec<u8>,
}

impl RedactStream<'_> {
    /// Takes a chunk and gives what is safe to show now.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.carry.extend_from_slice(chunk);
        let mut cut = self.redactor.unfinished(&self.carry);
        let found = self.redactor.find(&self.carry);
        // A key that ends at the cut may still grow; a key across the cut stays whole.
        if let Some((range, _)) = found.iter().find(|(range, _)| range.start < cut && range.end > cut) {
            cut = range.start;
        }
        let rest = self.carry.split_off(cut);
        let ready = std::mem::replace(&mut self.carry, rest);
        let found: Vec<_> = found.into_iter().filter(|(range, _)| range.end <= cut).collect();
        replace(&ready, &found)
    }

    /// Gives what was held back: the stream is over.
    pub fn finish(self) -> Vec<u8> {
        self.redactor.redact(&self.carry).into_owned()
    }
}

fn replace(text: &[u8], found: &[(Range<usize>, Cow<'_, str>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for (range, mask) in found {
        out.extend_from_slice(&text[from..range.start]);
        out.extend_from_slice(mask.as_bytes());
        from = range.end;
    }
    out.extend_from_slice(&text[from..]);
    out
}

fn merged(mut found: Vec<(Range<usize>, Cow<'_, str>)>) -> Vec<(Range<usize>, Cow<'_, str>)> {
    found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut out: Vec<(Range<usize>, Cow<'_, str>)> = Vec::with_capacity(found.len());
    for (range, mask) in found {
        match out.last_mut() {
            Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
            _ => out.push((range, mask)),
        }
    }
    out
}

/// Where a proper prefix of the pattern begins at the end of the text; the text's length if none does.
fn partial_end(text: &[u8], pattern: &[u8]) -> usize {
    let from = text.len().saturating_sub(pattern.len() - 1);
    (from..text.len()).find(|at| pattern.starts_with(&text[*at..])).unwrap_or(text.len())
}

/// The value, or both ends of one that is longer than any key: what is searched for costs memory, whoever gave it.
fn ends(value: &str) -> [Option<&str>; 2] {
    let boundary = |mut at: usize| {
        while !value.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    if value.len() <= LONGEST_VALUE {
        return [Some(value), None];
    }
    [value.get(..boundary(LONGEST_VALUE / 2)), value.get(boundary(value.len() - LONGEST_VALUE / 2)..)]
}

/// The forms in which a key shows up: raw, percent-encoded, JSON-escaped, hex and base64.
fn encoded_forms(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let mut forms = vec![bytes.to_vec()];
    let trimmed = value.trim();
    if trimmed.len() != value.len() {
        forms.push(trimmed.as_bytes().to_vec());
    }
    forms.extend(percent_forms(bytes).map(String::into_bytes));
    if let Ok(quoted) = serde_json::to_string(value) {
        forms.push(quoted.trim_matches('"').as_bytes().to_vec());
    }
    let hex = |upper: bool| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
            text
        })
    };
    forms.extend([hex(false).into_bytes(), hex(true).into_bytes()]);
    for shift in 0..3 {
        forms.push(base64_form(&STANDARD_NO_PAD, bytes, shift));
        forms.push(base64_form(&URL_SAFE_NO_PAD, bytes, shift));
    }
    forms.retain(|form| form.len() >= SHORTEST_VALUE);
    forms
}

/// Percent-encoded: what must be encoded, and every byte, with digits of both cases.
fn percent_forms(bytes: &[u8]) -> impl Iterator<Item = String> {
    let encode = |all: bool, upper: bool| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
            let _ = match (plain && !all, upper) {
                (true, _) => write!(text, "{}", char::from(*byte)),
                (false, true) => write!(text, "%{byte:02X}"),
                (false, false) => write!(text, "%{byte:02x}"),
            };
            text
        })
    };
    [encode(false, true), encode(false, false), encode(true, true), encode(true, false)].into_iter()
}

/// The part of a base64 text that a value determines when `shift` bytes stand before it.
fn base64_form(engine: &impl Engine, bytes: &[u8], shift: usize) -> Vec<u8> {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(bytes);
    let text = engine.encode(&padded).into_bytes();
    let from = (shift * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    text[from.min(to)..to].to_vec()
}

/// What keys of all catalogued providers begin with, weak shapes and short prefixes left out.
fn shape_prefixes() -> &'static [String] {
    use std::sync::LazyLock;
    static PREFIXES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let shapes = Catalogue::builtin().providers().iter().flat_map(|provider| &provider.keys);
        let mut prefixes: Vec<String> = shapes
            .map(|shape| shape.prefix.clone())
            .filter(|prefix| prefix.len() >= SHORTEST_PREFIX)
            .chain([TOKEN_PREFIX.to_owned(), "sk-".to_owned()])
            .collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
    });
    &PREFIXES
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Values below this many bytes are not searched for.
const SHORTEST_VALUE: usize = 8;
/// Tokens of clouds have two thousand bytes.
const LONGEST_VALUE: usize = 8 * 1024;
/// Prefixes below this many bytes would match ordinary words.
const SHORTEST_PREFIX: usize = 3;
/// A prefix with fewer key characters behind it is a mention, not a key.
const SHORTEST_TAIL: usize = 16;
/// How far back a key may begin before the end of a chunk.
const LONGEST_KEY: usize = 4_096;

#[cfg(test)]
mod tests;
