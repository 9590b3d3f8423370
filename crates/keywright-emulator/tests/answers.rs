//! Good answers: their shapes, streams, and the two HTTP versions.

#![allow(clippy::unwrap_used, reason = "helpers are tests too")]

mod common;

use bytes::Bytes;
use common::{chat_body, chat_path, delete, emulator, get, key, post, request, send, send_h2};
use http_body_util::Full;
use keywright_emulator::{KeyState, Models, Settings};
use serde_json::{Value, json};

#[tokio::test]
async fn openai_chat_is_pretty_and_carries_the_limits() {
    let emulator = emulator().await;
    let answer = post(&emulator, chat_path("openai"), &key("openai"), &chat_body(false)).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.text().starts_with("{\n  \"id\": \"chatcmpl-") && answer.text().ends_with("}\n"));
    assert_eq!(answer.json()["id"].as_str().unwrap().len(), "chatcmpl-".len() + 29);
    assert_eq!(answer.header("x-ratelimit-remaining-tokens"), "199967");
    assert_eq!(answer.header("x-request-id").len(), 36);
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("x-keywright")));
}

#[tokio::test]
async fn an_openai_stream_has_usage_padding_and_an_end() {
    let emulator = emulator().await;
    let mut body = chat_body(true);
    body["stream_options"] = json!({"include_usage": true});
    body["max_tokens"] = json!(3);
    let answer = post(&emulator, chat_path("openai"), &key("openai"), &body).await;
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    let data = answer.data();
    assert_eq!(data.len(), 1 + 3 + 1 + 1 + 1);
    assert_eq!(data.last().unwrap(), "[DONE]");
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    let first: Value = serde_json::from_str(&data[0]).unwrap();
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant");
    assert!(first["usage"].is_null() && first["obfuscation"].is_string());
    let last: Value = serde_json::from_str(&data[5]).unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn a_together_stream_has_its_extras() {
    let emulator = emulator().await;
    let answer = post(&emulator, chat_path("together"), &key("together"), &chat_body(true)).await;
    assert_eq!(answer.header("content-type"), "text/event-stream;charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache, no-transform");
    let data = answer.data();
    let first: Value = serde_json::from_str(&data[0]).unwrap();
    assert!(first["usage"].is_null() && first["choices"][0]["text"].is_string());
    assert!(first["choices"][0]["delta"]["token_id"].is_number());
    let last: Value = serde_json::from_str(&data[data.len() - 2]).unwrap();
    assert!(last["usage"]["total_tokens"].is_number());
    assert_eq!(data.last().unwrap(), "[DONE]");
}

#[tokio::test]
async fn a_fireworks_stream_carries_no_timings() {
    let emulator = emulator().await;
    for path in ["/fireworks/inference/v1/chat/completions", "/fireworks/v1/chat/completions"] {
        let whole = post(&emulator, path, &key("fireworks"), &chat_body(false)).await;
        assert_eq!(whole.header("fireworks-server-processing-time"), "0.044");
        let stream = post(&emulator, path, &key("fireworks"), &chat_body(true)).await;
        assert_eq!(stream.header("fireworks-server-processing-time"), "");
        assert_eq!(stream.data().last().unwrap(), "[DONE]");
    }
}

#[tokio::test]
async fn responses_stream_named_and_numbered_events() {
    let emulator = emulator().await;
    let body = json!({"model": "gpt-4o", "input": "Hi", "stream": true});
    let answer = post(&emulator, "/openai/v1/responses", &key("openai"), &body).await;
    let names = answer.names();
    assert_eq!(names.first().unwrap(), "response.created");
    assert_eq!(names.last().unwrap(), "response.completed");
    for (number, (name, data)) in names.iter().zip(answer.data()).enumerate() {
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(event["type"], **name);
        assert_eq!(event["sequence_number"], number);
    }
}

#[tokio::test]
async fn responses_and_conversations_belong_to_a_project() {
    let emulator = emulator().await;
    let (ours, theirs) = (key("openai"), "sk-other-project");
    let other = keywright_emulator::KeySpec::valid().project("proj_other");
    emulator.set_key("openai", theirs, other).unwrap();
    let path = "/openai/v1/responses";
    let made = post(&emulator, path, &ours, &json!({"model": "gpt-4o", "input": "Hi"})).await.json();
    let id = made["id"].as_str().unwrap();
    let next = json!({"model": "gpt-4o", "input": "More", "previous_response_id": id});
    assert_eq!(post(&emulator, path, &ours, &next).await.status, 200);
    let refused = post(&emulator, path, theirs, &next).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["code"], "previous_response_not_found");
    assert_eq!(get(&emulator, &format!("{path}/{id}"), theirs).await.status, 404);
    let talk = post(&emulator, "/openai/v1/conversations", &ours, &json!({})).await.json();
    let talk = talk["id"].as_str().unwrap();
    let next = json!({"model": "gpt-4o", "input": "Hi", "conversation": talk});
    assert_eq!(post(&emulator, path, &ours, &next).await.status, 200);
    assert_eq!(post(&emulator, path, theirs, &next).await.status, 404);
}

#[tokio::test]
async fn the_model_lists_have_their_own_shapes() {
    let emulator = emulator().await;
    let openai = get(&emulator, "/openai/v1/models", &key("openai")).await;
    let list = openai.json();
    assert!(list["data"][0].as_object().unwrap().contains_key("shutdown_date"));
    assert!(!list["data"].as_array().unwrap().iter().any(|model| model["id"] == "gpt-4"));
    let together = get(&emulator, "/together/v1/models", &key("together")).await.json();
    assert!(together.is_array());
    let path = "/fireworks/inference/v1/models";
    assert_eq!(get(&emulator, path, &key("fireworks")).await.json()["object"], "list");
    common::put(&emulator, "/_control/settings", r#"{"fireworks_models": "broken500"}"#).await;
    let broken = get(&emulator, path, &key("fireworks")).await;
    assert_eq!((broken.status.as_u16(), broken.text().as_str()), (500, "Error listing deployed models"));
    emulator.set_key("fireworks", "fpk_A", KeyState::FirePass).unwrap();
    assert_eq!(get(&emulator, path, "fpk_A").await.status, 403);
    assert_eq!(common::chat(&emulator, "fireworks", "fpk_A").await.status, 200);
}

#[tokio::test]
async fn retired_models_are_gone_when_only_listed_ones_serve() {
    let emulator = emulator().await;
    emulator.set_settings(Settings { models: Models::Listed, ..Settings::default() });
    let key = key("openai");
    assert_eq!(common::chat(&emulator, "openai", &key).await.status, 200);
    let mut body = chat_body(false);
    body["model"] = json!("gpt-4");
    let answer = post(&emulator, chat_path("openai"), &key, &body).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn introspection_says_whose_key_it_is() {
    let emulator = emulator().await;
    let me = get(&emulator, "/openai/v1/me", &key("openai")).await;
    assert_eq!(me.json()["object"], "user");
    for version in ["v1", "v3"] {
        let who = get(&emulator, &format!("/together/{version}/whoami"), &key("together")).await;
        assert_eq!(who.json()["type"], "project_api_key");
    }
    emulator.set_key("together", "org", KeyState::OrgKey).unwrap();
    let who = get(&emulator, "/together/v1/whoami", "org").await.json();
    assert_eq!(who["type"], "org_api_key");
    let verified = get(&emulator, "/fireworks/verifyApiKey", &key("fireworks")).await;
    assert_eq!(verified.header("x-fireworks-account-id"), "keywright-emulator");
}

#[tokio::test]
async fn embeddings_come_as_numbers_or_base64() {
    let emulator = emulator().await;
    let body = json!({"model": "m", "input": ["a", "b"], "dimensions": 4});
    let floats = post(&emulator, "/openai/v1/embeddings", &key("openai"), &body).await.json();
    assert_eq!(floats["data"][1]["embedding"].as_array().unwrap().len(), 4);
    let body = json!({"model": "m", "input": "a", "dimensions": 3, "encoding_format": "base64"});
    let text = post(&emulator, "/openai/v1/embeddings", &key("openai"), &body).await.json();
    assert_eq!(text["data"][0]["embedding"].as_str().unwrap().len(), 16);
}

#[tokio::test]
async fn files_are_uploaded_listed_read_and_deleted() {
    let emulator = emulator().await;
    let key = key("openai");
    let form = "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
        --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{}\n\r\n--b--\r\n";
    let upload = request("POST", "/openai/v1/files", &key)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Full::from(form))
        .unwrap();
    let file = send(&emulator, upload).await.json();
    assert_eq!((&file["bytes"], &file["purpose"]), (&json!(3), &json!("batch")));
    let path = format!("/openai/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(get(&emulator, "/openai/v1/files", &key).await.json()["data"][0], file);
    assert_eq!(get(&emulator, &format!("{path}/content"), &key).await.text(), "{}\n");
    let batch = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions"});
    let batch = post(&emulator, "/openai/v1/batches", &key, &batch).await.json();
    let batch = format!("/openai/v1/batches/{}", batch["id"].as_str().unwrap());
    assert_eq!(get(&emulator, &batch, &key).await.json()["status"], "completed");
    assert_eq!(delete(&emulator, &path, &key).await.json()["deleted"], true);
    assert_eq!(get(&emulator, &path, &key).await.status, 404);
}

#[tokio::test]
async fn a_large_file_is_counted_and_read_back_as_filler() {
    let emulator = emulator().await;
    let key = key("openai");
    let mut form = b"--b\r\ncontent-disposition: form-data; name=file; filename=big\r\n\r\n".to_vec();
    form.resize(form.len() + 5_000_000, b'z');
    form.extend_from_slice(b"\r\n--b--\r\n");
    let upload = request("POST", "/openai/v1/files", &key)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Full::from(form))
        .unwrap();
    let file = send(&emulator, upload).await.json();
    assert_eq!(file["bytes"], 5_000_000);
    let path = format!("/openai/v1/files/{}/content", file["id"].as_str().unwrap());
    assert_eq!(get(&emulator, &path, &key).await.body.len(), 5_000_000);
}

#[tokio::test]
async fn basic_authentication_carries_the_key_as_password() {
    use base64::Engine;
    let emulator = emulator().await;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!(":{}", key("openai")));
    let request = request("GET", "/openai/v1/models", "")
        .header("authorization", format!("Basic {pair}"))
        .body(Full::default())
        .unwrap();
    assert_eq!(send(&emulator, request).await.status, 200);
}

#[tokio::test]
async fn http2_without_tls_works_too() {
    let emulator = emulator().await;
    for (stream, kind) in [(false, "application/json"), (true, "text/event-stream; charset=utf-8")] {
        let url = format!("{}/v1/chat/completions", emulator.base_url("openai"));
        let request = http::Request::post(url)
            .header("authorization", format!("Bearer {}", key("openai")))
            .body(Full::<Bytes>::from(chat_body(stream).to_string()))
            .unwrap();
        let answer = send_h2(&emulator, request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), kind);
    }
}
