//! Fireworks AI: inference under `/inference/v1` and `/v1`, and the control plane beside it.

mod accounts;
mod gate;
mod inference;
mod wire;

use http::StatusCode;
use serde_json::json;

use crate::failure::Failure;
use crate::json::{self, Layout};
use crate::openai;
use crate::reply::Reply;
use crate::request::Call;
use wire::Door;

/// Answers one request.
pub(crate) async fn answer(call: &mut Call) -> Reply {
    let path = call.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (door, rest) = match segments.as_slice() {
        ["v1", rest @ ..] if rest.first() == Some(&"accounts") => (Door::Control, rest),
        ["inference", "v1", rest @ ..] | ["v1", rest @ ..] => (Door::Inference, rest),
        rest @ ["verifyApiKey"] => (Door::Control, rest),
        _ => return wire::refuse(call, &lost(call)),
    };
    let refused = match gate::check(call, door, rest) {
        Ok(()) => match Box::pin(handle(call, door, rest)).await {
            Ok(reply) => return wire::dress(call, door, reply),
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    wire::refuse(call, &refused)
}

async fn handle(call: &mut Call, door: Door, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    match (method.as_str(), path) {
        ("GET", ["verifyApiKey"]) => Ok(verified(call)),
        (_, ["accounts", rest @ ..]) if door == Door::Control => accounts::handle(call, rest).await,
        ("POST", ["chat", "completions"]) => inference::chat(call).await,
        ("POST", ["completions"]) => inference::completion(call).await,
        ("POST", ["embeddings"]) => inference::embeddings(call).await,
        ("POST", ["messages"]) => inference::messages(call).await,
        ("POST", ["rerank"]) => inference::rerank(call).await,
        ("GET", ["models"]) => inference::models(call),
        ("GET", ["models", id @ ..]) => inference::model(call, &id.join("/")),
        (_, ["responses", rest @ ..]) => openai::responses::handle(call, rest).await,
        ("POST", ["audio", kind]) => openai::media::audio(call, kind).await,
        ("POST", ["images", kind]) => openai::media::images(call, kind).await,
        _ => Err(lost(call)),
    }
}

/// `GET /verifyApiKey`: the account is told in a header; the body is not known.
fn verified(call: &Call) -> Reply {
    let mut reply = Reply::json(json::bytes(&json!({}), Layout::Compact));
    reply.status = StatusCode::OK;
    reply.set_text("x-fireworks-account-id", call.owner().account.clone());
    reply
}

fn lost(call: &Call) -> Failure {
    let message = format!("Path not found: {} {}", call.parts.method, call.path());
    Failure::new("F18", 404, message).kind("error").code("NOT_FOUND")
}
