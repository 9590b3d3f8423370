//! Variables that name files of trusted certificates, and what happens when the file is of no use.

use super::{Finding, Place};
use crate::cause::Cause;

/// A variable that names a file or a folder of trusted certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustVariable {
    /// Its name.
    pub name: &'static str,
    /// Who reads it.
    pub readers: &'static str,
    /// What it may name.
    pub takes: Takes,
    /// Whether its readers fail when there is nothing of use; the others go on with what they have.
    pub fatal: bool,
}

/// What a variable may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A file.
    File,
    /// One folder or more, with colons between.
    Folders,
    /// A file or a folder.
    Either,
}

/// What lies where such a variable points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// Nothing.
    Missing,
    /// Something that cannot be read, in the words of the system.
    Unreadable(String),
    /// A file without any certificate.
    Empty,
    /// Certificates, or a folder.
    Usable,
}

/// Every variable that is looked at. What happens with a path that does not exist: seen with httpx 0.28, Node 20 and
/// curl 7.88; read in requests, `adapters.py`.
pub const VARIABLES: &[TrustVariable] = &[
    TrustVariable {
        name: "SSL_CERT_FILE",
        readers: "OpenSSL, the Python SDKs of OpenAI, Fireworks AI and Together AI (httpx), Keywright",
        takes: Takes::File,
        fatal: true,
    },
    TrustVariable {
        name: "SSL_CERT_DIR",
        readers: "OpenSSL, httpx and Keywright",
        takes: Takes::Folders,
        fatal: false,
    },
    TrustVariable {
        name: "REQUESTS_CA_BUNDLE",
        readers: "Python's requests, and SDKs that are built on it",
        takes: Takes::Either,
        fatal: true,
    },
    TrustVariable { name: "CURL_CA_BUNDLE", readers: "curl and Python's requests", takes: Takes::Either, fatal: true },
    TrustVariable { name: "NODE_EXTRA_CA_CERTS", readers: "Node", takes: Takes::File, fatal: false },
];

/// What is strange about one of them.
pub fn inspect(variable: &TrustVariable, state: &Trusted) -> Option<Finding> {
    let TrustVariable { name, readers, .. } = variable;
    let what = match state {
        Trusted::Usable => return None,
        Trusted::Missing => "something that does not exist".to_owned(),
        Trusted::Unreadable(why) => format!("something that cannot be read ({why})"),
        Trusted::Empty => "a file that holds no certificate".to_owned(),
    };
    let (says, finding): (_, fn(Cause, String) -> Finding) = if variable.fatal {
        (format!("`{name}` names {what}: no secure connection for {readers}"), |cause, says| {
            Finding::error(cause, says)
        })
    } else {
        (format!("`{name}` names {what}: nothing more is trusted by {readers}"), |cause, says| {
            Finding::warning(cause, says)
        })
    };
    let advice = "Name the file with the certificates that are meant, or remove it: the usual ones are trusted then.";
    let finding = finding(Cause::Tls, says).fixed_by(advice, Some(format!("unset {name}")));
    Some(finding.in_place(&Place::variable(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Severity;

    #[test]
    fn what_breaks_its_readers_is_an_error_and_the_rest_a_warning() {
        let judged = |state: &Trusted| {
            let found = VARIABLES.iter().map(|variable| inspect(variable, state).map(|finding| finding.severity));
            found.collect::<Vec<_>>()
        };
        let (error, warning) = (Some(Severity::Error), Some(Severity::Warning));
        for state in [Trusted::Missing, Trusted::Empty, Trusted::Unreadable("permission denied".to_owned())] {
            assert_eq!(judged(&state), [error, warning, error, error, warning]);
        }
        assert_eq!(judged(&Trusted::Usable), [None; 5]);
    }
}
