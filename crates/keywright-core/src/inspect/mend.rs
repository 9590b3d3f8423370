//! Writes a dotenv file as every loader reads it alike. Only what is sure to be meant is changed.
//!
//! What is changed has a finding: of the file's reader, of [`super::inspect`] or of [`mod@super::names`]. What has a
//! finding and no sure mend stays as it is.

mod diff;
mod ignored;
mod text;

pub use self::ignored::ignoring;

use super::{Finding, Mend, Severity, inspect, owner};
use crate::dotenv::{Dotenv, Entry};
use crate::secret::Secret;

/// The command that mends dotenv files.
pub const COMMAND: &str = "keywright doctor --fix";

/// A file as it should be.
#[derive(Debug)]
pub struct Mended {
    /// The whole text; it holds keys.
    pub text: Secret,
    /// What was changed, in the order of the lines. Empty when nothing had to be.
    pub changes: Vec<Change>,
}

/// One change, in words and lines that hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The first line, counted from 1; `None` for the whole file.
    pub line: Option<usize>,
    /// What was wrong.
    pub says: String,
    /// The lines before, their values masked.
    pub before: Vec<String>,
    /// The lines after, their values masked.
    pub after: Vec<String>,
}

/// Why a file is not mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are no text.
    #[error("it is neither UTF-8 nor UTF-16 text")]
    NotText,
    /// What would be written would be read as something else than what was meant.
    #[error("its lines cannot be written so that they are read as before; mend it by hand")]
    Unsure,
}

/// Whether [`mend`] removes the cause of a finding.
pub fn is_mendable(finding: &Finding) -> bool {
    finding.mend.is_some()
}

/// Mends the bytes of a dotenv file. `is_set` tells whether another place sets a variable: then nothing here is
/// renamed to it.
///
/// ```
/// use keywright_core::inspect::mend::mend;
/// let key = "fw_AAAAAAAAAAAAAAAAAAAAAAAA";
/// let mended = mend(format!("FIREWORKS_API_KEY = \"Bearer {key}\"\n").as_bytes(), &|_| false)?;
/// assert_eq!(mended.text.expose(), format!("FIREWORKS_API_KEY={key}\n"));
/// # Ok::<(), keywright_core::inspect::mend::Refusal>(())
/// ```
pub fn mend(bytes: &[u8], is_set: &dyn Fn(&str) -> bool) -> Result<Mended, Refusal> {
    let mut changes = Vec::new();
    let text = text::normalised(bytes, &mut changes).ok_or(Refusal::NotText)?;
    let parsed = Dotenv::parse(text.expose().as_bytes()).map_err(|_| Refusal::NotText)?;
    let wanted: Vec<Wanted<'_>> = parsed.entries.iter().map(|entry| Wanted::of(entry, &parsed, is_set)).collect();
    let lines: Vec<&str> = text.expose().split('\n').collect();
    let mut out: Vec<String> = Vec::new();
    let mut copied = 0;
    let mut expected: Vec<(&str, &str)> = Vec::new();
    for (at, wanted_here) in wanted.iter().enumerate() {
        let (first, last) = (wanted_here.entry.line - 1, wanted_here.entry.last_line);
        let (Some(between), Some(before)) = (lines.get(copied..first), lines.get(first..last)) else {
            return Err(Refusal::Unsure);
        };
        out.extend(between.iter().map(ToString::to_string));
        copied = last;
        // A loader may take the first or the last: only neighbours of one name can go without harm.
        let next = wanted[at + 1..].iter().find(|later| later.name == wanted_here.name);
        if let Some(again) = next.filter(|next| next.value == wanted_here.value) {
            let says = format!("line {} sets the same again", again.entry.line);
            changes.push(Change::new(first + 1, says, before, &[]));
            continue;
        }
        expected.push((wanted_here.name, &wanted_here.value));
        if wanted_here.reasons.is_empty() {
            out.extend(before.iter().map(ToString::to_string));
            continue;
        }
        let after = wanted_here.written(&before.join("\n")).ok_or(Refusal::Unsure)?;
        let after: Vec<&str> = after.split('\n').collect();
        changes.push(Change::new(first + 1, wanted_here.reasons.join("; "), before, &after));
        out.extend(after.iter().map(ToString::to_string));
    }
    out.extend(lines.get(copied..).unwrap_or_default().iter().map(ToString::to_string));
    let text = Secret::new(out.join("\n"));
    is_read_as(text.expose(), &expected).then_some(Mended { text, changes }).ok_or(Refusal::Unsure)
}

/// Whether a text holds these assignments, and nothing else.
fn is_read_as(text: &str, expected: &[(&str, &str)]) -> bool {
    Dotenv::parse(text.as_bytes()).is_ok_and(|read| {
        let read: Vec<(&str, &str)> = read.entries.iter().map(|e| (e.name.as_str(), e.value.expose())).collect();
        read == expected
    })
}

impl Mend {
    /// The value after this change; `None` when nothing sensible is left.
    pub fn apply(&self, value: &str) -> Option<String> {
        let mended = match self {
            Self::Clean(skip) => super::paste::key_characters(value.get(*skip..)?),
            Self::Decode => {
                use base64::Engine;
                use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
                let text = value.trim_end_matches('=');
                let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
                String::from_utf8(bytes).ok()?.trim().to_owned()
            }
            Self::WriteLine => value.to_owned(),
        };
        (!mended.is_empty()).then_some(mended)
    }
}

impl Change {
    fn new(line: usize, says: String, before: &[&str], after: &[&str]) -> Self {
        Self { line: Some(line), says, before: diff::masked(before), after: diff::masked(after) }
    }

    fn of_file(says: &str) -> Self {
        Self { line: None, says: says.to_owned(), before: Vec::new(), after: Vec::new() }
    }
}

/// What one assignment should be.
struct Wanted<'a> {
    entry: &'a Entry,
    name: &'a str,
    value: zeroize::Zeroizing<String>,
    /// What is wrong with it as it stands; empty when nothing is.
    reasons: Vec<String>,
}

impl<'a> Wanted<'a> {
    fn of(entry: &'a Entry, file: &Dotenv, is_set: &dyn Fn(&str) -> bool) -> Self {
        let value = entry.value.expose();
        let mut reasons = Vec::new();
        let name = match renamed(entry, file, is_set) {
            Some(official) => {
                reasons.push(format!("the SDKs read `{official}`, not `{}`", entry.name));
                official
            }
            None => &entry.name,
        };
        let mended = mended_value(entry);
        let value = match mended {
            Some((mended, why)) => {
                reasons.push(why);
                mended
            }
            None => value.to_owned(),
        };
        let line = file.findings.iter().filter(|found| found.line == entry.line && found.column.is_some());
        let spelling = line.filter(|found| found.finding.mend == Some(Mend::WriteLine));
        reasons.extend(spelling.map(|found| found.finding.says.clone()));
        Self { entry, name, value: value.into(), reasons }
    }

    /// The lines of this assignment as they should be. What follows an unquoted value moves to a comment above it.
    fn written(&self, lines: &str) -> Option<String> {
        let (before, rest) = lines.split_once('=')?;
        let name = before.trim_end().strip_suffix(&self.entry.name)?;
        let (as_written, behind) = rest.split_at_checked(rest.len().checked_sub(self.entry.behind)?)?;
        let stays = *self.value == self.entry.value.expose();
        let value = if stays { as_written.trim() } else { &self.value };
        let is_quoted = stays && value.starts_with(['"', '\'', '`']);
        let above = match behind.trim() {
            "" => String::new(),
            _ if is_quoted => String::new(),
            comment if comment.starts_with('#') => format!("{comment}\n"),
            left_out => format!("# {left_out}\n"),
        };
        let behind = if is_quoted { behind.trim_end() } else { "" };
        Some(format!("{above}{name}{}={value}{behind}", self.name))
    }
}

/// Where a comment begins behind an unquoted value.
fn comment_at(written: &str) -> Option<usize> {
    written.match_indices('#').map(|(at, _)| at).find(|at| written[..*at].ends_with([' ', '\t']))
}

/// The name that is read, for a key under a name that nothing reads: when it is set nowhere and only this can be meant.
fn renamed(entry: &Entry, file: &Dotenv, is_set: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    let official = owner::meant_name(&entry.name)?;
    let has_text = !entry.value.expose().trim().is_empty();
    let mut others = file.entries.iter().filter(|other| other.name != entry.name);
    let alone = others.all(|other| other.name != official && owner::meant_name(&other.name) != Some(official));
    (has_text && alone && !is_set(official)).then_some(official)
}

/// A key without what was pasted around it, and what was found; when nothing worse is left.
fn mended_value(entry: &Entry) -> Option<(String, String)> {
    let value = entry.value.expose();
    let provider = owner::of_key(&entry.name, value)?;
    let found = inspect(value, provider).into_iter().next()?;
    let mended = found.mend?.apply(value)?;
    let works = inspect(&mended, provider).iter().all(|finding| finding.severity < Severity::Error);
    works.then_some((mended, found.says))
}

#[cfg(test)]
mod tests;
