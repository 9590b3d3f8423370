//! Fireworks' compact errors, the control plane's `google.rpc.Status`, and the headers.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Failure, Shape};
use crate::json::{self, Layout};
use crate::reply::{Content, Reply};
use crate::request::Call;

/// The two sides of `api.fireworks.ai`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Chat, models and the like.
    Inference,
    /// Accounts, users and keys.
    Control,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<Value>,
    code: Option<&'a str>,
    r#type: &'a str,
}

/// The body of a refusal. Only the suspension carries `param: null` and a request id.
pub(crate) fn error_bytes(failure: &Failure, request_id: &str) -> Bytes {
    match failure.shape {
        Shape::Empty => return Bytes::new(),
        Shape::Text => return failure.message.clone().into(),
        Shape::Rpc(code) => {
            let body = json!({"code": code, "message": failure.message, "details": []});
            return json::bytes(&body, Layout::Compact);
        }
        _ => {}
    }
    let suspended = failure.id == "F4";
    let param = failure.param.map(Value::from).or(suspended.then_some(Value::Null));
    let error =
        Error { message: &failure.message, param, code: failure.code.or(code(failure.status)), r#type: "error" };
    let request_id = suspended.then(|| request_id.to_owned());
    json::bytes(&Envelope { error, request_id }, Layout::Compact)
}

/// The usual code word of a status, for request faults that name none.
const fn code(status: u16) -> Option<&'static str> {
    match status {
        400 => Some("INVALID_ARGUMENT"),
        404 => Some("NOT_FOUND"),
        413 => Some("PAYLOAD_TOO_LARGE"),
        _ => None,
    }
}

/// Writes a refusal.
pub(crate) fn refuse(call: &mut Call, failure: &Failure) -> Reply {
    let request_id = call.ids.uuid();
    let content = Content::Bytes(error_bytes(failure, &request_id));
    let mut reply = Reply::new(failure.http_status(), content).content_type(match failure.shape {
        Shape::Text => "text/plain; charset=utf-8",
        _ => "application/json",
    });
    reply.answer = failure.id;
    edge(call, &mut reply, request_id);
    if let Some(after) = failure.retry_after {
        reply.set_text("retry-after", after.as_secs_f64().ceil().to_string());
    }
    if failure.id == "F8" {
        reply.set("x-ratelimit-over-limit", "yes");
    }
    reply
}

/// Adds the headers of a good answer; streams do not carry the timings.
pub(crate) fn dress(call: &mut Call, door: Door, mut reply: Reply) -> Reply {
    let request_id = call.ids.uuid();
    edge(call, &mut reply, request_id);
    if reply.is_stream() {
        reply.set("content-type", "text/event-stream");
    }
    if door == Door::Inference {
        for (name, value) in RATE_LIMITS {
            reply.set(name, value);
        }
        if !reply.is_stream() {
            for (name, value) in TIMINGS {
                reply.set(name, value);
            }
        }
    }
    reply
}

fn edge(call: &mut Call, reply: &mut Reply, request_id: String) {
    reply.set("server", "cloudflare");
    reply.set_text("cf-ray", format!("{}-IAD", call.ray));
    reply.set_text("x-request-id", request_id);
    reply.set_text("x-envoy-upstream-service-time", (call.ids.number() % 40 + 5).to_string());
}

const RATE_LIMITS: [(&str, &str); 7] = [
    ("x-ratelimit-limit-tokens-prompt", "60000"),
    ("x-ratelimit-limit-tokens-cache-adjusted-prompt", "60000"),
    ("x-ratelimit-limit-tokens-generated", "6000"),
    ("x-ratelimit-remaining-tokens-prompt", "59980"),
    ("x-ratelimit-remaining-tokens-cache-adjusted-prompt", "59980"),
    ("x-ratelimit-remaining-tokens-generated", "5992"),
    ("x-ratelimit-over-limit", "no"),
];
const TIMINGS: [(&str, &str); 4] = [
    ("fireworks-prompt-tokens", "12"),
    ("fireworks-cached-prompt-tokens", "0"),
    ("fireworks-server-processing-time", "0.044"),
    ("fireworks-server-time-to-first-token", "0.021"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_key_reads_as_captured() {
        let failure = super::super::gate::invalid_key("F1");
        let wanted = concat!(
            r#"{"error":{"message":"The API key you provided is invalid.","#,
            r#""code":"UNAUTHORIZED","type":"error"}}"#
        );
        assert_eq!(error_bytes(&failure, "x"), wanted.as_bytes());
    }

    #[test]
    fn a_suspension_carries_param_and_request_id() {
        let failure = super::super::gate::suspended("acme");
        let text = String::from_utf8(error_bytes(&failure, "some-id").to_vec()).unwrap();
        assert!(text.starts_with(r#"{"error":{"message":"Account acme is suspended, possibly"#));
        assert!(text.ends_with(r#""param":null,"code":"PRECONDITION_FAILED","type":"error"},"request_id":"some-id"}"#));
    }
}
