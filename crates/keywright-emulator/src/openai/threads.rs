//! Assistants, threads and messages, as before 2026-08-26. Each belongs to the project of its key.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::openai::objects::{self, ok, overlay};
use crate::openai::{lost, runs};
use crate::reply::Reply;
use crate::request::Call;
use crate::store::Place;

/// `/v1/assistants` and `/v1/threads`, and below.
pub(crate) async fn handle(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let project = call.project();
    match path {
        ["assistants", rest @ ..] => assistants(call, rest, &project).await,
        ["threads", "runs"] => runs::create_with_thread(call, &project).await,
        ["threads"] => create_thread(call, &project).await,
        ["threads", id] => thread(call, id, &project).await,
        ["threads", id, rest @ ..] => {
            find_thread(call, id, &project)?;
            match rest {
                ["messages", rest @ ..] => messages(call, id, rest, &project).await,
                ["runs", rest @ ..] => runs::handle(call, id, rest, &project).await,
                _ => Err(lost(call, "O26")),
            }
        }
        _ => Err(lost(call, "O26")),
    }
}

async fn assistants(call: &mut Call, path: &[&str], project: &str) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let here = Place { kind: "assistant", parent: "", project };
    let no_such: fn(&str) -> Failure = no_assistant;
    match (method.as_str(), path) {
        ("POST", []) => {
            let fields: Map<String, Value> = call.json().await?;
            let model = fields.get("model").and_then(Value::as_str);
            super::gate::check_model(call, model.ok_or_else(super::chat::no_model)?)?;
            let id = call.ids.object("asst_");
            let mut value = json!({"id": id, "object": "assistant", "created_at": call.now(),
                "name": null, "description": null, "model": null, "instructions": null, "tools": [],
                "top_p": 1.0, "temperature": 1.0, "reasoning_effort": null, "tool_resources": {},
                "metadata": {}, "response_format": "auto"});
            overlay(&mut value, fields);
            call.shared.store.insert(here, &id, value.clone());
            Ok(ok(&value))
        }
        ("GET", []) => Ok(objects::list(call, here)),
        ("GET", [id]) => objects::one(call, here, id, no_such),
        ("POST", [id]) => objects::update(call, here, id, no_such).await,
        ("DELETE", [id]) => objects::delete(call, here, id, "assistant.deleted", no_such),
        _ => Err(lost(call, "O26")),
    }
}

async fn create_thread(call: &mut Call, project: &str) -> Result<Reply, Failure> {
    if call.parts.method != http::Method::POST {
        return Err(lost(call, "O26"));
    }
    let fields: Map<String, Value> = call.json().await?;
    Ok(ok(&new_thread(call, fields, project)))
}

/// Makes a thread and the messages it starts with.
pub(crate) fn new_thread(call: &mut Call, mut fields: Map<String, Value>, project: &str) -> Value {
    let id = call.ids.object("thread_");
    let messages = fields.remove("messages");
    let mut value = json!({"id": id, "object": "thread", "created_at": call.now(), "metadata": {},
        "tool_resources": {}});
    overlay(&mut value, fields);
    call.shared.store.insert(thread_place(project), &id, value.clone());
    for message in messages.as_ref().and_then(Value::as_array).into_iter().flatten().take(100) {
        let message = new_message(call, &id, message);
        store_message(call, &id, project, message);
    }
    value
}

async fn thread(call: &mut Call, id: &str, project: &str) -> Result<Reply, Failure> {
    let here = thread_place(project);
    match call.parts.method.as_str() {
        "GET" => objects::one(call, here, id, no_thread),
        "POST" => objects::update(call, here, id, no_thread).await,
        "DELETE" => objects::delete(call, here, id, "thread.deleted", no_thread),
        _ => Err(lost(call, "O26")),
    }
}

async fn messages(call: &mut Call, thread: &str, path: &[&str], project: &str) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let here = Place { kind: "message", parent: thread, project };
    match (method.as_str(), path) {
        ("POST", []) => {
            let request: Value = call.json().await?;
            let message = new_message(call, thread, &request);
            store_message(call, thread, project, message.clone());
            Ok(ok(&message))
        }
        ("GET", []) => Ok(objects::list(call, here)),
        ("GET", [id]) => objects::one(call, here, id, no_message),
        ("POST", [id]) => objects::update(call, here, id, no_message).await,
        ("DELETE", [id]) => objects::delete(call, here, id, "thread.message.deleted", no_message),
        _ => Err(lost(call, "O26")),
    }
}

/// A message of the user, from what the request says.
fn new_message(call: &mut Call, thread: &str, request: &Value) -> Value {
    let role = request.get("role").and_then(Value::as_str).unwrap_or("user");
    let content = match request.get("content") {
        Some(Value::String(text)) => text_content(text),
        Some(Value::Array(parts)) => parts.iter().map(stored_part).collect(),
        _ => json!([]),
    };
    let metadata = request.get("metadata").cloned().unwrap_or_else(|| json!({}));
    let attachments = request.get("attachments").cloned().unwrap_or_else(|| json!([]));
    let id = call.ids.object("msg_");
    json!({"id": id, "object": "thread.message", "created_at": call.now(), "thread_id": thread,
        "role": role, "content": content, "assistant_id": null, "run_id": null,
        "attachments": attachments, "metadata": metadata, "status": "completed",
        "completed_at": null, "incomplete_at": null, "incomplete_details": null})
}

/// A text part is sent as a string and stored as an object.
fn stored_part(part: &Value) -> Value {
    match part.get("text").and_then(Value::as_str) {
        Some(text) => json!({"type": "text", "text": {"value": text, "annotations": []}}),
        None => part.clone(),
    }
}

pub(crate) fn text_content(text: &str) -> Value {
    json!([{"type": "text", "text": {"value": text, "annotations": []}}])
}

pub(crate) fn store_message(call: &Call, thread: &str, project: &str, message: Value) {
    let id = message.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    call.shared.store.insert(Place { kind: "message", parent: thread, project }, &id, message);
}

fn find_thread(call: &Call, id: &str, project: &str) -> Result<(), Failure> {
    call.shared.store.value(thread_place(project), id).map(drop).ok_or_else(|| no_thread(id))
}

pub(crate) const fn thread_place(project: &str) -> Place<'_> {
    Place { kind: "thread", parent: "", project }
}

/// Another project's object is missed in the same words as one that never was.
pub(crate) fn no_assistant(id: &str) -> Failure {
    Failure::new("A3", 404, format!("No assistant found with id '{id}'."))
}

fn no_thread(id: &str) -> Failure {
    Failure::new("A3", 404, format!("No thread found with id '{id}'."))
}

fn no_message(id: &str) -> Failure {
    Failure::new("A3", 404, format!("No message found with id '{id}'."))
}
