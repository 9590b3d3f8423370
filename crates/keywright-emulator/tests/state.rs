//! Objects that live on the server: assistants, threads, runs, vector stores, and keys that admins make.

#![allow(clippy::unwrap_used, reason = "helpers are tests too")]

mod common;

use common::{builder, chat, delete, get, key, post};
use http_body_util::Full;
use keywright_emulator::{Assistants, Emulator, KeySpec, Settings, sample_admin_key};
use serde_json::{Value, json};

async fn live() -> Emulator {
    builder().assistants(Assistants::Live).start().await.unwrap()
}

async fn make(emulator: &Emulator, path: &str, body: Value) -> String {
    let made = post(emulator, path, &key("openai"), &body).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn assistants_are_gone_by_default() {
    let emulator = common::emulator().await;
    for path in ["/openai/v1/assistants", "/openai/v1/threads", "/openai/v1/threads/t/runs"] {
        let answer = post(&emulator, path, &key("openai"), &json!({"model": "m"})).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (404, 0), "{path}");
    }
}

#[tokio::test]
async fn live_assistants_demand_their_header() {
    let emulator = live().await;
    let request = common::request("GET", "/openai/v1/assistants", &key("openai"));
    let answer = common::send(&emulator, request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["code"], "invalid_beta");
}

async fn read(emulator: &Emulator, path: &str, key: &str) -> common::Answer {
    let request = common::request("GET", path, key).header("openai-beta", "assistants=v2");
    common::send(emulator, request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn a_run_completes_and_leaves_a_message_and_a_step() {
    let emulator = live().await;
    let key = key("openai");
    let assistant = make(&emulator, "/openai/v1/assistants", json!({"model": "gpt-4o", "name": "A"})).await;
    let hello = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let thread = make(&emulator, "/openai/v1/threads", hello).await;
    let runs = format!("/openai/v1/threads/{thread}/runs");
    let run = make(&emulator, &runs, json!({"assistant_id": assistant})).await;
    let polled = read(&emulator, &format!("{runs}/{run}"), &key).await.json();
    assert_eq!(polled["status"], "completed");
    let messages = read(&emulator, &format!("/openai/v1/threads/{thread}/messages"), &key).await.json();
    assert_eq!(messages["data"][0]["role"], "assistant");
    assert_eq!(messages["data"][1]["content"][0]["text"]["value"], "Hi");
    let steps = read(&emulator, &format!("{runs}/{run}/steps"), &key).await.json();
    assert_eq!(steps["data"][0]["type"], "message_creation");
}

#[tokio::test]
async fn a_streamed_run_tells_every_event() {
    let emulator = live().await;
    let assistant = make(&emulator, "/openai/v1/assistants", json!({"model": "gpt-4o"})).await;
    let body = json!({"assistant_id": assistant, "stream": true});
    let answer = post(&emulator, "/openai/v1/threads/runs", &key("openai"), &body).await;
    let mut names = answer.names();
    names.dedup();
    assert_eq!(
        names,
        [
            "thread.created",
            "thread.run.created",
            "thread.run.queued",
            "thread.run.in_progress",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            "thread.message.created",
            "thread.message.in_progress",
            "thread.message.delta",
            "thread.message.completed",
            "thread.run.step.completed",
            "thread.run.completed",
            "done",
        ]
    );
    assert_eq!(answer.data().last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn a_function_is_asked_for_and_its_output_ends_the_run() {
    let emulator = live().await;
    let tool = json!({"type": "function", "function": {"name": "weather", "parameters": {}}});
    let body = json!({"model": "gpt-4o", "tools": [tool]});
    let assistant = make(&emulator, "/openai/v1/assistants", body).await;
    let thread = make(&emulator, "/openai/v1/threads", json!({})).await;
    let runs = format!("/openai/v1/threads/{thread}/runs");
    let run = make(&emulator, &runs, json!({"assistant_id": assistant})).await;
    let path = format!("{runs}/{run}");
    let waiting = read(&emulator, &path, &key("openai")).await.json();
    assert_eq!(waiting["status"], "requires_action");
    let call = &waiting["required_action"]["submit_tool_outputs"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "weather");
    let outputs = json!({"tool_outputs": [{"tool_call_id": call["id"], "output": "sun"}]});
    make(&emulator, &format!("{path}/submit_tool_outputs"), outputs).await;
    let done = read(&emulator, &path, &key("openai")).await.json();
    assert_eq!(done["status"], "completed");
}

#[tokio::test]
async fn another_projects_assistant_is_not_found() {
    let emulator = live().await;
    let id = make(&emulator, "/openai/v1/assistants", json!({"model": "gpt-4o"})).await;
    emulator.set_key("openai", "sk-other", KeySpec::valid().project("proj_other")).unwrap();
    let path = format!("/openai/v1/assistants/{id}");
    assert_eq!(read(&emulator, &path, &key("openai")).await.status, 200);
    let answer = read(&emulator, &path, "sk-other").await;
    assert_eq!(answer.status, 404);
    let error = &answer.json()["error"];
    assert_eq!(error["message"], format!("No assistant found with id '{id}'."));
    assert!(error["code"].is_null());
}

#[tokio::test]
async fn a_vector_store_lives_and_dies() {
    let emulator = common::emulator().await;
    let id = make(&emulator, "/openai/v1/vector_stores", json!({"name": "docs"})).await;
    let path = format!("/openai/v1/vector_stores/{id}");
    let files = make(&emulator, &format!("{path}/files"), json!({"file_id": "file-1"})).await;
    assert_eq!(files, "file-1");
    assert_eq!(get(&emulator, &path, &key("openai")).await.json()["name"], "docs");
    assert_eq!(delete(&emulator, &path, &key("openai")).await.json()["deleted"], true);
    assert_eq!(get(&emulator, &path, &key("openai")).await.status, 404);
}

#[tokio::test]
async fn a_service_account_key_works_until_it_is_deleted() {
    let emulator = common::emulator().await;
    let path = "/openai/v1/organization/projects/proj_x/service_accounts";
    let refused = post(&emulator, path, &key("openai"), &json!({"name": "ci"})).await;
    assert_eq!(refused.status, 401);
    let admin = sample_admin_key();
    let made = post(&emulator, path, &admin, &json!({"name": "ci"})).await.json();
    let made_key = made["api_key"]["value"].as_str().unwrap();
    assert_eq!(made_key.len(), 167);
    assert_eq!(chat(&emulator, "openai", made_key).await.header("openai-project"), "proj_x");
    let listed = get(&emulator, "/openai/v1/organization/projects/proj_x/api_keys", &admin).await;
    assert!(!listed.text().contains(made_key));
    let key_id = listed.json()["data"][0]["id"].as_str().unwrap().to_owned();
    let alone = format!("/openai/v1/organization/projects/proj_x/api_keys/{key_id}");
    assert_eq!(delete(&emulator, &alone, &admin).await.status, 400, "its account goes, or nothing");
    delete(&emulator, &format!("{path}/{}", made["id"].as_str().unwrap()), &admin).await;
    assert_eq!(chat(&emulator, "openai", made_key).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_made_key_works_after_it_has_spread() {
    let emulator = common::emulator().await;
    emulator.set_settings(Settings { propagation_delay_ms: 60_000, ..Settings::default() });
    let path = "/fireworks/v1/accounts/keywright-emulator/users/me/apiKeys";
    let body = json!({"apiKey": {"displayName": "ci"}});
    let made = post(&emulator, path, &key("fireworks"), &body).await.json();
    let made_key = made["key"].as_str().unwrap();
    assert_eq!(made_key.len(), 27);
    assert_eq!(chat(&emulator, "fireworks", made_key).await.status, 401);
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    assert_eq!(chat(&emulator, "fireworks", made_key).await.status, 200);
    let listed = get(&emulator, path, &key("fireworks")).await.json();
    assert_eq!(listed["apiKeys"][0]["keyId"], made["keyId"]);
    let gone = json!({"keyId": made["keyId"]});
    assert_eq!(post(&emulator, &format!("{path}:delete"), &key("fireworks"), &gone).await.status, 200);
    assert_eq!(chat(&emulator, "fireworks", made_key).await.status, 200, "not everywhere yet");
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    assert_eq!(chat(&emulator, "fireworks", made_key).await.status, 401);
}
