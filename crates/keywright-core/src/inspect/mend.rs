//! Writes a dotenv file as every loader reads it alike. Only what is sure to be meant is changed.

use super::{Finding, Mend, Severity, cleaned, inspect};
use crate::catalogue::Catalogue;
use crate::dotenv::{Dotenv, Entry};
use crate::provider::{ProviderSpec, VariableRole};
use crate::secret::{Secret, mask};

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
    /// The line, counted from 1; `None` for the whole file.
    pub line: Option<usize>,
    /// What was changed.
    pub says: String,
    /// The line before, its value masked.
    pub before: Option<String>,
    /// The line after, its value masked.
    pub after: Option<String>,
}

/// The bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither UTF-8 nor UTF-16 text")]
pub struct NotText;

/// Whether [`mend`] removes the cause of a finding.
pub fn is_mendable(finding: &Finding) -> bool {
    finding.mend.is_some()
}

/// Mends the bytes of a dotenv file.
pub fn mend(bytes: &[u8]) -> Result<Mended, NotText> {
    let mut changes = Vec::new();
    let text = normalised(bytes, &mut changes)?;
    let parsed = Dotenv::parse(text.expose().as_bytes()).map_err(|_| NotText)?;
    let mut lines: Vec<Option<String>> = text.expose().split('\n').map(|line| Some(line.to_owned())).collect();
    for (at, entry) in parsed.entries.iter().enumerate() {
        let repeated =
            parsed.entries[at + 1..].iter().any(|later| later.name == entry.name && later.value.matches(&entry.value));
        let Some(line) = lines.get_mut(entry.line - 1).filter(|_| !entry.value.expose().contains('\n')) else {
            continue;
        };
        let Some(before) = line.clone() else {
            continue;
        };
        if repeated {
            changes.push(change(entry.line, "the same assignment follows below".to_owned(), &before, None));
            *line = None;
        } else if let Some((after, says)) = mended_line(&before, entry) {
            changes.push(change(entry.line, says, &before, Some(&after)));
            *line = Some(after);
        }
    }
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    Ok(Mended { text: Secret::new(lines.join("\n")), changes })
}

impl Mend {
    /// The value after this change; `None` when nothing sensible is left.
    pub fn apply(&self, value: &str) -> Option<String> {
        let mended = match self {
            Self::DropForeign => {
                value.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | '<' | '>')).collect()
            }
            Self::CutFront(_) => cleaned(value),
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

/// The text as UTF-8 without a byte-order mark and without carriage returns at the ends of lines.
fn normalised(bytes: &[u8], changes: &mut Vec<Change>) -> Result<Secret, NotText> {
    let mut whole = |says: &str| changes.push(Change { line: None, says: says.to_owned(), before: None, after: None });
    let mut text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [a, 0, ..] if *a != 0 => utf16(bytes, u16::from_le_bytes)?,
        [0, a, ..] if *a != 0 => utf16(bytes, u16::from_be_bytes)?,
        _ => String::from_utf8(bytes.to_vec()).map_err(|_| NotText)?,
    };
    if Dotenv::parse(bytes).is_err() {
        whole("UTF-16 becomes UTF-8");
    }
    if text.contains('\0') {
        return Err(NotText);
    }
    if text.starts_with('\u{feff}') {
        text.remove(0);
        whole("the byte-order mark (U+FEFF) is removed");
    }
    if text.contains("\r\n") {
        let count = text.matches("\r\n").count();
        text = text.replace("\r\n", "\n");
        whole(&format!("Windows line ends (CRLF) become LF in {count} lines"));
    }
    Ok(Secret::new(text))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(NotText);
    }
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| NotText)
}

/// One assignment as it should be, and what was changed. A comment moves to a line of its own.
fn mended_line(line: &str, entry: &Entry) -> Option<(String, String)> {
    let (name, written) = line.split_once('=')?;
    let mut says: Vec<String> = Vec::new();
    let value = match mended_value(entry) {
        Some((value, why)) => {
            says.push(why);
            value
        }
        None => entry.value.expose().to_owned(),
    };
    let value_changed = !says.is_empty();
    if name.ends_with([' ', '\t']) || written.starts_with([' ', '\t']) {
        says.push("no spaces around `=`".to_owned());
    }
    let comment = comment_behind(written).filter(|_| !written.trim_start().starts_with(['"', '\'', '`']));
    if comment.is_some() {
        says.push("the comment stands on a line of its own".to_owned());
    }
    if says.is_empty() {
        return None;
    }
    let written = written.trim();
    let as_it_was = !value_changed && comment.is_none();
    let value = if as_it_was { written.to_owned() } else { quoted_if_needed(&value)? };
    let above = comment.map(|comment| format!("{comment}\n")).unwrap_or_default();
    Some((format!("{above}{}={value}", name.trim_end()), says.join("; ")))
}

/// A comment behind an unquoted value.
fn comment_behind(written: &str) -> Option<&str> {
    let at = written.match_indices('#').map(|(at, _)| at).find(|at| written[..*at].ends_with([' ', '\t']))?;
    Some(written[at..].trim_end())
}

/// A key without what was pasted around it, if what is left can work.
fn mended_value(entry: &Entry) -> Option<(String, String)> {
    let provider = key_of(&entry.name)?;
    let found = inspect(entry.value.expose(), provider).into_iter().next()?;
    let mended = found.mend?.apply(entry.value.expose())?;
    let works = inspect(&mended, provider).iter().all(|finding| finding.severity < Severity::Error);
    works.then_some((mended, found.says))
}

/// The provider whose key a variable of this name holds.
fn key_of(name: &str) -> Option<&'static ProviderSpec> {
    let is_key =
        |provider: &&ProviderSpec| provider.variables_of(VariableRole::Key).any(|variable| variable.name == name);
    Catalogue::builtin().providers().iter().find(is_key)
}

fn quoted_if_needed(value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c);
    if value.chars().all(plain) {
        return Some(value.to_owned());
    }
    (!value.contains(['\'', '\n', '\r', '\\'])).then(|| format!("'{value}'"))
}

fn change(line: usize, says: String, before: &str, after: Option<&str>) -> Change {
    Change { line: Some(line), says, before: Some(masked_line(before)), after: after.map(masked_line) }
}

/// A line with everything behind `=` masked; comments are text that may hold a key too.
fn masked_line(line: &str) -> String {
    let masked = |line: &str| match line.split_once('=') {
        Some((name, value)) if !line.starts_with('#') => {
            let blanks: String = value.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
            format!("{name}={blanks}{}", mask(value))
        }
        _ if line.starts_with('#') => "# …".to_owned(),
        _ => mask(line),
    };
    line.lines().map(masked).collect::<Vec<_>>().join("\n")
}
