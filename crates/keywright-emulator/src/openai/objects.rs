//! The common life of stored objects, and those that have no other: batches, vector stores, conversations.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::json::{self, Layout};
use crate::openai::chat::required;
use crate::openai::lost;
use crate::reply::Reply;
use crate::request::Call;
use crate::store::{Page, Place};

/// A good answer in the core layout.
pub(crate) fn ok(value: &Value) -> Reply {
    Reply::json(json::bytes(value, Layout::Two))
}

/// A page of a list, as the query asks.
pub(crate) fn list(call: &Call, place: Place<'_>) -> Reply {
    let limit = call.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20_usize);
    let page = Page {
        limit: limit.clamp(1, 10_000),
        oldest_first: call.query("order") == Some("asc"),
        after: call.query("after"),
    };
    let (data, has_more) = call.shared.store.list(place, page);
    let id = |value: Option<&Value>| value.and_then(|value| value.get("id")).cloned();
    let (first, last) = (id(data.first()), id(data.last()));
    ok(&json!({"object": "list", "data": data, "first_id": first, "last_id": last,
        "has_more": has_more}))
}

/// An object, or the refusal that says how its kind is missed.
pub(crate) fn one(call: &Call, place: Place<'_>, id: &str, missing: fn(&str) -> Failure) -> Result<Reply, Failure> {
    call.shared.store.value(place, id).map(|value| ok(&value)).ok_or_else(|| missing(id))
}

/// Puts the request's fields over the object's, except those that the provider decides.
pub(crate) async fn update(
    call: &mut Call,
    place: Place<'_>,
    id: &str,
    missing: fn(&str) -> Failure,
) -> Result<Reply, Failure> {
    let fields: Map<String, Value> = call.json().await?;
    let changed = call.shared.store.with(place, id, |object| {
        overlay(&mut object.value, fields);
        object.value.clone()
    });
    changed.map(|value| ok(&value)).ok_or_else(|| missing(id))
}

/// Copies the fields that the object already has.
pub(crate) fn overlay(value: &mut Value, fields: Map<String, Value>) {
    for (name, field) in fields {
        let fixed = matches!(name.as_str(), "id" | "object" | "created_at" | "status");
        if let Some(slot) = value.get_mut(&name).filter(|_| !fixed) {
            *slot = field;
        }
    }
}

pub(crate) fn delete(
    call: &Call,
    place: Place<'_>,
    id: &str,
    object: &str,
    missing: fn(&str) -> Failure,
) -> Result<Reply, Failure> {
    call.shared.store.remove(place, id).ok_or_else(|| missing(id))?;
    Ok(ok(&json!({"id": id, "object": object, "deleted": true})))
}

/// `/v1/conversations` and below.
pub(crate) async fn conversations(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let project = call.project();
    let here = Place { kind: "conversation", parent: "", project: &project };
    let no_such: fn(&str) -> Failure = no_conversation;
    match (method.as_str(), path) {
        ("POST", []) => {
            let request: Value = call.json().await?;
            let id = format!("conv_{}", call.ids.hex(48));
            let value = json!({"id": id, "object": "conversation", "created_at": call.now(),
                "metadata": request.get("metadata").unwrap_or(&json!({}))});
            call.shared.store.insert(here, &id, value.clone());
            if request.get("items").is_some_and(Value::is_array) {
                add_items(call, &id, &project, &request)?;
            }
            Ok(ok(&value))
        }
        ("GET", [id]) => one(call, here, id, no_such),
        ("POST", [id]) => update(call, here, id, no_such).await,
        ("DELETE", [id]) => delete(call, here, id, "conversation.deleted", no_such),
        ("GET", [id, "items"]) => {
            one(call, here, id, no_such)?;
            Ok(list(call, Place { kind: "item", parent: id, project: &project }))
        }
        ("POST", [id, "items"]) => {
            one(call, here, id, no_such)?;
            let request: Value = call.json().await?;
            add_items(call, id, &project, &request)
        }
        ("GET", [id, "items", item]) => one(call, Place { kind: "item", parent: id, project: &project }, item, no_such),
        _ => Err(lost(call, "O26")),
    }
}

fn add_items(call: &mut Call, parent: &str, project: &str, request: &Value) -> Result<Reply, Failure> {
    let items = request.get("items").and_then(Value::as_array).ok_or_else(|| required("items"))?;
    let place = Place { kind: "item", parent, project };
    let mut data = Vec::new();
    for item in items.iter().take(20) {
        let mut item = item.clone();
        let id = format!("msg_{}", call.ids.hex(48));
        if let Some(fields) = item.as_object_mut() {
            fields.insert("id".into(), json!(id));
            fields.entry("type").or_insert(json!("message"));
            fields.insert("status".into(), json!("completed"));
            if let Some(text) = fields.get("content").and_then(Value::as_str) {
                let content = json!([{"type": "input_text", "text": text}]);
                fields.insert("content".into(), content);
            }
        }
        call.shared.store.insert(place, &id, item.clone());
        data.push(item);
    }
    let id = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned();
    let (first, last) = (id(data.first()), id(data.last()));
    Ok(ok(&json!({"object": "list", "data": data, "first_id": first, "last_id": last,
        "has_more": false})))
}

pub(crate) fn no_conversation(id: &str) -> Failure {
    Failure::new("X404", 404, format!("Conversation with id '{id}' not found."))
}

/// `/v1/batches` and below. A batch is done as soon as it is looked at.
pub(crate) async fn batches(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let project = call.project();
    let here = Place { kind: "batch", parent: "", project: &project };
    match (method.as_str(), path) {
        ("POST", []) => {
            let request: Value = call.json().await?;
            let file = request.get("input_file_id").and_then(Value::as_str);
            let file = file.ok_or_else(|| required("input_file_id"))?;
            if call.shared.store.value(super::files::place(&project), file).is_none() {
                let message = format!("No such File object: {file}");
                return Err(Failure::new("X404", 404, message).param("input_file_id"));
            }
            let id = call.ids.object("batch_");
            let value = batch(call, &id, &request);
            call.shared.store.insert(here, &id, value.clone());
            Ok(ok(&value))
        }
        ("GET", []) => Ok(list(call, here)),
        ("GET", [id]) => settle(call, here, id, "completed", "completed_at"),
        ("POST", [id, "cancel"]) => settle(call, here, id, "cancelled", "cancelled_at"),
        _ => Err(lost(call, "O26")),
    }
}

fn batch(call: &Call, id: &str, request: &Value) -> Value {
    let field = |name: &str| request.get(name).cloned().unwrap_or_default();
    let now = call.now();
    json!({"id": id, "object": "batch", "endpoint": field("endpoint"), "errors": null,
        "input_file_id": field("input_file_id"), "completion_window": "24h", "status": "validating",
        "output_file_id": null, "error_file_id": null, "created_at": now, "in_progress_at": null,
        "expires_at": now + 86_400, "finalizing_at": null, "completed_at": null, "failed_at": null,
        "expired_at": null, "cancelling_at": null, "cancelled_at": null,
        "request_counts": {"total": 0, "completed": 0, "failed": 0}, "metadata": field("metadata")})
}

fn settle(call: &Call, place: Place<'_>, id: &str, status: &str, stamp: &str) -> Result<Reply, Failure> {
    let now = call.now();
    let settled = call.shared.store.with(place, id, |object| {
        if object.value["status"] == "validating" {
            object.value["status"] = json!(status);
            object.value[stamp] = json!(now);
        }
        object.value.clone()
    });
    settled.map(|value| ok(&value)).ok_or_else(|| Failure::new("X404", 404, format!("No batch found with id '{id}'.")))
}

/// `/v1/vector_stores` and below.
pub(crate) async fn vector_stores(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let project = call.project();
    let here = Place { kind: "vector_store", parent: "", project: &project };
    let no_such: fn(&str) -> Failure = no_vector_store;
    if let [id, _, ..] = path {
        one(call, here, id, no_such)?;
    }
    match (method.as_str(), path) {
        ("POST", []) => {
            let fields: Map<String, Value> = call.json().await?;
            let id = call.ids.object("vs_");
            let now = call.now();
            let mut value = json!({"id": id, "object": "vector_store", "created_at": now,
                "name": null, "usage_bytes": 0, "status": "completed", "expires_after": null,
                "expires_at": null, "last_active_at": now, "metadata": {},
                "file_counts": {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0,
                    "total": 0}});
            overlay(&mut value, fields);
            call.shared.store.insert(here, &id, value.clone());
            Ok(ok(&value))
        }
        ("GET", []) => Ok(list(call, here)),
        ("GET", [id]) => one(call, here, id, no_such),
        ("POST", [id]) => update(call, here, id, no_such).await,
        ("DELETE", [id]) => delete(call, here, id, "vector_store.deleted", no_such),
        ("POST", [_, "search"]) => Ok(ok(&json!({"object": "vector_store.search_results.page",
            "search_query": [], "data": [], "has_more": false, "next_page": null}))),
        (_, [id, "files", rest @ ..]) => vector_store_files(call, id, rest).await,
        _ => Err(lost(call, "O26")),
    }
}

async fn vector_store_files(call: &mut Call, parent: &str, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let project = call.project();
    let here = Place { kind: "vector_store.file", parent, project: &project };
    match (method.as_str(), path) {
        ("POST", []) => {
            let request: Value = call.json().await?;
            let file = request.get("file_id").and_then(Value::as_str);
            let file = file.ok_or_else(|| required("file_id"))?;
            let value = json!({"id": file, "object": "vector_store.file", "created_at": call.now(),
                "usage_bytes": 0, "vector_store_id": parent, "status": "completed",
                "last_error": null, "attributes": {},
                "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 800,
                    "chunk_overlap_tokens": 400}}});
            // The same file may be in several stores, so its name here is made of both.
            call.shared.store.insert(here, &format!("{parent}/{file}"), value.clone());
            Ok(ok(&value))
        }
        ("GET", []) => Ok(list(call, here)),
        ("GET", [file]) => one(call, here, &format!("{parent}/{file}"), no_vector_store_file),
        ("DELETE", [file]) => {
            let id = format!("{parent}/{file}");
            call.shared.store.remove(here, &id).ok_or_else(|| no_vector_store_file(&id))?;
            Ok(ok(&json!({"id": file, "object": "vector_store.file.deleted", "deleted": true})))
        }
        _ => Err(lost(call, "O26")),
    }
}

fn no_vector_store(id: &str) -> Failure {
    Failure::new("X404", 404, format!("Vector store with id '{id}' not found."))
}

fn no_vector_store_file(id: &str) -> Failure {
    let file = id.rsplit('/').next().unwrap_or_default();
    Failure::new("X404", 404, format!("No file found with id '{file}' in vector store."))
}
