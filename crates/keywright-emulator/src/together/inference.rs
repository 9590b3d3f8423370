//! Together inference: chat, completions, embeddings, rerank and models.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::json::{self, DONE, Layout};
use crate::openai::chat::{TextRequest, required, text_request};
use crate::openai::vectors::vector;
use crate::reply::{EventStyle, Reply};
use crate::request::Call;
use crate::text::{pieces, tokens};
use crate::together::gate::check_model;
use crate::together::wire::request_id;

/// What text routes share: the request, its model, the words and the usage.
struct Text {
    id: String,
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
        "total_tokens": prompt + written, "cached_tokens": 0});
    Ok(Text { id: request_id(call), request, model, words, usage })
}

/// `POST /v1/chat/completions`.
pub(crate) async fn chat(call: &mut Call) -> Result<Reply, Failure> {
    let Text { id, request, model, words, usage } = text(call).await?;
    if request.messages.is_none() {
        return Err(required("messages"));
    }
    let (created, seed) = (call.now(), call.ids.number() >> 12);
    if !request.streams() {
        let body = json!({"id": id, "object": "chat.completion", "created": created,
            "model": model, "prompt": [], "usage": usage, "choices": [{"index": 0, "seed": seed,
                "finish_reason": "stop", "logprobs": null, "message":
                    {"role": "assistant", "content": words.concat(), "tool_calls": []}}]});
        return Ok(compact(&body));
    }
    let chunk = |text: &str, finish: Option<&str>, usage: Option<&Value>, token: usize| {
        let delta = json!({"role": "assistant", "content": text, "token_id": token,
            "reasoning": null, "tool_calls": []});
        json::event(&json!({"id": id, "object": "chat.completion.chunk", "created": created,
            "model": model, "usage": usage, "choices": [{"index": 0, "text": text,
                "logprobs": null, "finish_reason": finish, "seed": finish.map(|_| seed),
                "delta": delta}]}))
    };
    let told = words.iter().enumerate();
    let mut events: Vec<Bytes> = told.map(|(at, word)| chunk(word, None, None, at + 1000)).collect();
    events.push(chunk("", Some("stop"), None, 2));
    events.push(json::event(&json!({"id": id, "object": "chat.completion.chunk",
        "created": created, "model": model, "choices": [], "usage": usage})));
    events.push(DONE);
    Ok(Reply::events(events, EventStyle::Plain))
}

/// `POST /v1/completions`.
pub(crate) async fn completion(call: &mut Call) -> Result<Reply, Failure> {
    let Text { id, request, model, words, usage } = text(call).await?;
    if request.prompt.is_none() {
        return Err(required("prompt"));
    }
    let created = call.now();
    let body = |object: &str, text: &str, finish: Option<&str>, usage: Option<&Value>| {
        json!({"id": id, "object": object, "created": created, "model": model, "prompt": [],
            "usage": usage, "choices": [{"index": 0, "text": text, "finish_reason": finish,
                "logprobs": null, "seed": 7, "delta": {"content": text}}]})
    };
    if !request.streams() {
        return Ok(compact(&body("text.completion", &words.concat(), Some("stop"), Some(&usage))));
    }
    let chunk = "completion.chunk";
    let mut events: Vec<Bytes> = words.iter().map(|word| json::event(&body(chunk, word, None, None))).collect();
    events.push(json::event(&body(chunk, "", Some("stop"), Some(&usage))));
    events.push(DONE);
    Ok(Reply::events(events, EventStyle::Plain))
}

/// `POST /v1/embeddings`.
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
    Ok(compact(&json!({"object": "list", "model": model, "data": data,
        "usage": {"prompt_tokens": used, "total_tokens": used}})))
}

/// `POST /v1/rerank`.
pub(crate) async fn rerank(call: &mut Call) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let model = request.get("model").and_then(Value::as_str).ok_or_else(|| required("model"))?;
    check_model(call, model)?;
    let count = request.get("documents").and_then(Value::as_array).map_or(0, Vec::len);
    let results: Vec<Value> =
        (0..count.min(1000)).map(|index| json!({"index": index, "relevance_score": 0.5, "document": null})).collect();
    let id = request_id(call);
    Ok(compact(&json!({"object": "rerank", "id": id, "model": model, "results": results,
        "usage": {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8}})))
}

/// `GET /v1/models`: a bare array.
pub(crate) fn models() -> Reply {
    let data: Vec<Value> = MODELS.iter().map(|id| entry(id)).collect();
    compact(&json!(data))
}

/// `GET /v2/projects/{project}/models`: the project's own models, of which there are none.
pub(crate) fn project_models(call: &Call, project: &str) -> Result<Reply, Failure> {
    if project != call.owner().project && project != "~current" {
        return Err(Failure::new("T19", 404, format!("Project {project} not found")));
    }
    Ok(compact(&json!({"data": [], "next_cursor": null})))
}

pub(crate) fn serves(model: &str) -> bool {
    MODELS.contains(&model)
}

fn entry(id: &str) -> Value {
    let (organization, name) = id.split_once('/').unwrap_or(("together", id));
    json!({"id": id, "uuid": null, "object": "model", "created": 1_733_466_629, "type": "chat",
        "running": false, "display_name": name, "organization": organization, "link": null,
        "license": null, "context_length": 131_072,
        "config": {"chat_template": null, "stop": [], "bos_token": null, "eos_token": null},
        "pricing": {"hourly": 0, "input": 0.2, "output": 0.2, "base": 0, "finetune": 0}})
}

fn compact(body: &Value) -> Reply {
    Reply::json(json::bytes(body, Layout::Compact)).content_type("application/json; charset=utf-8")
}

const MODELS: [&str; 5] = [
    "deepseek-ai/DeepSeek-V3.1",
    "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
    "openai/gpt-oss-120b",
    "openai/gpt-oss-20b",
];
