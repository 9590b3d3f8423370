//! The control plane: accounts with their `suspendState`, users, and keys that can be made and deleted.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Provider;
use crate::clock;
use crate::failure::{Failure, Shape};
use crate::fireworks::gate::suspend_state;
use crate::json::{self, Layout};
use crate::key_state::{KeySpec, KeyState};
use crate::reply::Reply;
use crate::request::Call;
use crate::store::{Page, Place};

/// `/v1/accounts` and below.
pub(crate) async fn handle(call: &mut Call, path: &[&str]) -> Result<Reply, Failure> {
    let owner = call.owner();
    if let [account, ..] = path
        && *account != owner.account
        && *account != "fireworks"
    {
        let message = format!("account \"{account}\" not found");
        return Err(Failure::new("F21", 404, message).shape(Shape::Rpc(5)));
    }
    let method = call.parts.method.clone();
    match (method.as_str(), path) {
        ("GET", []) => Ok(page("accounts", &[account(call)])),
        ("GET", [_]) => Ok(ok(&account(call))),
        ("GET", [_, "models"]) => Ok(page("models", &[])),
        ("GET", [_, "users"]) => Ok(page("users", &[user(call, "emulator")])),
        ("GET", [_, "users", id]) => Ok(ok(&user(call, id))),
        ("POST", [_, "users", user, "apiKeys"]) => create(call, user).await,
        ("GET", [account, "users", user, "apiKeys"]) => Ok(keys(call, account, user)),
        ("POST", [account, "users", user, "apiKeys:delete"]) => delete(call, account, user).await,
        ("GET", [_, "billing", "summary"]) => {
            Ok(ok(&json!({"totalCost": {"currencyCode": "USD", "units": "0", "nanos": 0}})))
        }
        _ => Err(super::lost(call).shape(Shape::Rpc(5))),
    }
}

fn account(call: &Call) -> Value {
    let owner = call.owner();
    let state = call.state();
    let suspended = state.as_deref().map_or("UNSUSPENDED", suspend_state);
    json!({"name": format!("accounts/{}", owner.account), "displayName": owner.account,
        "createTime": STARTED, "updateTime": STARTED, "state": "READY",
        "status": {"code": "OK", "message": ""}, "email": "emulator@keywright.invalid",
        "accountType": "ENTERPRISE", "suspendState": suspended})
}

fn user(call: &Call, id: &str) -> Value {
    json!({"name": format!("accounts/{}/users/{id}", call.owner().account), "displayName": id,
        "createTime": STARTED, "updateTime": STARTED, "role": "admin", "serviceAccount": false,
        "email": "emulator@keywright.invalid", "state": "READY",
        "status": {"code": "OK", "message": ""}})
}

/// Makes a key, which works once it has spread. Its value is told this once.
async fn create(call: &mut Call, user: &str) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let asked = request.get("apiKey").unwrap_or(&request);
    let name = asked.get("displayName").and_then(Value::as_str).unwrap_or_default();
    let value = format!("fw_{}", call.ids.base62(24));
    let id = format!("key_{}", call.ids.base62(16));
    let owner = call.owner();
    let spec = KeySpec::valid()
        .account(owner.account.clone())
        .project(owner.project.clone())
        .organization(owner.organization.clone());
    spread(call, &value, &spec)?;
    let listed = json!({"keyId": id, "displayName": name, "prefix": &value[..7], "secure": true,
        "createTime": clock::iso8601(call.now_ms), "email": "emulator@keywright.invalid",
        "expireTime": asked.get("expireTime")});
    let place = place(&owner.account, user);
    call.shared.store.insert_hiding(place, &id, listed.clone(), value.clone().into_bytes());
    let mut told = listed;
    told["key"] = json!(value);
    Ok(ok(&told))
}

fn keys(call: &Call, account: &str, user: &str) -> Reply {
    let all = Page { limit: 200, oldest_first: true, after: None };
    page("apiKeys", &call.shared.store.list(place(account, user), all).0)
}

async fn delete(call: &mut Call, account: &str, user: &str) -> Result<Reply, Failure> {
    let request: Value = call.json().await?;
    let id = request.get("keyId").and_then(Value::as_str).unwrap_or_default();
    let key = call
        .shared
        .store
        .remove(place(account, user), id)
        .ok_or_else(|| Failure::new("F21", 404, format!("api key \"{id}\" not found")).shape(Shape::Rpc(5)))?;
    if let Ok(value) = String::from_utf8(key.hidden) {
        spread(call, &value, &KeyState::Revoked.into())?;
    }
    Ok(ok(&json!({})))
}

/// Tells the inference side about a key; it hears of it after the propagation delay.
fn spread(call: &Call, key: &str, spec: &KeySpec) -> Result<(), Failure> {
    let delay = Duration::from_millis(call.settings.propagation_delay_ms);
    call.shared
        .keys
        .set_later(Provider::Fireworks, key, spec, delay)
        .map_err(|error| Failure::new("X400", 400, error.to_string()))
}

const fn place<'a>(account: &'a str, user: &'a str) -> Place<'a> {
    Place { kind: "fireworks_key", parent: user, project: account }
}

fn page(name: &str, items: &[Value]) -> Reply {
    let count = items.len();
    ok(&json!({name: items, "nextPageToken": "", "totalSize": count}))
}

fn ok(value: &Value) -> Reply {
    Reply::json(json::bytes(value, Layout::Compact))
}

const STARTED: &str = "2026-01-01T00:00:00.000Z";
