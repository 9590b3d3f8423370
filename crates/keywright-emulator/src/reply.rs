//! An answer before it is sent: status, headers and what the body will hold.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What the body holds.
pub(crate) enum Content {
    /// All of it at once.
    Bytes(Bytes),
    /// Server-sent events, and how this stream spells an error.
    Events(Vec<Bytes>, EventStyle),
    /// That many filler bytes.
    Fill(u64),
}

/// How a stream spells an error and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventStyle {
    /// `data:` lines only; ends with `[DONE]`.
    Plain,
    /// `event: error`, as the Responses API.
    Responses,
    /// `event: error`, then `event: done`, as the Assistants API.
    Assistants,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    /// `ok`, or the id of a refusal.
    pub(crate) answer: &'static str,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, content: Content) -> Self {
        Self { status, headers: HeaderMap::with_capacity(24), content, answer: "ok" }
    }

    pub(crate) fn json(bytes: Bytes) -> Self {
        Self::new(StatusCode::OK, Content::Bytes(bytes)).with("content-type", "application/json")
    }

    pub(crate) fn events(events: Vec<Bytes>, style: EventStyle) -> Self {
        Self::new(StatusCode::OK, Content::Events(events, style))
            .with("content-type", "text/event-stream; charset=utf-8")
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &'static str) {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }

    /// Sets a header from a value made at run time; one that HTTP cannot carry is left out.
    pub(crate) fn set_text(&mut self, name: &'static str, value: String) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.content, Content::Events(..))
    }

    pub(crate) fn content_type(mut self, value: &'static str) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        self
    }
}
