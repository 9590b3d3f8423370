//! What a person adds to a page: a few lines of plain text, about one SDK or all.

use std::fmt::{self, Write as _};

use crate::inspect::code_point;
use crate::redact::Redactor;

/// The text of a note: plain, short, without keys and without characters that nobody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteText(String);

/// The SDK that a note is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSdk {
    /// The package's name, such as `openai`.
    pub name: String,
    /// Its version; `None` when the note is about all.
    pub version: Option<String>,
}

/// Why a text cannot be a note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// There is no word in it.
    #[error("the note is empty")]
    Empty,
    /// It is too long.
    #[error("the note is longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The bytes are no text.
    #[error("the note is not UTF-8: byte {at} fits no character")]
    NotUtf8 {
        /// The place of the first such byte, from 1.
        at: usize,
    },
    /// It holds something that nobody sees.
    #[error("line {line}, column {column} of the note is {code_point}")]
    Unseen {
        /// The character's code point, and its name where it is known.
        code_point: String,
        /// Its line, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
    },
    /// It holds a key.
    #[error("line {line} of the note holds a key")]
    Key {
        /// Its line, from 1.
        line: usize,
    },
    /// The SDK is not written as a name and a version.
    #[error("the SDK is not written as `NAME` or `NAME@VERSION`")]
    Sdk,
}

impl NoteError {
    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Empty => "say in a sentence what others should know",
            Self::TooLong { .. } => "say it shorter, and link to the rest",
            Self::NotUtf8 { .. } | Self::Unseen { .. } => {
                "write it as plain text, without colours and control characters"
            }
            Self::Key { .. } => {
                "leave the key out: whoever reads the page reads the note; \
                                 a key that others may have seen should be replaced"
            }
            Self::Sdk => "write it as in `--sdk openai@1.40.0`",
        }
    }
}

impl NoteText {
    /// The longest note, in bytes.
    pub const LIMIT_BYTES: usize = 4_000;

    /// Reads a note. Line ends become line feeds, tabs become spaces, and blank space around it goes.
    pub fn parse(bytes: &[u8], redactor: &Redactor) -> Result<Self, NoteError> {
        // The blank space around a note may be long too; a note that fits is never far from the limit.
        if bytes.len() > 2 * Self::LIMIT_BYTES {
            return Err(NoteError::TooLong { limit_bytes: Self::LIMIT_BYTES });
        }
        let text = str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 { at: error.valid_up_to() + 1 })?;
        let text = text.replace("\r\n", "\n").replace('\t', " ");
        let text = text.trim();
        if text.is_empty() {
            return Err(NoteError::Empty);
        }
        if text.len() > Self::LIMIT_BYTES {
            return Err(NoteError::TooLong { limit_bytes: Self::LIMIT_BYTES });
        }
        for (line, content) in (1..).zip(text.split('\n')) {
            if let Some((column, unseen)) = (1..).zip(content.chars()).find(|(_, c)| is_unseen(*c)) {
                return Err(NoteError::Unseen { code_point: code_point(unseen), line, column });
            }
            if redactor.redact_str(content) != content {
                return Err(NoteError::Key { line });
            }
        }
        if redactor.redact_str(text) != text {
            return Err(NoteError::Key { line: 1 });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as Markdown that shows it as it is: whatever is in it, no markup and no HTML comes of it.
    pub fn markdown(&self) -> String {
        let lines = self.0.lines().map(str::trim).filter(|line| !line.is_empty());
        // A line is a paragraph: Markdown would join lines.
        lines.map(literal).collect::<Vec<_>>().join("\n\n")
    }
}

/// Whether a character steers a terminal, or turns or hides the text around it. Joiners are part of scripts and emoji.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line as Markdown text.
fn literal(line: &str) -> String {
    let mut text = String::with_capacity(line.len() + 8);
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    for (at, c) in line.char_indices() {
        let begins_block = at == 0 && matches!(c, '+' | '-' | '=' | ':');
        let ends_number = digits > 0 && at == digits && matches!(c, '.' | ')');
        if begins_block || ends_number || SPECIAL.contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

impl NoteSdk {
    /// Reads `openai`, `openai@1.40.0` or `openai==1.40.0`.
    pub fn parse(text: &str, redactor: &Redactor) -> Result<Self, NoteError> {
        let text = text.trim();
        if redactor.redact_str(text) != text {
            return Err(NoteError::Sdk);
        }
        // The name of an npm package may begin with an @.
        let cut = text.split_once("==").or_else(|| text.rsplit_once('@').filter(|(name, _)| !name.is_empty()));
        let (name, version) = cut.map_or((text, None), |(name, version)| (name, Some(version)));
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-/@".contains(c);
        let is_version = |c: char| c.is_ascii_alphanumeric() || "._-+*".contains(c);
        let fits = |text: &str, allowed: &dyn Fn(char) -> bool| {
            (1..=MOST_CHARACTERS).contains(&text.len())
                && text.chars().all(allowed)
                && text.chars().any(|c| c.is_ascii_alphanumeric())
        };
        let good = fits(name, &is_name) && version.is_none_or(|version| fits(version, &is_version));
        if good { Ok(Self { name: name.to_owned(), version: version.map(str::to_owned) }) } else { Err(NoteError::Sdk) }
    }
}

impl fmt::Display for NoteSdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(version) = &self.version {
            f.write_char(' ')?;
            f.write_str(version)?;
        }
        Ok(())
    }
}

/// What means something in Markdown or HTML, wherever it stands.
const SPECIAL: &str = "\\`*_[]<>&#|~!";
const MOST_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NoteText, NoteError> {
        NoteText::parse(text.as_bytes(), &Redactor::default())
    }

    #[test]
    fn what_cannot_be_a_note_is_refused_with_its_place() {
        let long = "x".repeat(NoteText::LIMIT_BYTES + 1);
        let cases: [(&str, NoteError); 9] = [
            ("", NoteError::Empty),
            (" \n\t\r\n", NoteError::Empty),
            (&long, NoteError::TooLong { limit_bytes: NoteText::LIMIT_BYTES }),
            (&"y".repeat(1 << 20), NoteError::TooLong { limit_bytes: NoteText::LIMIT_BYTES }),
            ("a\nb\u{1b}[31mred", NoteError::Unseen { code_point: code_point('\u{1b}'), line: 2, column: 2 }),
            ("a\rb", NoteError::Unseen { code_point: code_point('\r'), line: 1, column: 2 }),
            ("bell\u{7}", NoteError::Unseen { code_point: code_point('\u{7}'), line: 1, column: 5 }),
            ("c1 \u{9b}31m", NoteError::Unseen { code_point: code_point('\u{9b}'), line: 1, column: 4 }),
            ("turned \u{202e}round", NoteError::Unseen { code_point: code_point('\u{202e}'), line: 1, column: 8 }),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Err(expected), "{text:.20}");
        }
        let broken = NoteText::parse(b"abc\xff", &Redactor::default());
        assert_eq!(broken, Err(NoteError::NotUtf8 { at: 4 }));
        let key = format!("ok\nuse sk-proj-{}", "aB3".repeat(40));
        assert_eq!(parse(&key), Err(NoteError::Key { line: 2 }));
    }

    #[test]
    fn a_note_keeps_its_words() {
        let note = parse("  über 1.40:\r\n\tset it twice  ").expect("a note");
        assert_eq!(note.as_str(), "über 1.40:\n set it twice");
        assert!(parse(&"x".repeat(NoteText::LIMIT_BYTES)).is_ok());
    }

    #[test]
    fn markdown_of_a_note_escapes_all_that_means_something() {
        let cases = [
            ("plain words, (and more) - 5.", "plain words, (and more) - 5."),
            ("<b>x</b> & `y` *z* _u_", "\\<b\\>x\\</b\\> \\& \\`y\\` \\*z\\* \\_u\\_"),
            ("# no heading\n- no item\n1. no item", "\\# no heading\n\n\\- no item\n\n1\\. no item"),
            ("---\n===\n+ x", "\\---\n\n\\===\n\n\\+ x"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).expect("a note").markdown(), expected);
        }
    }

    #[test]
    fn an_sdk_is_a_name_and_a_version() {
        let shown = |text: &str| NoteSdk::parse(text, &Redactor::default()).map(|sdk| sdk.to_string());
        for (text, expected) in [
            ("openai", "openai"),
            ("openai@1.40.0", "openai 1.40.0"),
            ("openai==1.40.0", "openai 1.40.0"),
            ("@scope/name@2.0.0-rc.1", "@scope/name 2.0.0-rc.1"),
            ("@scope/name", "@scope/name"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected));
        }
        for text in ["", "@", "openai@", "openai@1 2", "<b>", "a\u{1b}b", "openai==", &"x".repeat(65)] {
            assert_eq!(shown(text), Err(NoteError::Sdk), "{text}");
        }
    }
}
