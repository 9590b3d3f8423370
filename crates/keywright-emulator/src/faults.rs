//! Turns a good answer into the broken one that the key's state asks for, and puts it on the wire.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, header};
use serde_json::json;

use crate::body::{Script, Step};
use crate::json;
use crate::key_state::KeyState;
use crate::reply::{Content, EventStyle, Reply};

/// Makes the response. Refusals pass unharmed; only good answers are broken.
pub(crate) fn respond(reply: Reply, state: Option<&KeyState>) -> Response<Script> {
    let fault = if reply.answer == "ok" { state } else { None };
    let streamed = reply.is_stream();
    let mut headers = reply.headers;
    let steps = match reply.content {
        Content::Bytes(bytes) => body_steps(bytes, fault, &mut headers),
        Content::Fill(count) => vec![Step::Fill(count)],
        Content::Events(events, style) => event_steps(events, style, fault, &mut headers),
    };
    let mut script = Script::new(steps);
    if streamed {
        script = script.chunked();
    }
    let mut response = Response::new(script);
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

fn body_steps(bytes: Bytes, fault: Option<&KeyState>, headers: &mut http::HeaderMap) -> Vec<Step> {
    let half = bytes.slice(..bytes.len() / 2);
    match fault {
        Some(KeyState::Slow { delay }) => vec![Step::Wait(*delay), Step::Data(bytes)],
        Some(KeyState::ErrorFirstEvent) => {
            vec![Step::Data(json::bytes(&stream_error(), json::Layout::Compact))]
        }
        Some(KeyState::CutStream) => {
            promise(headers, bytes.len());
            vec![Step::Data(half), Step::Flush, Step::Abort]
        }
        Some(KeyState::LyingLength) => {
            promise(headers, bytes.len() + LIE);
            vec![Step::Data(bytes), Step::Flush, Step::Abort]
        }
        Some(KeyState::NeverEnds) => {
            promise(headers, bytes.len());
            vec![Step::Data(half), Step::Flush, Step::Hang]
        }
        _ => vec![Step::Data(bytes)],
    }
}

fn event_steps(
    mut events: Vec<Bytes>,
    style: EventStyle,
    fault: Option<&KeyState>,
    headers: &mut http::HeaderMap,
) -> Vec<Step> {
    let half = events.len().div_ceil(2);
    let mut end = Vec::new();
    let mut delay = None;
    match fault {
        Some(KeyState::Slow { delay: wait }) => delay = Some(*wait),
        Some(KeyState::MidStreamError) => {
            events.truncate(half);
            events.extend(error_events(style));
        }
        Some(KeyState::ErrorFirstEvent) => events = error_events(style),
        Some(KeyState::CutStream) => {
            events.truncate(half);
            end = vec![Step::Flush, Step::Abort];
        }
        Some(KeyState::LyingLength) => {
            promise(headers, events.iter().map(Bytes::len).sum::<usize>() + LIE);
            end = vec![Step::Flush, Step::Abort];
        }
        Some(KeyState::NeverEnds) => {
            events.truncate(half);
            end = vec![Step::Flush, Step::Hang];
        }
        _ => {}
    }
    let mut steps = paced(events, delay);
    steps.extend(end);
    steps
}

/// The events, the first one flushed on its own as a real stream does.
fn paced(events: Vec<Bytes>, delay: Option<Duration>) -> Vec<Step> {
    let mut steps = Vec::with_capacity(events.len() * 2);
    for (at, event) in events.into_iter().enumerate() {
        if let Some(delay) = delay {
            steps.push(Step::Wait(delay));
        }
        steps.push(Step::Data(event));
        if at == 0 {
            steps.push(Step::Flush);
        }
    }
    steps
}

fn error_events(style: EventStyle) -> Vec<Bytes> {
    let error = stream_error();
    match style {
        EventStyle::Plain => vec![json::event(&error), json::DONE],
        EventStyle::Responses => vec![json::named_event(
            "error",
            &json!({"type": "error", "code": "server_error", "message": STREAM_ERROR,
                "param": null, "sequence_number": 0}),
        )],
        EventStyle::Assistants => {
            vec![json::named_event("error", &error["error"]), Bytes::from_static(b"event: done\ndata: [DONE]\n\n")]
        }
    }
}

fn stream_error() -> serde_json::Value {
    json!({"error": {"message": STREAM_ERROR, "type": "server_error", "param": null, "code": null}})
}

fn promise(headers: &mut http::HeaderMap, length: usize) {
    headers.insert(header::CONTENT_LENGTH, length.into());
}

const STREAM_ERROR: &str = "The server had an error while processing your request. Sorry about that!";
/// How many bytes a lying `content-length` promises too many.
const LIE: usize = 1000;
