//! Dotenv files: a careful reader that keeps line numbers and tells what is strange.
//!
//! What it accepts is what python-dotenv, Node's dotenv and Compose agree on; where they differ it
//! reads like python-dotenv and leaves a finding. `${NAME}` is never expanded: a key is no template,
//! and [`keywright_core::inspect`] names the ones that were left.

mod parse;

use std::path::PathBuf;

use keywright_core::Secret;
use keywright_core::inspect::Finding;

use super::file::read_bounded;
use super::{BoxFuture, Reading, Source, SourceError};

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
}

/// A finding about a line. Its words never hold a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFinding {
    /// The line, counted from 1.
    pub line: usize,
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
}

impl Dotenv {
    /// Reads the bytes of a file. Lines that are no assignment become findings, never an error.
    ///
    /// ```
    /// let file = keywright::sources::Dotenv::parse(b"# keys\nexport OPENAI_API_KEY='abc' # mine\n")?;
    /// let entry = file.last("OPENAI_API_KEY").expect("it is there");
    /// assert_eq!((entry.value.expose(), entry.line), ("abc", 2));
    /// # Ok::<(), keywright::sources::DotenvError>(())
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

/// A dotenv file as a source.
#[derive(Clone, Debug)]
pub(super) struct DotenvFile {
    /// As the person wrote it.
    pub(super) written: PathBuf,
    /// Where it is.
    pub(super) path: PathBuf,
}

impl DotenvFile {
    pub(super) async fn contents(&self) -> Result<Dotenv, SourceError> {
        let bytes = read_bounded(&self.path, LARGEST_FILE_BYTES).await?;
        // Wrapped so that the text of the whole file is wiped too.
        let parsed = Dotenv::parse(&bytes);
        drop(String::from_utf8(bytes).map(Secret::new));
        Ok(parsed?)
    }
}

impl Source for DotenvFile {
    fn place(&self, name: &str, reading: Option<&Reading>) -> String {
        let path = self.written.display();
        match reading.and_then(|reading| reading.line) {
            Some(line) => format!("{path}:{line}"),
            None => format!("{name} in {path}"),
        }
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>> {
        Box::pin(async move {
            let file = self.contents().await?;
            Ok(file.last(name).map(|entry| Reading { secret: entry.value.clone(), line: Some(entry.line) }))
        })
    }
}

/// The largest dotenv file that is read.
const LARGEST_FILE_BYTES: u64 = 1024 * 1024;
