//! OpenAI's two error writers and its headers, byte for byte as recorded.

use http::StatusCode;
use serde::Serialize;

use crate::failure::{Failure, Shape};
use crate::json::{self, Layout};
use crate::reply::{Content, Reply};
use crate::request::Call;

/// The two routers behind `api.openai.com`, which write errors differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Chat, completions, embeddings and their age: four spaces and a final newline.
    Legacy,
    /// Models, images and the rest: two spaces.
    Core,
    /// Core, with the Responses wording of a missing key.
    Responses,
}

impl Door {
    /// The door of a path, or `None` where nothing is served.
    pub(crate) fn of(segments: &[&str]) -> Option<Self> {
        let ["v1", family, ..] = segments else {
            return None;
        };
        match *family {
            "chat" | "completions" | "embeddings" | "moderations" | "audio" => Some(Self::Legacy),
            "responses" => Some(Self::Responses),
            "v1" => None,
            _ => Some(Self::Core),
        }
    }
}

#[derive(Serialize)]
struct Envelope<T> {
    error: T,
}

#[derive(Serialize)]
struct MessageFirst<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct CodeFirst<'a> {
    code: Option<&'a str>,
    message: &'a str,
    param: Option<&'a str>,
    r#type: &'a str,
}

/// The body of a refusal.
pub(crate) fn error_bytes(failure: &Failure, layout: Layout) -> bytes::Bytes {
    let Failure { message, kind, param, code, shape, .. } = failure;
    match shape {
        Shape::Empty => bytes::Bytes::new(),
        Shape::CodeFirst => {
            let error = CodeFirst { code: *code, message, param: *param, r#type: kind };
            json::bytes(&Envelope { error }, layout)
        }
        _ => {
            let error = MessageFirst { message, r#type: kind, param: *param, code: *code };
            json::bytes(&Envelope { error }, layout)
        }
    }
}

/// Writes a refusal.
pub(crate) fn refuse(call: &mut Call, door: Door, failure: &Failure) -> Reply {
    let (layout, content_type) = match door {
        Door::Legacy => (Layout::FourLine, "application/json; charset=utf-8"),
        Door::Core | Door::Responses => (Layout::Two, "application/json"),
    };
    let content = Content::Bytes(error_bytes(failure, layout));
    let mut reply = Reply::new(failure.http_status(), content);
    reply.answer = failure.id;
    if failure.shape != Shape::Empty {
        reply = reply.content_type(content_type);
    }
    edge(call, door, &mut reply);
    if door != Door::Legacy {
        if reply.status == StatusCode::UNAUTHORIZED {
            reply.set("www-authenticate", "Bearer realm=\"OpenAI API\"");
        }
        reply.set("openai-version", VERSION);
        reply.set_text("openai-processing-ms", processing(call));
    }
    if let Some(after) = failure.retry_after {
        reply.set_text("retry-after", after.as_secs_f64().ceil().to_string());
        reply.set_text("retry-after-ms", after.as_millis().to_string());
    }
    reply
}

/// Adds the headers of a good answer.
pub(crate) fn dress(call: &mut Call, door: Door, mut reply: Reply) -> Reply {
    edge(call, door, &mut reply);
    reply.set("openai-version", VERSION);
    reply.set_text("openai-processing-ms", processing(call));
    let owner = call.owner();
    reply.set_text("openai-organization", owner.organization.clone());
    reply.set_text("openai-project", owner.project.clone());
    if door != Door::Core {
        for (name, value) in RATE_LIMITS {
            reply.set(name, value);
        }
    }
    reply
}

/// What the edge adds to everything.
fn edge(call: &mut Call, door: Door, reply: &mut Reply) {
    for (name, value) in EDGE {
        reply.set(name, value);
    }
    let exposed = match door {
        Door::Responses => "X-Request-ID, CF-Ray, CF-Ray",
        Door::Legacy | Door::Core => "CF-Ray, CF-Ray",
    };
    reply.set("access-control-expose-headers", exposed);
    reply.set_text("cf-ray", format!("{}-IAD", call.ray));
    reply.set_text("x-request-id", format!("req_{}", call.ids.hex(32)));
}

fn processing(call: &mut Call) -> String {
    (call.ids.number() % 40 + 8).to_string()
}

const VERSION: &str = "2020-10-01";
const EDGE: [(&str, &str); 7] = [
    ("vary", "Origin"),
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("x-openai-proxy-wasm", "v0.1"),
    ("cf-cache-status", "DYNAMIC"),
    ("server", "cloudflare"),
    ("alt-svc", "h3=\":443\"; ma=86400"),
];
const RATE_LIMITS: [(&str, &str); 6] = [
    ("x-ratelimit-limit-requests", "500"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-requests", "499"),
    ("x-ratelimit-remaining-tokens", "199967"),
    ("x-ratelimit-reset-requests", "120ms"),
    ("x-ratelimit-reset-tokens", "9ms"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::gate::{incorrect_key, malformed_model};

    #[test]
    fn a_bad_key_has_the_recorded_length_on_both_doors() {
        let failure = incorrect_key("bad apiKey");
        assert_eq!(error_bytes(&failure, Layout::FourLine).len(), 260);
        assert_eq!(error_bytes(&failure, Layout::Two).len(), 239);
    }

    #[test]
    fn a_malformed_model_has_the_recorded_length() {
        assert_eq!(error_bytes(&malformed_model(), Layout::FourLine).len(), 149);
        let image = crate::openai::media::bad_model("bad model");
        assert_eq!(error_bytes(&image, Layout::Two).len(), 169);
    }

    #[test]
    fn the_region_refusal_names_its_code_first() {
        let failure = Failure::new("O13", 403, "m").code("c").shape(Shape::CodeFirst);
        let bytes = error_bytes(&failure, Layout::Compact);
        assert!(bytes.starts_with(br#"{"error":{"code":"c","message":"m","param":null,"type":"#));
    }
}
