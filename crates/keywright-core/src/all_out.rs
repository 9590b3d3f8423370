//! What is told when no key is left: which keys, why each is out, and what to do.

use std::fmt::Write;
use std::time::Duration;

use crate::cause::Cause;
use crate::diagnosis::{Confidence, Diagnosis, Fix, Witness};
use crate::pins::Pin;
use crate::provider::ProviderSpec;
use crate::ring::{Moment, Standing};

/// A key that does not serve a request.
#[derive(Clone, Debug)]
pub struct KeyOut {
    /// The masked value.
    pub masked: String,
    /// Where it was found.
    pub place: String,
    /// Why it does not serve.
    pub why: Why,
}

/// Why one key does not serve a request.
#[derive(Clone, Debug)]
pub struct Why {
    says: String,
    cause: Option<Cause>,
    diagnosis: Option<Box<Diagnosis>>,
}

impl Why {
    /// It cannot see the object that the request names.
    pub fn other_project() -> Self {
        Self::of("belongs to another project", None)
    }

    /// It is out.
    pub fn out(diagnosis: Diagnosis) -> Self {
        Self { says: said(diagnosis.cause), cause: Some(diagnosis.cause), diagnosis: Some(Box::new(diagnosis)) }
    }

    /// It may not use the model.
    pub fn model(cause: Cause) -> Self {
        Self::of(said(cause), Some(cause))
    }

    /// It could serve others now, or soon.
    pub fn standing(standing: Standing, now: Moment) -> Self {
        match standing {
            Standing::Resting(until) => {
                let seconds = now.until(until).as_secs() + 1;
                Self::of(format!("rests for {seconds} s after a rate limit"), Some(Cause::RateLimit))
            }
            Standing::Ready | Standing::Deciding | Standing::Out(_) => Self::of("was refused for this request", None),
        }
    }

    fn of(says: impl Into<String>, cause: Option<Cause>) -> Self {
        Self { says: says.into(), cause, diagnosis: None }
    }
}

/// What is known about a key that is out.
#[derive(Clone, Copy, Debug)]
pub struct Out<'a> {
    /// Why.
    pub cause: Cause,
    /// Where its value is looked for.
    pub source: &'a str,
    /// Why there is no value that can be sent, if there is none.
    pub miss: Option<&'a str>,
    /// The last refusal.
    pub refusal: Option<&'a Diagnosis>,
    /// What the look that followed said.
    pub look: Option<&'a str>,
}

impl Out<'_> {
    /// The diagnosis, without the key's history.
    pub fn diagnosis(&self, provider: &ProviderSpec) -> Diagnosis {
        if let Some(miss) = self.miss {
            let mut diagnosis =
                Diagnosis::new(&provider.id, self.cause, Confidence::Certain).with_evidence(Witness::Environment, miss);
            let says = format!("Put a working key where the configuration looks for it: {}.", self.source);
            diagnosis.fixes.insert(0, Fix { says, command: None });
            return diagnosis;
        }
        let diagnosis = match self.refusal {
            Some(refusal) if refusal.cause == self.cause => refusal.clone(),
            _ => Diagnosis::new(&provider.id, self.cause, Confidence::Likely),
        };
        match self.look {
            Some(look) => diagnosis.with_evidence(Witness::Probe, look),
            None => diagnosis,
        }
    }
}

/// No key is left for a request.
#[derive(Clone, Debug)]
pub struct AllOut {
    /// One line that names each key, masked, with its cause.
    pub message: String,
    /// The diagnosis of the first key that has one, with all keys as evidence.
    pub diagnosis: Diagnosis,
    /// When the first key is looked at again.
    pub retry_after: Duration,
}

/// What all keys of a provider have in common.
#[derive(Clone, Copy, Debug)]
pub struct Together<'a> {
    /// The provider.
    pub provider: &'a ProviderSpec,
    /// The object that the request names.
    pub pin: Option<&'a Pin>,
    /// What the last refusal of this request said.
    pub last: Option<Cause>,
    /// Whether all keys went out in one moment: see [`crate::ring::same_moment`].
    pub in_one_moment: bool,
    /// When the first key is looked at again.
    pub retry_after: Option<Duration>,
}

impl AllOut {
    /// Tells that none of these keys serves.
    pub fn of(together: &Together<'_>, keys: &[KeyOut]) -> Self {
        let diagnosed = keys.iter().find_map(|key| key.why.diagnosis.as_deref());
        let cause = diagnosed
            .map(|diagnosis| diagnosis.cause)
            .or(together.last)
            .or_else(|| keys.iter().find_map(|key| key.why.cause))
            .unwrap_or(Cause::MissingKey);
        let provider = together.provider;
        let mut diagnosis =
            diagnosed.cloned().unwrap_or_else(|| Diagnosis::new(&provider.id, cause, Confidence::Likely));
        let mut message = format!("keywright: no usable key for {}", provider.name);
        for (at, KeyOut { masked, place, why }) in keys.iter().enumerate() {
            let mark = if at == 0 { ':' } else { ';' };
            let _ = write!(message, "{mark} {masked} ({place}): {}", why.says);
            diagnosis = diagnosis.with_evidence(Witness::Environment, format!("{masked} ({place}): {}", why.says));
        }
        if let Some(Pin { object, project }) = together.pin {
            let says = format!("The request names `{object}`, which only keys of the project `{project}` can see");
            let _ = write!(message, ". {says}");
            diagnosis = diagnosis.with_evidence(Witness::History, says);
        }
        if together.in_one_moment {
            let _ = write!(message, ". {IN_ONE_MOMENT}");
            diagnosis = diagnosis.with_evidence(Witness::History, IN_ONE_MOMENT);
        }
        message.push('.');
        let retry_after = together.retry_after.unwrap_or(SOON).max(SOON);
        Self { message, diagnosis, retry_after }
    }

    /// The cause to name first.
    pub const fn cause(&self) -> Cause {
        self.diagnosis.cause
    }

    /// The first thing to do, in one line.
    pub fn fix(&self) -> Option<String> {
        self.diagnosis.fixes.first().map(|Fix { says, command }| match command {
            Some(command) => format!("Fix: {says} `{command}`"),
            None => format!("Fix: {says}"),
        })
    }
}

/// A cause in the words of its page, with its slug.
fn said(cause: Cause) -> String {
    format!("{} [{}]", crate::page::cause_page(cause).title, cause.slug())
}

const IN_ONE_MOMENT: &str =
    "All keys were refused in the same moment: look at the provider, the clock or the way out before the keys";
const SOON: Duration = Duration::from_secs(1);
