//! Opens an age file so that it can be closed again as it was: for the same recipient, in the same form.

use std::io::{self, BufRead, BufReader, Write};

use ::age::armor::{ArmoredReader, ArmoredWriter, Format};
use ::age::secrecy::{ExposeSecret, SecretString};
use ::age::{Encryptor, Recipient};
use keywright_core::Secret;

use crate::sources::SourceError;
use crate::sources::age::keys::{IdentityText, Keys};
use crate::sources::age::open as text_of;

/// What was opened.
pub(super) struct Opened {
    pub(super) text: Secret,
    pub(super) seal: Seal,
    /// How many keys open it.
    pub(super) recipients: usize,
}

/// How a file is closed.
pub(super) struct Seal {
    key: SealKey,
    armored: bool,
}

enum SealKey {
    Passphrase { passphrase: Secret, work: u8 },
    Recipients(Vec<Box<dyn Recipient + Send>>),
}

/// Opens a file.
pub(super) fn open(bytes: &[u8], keys: &Keys) -> Result<Opened, SourceError> {
    let stanzas = stanzas(bytes);
    let armored = bytes.starts_with(ARMOR);
    let scrypt = stanzas.iter().find_map(|stanza| stanza.strip_prefix("scrypt "));
    if let Some(arguments) = scrypt {
        let text = text_of(bytes, keys)?;
        let passphrase = keys.passphrase.clone().ok_or(SourceError::NoAgeKey)?;
        let work = arguments.rsplit(' ').next().and_then(|work| work.parse().ok()).unwrap_or(WORK);
        return Ok(Opened {
            text,
            seal: Seal { key: SealKey::Passphrase { passphrase, work }, armored },
            recipients: 1,
        });
    }
    let (text, identity) = opened_by(bytes, keys)?;
    let key = SealKey::Recipients(identity.recipients()?);
    Ok(Opened { text, seal: Seal { key, armored }, recipients: stanzas.len() })
}

/// Whether a passphrase closes it.
pub(super) fn has_passphrase(bytes: &[u8]) -> bool {
    stanzas(bytes).iter().any(|stanza| stanza.starts_with("scrypt "))
}

/// The text, and the identity that opens it.
fn opened_by<'a>(bytes: &[u8], keys: &'a Keys) -> Result<(Secret, &'a IdentityText), SourceError> {
    let mut refusal = SourceError::NoAgeKey;
    for identity in &keys.identities {
        match text_of(bytes, &Keys { passphrase: None, identities: vec![identity.clone()] }) {
            Ok(text) => return Ok((text, identity)),
            Err(why) => refusal = why,
        }
    }
    if keys.identities.is_empty() {
        // What is no age file is told apart from one that nothing opens.
        text_of(bytes, keys)?;
    }
    Err(refusal)
}

/// The arguments of each recipient's stanza; those that only stand there to be ignored are left out.
fn stanzas(bytes: &[u8]) -> Vec<String> {
    let lines = BufReader::new(ArmoredReader::new(bytes)).split(b'\n').map_while(Result::ok);
    let header = lines.take_while(|line| !line.starts_with(b"---")).take(MOST_HEADER_LINES);
    let stanzas = header.filter_map(|line| String::from_utf8(line).ok()?.strip_prefix("-> ").map(str::to_owned));
    stanzas.filter(|stanza| !stanza.split(' ').next().is_some_and(|kind| kind.ends_with("-grease"))).collect()
}

impl Seal {
    pub(super) const fn passphrase(passphrase: Secret) -> Self {
        Self { key: SealKey::Passphrase { passphrase, work: WORK }, armored: true }
    }

    pub(super) const fn recipients(recipients: Vec<Box<dyn Recipient + Send>>) -> Self {
        Self { key: SealKey::Recipients(recipients), armored: true }
    }

    #[cfg(test)]
    pub(super) fn with_work(mut self, factor: u8) -> Self {
        if let SealKey::Passphrase { work, .. } = &mut self.key {
            *work = factor;
        }
        self
    }

    /// Encrypts a text.
    pub(super) fn close(&self, text: &Secret) -> io::Result<Vec<u8>> {
        match &self.key {
            SealKey::Passphrase { passphrase, work } => {
                let mut recipient = ::age::scrypt::Recipient::new(SecretString::from(passphrase.expose().to_owned()));
                recipient.set_work_factor(*work);
                self.close_for(std::iter::once(&recipient as &dyn Recipient), text)
            }
            SealKey::Recipients(recipients) => {
                self.close_for(recipients.iter().map(|recipient| &**recipient as &dyn Recipient), text)
            }
        }
    }

    fn close_for<'a>(&self, recipients: impl Iterator<Item = &'a dyn Recipient>, text: &Secret) -> io::Result<Vec<u8>> {
        let encryptor = Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        let format = if self.armored { Format::AsciiArmor } else { Format::Binary };
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(&mut bytes, format)?)?;
        writer.write_all(text.expose().as_bytes())?;
        writer.finish()?.finish()?;
        Ok(bytes)
    }
}

/// A new X25519 identity, as `age-keygen` writes it.
pub(super) fn new_identity() -> Secret {
    let identity = ::age::x25519::Identity::generate();
    let public = identity.to_public();
    Secret::new(format!("# public key: {public}\n{}\n", identity.to_string().expose_secret()))
}

const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// Passphrases are stretched 2^18 times, as the `age` command does.
const WORK: u8 = 18;
/// A header has a few lines for each recipient.
const MOST_HEADER_LINES: usize = 10_000;
