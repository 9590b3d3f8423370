//! Fireworks' way: users of an account have keys, and each of those may make others.

use keywright_core::{ProviderSpec, Secret};
use serde_json::Value;

use super::call::{Caller, segment};
use super::{AdminError, End, Listed, Make, Plan, Wanted};

pub(super) fn path(account: &str, user: &str) -> String {
    format!("{ACCOUNTS}/{account}/users/{user}/apiKeys")
}

pub(super) async fn plan(caller: &Caller<'_>, old: &Secret, wanted: &Wanted) -> Result<Plan, AdminError> {
    let account = match &wanted.project {
        Some(account) => segment(account, "account")?.to_owned(),
        None => the_account(caller).await?,
    };
    let (mut fitting, mut looked_at) = (Vec::new(), 0);
    for user in names(&list(caller, &format!("{ACCOUNTS}/{account}/users"), "users").await?) {
        let user = segment(&user, "user")?;
        let keys = list(caller, &path(&account, user), "apiKeys").await?;
        looked_at += keys.len();
        for key in &keys {
            if fits(key, old, caller.provider, wanted)? {
                fitting.push(plan_of(key, &account, user)?);
            }
        }
    }
    match fitting.len() {
        0 => Err(AdminError::NotListed { looked_at }),
        1 => Ok(fitting.remove(0)),
        fitting => Err(AdminError::Ambiguous { fitting }),
    }
}

async fn the_account(caller: &Caller<'_>) -> Result<String, AdminError> {
    let mut accounts = names(&list(caller, ACCOUNTS, "accounts").await?);
    match accounts.len() {
        1 => Ok(segment(&accounts.remove(0), "account")?.to_owned()),
        accounts => Err(AdminError::SeveralAccounts { accounts }),
    }
}

/// The provider shows the beginning of each key, which must tell more than what all of its keys begin with. An
/// id says which key is meant; it does not make it the stored one.
fn fits(key: &Value, old: &Secret, provider: &ProviderSpec, wanted: &Wanted) -> Result<bool, AdminError> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let prefix = text("prefix").filter(|prefix| old.expose().starts_with(prefix));
    if let Some(id) = &wanted.old_key_id {
        return match text("keyId") == Some(id) {
            true if prefix != text("prefix") => Err(AdminError::OtherKey),
            meant => Ok(meant),
        };
    }
    let common = provider.keys.iter().filter(|shape| old.expose().starts_with(&shape.prefix));
    let common = common.map(|shape| shape.prefix.len()).max().unwrap_or_default();
    Ok(prefix.is_some_and(|prefix| prefix.len() >= common + FEWEST_TELLING))
}

fn plan_of(key: &Value, account: &str, user: &str) -> Result<Plan, AdminError> {
    let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (id, name) = (text("keyId"), text("displayName"));
    segment(&id, "key")?;
    let (account, user) = (account.to_owned(), user.to_owned());
    Ok(Plan {
        old: Listed { id: id.clone(), name: name.clone(), owner: format!("user {user}") },
        make: Make::UserKey { account: account.clone(), user: user.clone(), name },
        end: End::UserKey { account, user, id },
    })
}

/// The last segments of the names of these objects: `accounts/a/users/u` is `u`.
fn names(objects: &[Value]) -> Vec<String> {
    let names = objects.iter().filter_map(|object| object.get("name")?.as_str());
    names.filter_map(|name| name.rsplit('/').next()).map(str::to_owned).collect()
}

async fn list(caller: &Caller<'_>, path: &str, what: &str) -> Result<Vec<Value>, AdminError> {
    let mut page = caller.get(path).await?;
    let more = page.get("nextPageToken").and_then(Value::as_str).is_some_and(|token| !token.is_empty());
    match page.get_mut(what).map(Value::take) {
        Some(Value::Array(objects)) if !more => Ok(objects),
        Some(Value::Array(_)) => Err(AdminError::Strange { what: "a list of more than one page" }),
        // An empty list may be left out.
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(_) => Err(AdminError::Strange { what: "a list that is none" }),
    }
}

const ACCOUNTS: &str = "/v1/accounts";
/// So many characters after the common prefix tell one key from another.
const FEWEST_TELLING: usize = 3;

#[cfg(test)]
mod tests {
    use keywright_core::Catalogue;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_known_by_its_beginning_or_its_name() {
        let provider = Catalogue::builtin().provider("fireworks").expect("in the catalogue");
        let old = Secret::new("fw_AbCdEfGhIjKlMnOpQrStUvWx");
        let by_beginning = Wanted::default();
        let by_name = Wanted { old_key_id: Some("key_1".to_owned()), project: None };
        // What is shown, the name, whether the first alone is enough, and what it is with a name: `None` is refused.
        for (prefix, id, fits_beginning, fits_name) in [
            (json!("fw_AbCd"), "key_1", true, Some(true)),
            (json!("fw_AbCx"), "key_1", false, None),
            (json!("fw_x"), "key_1", false, None),
            (json!("fw_Ab"), "key_1", false, Some(true)),
            (json!(""), "key_1", false, Some(true)),
            (json!(null), "key_1", false, Some(true)),
            (json!("fw_AbCx"), "key_2", false, Some(false)),
            (json!("fw_"), "key_2", false, Some(false)),
            (json!("fw_Ab"), "key_2", false, Some(false)),
            (json!(""), "key_2", false, Some(false)),
        ] {
            let key = json!({"keyId": id, "prefix": prefix});
            assert_eq!(fits(&key, &old, provider, &by_beginning).ok(), Some(fits_beginning), "{prefix}");
            assert_eq!(fits(&key, &old, provider, &by_name).ok(), fits_name, "{prefix} {id}");
        }
    }

    #[test]
    fn the_new_key_belongs_to_the_same_user() {
        let plan = plan_of(&json!({"keyId": "key_1", "displayName": "ci"}), "acme", "me").expect("a plan");
        assert_eq!(plan.make.request(), (path("acme", "me"), json!({"apiKey": {"displayName": "ci"}})));
        assert_eq!(plan.end.to_string(), "key key_1 of user me, in account acme");
    }
}
