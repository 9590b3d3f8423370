//! Runs and their steps: a run waits in the queue until it is looked at, or is told event by event.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::json::named_event;
use crate::openai::chat::required;
use crate::openai::lost;
use crate::openai::objects::{self, ok, overlay};
use crate::openai::threads::{new_thread, no_assistant, store_message, text_content};
use crate::reply::{EventStyle, Reply};
use crate::request::Call;
use crate::store::Place;
use crate::text::pieces;

/// `/v1/threads/{thread}/runs` and below.
pub(crate) async fn handle(call: &mut Call, thread: &str, path: &[&str], project: &str) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    let here = Place { kind: "run", parent: thread, project };
    match (method.as_str(), path) {
        ("POST", []) => {
            let request: Map<String, Value> = call.json().await?;
            create(call, thread, request, project, Vec::new())
        }
        ("GET", []) => Ok(objects::list(call, here)),
        ("GET", [id]) => {
            advance(call, thread, id, project);
            objects::one(call, here, id, no_run)
        }
        ("POST", [id]) => objects::update(call, here, id, no_run).await,
        ("POST", [id, "cancel"]) => finish(call, here, id, "cancelled", "cancelled_at"),
        ("POST", [id, "submit_tool_outputs"]) => {
            objects::one(call, here, id, no_run)?;
            answer_tools(call, thread, id, project).await
        }
        ("GET", [id, "steps"]) => Ok(objects::list(call, steps_of(id, project))),
        ("GET", [id, "steps", step]) => objects::one(call, steps_of(id, project), step, no_step),
        _ => Err(lost(call, "O26")),
    }
}

/// `POST /v1/threads/runs`.
pub(crate) async fn create_with_thread(call: &mut Call, project: &str) -> Result<Reply, Failure> {
    if call.parts.method != http::Method::POST {
        return Err(lost(call, "O26"));
    }
    let mut request: Map<String, Value> = call.json().await?;
    let fields = match request.remove("thread") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    find_assistant(call, &request, project)?;
    let thread = new_thread(call, fields, project);
    let id = thread.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let first = vec![named_event("thread.created", &thread)];
    create(call, &id, request, project, first)
}

fn find_assistant(call: &Call, request: &Map<String, Value>, project: &str) -> Result<Value, Failure> {
    let id = request.get("assistant_id").and_then(Value::as_str);
    let id = id.ok_or_else(|| required("assistant_id"))?;
    let place = Place { kind: "assistant", parent: "", project };
    call.shared.store.value(place, id).ok_or_else(|| no_assistant(id))
}

fn create(
    call: &mut Call,
    thread: &str,
    request: Map<String, Value>,
    project: &str,
    events: Vec<Bytes>,
) -> Result<Reply, Failure> {
    let assistant = find_assistant(call, &request, project)?;
    let streams = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let run = new_run(call, thread, &assistant, request);
    let id = run.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    call.shared.store.insert(Place { kind: "run", parent: thread, project }, &id, run.clone());
    if !streams {
        return Ok(ok(&run));
    }
    let mut events = events;
    for status in ["created", "queued", "in_progress"] {
        let mut told = run.clone();
        told["status"] = json!(if status == "created" { "queued" } else { status });
        events.push(named_event(&format!("thread.run.{status}"), &told));
    }
    if wants_tool(&run) {
        let waiting = ask_tool(call, thread, &id, project).unwrap_or(run);
        events.push(named_event("thread.run.requires_action", &waiting));
    } else {
        tell_answer(call, thread, &id, project, &mut events);
    }
    events.push(END);
    Ok(Reply::events(events, EventStyle::Assistants))
}

fn new_run(call: &mut Call, thread: &str, assistant: &Value, request: Map<String, Value>) -> Value {
    let from = |name: &str| assistant.get(name).cloned().unwrap_or_default();
    let id = call.ids.object("run_");
    let now = call.now();
    let mut run = json!({"id": id, "object": "thread.run", "created_at": now,
        "assistant_id": from("id"), "thread_id": thread, "status": "queued", "started_at": null,
        "expires_at": now + 600, "cancelled_at": null, "failed_at": null, "completed_at": null,
        "required_action": null, "last_error": null, "model": from("model"),
        "instructions": from("instructions").as_str().unwrap_or_default(), "tools": from("tools"), "metadata": {},
        "usage": null, "temperature": 1.0, "top_p": 1.0, "max_prompt_tokens": null,
        "max_completion_tokens": null, "incomplete_details": null, "tool_choice": "auto",
        "truncation_strategy": {"type": "auto", "last_messages": null},
        "response_format": "auto", "parallel_tool_calls": true});
    let known = request.into_iter().filter(|(name, value)| name != "thread_id" && !value.is_null());
    overlay(&mut run, known.collect());
    run
}

/// A run with a function among its tools asks for it once.
fn wants_tool(run: &Value) -> bool {
    let tools = run.get("tools").and_then(Value::as_array);
    run["required_action"].is_null() && tools.is_some_and(|tools| tools.iter().any(|tool| tool["type"] == "function"))
}

/// What a look at a run does: it moves on from the queue.
fn advance(call: &mut Call, thread: &str, id: &str, project: &str) {
    let place = Place { kind: "run", parent: thread, project };
    let Some(run) = call.shared.store.value(place, id) else {
        return;
    };
    if run["status"] != "queued" {
        return;
    }
    if wants_tool(&run) {
        ask_tool(call, thread, id, project);
    } else {
        tell_answer(call, thread, id, project, &mut Vec::new());
    }
}

fn ask_tool(call: &mut Call, thread: &str, id: &str, project: &str) -> Option<Value> {
    let tool = call.ids.object("call_");
    let place = Place { kind: "run", parent: thread, project };
    call.shared.store.with(place, id, |object| {
        let run = &mut object.value;
        let name = run["tools"]
            .as_array()
            .and_then(|tools| tools.iter().find_map(|tool| tool["function"]["name"].as_str().map(str::to_owned)));
        run["status"] = json!("requires_action");
        run["required_action"] = json!({"type": "submit_tool_outputs", "submit_tool_outputs":
            {"tool_calls": [{"id": tool, "type": "function",
                "function": {"name": name, "arguments": "{}"}}]}});
        run.clone()
    })
}

async fn answer_tools(call: &mut Call, thread: &str, id: &str, project: &str) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let place = Place { kind: "run", parent: thread, project };
    let waited = call.shared.store.with(place, id, |object| {
        let waits = object.value["status"] == "requires_action";
        if waits {
            object.value["status"] = json!("queued");
        }
        waits
    });
    if waited != Some(true) {
        let message = format!("Runs in status other than 'requires_action' do not accept tool outputs: '{id}'.");
        return Err(Failure::new("X400", 400, message));
    }
    if request.get("stream").and_then(Value::as_bool) == Some(true) {
        let mut events = Vec::new();
        tell_answer(call, thread, id, project, &mut events);
        events.push(END);
        return Ok(Reply::events(events, EventStyle::Assistants));
    }
    objects::one(call, place, id, no_run)
}

/// Answers: the step, the message, and the run's end, as objects and as events.
fn tell_answer(call: &mut Call, thread: &str, id: &str, project: &str, events: &mut Vec<Bytes>) {
    let place = Place { kind: "run", parent: thread, project };
    let Some(run) = call.shared.store.value(place, id) else {
        return;
    };
    let (step_id, message_id) = (call.ids.object("step_"), call.ids.object("msg_"));
    let now = call.now();
    let usage = json!({"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20});
    let mut step = json!({"id": step_id, "object": "thread.run.step", "created_at": now,
        "run_id": id, "assistant_id": run["assistant_id"], "thread_id": thread,
        "type": "message_creation", "status": "in_progress", "cancelled_at": null,
        "completed_at": null, "expired_at": null, "failed_at": null, "last_error": null,
        "step_details": {"type": "message_creation",
            "message_creation": {"message_id": message_id}}, "usage": null, "metadata": null});
    let mut message = json!({"id": message_id, "object": "thread.message", "created_at": now,
        "thread_id": thread, "role": "assistant", "content": [], "run_id": id,
        "assistant_id": run["assistant_id"], "attachments": [], "metadata": {},
        "status": "in_progress", "completed_at": null, "incomplete_at": null,
        "incomplete_details": null});
    for status in ["created", "in_progress"] {
        events.push(named_event(&format!("thread.run.step.{status}"), &step));
    }
    for status in ["created", "in_progress"] {
        events.push(named_event(&format!("thread.message.{status}"), &message));
    }
    let words = pieces(run["max_completion_tokens"].as_u64());
    for word in &words {
        let delta = json!({"id": message_id, "object": "thread.message.delta", "delta": {"content":
            [{"index": 0, "type": "text", "text": {"value": word, "annotations": []}}]}});
        events.push(named_event("thread.message.delta", &delta));
    }
    message["content"] = text_content(&words.concat());
    for (object, name) in [(&mut message, "thread.message"), (&mut step, "thread.run.step")] {
        object["status"] = json!("completed");
        object["completed_at"] = json!(now);
        if name == "thread.run.step" {
            object["usage"] = usage.clone();
        }
        events.push(named_event(&format!("{name}.completed"), object));
    }
    store_message(call, thread, project, message);
    call.shared.store.insert(steps_of(id, project), &step_id, step);
    let done = call.shared.store.with(place, id, |object| {
        let run = &mut object.value;
        run["status"] = json!("completed");
        run["started_at"] = json!(now);
        run["completed_at"] = json!(now);
        run["usage"] = usage;
        run["required_action"] = Value::Null;
        run.clone()
    });
    events.extend(done.map(|run| named_event("thread.run.completed", &run)));
}

fn finish(call: &Call, place: Place<'_>, id: &str, status: &str, stamp: &str) -> Result<Reply, Failure> {
    let now = call.now();
    let ended = call.shared.store.with(place, id, |object| {
        object.value["status"] = json!(status);
        object.value[stamp] = json!(now);
        object.value.clone()
    });
    ended.map(|run| ok(&run)).ok_or_else(|| no_run(id))
}

const fn steps_of<'a>(run: &'a str, project: &'a str) -> Place<'a> {
    Place { kind: "step", parent: run, project }
}

fn no_run(id: &str) -> Failure {
    Failure::new("A3", 404, format!("No run found with id '{id}'."))
}

fn no_step(id: &str) -> Failure {
    Failure::new("A3", 404, format!("No run step found with id '{id}'."))
}

const END: Bytes = Bytes::from_static(b"event: done\ndata: [DONE]\n\n");
