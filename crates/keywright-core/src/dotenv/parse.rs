//! The grammar of a dotenv file.

use std::collections::HashMap;

use super::utf16::{self, is_utf16};
use super::{Dotenv, DotenvError, Entry, LineFinding, is_variable_name};
use crate::cause::Cause;
use crate::inspect::{Finding, Mend};
use crate::secret::Secret;

pub(super) fn parse(bytes: &[u8]) -> Result<Dotenv, DotenvError> {
    if is_utf16(bytes) {
        let readable = utf16::decode(bytes).is_some_and(|text| !is_binary(text.expose()));
        return Err(if readable { DotenvError::Utf16 } else { DotenvError::Binary });
    }
    let text = Secret::new(String::from_utf8_lossy(bytes));
    if is_binary(text.expose()) {
        return Err(DotenvError::Binary);
    }
    let mut parser = Parser { rest: text.expose(), line: 1, dotenv: Dotenv::default() };
    parser.file_marks();
    while !parser.rest.is_empty() {
        parser.statement();
    }
    let mut dotenv = parser.dotenv;
    duplicates(&mut dotenv);
    dotenv.findings.sort_by_key(|found| found.line);
    Ok(dotenv)
}

/// More than one character in ten is none that a text has. One NUL behind a key is a slip, and has its own finding.
fn is_binary(text: &str) -> bool {
    let odd = |c: char| c == char::REPLACEMENT_CHARACTER || c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let (mut odd_ones, mut all) = (0_usize, 0_usize);
    for c in text.chars() {
        odd_ones += usize::from(odd(c));
        all += 1;
    }
    odd_ones > FEWEST_ODD && odd_ones > all / 10
}

struct Parser<'a> {
    /// What has not been read; always at the beginning of a line between statements.
    rest: &'a str,
    line: usize,
    dotenv: Dotenv,
}

/// A value, and how much of the text it took.
struct Value<'a> {
    text: String,
    taken: &'a str,
    /// The opening quote, where it is no part of the value.
    skipped: usize,
    /// How many bytes of what it took follow it.
    behind: usize,
    trouble: Option<Trouble>,
}

/// What is strange about a value, and at which byte behind its beginning.
type Trouble = (Cause, &'static str, usize);

impl<'a> Parser<'a> {
    /// Marks of the whole file: a byte-order mark, Windows line ends.
    fn file_marks(&mut self) {
        if let Some(rest) = self.rest.strip_prefix('\u{feff}') {
            self.rest = rest;
            let says = "the file begins with a byte-order mark (U+FEFF); some loaders take it for \
                        a part of the first name";
            self.note_mendable(Cause::HiddenOrNonAsciiCharacter, says, None);
        }
        if self.rest.contains("\r\n") {
            let says = "the file has Windows line ends (CRLF); a shell that sources it leaves a \
                        carriage return in each value";
            self.note_mendable(Cause::WhitespaceOrNewline, says, None);
        }
    }

    /// One line, or several where a quoted value goes on.
    fn statement(&mut self) {
        let line = first_line(self.rest);
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            self.advance(line);
            return;
        }
        let indent = Some(line.len() - line.trim_start().len());
        let start = content
            .strip_prefix("export")
            .filter(|rest| rest.starts_with([' ', '\t']))
            .map_or(content, str::trim_start);
        let Some((name, _)) = start.split_once('=') else {
            // `export NAME` alone is shell for "pass it on", and sets nothing.
            if start.len() == content.len() {
                self.note(Cause::EnvNotLoaded, "the line is not NAME=value and sets nothing", indent);
            }
            self.advance(line);
            return;
        };
        if is_variable_name(name.trim_end()) {
            self.assignment(line, name);
        } else {
            let says = "what stands before `=` is not a variable's name; the line sets nothing";
            self.note(Cause::WrongEnvVarName, says, indent);
            self.advance(line);
        }
    }

    fn assignment(&mut self, line: &'a str, name: &str) {
        let equals = line.find('=').unwrap_or(0);
        let after = &self.rest[equals + 1..];
        let value_text = after.trim_start_matches(is_blank);
        let bare = line[..equals].trim_end();
        if bare.len() != equals || value_text.len() != after.len() {
            let says = "spaces around `=`: a shell and `docker --env-file` read this line differently";
            let at = if bare.len() == equals { equals + 1 } else { bare.len() };
            self.note_mendable(Cause::WhitespaceOrNewline, says, Some(at));
        }
        let value = value(value_text);
        let begins = self.rest.len() - value_text.len();
        match value.trouble {
            Some((cause @ Cause::WhitespaceOrNewline, says, at)) => self.note_mendable(cause, says, Some(begins + at)),
            Some((cause, says, at)) => self.note(cause, says, Some(begins + at)),
            None => {}
        }
        let taken = &self.rest[..begins + value.taken.len()];
        let before = &self.rest[..begins];
        self.dotenv.entries.push(Entry {
            name: name.trim_end().to_owned(),
            value: Secret::new(value.text),
            line: self.line,
            column: before.chars().count() + value.skipped + 1,
            last_line: self.line + taken.matches('\n').count(),
            behind: value.behind,
        });
        self.advance(taken);
    }

    /// Goes on behind `taken`, which ends at a line's end.
    fn advance(&mut self, taken: &'a str) {
        self.line += taken.matches('\n').count();
        self.rest = &self.rest[taken.len()..];
        if let Some(rest) = self.rest.strip_prefix('\n') {
            self.rest = rest;
            self.line += 1;
        }
    }

    /// Notes a finding; `at` is the byte of this line that it concerns.
    fn note(&mut self, cause: Cause, says: &str, at: Option<usize>) {
        self.push(Finding::warning(cause, says), at);
    }

    /// Notes what [`crate::inspect::mend`] writes another way.
    fn note_mendable(&mut self, cause: Cause, says: &str, at: Option<usize>) {
        self.push(Finding::warning(cause, says).mended_by(Mend::WriteLine), at);
    }

    fn push(&mut self, finding: Finding, at: Option<usize>) {
        let column = at.and_then(|at| self.rest.get(..at)).map(|before| before.chars().count() + 1);
        self.dotenv.findings.push(LineFinding { line: self.line, column, finding });
    }
}

/// White space that a line may hold.
fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

/// Reads a value from where it begins to the end of its last line, without the newline.
fn value(text: &str) -> Value<'_> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    match quote {
        Some(quote) => quoted(text, quote),
        None => unquoted(first_line(text)),
    }
}

fn unquoted(line: &str) -> Value<'_> {
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| *at == 0 || line[..*at].ends_with([' ', '\t']));
    let text = line[..comment.unwrap_or(line.len())].trim();
    // Of a Windows line end there is one finding for the whole file.
    let blanks_follow = !text.is_empty() && line.strip_suffix('\r').unwrap_or(line).len() > text.len();
    let trouble = match comment {
        Some(at) => Some((
            Cause::WhitespaceOrNewline,
            "a comment follows the value; `docker --env-file` takes it for a part of the value",
            at,
        )),
        None if blanks_follow => Some((
            Cause::WhitespaceOrNewline,
            "white space follows the value; `docker --env-file` takes it for a part of the value",
            text.len(),
        )),
        None => text.find('#').map(|at| {
            (Cause::TruncatedOrMistyped, "`#` inside an unquoted value: some loaders cut the value there", at)
        }),
    };
    Value { text: text.to_owned(), taken: line, skipped: 0, behind: line.len() - text.len(), trouble }
}

fn quoted(text: &str, quote: char) -> Value<'_> {
    let Some(length) = closing(&text[1..], quote) else {
        let line = first_line(text);
        let bare = line.trim();
        return Value {
            text: bare.to_owned(),
            taken: line,
            skipped: 0,
            behind: line.len() - bare.len(),
            trouble: Some((Cause::QuotesInKey, "the quote is never closed", 0)),
        };
    };
    let inside = &text[1..=length];
    let after = first_line(&text[length + 2..]);
    let rest = after.trim();
    let trouble = (!rest.is_empty() && !rest.starts_with('#')).then_some((
        Cause::QuotesInKey,
        "text follows the closing quote and is left out",
        length + 2,
    ));
    Value {
        text: unescaped(inside, quote),
        taken: &text[..length + 2 + after.len()],
        skipped: 1,
        behind: after.len(),
        trouble,
    }
}

/// How many bytes the quoted text has. A quote that only closes beyond another assignment is not
/// closed: it was forgotten, and must not swallow the next key.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let end = text.char_indices().find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped && quote != '`';
        closes.then_some(at)
    })?;
    let swallows = text[..end].split('\n').skip(1).any(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.split_once('=').is_some_and(|(name, _)| is_variable_name(name.trim()))
    });
    (!swallows).then_some(end)
}

fn unescaped(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' || quote == '`' {
            out.push(c);
            continue;
        }
        match (chars.next(), quote) {
            (Some('n'), '"') => out.push('\n'),
            (Some('r'), '"') => out.push('\r'),
            (Some('t'), '"') => out.push('\t'),
            (Some('$'), '"') => out.push('$'),
            (Some(c), _) if c == quote || c == '\\' => out.push(c),
            (Some(c), _) => out.extend(['\\', c]),
            (None, _) => out.push('\\'),
        }
    }
    out
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// The last assignment wins; the earlier ones are worth a word.
fn duplicates(dotenv: &mut Dotenv) {
    let mut seen: HashMap<&str, &Entry> = HashMap::new();
    let mut found = Vec::new();
    for entry in &dotenv.entries {
        if let Some(earlier) = seen.insert(&entry.name, entry) {
            let same = earlier.value.matches(&entry.value);
            let value = if same { "the same" } else { "another" };
            let says = format!("`{}` was set to {value} value in line {}; this one wins", entry.name, earlier.line);
            let finding = Finding::warning(Cause::StaleValueOverrides, says);
            let finding = if same { finding.mended_by(Mend::WriteLine) } else { finding };
            found.push(LineFinding { line: entry.line, column: None, finding });
        }
    }
    dotenv.findings.extend(found);
}

/// Fewer odd characters are a slip in a text, however short it is.
const FEWEST_ODD: usize = 8;

#[cfg(test)]
mod tests;
