//! The live probe: the cheapest call that proves a key and costs nothing.
//!
//! What an answer means is core's business; this asks, and nothing else. A key goes only to the
//! catalogued or configured origin, never in a URL, and redirects are not followed.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AGE, CONTENT_TYPE, DATE};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use keywright_core::inspect::live::{Form, Heard};
use keywright_core::provider::Probe;
use keywright_core::ring::Look;
use keywright_core::{Answer, Bench, Cause, Classified, ProviderSpec, Secret, classify};
use serde_json::Value;

use crate::exchange::{ExchangeError, Reply, whole_exchange};
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
    /// Every answer, in the order of the questions.
    pub heard: Vec<Heard>,
    /// Seconds that this machine's clock is before the provider's, by the `Date` of the last answer; negative when it
    /// is behind.
    pub clock_ahead: Option<i64>,
}

/// A key, and where it is asked about.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The provider.
    pub provider: &'a ProviderSpec,
    /// Where it is.
    pub origin: &'a Origin,
    /// The key.
    pub key: &'a Secret,
    /// What goes along, as programs here send it: organisation and project.
    pub headers: &'a [(HeaderName, HeaderValue)],
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
    ask(connector, &Target { provider, origin, key, headers: &[] }, limit).await
}

/// The same, as a program of this machine would ask.
pub async fn ask(connector: &Connector, target: &Target<'_>, limit: Duration) -> Probed {
    let mut probed = Probed::unanswered();
    for question in &target.provider.probes {
        let asked = match request(target, question) {
            Ok(request) => whole_exchange(connector, target.origin, request, limit).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(reply) => probed.take(target.provider, question, &reply),
            Err(error) => {
                // Whoever does not answer one question does not answer the next.
                probed.error = Some(error);
                break;
            }
        }
        if probed.look != Look::Unknown {
            break;
        }
    }
    probed
}

impl Probed {
    /// Nobody was asked, or nobody answered.
    pub const fn unanswered() -> Self {
        Self { look: Look::Unknown, answer: None, error: None, heard: Vec::new(), clock_ahead: None }
    }

    fn take(&mut self, provider: &ProviderSpec, question: &Probe, reply: &Reply) {
        let (look, meaning) = judge(provider, question, reply);
        self.look = look;
        self.answer = meaning.map(|meaning| (reply.status, meaning));
        self.error = None;
        self.clock_ahead = clock_ahead(reply, SystemTime::now());
        let answer = Answer { status: reply.status, path: &question.path, body: &reply.body };
        self.heard.push(Heard {
            path: question.path.clone(),
            status: reply.status,
            meaning: classify(provider, &answer),
            form: form(reply),
            state: state(question, &reply.body).map(|(name, _)| name),
        });
    }
}

/// What one answer says about the key.
fn judge(provider: &ProviderSpec, question: &Probe, reply: &Reply) -> (Look, Option<Classified>) {
    let Reply { status, body, .. } = reply;
    // Who answers with a page for people, or sends elsewhere, is no API: a portal, a filter, a web site. A plain 401 is
    // the one such answer that says something about a key.
    let foreign = form(reply) != Form::Api && *status != 401;
    if foreign || question.unsure.contains(status) {
        return (Look::Unknown, None);
    }
    let Some(meaning) = classify(provider, &Answer { status: *status, path: &question.path, body }) else {
        let refusal = state(question, body).map(|(_, cause)| cause);
        return (refusal.map_or(Look::Works, Look::Refused), None);
    };
    let look = match (meaning.cause.bench(), meaning.cause) {
        (Bench::Key | Bench::Account, cause) => Look::Refused(cause),
        // The key is known and may not do this, or not now: the key is alive.
        (Bench::KeyAndModel | Bench::Cooldown, _) => Look::Works,
        (Bench::Nothing, _) => Look::Unknown,
    };
    (look, Some(meaning))
}

fn form(reply: &Reply) -> Form {
    let kind = reply.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let html = kind.trim_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
    match reply.status {
        300..400 => Form::Redirect,
        _ if html || reply.body.trim_ascii_start().starts_with(b"<") => Form::Page,
        _ => Form::Api,
    }
}

/// A cached answer tells an old time.
fn clock_ahead(reply: &Reply, now: SystemTime) -> Option<i64> {
    if reply.headers.contains_key(AGE) {
        return None;
    }
    let theirs = httpdate::parse_http_date(reply.headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    Some(match now.duration_since(theirs) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    })
}

/// The account's state and its cause, when the answer names a catalogued one.
fn state(question: &Probe, body: &[u8]) -> Option<(String, Cause)> {
    let state = question.state.as_ref()?;
    let value: Value = serde_json::from_slice(body).ok()?;
    let name = value.pointer(&state.pointer)?.as_str()?;
    state.causes.get(name).map(|cause| (name.to_owned(), *cause))
}

fn request(target: &Target<'_>, question: &Probe) -> Result<Request<Full<Bytes>>, ProbeError> {
    let Target { provider, origin, key, headers } = target;
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
    for (name, value) in *headers {
        request = request.header(name, value);
    }
    request.body(Full::default()).map_err(|_| ProbeError::Unsendable)
}
