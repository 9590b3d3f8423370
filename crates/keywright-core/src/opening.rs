//! The beginning of an answer with a good status: how much of it must be seen before it may go down.
//!
//! Providers send errors with status 200, as JSON or as the first event of a stream. That is the last safe moment to
//! move on, so as much is held back as it takes to know, and no more.

use crate::cause::Failover;
use crate::classify::{Answer, Classified, classify};
use crate::provider::ProviderSpec;

/// What kind of body a good answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Server-sent events.
    Events,
    /// JSON.
    Json,
    /// Anything else: nothing in it is an error.
    Other,
}

/// How far the beginning of an answer was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// More of it is needed.
    Awaited,
    /// It is no error.
    Fine,
    /// This may be one.
    Suspicious(Vec<u8>),
}

impl Form {
    /// The form of an answer by its status and its `Content-Type`; one that is encoded is not looked into.
    pub fn of(status: u16, content_type: &[u8], encoded: bool) -> Self {
        match content_type {
            _ if encoded || !(200..300).contains(&status) => Self::Other,
            kind if kind.starts_with(b"text/event-stream") => Self::Events,
            kind if kind.starts_with(b"application/json") => Self::Json,
            _ => Self::Other,
        }
    }

    /// Reads the beginning of a body, as far as it came; `ended` when it is all of it.
    pub fn read(self, beginning: &[u8], ended: bool) -> Opening {
        let opening = match self {
            Self::Other => Opening::Fine,
            Self::Json if !begins_as_error(beginning) => Opening::Fine,
            Self::Json if ended => Opening::Suspicious(beginning.to_vec()),
            Self::Json => Opening::Awaited,
            Self::Events => first_event(beginning),
        };
        match opening {
            Opening::Awaited if ended || beginning.len() > LONGEST => Opening::Fine,
            opening => opening,
        }
    }
}

/// An error that came with a good status, if moving on from it can help. Anything else goes down as it is.
pub fn movable(provider: &ProviderSpec, answer: &Answer<'_>) -> Option<Classified> {
    classify(provider, answer).filter(|classified| classified.cause.failover() != Failover::Stop)
}

fn begins_as_error(beginning: &[u8]) -> bool {
    let text = beginning.trim_ascii_start();
    let member = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    text.is_empty() || member.is_some_and(|member| member.is_empty() || begins_with_error_member(member))
}

fn begins_with_error_member(member: &[u8]) -> bool {
    let seen = member.len().min(ERROR_MEMBER.len());
    member[..seen] == ERROR_MEMBER[..seen]
}

/// Reads the first event that carries data.
fn first_event(beginning: &[u8]) -> Opening {
    let mut data: Vec<u8> = Vec::new();
    let mut named_error = false;
    for line in beginning.split_inclusive(|byte| *byte == b'\n') {
        let complete = line.ends_with(b"\n");
        let line = line.trim_ascii_end();
        if let Some(value) = line.strip_prefix(b"data:") {
            data.extend_from_slice(value.trim_ascii_start());
        } else if let Some(name) = line.strip_prefix(b"event:") {
            named_error = matches!(name.trim_ascii(), b"error" | b"response.failed");
        } else if line.is_empty() && complete && !data.is_empty() {
            let suspicious = named_error || memchr::memmem::find(&data, ERROR_MEMBER).is_some();
            return if suspicious { Opening::Suspicious(data) } else { Opening::Fine };
        }
    }
    Opening::Awaited
}

const ERROR_MEMBER: &[u8] = b"\"error\"";
/// A beginning longer than this is content.
const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_found_over_comments() {
        let read = |text: &str| Form::Events.read(text.as_bytes(), false);
        let error = |data: &str| Opening::Suspicious(data.as_bytes().to_vec());
        let cases = [
            ("data: {\"choices\":[]}\n", Opening::Awaited),
            ("data: {\"choices\":[]}\n\n", Opening::Fine),
            (": ping\n\n", Opening::Awaited),
            (": ping\n\ndata: {\"error\":{}}\r\n\r\n", error("{\"error\":{}}")),
            ("event: error\ndata: {\"code\":1}\n\n", error("{\"code\":1}")),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text:?}");
        }
        assert_eq!(Form::Events.read(b"data: {\"error\":{}}\n", true), Opening::Fine, "the event is not complete");
    }

    #[test]
    fn only_json_that_begins_as_an_error_is_held_back() {
        for (text, held) in [
            (" {\n \"error\": {}}", true),
            ("{", true),
            ("{\"er", true),
            ("", true),
            ("{\"id\":\"x\",\"error\":null}", false),
            ("[1]", false),
        ] {
            let expected = if held { Opening::Awaited } else { Opening::Fine };
            assert_eq!(Form::Json.read(text.as_bytes(), false), expected, "{text:?}");
            let whole = if held { Opening::Suspicious(text.as_bytes().to_vec()) } else { Opening::Fine };
            assert_eq!(Form::Json.read(text.as_bytes(), true), whole, "{text:?}");
        }
    }

    #[test]
    fn a_beginning_without_an_end_is_content() {
        let long = ": ping\n\n".repeat(LONGEST / 8 + 1);
        assert_eq!(Form::Events.read(long.as_bytes(), false), Opening::Fine);
    }

    #[test]
    fn the_form_is_read_from_the_head() {
        for (status, kind, encoded, form) in [
            (200, "text/event-stream; charset=utf-8", false, Form::Events),
            (200, "application/json", false, Form::Json),
            (200, "application/json", true, Form::Other),
            (204, "", false, Form::Other),
            (301, "application/json", false, Form::Other),
        ] {
            assert_eq!(Form::of(status, kind.as_bytes(), encoded), form, "{status} {kind}");
        }
    }
}
