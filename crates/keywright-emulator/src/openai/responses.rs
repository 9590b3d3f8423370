//! The Responses API: JSON, named events, and responses that belong to their project.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::json::named_event;
use crate::openai::chat::required;
use crate::openai::gate::check_model;
use crate::openai::lost;
use crate::openai::objects::{self, no_conversation, ok};
use crate::reply::{EventStyle, Reply};
use crate::request::Call;
use crate::store::Place;
use crate::text::{pieces, tokens};

#[derive(Debug, Deserialize)]
struct ResponseRequest {
    model: Option<String>,
    input: Option<Value>,
    stream: Option<bool>,
    store: Option<bool>,
    max_output_tokens: Option<u64>,
    previous_response_id: Option<String>,
    conversation: Option<Value>,
    instructions: Option<Value>,
    metadata: Option<Value>,
}

/// `/v1/responses` and below.
pub(crate) async fn handle(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let project = call.project();
    let here = place(&project);
    match (method.as_str(), path) {
        ("POST", []) => create(call, &project).await,
        ("DELETE", [id]) => objects::delete(call, here, id, "response", no_response),
        ("GET", [id]) | ("POST", [id, "cancel"]) => objects::one(call, here, id, no_response),
        ("GET", [id, "input_items"]) => {
            objects::one(call, here, id, no_response)?;
            Ok(crate::openai::empty_list())
        }
        _ => Err(lost(call, "O26")),
    }
}

async fn create(call: &mut Call, project: &str) -> Result<Reply, Failure> {
    let request: ResponseRequest = call.json().await?;
    let model = request.model.clone().ok_or_else(|| required("model"))?;
    check_model(call, &model).map_err(|failure| match failure.id {
        "O18" => bad_model(&model),
        _ => failure,
    })?;
    let input = request.input.as_ref().ok_or_else(|| required("input"))?;
    check_context(call, &request, project)?;
    let used = tokens(input.to_string().len());
    let words = pieces(request.max_output_tokens);
    let (id, message) = (format!("resp_{}", call.ids.hex(48)), format!("msg_{}", call.ids.hex(48)));
    let item = output_item(&message, "completed", &words.concat());
    let whole = response(call, &request, &id, &model);
    let mut done = whole.clone();
    done["status"] = json!("completed");
    done["completed_at"] = json!(call.now());
    done["output"] = json!([item]);
    let written = words.len() as u64;
    done["usage"] = json!({"input_tokens": used, "output_tokens": written,
        "total_tokens": used + written, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0}});
    if request.store.unwrap_or(true) {
        call.shared.store.insert(place(project), &id, done.clone());
    }
    if request.stream.unwrap_or(false) {
        let events = events(call, &whole, &done, &message, &words);
        return Ok(Reply::events(events, EventStyle::Responses));
    }
    Ok(ok(&done))
}

/// What came before must belong to the same project.
fn check_context(call: &Call, request: &ResponseRequest, project: &str) -> Result<(), Failure> {
    if let Some(previous) = &request.previous_response_id
        && call.shared.store.value(place(project), previous).is_none()
    {
        let message = format!("Previous response with id '{previous}' not found.");
        return Err(Failure::new("X404", 400, message)
            .param("previous_response_id")
            .code("previous_response_not_found"));
    }
    let conversation = request.conversation.as_ref();
    let id = conversation.and_then(|one| one.as_str().or_else(|| one.get("id")?.as_str()));
    let home = Place { kind: "conversation", parent: "", project };
    match id {
        Some(id) if call.shared.store.value(home, id).is_none() => Err(no_conversation(id)),
        _ => Ok(()),
    }
}

fn response(call: &Call, request: &ResponseRequest, id: &str, model: &str) -> Value {
    let conversation = request.conversation.as_ref().map(|one| match one.as_str() {
        Some(id) => json!({"id": id}),
        None => one.clone(),
    });
    json!({"id": id, "object": "response", "created_at": call.now(), "status": "in_progress",
        "background": false, "completed_at": null, "error": null, "incomplete_details": null,
        "instructions": request.instructions, "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": null, "model": model, "output": [], "parallel_tool_calls": true,
        "previous_response_id": request.previous_response_id, "conversation": conversation,
        "prompt_cache_key": null, "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null, "service_tier": "default",
        "store": request.store.unwrap_or(true), "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto",
        "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": null,
        "user": null, "metadata": request.metadata.clone().unwrap_or_else(|| json!({}))})
}

fn output_item(id: &str, status: &str, text: &str) -> Value {
    let content = match status {
        "completed" => json!([part(text)]),
        _ => json!([]),
    };
    json!({"id": id, "type": "message", "status": status, "role": "assistant",
        "content": content})
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn events(call: &mut Call, begun: &Value, done: &Value, item: &str, words: &[&'static str]) -> Vec<Bytes> {
    let text = words.concat();
    let place = json!({"item_id": item, "output_index": 0, "content_index": 0});
    let in_place = |fields: Value| merged(&place, fields);
    let at_item = |value: Value| json!({"output_index": 0, "item": value});
    let mut told = vec![
        ("response.created", json!({"response": begun})),
        ("response.in_progress", json!({"response": begun})),
        ("response.output_item.added", at_item(output_item(item, "in_progress", ""))),
        ("response.content_part.added", in_place(json!({"part": part("")}))),
    ];
    for word in words {
        let padding = call.ids.base62(12);
        let fields = json!({"delta": word, "logprobs": [], "obfuscation": padding});
        told.push(("response.output_text.delta", in_place(fields)));
    }
    told.push(("response.output_text.done", in_place(json!({"text": text, "logprobs": []}))));
    told.push(("response.content_part.done", in_place(json!({"part": part(&text)}))));
    told.push(("response.output_item.done", at_item(output_item(item, "completed", &text))));
    told.push(("response.completed", json!({"response": done})));
    told.into_iter()
        .enumerate()
        .map(|(number, (name, fields))| {
            let numbered = json!({"type": name, "sequence_number": number});
            named_event(name, &merged(&numbered, fields))
        })
        .collect()
}

/// Both objects in one.
pub(crate) fn merged(first: &Value, second: Value) -> Value {
    let mut all = first.clone();
    if let (Some(all), Value::Object(second)) = (all.as_object_mut(), second) {
        all.extend(second);
    }
    all
}

fn bad_model(model: &str) -> Failure {
    Failure::new("O18", 400, format!("The requested model '{model}' does not exist."))
        .param("model")
        .code("model_not_found")
}

fn no_response(id: &str) -> Failure {
    Failure::new("X404", 404, format!("Response with id '{id}' not found."))
}

const fn place(project: &str) -> Place<'_> {
    Place { kind: "response", parent: "", project }
}
