//! Together AI: inference under `/v1`, a model list of another kind, and whoami.

mod gate;
mod inference;
mod wire;

use serde_json::json;

use crate::failure::Failure;
use crate::json::{self, Layout};
use crate::key_state::KeyState;
use crate::openai;
use crate::reply::Reply;
use crate::request::Call;
use wire::Door;

/// Answers one request.
pub(crate) async fn answer(call: &mut Call) -> Reply {
    let path = call.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (version, rest) = segments.split_first().unwrap_or((&"", &[]));
    let Some(door) = door(version, rest) else {
        return wire::refuse(call, Door::Inference, &lost(call));
    };
    let refused = match gate::check(call, door) {
        Ok(()) => match Box::pin(handle(call, rest)).await {
            Ok(reply) => return wire::dress(call, door, reply),
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    wire::refuse(call, door, &refused)
}

/// The backend that serves a path; a doubled version has none.
fn door(version: &str, rest: &[&str]) -> Option<Door> {
    match (version, rest) {
        (_, ["v1" | "v2" | "v3", ..]) => None,
        ("v1", ["models", ..]) | ("v2", ["projects", _, "models"]) => Some(Door::Models),
        ("v1" | "v3", ["whoami"]) => Some(Door::Whoami),
        ("v1" | "v2" | "v3", _) => Some(Door::Inference),
        _ => None,
    }
}

async fn handle(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let method = call.parts.method.clone();
    match (method.as_str(), path) {
        ("POST", ["chat", "completions"]) => inference::chat(call).await,
        ("POST", ["completions"]) => inference::completion(call).await,
        ("POST", ["embeddings"]) => inference::embeddings(call).await,
        ("POST", ["rerank"]) => inference::rerank(call).await,
        ("GET", ["models"]) => Ok(inference::models()),
        ("GET", ["projects", project, "models"]) => inference::project_models(call, project),
        ("GET", ["whoami"]) => Ok(whoami(call)),
        ("POST", ["images", kind]) => openai::media::images(call, kind).await,
        ("POST", ["audio", kind]) => openai::media::audio(call, kind).await,
        (_, ["files", rest @ ..]) => openai::files::handle(call, rest).await,
        (_, ["batches", rest @ ..]) => openai::objects::batches(call, rest).await,
        _ => Err(lost(call)),
    }
}

/// `GET /v3/whoami`: what each thing is, nested. `GET /v1/whoami` has the same facts flat beside them, as the
/// 2.x SDK reads them.
fn whoami(call: &Call) -> Reply {
    let owner = call.owner();
    let organization = json!({"id": owner.organization, "name": "Keywright Emulator"});
    let key = json!({"id": "key_KeywrightEmulator"});
    let mut body = match call.state().as_deref() {
        Some(KeyState::OrgKey) => {
            json!({"type": "org_api_key", "api_key": key, "organization": organization})
        }
        _ => json!({"type": "project_api_key", "api_key": key, "organization": organization,
            "project": {"id": owner.project, "name": "Emulator", "slug": "emulator"}}),
    };
    if call.path().starts_with("/v1/") {
        let flat = json!({"api_key_id": "key_KeywrightEmulator", "organization_id": owner.organization,
            "organization_name": "Keywright Emulator", "project_id": owner.project,
            "project_name": "Emulator", "project_slug": "emulator", "user_id": null});
        body = openai::responses::merged(&body, flat);
    }
    Reply::json(json::bytes(&body, Layout::Compact))
}

fn lost(call: &Call) -> Failure {
    let message = format!("Path not found: {} {}", call.parts.method, call.path());
    Failure::new("T15", 404, message).code("not_found")
}
