//! Answers that go wrong on the wire.

#![allow(clippy::unwrap_used, reason = "helpers are tests too")]

mod common;

use std::time::Duration;

use common::{chat, chat_body, chat_path, emulator, key, post, raw, request, try_send};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use keywright_emulator::{Emulator, KeyState};
use serde_json::json;
use tokio::net::TcpStream;

fn raw_chat(stream: bool) -> Vec<u8> {
    let body = chat_body(stream).to_string();
    let length = body.len();
    format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}",
        chat_path("openai"),
        key("openai")
    )
    .into_bytes()
}

async fn read_raw(emulator: &Emulator, state: KeyState, stream: bool) -> String {
    emulator.set_key("openai", &key("openai"), state).unwrap();
    String::from_utf8(raw(emulator, &raw_chat(stream)).await).unwrap()
}

#[tokio::test]
async fn a_stream_can_fail_in_the_middle() {
    let emulator = emulator().await;
    emulator.set_key("openai", &key("openai"), KeyState::MidStreamError).unwrap();
    let answer = post(&emulator, chat_path("openai"), &key("openai"), &chat_body(true)).await;
    assert_eq!(answer.status, 200);
    let data = answer.data();
    assert!(data[0].contains("chat.completion.chunk"));
    assert!(data[data.len() - 2].contains("\"server_error\""));
    assert_eq!(data.last().unwrap(), "[DONE]");
    let body = json!({"model": "m", "input": "x", "stream": true});
    let answer = post(&emulator, "/openai/v1/responses", &key("openai"), &body).await;
    assert_eq!(answer.names().last().unwrap(), "error");
}

#[tokio::test]
async fn the_first_event_can_be_an_error() {
    let emulator = emulator().await;
    emulator.set_key("openai", &key("openai"), KeyState::ErrorFirstEvent).unwrap();
    let answer = post(&emulator, chat_path("openai"), &key("openai"), &chat_body(true)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.data()[0].starts_with("{\"error\""));
    let whole = chat(&emulator, "openai", &key("openai")).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.json()["error"]["type"], "server_error");
}

#[tokio::test]
async fn a_cut_stream_stops_after_some_events() {
    let emulator = emulator().await;
    let text = read_raw(&emulator, KeyState::CutStream, true).await;
    assert!(text.starts_with("HTTP/1.1 200 OK"));
    assert!(text.contains("data: {\"id\"") && !text.contains("[DONE]"));
    assert!(!text.ends_with("0\r\n\r\n"), "the last chunk never comes");
    let text = read_raw(&emulator, KeyState::CutStream, false).await;
    assert!(text.contains("content-length") && !text.ends_with("}\n"));
}

#[tokio::test]
async fn a_lying_length_promises_too_much() {
    let emulator = emulator().await;
    let text = read_raw(&emulator, KeyState::LyingLength, false).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), body.len() + 1000);
}

#[tokio::test]
async fn a_connection_can_close_without_an_answer() {
    let emulator = emulator().await;
    assert_eq!(read_raw(&emulator, KeyState::CloseBeforeAnswer, false).await, "");
    let row = &emulator.calls_of("openai", &key("openai"))[0];
    assert_eq!((row.status, row.answer, row.calls), (0, "closed", 1));
}

#[tokio::test]
async fn an_answer_can_begin_and_never_end() {
    let emulator = emulator().await;
    emulator.set_key("openai", &key("openai"), KeyState::NeverEnds).unwrap();
    let stream = TcpStream::connect(emulator.addr()).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = request("POST", chat_path("openai"), &key("openai"));
    let request = request.body(Full::<bytes::Bytes>::from(chat_body(true).to_string())).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok(), "the first event comes");
    drop(emulator);
    // Nothing ended the stream before: only the emulator's own end breaks it.
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return;
        }
    }
    panic!("the stream ended well");
}

#[tokio::test(start_paused = true)]
async fn a_slow_key_waits_between_events() {
    let emulator = emulator().await;
    let delay = Duration::from_secs(10);
    emulator.set_key("openai", &key("openai"), KeyState::Slow { delay }).unwrap();
    let start = tokio::time::Instant::now();
    let mut body = chat_body(true);
    body["max_tokens"] = json!(3);
    let answer = post(&emulator, chat_path("openai"), &key("openai"), &body).await;
    assert_eq!(answer.data().len(), 6);
    assert!(start.elapsed() >= delay * 6);
}

#[tokio::test]
async fn a_dropped_emulator_stops_listening() {
    let emulator = emulator().await;
    let address = emulator.addr();
    let request = request("GET", "/openai/v1/models", &key("openai"));
    try_send(&emulator, request.body(Full::default()).unwrap()).await.unwrap();
    drop(emulator);
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_still_writes() {
    let emulator = emulator().await;
    let body = vec![b'x'; 3_000_000];
    let request = request("POST", "/openai/v1/files", "bad apiKey").body(Full::from(body)).unwrap();
    assert_eq!(try_send(&emulator, request).await.unwrap().status, 401);
}

#[tokio::test]
async fn a_key_with_a_newline_splits_the_request_and_nothing_breaks() {
    let emulator = emulator().await;
    let bytes = b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-a\nb\r\n\
        connection: close\r\n\r\n";
    let answer = raw(&emulator, bytes).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    assert_eq!(chat(&emulator, "openai", &key("openai")).await.status, 200);
}
