//! Why a question was not answered, from the errors of sockets and TLS.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use keywright_core::inspect::reach::{ProxyTrouble, Step, Trouble};
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::exchange::ExchangeError;
use crate::http::ConnectError;
use crate::tunnel::TunnelError;

impl ExchangeError {
    /// What kept the question from being answered; `None` when it could not even be written.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Connect(error) => Some(error.trouble()),
            Self::Http(_) => Some(Trouble::Broken),
            Self::TimedOut(after) => Some(Trouble::Silent(Step::Answer, whole_seconds(*after))),
            Self::Unsendable => None,
        }
    }
}

impl ConnectError {
    /// What kept the connection from coming about.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Resolve { source, .. } => Trouble::NoAddress(words(source)),
            Self::Refused { source, .. } => Trouble::Refused(words(source)),
            Self::Tls { source, .. } => tls(source),
            Self::TimedOut { after, step, .. } => Trouble::Silent(*step, whole_seconds(*after)),
            Self::Http { .. } => Trouble::Broken,
            Self::Trust(error) => Trouble::NothingTrusted(error.to_string()),
            Self::Proxy { source, .. } => Trouble::Proxy(proxy(source)),
        }
    }
}

fn proxy(error: &TunnelError) -> ProxyTrouble {
    match error {
        TunnelError::Unreachable(why) => ProxyTrouble::Unreachable(match why.as_ref() {
            ConnectError::Resolve { source, .. } | ConnectError::Refused { source, .. } => words(source),
            other => other.to_string(),
        }),
        TunnelError::Denied(status) => ProxyTrouble::Denied(*status),
        TunnelError::NotAProxy => ProxyTrouble::NoProxy,
        TunnelError::Broken(why) => ProxyTrouble::Unreachable(words(why)),
    }
}

fn tls(error: &io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => judged(certificate),
        Some(rustls::Error::InvalidMessage(_)) => Trouble::NotEncrypted,
        Some(other) => Trouble::NoTls(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Trouble::NoTls("the other side hung up".to_owned()),
        None => Trouble::NoTls(words(error)),
    }
}

fn judged(certificate: &CertificateError) -> Trouble {
    match certificate {
        // A known name with another key: two authorities that are called alike.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Trouble::Untrusted,
        CertificateError::Expired => Trouble::Expired(None),
        CertificateError::ExpiredContext { not_after, .. } => Trouble::Expired(Some(seconds(*not_after))),
        CertificateError::NotValidYet => Trouble::NotYetValid(None),
        CertificateError::NotValidYetContext { not_before, .. } => Trouble::NotYetValid(Some(seconds(*not_before))),
        CertificateError::NotValidForName => Trouble::WrongName(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => Trouble::WrongName(names(presented)),
        other => Trouble::NoTls(other.to_string()),
    }
}

/// The first names of a certificate, which a stranger wrote: what a host name may hold, and no more.
fn names(presented: &[String]) -> Vec<String> {
    let name = |text: &String| {
        let text = text.strip_prefix("DnsName(\"").and_then(|text| text.strip_suffix("\")")).unwrap_or(text);
        text.chars().filter(|c| c.is_ascii_alphanumeric() || "-._*:[]()".contains(*c)).take(LONGEST_NAME).collect()
    };
    presented.iter().take(MOST_NAMES).map(name).collect()
}

const fn seconds(moment: UnixTime) -> u64 {
    moment.as_secs()
}

/// A limit as people say it; half a second is still one.
const fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + if span.subsec_nanos() > 0 { 1 } else { 0 }
}

/// What the system said, without the number of the error and without what the runtime wrapped around it.
fn words(error: &io::Error) -> String {
    let innermost = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let says = innermost.split(" (os error").next().unwrap_or_default();
    says.strip_prefix("failed to lookup address information: ").unwrap_or(says).to_lowercase()
}

const MOST_NAMES: usize = 3;
const LONGEST_NAME: usize = 80;
