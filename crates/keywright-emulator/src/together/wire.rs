//! Together's error writers and headers: inference with an id and a weak ETag, the model list without.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::clock;
use crate::failure::{Failure, Shape};
use crate::json::{self, Layout};
use crate::reply::{Content, Reply};
use crate::request::Call;

/// The backends behind `api.together.ai`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Chat, images, files.
    Inference,
    /// The model list, which a web framework serves.
    Models,
    /// Who a key belongs to.
    Whoami,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    error: Error<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Error<'a> {
    Full {
        message: &'a str,
        r#type: &'a str,
        param: Option<&'a str>,
        code: Option<&'a str>,
    },
    /// The missing key names no parameter.
    NoParam {
        message: &'a str,
        r#type: &'a str,
        code: Option<&'a str>,
    },
    Message {
        message: &'a str,
    },
}

/// The body of a refusal.
pub(crate) fn error_bytes(failure: &Failure, id: &str) -> Bytes {
    let Failure { message, kind, param, code, .. } = failure;
    if failure.shape == Shape::MessageOnly {
        return json::bytes(&Envelope { id: None, error: Error::Message { message } }, Layout::Compact);
    }
    if failure.id == "T3" {
        let error = Error::NoParam { message, r#type: kind, code: *code };
        return json::bytes(&Envelope { id: None, error }, Layout::Compact);
    }
    let error = Error::Full { message, r#type: kind, param: *param, code: *code };
    json::bytes(&Envelope { id: Some(id), error }, Layout::Two)
}

/// The id of a request: it ends in the edge's own name for it.
pub(crate) fn request_id(call: &mut Call) -> String {
    format!("{}-{}-{}", call.ids.base62(7), call.ids.base62(6), call.ray)
}

/// Writes a refusal.
pub(crate) fn refuse(call: &mut Call, door: Door, failure: &Failure) -> Reply {
    let id = request_id(call);
    let bytes = error_bytes(failure, &id);
    let tag = weak_etag(&bytes);
    let mut reply = Reply::new(failure.http_status(), Content::Bytes(bytes));
    reply.answer = failure.id;
    edge(call, &mut reply);
    if door == Door::Models {
        reply = reply.content_type("application/json");
        reply.set_text("etag", format!("\"{}\"", call.ids.base62(12).to_lowercase()));
        reply.set("vary", "Accept-Encoding");
    } else {
        reply = reply.content_type("application/json; charset=utf-8");
        reply.set("access-control-allow-origin", "*");
        reply.set_text("etag", tag);
        reply.set_text("x-api-received", clock::iso8601(call.now_ms));
        reply.set("vary", "accept-encoding");
    }
    if let Some(after) = failure.retry_after {
        reply.set_text("retry-after", after.as_secs_f64().ceil().to_string());
        reply.set("x-ratelimit", "true");
    }
    reply
}

/// Adds the headers of a good answer.
pub(crate) fn dress(call: &mut Call, door: Door, mut reply: Reply) -> Reply {
    edge(call, &mut reply);
    if door == Door::Models {
        reply.set("access-control-allow-methods", "GET,POST,PATCH");
        reply.set("vary", "rsc, next-router-state-tree, next-router-prefetch, Accept-Encoding");
        return reply;
    }
    let now = clock::iso8601(call.now_ms);
    reply.set_text("x-amzn-trace-id", format!("{}-noamzn", call.ids.uuid()));
    reply.set_text("x-api-received", now.clone());
    reply.set_text("x-api-call-start", now.clone());
    reply.set("x-inference-version", "v2");
    for (name, value) in RATE_LIMITS {
        reply.set(name, value);
    }
    if reply.is_stream() {
        reply.set("content-type", "text/event-stream;charset=utf-8");
        reply.set("cache-control", "no-cache, no-transform");
    } else {
        reply.set_text("x-api-call-end", now);
    }
    reply
}

fn edge(call: &Call, reply: &mut Reply) {
    reply.set("strict-transport-security", "max-age=15552000; includeSubDomains");
    reply.set("x-content-type-options", "nosniff");
    reply.set("server", "cloudflare");
    reply.set_text("cf-ray", format!("{}-IAD", call.ray));
}

/// `W/"<length in hex>-<first 27 characters of base64(sha1)>"`.
fn weak_etag(body: &[u8]) -> String {
    let digest = STANDARD.encode(Sha1::digest(body));
    format!("W/\"{:x}-{}\"", body.len(), digest.get(..27).unwrap_or_default())
}

const RATE_LIMITS: [(&str, &str); 8] = [
    ("x-ratelimit", "false"),
    ("x-ratelimit-limit", "10"),
    ("x-ratelimit-remaining", "9"),
    ("x-ratelimit-reset", "1"),
    ("x-ratelimit-limit-tokens", "3000"),
    ("x-ratelimit-remaining-tokens", "2980"),
    ("x-tokenlimit-limit", "3000"),
    ("x-tokenlimit-remaining", "2980"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::together::gate;

    const ID: &str = "omJGQkS-2kFHot-a04666c1ed02a2f9";

    #[test]
    fn a_bad_key_has_the_recorded_length() {
        assert_eq!(error_bytes(&gate::invalid_key("T1"), ID).len(), 265);
        assert_eq!(error_bytes(&gate::unauthorized("T2"), ID), r#"{"error":{"message":"Unauthorized"}}"#.as_bytes());
        assert_eq!(error_bytes(&gate::unauthorized("T2"), ID).len(), 36);
    }

    #[test]
    fn the_etag_begins_with_the_recorded_length() {
        let tag = weak_etag(&error_bytes(&gate::invalid_key("T1"), ID));
        assert!(tag.starts_with("W/\"109-"));
        assert_eq!(tag.len(), "W/\"109-\"".len() + 27);
    }

    #[test]
    fn the_etag_of_an_empty_body_is_the_known_one() {
        assert_eq!(weak_etag(b""), "W/\"0-2jmj7l5rSw0yVb/vlWAYkK/YBwk\"");
    }
}
