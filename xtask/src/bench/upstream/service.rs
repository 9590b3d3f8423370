//! Which answer a request gets.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use memchr::memmem;

use super::answer::Answer;
use super::keys::{Keys, Route, Standing};
use crate::bench::payload::{self, Headers};

/// Everything the upstream holds.
pub(super) struct Upstream {
    keys: Keys,
    headers: HeaderMap,
    completion: Bytes,
    events: Rc<[Bytes]>,
}

impl Upstream {
    /// An upstream that refuses no key.
    pub(super) fn new(headers: Headers) -> Self {
        let headers = headers
            .answer()
            .iter()
            .map(|&(name, value)| (name.parse().expect("a header name"), HeaderValue::from_static(value)))
            .collect();
        Self { keys: Keys::default(), headers, completion: payload::completion(), events: payload::events().into() }
    }

    fn json(&self, status: StatusCode, body: Bytes) -> Response<Answer> {
        let length = body.len();
        let mut response = self.response(status, "application/json", Answer::whole(body));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }

    fn response(&self, status: StatusCode, kind: &'static str, body: Answer) -> Response<Answer> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().clone_from(&self.headers);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }

    /// Handles `/_bench/…`.
    fn control(&mut self, method: &Method, path: &str) -> Response<Answer> {
        let words: Vec<&str> = path.split('/').collect();
        match (method, words.as_slice()) {
            (&Method::PUT, ["keys", key, "revoked"]) => {
                self.keys.set(key.as_bytes(), Standing::Revoked);
            }
            (&Method::PUT, ["keys", key, "valid"]) => {
                self.keys.set(key.as_bytes(), Standing::Valid);
            }
            (&Method::POST, ["reset"]) => self.keys.reset(),
            (&Method::GET, ["calls"]) => {
                let calls = serde_json::to_vec(&self.keys.calls()).unwrap_or_default();
                return self.json(StatusCode::OK, Bytes::from(calls));
            }
            _ => return self.json(StatusCode::NOT_FOUND, Bytes::from_static(b"{}")),
        }
        self.json(StatusCode::OK, Bytes::from_static(b"{}"))
    }
}

/// Answers one request; the key is judged when its head arrives, before the body is read.
pub(super) async fn answer(
    upstream: Rc<RefCell<Upstream>>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if let Some(rest) = path.strip_prefix("/_bench/") {
        return Ok(upstream.borrow_mut().control(&head.method, rest));
    }
    let route = match path {
        "/v1/models" | "/v1/me" => Route::Probe,
        _ => Route::Chat,
    };
    let key = bearer(&head.headers);
    let standing = upstream.borrow_mut().keys.call(key, route);
    let wish = drain(body).await;
    let upstream = upstream.borrow();
    Ok(match (standing, route) {
        (Standing::Revoked, _) => {
            let key = String::from_utf8_lossy(key);
            upstream.json(StatusCode::UNAUTHORIZED, payload::refusal(&key, route == Route::Chat))
        }
        (Standing::Valid, Route::Probe) => upstream.json(StatusCode::OK, Bytes::from_static(MODELS)),
        (Standing::Valid, Route::Chat) => match wish {
            Wish::Json => upstream.json(StatusCode::OK, upstream.completion.clone()),
            Wish::Events(gap) => {
                let events = Answer::events(Rc::clone(&upstream.events), gap);
                upstream.response(StatusCode::OK, "text/event-stream; charset=utf-8", events)
            }
        },
    })
}

/// What kind of answer a request asks for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// All at once.
    Json,
    /// A stream with this pause between events.
    Events(Option<Duration>),
}

impl Wish {
    fn read(body: &[u8]) -> Self {
        let says = |words: &[u8]| memmem::find(body, words).is_some();
        match (says(b"\"stream\":true"), says(b"\"user\":\"paced\"")) {
            (false, _) => Self::Json,
            (true, false) => Self::Events(None),
            (true, true) => Self::Events(Some(GAP)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    value.strip_prefix(b"Bearer ").unwrap_or(value)
}

/// Reads a body to its end and throws it away; says what kind of answer it asked for.
async fn drain(mut body: Incoming) -> Wish {
    let mut wish = None;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else {
            continue;
        };
        // Requests for streams are small, so the first frame has all of their body.
        wish.get_or_insert_with(|| Wish::read(data));
    }
    wish.unwrap_or(Wish::Json)
}

/// The answer to a probe with a valid key.
const MODELS: &[u8] =
    b"{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o-mini\",\"object\":\"model\",\"owned_by\":\"system\"}]}";
/// Between two events of a paced stream.
const GAP: Duration = Duration::from_millis(1);
