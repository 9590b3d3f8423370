//! The admin API: service accounts whose keys come and go. Only an `sk-admin-` key may call it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Provider;
use crate::failure::Failure;
use crate::key_state::{KeySpec, KeyState};
use crate::openai::gate::missing_scope;
use crate::openai::objects::{list, ok};
use crate::openai::{empty_list, lost};
use crate::reply::Reply;
use crate::request::{Call, Credential};
use crate::sample::MARKER;
use crate::store::{Page, Place};

/// `/v1/organization` and below.
pub(crate) async fn handle(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    if !matches!(&call.credential, Credential::Key(key) if key.starts_with("sk-admin-")) {
        return Err(missing_scope("api.management.read", 401));
    }
    let method = call.parts.method.clone();
    match (method.as_str(), path) {
        ("GET", ["admin_api_keys"]) => Ok(empty_list()),
        ("GET", ["projects"]) => Ok(projects(call)),
        ("POST", ["projects", project, "service_accounts"]) => create(call, project).await,
        ("GET", ["projects", project, "service_accounts"]) => Ok(list(call, accounts(project))),
        ("GET", ["projects", project, "service_accounts", id]) => {
            let found = call.shared.store.value(accounts(project), id);
            found.map(|value| ok(&value)).ok_or_else(|| no_account(id))
        }
        ("DELETE", ["projects", project, "service_accounts", id]) => delete(call, project, id),
        ("POST", ["projects", project, "service_accounts", id, "api_keys"]) => {
            let account = call.shared.store.value(accounts(project), id).ok_or_else(|| no_account(id))?;
            let request: Value = call.json().await?;
            let name = request.get("name").and_then(Value::as_str).unwrap_or("Secret Key");
            Ok(ok(&make_key(call, project, &account, name)?))
        }
        ("GET", ["projects", project, "api_keys"]) => Ok(keys(call, project)),
        ("DELETE", ["projects", project, "api_keys", id]) => delete_alone(call, project, id),
        _ => Err(lost(call, "O26")),
    }
}

fn projects(call: &Call) -> Reply {
    let id = call.project();
    ok(&json!({"object": "list", "data": [{"id": id, "object": "organization.project",
        "name": "Keywright Emulator", "created_at": call.now(), "archived_at": null,
        "status": "active"}], "first_id": id, "last_id": id, "has_more": false}))
}

async fn create(call: &mut Call, project: &str) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let name = request.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| crate::openai::chat::required("name"))?;
    let id = call.ids.object("svc_acct_");
    let mut account = json!({"object": "organization.project.service_account", "id": id,
        "name": name, "role": "member", "created_at": call.now()});
    call.shared.store.insert(accounts(project), &id, account.clone());
    account["api_key"] = make_key(call, project, &account, "Secret Key")?;
    Ok(ok(&account))
}

/// Makes a key, which works once it has spread. Its value is told this once.
fn make_key(call: &mut Call, project: &str, account: &Value, name: &str) -> Result<Value, Failure> {
    let value = format!("sk-svcacct-{}{MARKER}{}", call.ids.base62(74), call.ids.base62(74));
    let id = call.ids.object("key_");
    let spec = KeySpec::valid().project(project).organization(call.owner().organization.clone());
    spread(call, &value, &spec)?;
    let listed = json!({"object": "organization.project.api_key", "id": id, "name": name,
        "redacted_value": crate::mask::openai_echo(&value), "created_at": call.now(),
        "last_used_at": null, "expires_at": null, "owner_project_access": "active",
        "owner": {"type": "service_account", "service_account": account}});
    call.shared.store.insert_hiding(keys_of(project), &id, listed, value.clone().into_bytes());
    Ok(json!({"object": "organization.project.service_account.api_key", "value": value,
        "name": name, "created_at": call.now(), "id": id}))
}

fn keys(call: &Call, project: &str) -> Reply {
    list(call, keys_of(project))
}

fn delete(call: &Call, project: &str, id: &str) -> Result<Reply, Failure> {
    call.shared.store.remove(accounts(project), id).ok_or_else(|| no_account(id))?;
    let all = Page { limit: usize::MAX, oldest_first: true, after: None };
    let (keys, _) = call.shared.store.list(keys_of(project), all);
    for key in keys.iter().filter(|key| key["owner"]["service_account"]["id"] == id) {
        if let Some(key) = key["id"].as_str() {
            delete_key(call, project, key)?;
        }
    }
    let object = "organization.project.service_account.deleted";
    Ok(ok(&json!({"object": object, "id": id, "deleted": true})))
}

/// openai-python's `projects.api_keys.delete`: "an error if the key belonged to a service account". Which one is not known.
fn delete_alone(call: &Call, project: &str, id: &str) -> Result<Reply, Failure> {
    let key = call.shared.store.value(keys_of(project), id);
    if key.is_some_and(|key| key["owner"]["type"] == "service_account") {
        let says = "API keys of service accounts cannot be deleted; delete the service account instead.";
        return Err(Failure::new("X400", 400, says.to_owned()));
    }
    delete_key(call, project, id)
}

fn delete_key(call: &Call, project: &str, id: &str) -> Result<Reply, Failure> {
    let key = call.shared.store.remove(keys_of(project), id);
    let key = key.ok_or_else(|| Failure::new("X404", 404, format!("No such API key: {id}.")))?;
    if let Ok(value) = String::from_utf8(key.hidden) {
        spread(call, &value, &KeyState::Revoked.into())?;
    }
    Ok(ok(&json!({"object": "organization.project.api_key.deleted", "id": id, "deleted": true})))
}

/// Tells the edge about a key; it hears of it after the propagation delay.
fn spread(call: &Call, key: &str, spec: &KeySpec) -> Result<(), Failure> {
    let delay = Duration::from_millis(call.settings.propagation_delay_ms);
    call.shared
        .keys
        .set_later(Provider::OpenAi, key, spec, delay)
        .map_err(|error| Failure::new("X400", 400, error.to_string()))
}

const fn accounts(project: &str) -> Place<'_> {
    Place { kind: "service_account", parent: "", project }
}

const fn keys_of(project: &str) -> Place<'_> {
    Place { kind: "api_key", parent: "", project }
}

fn no_account(id: &str) -> Failure {
    Failure::new("X404", 404, format!("No such service account: {id}."))
}
