//! What stores beyond this machine share: one read of a secret serves all of its fields, a time limit, a question over HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use keywright_core::Secret;
use serde_json::Value;

use super::file::{member, without_last_newline};
use super::{BoxFuture, Reading, Source, SourceError};
use crate::exchange::{ExchangeError, exchange};
use crate::http::{Connector, Origin, Versions};
use crate::trust::ExtraTrust;

/// A secret of a store, read as a whole.
pub(super) trait Store: Send + Sync {
    /// How reports name it: `AWS secret llm`. Two stores with one name are one secret.
    fn place(&self) -> String;

    /// Reads it, now. `Ok(None)` means "it is not there".
    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>>;

    /// How soon it wants to be read again, as the answer to the last [`Store::fetch`] says: a lease ends, or a login.
    fn read_again(&self) -> Option<Duration> {
        None
    }
}

/// A store as a source. The name asked for is a member of the JSON object that it holds; the empty name is the whole.
pub(super) struct Stored<S> {
    pub(super) store: S,
    pub(super) documents: Documents,
    /// How old an answer may be.
    pub(super) max_age: Duration,
    pub(super) limit: Duration,
}

impl<S: Store> Source for Stored<S> {
    fn place(&self, field: &str, _: Option<&Reading>) -> String {
        let place = self.store.place();
        if field.is_empty() { place } else { format!("{place}, field {field}") }
    }

    fn read<'a>(&'a self, field: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>> {
        Box::pin(async move {
            let fetch = async {
                let late = SourceError::TimedOut { seconds: self.limit.as_secs() };
                let answer = tokio::time::timeout(self.limit, self.store.fetch()).await.unwrap_or(Err(late));
                (answer, self.store.read_again())
            };
            let Some(document) = self.documents.get(&self.store.place(), self.max_age, fetch).await? else {
                return Ok(None);
            };
            let secret = if field.is_empty() {
                without_last_newline(&document)
            } else {
                member(&document, field)?.ok_or(SourceError::NoField)?
            };
            Ok(Some(Reading { secret, line: None }))
        })
    }
}

/// What stores answered, for as long as one look at all keys takes.
#[derive(Clone, Default)]
pub(super) struct Documents(Arc<Mutex<HashMap<String, Slot>>>);

type Answer = Result<Option<Secret>, SourceError>;
type Slot = Arc<tokio::sync::Mutex<Option<Held>>>;

/// An answer, when it was asked for, and when it wants to be asked for again.
struct Held {
    begun: Instant,
    answer: Answer,
    again_at: Option<Instant>,
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Documents(****)")
    }
}

impl Documents {
    /// An answer that was asked for at most `max_age` before this call, or a new one. Who asks for the same secret at the same
    /// time waits for one answer.
    async fn get(
        &self,
        place: &str,
        max_age: Duration,
        fetch: impl Future<Output = (Answer, Option<Duration>)>,
    ) -> Answer {
        let asked_at = Instant::now();
        let slot = Arc::clone(self.slots().entry(place.to_owned()).or_default());
        let mut slot = slot.lock().await;
        if let Some(held) = &*slot
            && held.begun + max_age >= asked_at
        {
            return held.answer.clone();
        }
        let begun = Instant::now();
        let (answer, again) = fetch.await;
        let again_at = again.map(|again| Instant::now() + again);
        *slot = Some(Held { begun, answer: answer.clone(), again_at });
        answer
    }

    /// How soon a store wants to be read again, as its last answer said. `None` while it is being read.
    pub(super) fn read_again(&self, place: &str) -> Option<Duration> {
        let slot = self.slots().get(place).map(Arc::clone)?;
        let again_at = slot.try_lock().ok()?.as_ref()?.again_at?;
        Some(again_at.saturating_duration_since(Instant::now()))
    }

    /// Every store is asked anew.
    pub(super) fn forget(&self) {
        self.slots().clear();
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that is asked over HTTP.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) origin: Origin,
    connector: Connector,
    limit: Duration,
}

impl Server {
    /// The server at a URL. `bad` is what it means that there can be none.
    pub(super) fn at(url: &str, trust: &ExtraTrust, bad: SourceError) -> Result<Self, SourceError> {
        let origin = Origin::parse(url, "").map_err(|_| bad)?;
        let connector = Connector::trusting(LIMIT, Versions::Http1, trust).map_err(|_| bad)?;
        Ok(Self { origin, connector, limit: LIMIT })
    }

    /// With another time limit.
    #[cfg(feature = "clouds")]
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// A request to a path of this server.
    pub(super) fn request(&self, method: Method, path: &str) -> Builder {
        let uri = format!("{}://{}{}{path}", self.origin.scheme(), self.origin.authority(), self.origin.prefix());
        Request::builder().method(method).uri(uri)
    }

    /// Its status and its body.
    pub(super) async fn ask(&self, request: Builder, body: impl Into<Bytes>) -> Result<(u16, Bytes), SourceError> {
        let request = request.body(Full::new(body.into())).map_err(|_| SourceError::Unsendable)?;
        exchange(&self.connector, &self.origin, request, self.limit).await.map_err(|error| match error {
            ExchangeError::TimedOut(limit) => SourceError::TimedOut { seconds: limit.as_secs() },
            error => {
                tracing::debug!(%error, origin = %self.origin, "a store cannot be reached");
                SourceError::Unreachable(error.cause())
            }
        })
    }

    /// Its status and its body as JSON; what is not JSON is null.
    pub(super) async fn ask_json(&self, request: Builder, body: impl Into<Bytes>) -> Result<(u16, Value), SourceError> {
        let (status, body) = self.ask(request, body).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}

/// The value of a header that carries a secret.
pub(super) fn sensitive(value: impl AsRef<str>) -> Result<HeaderValue, SourceError> {
    let mut value = HeaderValue::try_from(value.as_ref()).map_err(|_| SourceError::Unsendable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Bearer TOKEN`.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, SourceError> {
    sensitive(format!("Bearer {}", token.expose().trim()))
}

/// A text of a JSON answer.
#[cfg(feature = "clouds")]
pub(super) fn text<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str)
}

/// A token and its seconds of life, as OAuth servers answer; some write the number as a text.
#[cfg(feature = "clouds")]
pub(super) fn oauth_token(answer: &Value) -> Option<(Secret, Duration)> {
    let lasts = answer.get("expires_in");
    let lasts = lasts.and_then(|lasts| lasts.as_u64().or_else(|| lasts.as_str()?.parse().ok()));
    Some((Secret::new(text(answer, "/access_token")?), Duration::from_secs(lasts.unwrap_or(0))))
}

/// What a base64 text holds, if that is text.
#[cfg(feature = "clouds")]
pub(super) fn from_base64(text: &str) -> Result<Secret, SourceError> {
    use base64::Engine;

    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| SourceError::NotUtf8)?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| SourceError::NotUtf8)
}

/// Percent-encodes everything that has a meaning in a path, a query or a form.
#[cfg(feature = "clouds")]
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;

    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// The body of a form.
#[cfg(feature = "clouds")]
pub(super) fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = pairs.into_iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// For one question.
const LIMIT: Duration = Duration::from_secs(10);
#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn ask(documents: &Documents, max_age: Duration, reads: &AtomicU32) -> u32 {
        let fetch = async {
            tokio::task::yield_now().await;
            let read = reads.fetch_add(1, Ordering::Relaxed) + 1;
            (Ok(Some(Secret::new(read.to_string()))), Some(Duration::from_secs(60)))
        };
        let answer = documents.get("a place", max_age, fetch).await.expect("an answer").expect("a document");
        answer.expose().parse().expect("a number")
    }

    #[tokio::test]
    async fn one_read_serves_all_who_ask_at_one_time() {
        let (documents, reads) = (Documents::default(), AtomicU32::new(0));
        let now = Duration::ZERO;
        let asks = (ask(&documents, now, &reads), ask(&documents, now, &reads), ask(&documents, now, &reads));
        let (_, second, third) = tokio::join!(asks.0, asks.1, asks.2);
        // The first may have begun before the others asked; those two share one.
        assert_eq!(second, third);
        let before = reads.load(Ordering::Relaxed);
        assert_eq!(ask(&documents, now, &reads).await, before + 1, "a later question reads again");
        assert_eq!(
            ask(&documents, Duration::from_secs(60), &reads).await,
            before + 1,
            "unless an older answer will do"
        );
        let again = documents.read_again("a place").expect("a lease");
        assert!(again > Duration::ZERO && again <= Duration::from_secs(60));
        assert_eq!(documents.read_again("another place"), None);
        documents.forget();
        assert_eq!(documents.read_again("a place"), None);
        assert_eq!(ask(&documents, Duration::from_secs(60), &reads).await, before + 2);
    }

    #[test]
    fn a_form_keeps_its_values_apart() {
        assert_eq!(form([("a", "b c&d=é"), ("t", "x.y-z_~")]), "a=b%20c%26d%3D%C3%A9&t=x.y-z_~");
    }
}
