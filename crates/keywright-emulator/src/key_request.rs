//! The body of `PUT /_control/keys/{provider}/{key}`.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

use crate::ControlError;
use crate::key_state::{KeySpec, KeyState, SuspendReason};

/// A state by name, its options, and the owner.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    state: String,
    scopes: Option<Vec<String>>,
    models: Option<Vec<String>>,
    after: Option<u64>,
    n: Option<u64>,
    /// Seconds.
    retry_after: Option<f64>,
    reason: Option<String>,
    ms: Option<u64>,
    project: Option<String>,
    organization: Option<String>,
    account: Option<String>,
}

impl KeyRequest {
    /// The state that is meant; an option that the state does not have is an error, not a shrug.
    pub(crate) fn spec(mut self) -> Result<KeySpec, ControlError> {
        let state = self.state()?;
        let left = [
            ("scopes", self.scopes.is_some()),
            ("models", self.models.is_some()),
            ("after", self.after.is_some()),
            ("n", self.n.is_some()),
            ("retry_after", self.retry_after.is_some()),
            ("reason", self.reason.is_some()),
            ("ms", self.ms.is_some()),
        ];
        if let Some((option, _)) = left.into_iter().find(|(_, given)| *given) {
            return Err(ControlError::Option { state: state.name(), problem: "has no", option });
        }
        Ok(KeySpec { state, project: self.project, organization: self.organization, account: self.account })
    }

    fn state(&mut self) -> Result<KeyState, ControlError> {
        Ok(match self.state.as_str() {
            "valid" => KeyState::Valid,
            "unknown" => KeyState::Unknown,
            "revoked" => KeyState::Revoked,
            "expired" => KeyState::Expired,
            "deactivated" => KeyState::Deactivated,
            "out_of_credit" => KeyState::OutOfCredit,
            "spend_limited_org" => KeyState::SpendLimitedOrg,
            "spend_limited_project" => KeyState::SpendLimitedProject,
            "restricted" => KeyState::Restricted { scopes: self.scopes.take().unwrap_or_default() },
            "model_blocked" => KeyState::ModelBlocked { models: self.models.take().unwrap_or_default() },
            "wrong_project" => KeyState::WrongProject,
            "ip_blocked" => KeyState::IpBlocked,
            "region_blocked" => KeyState::RegionBlocked,
            "rate_limited" => KeyState::RateLimited {
                after: self.after.take().unwrap_or_default(),
                n: self.n.take(),
                retry_after: self.retry_after.take().map(seconds).transpose()?,
            },
            "suspended" => KeyState::Suspended(self.reason()?),
            "fire_pass" => KeyState::FirePass,
            "org_key" => KeyState::OrgKey,
            "training_only" => KeyState::TrainingOnly,
            "flaky" => KeyState::Flaky,
            "slow" => KeyState::Slow { delay: self.delay()? },
            "mid_stream_error" => KeyState::MidStreamError,
            "error_first_event" => KeyState::ErrorFirstEvent,
            "cut_stream" => KeyState::CutStream,
            "server_error" => KeyState::ServerError,
            "overloaded" => KeyState::Overloaded,
            "close_before_answer" => KeyState::CloseBeforeAnswer,
            "lying_length" => KeyState::LyingLength,
            "never_ends" => KeyState::NeverEnds,
            other => {
                return Err(ControlError::UnknownState { state: other.into() });
            }
        })
    }

    fn reason(&mut self) -> Result<SuspendReason, ControlError> {
        let Some(reason) = self.reason.take() else {
            return Err(ControlError::Option { state: "suspended", problem: "needs", option: "reason" });
        };
        let reason = reason.to_ascii_lowercase();
        let word: StrDeserializer<'_, WordError> = reason.as_str().into_deserializer();
        SuspendReason::deserialize(word).map_err(|_| ControlError::Value {
            option: "reason",
            expected: "one of failed_payments, credit_depleted, monthly_spend_limit_exceeded, \
                       blocked_by_abuse_rule"
                .into(),
        })
    }

    fn delay(&mut self) -> Result<Duration, ControlError> {
        let missing = ControlError::Option { state: "slow", problem: "needs", option: "ms" };
        let ms = self.ms.take().ok_or(missing)?;
        if ms > LONGEST_MS {
            let expected = format!("at most {LONGEST_MS}");
            return Err(ControlError::Value { option: "ms", expected });
        }
        Ok(Duration::from_millis(ms))
    }
}

fn seconds(value: f64) -> Result<Duration, ControlError> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|wait| wait.as_secs() <= 10 * 365 * 86_400)
        .ok_or(ControlError::Value { option: "retry_after", expected: "a number of seconds from 0".into() })
}

/// An hour: longer than every client's patience.
const LONGEST_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_name_here() {
        for name in KeyState::names() {
            let mut text = serde_json::json!({"state": name});
            match *name {
                "suspended" => text["reason"] = "FAILED_PAYMENTS".into(),
                "slow" => text["ms"] = 5.into(),
                _ => {}
            }
            let request: KeyRequest = serde_json::from_value(text).unwrap();
            assert_eq!(request.spec().unwrap().state.name(), *name);
        }
    }

    #[test]
    fn an_option_of_another_state_is_refused() {
        let request: KeyRequest = serde_json::from_str(r#"{"state": "revoked", "scopes": []}"#).unwrap();
        let error = request.spec().unwrap_err();
        assert_eq!(error.to_string(), "state `revoked` has no option `scopes`");
        assert_eq!(error.at(), "scopes");
    }

    #[test]
    fn odd_numbers_are_refused() {
        for text in [
            r#"{"state": "rate_limited", "retry_after": -1}"#,
            r#"{"state": "rate_limited", "retry_after": 1e300}"#,
            r#"{"state": "slow", "ms": 999999999999}"#,
            r#"{"state": "slow"}"#,
            r#"{"state": "suspended"}"#,
            r#"{"state": "suspended", "reason": "mood"}"#,
        ] {
            let request: KeyRequest = serde_json::from_str(text).unwrap();
            assert!(request.spec().is_err(), "{text}");
        }
    }
}
