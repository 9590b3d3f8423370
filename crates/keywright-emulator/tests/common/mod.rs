//! A tiny client: one connection a request, HTTP/1.1 or h2c, and raw bytes where a fault breaks HTTP.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keywright_emulator::{Clock, Emulator, EmulatorBuilder, sample_keys};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("answers are UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are text"))
    }

    /// The `data:` of each event, `[DONE]` included.
    pub fn data(&self) -> Vec<String> {
        let text = self.text();
        text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
    }

    /// The names of the events.
    pub fn names(&self) -> Vec<String> {
        let text = self.text();
        text.lines().filter_map(|line| line.strip_prefix("event: ")).map(str::to_owned).collect()
    }
}

pub fn builder() -> EmulatorBuilder {
    Emulator::builder().clock(Clock::Fixed(1_795_219_200_000)).with_sample_keys()
}

pub async fn emulator() -> Emulator {
    builder().start().await.expect("a loopback port is free")
}

pub fn key(provider: &str) -> String {
    sample_keys(provider, 1).remove(0)
}

pub fn request(method: &str, path: &str, key: &str) -> http::request::Builder {
    let builder =
        Request::builder().method(method.parse::<Method>().expect("a method")).uri(path).header("host", "emulator");
    if key.is_empty() { builder } else { builder.header("authorization", format!("Bearer {key}")) }
}

pub async fn send(emulator: &Emulator, request: Request<Full<Bytes>>) -> Answer {
    try_send(emulator, request).await.expect("an answer")
}

pub async fn try_send(emulator: &Emulator, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
    let stream = TcpStream::connect(emulator.addr()).await.expect("the emulator listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    collect(sender.send_request(request).await?).await
}

pub async fn send_h2(emulator: &Emulator, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(emulator.addr()).await.expect("the emulator listens");
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("h2c");
    tokio::spawn(connection);
    let response = sender.send_request(request).await.expect("an answer");
    collect(response).await.expect("a body")
}

async fn collect(response: http::Response<hyper::body::Incoming>) -> Result<Answer, hyper::Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

pub async fn get(emulator: &Emulator, path: &str, key: &str) -> Answer {
    send(emulator, request("GET", path, key).body(Full::default()).expect("a request")).await
}

pub async fn delete(emulator: &Emulator, path: &str, key: &str) -> Answer {
    send(emulator, request("DELETE", path, key).body(Full::default()).expect("a request")).await
}

pub async fn post(emulator: &Emulator, path: &str, key: &str, body: &Value) -> Answer {
    let request = request("POST", path, key)
        .header("content-type", "application/json")
        .header("openai-beta", "assistants=v2")
        .body(Full::from(body.to_string()))
        .expect("a request");
    send(emulator, request).await
}

pub async fn put(emulator: &Emulator, path: &str, body: &str) -> Answer {
    let request = request("PUT", path, "").body(Full::from(body.to_owned())).expect("a request");
    send(emulator, request).await
}

pub fn chat_body(stream: bool) -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "stream": stream})
}

/// The chat path of a provider.
pub fn chat_path(provider: &str) -> &'static str {
    match provider {
        "openai" => "/openai/v1/chat/completions",
        "fireworks" => "/fireworks/inference/v1/chat/completions",
        _ => "/together/v1/chat/completions",
    }
}

pub async fn chat(emulator: &Emulator, provider: &str, key: &str) -> Answer {
    post(emulator, chat_path(provider), key, &chat_body(false)).await
}

/// Sends raw bytes and reads until the server closes.
pub async fn raw(emulator: &Emulator, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(emulator.addr()).await.expect("the emulator listens");
    stream.write_all(bytes).await.expect("it reads");
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    read
}
