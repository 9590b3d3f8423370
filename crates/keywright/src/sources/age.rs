//! Files encrypted with age: the vault that needs no server.
//!
//! A passphrase, an X25519 identity or an SSH key opens them, as the `age` command does. Opening one with a passphrase takes a
//! second on purpose, so what was opened is kept in memory until the file changes.

pub(crate) mod keys;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ::age::armor::ArmoredReader;
use ::age::secrecy::SecretString;
use ::age::{DecryptError, Decryptor, Identity};
use keywright_core::{Dotenv, Secret};

use self::keys::{IdentityText, Keys};
use super::file::{member, read_bounded};
use super::{BoxFuture, Environment, Reading, Source, SourceError};

/// An encrypted file. The name asked for is a field of it.
#[derive(Debug)]
pub(super) struct AgeFile {
    /// As the person wrote it.
    pub(super) written: PathBuf,
    /// Where it is.
    pub(super) path: PathBuf,
    pub(super) environment: Environment,
    pub(super) opened: Opened,
}

/// What was opened, by path, until the file changes; and the passphrase that a person typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    files: HashMap<PathBuf, (Stamp, Secret)>,
    passphrase: Option<Secret>,
}

/// What tells one version of a file from the next.
type Stamp = (u64, Option<SystemTime>);

impl Source for AgeFile {
    fn place(&self, field: &str, reading: Option<&Reading>) -> String {
        let path = self.written.display();
        match reading.and_then(|reading| reading.line) {
            Some(line) => format!("{path}:{line} (age)"),
            None => format!("{field} in {path} (age)"),
        }
    }

    fn read<'a>(&'a self, field: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>> {
        Box::pin(async move { field_of(&self.text().await?, field) })
    }
}

impl AgeFile {
    async fn text(&self) -> Result<Secret, SourceError> {
        let stamp = stamp(&self.path);
        if let Some(stamp) = stamp
            && let Some((_, text)) = self.opened.lock().files.get(&self.path).filter(|(known, _)| *known == stamp)
        {
            return Ok(text.clone());
        }
        let bytes = read_bounded(&self.path, LARGEST_FILE_BYTES).await?;
        let keys = Keys::find(&self.environment, &self.path, self.opened.passphrase()).await?;
        if keys.none() {
            return Err(SourceError::NoAgeKey);
        }
        let opening = tokio::task::spawn_blocking(move || open(&bytes, &keys)).await;
        let text = opening.unwrap_or(Err(SourceError::NotAge))?;
        if let Some(stamp) = stamp {
            self.opened.lock().files.insert(self.path.clone(), (stamp, text.clone()));
        }
        Ok(text)
    }
}

/// One look at a directory entry; no reason to leave this thread for it.
fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|file| (file.len(), file.modified().ok()))
}

impl Opened {
    /// Opens files with this passphrase too, unless the environment has one.
    pub(super) fn use_passphrase(&self, passphrase: Secret) {
        self.lock().passphrase = Some(passphrase);
    }

    pub(super) fn passphrase(&self) -> Option<Secret> {
        self.lock().passphrase.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A field of JSON, or of lines `NAME=value`.
fn field_of(text: &Secret, field: &str) -> Result<Option<Reading>, SourceError> {
    if text.expose().trim_start().starts_with('{') {
        return Ok(member(text, field)?.map(|secret| Reading { secret, line: None }));
    }
    let file = Dotenv::parse(text.expose().as_bytes())?;
    Ok(file.last(field).map(|entry| Reading { secret: entry.value.clone(), line: Some(entry.line) }))
}

/// The text of an encrypted file.
pub(crate) fn open(bytes: &[u8], keys: &Keys) -> Result<Secret, SourceError> {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(bytes)).map_err(|error| match refusal(&error) {
        SourceError::NotAge if begins_as_age(bytes) => SourceError::AgeDamaged,
        why => why,
    })?;
    let opened = if decryptor.is_scrypt() {
        let passphrase = keys.passphrase.as_ref().ok_or(SourceError::NoAgeKey)?;
        let mut identity = ::age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
        identity.set_max_work_factor(MOST_WORK);
        decryptor.decrypt(std::iter::once(&identity as &dyn Identity))
    } else {
        if keys.identities.is_empty() {
            return Err(SourceError::NoAgeKey);
        }
        let texts = keys.identities.iter().map(IdentityText::identities).collect::<Result<Vec<_>, _>>()?;
        let identities: Vec<Box<dyn Identity>> = texts.into_iter().flatten().collect();
        decryptor.decrypt(identities.iter().map(|identity| &**identity))
    };
    let mut text = Vec::new();
    let reader = opened.map_err(|error| refusal(&error))?;
    reader.take(LARGEST_FILE_BYTES).read_to_end(&mut text).map_err(|_| SourceError::AgeDamaged)?;
    String::from_utf8(text).map(Secret::new).map_err(|_| SourceError::NotUtf8)
}

/// Whether it may be what is left of an age file; an interrupted copy leaves nothing at all.
fn begins_as_age(bytes: &[u8]) -> bool {
    bytes.is_empty() || [&b"age-encryption.org/"[..], b"-----BEGIN AGE "].iter().any(|head| bytes.starts_with(head))
}

fn refusal(error: &DecryptError) -> SourceError {
    match error {
        // With a wrong passphrase it is the wrapped key that fails to decrypt.
        DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => {
            SourceError::WrongAgeKey
        }
        DecryptError::ExcessiveWork { .. } => SourceError::AgeWorkTooHigh,
        DecryptError::InvalidMac => SourceError::AgeDamaged,
        _ => SourceError::NotAge,
    }
}

/// The largest encrypted file that is read.
const LARGEST_FILE_BYTES: u64 = 1024 * 1024;
/// Passphrases are stretched 2^18 times by default; a file that asks for a thousand times more is an attack.
const MOST_WORK: u8 = 22;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ::age::{Encryptor, Recipient};

    use super::*;

    fn with_passphrase(text: &str, passphrase: &str, work: u8) -> Vec<u8> {
        let mut recipient = ::age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
        recipient.set_work_factor(work);
        let encryptor =
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn Recipient)).expect("one recipient");
        let mut bytes = Vec::new();
        let mut writer = encryptor.wrap_output(&mut bytes).expect("a header");
        writer.write_all(text.as_bytes()).and_then(|()| writer.finish().map(drop)).expect("written");
        bytes
    }

    fn opened(bytes: &[u8], passphrase: Option<&str>) -> Result<String, SourceError> {
        let keys = Keys { passphrase: passphrase.map(Secret::new), identities: Vec::new() };
        open(bytes, &keys).map(|text| text.expose().to_owned())
    }

    #[test]
    fn a_passphrase_opens_and_another_does_not() {
        let bytes = with_passphrase("openai=x", "correct horse", 4);
        assert_eq!(opened(&bytes, Some("correct horse")).as_deref(), Ok("openai=x"));
        assert_eq!(opened(&bytes, Some("battery staple")), Err(SourceError::WrongAgeKey));
        assert_eq!(opened(&bytes, None), Err(SourceError::NoAgeKey));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let bytes = with_passphrase("openai=x", "p", 1);
        for at in (0..bytes.len()).step_by(5) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, Some("p")).is_err(), "byte {at}");
            assert!(opened(&bytes[..at], Some("p")).is_err(), "cut at {at}");
        }
    }

    #[tokio::test]
    async fn a_file_is_opened_again_only_when_it_changed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.age");
        let environment = Environment::given([("KEYWRIGHT_AGE_PASSPHRASE", "p")]);
        let file = AgeFile { written: path.clone(), path: path.clone(), environment, opened: Opened::default() };
        let read = async || file.read("openai").await.map(|found| found.map(|found| found.secret.expose().to_owned()));
        std::fs::write(&path, with_passphrase("openai=one", "p", 4)).expect("written");
        assert_eq!(read().await, Ok(Some("one".to_owned())));
        let (stamp, _) = file.opened.lock().files.get(&path).cloned().expect("kept");
        file.opened.lock().files.insert(path.clone(), (stamp, Secret::new("openai=kept")));
        assert_eq!(read().await, Ok(Some("kept".to_owned())), "not opened a second time");
        std::fs::write(&path, with_passphrase("openai=another", "p", 4)).expect("written");
        assert_eq!(read().await, Ok(Some("another".to_owned())));
    }
}
