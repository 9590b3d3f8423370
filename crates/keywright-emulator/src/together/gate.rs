//! Who may pass: the states of a key as Together answers them.

use crate::failure::{Failure, Shape};
use crate::key_state::KeyState;
use crate::openai::gate::refused_now;
use crate::request::{Call, Credential};
use crate::settings::Models;
use crate::together::wire::Door;

/// Checks the key before anything else is looked at.
pub(crate) fn check(call: &Call, door: Door) -> Result<(), Failure> {
    let state = match &call.credential {
        Credential::Missing | Credential::Empty => None,
        Credential::Key(_) => call.state(),
    };
    let Some(state) = state else {
        return Err(missing(door));
    };
    refusal(call, door, &state).map_or(Ok(()), Err)
}

fn refusal(call: &Call, door: Door, state: &KeyState) -> Option<Failure> {
    let inference = door == Door::Inference;
    match state {
        KeyState::Unknown => Some(rejected(door, "T1")),
        KeyState::Revoked | KeyState::Expired => Some(rejected(door, "T4")),
        KeyState::OutOfCredit => inference.then(|| credit("T8", 402, NO_CREDIT)),
        KeyState::SpendLimitedOrg | KeyState::SpendLimitedProject => inference.then(|| credit("T8m", 402, NO_CREDIT)),
        KeyState::RateLimited { after, n, retry_after } => {
            let refused = inference && refused_now(call.uses(), *after, *n);
            refused.then(|| credit("T9", 429, TOO_OFTEN).retry_after(*retry_after))
        }
        KeyState::Deactivated
        | KeyState::Suspended(_)
        | KeyState::WrongProject
        | KeyState::IpBlocked
        | KeyState::RegionBlocked => Some(denied("T14")),
        KeyState::Restricted { .. } => Some(denied("T18")),
        KeyState::Flaky if call.uses() == 0 => Some(denied("T17")),
        KeyState::ServerError => Some(Failure::new("T13", 500, "Internal server error").kind("server_error")),
        KeyState::Overloaded => Some(
            Failure::new("T11", 503, "The server is overloaded. Please try again later.")
                .kind("server_error")
                .code("service_unavailable"),
        ),
        _ => None,
    }
}

/// Revoked, expired and unknown keys get the same bytes.
fn rejected(door: Door, id: &'static str) -> Failure {
    match (door, id) {
        (Door::Models, "T1") => unauthorized("T2"),
        (Door::Models, _) => unauthorized(id),
        (Door::Whoami, _) => invalid_key("T16"),
        (Door::Inference, _) => invalid_key(id),
    }
}

fn missing(door: Door) -> Failure {
    match door {
        Door::Models => unauthorized("T2a"),
        Door::Inference | Door::Whoami => Failure::new("T3", 401, MISSING).code("missing_api_key"),
    }
}

pub(crate) fn invalid_key(id: &'static str) -> Failure {
    Failure::new(id, 401, INVALID).code("invalid_api_key")
}

pub(crate) fn unauthorized(id: &'static str) -> Failure {
    Failure::new(id, 401, "Unauthorized").shape(Shape::MessageOnly)
}

fn denied(id: &'static str) -> Failure {
    Failure::new(id, 403, "You do not have permission to access this resource.").code("permission_denied")
}

fn credit(id: &'static str, status: u16, message: &str) -> Failure {
    Failure::new(id, status, message).kind("credit_limit")
}

/// Checks that the model may be used.
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
    let message = format!(
        "Unable to access model {model}. Please visit https://api.together.ai/models to view the list \
         of supported models."
    );
    Err(Failure::new("T5", 404, message).code("model_not_available"))
}

const INVALID: &str = "Invalid API key provided. You can find your API key at \
                       https://api.together.ai/settings/api-keys.";
const MISSING: &str = "Missing API key. You need to provide your API key in an Authorization header \
                       using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)";
const NO_CREDIT: &str = "Credit limit exceeded. Please navigate to \
    https://api.together.xyz/settings/billing to add credit or upgrade your plan.";
const TOO_OFTEN: &str = "You have been rate limited. Your rate limit is 60 queries per minute. Please \
    navigate to https://api.together.xyz/settings/billing to upgrade to a paid plan.";
