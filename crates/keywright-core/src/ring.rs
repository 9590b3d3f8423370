//! The ring policy: which key serves next, and what an answer does to a key.
//!
//! The life of a key: active → suspect (one refusal) → confirmed by one look → quarantined with its
//! cause → probed again with backoff, or at once when its source hands out another value → probation →
//! active. Time is a number that the caller passes in, so every path can be tested without waiting.

use std::time::Duration;

use serde::Serialize;

mod models;
mod sent;
mod want;

pub use models::Models;
pub use sent::{MOST_ATTEMPTS_PER_KEY, MOST_RESENT, REPLAY_LIMIT, Sent};
pub use want::Want;

use crate::cause::{Bench, Cause};

/// Milliseconds since some fixed moment; only differences matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment that much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long until `later`; zero when it has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// Whether a key may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Health {
    /// It serves.
    Active,
    /// It was refused once; one look decides.
    Suspect {
        /// What the refusal said.
        cause: Cause,
        /// When it was refused.
        since: Moment,
    },
    /// The provider asked for a pause.
    CoolingDown {
        /// When the pause is over.
        until: Moment,
    },
    /// It is out, for a known cause.
    Quarantined {
        /// Why.
        cause: Cause,
        /// Since when.
        since: Moment,
        /// When it is looked at again.
        retry_at: Moment,
        /// How often it was looked at since.
        round: u32,
    },
    /// It may serve again, and the next refusal puts it back at once.
    Probation {
        /// Why it was out.
        cause: Cause,
        /// How often it was looked at while it was out.
        round: u32,
    },
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was served.
    Served,
    /// A request was refused.
    Refused(Cause),
    /// The provider asked for a pause; `None` when it did not say how long.
    RateLimited(Option<Duration>),
    /// A probe came back.
    Probed(Look),
    /// The time for the next look has come.
    Due,
    /// The same, where nobody looks: the next request decides.
    DueForTraffic,
    /// The source handed out another value.
    Replaced,
}

impl Event {
    /// What a refusal tells the key that met it; `None` when it says nothing about the key as a whole.
    pub const fn of_refusal(cause: Cause, retry_after: Option<Duration>) -> Option<Self> {
        match cause.bench() {
            Bench::Key | Bench::Account => Some(Self::Refused(cause)),
            Bench::Cooldown => Some(Self::RateLimited(retry_after)),
            Bench::KeyAndModel | Bench::Nothing => None,
        }
    }
}

/// What a probe showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The provider knows this key.
    Works,
    /// The provider refuses this key.
    Refused(Cause),
    /// No verdict: the network, the provider or the route.
    Unknown,
}

/// What the caller must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Read the source again; if the value is the same, probe it.
    Confirm,
    /// Probe the value.
    Probe,
}

/// How long a key that is out waits for its next look.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// The pause after a rate limit that did not say how long.
    pub pause: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(10), longest: Duration::from_secs(15 * 60), pause: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// The wait before look number `round + 1`: doubled each time, up to the longest.
    pub fn wait(&self, round: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(round.min(20))).min(self.longest)
    }
}

/// The next state of a key, and what must be done for it.
///
/// | state | served | refused (key) | refused (account) | rate limited | look: works / refused / unknown | due |
/// |---|---|---|---|---|---|---|
/// | active | active | suspect, confirm | quarantined | cooling down | – | – |
/// | suspect | suspect | suspect | quarantined | suspect | probation / quarantined / quarantined, first wait | – |
/// | cooling down | same | suspect, confirm | quarantined | longer of the two | – | active |
/// | quarantined | quarantined | same | same | same | probation / next round / same round again | probe, or probation if only traffic proves |
/// | probation | active | quarantined, next round | quarantined, next round | cooling down | – | – |
///
/// A request that was already under way when its key went out changes nothing: sixteen refusals in
/// flight are one event. `Replaced` makes any state active.
pub fn step(health: Health, event: Event, now: Moment, backoff: &Backoff) -> (Health, Option<Task>) {
    match event {
        Event::Replaced => (Health::Active, None),
        Event::Served => (served(health), None),
        Event::Refused(cause) => refused(health, cause, now, backoff),
        Event::RateLimited(pause) => (rate_limited(health, now.after(pause.unwrap_or(backoff.pause))), None),
        Event::Probed(look) => (looked(health, look, now, backoff), None),
        Event::Due => due(health, now, backoff),
        Event::DueForTraffic => (due_for_traffic(health, now), None),
    }
}

fn served(health: Health) -> Health {
    match health {
        Health::Active | Health::Probation { .. } => Health::Active,
        // It was under way before the key went out, or it proves less than the look that is coming.
        Health::Suspect { .. } | Health::CoolingDown { .. } | Health::Quarantined { .. } => health,
    }
}

fn refused(health: Health, cause: Cause, now: Moment, backoff: &Backoff) -> (Health, Option<Task>) {
    match (cause.bench(), health) {
        (Bench::Nothing | Bench::KeyAndModel | Bench::Cooldown, _)
        | (_, Health::Quarantined { .. })
        | (Bench::Key, Health::Suspect { .. }) => (health, None),
        (Bench::Key, Health::Active | Health::CoolingDown { .. }) => {
            (Health::Suspect { cause, since: now }, Some(Task::Confirm))
        }
        (Bench::Account, Health::Active | Health::CoolingDown { .. } | Health::Suspect { .. }) => {
            (quarantine(cause, now, 0, backoff), None)
        }
        (Bench::Key | Bench::Account, Health::Probation { round, .. }) => {
            (quarantine(cause, now, round + 1, backoff), None)
        }
    }
}

fn rate_limited(health: Health, until: Moment) -> Health {
    match health {
        Health::Active | Health::Probation { .. } => Health::CoolingDown { until },
        Health::CoolingDown { until: earlier } => Health::CoolingDown { until: until.max(earlier) },
        Health::Suspect { .. } | Health::Quarantined { .. } => health,
    }
}

fn looked(health: Health, look: Look, now: Moment, backoff: &Backoff) -> Health {
    let (cause, since, round) = match health {
        Health::Suspect { cause, since } => (cause, since, 0),
        Health::Quarantined { cause, since, round, .. } => (cause, since, round + 1),
        Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => return health,
    };
    match look {
        Look::Works => Health::Probation { cause, round },
        Look::Refused(seen) => {
            Health::Quarantined { cause: seen, since, retry_at: now.after(backoff.wait(round)), round }
        }
        // No verdict is no proof either way: the refusal stands, and the next look comes soon.
        Look::Unknown => Health::Quarantined { cause, since, retry_at: now.after(backoff.first), round },
    }
}

fn due(health: Health, now: Moment, backoff: &Backoff) -> (Health, Option<Task>) {
    match health {
        Health::CoolingDown { until } if until <= now => (Health::Active, None),
        Health::Quarantined { cause, since, retry_at, round } if retry_at <= now => match cause.bench() {
            // A probe costs nothing and so says nothing about credit: only traffic proves that it is back.
            Bench::Account => (Health::Probation { cause, round }, None),
            Bench::Key | Bench::KeyAndModel | Bench::Cooldown | Bench::Nothing => {
                let retry_at = now.after(backoff.wait(round + 1));
                (Health::Quarantined { cause, since, retry_at, round }, Some(Task::Confirm))
            }
        },
        _ => (health, None),
    }
}

fn due_for_traffic(health: Health, now: Moment) -> Health {
    match health {
        Health::CoolingDown { until } if until <= now => Health::Active,
        Health::Quarantined { cause, retry_at, round, .. } if retry_at <= now => Health::Probation { cause, round },
        _ => health,
    }
}

fn quarantine(cause: Cause, now: Moment, round: u32, backoff: &Backoff) -> Health {
    Health::Quarantined { cause, since: now, retry_at: now.after(backoff.wait(round)), round }
}

/// How a key stands for the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may serve.
    Ready,
    /// A look is under way that will decide within moments.
    Deciding,
    /// It rests until then.
    Resting(Moment),
    /// It is out for this cause.
    Out(Cause),
}

impl Health {
    /// How a key begins that was out when an earlier process ended. One look decides, or one request where no look is
    /// to be had or a look proves nothing.
    pub const fn recalled(cause: Cause, can_look: bool, now: Moment) -> Self {
        match cause.bench() {
            Bench::Key if can_look => Self::Suspect { cause, since: now },
            Bench::Key | Bench::Account => Self::Probation { cause, round: 0 },
            Bench::KeyAndModel | Bench::Cooldown | Bench::Nothing => Self::Active,
        }
    }

    /// How the key stands now.
    pub fn standing(self, now: Moment) -> Standing {
        match self {
            Self::Active | Self::Probation { .. } => Standing::Ready,
            Self::Suspect { .. } => Standing::Deciding,
            Self::CoolingDown { until } if until <= now => Standing::Ready,
            Self::CoolingDown { until } => Standing::Resting(until),
            Self::Quarantined { cause, .. } => Standing::Out(cause),
        }
    }

    /// When something is due for this key, if anything is.
    pub fn due_at(self) -> Option<Moment> {
        match self {
            Self::CoolingDown { until } => Some(until),
            Self::Quarantined { retry_at, .. } => Some(retry_at),
            Self::Active | Self::Suspect { .. } | Self::Probation { .. } => None,
        }
    }

    /// The cause that the state carries.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Suspect { cause, .. } | Self::Quarantined { cause, .. } | Self::Probation { cause, .. } => {
                Some(cause)
            }
            Self::Active | Self::CoolingDown { .. } => None,
        }
    }

    /// The state's name, as metrics and reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspect { .. } => "suspect",
            Self::CoolingDown { .. } => "cooling_down",
            Self::Quarantined { .. } => "quarantined",
            Self::Probation { .. } => "probation",
        }
    }
}

/// What the next attempt of a request may use, after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Any key that this request has not used.
    OtherKey,
    /// A key of another account, or another provider.
    OtherAccount,
    /// The same key after this pause.
    SameKeyAfter(Duration),
    /// Nothing: the answer goes down as it is.
    Relay,
}

/// The failover decision for one refusal.
///
/// A rate limit with a short pause is waited for once; with a long or unknown one, another account may
/// serve. `waited` says whether this request has waited already.
pub fn next(cause: Cause, retry_after: Option<Duration>, waited: bool) -> Next {
    use crate::cause::Failover;
    match cause.failover() {
        Failover::OtherKey => Next::OtherKey,
        Failover::OtherAccount => Next::OtherAccount,
        Failover::Wait => match retry_after {
            Some(pause) if pause <= SHORT_PAUSE && !waited => Next::SameKeyAfter(pause),
            _ => Next::OtherAccount,
        },
        Failover::Stop => Next::Relay,
    }
}

/// Whether a refusal is something that the caller can act on when no other key is left: it may slow down, or lacks a
/// scope. A 401 about a key is never the caller's, whose own key may be fine.
pub const fn speaks_to_caller(cause: Cause, status: u16) -> bool {
    match cause.bench() {
        Bench::Cooldown | Bench::Nothing => true,
        Bench::KeyAndModel => status != 401,
        Bench::Key | Bench::Account => false,
    }
}

/// How long a provider asks to wait: the header `retry-after-ms`, then `retry-after` in seconds.
///
/// Dates are left alone: no provider of the catalogue sends them, and a clock that is off would turn
/// them into nonsense.
pub fn retry_after(in_ms: Option<&str>, in_seconds: Option<&str>) -> Option<Duration> {
    let number = |text: Option<&str>| text?.trim().parse::<f64>().ok();
    let ms = number(in_ms).or_else(|| number(in_seconds).map(|seconds| seconds * 1_000.0))?;
    (0.0..=LONGEST_PAUSE_MS).contains(&ms).then(|| Duration::from_secs_f64(ms / 1_000.0))
}

/// Whether refusals that came this close together point at the provider, the clock or the way out
/// rather than at each key: two or more keys, all of them out, within one moment.
pub fn same_moment(out_since: &[Moment]) -> bool {
    match (out_since.iter().min(), out_since.iter().max()) {
        (Some(first), Some(last)) if out_since.len() > 1 => first.until(*last) <= ONE_MOMENT,
        _ => false,
    }
}

/// A pause that a request waits for instead of moving on.
pub const SHORT_PAUSE: Duration = Duration::from_secs(2);
/// A day: anything longer is no pause.
const LONGEST_PAUSE_MS: f64 = 86_400_000.0;
/// Refusals of all keys within this time are one event.
pub const ONE_MOMENT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
