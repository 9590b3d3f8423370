//! The bytes on the wire: what is asked, with what keys, and the answers a contender must relay unchanged.

use std::fmt::Write as _;

use bytes::Bytes;

use super::error::{Error, Result};

/// What a contender is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A 500-byte request and a 390-byte JSON answer.
    Small,
    /// A 100 KB request and a 390-byte JSON answer.
    Prompt,
    /// A 500-byte request and a stream of 50 events, as fast as they go.
    Stream,
    /// The same with a millisecond between events, so that no two travel together.
    Paced,
}

/// How many headers requests and answers carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    /// What openai-python sends and what OpenAI answers with.
    Sdk,
    /// Only what HTTP needs.
    Plain,
}

impl Workload {
    /// Every workload, in the order of the tables.
    pub(crate) const ALL: [Self; 4] = [Self::Small, Self::Prompt, Self::Stream, Self::Paced];

    /// Reads a name of the command line.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
            .ok_or_else(|| Error::usage(format!("unknown workload `{name}`")))
    }

    /// The name on the command line and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Prompt => "prompt",
            Self::Stream => "sse",
            Self::Paced => "paced",
        }
    }

    /// The name in tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Small => "small JSON",
            Self::Prompt => "100 KB prompt",
            Self::Stream => "SSE, 50 events",
            Self::Paced => "SSE, 50 events 1 ms apart",
        }
    }

    /// The whole body that must come back.
    pub(crate) fn answer(self) -> Bytes {
        match self {
            Self::Small | Self::Prompt => completion(),
            Self::Stream | Self::Paced => Bytes::from(events().concat()),
        }
    }

    /// The request body, members in the order openai-python writes them.
    fn body(self) -> String {
        let (length, tail) = match self {
            Self::Small => (500, ""),
            Self::Prompt => (100_000, ""),
            Self::Stream => (500, ",\"stream\":true"),
            Self::Paced => (500, ",\"stream\":true,\"user\":\"paced\""),
        };
        let before = "{\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"},\
                      {\"role\":\"user\",\"content\":\"";
        let after = format!("\"}}],\"model\":\"{MODEL}\",\"max_tokens\":64{tail}}}");
        let words = length - before.len() - after.len();
        format!("{before}{}{after}", prose(words))
    }
}

impl Headers {
    /// Reads a name of the command line.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match name {
            "sdk" => Ok(Self::Sdk),
            "plain" => Ok(Self::Plain),
            _ => Err(Error::usage(format!("unknown headers `{name}`"))),
        }
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sdk => "sdk",
            Self::Plain => "plain",
        }
    }

    fn request(self) -> &'static str {
        match self {
            Self::Sdk => SDK_REQUEST_HEADERS,
            Self::Plain => "",
        }
    }

    /// What the upstream adds to `content-type` and `content-length`.
    pub(crate) fn answer(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Sdk => &OPENAI_ANSWER_HEADERS,
            Self::Plain => &[],
        }
    }
}

/// A whole HTTP/1.1 request.
pub(crate) fn request(workload: Workload, headers: Headers, path: &str, bearer: &str) -> Bytes {
    let body = workload.body();
    let extra = headers.request();
    Bytes::from(format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{extra}Authorization: Bearer {bearer}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// The upstream's key number `n`; it has the shape of a real one and is none.
pub(crate) fn upstream_key(n: usize) -> String {
    format!("sk-proj-bench{n:04}{}", "Q7".repeat(18))
}

/// A chat completion of 390 bytes.
pub(crate) fn completion() -> Bytes {
    let before = format!(
        "{{\"id\":\"chatcmpl-bench0001\",\"object\":\"chat.completion\",\"created\":1763683200,\
         \"model\":\"{MODEL}-2024-07-18\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\
         \"assistant\",\"content\":\""
    );
    let after = "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":\
                 {\"prompt_tokens\":19,\"completion_tokens\":9,\"total_tokens\":28}}\n";
    let text = prose(COMPLETION_BYTES - before.len() - after.len());
    Bytes::from(format!("{before}{text}{after}"))
}

/// The events of a stream, each as its own write; the last one is `[DONE]`.
pub(crate) fn events() -> Vec<Bytes> {
    let mut events: Vec<Bytes> = (1..EVENTS).map(|n| Bytes::from(event(n))).collect();
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

/// The body OpenAI sends with a 401; the chat route and the others differ in layout.
pub(crate) fn refusal(key: &str, chat: bool) -> Bytes {
    let stars = "*".repeat(key.len().saturating_sub(12));
    let masked = match (key.get(..8), key.get(key.len().saturating_sub(4)..)) {
        (Some(first), Some(last)) if key.len() > 12 => format!("{first}{stars}{last}"),
        _ => key.to_owned(),
    };
    let (indent, end) = if chat { ("    ", "\n") } else { ("  ", "") };
    Bytes::from(format!(
        "{{\n{indent}\"error\": {{\n\
         {indent}{indent}\"message\": \"Incorrect API key provided: {masked}. You can find your API \
         key at https://platform.openai.com/account/api-keys.\",\n\
         {indent}{indent}\"type\": \"invalid_request_error\",\n\
         {indent}{indent}\"param\": null,\n\
         {indent}{indent}\"code\": \"invalid_api_key\"\n\
         {indent}}}\n}}{end}"
    ))
}

fn event(n: usize) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-bench0001\",\"object\":\"chat.completion.chunk\",\"created\":\
         1763683200,\"model\":\"{MODEL}-2024-07-18\",\"choices\":[{{\"index\":0,\"delta\":\
         {{\"content\":\" word{n}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    )
}

/// Text of exactly `length` bytes, with the escapes that JSON text has.
fn prose(length: usize) -> String {
    let mut text = String::with_capacity(length + 80);
    let mut line = 0;
    while text.len() < length {
        line += 1;
        let _ = write!(text, "Line {line} says \\\"the key works\\\" and asks why.\\n");
    }
    text.truncate(length);
    // A cut escape would make the body invalid JSON.
    while text.ends_with('\\') {
        text.pop();
    }
    let padding = length - text.len();
    text + &".".repeat(padding)
}

/// The model every request names.
const MODEL: &str = "gpt-4o-mini";
/// Events of one stream.
const EVENTS: usize = 50;
/// Size of the JSON answer.
const COMPLETION_BYTES: usize = 390;

/// What openai-python 2 sends besides host, credential and body headers.
const SDK_REQUEST_HEADERS: &str = "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n\
    Accept: application/json\r\nUser-Agent: OpenAI/Python 2.8.1\r\nX-Stainless-Lang: python\r\n\
    X-Stainless-Package-Version: 2.8.1\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n\
    X-Stainless-Runtime: CPython\r\nX-Stainless-Runtime-Version: 3.11.2\r\nX-Stainless-Async: false\r\n\
    x-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n";

/// Headers of OpenAI's chat answers, as recorded and reported.
const OPENAI_ANSWER_HEADERS: [(&str, &str); 10] = [
    ("openai-organization", "bench-org"),
    ("openai-processing-ms", "1"),
    ("openai-version", "2020-10-01"),
    ("x-request-id", "req_0123456789abcdef0123456789abcdef"),
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

    #[test]
    fn bodies_have_their_stated_sizes_and_are_json() {
        for (workload, length) in
            [(Workload::Small, 500), (Workload::Prompt, 100_000), (Workload::Stream, 500), (Workload::Paced, 500)]
        {
            let body = workload.body();
            assert_eq!(body.len(), length);
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        }
        assert_eq!(completion().len(), COMPLETION_BYTES);
        assert!(serde_json::from_slice::<serde_json::Value>(&completion()).is_ok());
        assert!(serde_json::from_slice::<serde_json::Value>(&refusal("sk-0123456789abc", true)).is_ok());
    }

    #[test]
    fn a_stream_has_fifty_events_and_ends_with_done() {
        let events = events();
        assert_eq!(events.len(), 50);
        assert!(events.iter().all(|event| event.starts_with(b"data: ") && event.ends_with(b"\n\n")));
        assert!(Workload::Stream.answer().ends_with(b"data: [DONE]\n\n"));
    }
}
