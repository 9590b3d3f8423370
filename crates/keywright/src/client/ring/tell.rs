//! What came of an attempt, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use keywright_core::opening::{Form, Opening, movable};
use keywright_core::ring::{self, MOST_RESENT, Moment, Next, Sent, speaks_to_caller};
use keywright_core::{Answer, Bench, Cause, Classified, Confidence, Diagnosis, Witness, classify_failure, paths};

use super::Attempts;
use super::attempts::InUse;
use super::value::Refusal;

/// The head of an answer, as far as its judgement needs it.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// Whether the body that is shown is still encoded (`Content-Encoding`): then a good answer is not looked into.
    pub encoded: bool,
    /// How long the provider asks to wait: see [`keywright_core::ring::retry_after`].
    pub retry_after: Option<Duration>,
}

impl Head {
    /// Reads a head.
    pub fn of(status: u16, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        Self {
            status,
            content_type: text(CONTENT_TYPE.as_str()).map(str::to_owned),
            encoded: headers.contains_key(CONTENT_ENCODING),
            retry_after: ring::retry_after(text("retry-after-ms"), text(RETRY_AFTER.as_str())),
        }
    }
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Read more of the body, and tell again with all of it.
    MoreBody,
    /// It is the caller's: what was read and what is still to come.
    Deliver,
    /// It is a failure that no other key mends: the caller's, with this diagnosis.
    Fail(Box<Diagnosis>),
    /// Drop it, and ask for the next step.
    Again,
}

impl Attempts {
    /// An answer came. `body` is all of it that was read so far, decoded, and `ended` says that there is no more. Whoever
    /// is asked for more reads at least one more piece.
    pub fn answered(&mut self, head: &Head, body: &[u8], ended: bool, now: Moment) -> Verdict {
        let status = head.status;
        if status >= 400 {
            if !ended && body.len() < LONGEST_ERROR {
                return Verdict::MoreBody;
            }
            let answer = Answer { status, path: &self.path, body };
            let classified = classify_failure(self.ring.0.provider, &answer);
            return self.refused(head, &classified, now);
        }
        let kind = head.content_type.as_deref().unwrap_or_default();
        let form = Form::of(status, kind.as_bytes(), head.encoded);
        match form.read(body, ended) {
            Opening::Awaited => Verdict::MoreBody,
            // The id of what was made may still come.
            Opening::Fine if form == Form::Json && !ended && body.len() < LONGEST_OBJECT && self.owner().is_some() => {
                Verdict::MoreBody
            }
            Opening::Fine => self.served(body, now),
            Opening::Suspicious(data) => {
                let answer = Answer { status, path: &self.path, body: &data };
                match movable(self.ring.0.provider, &answer) {
                    None => self.served(body, now),
                    Some(classified) => self.refused(head, &classified, now),
                }
            }
        }
    }

    /// No answer came. `cause` says why, and `sent` whether the request may have run: then it is never sent again.
    pub fn failed(&mut self, cause: Cause, sent: Sent, says: &str) -> Verdict {
        self.used = None;
        if sent == Sent::NotTaken && !self.once && self.resent < MOST_RESENT {
            self.resent += 1;
            return Verdict::Again;
        }
        let provider = self.ring.0.provider;
        let diagnosis = Diagnosis::new(&provider.id, cause, Confidence::Likely)
            .with_evidence(Witness::Text, format!("no answer from {}: {says}. {}", provider.name, sent.says()));
        Verdict::Fail(Box::new(diagnosis))
    }

    fn served(&mut self, body: &[u8], now: Moment) -> Verdict {
        if let Some(project) = self.owner() {
            self.ring.0.pins.learn_from(body, project);
        }
        if let Some(used) = self.used.take() {
            used.key.served(&used.value, now);
        }
        Verdict::Deliver
    }

    /// The project that owns what this request makes, if it makes something that belongs to one.
    fn owner(&self) -> Option<&str> {
        let stateful = || paths::is_stateful(&self.ring.0.provider.paths, &self.path);
        let project = self.used.as_ref()?.key.project.as_deref()?;
        (self.creates && stateful()).then_some(project)
    }

    fn refused(&mut self, head: &Head, classified: &Classified, now: Moment) -> Verdict {
        let Some(used) = self.used.take() else {
            return Verdict::Deliver;
        };
        let provider = self.ring.0.provider;
        let (status, retry_after) = (head.status, head.retry_after);
        let refusal = Refusal { provider, status, classified, model: self.model.as_deref(), retry_after };
        let went_out = self.condemn(&used, &refusal, now);
        let diagnosis = diagnosis(&used, &refusal);
        let cause = classified.cause;
        self.last = Some(cause);
        if went_out && cause.bench() == Bench::Key {
            self.refused = Some(Arc::clone(&used.key));
        }
        let next = ring::next(cause, retry_after, self.waited);
        self.want.after(next, used.value.fingerprint, used.key.account.as_deref());
        if self.once {
            return Verdict::Fail(Box::new(diagnosis));
        }
        if let Next::SameKeyAfter(pause) = next {
            self.waited = true;
            self.pause = Some(pause);
            return Verdict::Again;
        }
        let own_words = speaks_to_caller(cause, status) && !self.has_other(now);
        if next == Next::Relay || own_words {
            return Verdict::Fail(Box::new(diagnosis));
        }
        self.resent = 0;
        Verdict::Again
    }

    /// Tells the key, and all keys of its account where it is the account that was refused. True when the key goes out.
    fn condemn(&self, used: &InUse, refusal: &Refusal<'_>, now: Moment) -> bool {
        let (backoff, cause) = (&self.ring.0.policy.backoff, refusal.classified.cause);
        let went_out = used.key.refused(used.value.fingerprint, refusal, backoff, now);
        if went_out {
            let diagnosis = used.key.diagnosis(refusal.provider, now);
            tracing::warn!(
                provider = refusal.provider.id,
                key = used.value.secret.masked(),
                fingerprint = %used.value.fingerprint,
                place = used.value.place,
                cause = diagnosis.as_ref().map_or(cause, |diagnosis| diagnosis.cause).slug(),
                help = diagnosis.as_ref().and_then(|diagnosis| Some(diagnosis.fixes.first()?.says.as_str())),
                "key is out"
            );
        }
        if cause.bench() == Bench::Account
            && let Some(account) = used.key.account.as_deref()
        {
            for key in self.ring.0.keys.iter().filter(|key| key.account.as_deref() == Some(account)) {
                if let Some(value) = key.value() {
                    key.refused(value.fingerprint, refusal, backoff, now);
                }
            }
        }
        went_out
    }
}

/// The diagnosis of an answer that goes to the caller.
fn diagnosis(used: &InUse, refusal: &Refusal<'_>) -> Diagnosis {
    let says = format!("the request used {} of the {}", used.value.secret.masked(), used.value.place);
    refusal.classified.diagnosis(refusal.provider, refusal.status).with_evidence(Witness::Environment, says)
}

/// An object that was made tells its id by here.
const LONGEST_OBJECT: usize = 64 * 1024;
/// No provider's error is longer.
const LONGEST_ERROR: usize = 1024 * 1024;
