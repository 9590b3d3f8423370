//! Who may pass: the states of a key as OpenAI answers them.

use std::time::Duration;

use crate::failure::{Failure, Shape};
use crate::key_state::{KeyState, SuspendReason};
use crate::mask;
use crate::openai::models;
use crate::openai::wire::Door;
use crate::request::{Call, Credential};
use crate::settings::Models;

/// Checks the key before anything else is looked at.
pub(crate) fn check(call: &Call, door: Door) -> Result<(), Failure> {
    let key = match &call.credential {
        Credential::Missing => return Err(missing(door)),
        Credential::Empty => return Err(empty(door)),
        Credential::Key(key) => key,
    };
    let Some(state) = call.state() else {
        return Err(missing(door));
    };
    check_state(call, key, &state)?;
    check_owner(call)
}

fn check_state(call: &Call, key: &str, state: &KeyState) -> Result<(), Failure> {
    Err(match state {
        KeyState::Unknown | KeyState::Revoked => incorrect_key(key),
        KeyState::Expired => Failure { id: "O5", ..incorrect_key(key) },
        KeyState::Deactivated | KeyState::Suspended(SuspendReason::BlockedByAbuseRule) => {
            Failure::new("O6", 401, DEACTIVATED).code("account_deactivated")
        }
        KeyState::OutOfCredit => quota("O19", "insufficient_quota"),
        KeyState::SpendLimitedOrg | KeyState::Suspended(SuspendReason::MonthlySpendLimitExceeded) => {
            quota("O20", "organization_spend_limit_exceeded")
        }
        KeyState::SpendLimitedProject => quota("O20", "project_spend_limit_exceeded"),
        KeyState::Suspended(SuspendReason::CreditDepleted) => quota("O20", "credit_balance_exhausted"),
        KeyState::Suspended(SuspendReason::FailedPayments) => {
            Failure::new("O21", 429, INACTIVE).kind("billing_not_active").code("billing_not_active")
        }
        KeyState::WrongProject => mismatched_project(),
        KeyState::IpBlocked => Failure::new("O12", 401, ADDRESS).kind("ip_not_authorized").code("ip_not_authorized"),
        KeyState::RegionBlocked => Failure::new("O13", 403, REGION)
            .kind("request_forbidden")
            .code("unsupported_country_region_territory")
            .shape(Shape::CodeFirst),
        KeyState::RateLimited { after, n, retry_after } => {
            return rate_limit(call, *after, *n, *retry_after);
        }
        KeyState::Restricted { scopes } => return check_scope(call, scopes),
        KeyState::Flaky if call.uses() == 0 => {
            Failure::new("O15", scope_status(call), "You have insufficient permissions for this operation.")
        }
        KeyState::ServerError => Failure::new("O28", 500, BROKEN).kind("server_error"),
        KeyState::Overloaded => {
            Failure::new("O24", 503, OVERLOADED).kind("service_unavailable_error").code("server_is_overloaded")
        }
        _ => return Ok(()),
    })
}

/// The organisation and project headers must name the key's own.
fn check_owner(call: &Call) -> Result<(), Failure> {
    if call.grant.is_none() {
        return Ok(());
    }
    let owner = call.owner();
    if let Some(named) = call.header("openai-organization").filter(|named| !named.is_empty())
        && named != owner.organization
    {
        return Err(if named.starts_with("org-") {
            Failure::new("O7", 401, ORGANIZATION).code("mismatched_organization")
        } else {
            Failure::new("O8", 401, format!("No such organization: {named}.")).code("invalid_organization")
        });
    }
    match call.header("openai-project") {
        Some(named) if !named.is_empty() && named != owner.project => Err(mismatched_project()),
        _ => Ok(()),
    }
}

fn rate_limit(call: &Call, after: u64, n: Option<u64>, retry_after: Option<Duration>) -> Result<(), Failure> {
    if !refused_now(call.uses(), after, n) {
        return Ok(());
    }
    let organization = &call.owner().organization;
    let wait = retry_after.unwrap_or(Duration::from_millis(174));
    let message = format!(
        "Rate limit reached for gpt-4o-mini in organization {organization} on tokens per min (TPM): \
         Limit 30000, Used 18928, Requested 11159. Please try again in {}ms. Visit \
         https://platform.openai.com/account/rate-limits to learn more.",
        wait.as_millis()
    );
    Err(Failure::new("O22", 429, message).kind("tokens").code("rate_limit_exceeded").retry_after(retry_after))
}

/// Whether a rate-limited key is refused at this use.
pub(crate) fn refused_now(uses: u64, after: u64, n: Option<u64>) -> bool {
    uses >= after && n.is_none_or(|n| uses - after < n)
}

fn check_scope(call: &Call, scopes: &[String]) -> Result<(), Failure> {
    let wanted = scope(call);
    if scopes.iter().any(|scope| scope == wanted || scope == "api.all") {
        return Ok(());
    }
    let status = scope_status(call);
    Err(missing_scope(wanted, status))
}

pub(crate) fn missing_scope(scope: &str, status: u16) -> Failure {
    let message = format!(
        "You have insufficient permissions for this operation. Missing scopes: {scope}. Check that you \
         have the correct role in your organization (Reader, Writer, Owner) and project (Member, \
         Owner), and if you're using a restricted API key, that it has the necessary scopes."
    );
    Failure::new("O14", status, message).code("insufficient_scope")
}

/// The scope that a route demands.
fn scope(call: &Call) -> &'static str {
    let family = call.path().split('/').nth(2).unwrap_or_default();
    let reads = call.parts.method == http::Method::GET;
    match family {
        "models" => "api.model.read",
        "responses" if reads => "api.responses.read",
        "responses" => "api.responses.write",
        "images" => "api.model.images.request",
        "files" if reads => "api.files.read",
        "files" => "api.files.write",
        "chat" | "completions" | "embeddings" | "moderations" | "audio" => "model.request",
        "assistants" if reads => "api.assistants.read",
        "assistants" => "api.assistants.write",
        "threads" if reads => "api.threads.read",
        "threads" => "api.threads.write",
        "organization" => "api.management.read",
        _ => "api.all.read",
    }
}

/// Missing scopes are 403 on the model list and 401 elsewhere.
fn scope_status(call: &Call) -> u16 {
    if call.path().starts_with("/v1/models") { 403 } else { 401 }
}

/// Checks that the model may be used.
pub(crate) fn check_model(call: &Call, model: &str) -> Result<(), Failure> {
    if model.is_empty() || model.len() > 256 || !model.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed_model());
    }
    if let Some(KeyState::ModelBlocked { models }) = call.state().as_deref()
        && (models.is_empty() || models.iter().any(|blocked| blocked == model))
    {
        let project = &call.owner().project;
        let message = format!("Project `{project}` does not have access to model `{model}`");
        return Err(Failure::new("O16", 403, message).code("model_not_found"));
    }
    if call.settings.models == Models::Listed && !models::serves(call, model) {
        return Err(no_model(model));
    }
    Ok(())
}

pub(crate) fn no_model(model: &str) -> Failure {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    Failure::new("O17", 404, message).code("model_not_found")
}

pub(crate) fn malformed_model() -> Failure {
    Failure::new("O18", 400, "invalid model ID")
}

pub(crate) fn incorrect_key(key: &str) -> Failure {
    let echo = mask::openai_echo(key);
    let message = format!(
        "Incorrect API key provided: {echo}. You can find your API key at \
         https://platform.openai.com/account/api-keys."
    );
    Failure::new("O4", 401, message).code("invalid_api_key")
}

pub(crate) fn missing(door: Door) -> Failure {
    match door {
        Door::Responses => Failure::new("O2", 401, "Missing bearer or basic authentication in header"),
        Door::Legacy | Door::Core => Failure::new("O1", 401, NO_KEY),
    }
}

/// `Bearer` and nothing after it: which answer each route gives is not known.
fn empty(door: Door) -> Failure {
    match door {
        Door::Legacy | Door::Responses => Failure { id: "O3", ..missing(door) },
        Door::Core => Failure { id: "O3", ..incorrect_key("") },
    }
}

fn mismatched_project() -> Failure {
    Failure::new("O9", 401, "OpenAI-Project header should match project for API key").code("mismatched_project")
}

fn quota(id: &'static str, code: &'static str) -> Failure {
    Failure::new(id, 429, QUOTA).kind("insufficient_quota").code(code)
}

const NO_KEY: &str = "You didn't provide an API key. You need to provide your API key in an \
    Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password \
    field (with blank username) if you're accessing the API from your browser and are prompted for a \
    username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.";
const DEACTIVATED: &str = "The OpenAI account associated with this API key has been deactivated. If \
    you are the developer for this OpenAI app, please check your email for more information. If you \
    are seeing this error while using another app or site, please reach out to them for more help.";
const INACTIVE: &str = "Your account is not active, please check your billing details on our website.";
const QUOTA: &str = "You exceeded your current quota, please check your plan and billing details. For \
    more information on this error, read the docs: \
    https://platform.openai.com/docs/guides/error-codes/api-errors.";
const ADDRESS: &str = "Your IP is not authorized to make this request.";
const REGION: &str = "Country, region, or territory not supported";
const ORGANIZATION: &str = "OpenAI-Organization header should match organization for API key";
const BROKEN: &str = "The server had an error while processing your request. Sorry about that!";
const OVERLOADED: &str = "The server is overloaded or not ready yet.";
