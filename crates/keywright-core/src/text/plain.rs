//! A text as its words alone: without colours, frames, log prefixes and white space.
//!
//! Terminals wrap lines anywhere, loggers put a prefix on every line, notebooks add colours. None of
//! that changes what a client said, so all of it goes before anything is looked for. White space goes
//! altogether: a sentence then reads the same wherever it was wrapped. Places stay known by line.

use std::sync::LazyLock;

use regex::Regex;

/// A text as its words alone.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// All lines without white space, one after the other.
    pub(super) text: String,
    /// Where each line of the original begins in `text`, in order.
    lines: Vec<Line>,
}

/// One line of the original, without colours, frame and prefix.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it begins in the squeezed text.
    pub(super) at: usize,
    /// Its number in the original, from 1.
    pub(super) number: usize,
    /// The line as a person reads it.
    pub(super) text: String,
}

impl Plain {
    /// Reads a text whose first line has this number.
    pub(super) fn of(text: &str, first_line: usize) -> Self {
        let mut plain = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = without_decoration(line);
            match structured(&line) {
                Some(inner) => inner.lines().for_each(|line| plain.push(without_decoration(line), first_line + index)),
                None => plain.push(line, first_line + index),
            }
        }
        plain
    }

    fn push(&mut self, line: String, number: usize) {
        if !is_marker(&line) {
            let at = self.text.len();
            self.text.extend(line.chars().filter(|c| !is_blank(*c)));
            self.lines.push(Line { at, number, text: line });
        }
    }

    /// The number of the original line that holds this place of the squeezed text.
    pub(super) fn line_of(&self, at: usize) -> usize {
        let index = self.lines.partition_point(|line| line.at <= at);
        self.lines.get(index.saturating_sub(1)).map_or(1, |line| line.number)
    }

    /// The lines, without decoration.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }
}

/// The same words as the squeezed text has them.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !is_blank(*c)).collect()
}

/// The largest character boundary that is not above `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The smallest character boundary that is not below `at`.
pub(super) fn ceiling(text: &str, at: usize) -> usize {
    (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

/// White space of ASCII. The rest, no-break spaces above all, may be the very defect.
const fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// A line without colours, frames of boxes and the logger's prefix.
fn without_decoration(line: &str) -> String {
    let line = without_escapes(line);
    let line: String = line.chars().filter(|c| !is_frame(*c)).collect();
    let mut rest = line.as_str();
    // A CI log of a compose log has two.
    for _ in 0..MOST_PREFIXES {
        match PREFIX.find(rest) {
            Some(prefix) if prefix.end() > 0 => rest = &rest[prefix.end()..],
            _ => break,
        }
    }
    rest.to_owned()
}

/// The lines that a structured log keeps in the strings of one JSON object; `None` for any other line.
fn structured(line: &str) -> Option<String> {
    let line = line.trim();
    if !line.starts_with('{') || !line.contains("\\n") {
        return None;
    }
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
    let mut out = String::new();
    for (name, value) in &members {
        match value {
            serde_json::Value::String(text) if text.contains('\n') => out.push_str(text),
            value => out.extend(["\"", name, "\": ", &value.to_string()]),
        }
        out.push('\n');
    }
    Some(out)
}

/// A line of carets or tildes under a line of source says nothing.
fn is_marker(line: &str) -> bool {
    let mut marks = line.chars().filter(|c| !c.is_whitespace()).peekable();
    marks.peek().is_some() && marks.all(|c| matches!(c, '^' | '~'))
}

/// Takes out terminal control sequences, as bytes and as programs write them in JSON or logs.
fn without_escapes(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}', '\\', '^']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match escape_length(rest) {
            0 => {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..first]);
                rest = &rest[first..];
            }
            length => rest = &rest[length..],
        }
    }
    out.push_str(rest);
    out.retain(|c| !c.is_control() || c == '\t');
    out
}

/// How many bytes at the beginning are one control sequence.
fn escape_length(text: &str) -> usize {
    let Some(spelled) = ESCAPES.iter().find(|spelled| text.starts_with(**spelled)) else {
        return 0;
    };
    let after = &text[spelled.len()..];
    let bytes = after.as_bytes();
    let control = *spelled == "\u{9b}" || bytes.first() == Some(&b'[');
    if control {
        let from = usize::from(*spelled != "\u{9b}");
        let parameters = bytes[from..].iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
        // A sequence that was cut, or broken by other text, ends where its parameters end.
        let end = bytes.get(from + parameters).is_some_and(|byte| matches!(byte, 0x40..=0x7e));
        return spelled.len() + from + parameters + usize::from(end);
    }
    match (bytes.first(), *spelled) {
        // A title or a link: up to BEL or ESC \, else to the end.
        (Some(b']' | b'P' | b'_' | b'^' | b'X'), _) => {
            let end = after.find('\u{7}').map(|at| at + 1).or_else(|| after.find("\u{1b}\\").map(|at| at + 2));
            spelled.len() + end.unwrap_or(after.len())
        }
        (Some(_), "\u{1b}") => 1 + after.chars().next().map_or(0, char::len_utf8),
        (None, "\u{1b}") => 1,
        _ => 0,
    }
}

const fn is_frame(c: char) -> bool {
    matches!(c, '\u{2500}'..='\u{257f}' | '\u{276f}')
}

/// ESC and CSI themselves, and how JSON, Python, shells and `cat -v` spell ESC.
const ESCAPES: &[&str] = &["\u{1b}", "\u{9b}", "\\u001b", "\\u001B", "\\x1b", "\\x1B", "\\033", "\\e", "^["];
const MOST_PREFIXES: usize = 3;

/// What loggers put before a line: times, hosts, containers, levels.
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:[T\x20][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:Z|\x20?[+-][0-9]{2}:?[0-9]{2})?)?";
    let clock = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?";
    let level =
        r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|trace|debug|info|warn|warning|error|fatal)";
    Regex::new(&format!(
        r"^(?x:
            \x{{feff}}
          | (?:\[\ ?)?{time}(?:\ ?\])?(?:[\ \t]+(?:std(?:out|err))(?:[\ ][FP])?)?[\ \t]*[:|-]?[\ ]?
          | \[?{clock}\]?[\ \t]*[|:-]?[\ ]?
          | (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[\ ]+[0-9]{{1,2}}[\ ]{clock}[\ ][A-Za-z0-9_.-]+[\ ][^\ :\[]+(?:\[[0-9]+\])?:[\ ]?
          | [a-z0-9][A-Za-z0-9_.-]{{0,60}}[\ ]+\|[\ ]?
          | \[(?:pod|[a-z0-9-]+)/[A-Za-z0-9_./-]+\][\ ]
          | \[?{level}\]?[\ \t]*(?:[:|-][\ ]|\|[\ ])
          | std(?:out|err)[\ ][FP][\ ]
          | \[[a-z0-9][A-Za-z0-9_.-]*[\ ]*\][\ ]+\|[\ ]?
          | (?:\#[0-9]+[\ ][0-9.]+[\ ])
        )"
    ))
    .expect("a fixed pattern compiles")
});

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        Plain::of(text, 1).lines().iter().map(|line| line.text.clone()).collect()
    }

    #[test]
    fn decoration_goes_and_words_stay() {
        let cases = [
            ("\u{1b}[31mError\u{1b}[0m: x", "Error: x"),
            ("\\u001b[0;31mAuthenticationError\\u001b[0m", "AuthenticationError"),
            ("\u{1b}]0;title\u{7}hello", "hello"),
            ("web-1  | Error", "Error"),
            ("2026-01-19T07:41:05.000Z stderr F   \"error\": {", "  \"error\": {"),
            ("2026-02-11T10:22:31.1234567Z   File \"x\"", "  File \"x\""),
            ("Mar 04 03:00:02 host CRON[4121]: Traceback", "Traceback"),
            ("2026-11-20 21:58:04,748 ERROR worker: LLM", "ERROR worker: LLM"),
            ("│ raise x │", " raise x "),
            ("a ^ b \\n c", "a ^ b \\n c"),
            ("\u{1b}[38;5;2\u{fffd}m x", "\u{fffd}m x"),
            ("x\u{1b}[38;5", "x"),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line)[0].trim(), expected.trim());
        }
    }

    #[test]
    fn places_are_known_by_line() {
        let plain = Plain::of("one\n  two three\n ^^^^\nfour", 10);
        assert_eq!(plain.text, "onetwothreefour");
        assert_eq!([0, 3, 8, 11].map(|at| plain.line_of(at)), [10, 11, 11, 13]);
    }
}
