//! Dotenv text: a careful reader that keeps line numbers and tells what is strange.
//!
//! What it accepts is what python-dotenv, Node's dotenv and Compose agree on; where they differ it
//! reads like python-dotenv and leaves a finding. `${NAME}` is never expanded: a key is no template,
//! and [`crate::inspect`] names the ones that were left.

mod parse;
pub(crate) mod utf16;

use crate::inspect::Finding;
use crate::secret::Secret;

/// What a dotenv file holds.
#[derive(Clone, Debug, Default)]
pub struct Dotenv {
    /// Every assignment, in the order of the file; names may repeat.
    pub entries: Vec<Entry>,
    /// What is strange about the file, in the order of the lines.
    pub findings: Vec<LineFinding>,
}

/// One assignment.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The variable.
    pub name: String,
    /// Its value, without quotes and escapes.
    pub value: Secret,
    /// The line it begins in, counted from 1.
    pub line: usize,
    /// The character of that line where the value begins, behind its quote, counted from 1.
    pub column: usize,
    /// The line it ends in: a later one where a quoted value goes on.
    pub last_line: usize,
    /// How many bytes of its last line follow the value and its closing quote: blanks, a comment.
    pub(crate) behind: usize,
}

/// A finding about a line. Its words never hold a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFinding {
    /// The line, counted from 1.
    pub line: usize,
    /// The character of that line, counted from 1; `None` when it concerns the whole file.
    pub column: Option<usize>,
    /// What is strange.
    pub finding: Finding,
}

/// Why a file is no dotenv file at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DotenvError {
    /// Windows editors and PowerShell's `>` write UTF-16; no dotenv loader reads it.
    #[error("it is UTF-16 text; save it as UTF-8")]
    Utf16,
    /// A program, an archive, an encrypted file: more than a few of its characters are no text.
    #[error("it is no text")]
    Binary,
}

impl Dotenv {
    /// Reads the bytes of a file. Lines that are no assignment become findings, never an error.
    ///
    /// ```
    /// let file = keywright_core::Dotenv::parse(b"# keys\nexport OPENAI_API_KEY='abc' # mine\n")?;
    /// let entry = file.last("OPENAI_API_KEY").expect("it is there");
    /// assert_eq!((entry.value.expose(), entry.line, entry.column), ("abc", 2, 24));
    /// # Ok::<(), keywright_core::DotenvError>(())
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, DotenvError> {
        parse::parse(bytes)
    }

    /// The assignment that counts: the last one of this name.
    pub fn last(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.name == name)
    }

    /// The findings about one line.
    pub fn findings_at(&self, line: usize) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |found| found.line == line).map(|found| &found.finding)
    }
}

/// Whether a text may name an environment variable.
pub fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
