//! The realtime door: WebSocket, with the key in the header or in the sub-protocol.

#![allow(clippy::unwrap_used, reason = "helpers are tests too")]

mod common;

use common::{emulator, key};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use keywright_emulator::{Emulator, KeyState};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

async fn upgrade(emulator: &Emulator, header: &str, value: &str) -> http::Response<hyper::body::Incoming> {
    let stream = TcpStream::connect(emulator.addr()).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let request = http::Request::get("/openai/v1/realtime?model=gpt-realtime")
        .header("host", "x")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header(header, value)
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    sender.send_request(request).await.unwrap()
}

async fn open(emulator: &Emulator, header: &str, value: &str) -> Socket {
    let response = upgrade(emulator, header, value).await;
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    WebSocketStream::from_raw_socket(io, Role::Client, None).await
}

async fn event(socket: &mut Socket) -> Value {
    let message = socket.next().await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_good_key_talks() {
    let emulator = emulator().await;
    let mut socket = open(&emulator, "authorization", &format!("Bearer {}", key("openai"))).await;
    let created = event(&mut socket).await;
    assert_eq!(created["type"], "session.created");
    assert_eq!(created["session"]["model"], "gpt-realtime");
    socket.send(Message::text(r#"{"type": "response.create"}"#)).await.unwrap();
    assert_eq!(event(&mut socket).await["type"], "response.created");
    loop {
        if event(&mut socket).await["type"] == "response.done" {
            break;
        }
    }
    socket.send(Message::text("not json")).await.unwrap();
    assert_eq!(event(&mut socket).await["type"], "error");
}

#[tokio::test]
async fn the_key_may_come_in_the_sub_protocol() {
    let emulator = emulator().await;
    let protocols = format!("realtime, openai-insecure-api-key.{}", key("openai"));
    let response = upgrade(&emulator, "sec-websocket-protocol", &protocols).await;
    assert_eq!(response.headers()["sec-websocket-protocol"], "realtime");
    let mut socket = open(&emulator, "sec-websocket-protocol", &protocols).await;
    assert_eq!(event(&mut socket).await["type"], "session.created");
}

#[tokio::test]
async fn a_bad_key_is_told_and_closed_with_3000() {
    let emulator = emulator().await;
    let mut socket = open(&emulator, "authorization", "Bearer sk-nonsense-nonsense").await;
    let error = event(&mut socket).await;
    assert_eq!(error["error"]["code"], "invalid_api_key");
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
        panic!("a close frame comes");
    };
    assert_eq!(u16::from(frame.code), 3000);
    assert_eq!(frame.reason.as_str(), "invalid_request_error.invalid_api_key");
    assert_eq!(emulator.calls()[0].answer, "O4");
}

#[tokio::test]
async fn no_key_is_told_after_the_upgrade() {
    let emulator = emulator().await;
    let mut socket = open(&emulator, "x-nothing", "x").await;
    let error = event(&mut socket).await;
    assert_eq!(error["error"]["message"], "Missing bearer or basic authentication in header");
    assert!(error["error"]["code"].is_null());
}

#[tokio::test]
async fn a_key_without_the_scope_is_refused_at_the_upgrade() {
    let emulator = emulator().await;
    emulator.set_key("openai", &key("openai"), KeyState::Restricted { scopes: vec![] }).unwrap();
    let response = upgrade(&emulator, "authorization", &format!("Bearer {}", key("openai"))).await;
    assert_eq!(response.status(), 403);
}
