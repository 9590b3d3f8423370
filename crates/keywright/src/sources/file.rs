//! A file as a source of one key: Docker and Kubernetes secrets, or a member of a JSON file.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use keywright_core::Secret;

use super::{BoxFuture, Reading, Source, SourceError};

/// A secret file. The name asked for is a JSON member; the empty name is the whole file.
#[derive(Clone, Debug)]
pub(super) struct SecretFile {
    /// As the person wrote it.
    pub(super) written: PathBuf,
    /// Where it is.
    pub(super) path: PathBuf,
}

impl Source for SecretFile {
    fn place(&self, name: &str, _: Option<&Reading>) -> String {
        let path = self.written.display();
        if name.is_empty() { format!("file {path}") } else { format!("file {path}, field {name}") }
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>> {
        Box::pin(async move {
            let bytes = read_bounded(&self.path, LARGEST_SECRET_BYTES).await?;
            let text = text_of(bytes)?;
            let secret = if name.is_empty() {
                without_last_newline(&text)
            } else {
                member(&text, name)?.ok_or(SourceError::NoField)?
            };
            Ok(Some(Reading { secret, line: None }))
        })
    }
}

/// Reads a regular file of at most `limit` bytes, on a thread where waiting for a disk stops nobody.
pub(crate) async fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || read_now(&path, limit))
        .await
        .unwrap_or(Err(SourceError::Unreadable(io::ErrorKind::Other)))
}

fn read_now(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    // Looked at before it is opened: opening a pipe that nobody writes to waits for ever.
    let metadata = std::fs::metadata(path).map_err(|error| refusal(&error))?;
    not_regular(metadata.file_type())?;
    let file = File::open(path).map_err(|error| refusal(&error))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| refusal(&error))?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::TooLarge { limit_bytes: limit });
    }
    Ok(bytes)
}

fn not_regular(kind: FileType) -> Result<(), SourceError> {
    if kind.is_file() {
        Ok(())
    } else if kind.is_dir() {
        Err(SourceError::Directory)
    } else {
        Err(SourceError::Device)
    }
}

fn refusal(error: &io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::NoFile,
        io::ErrorKind::PermissionDenied => SourceError::Denied,
        io::ErrorKind::IsADirectory => SourceError::Directory,
        other => SourceError::Unreadable(other),
    }
}

fn text_of(bytes: Vec<u8>) -> Result<Secret, SourceError> {
    String::from_utf8(bytes).map(Secret::new).map_err(|_| SourceError::NotUtf8)
}

/// Editors and `echo` end a file with a newline; no key does.
pub(super) fn without_last_newline(text: &Secret) -> Secret {
    let text = text.expose();
    let text = text.strip_suffix('\n').unwrap_or(text);
    Secret::new(text.strip_suffix('\r').unwrap_or(text))
}

pub(super) fn member(text: &Secret, name: &str) -> Result<Option<Secret>, SourceError> {
    let value: serde_json::Value = serde_json::from_str(text.expose())
        .map_err(|error| SourceError::NotJson { line: error.line(), column: error.column() })?;
    let object = value.as_object().ok_or(SourceError::NotAnObject)?;
    match object.get(name) {
        None => Ok(None),
        Some(serde_json::Value::String(value)) => Ok(Some(Secret::new(value.as_str()))),
        Some(_) => Err(SourceError::FieldNotText),
    }
}

/// Keys have a few hundred bytes; JSON files of many keys a few thousand.
pub(super) const LARGEST_SECRET_BYTES: u64 = 64 * 1024;
