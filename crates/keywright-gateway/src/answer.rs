//! What the gateway itself answers: in OpenAI's error shape, so that every SDK raises its normal
//! exception, and in words that say whose fault it is.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderName, Response, StatusCode};
use keywright_core::Cause;
use serde_json::json;

use crate::last_failure::Failure;
use crate::relay::Down;

/// One refusal of the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The cause, or `None` where the request alone is at fault and no cause fits better than its code.
    pub(crate) cause: Cause,
    /// A finer name than the cause, for programs.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// Whether the connection must close: the request's end is not known.
    pub(crate) close: bool,
}

impl Refusal {
    /// A refusal whose code is its cause.
    pub(crate) fn new(status: StatusCode, cause: Cause, message: impl Into<String>) -> Self {
        Self { status, cause, code: cause.slug(), message: message.into(), help: None, retry_after: None, close: false }
    }

    /// Names it more finely.
    pub(crate) const fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says when to come again.
    pub(crate) const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Closes the connection after the answer.
    pub(crate) const fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// The answer. Callers' SDKs must not retry it by themselves: the gateway has tried what there is.
    pub(crate) fn response(&self) -> Response<Down> {
        let mut response = json_response(self.status, &self.body());
        let headers = response.headers_mut();
        headers.insert(X_ORIGIN, HeaderValue::from_static("gateway"));
        headers.insert(X_CAUSE, HeaderValue::from_static(self.cause.slug()));
        headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1_000).clamp(1, 86_400) as u64));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"keywright\""));
        }
        if self.close {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(Failure::Refusal { spec: None, refusal: self.clone() });
        response
    }

    /// The answer's body.
    pub(crate) fn body(&self) -> serde_json::Value {
        let message = match &self.help {
            Some(help) => format!("{}. {help}", self.message.trim_end_matches('.')),
            None => self.message.clone(),
        };
        let kind = if self.status.is_client_error() { "invalid_request_error" } else { "keywright_error" };
        json!({"error": {"message": message, "type": kind, "param": null, "code": self.code}})
    }
}

/// A JSON answer.
pub(crate) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Down> {
    let mut text = body.to_string();
    text.push('\n');
    let mut response = Response::new(Down::whole(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A plain text answer.
pub(crate) fn text_response(status: StatusCode, kind: &'static str, text: String) -> Response<Down> {
    let mut response = Response::new(Down::whole(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Whose answer it is: `gateway` or `provider`.
pub(crate) const X_ORIGIN: HeaderName = HeaderName::from_static("x-keywright-origin");
/// The cause's slug, on failures.
pub(crate) const X_CAUSE: HeaderName = HeaderName::from_static("x-keywright-cause");
/// The provider that answered.
pub(crate) const X_PROVIDER: HeaderName = HeaderName::from_static("x-keywright-provider");
/// The fingerprint of the key that served.
pub(crate) const X_KEY: HeaderName = HeaderName::from_static("x-keywright-key");
/// How many attempts it took.
pub(crate) const X_ATTEMPTS: HeaderName = HeaderName::from_static("x-keywright-attempts");
/// The path that the request was mended to, when it was.
pub(crate) const X_PATH: HeaderName = HeaderName::from_static("x-keywright-path");
/// What official SDKs obey.
pub(crate) const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
