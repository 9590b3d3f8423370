//! A file's bytes as the text that every loader reads.

use super::Change;
use crate::dotenv::{Dotenv, DotenvError, utf16};
use crate::secret::Secret;

/// The text as UTF-8 without a byte-order mark and with the line ends of Unix. `None` when the bytes are no text.
pub(super) fn normalised(bytes: &[u8], changes: &mut Vec<Change>) -> Option<Secret> {
    let text = match Dotenv::parse(bytes) {
        Err(DotenvError::Utf16) => {
            changes.push(Change::of_file("UTF-16 becomes UTF-8"));
            utf16::decode(bytes)?
        }
        _ => Secret::new(std::str::from_utf8(bytes).ok()?),
    };
    let mut rest = text.expose();
    if let Some(without) = rest.strip_prefix('\u{feff}') {
        changes.push(Change::of_file("the byte-order mark (U+FEFF) goes"));
        rest = without;
    }
    if !rest.contains("\r\n") {
        return Some(Secret::new(rest));
    }
    changes.push(Change::of_file("Windows line ends (CRLF) become LF"));
    let mut unix = String::with_capacity(rest.len());
    for line in rest.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            // A file that went through two conversions has two carriage returns.
            Some(line) => unix.extend([line.trim_end_matches('\r'), "\n"]),
            None => unix.push_str(line),
        }
    }
    Some(Secret::new(unix))
}
