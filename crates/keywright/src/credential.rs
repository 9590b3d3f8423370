//! A key as it is sent, and how keys of this process are told apart.

use std::sync::LazyLock;

use http::HeaderValue;
use keywright_core::{Cause, Fingerprinter, Fix, ProviderSpec, Secret};

use crate::sources::Miss;

/// Why a value cannot be sent as a key, in words that hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsendable {
    /// What is wrong.
    pub cause: Cause,
    /// The place, and what is wrong there.
    pub says: String,
    /// What mends that in this place, where it is known.
    pub fix: Option<Fix>,
}

impl Unsendable {
    pub(crate) fn of(cause: Cause, says: String) -> Self {
        Self { cause, says, fix: None }
    }

    pub(crate) fn missed(miss: &Miss, provider: &str) -> Self {
        Self { cause: miss.cause(), says: miss.to_string(), fix: miss.fix(provider) }
    }
}

/// The header value that carries a key, marked as sensitive. `place` names where the key is, for the error.
pub fn header(secret: &Secret, place: &str, provider: &ProviderSpec) -> Result<HeaderValue, Unsendable> {
    let value = secret.expose();
    if value.trim().is_empty() {
        return Err(Unsendable::of(Cause::EmptyKey, format!("{place} is set and empty")));
    }
    let mut header = HeaderValue::try_from(format!("{}{value}", provider.http.auth.scheme())).map_err(|_| {
        let finding = keywright_core::inspect::inspect(value, provider).into_iter().next();
        let (cause, says) = finding.map_or((Cause::WhitespaceOrNewline, "it cannot be sent".to_owned()), |finding| {
            (finding.cause, finding.says)
        });
        Unsendable::of(cause, format!("{place}: {says}"))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Fingerprints under a random key of this process: they cannot be looked up anywhere else.
pub fn fingerprinter() -> &'static Fingerprinter {
    static FINGERPRINTER: LazyLock<Fingerprinter> = LazyLock::new(|| {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system has random bytes");
        Fingerprinter::new(key)
    });
    &FINGERPRINTER
}
