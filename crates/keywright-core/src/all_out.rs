//! What is told when no key is left: which keys, why each is out, and what to do.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::cause::{Cause, Verdict};
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

    /// It is out, and its source may be too.
    pub fn out(diagnosis: Diagnosis, source: Option<SourceDown<'_>>) -> Self {
        let mut says = said(diagnosis.cause);
        if let Some(source) = source {
            // Writing to a string does not fail.
            let _ = write!(says, ", and {source}");
        }
        Self { says, cause: Some(diagnosis.cause), diagnosis: Some(Box::new(diagnosis)) }
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

/// Why a key has no value that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoValue {
    /// What its source said, or what is wrong with the value there.
    pub says: String,
    /// What mends that, where its source knows.
    pub fix: Option<Fix>,
}

/// What is known about a key that is out.
#[derive(Clone, Copy, Debug)]
pub struct Out<'a> {
    /// Why.
    pub cause: Cause,
    /// Where its value is looked for.
    pub source: &'a str,
    /// Why there is no value that can be sent, if there is none.
    pub miss: Option<&'a NoValue>,
    /// The last refusal.
    pub refusal: Option<&'a Diagnosis>,
    /// What the look that followed said.
    pub look: Option<&'a str>,
}

/// A source that gives nothing that can be used, while its key has a value.
#[derive(Clone, Copy, Debug)]
pub struct SourceDown<'a> {
    /// What the source said, with its place.
    pub says: &'a str,
    /// What mends that, where its source knows.
    pub fix: Option<&'a Fix>,
}

impl SourceDown<'_> {
    /// The diagnosis of the key's value, with what keeps another one from coming in. `source` is where that is looked for.
    pub fn witness(&self, diagnosis: Diagnosis, source: &str) -> Diagnosis {
        let fix = self.fix.cloned().unwrap_or_else(|| put_it_there(source));
        diagnosis.with_evidence(Witness::Environment, self.to_string()).mended_by(fix)
    }
}

impl fmt::Display for SourceDown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its source gives no key now: {}", self.says)
    }
}

impl Out<'_> {
    /// The diagnosis, without the key's history.
    pub fn diagnosis(&self, provider: &ProviderSpec) -> Diagnosis {
        if let Some(miss) = self.miss {
            let diagnosis = Diagnosis::new(&provider.id, self.cause, Confidence::Certain)
                .with_evidence(Witness::Environment, &miss.says);
            return match &miss.fix {
                Some(fix) => diagnosis.mended_at(fix.clone()),
                None => diagnosis.mended_by(put_it_there(self.source)),
            };
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
    /// Whether a key only rests: another try after that is of use.
    pub rests: bool,
}

/// Who is told that no key is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A caller of the gateway. The keys are not its own, and what it shows to the gateway is fine.
    Caller,
    /// A program that holds the keys itself.
    Holder,
}

/// How that is said over HTTP, in the terms of OpenAI's SDKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Whether the SDK's own retries are of use (`x-should-retry`).
    pub should_retry: bool,
    /// How long to wait before the next try (`retry-after`).
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
        let rests = keys.iter().any(|key| key.why.cause == Some(Cause::RateLimit));
        Self { message, diagnosis, retry_after, rests }
    }

    /// The cause to name first.
    pub const fn cause(&self) -> Cause {
        self.diagnosis.cause
    }

    /// The answer. A caller of the gateway never gets a 429 for a key's problem, nor a 401 while its own key is fine, and the
    /// gateway has tried what there is. A program that holds the keys gets what the provider would say to a single key.
    pub const fn reply(&self, told: Told) -> Reply {
        let cause = self.cause();
        let (status, should_retry) = match (told, cause.verdict()) {
            (Told::Caller, _) => (503, false),
            (Told::Holder, Verdict::Auth) => (401, self.rests),
            (Told::Holder, _) if matches!(cause, Cause::RateLimit) => (429, true),
            (Told::Holder, _) if matches!(cause, Cause::QuotaExhausted) => (429, self.rests),
            (Told::Holder, Verdict::NotAuth | Verdict::Unrecognised) => (503, self.rests),
        };
        Reply { status, should_retry, retry_after: self.retry_after }
    }

    /// The first thing to do, in one line.
    pub fn fix(&self) -> Option<String> {
        self.diagnosis.fixes.first().map(|Fix { says, command }| match command {
            Some(command) => format!("Fix: {says} `{command}`"),
            None => format!("Fix: {says}"),
        })
    }
}

fn put_it_there(source: &str) -> Fix {
    Fix { says: format!("Put a working key where the configuration looks for it: {source}."), command: None }
}

/// A cause in the words of its page, with its slug.
fn said(cause: Cause) -> String {
    format!("{} [{}]", crate::page::cause_page(cause).title, cause.slug())
}

const IN_ONE_MOMENT: &str =
    "All keys were refused in the same moment: look at the provider, the clock or the way out before the keys";
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn all_out(whys: &[Why], last: Option<Cause>) -> AllOut {
        let provider = Catalogue::builtin().provider("openai").expect("in the catalogue");
        let retry_after = Some(Duration::from_secs(20));
        let together = Together { provider, pin: None, last, in_one_moment: false, retry_after };
        let key =
            |why: &Why| KeyOut { masked: "sk-…AAAA".to_owned(), place: "the first".to_owned(), why: why.clone() };
        AllOut::of(&together, &whys.iter().map(key).collect::<Vec<_>>())
    }

    #[test]
    fn who_holds_the_keys_hears_what_the_provider_would_say_and_a_caller_of_the_gateway_does_not() {
        let rests = Why::standing(Standing::Resting(Moment(20_000)), Moment(0));
        let out = |cause| Why::out(Diagnosis::new("openai", cause, Confidence::Likely), None);
        let cases = [
            (vec![rests.clone()], None, 429, true),
            (vec![Why::standing(Standing::Ready, Moment(0))], Some(Cause::RateLimit), 429, true),
            (vec![out(Cause::InvalidKey)], None, 401, false),
            (vec![out(Cause::InvalidKey), rests.clone()], None, 401, true),
            (vec![out(Cause::QuotaExhausted)], None, 429, false),
            (vec![out(Cause::QuotaExhausted), rests], None, 429, true),
            (vec![out(Cause::ServerError)], None, 503, false),
            (vec![Why::other_project()], None, 401, false),
        ];
        for (whys, last, status, should_retry) in cases {
            let all_out = all_out(&whys, last);
            let retry_after = Duration::from_secs(20);
            assert_eq!(all_out.reply(Told::Holder), Reply { status, should_retry, retry_after }, "{whys:?}");
            let to_caller = Reply { status: 503, should_retry: false, retry_after };
            assert_eq!(all_out.reply(Told::Caller), to_caller, "{whys:?}");
        }
    }
}
