//! The live probe: the cheapest call that proves a key and costs nothing.
//!
//! What an answer means is core's business; this asks, and nothing else. A key goes only to the
//! catalogued or configured origin, never in a URL, and redirects are not followed.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use keywright_core::provider::Probe;
use keywright_core::ring::Look;
use keywright_core::{Answer, Bench, Cause, Classified, ProviderSpec, Secret, classify};
use serde_json::Value;

use crate::exchange::{ExchangeError, exchange};
use crate::http::{Connector, Origin};

/// What a probe showed.
#[derive(Debug)]
pub struct Probed {
    /// The verdict on the key.
    pub look: Look,
    /// What the decisive answer means, when it was a failure.
    pub answer: Option<(u16, Classified)>,
    /// What the world said when there was no answer.
    pub error: Option<ProbeError>,
}

/// Why there was no answer.
pub type ProbeError = ExchangeError;

impl ExchangeError {
    /// The cause that leads to its page.
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Connect(error) => error.cause(),
            Self::Http(_) => Cause::Network,
            Self::TimedOut(_) => Cause::Timeout,
            Self::Unsendable => Cause::WhitespaceOrNewline,
        }
    }
}

/// Asks the provider about one key. Goes on to the next catalogued question only while the answers say
/// nothing about the key.
pub async fn probe(
    connector: &Connector,
    provider: &ProviderSpec,
    origin: &Origin,
    key: &Secret,
    limit: Duration,
) -> Probed {
    let mut probed = Probed { look: Look::Unknown, answer: None, error: None };
    for question in &provider.probes {
        let asked = match request(provider, origin, key, question) {
            Ok(request) => exchange(connector, origin, request, limit).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok((status, body)) => {
                let (look, meaning) = judge(provider, question, status, &body);
                probed = Probed { look, answer: meaning.map(|meaning| (status, meaning)), error: None };
            }
            Err(error) => probed.error = Some(error),
        }
        if probed.look != Look::Unknown {
            break;
        }
    }
    probed
}

/// What one answer says about the key.
fn judge(provider: &ProviderSpec, question: &Probe, status: u16, body: &[u8]) -> (Look, Option<Classified>) {
    if question.unsure.contains(&status) {
        return (Look::Unknown, None);
    }
    let Some(meaning) = classify(provider, &Answer { status, path: &question.path, body }) else {
        let suspended = suspended(question, body);
        return (suspended.map_or(Look::Works, Look::Refused), None);
    };
    let look = match (meaning.cause.bench(), meaning.cause) {
        (Bench::Key | Bench::Account, cause) => Look::Refused(cause),
        // The key is known and may not do this, or not now: the key is alive.
        (Bench::KeyAndModel | Bench::Cooldown, _) => Look::Works,
        (Bench::Nothing, _) => Look::Unknown,
    };
    (look, Some(meaning))
}

fn suspended(question: &Probe, body: &[u8]) -> Option<Cause> {
    let state = question.state.as_ref()?;
    let value: Value = serde_json::from_slice(body).ok()?;
    state.causes.get(value.pointer(&state.pointer)?.as_str()?).copied()
}

fn request(
    provider: &ProviderSpec,
    origin: &Origin,
    key: &Secret,
    question: &Probe,
) -> Result<Request<Full<Bytes>>, ProbeError> {
    let auth = provider.http.auth;
    let mut credential =
        HeaderValue::try_from(format!("{}{}", auth.scheme(), key.expose())).map_err(|_| ProbeError::Unsendable)?;
    credential.set_sensitive(true);
    let uri = format!("{}://{}{}{}", origin.scheme(), origin.authority(), origin.prefix(), question.path);
    let mut request = Request::get(uri)
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::USER_AGENT, concat!("keywright/", env!("CARGO_PKG_VERSION")))
        .header(auth.name(), credential);
    for fixed in &provider.http.headers {
        request = request.header(&fixed.name, &fixed.value);
    }
    request.body(Full::default()).map_err(|_| ProbeError::Unsendable)
}
