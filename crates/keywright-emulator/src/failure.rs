//! Why a request is refused, before the provider's own writer turns it into bytes.

use http::StatusCode;
use std::time::Duration;

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The id in the table of answers.
    pub(crate) id: &'static str,
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) code: Option<&'static str>,
    pub(crate) param: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) shape: Shape,
}

/// Bodies that differ from the provider's usual envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The usual envelope of the route.
    Usual,
    /// OpenAI's region refusal: code first.
    CodeFirst,
    /// A `google.rpc.Status`, as the Fireworks control plane answers.
    Rpc(u8),
    /// Together's model list: `{"error":{"message":…}}`.
    MessageOnly,
    /// No body at all.
    Empty,
    /// The message as plain text.
    Text,
}

impl Failure {
    pub(crate) fn new(id: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            id,
            status,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.into(),
            retry_after: None,
            shape: Shape::Usual,
        }
    }

    pub(crate) const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) const fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) const fn param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    pub(crate) const fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    pub(crate) const fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    pub(crate) fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
