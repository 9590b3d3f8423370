//! Who may pass: the states of a key as Fireworks answers them.

use crate::failure::{Failure, Shape};
use crate::fireworks::wire::Door;
use crate::key_state::{KeyState, SuspendReason};
use crate::openai::gate::refused_now;
use crate::request::{Call, Credential};
use crate::settings::Models;

/// Checks the key before anything else is looked at.
pub(crate) fn check(call: &Call, door: Door, path: &[&str]) -> Result<(), Failure> {
    let state = match &call.credential {
        Credential::Missing | Credential::Empty => None,
        Credential::Key(_) => call.state(),
    };
    let Some(state) = state else {
        return Err(on_door(door, invalid_key("F2")));
    };
    let refused = refusal(call, door, path, &state);
    refused.map_or(Ok(()), |failure| Err(on_door(door, failure)))
}

fn refusal(call: &Call, door: Door, path: &[&str], state: &KeyState) -> Option<Failure> {
    let inference = door == Door::Inference;
    match state {
        KeyState::Unknown | KeyState::Revoked => Some(invalid_key("F1")),
        KeyState::Expired => Some(invalid_key("F1d")),
        // The control plane still tells a suspended account why it is suspended.
        KeyState::Suspended(_) | KeyState::Deactivated | KeyState::OutOfCredit | KeyState::SpendLimitedOrg => {
            inference.then(|| suspended(&call.owner().account))
        }
        KeyState::SpendLimitedProject => {
            inference.then(|| forbidden("F6", 402, "Spending limit reached for this user.", "PAYMENT_REQUIRED"))
        }
        KeyState::Restricted { .. } | KeyState::WrongProject => {
            Some(forbidden("F17", 403, "Permission denied.", "FORBIDDEN"))
        }
        KeyState::IpBlocked | KeyState::RegionBlocked => Some(forbidden("F16", 403, "Access denied.", "FORBIDDEN")),
        KeyState::FirePass => (inference && !fire_pass_may(path)).then(|| {
            let message = "Fire Pass API keys are not authorized for this route.";
            forbidden("F3", 403, message, "FORBIDDEN")
        }),
        KeyState::TrainingOnly => inference.then(|| Failure { id: "F12", ..invalid_key("F1") }),
        KeyState::RateLimited { after, n, retry_after } => refused_now(call.uses(), *after, *n).then(|| {
            let message = "Rate limit exceeded, please try again later.";
            forbidden("F8", 429, message, "RESOURCE_EXHAUSTED").retry_after(*retry_after)
        }),
        KeyState::Flaky if call.uses() == 0 => Some(forbidden("F20", 403, "Permission denied.", "FORBIDDEN")),
        KeyState::ServerError => Some(forbidden("F19", 500, "Internal server error", "INTERNAL_SERVER_ERROR")),
        KeyState::Overloaded => Some(forbidden("F10", 503, "Service overloaded", "SERVICE_UNAVAILABLE")),
        _ => None,
    }
}

/// The routes a subscription key is made for.
fn fire_pass_may(path: &[&str]) -> bool {
    matches!(path, ["chat", "completions"] | ["completions" | "messages" | "responses"])
}

/// The control plane answers with a `google.rpc.Status`.
fn on_door(door: Door, failure: Failure) -> Failure {
    if door == Door::Inference {
        return failure;
    }
    match failure.status {
        401 => Failure { id: "F15", ..failure.shape(Shape::Rpc(16)) },
        403 => failure.shape(Shape::Rpc(7)),
        429 => failure.shape(Shape::Rpc(8)),
        503 => failure.shape(Shape::Rpc(14)),
        _ => failure.shape(Shape::Rpc(13)),
    }
}

/// What `GET /v1/accounts` says about the account.
pub(crate) fn suspend_state(state: &KeyState) -> &'static str {
    match state {
        KeyState::Suspended(reason) => reason.suspend_state(),
        KeyState::Deactivated => SuspendReason::BlockedByAbuseRule.suspend_state(),
        KeyState::OutOfCredit => SuspendReason::CreditDepleted.suspend_state(),
        KeyState::SpendLimitedOrg => SuspendReason::MonthlySpendLimitExceeded.suspend_state(),
        _ => "UNSUSPENDED",
    }
}

/// Checks that the model may be used; unknown and forbidden models are missed alike.
pub(crate) fn check_model(call: &Call, model: &str) -> Result<(), Failure> {
    let blocked = match call.state().as_deref() {
        Some(KeyState::ModelBlocked { models }) => models.is_empty() || models.iter().any(|blocked| blocked == model),
        _ => false,
    };
    let listed = call.settings.models == Models::Any || super::inference::serves(model);
    let formed = !model.is_empty() && model.len() <= 256 && !model.contains(char::is_whitespace);
    if formed && listed && !blocked {
        return Ok(());
    }
    Err(no_model())
}

pub(crate) fn no_model() -> Failure {
    Failure::new("F7", 404, "Model not found, inaccessible, and/or not deployed").param("model").code("NOT_FOUND")
}

pub(crate) fn invalid_key(id: &'static str) -> Failure {
    forbidden(id, 401, "The API key you provided is invalid.", "UNAUTHORIZED")
}

pub(crate) fn suspended(account: &str) -> Failure {
    let message = format!(
        "Account {account} is suspended, possibly due to reaching the monthly spending limit or \
         failure to pay past invoices. Please go to https://fireworks.ai/account/billing for more \
         information."
    );
    Failure::new("F4", 412, message).kind("error").code("PRECONDITION_FAILED")
}

fn forbidden(id: &'static str, status: u16, message: &str, code: &'static str) -> Failure {
    Failure::new(id, status, message).kind("error").code(code)
}
