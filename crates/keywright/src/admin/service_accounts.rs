//! OpenAI's way: service accounts of projects, and an admin key.
//!
//! There is no way to make a user's key, so a user's key is followed by that of a service account. A key of a service
//! account is not deleted alone: openai-python's `projects.api_keys.delete` says that it answers an error. Its account
//! is deleted instead, if it has no other key.

use keywright_core::Secret;
use keywright_core::text::is_echo_of;
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
        let keys = pages(caller, &format!("{PROJECTS}/{project}/api_keys")).await?;
        looked_at += keys.len();
        let fits = keys.iter().filter(|key| fits(key, old, wanted));
        let plans = fits.map(|key| plan_of(key, &keys, project)).collect::<Result<Vec<_>, _>>()?;
        fitting.extend(plans);
    }
    match fitting.len() {
        0 => Err(AdminError::NotListed { looked_at }),
        1 => Ok(fitting.remove(0)),
        fitting => Err(AdminError::Ambiguous { fitting }),
    }
}

fn fits(key: &Value, old: &Secret, wanted: &Wanted) -> bool {
    match &wanted.old_key_id {
        Some(id) => text(key, "/id").as_deref() == Some(id),
        None => text(key, "/redacted_value").is_some_and(|shown| is_echo_of(&shown, old)),
    }
}

fn plan_of(key: &Value, keys: &[Value], project: &str) -> Result<Plan, AdminError> {
    const ACCOUNT: &str = "/owner/service_account/id";
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
    let old = Listed { id, name: name.clone(), owner: format!("service account `{account_name}`") };
    let alone = keys.iter().filter(|other| text(other, ACCOUNT).as_ref() == Some(&account)).count() == 1;
    let (make, end) = if alone {
        (
            Make::ServiceAccount { project: project.clone(), name: account_name.clone(), lifetime_seconds },
            End::ServiceAccount { project, id: account, name: account_name },
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

    fn of_account(id: &str) -> Value {
        json!({"type": "service_account", "service_account": {"id": id, "name": "robot"}})
    }

    #[test]
    fn a_service_account_with_one_key_makes_way_for_another() {
        let keys = [key("key_1", &of_account("sa_1")), key("key_2", &of_account("sa_2"))];
        let plan = plan_of(&keys[0], &keys, "proj_1").expect("a plan");
        assert_eq!(plan.make.request().0, "/v1/organization/projects/proj_1/service_accounts");
        assert_eq!(
            plan.end,
            End::ServiceAccount { project: "proj_1".to_owned(), id: "sa_1".to_owned(), name: "robot".to_owned() }
        );
    }

    #[test]
    fn a_service_account_with_other_keys_stays() {
        let keys = [key("key_1", &of_account("sa_1")), key("key_2", &of_account("sa_1"))];
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
            let keys = [key(bad, &of_account("sa_1"))];
            assert!(matches!(plan_of(&keys[0], &keys, "p"), Err(AdminError::BadName { .. })), "{bad}");
        }
    }
}
