//! The control door: `/_control/…`, JSON in and out. What it refuses, it refuses with the place.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::json::{self, Layout};
use crate::key_request::KeyRequest;
use crate::key_state::{KeySpec, KeyState};
use crate::reply::Reply;
use crate::settings::SettingsChange;
use crate::shared::Shared;
use crate::{CallCount, ControlError, Provider};

/// A refusal of the control door.
struct Refusal {
    status: StatusCode,
    body: Value,
}

/// Answers one control request.
pub(crate) async fn answer(request: Request<Incoming>, shared: &Arc<Shared>) -> Reply {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(2).collect();
    let result = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => act(&parts.method, &segments, &body.to_bytes(), shared),
        Err(_) => Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "body", "the body is too large")),
    };
    let (status, value) = match result {
        Ok(value) => (StatusCode::OK, value),
        Err(refusal) => (refusal.status, refusal.body),
    };
    let mut reply = Reply::json(json::bytes(&value, Layout::TwoLine));
    reply.status = status;
    reply
}

fn act(method: &Method, segments: &[&str], body: &Bytes, shared: &Arc<Shared>) -> Result<Value, Refusal> {
    match (method.as_str(), segments) {
        ("PUT", ["keys", provider, key @ ..]) if !key.is_empty() => set_key(provider, &key.join("/"), body, shared),
        ("GET", ["keys", provider, key @ ..]) if !key.is_empty() => show_key(provider, &key.join("/"), shared),
        ("GET", ["calls"]) => Ok(counts(&shared.keys.counts())),
        ("GET", ["calls", provider, key @ ..]) if !key.is_empty() => {
            let provider = provider.parse()?;
            Ok(counts(&shared.keys.counts_of(provider, &key_text(&key.join("/"))?)))
        }
        ("POST", ["reset"]) => {
            shared.reset()?;
            Ok(json!({"ok": true}))
        }
        ("GET", ["settings"]) => Ok(json!(shared.settings())),
        ("PUT", ["settings"]) => {
            let change: SettingsChange = parse(body)?;
            shared.set_settings(shared.settings().with(change));
            Ok(json!(shared.settings()))
        }
        ("GET", ["answers"]) => Ok(json!({"answers": crate::answers()})),
        ("GET", ["states"]) => Ok(json!({"states": KeyState::names()})),
        _ => Err(Refusal {
            status: StatusCode::NOT_FOUND,
            body: json!({"error": {
                "message": format!("no control call `{method} /_control/{}`", shown(segments)),
                "at": "path", "expected": CALLS}}),
        }),
    }
}

/// The path as far as it holds words of ours: what follows may be a key.
fn shown(segments: &[&str]) -> String {
    match segments {
        [first] if WORDS.contains(first) => (*first).to_owned(),
        [first, _, ..] if WORDS.contains(first) => format!("{first}/…"),
        _ => "…".to_owned(),
    }
}

/// What control paths begin with.
const WORDS: [&str; 6] = ["keys", "calls", "reset", "settings", "answers", "states"];

fn set_key(provider: &str, key: &str, body: &Bytes, shared: &Arc<Shared>) -> Result<Value, Refusal> {
    let provider: Provider = provider.parse()?;
    let request: KeyRequest = parse(body)?;
    let spec: KeySpec = request.spec()?;
    let key = key_text(key)?;
    shared.keys.set(provider, &key, &spec)?;
    Ok(json!({"provider": provider.id(), "key": crate::mask::listing(&key),
        "state": spec.state.name()}))
}

fn show_key(provider: &str, key: &str, shared: &Arc<Shared>) -> Result<Value, Refusal> {
    let provider: Provider = provider.parse()?;
    let key = key_text(key)?;
    let (state, owner) = shared
        .keys
        .state(provider, &key)
        .ok_or_else(|| refuse(StatusCode::NOT_FOUND, "key", "this key is not registered"))?;
    Ok(json!({"provider": provider.id(), "key": crate::mask::listing(&key),
        "state": state.name(), "owner": owner}))
}

fn counts(rows: &[CallCount]) -> Value {
    let total: u64 = rows.iter().map(|row| row.calls).sum();
    json!({"total": total, "calls": rows})
}

fn parse<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal {
        status: StatusCode::BAD_REQUEST,
        body: json!({"error": {"message": error.to_string(), "at": "body",
            "line": error.line(), "column": error.column()}}),
    })
}

/// Undoes percent-encoding; keys with odd characters are worth testing.
fn key_text(encoded: &str) -> Result<String, Refusal> {
    let bad = |what| refuse(StatusCode::BAD_REQUEST, "key", what);
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let value = digit().zip(digit()).and_then(|(a, b)| u8::try_from(a * 16 + b).ok());
        out.push(value.ok_or_else(|| bad("a percent sign is not followed by two hex digits"))?);
    }
    let key = String::from_utf8(out).map_err(|_| bad("the key is not UTF-8"))?;
    match key.len() {
        0 => Err(bad("the key is empty")),
        1..=KEY_LIMIT => Ok(key),
        _ => Err(bad("the key is longer than 4096 bytes")),
    }
}

fn refuse(status: StatusCode, at: &str, message: &str) -> Refusal {
    Refusal { status, body: json!({"error": {"message": message, "at": at}}) }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::UnknownProvider { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut body = json!({"message": error.to_string(), "at": error.at()});
        match error {
            ControlError::UnknownProvider { .. } => {
                let ids: Vec<&str> = Provider::ALL.iter().map(|provider| provider.id()).collect();
                body["expected"] = json!(ids);
            }
            ControlError::UnknownState { .. } => body["expected"] = json!(KeyState::names()),
            _ => {}
        }
        Self { status, body: json!({"error": body}) }
    }
}

const CALLS: [&str; 9] = [
    "PUT /_control/keys/{provider}/{key}",
    "GET /_control/keys/{provider}/{key}",
    "GET /_control/calls",
    "GET /_control/calls/{provider}/{key}",
    "POST /_control/reset",
    "GET /_control/settings",
    "PUT /_control/settings",
    "GET /_control/answers",
    "GET /_control/states",
];
const BODY_LIMIT: usize = 64 * 1024;
const KEY_LIMIT: usize = 4096;
