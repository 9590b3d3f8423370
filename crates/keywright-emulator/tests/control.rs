//! The control door, from outside.

#![allow(clippy::unwrap_used, reason = "helpers are tests too")]

mod common;

use common::{builder, chat, emulator, get, key, post, put};
use keywright_emulator::KeyState;
use serde_json::json;

#[tokio::test]
async fn a_key_changes_state_while_it_runs() {
    let emulator = emulator().await;
    for provider in ["openai", "fireworks", "together"] {
        let key = key(provider);
        let path = format!("/_control/keys/{provider}/{key}");
        assert_eq!(chat(&emulator, provider, &key).await.status, 200);
        let set = put(&emulator, &path, r#"{"state": "revoked"}"#).await;
        assert_eq!(set.json()["state"], "revoked");
        assert_eq!(chat(&emulator, provider, &key).await.status, 401);
        put(&emulator, &path, r#"{"state": "valid"}"#).await;
        assert_eq!(chat(&emulator, provider, &key).await.status, 200);
    }
}

#[tokio::test]
async fn calls_are_counted_by_key_and_status() {
    let emulator = emulator().await;
    let key = key("openai");
    chat(&emulator, "openai", &key).await;
    chat(&emulator, "openai", &key).await;
    emulator.set_key("openai", &key, KeyState::Expired).unwrap();
    chat(&emulator, "openai", &key).await;
    chat(&emulator, "openai", "").await;
    let calls = get(&emulator, "/_control/calls", "").await;
    assert!(!calls.text().contains(&key), "keys are masked");
    assert_eq!(calls.json()["total"], 4);
    let one = get(&emulator, &format!("/_control/calls/openai/{key}"), "").await.json();
    assert_eq!(one["calls"][0]["calls"], 2);
    assert_eq!(one["calls"][1]["status"], 401);
    assert_eq!(one["calls"][1]["answer"], "O5");
    assert_eq!(emulator.calls_of("openai", &key).len(), 2);
    assert_eq!(emulator.calls().iter().find(|row| row.key == "(none)").unwrap().calls, 1);
}

#[tokio::test]
async fn a_reset_goes_back_to_the_start() {
    let emulator = emulator().await;
    let key = key("openai");
    emulator.set_key("openai", &key, KeyState::Revoked).unwrap();
    emulator.set_key("openai", "sk-new", KeyState::Valid).unwrap();
    put(&emulator, "/_control/settings", r#"{"assistants": "live"}"#).await;
    let reset = post(&emulator, "/_control/reset", "", &json!({})).await;
    assert_eq!(reset.status, 200);
    assert_eq!(emulator.calls(), []);
    assert_eq!(chat(&emulator, "openai", &key).await.status, 200);
    assert_eq!(chat(&emulator, "openai", "sk-new").await.status, 401);
    let settings = get(&emulator, "/_control/settings", "").await.json();
    assert_eq!(settings["assistants"], "gone");
}

#[tokio::test]
async fn bad_input_is_told_with_its_place() {
    let emulator = emulator().await;
    let cases = [
        ("/_control/keys/acme/k", r#"{"state": "valid"}"#, 404, "path"),
        ("/_control/keys/openai/k", r#"{"state": "revokd"}"#, 400, "state"),
        ("/_control/keys/openai/k", r#"{"state": "fire_pass"}"#, 400, "state"),
        ("/_control/keys/openai/k", r#"{"state": "valid", "ms": 4}"#, 400, "ms"),
        ("/_control/keys/openai/k", r#"{"state": "slow"}"#, 400, "ms"),
        ("/_control/keys/openai/k", "{\n  \"stat\": 1}", 400, "body"),
        ("/_control/keys/openai/k", "", 400, "body"),
        ("/_control/keys/openai/%zz", r#"{"state": "valid"}"#, 400, "key"),
        ("/_control/settings", r#"{"assistants": "maybe"}"#, 400, "body"),
        ("/_control/nothing", "{}", 404, "path"),
    ];
    for (path, body, status, at) in cases {
        let answer = put(&emulator, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}");
        assert_eq!(answer.json()["error"]["at"], at, "{path} {body}");
    }
    let answer = put(&emulator, "/_control/keys/openai/k", "{\n  \"stat\": 1}").await;
    assert_eq!(answer.json()["error"]["line"], 2);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("`stat`"));
}

#[tokio::test]
async fn an_odd_key_can_be_registered_percent_encoded() {
    let emulator = emulator().await;
    put(&emulator, "/_control/keys/openai/My%20API%20Key", r#"{"state": "valid"}"#).await;
    assert_eq!(chat(&emulator, "openai", "My API Key").await.status, 200);
}

#[tokio::test]
async fn unknown_keys_can_be_accepted() {
    let emulator = emulator().await;
    put(&emulator, "/_control/settings", r#"{"unknown_keys": "accept"}"#).await;
    assert_eq!(chat(&emulator, "openai", "anything").await.status, 200);
    emulator.set_key("openai", "anything", KeyState::Revoked).unwrap();
    assert_eq!(chat(&emulator, "openai", "anything").await.status, 401);
}

#[tokio::test]
async fn the_answers_are_listed_with_their_marks() {
    let emulator = emulator().await;
    let table = get(&emulator, "/_control/answers", "").await.json();
    let expired = table["answers"].as_array().unwrap().iter().find(|note| note["id"] == "O5");
    assert_eq!(expired.unwrap()["mark"], "UNKNOWN");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes() {
    let (a, b) = (builder().seed(5), builder().seed(5));
    let (a, b) = (a.start().await.unwrap(), b.start().await.unwrap());
    let other = builder().seed(6).start().await.unwrap();
    for provider in ["openai", "fireworks", "together"] {
        let key = key(provider);
        let (one, two) = (chat(&a, provider, &key).await, chat(&b, provider, &key).await);
        assert_eq!((&one.body, &one.headers), (&two.body, &two.headers));
        assert_ne!(one.body, chat(&other, provider, &key).await.body);
    }
}
