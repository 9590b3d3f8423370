//! What can be wrong with a key, and whose key it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::{ControlError, Provider};

/// How the emulated provider treats a key. It can change at any moment while the emulator runs.
#[derive(Clone, Debug, Default, PartialEq, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum KeyState {
    /// Works.
    #[default]
    Valid,
    /// Never existed. The same bytes as `Revoked` and `Expired`.
    Unknown,
    /// Was switched off. The same bytes as `Unknown`.
    Revoked,
    /// Passed its end date. The same bytes as `Unknown`: no provider is known to tell them apart.
    Expired,
    /// The account behind the key is closed.
    Deactivated,
    /// No credit is left.
    OutOfCredit,
    /// The organisation reached its spending limit.
    SpendLimitedOrg,
    /// The project reached its spending limit.
    SpendLimitedProject,
    /// Lacks scopes.
    Restricted {
        /// The scopes the key does have.
        scopes: Vec<String>,
    },
    /// May not use some models.
    ModelBlocked {
        /// The models refused; empty means all.
        models: Vec<String>,
    },
    /// Belongs to another project than the request says.
    WrongProject,
    /// The caller's address is not on the allow-list.
    IpBlocked,
    /// The caller's country is not served.
    RegionBlocked,
    /// Calls too often.
    RateLimited {
        /// Calls that pass before the first refusal.
        after: u64,
        /// Refusals before the key works again; `None` means until the state changes.
        n: Option<u64>,
        /// The `retry-after` header.
        retry_after: Option<Duration>,
    },
    /// The account is suspended.
    Suspended(SuspendReason),
    /// A Fireworks subscription key, which only some routes accept.
    FirePass,
    /// A Together organisation key.
    OrgKey,
    /// A Fireworks key for the training routes only.
    TrainingOnly,
    /// Refuses the first call with a passing permission glitch, then works.
    Flaky,
    /// Works, with a delay before the answer and before each event.
    Slow {
        /// The delay.
        delay: Duration,
    },
    /// A stream starts well and then carries an error.
    MidStreamError,
    /// Status 200, but the first event (or the body) is an error.
    ErrorFirstEvent,
    /// The connection breaks in the middle of the answer.
    CutStream,
    /// Answers 500.
    ServerError,
    /// Answers 503.
    Overloaded,
    /// The connection closes without any answer.
    CloseBeforeAnswer,
    /// `content-length` promises more than the body holds.
    LyingLength,
    /// The answer starts and never ends.
    NeverEnds,
}

/// Why a Fireworks account is suspended; the words of its `suspendState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SuspendReason {
    /// An invoice was not paid.
    FailedPayments,
    /// No credit is left.
    CreditDepleted,
    /// The monthly limit was reached.
    MonthlySpendLimitExceeded,
    /// Abuse was reported.
    BlockedByAbuseRule,
}

impl SuspendReason {
    /// The word that `GET /v1/accounts` uses, such as `CREDIT_DEPLETED`.
    pub fn suspend_state(self) -> &'static str {
        self.into()
    }
}

impl KeyState {
    /// The stable name, as the control door spells it.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Every name the control door accepts.
    pub const fn names() -> &'static [&'static str] {
        Self::VARIANTS
    }

    pub(crate) const fn exists_at(&self, provider: Provider) -> bool {
        match self {
            Self::FirePass | Self::TrainingOnly => matches!(provider, Provider::Fireworks),
            Self::OrgKey => matches!(provider, Provider::Together),
            _ => true,
        }
    }
}

/// Whose key it is. Objects and the OpenAI project and organisation headers are checked against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// `proj_…`.
    pub project: String,
    /// `org-…`.
    pub organization: String,
    /// The account id at Fireworks.
    pub account: String,
}

impl Default for Owner {
    fn default() -> Self {
        Self {
            project: "proj_KeywrightEmulatorMain000".into(),
            organization: "org-KeywrightEmulator0000000".into(),
            account: "keywright-emulator".into(),
        }
    }
}

/// A state, and optionally a change of owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeySpec {
    /// How the key is treated.
    pub state: KeyState,
    /// `None` keeps the project.
    pub project: Option<String>,
    /// `None` keeps the organisation.
    pub organization: Option<String>,
    /// `None` keeps the account.
    pub account: Option<String>,
}

impl KeySpec {
    /// A valid key.
    pub fn valid() -> Self {
        Self::default()
    }

    /// Says which project the key belongs to.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Says which organisation the key belongs to.
    #[must_use]
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// Says which Fireworks account the key belongs to.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    pub(crate) fn check(&self, provider: Provider) -> Result<(), ControlError> {
        if self.state.exists_at(provider) {
            return Ok(());
        }
        Err(ControlError::NotAtProvider { state: self.state.name(), provider })
    }

    pub(crate) fn apply_to(&self, owner: &mut Owner) {
        let parts = [
            (&self.project, &mut owner.project),
            (&self.organization, &mut owner.organization),
            (&self.account, &mut owner.account),
        ];
        for (new, old) in parts {
            if let Some(new) = new {
                old.clone_from(new);
            }
        }
    }
}

impl From<KeyState> for KeySpec {
    fn from(state: KeyState) -> Self {
        Self { state, ..Self::default() }
    }
}
