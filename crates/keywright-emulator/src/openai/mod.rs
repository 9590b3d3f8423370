//! OpenAI: routes, refusals and answers.

pub(crate) mod chat;
pub(crate) mod files;
pub(crate) mod gate;
pub(crate) mod media;
pub(crate) mod models;
pub(crate) mod objects;
pub(crate) mod organization;
pub(crate) mod realtime;
pub(crate) mod responses;
pub(crate) mod runs;
pub(crate) mod threads;
pub(crate) mod vectors;
pub(crate) mod wire;

use serde_json::json;

use crate::failure::{Failure, Shape};
use crate::json::{self, Layout};
use crate::reply::Reply;
use crate::request::Call;
use crate::settings::Assistants;
use wire::Door;

/// Answers one request.
pub(crate) async fn answer(call: &mut Call) -> Reply {
    let path = call.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let Some(door) = Door::of(&segments) else {
        return wire::refuse(call, Door::Legacy, &lost(call, "O25"));
    };
    let refused = match gate::check(call, door) {
        Ok(()) => match Box::pin(handle(call, &segments[1..])).await {
            Ok(reply) => return wire::dress(call, door, reply),
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    wire::refuse(call, door, &refused)
}

/// Finds the handler of a path below `/v1`.
async fn handle(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    match (method.as_str(), path) {
        ("POST", ["chat", "completions"]) => chat::chat(call).await,
        ("GET", ["chat", "completions"]) => Ok(empty_list()),
        ("POST", ["completions"]) => chat::completion(call).await,
        ("POST", ["embeddings"]) => vectors::embeddings(call).await,
        ("POST", ["moderations"]) => vectors::moderations(call).await,
        ("POST", ["audio", kind]) => media::audio(call, kind).await,
        ("POST", ["images", kind]) => media::images(call, kind).await,
        ("GET", ["models"]) => Ok(models::list(call)),
        ("GET", ["models", id @ ..]) => models::one(call, &id.join("/")),
        (_, ["responses", rest @ ..]) => responses::handle(call, rest).await,
        (_, ["conversations", rest @ ..]) => objects::conversations(call, rest).await,
        (_, ["files", rest @ ..]) => files::handle(call, rest).await,
        (_, ["batches", rest @ ..]) => objects::batches(call, rest).await,
        (_, ["vector_stores", rest @ ..]) => objects::vector_stores(call, rest).await,
        (_, ["assistants" | "threads", ..]) => {
            check_assistants(call)?;
            threads::handle(call, path).await
        }
        ("GET", ["me"]) => Ok(me(call)),
        (_, ["organization", rest @ ..]) => organization::handle(call, rest).await,
        _ => Err(lost(call, "O26")),
    }
}

/// The Assistants API is gone, or wants its header.
fn check_assistants(call: &Call) -> Result<(), Failure> {
    if call.settings.assistants == Assistants::Gone {
        return Err(Failure::new("A1", 404, "").shape(Shape::Empty));
    }
    if call.header("openai-beta").is_none_or(|beta| !beta.contains("assistants=")) {
        return Err(Failure::new("A2", 400, BETA).code("invalid_beta"));
    }
    Ok(())
}

fn me(call: &mut Call) -> Reply {
    let owner = call.owner();
    let id = call.ids.object("user-");
    let body = json!({"object": "user", "id": id, "email": "emulator@keywright.invalid",
        "name": "Keywright Emulator", "picture": null, "created": call.now(), "phone_number": null,
        "mfa_flag_enabled": false, "orgs": {"object": "list", "data": [{"object": "organization",
            "id": owner.organization, "title": "Keywright", "personal": false, "role": "owner",
            "is_default": true}]}});
    Reply::json(json::bytes(&body, Layout::Two))
}

/// A list with nothing in it.
pub(crate) fn empty_list() -> Reply {
    let body = json!({"object": "list", "data": [], "first_id": null, "last_id": null,
        "has_more": false});
    Reply::json(json::bytes(&body, Layout::Two))
}

/// A path that no route serves; the two routers spell it differently.
pub(crate) fn lost(call: &Call, id: &'static str) -> Failure {
    let (method, path) = (&call.parts.method, call.path());
    if id == "O25" {
        return Failure::new("O25", 404, format!("Invalid URL ({method} {path})"));
    }
    let message = format!(
        "Unknown request URL: {method} {path}. Please check the URL for typos, or see the docs at \
         https://platform.openai.com/docs/api-reference/."
    );
    Failure::new("O26", 404, message).code("unknown_url")
}

const BETA: &str = "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please \
                    try again by setting the header 'OpenAI-Beta: assistants=v2'.";
