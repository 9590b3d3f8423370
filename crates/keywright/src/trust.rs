//! Which certificates are trusted: those of the operating system, and those that a person adds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls_platform_verifier::Verifier;

/// Certificates that are trusted beside those of the operating system. The default adds none.
#[derive(Clone, Debug, Default)]
pub struct ExtraTrust(Vec<CertificateDer<'static>>);

/// Why a file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not PEM.
    #[error("`{}` is not PEM: {says}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        says: String,
    },
    /// It is PEM, or text, and holds no certificate.
    #[error("`{}` holds no `BEGIN CERTIFICATE`", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// One of its certificates cannot be used.
    #[error("certificate {number} of `{}` cannot be used: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

impl ExtraTrust {
    /// Reads a PEM file with one certificate or more. A relative path begins at the working directory.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let text = std::fs::read(path).map_err(|source| TrustError::Unreadable { path: path.to_owned(), source })?;
        let certificates = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, pem::Error>>()
            .map_err(|error| TrustError::NotPem { path: path.to_owned(), says: error.to_string() })?;
        if certificates.is_empty() {
            return Err(TrustError::Empty { path: path.to_owned() });
        }
        let mut roots = RootCertStore::empty();
        for (at, certificate) in certificates.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|source| TrustError::Unusable {
                path: path.to_owned(),
                number: at + 1,
                source,
            })?;
        }
        Ok(Self(certificates))
    }

    /// Judges certificates by these and by the operating system's.
    pub(crate) fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, rustls::Error> {
        if self.0.is_empty() {
            return system_verifier(provider);
        }
        Verifier::new_with_extra_roots(self.0.iter().cloned(), provider).map(Arc::new)
    }
}

/// The operating system's certificates, some hundred of them in files: read once for all connectors that live at one time.
fn system_verifier(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, rustls::Error> {
    static SHARED: Mutex<Weak<Verifier>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = shared.upgrade() {
        return Ok(verifier);
    }
    let verifier = Arc::new(Verifier::new(provider)?);
    *shared = Arc::downgrade(&verifier);
    Ok(verifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ExtraTrust, TrustError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, text).expect("a file");
        ExtraTrust::read(&path)
    }

    #[test]
    fn a_file_without_a_usable_certificate_is_named_with_its_trouble() {
        assert!(matches!(ExtraTrust::read(Path::new("/nowhere/ca.pem")), Err(TrustError::Unreadable { .. })));
        assert!(matches!(read(""), Err(TrustError::Empty { .. })));
        assert!(matches!(
            read("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
            Err(TrustError::Empty { .. })
        ));
        assert!(matches!(
            read("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
            Err(TrustError::NotPem { .. })
        ));
        let unusable =
            read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect_err("not a certificate");
        assert!(unusable.to_string().starts_with("certificate 1 of `"), "{unusable}");
    }
}
