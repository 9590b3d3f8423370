//! Fireworks inference: chat, completions, embeddings, messages, rerank and models.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::failure::{Failure, Shape};
use crate::fireworks::gate::{check_model, no_model};
use crate::json::{self, DONE, Layout, named_event};
use crate::openai::chat::{TextRequest, required, text_request};
use crate::openai::vectors::vector;
use crate::reply::{EventStyle, Reply};
use crate::request::Call;
use crate::settings::FireworksModels;
use crate::text::{pieces, tokens};

/// What text routes share: the request, its model, the words and the usage.
struct Text {
    request: TextRequest,
    model: String,
    words: Vec<&'static str>,
    usage: Value,
}

async fn text(call: &mut Call) -> Result<Text, Failure> {
    let (request, prompt) = text_request(call).await?;
    let model = request.model.clone().ok_or_else(|| required("model"))?;
    check_model(call, &model)?;
    let words = pieces(request.wanted());
    let written = words.len() as u64;
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": written,
        "total_tokens": prompt + written, "prompt_tokens_details": {"cached_tokens": 0}});
    Ok(Text { request, model, words, usage })
}

/// `POST /inference/v1/chat/completions`.
pub(crate) async fn chat(call: &mut Call) -> Result<Reply, Failure> {
    let Text { request, model, words, usage } = text(call).await?;
    if request.messages.is_none() {
        return Err(required("messages"));
    }
    let (id, created) = (call.ids.uuid(), call.now());
    if !request.streams() {
        let body = json!({"id": id, "object": "chat.completion", "created": created,
            "model": model, "usage": usage, "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": words.concat()}}]});
        return Ok(compact(&body));
    }
    let chunk = |delta: Value, finish: Option<&str>, usage: Option<&Value>| {
        json::event(&json!({"id": id, "object": "chat.completion.chunk", "created": created,
            "model": model, "usage": usage,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None, None)];
    events.extend(words.iter().map(|word| chunk(json!({"content": word}), None, None)));
    events.push(chunk(json!({}), Some("stop"), Some(&usage)));
    events.push(DONE);
    Ok(Reply::events(events, EventStyle::Plain))
}

/// `POST /inference/v1/completions`.
pub(crate) async fn completion(call: &mut Call) -> Result<Reply, Failure> {
    let Text { request, model, words, usage } = text(call).await?;
    if request.prompt.is_none() {
        return Err(required("prompt"));
    }
    let (id, created) = (call.ids.uuid(), call.now());
    let body = |text: &str, finish: Option<&str>, usage: Option<&Value>| {
        json!({"id": id, "object": "text_completion", "created": created, "model": model,
            "usage": usage, "choices": [{"index": 0, "text": text, "logprobs": null,
                "finish_reason": finish}]})
    };
    if !request.streams() {
        return Ok(compact(&body(&words.concat(), Some("stop"), Some(&usage))));
    }
    let mut events: Vec<Bytes> = words.iter().map(|word| json::event(&body(word, None, None))).collect();
    events.push(json::event(&body("", Some("stop"), Some(&usage))));
    events.push(DONE);
    Ok(Reply::events(events, EventStyle::Plain))
}

/// `POST /inference/v1/embeddings`.
pub(crate) async fn embeddings(call: &mut Call) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let model = request.get("model").and_then(Value::as_str).ok_or_else(|| required("model"))?;
    check_model(call, model)?;
    let input = request.get("input").ok_or_else(|| required("input"))?;
    let count = input.as_array().map_or(1, |items| items.len().min(256));
    let data: Vec<Value> = (0..count)
        .map(|index| json!({"object": "embedding", "index": index, "embedding": vector(call, 768)}))
        .collect();
    let used = tokens(input.to_string().len());
    Ok(compact(&json!({"object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": used, "total_tokens": used}})))
}

/// `POST /inference/v1/messages`, the Anthropic style.
pub(crate) async fn messages(call: &mut Call) -> Result<Reply, Failure> {
    let Text { request, model, words, usage } = text(call).await?;
    if request.messages.is_none() {
        return Err(required("messages"));
    }
    let id = format!("msg_{}", call.ids.uuid());
    let (input, output) = (&usage["prompt_tokens"], &usage["completion_tokens"]);
    let message = |content: Value, stop: Option<&str>| {
        json!({"id": id, "type": "message", "role": "assistant", "model": model,
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {"input_tokens": input, "output_tokens": output}})
    };
    if !request.streams() {
        let content = json!([{"type": "text", "text": words.concat()}]);
        return Ok(compact(&message(content, Some("end_turn"))));
    }
    let mut told = vec![
        ("message_start", json!({"message": message(json!([]), None)})),
        ("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
    ];
    for word in &words {
        let delta = json!({"index": 0, "delta": {"type": "text_delta", "text": word}});
        told.push(("content_block_delta", delta));
    }
    told.push(("content_block_stop", json!({"index": 0})));
    told.push((
        "message_delta",
        json!({"delta": {"stop_reason": "end_turn",
        "stop_sequence": null}, "usage": {"output_tokens": output}}),
    ));
    told.push(("message_stop", json!({})));
    let events = told
        .into_iter()
        .map(|(name, fields)| named_event(name, &crate::openai::responses::merged(&json!({"type": name}), fields)));
    Ok(Reply::events(events.collect(), EventStyle::Responses))
}

/// `POST /inference/v1/rerank`.
pub(crate) async fn rerank(call: &mut Call) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let model = request.get("model").and_then(Value::as_str).ok_or_else(|| required("model"))?;
    check_model(call, model)?;
    let count = request.get("documents").and_then(Value::as_array).map_or(0, Vec::len);
    let data: Vec<Value> = (0..count.min(1000)).map(|index| json!({"index": index, "relevance_score": 0.5})).collect();
    Ok(compact(&json!({"object": "list", "model": model, "data": data,
        "usage": {"prompt_tokens": 8, "total_tokens": 8, "completion_tokens": 0}})))
}

/// `GET /inference/v1/models`, which some valid accounts find broken.
pub(crate) fn models(call: &Call) -> Result<Reply, Failure> {
    if call.settings.fireworks_models == FireworksModels::Broken500 {
        return Err(Failure::new("F11", 500, "Error listing deployed models").shape(Shape::Text));
    }
    let data: Vec<Value> = MODELS.iter().map(|id| entry(id)).collect();
    Ok(compact(&json!({"object": "list", "data": data})))
}

/// `GET /inference/v1/models/{id}`.
pub(crate) fn model(call: &Call, id: &str) -> Result<Reply, Failure> {
    check_model(call, id)?;
    if serves(id) { Ok(compact(&entry(id))) } else { Err(no_model()) }
}

pub(crate) fn serves(model: &str) -> bool {
    MODELS.contains(&model)
}

fn entry(id: &str) -> Value {
    json!({"id": id, "object": "model", "owned_by": "fireworks", "created": 1_733_442_103,
        "kind": "HF_BASE_MODEL", "supports_chat": true, "supports_image_input": false,
        "supports_tools": true, "context_length": 131_072})
}

fn compact(body: &Value) -> Reply {
    Reply::json(json::bytes(body, Layout::Compact))
}

const MODELS: [&str; 5] = [
    "accounts/fireworks/models/deepseek-v3p1",
    "accounts/fireworks/models/gpt-oss-120b",
    "accounts/fireworks/models/kimi-k2-instruct-0905",
    "accounts/fireworks/models/llama-v3p1-8b-instruct",
    "accounts/fireworks/models/llama-v3p3-70b-instruct",
];
