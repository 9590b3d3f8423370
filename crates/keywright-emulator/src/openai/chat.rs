//! Chat and completions.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::Failure;
use crate::json::{self, DONE, Layout};
use crate::openai::gate::check_model;
use crate::reply::{EventStyle, Reply};
use crate::request::Call;
use crate::text::{pieces, tokens};

/// What a text request may ask for; everything else is accepted and ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct TextRequest {
    pub(crate) model: Option<String>,
    pub(crate) messages: Option<serde::de::IgnoredAny>,
    pub(crate) prompt: Option<serde::de::IgnoredAny>,
    pub(crate) stream: Option<bool>,
    pub(crate) stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
    include_obfuscation: Option<bool>,
}

impl TextRequest {
    /// How many pieces the answer has.
    pub(crate) fn wanted(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    pub(crate) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice; 1],
    usage: Usage,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice {
    index: u32,
    message: Message,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: String,
    refusal: Option<()>,
    annotations: [(); 0],
}

/// Token counts, invented but consistent.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Default, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Clone, Copy, Default, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the provider's")]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl Usage {
    pub(crate) fn new(prompt: u64, completion: u64) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
            prompt_tokens_details: PromptDetails::default(),
            completion_tokens_details: CompletionDetails::default(),
        }
    }
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'static str,
    choices: &'a [ChunkChoice],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    obfuscation: Option<String>,
}

/// Every chunk has the field when usage was asked for; only the last one has it filled.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum UsageField {
    Null,
    Counts(Usage),
}

#[derive(Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<()>,
}

/// `POST /v1/chat/completions`.
pub(crate) async fn chat(call: &mut Call) -> Result<Reply, Failure> {
    let (request, prompt) = text_request(call).await?;
    let model = required_model(&request)?;
    check_model(call, &model)?;
    if request.messages.is_none() {
        return Err(required("messages"));
    }
    let words = pieces(request.wanted());
    let id = format!("chatcmpl-{}", call.ids.base62(29));
    let usage = Usage::new(prompt, words.len() as u64);
    if request.streams() {
        let events = chunks(call, &request, &id, &model, &words, usage);
        return Ok(Reply::events(events, EventStyle::Plain));
    }
    let message = Message { role: "assistant", content: words.concat(), refusal: None, annotations: [] };
    let body = Completion {
        id,
        object: "chat.completion",
        created: call.now(),
        model: &model,
        choices: [Choice { index: 0, message, logprobs: None, finish_reason: "stop" }],
        usage,
        service_tier: "default",
        system_fingerprint: FINGERPRINT,
    };
    Ok(Reply::json(json::bytes(&body, Layout::TwoLine)))
}

fn chunks(
    call: &mut Call,
    request: &TextRequest,
    id: &str,
    model: &str,
    words: &[&'static str],
    usage: Usage,
) -> Vec<Bytes> {
    let options = request.stream_options.as_ref();
    let with_usage = options.and_then(|options| options.include_usage).unwrap_or(false);
    let padded = options.and_then(|options| options.include_obfuscation).unwrap_or(true);
    let created = call.now();
    let mut chunk = |choices: &[ChunkChoice], usage: Option<UsageField>| {
        let length = usize::try_from(call.ids.number() % 10 + 2).unwrap_or(2);
        json::event(&Chunk {
            id,
            object: "chat.completion.chunk",
            created,
            model,
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
            choices,
            usage,
            obfuscation: padded.then(|| call.ids.base62(length)),
        })
    };
    let none = with_usage.then_some(UsageField::Null);
    let choice = |delta, finish_reason| [ChunkChoice { index: 0, delta, logprobs: None, finish_reason }];
    let first = Delta { role: Some("assistant"), content: Some(""), refusal: None };
    let mut events = Vec::with_capacity(words.len() + 4);
    events.push(chunk(&choice(first, None), none));
    for word in words {
        let delta = Delta { content: Some(word), ..Delta::default() };
        events.push(chunk(&choice(delta, None), none));
    }
    events.push(chunk(&choice(Delta::default(), Some("stop")), none));
    if with_usage {
        events.push(chunk(&[], Some(UsageField::Counts(usage))));
    }
    events.push(DONE);
    events
}

/// `POST /v1/completions`.
pub(crate) async fn completion(call: &mut Call) -> Result<Reply, Failure> {
    let (request, prompt) = text_request(call).await?;
    let model = required_model(&request)?;
    check_model(call, &model)?;
    let words = pieces(request.wanted());
    let id = format!("cmpl-{}", call.ids.base62(29));
    let created = call.now();
    let body = |text: &str, finish: Option<&str>| {
        json!({"id": id, "object": "text_completion", "created": created, "model": model,
            "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]})
    };
    if request.streams() {
        let mut events: Vec<Bytes> = words.iter().map(|word| json::event(&body(word, None))).collect();
        events.push(json::event(&body("", Some("stop"))));
        events.push(DONE);
        return Ok(Reply::events(events, EventStyle::Plain));
    }
    let mut whole = body(&words.concat(), Some("stop"));
    let completion = words.len() as u64;
    whole["usage"] = json!({"prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion});
    Ok(Reply::json(json::bytes(&whole, Layout::TwoLine)))
}

/// Reads a text request, and how many tokens its prompt counts for.
pub(crate) async fn text_request(call: &mut Call) -> Result<(TextRequest, u64), Failure> {
    let bytes = call.bytes().await?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    let request = serde_json::from_slice(text).map_err(|error| crate::request::unreadable(&error))?;
    Ok((request, tokens(bytes.len())))
}

fn required_model(request: &TextRequest) -> Result<String, Failure> {
    request.model.clone().ok_or_else(no_model)
}

pub(crate) fn no_model() -> Failure {
    Failure::new("X400", 400, "you must provide a model parameter")
}

pub(crate) fn required(name: &'static str) -> Failure {
    Failure::new("X400", 400, format!("Missing required parameter: '{name}'."))
        .param(name)
        .code("missing_required_parameter")
}

const FINGERPRINT: &str = "fp_keywright0";
