//! OpenAI's way: service accounts of projects, and an admin key.
//!
//! There is no way to make a user's key, so a user's key is followed by that of a service account. A key of a service
//! account is not deleted alone: openai-python's `projects.api_keys.delete` says that it answers an error. Its account
//! is deleted instead, if it has no other key.

use keywright_core::Secret;
use keywright_core::text::{is_echo_of, is_echo_of_another};
use serde_json::Value;

use super::call::{Caller, segment};
use super::{AdminError, End, Listed, Make, Plan, Wanted};

pub(super) fn accounts_path(project: &str) -> String {
    format!("{PROJECTS}/{project}/service_accounts")
}

pub(super) fn account_path(project: &str, account: &str) -> String {
    format!("{}/{account}", accounts_path(project))
}

pub(super) fn key_path(project: &str, key: &str) -> String {
    format!("{PROJECTS}/{project}/api_keys/{key}")
}

pub(super) async fn plan(caller: &Caller<'_>, old: &Secret, wanted: &Wanted) -> Result<Plan, AdminError> {
    let projects = match &wanted.project {
        Some(project) => vec![segment(project, "project")?.to_owned()],
        None => pages(caller, PROJECTS).await?.iter().filter_map(|project| text(project, "/id")).collect(),
    };
    let (mut fitting, mut looked_at) = (Vec::new(), 0);
    for project in projects {
        let project = segment(&project, "project")?;
        let keys = keys_of(caller, project).await?;
        looked_at += keys.len();
        for key in &keys {
            if fits(key, old, wanted)? {
                fitting.push(plan_of(key, &keys, project)?);
            }
        }
    }
    match fitting.len() {
        0 => Err(AdminError::NotListed { looked_at }),
        1 => Ok(fitting.remove(0)),
        fitting => Err(AdminError::Ambiguous { fitting }),
    }
}

/// Deletes a service account that still has this key and no other. That it had no other when it was planned is some time
/// ago: a person was asked, and the new key was made and proved.
pub(super) async fn end_account(
    caller: &Caller<'_>,
    project: &str,
    account: &str,
    key: &str,
) -> Result<(), AdminError> {
    let keys = keys_of(caller, project).await?;
    let has: Vec<Option<String>> = of_account(&keys, account).map(|key| text(key, "/id")).collect();
    if has != [Some(key.to_owned())] {
        return Err(AdminError::NotAlone);
    }
    caller.delete(&account_path(project, account)).await
}

async fn keys_of(caller: &Caller<'_>, project: &str) -> Result<Vec<Value>, AdminError> {
    pages(caller, &format!("{PROJECTS}/{project}/api_keys")).await
}

fn of_account<'a>(keys: &'a [Value], account: &'a str) -> impl Iterator<Item = &'a Value> {
    keys.iter().filter(move |key| text(key, ACCOUNT).as_deref() == Some(account))
}

/// An id says which key is meant; it does not make it the stored one.
fn fits(key: &Value, old: &Secret, wanted: &Wanted) -> Result<bool, AdminError> {
    let shown = text(key, "/redacted_value");
    match &wanted.old_key_id {
        None => Ok(shown.is_some_and(|shown| is_echo_of(&shown, old))),
        Some(id) if text(key, "/id").as_ref() != Some(id) => Ok(false),
        Some(_) if shown.is_some_and(|shown| is_echo_of_another(&shown, old)) => Err(AdminError::OtherKey),
        Some(_) => Ok(true),
    }
}

fn plan_of(key: &Value, keys: &[Value], project: &str) -> Result<Plan, AdminError> {
    let id = text(key, "/id").ok_or(AdminError::Strange { what: "a key without a name" })?;
    let id = segment(&id, "key")?.to_owned();
    let name = text(key, "/name").unwrap_or_default();
    let project = project.to_owned();
    let lifetime_seconds = lifetime(key);
    let Some(account) = text(key, ACCOUNT) else {
        return Ok(Plan {
            old: Listed { id: id.clone(), name, owner: "a user".to_owned() },
            make: Make::ServiceAccount { project: project.clone(), name: NEW_ACCOUNT.to_owned(), lifetime_seconds },
            end: End::Key { project, id },
        });
    };
    let account = segment(&account, "service account")?.to_owned();
    let account_name = text(key, "/owner/service_account/name").unwrap_or_else(|| NEW_ACCOUNT.to_owned());
    let old = Listed { id: id.clone(), name: name.clone(), owner: format!("service account `{account_name}`") };
    let alone = of_account(keys, &account).count() == 1;
    let (make, end) = if alone {
        (
            Make::ServiceAccount { project: project.clone(), name: account_name.clone(), lifetime_seconds },
            End::ServiceAccount { project, id: account, name: account_name, key: id },
        )
    } else {
        let why = "its service account has other keys, and OpenAI deletes no single key of a service account";
        (Make::AccountKey { project, account, name, lifetime_seconds }, End::ByHand { why })
    };
    Ok(Plan { old, make, end })
}

/// How long the old key was meant to live.
fn lifetime(key: &Value) -> Option<u64> {
    let moment = |name: &str| key.get(name).and_then(Value::as_u64);
    let seconds = moment("expires_at")?.checked_sub(moment("created_at")?)?;
    Some(seconds.clamp(1, LONGEST_LIFETIME_SECONDS))
}

/// Every object of a list.
async fn pages(caller: &Caller<'_>, path: &str) -> Result<Vec<Value>, AdminError> {
    let mut objects: Vec<Value> = Vec::new();
    let mut after = None;
    for _ in 0..MOST_PAGES {
        let query = after.map_or_else(String::new, |after: String| format!("&after={after}"));
        let mut page = caller.get(&format!("{path}?limit={PAGE}{query}")).await?;
        let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) else {
            return Err(AdminError::Strange { what: "a list without `data`" });
        };
        objects.extend(data);
        if page.get("has_more").and_then(Value::as_bool) != Some(true) {
            return Ok(objects);
        }
        let last = text(&page, "/last_id").ok_or(AdminError::Strange { what: "a page without `last_id`" })?;
        after = Some(segment(&last, "object")?.to_owned());
    }
    Err(AdminError::Strange { what: "a list without an end" })
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

const PROJECTS: &str = "/v1/organization/projects";
/// Where a key says which service account has it.
const ACCOUNT: &str = "/owner/service_account/id";
/// What a service account is called that follows a user's key.
const NEW_ACCOUNT: &str = "keywright";
const PAGE: usize = 100;
const MOST_PAGES: usize = 100;
/// A year, the most that `expires_in_seconds` takes.
const LONGEST_LIFETIME_SECONDS: u64 = 31_536_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(id: &str, owner: &Value) -> Value {
        json!({"id": id, "name": "ci", "redacted_value": "sk-svcac***WXYZ", "created_at": 100, "owner": owner})
    }

    fn account(id: &str) -> Value {
        json!({"type": "service_account", "service_account": {"id": id, "name": "robot"}})
    }

    #[test]
    fn an_id_decides_where_what_is_shown_of_the_key_does_not_tell() {
        let old = Secret::new("sk-svcacct-AbCdEfGhWXYZ");
        let by_id = Wanted { old_key_id: Some("key_1".to_owned()), project: None };
        // What is shown, whether it alone is enough, and what it is with an id: `None` is refused.
        for (shown, by_echo, with_id) in [
            (json!("sk-svcac***WXYZ"), true, Some(true)),
            (json!("sk-...YZ"), false, Some(true)),
            (json!("***"), false, Some(true)),
            (json!(""), false, Some(true)),
            (json!(null), false, Some(true)),
            (json!("sk-svcac***WXYz"), false, None),
            (json!("sk-proj-***WXYZ"), false, None),
            (json!("sk-...AB"), false, None),
            (json!("sk-svcacct-AbCd"), false, None),
        ] {
            let mut listed = key("key_1", &account("sa_1"));
            listed["redacted_value"] = shown.clone();
            assert_eq!(fits(&listed, &old, &Wanted::default()).ok(), Some(by_echo), "{shown}");
            assert_eq!(fits(&listed, &old, &by_id).ok(), with_id, "{shown}");
            listed["id"] = json!("key_2");
            assert_eq!(fits(&listed, &old, &by_id).ok(), Some(false), "{shown}");
        }
    }

    #[test]
    fn a_service_account_with_one_key_makes_way_for_another() {
        let keys = [key("key_1", &account("sa_1")), key("key_2", &account("sa_2"))];
        let plan = plan_of(&keys[0], &keys, "proj_1").expect("a plan");
        assert_eq!(plan.make.request().0, "/v1/organization/projects/proj_1/service_accounts");
        assert_eq!(
            plan.end,
            End::ServiceAccount {
                project: "proj_1".to_owned(),
                id: "sa_1".to_owned(),
                name: "robot".to_owned(),
                key: "key_1".to_owned(),
            }
        );
    }

    #[test]
    fn a_service_account_with_other_keys_stays() {
        let keys = [key("key_1", &account("sa_1")), key("key_2", &account("sa_1"))];
        let plan = plan_of(&keys[0], &keys, "proj_1").expect("a plan");
        assert_eq!(plan.make.request().0, "/v1/organization/projects/proj_1/service_accounts/sa_1/api_keys");
        assert!(matches!(plan.end, End::ByHand { .. }));
    }

    #[test]
    fn a_users_key_is_followed_by_that_of_a_service_account() {
        let mut mine = key("key_1", &json!({"type": "user", "user": {"id": "user-1"}}));
        mine["expires_at"] = json!(100 + 86_400 * 30);
        let plan = plan_of(&mine, std::slice::from_ref(&mine), "proj_1").expect("a plan");
        let (path, body) = plan.make.request();
        assert_eq!(path, "/v1/organization/projects/proj_1/service_accounts");
        assert_eq!(body, json!({"name": "keywright", "expires_in_seconds": 86_400 * 30}));
        assert_eq!(plan.end, End::Key { project: "proj_1".to_owned(), id: "key_1".to_owned() });
        assert!(plan.make.to_string().ends_with("for 30 days as the old one"));
    }

    #[test]
    fn only_names_stand_in_paths() {
        for bad in ["", "..", "a/b", "a?b", "a b", "a%2fb", "ä"] {
            let keys = [key(bad, &account("sa_1"))];
            assert!(matches!(plan_of(&keys[0], &keys, "p"), Err(AdminError::BadName { .. })), "{bad}");
        }
    }
}
