//! The live probe: the cheapest call that proves a key and costs nothing.
//!
//! What an answer means is core's business; this asks, and nothing else. A key goes only to the
//! catalogued or configured origin, never in a URL, and redirects are not followed.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keywright_core::provider::Probe;
use keywright_core::ring::Look;
use keywright_core::{Answer, Bench, Cause, Classified, ProviderSpec, Secret, classify};
use serde_json::Value;

use crate::http::{ConnectError, Connector, Origin};

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
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The key holds bytes that no header can carry.
    #[error("the key holds characters that no header can carry")]
    Unsendable,
}

impl ProbeError {
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
        let asked = tokio::time::timeout(limit, ask(connector, provider, origin, key, question)).await;
        match asked.unwrap_or(Err(ProbeError::TimedOut(limit))) {
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

async fn ask(
    connector: &Connector,
    provider: &ProviderSpec,
    origin: &Origin,
    key: &Secret,
    question: &Probe,
) -> Result<(u16, Bytes), ProbeError> {
    let mut request = request(provider, origin, key, question)?;
    let stream = connector.connect(origin).await?;
    let http2 = stream.speaks_http2();
    let io = TokioIo::new(stream);
    if http2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        return converse(connection, sender.send_request(request)).await;
    }
    // HTTP/2 names the host in the URI, HTTP/1.1 in a header.
    let path = request.uri().path_and_query().cloned().ok_or(ProbeError::Unsendable)?;
    *request.uri_mut() = path.into();
    let host = HeaderValue::try_from(origin.authority().as_str()).map_err(|_| ProbeError::Unsendable)?;
    request.headers_mut().insert(http::header::HOST, host);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    converse(connection, sender.send_request(request)).await
}

/// Drives a connection for as long as one exchange takes.
async fn converse(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    response: impl Future<Output = Result<Response<Incoming>, hyper::Error>>,
) -> Result<(u16, Bytes), ProbeError> {
    let exchange = async {
        let response = response.await?;
        let status = response.status().as_u16();
        // A body that is cut or too long still tells by its status.
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        Ok((status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}

fn request(
    provider: &ProviderSpec,
    origin: &Origin,
    key: &Secret,
    question: &Probe,
) -> Result<Request<Empty<Bytes>>, ProbeError> {
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
    request.body(Empty::new()).map_err(|_| ProbeError::Unsendable)
}

/// No introspection answer that matters is longer.
const LONGEST_ANSWER: usize = 256 * 1024;
