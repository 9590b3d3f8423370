//! A dotenv file as a source of keys.

use std::path::PathBuf;

use keywright_core::{Dotenv, Secret};

use super::file::read_bounded;
use super::{BoxFuture, Reading, Source, SourceError};

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
        let bytes = read_bounded(&self.path, LARGEST_DOTENV_BYTES).await?;
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
pub(crate) const LARGEST_DOTENV_BYTES: u64 = 1024 * 1024;
