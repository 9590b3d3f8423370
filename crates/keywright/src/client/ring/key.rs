//! One key of a ring: its value, its state, and what is known about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keywright_core::all_out::NoValue;
use keywright_core::ring::{Backoff, Event, Health, Models, Moment, Standing, step};
use keywright_core::{Bench, Diagnosis, Fingerprint, ProviderSpec};

use super::Given;
use super::value::{Refusal, Value};
use crate::credential::Unsendable;
use crate::sources::Reference;
use crate::state::{Chronicle, Memory, Timestamp};

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) reference: Option<Reference>,
    pub(super) project: Option<String>,
    pub(super) account: Option<String>,
    /// Where its value is looked for, in words.
    pub(super) source: String,
    pub(super) chronicle: Chronicle,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) value: Option<Arc<Value>>,
    pub(super) health: Health,
    /// The last refusal, as its diagnosis.
    pub(super) refusal: Option<Diagnosis>,
    /// Why there is no value.
    pub(super) miss: Option<NoValue>,
    pub(super) models: Models,
    /// Whether the one request that probation allows is under way.
    on_trial: bool,
    /// Since when somebody reads its source.
    read_since: Option<Moment>,
    /// When its source may be read again.
    read_next: Moment,
    /// What the source hands out, and the provider refuses, while the last known good value serves.
    passed_over: Option<Fingerprint>,
    pub(super) served: u64,
    pub(super) last_served: Moment,
}

/// Whether a key can serve a request.
pub(super) enum Offer {
    /// With this value; `trial` when it is the one request that probation allows.
    Value {
        value: Arc<Value>,
        trial: bool,
    },
    /// Somebody else finds that out.
    Deciding,
    No,
}

impl Key {
    /// A key with its value, or with the reason why it has none.
    pub(super) fn new(
        given: &Given,
        value: Result<Value, Unsendable>,
        provider: &ProviderSpec,
        memory: Option<&Memory>,
        now: Moment,
    ) -> Self {
        let source = given.reference.as_ref().map_or_else(|| given.place.clone(), Reference::to_string);
        // Only a key that has a source can be recalled for it.
        let remembers = memory.filter(|_| given.reference.is_some()).cloned();
        let key = Self {
            reference: given.reference.clone(),
            project: given.project.clone(),
            account: given.account.clone(),
            chronicle: Chronicle::new(remembers, &provider.id, &source),
            source,
            state: Mutex::new(State {
                value: None,
                health: Health::Active,
                refusal: None,
                miss: None,
                models: Models::default(),
                on_trial: false,
                read_since: None,
                read_next: now,
                passed_over: None,
                served: 0,
                last_served: now,
            }),
        };
        match value {
            Ok(value) => {
                key.chronicle.open(&value.secret, value.stands_in);
                let before = key.chronicle.past().and_then(|past| past.cause);
                let mut state = key.state();
                state.value = Some(Arc::new(value));
                // Nobody looks here: what was out when the last process ended begins on probation.
                state.health = before.map_or(Health::Active, |cause| Health::recalled(cause, false, now));
                drop(state);
            }
            Err(why) => key.lose(why, now),
        }
        key
    }

    /// The value now.
    pub(super) fn value(&self) -> Option<Arc<Value>> {
        self.state().value.clone()
    }

    /// What this key offers to a request now.
    pub(super) fn offer(&self, tried: &[Fingerprint], model: Option<&str>, pressed: bool, now: Moment) -> Offer {
        let mut state = self.state();
        let Some(value) = state.value.clone() else {
            return Offer::No;
        };
        state.tell(Event::DueForTraffic, &Backoff::default(), now);
        let model_is_out = model.is_some_and(|model| state.models.why(model, now).is_some());
        match state.health.standing(now) {
            _ if model_is_out || tried.contains(&value.fingerprint) => Offer::No,
            Standing::Resting(_) | Standing::Out(_) => Offer::No,
            Standing::Deciding => Offer::Deciding,
            Standing::Ready if !matches!(state.health, Health::Probation { .. }) => {
                Offer::Value { value, trial: false }
            }
            Standing::Ready if state.on_trial && pressed => Offer::Value { value, trial: false },
            Standing::Ready if state.on_trial => Offer::Deciding,
            Standing::Ready => {
                state.on_trial = true;
                Offer::Value { value, trial: true }
            }
        }
    }

    /// How long it rests, if that is all that keeps it from a request.
    pub(super) fn rests(&self, tried: &[Fingerprint], now: Moment) -> Option<Duration> {
        let state = self.state();
        let untried = state.value.as_ref().is_some_and(|value| !tried.contains(&value.fingerprint));
        match state.health.standing(now) {
            Standing::Resting(until) if untried => Some(now.until(until)),
            _ => None,
        }
    }

    /// Gives back the one place that probation has, unless another value is on probation by now.
    pub(super) fn end_trial(&self, value: Fingerprint) {
        let mut state = self.state();
        if state.holds(value) {
            state.on_trial = false;
        }
    }

    /// A request was served by this value.
    pub(super) fn served(&self, value: &Value, now: Moment) {
        let mut state = self.state();
        if !state.holds(value.fingerprint) {
            return;
        }
        state.tell(Event::Served, &Backoff::default(), now);
        state.served += 1;
        state.last_served = now;
        drop(state);
        self.tell_service(false, now);
    }

    /// A request was refused with this value. True when it goes out because of that.
    pub(super) fn refused(&self, value: Fingerprint, refusal: &Refusal<'_>, backoff: &Backoff, now: Moment) -> bool {
        let cause = refusal.classified.cause;
        let mut state = self.state();
        if !state.holds(value) {
            return false;
        }
        let Some(event) = Event::of_refusal(cause, refusal.retry_after) else {
            if let (Bench::KeyAndModel, Some(model)) = (cause.bench(), refusal.model) {
                state.models.bench(model, cause, now);
            }
            return false;
        };
        let before = state.health;
        state.tell(event, backoff, now);
        let out = matches!(state.health, Health::Suspect { .. } | Health::Quarantined { .. });
        if before == state.health || !out {
            return false;
        }
        state.refusal = Some(refusal.classified.diagnosis(refusal.provider, refusal.status));
        drop(state);
        self.tell_service_until_now(true, now);
        self.chronicle.refused(cause);
        if self.reference.is_none() {
            self.looked_in_vain(backoff, now);
        }
        true
    }

    /// The look that follows a refusal: nobody looks here, so it shows nothing.
    pub(super) fn looked_in_vain(&self, backoff: &Backoff, now: Moment) {
        let mut state = self.state();
        if matches!(state.health, Health::Suspect { .. }) {
            state.tell(Event::Probed(keywright_core::ring::Look::Unknown), backoff, now);
        }
    }

    /// Takes the right to read its source, which one request at a time has, and not too often.
    pub(super) fn begin_read(&self, now: Moment) -> bool {
        let mut state = self.state();
        let abandoned = |since: Moment| since.until(now) > LONGEST_READ;
        let free = state.read_since.is_none_or(abandoned);
        // A refusal that was just met is looked into at once.
        let due = state.read_next <= now || matches!(state.health, Health::Suspect { .. });
        if self.reference.is_none() || !free || !due {
            return false;
        }
        state.read_since = Some(now);
        true
    }

    /// Gives that right back.
    pub(super) fn end_read(&self, now: Moment) {
        let costly = self.reference.as_ref().is_some_and(Reference::is_costly);
        let mut state = self.state();
        let serves = !matches!(state.health, Health::Suspect { .. } | Health::Quarantined { .. });
        let pause = match (costly, serves) {
            (false, _) => BETWEEN_READS,
            (true, false) => BETWEEN_COSTLY_READS,
            // Requests that could be served do not wait for a server that is down again and again.
            (true, true) => BETWEEN_COSTLY_READS * 6,
        };
        state.read_since = None;
        state.read_next = now.after(pause);
    }

    /// Whether somebody reads its source.
    pub(super) fn is_read(&self, now: Moment) -> bool {
        self.state().read_since.is_some_and(|since| since.until(now) <= LONGEST_READ)
    }

    /// Whether its source is worth a read: the key is out, or the last known good value serves in its place.
    pub(super) fn wants_read(&self, now: Moment) -> bool {
        let state = self.state();
        let stands_in = state.value.as_ref().is_some_and(|value| value.stands_in);
        stands_in || matches!(state.health.standing(now), Standing::Out(_) | Standing::Deciding)
    }

    /// Whether the last known good value serves.
    pub(super) fn stands_in(&self) -> bool {
        self.state().value.as_ref().is_some_and(|value| value.stands_in)
    }

    /// Whether it was refused, and its source was not read since.
    pub(super) fn is_suspect(&self) -> bool {
        matches!(self.health(), Health::Suspect { .. })
    }

    /// Its state.
    pub(super) fn health(&self) -> Health {
        self.state().health
    }

    /// When it is due again; never without a value.
    pub(super) fn due_at(&self) -> Option<Moment> {
        let state = self.state();
        state.value.as_ref().and_then(|_| state.health.due_at())
    }

    /// Whether it is out, or about to be.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.state().health, Health::Suspect { .. } | Health::Quarantined { .. })
    }

    /// Whether it is out for a cause of its own, and not of its account.
    pub(super) fn is_refused(&self) -> bool {
        self.is_out() && self.health().cause().is_some_and(|cause| cause.bench() == Bench::Key)
    }

    /// Whether the source's value was refused before the one that serves took its place.
    pub(super) fn passes_over(&self, value: Fingerprint) -> bool {
        self.state().passed_over == Some(value)
    }

    /// Puts another value of its source in place: a rotation.
    pub(super) fn replace(&self, value: Value, now: Moment) {
        self.tell_service_until_now(true, now);
        self.chronicle.open(&value.secret, value.stands_in);
        let mut state = self.state();
        let passed_over = if value.stands_in { state.value.as_ref().map(|refused| refused.fingerprint) } else { None };
        let health = match (value.stands_in, state.health.cause()) {
            // It served before; the first refusal puts it out.
            (true, Some(cause)) => Health::Probation { cause, round: 0 },
            _ => Health::Active,
        };
        let (read_since, read_next) = (state.read_since, state.read_next);
        *state = State {
            value: Some(Arc::new(value)),
            health,
            refusal: None,
            miss: None,
            models: Models::default(),
            on_trial: false,
            read_since,
            read_next,
            passed_over,
            served: 0,
            last_served: now,
        };
    }

    /// Puts the source's value back, refused as it is: the one that stood in is refused too.
    pub(super) fn put_back(&self, value: Value) {
        self.chronicle.open(&value.secret, false);
        let mut state = self.state();
        state.value = Some(Arc::new(value));
        state.passed_over = None;
    }

    /// The source gives the very value again that stands in for it.
    pub(super) fn confirm(&self, value: Value) {
        self.chronicle.open(&value.secret, false);
        let mut state = self.state();
        state.value = Some(Arc::new(value));
        (state.passed_over, state.served) = (None, 0);
    }

    /// There is no value, or none that can be sent.
    pub(super) fn lose(&self, why: Unsendable, now: Moment) {
        self.chronicle.close();
        let mut state = self.state();
        state.value = None;
        state.miss = Some(NoValue { says: why.says, fix: why.fix });
        state.health = Health::Quarantined { cause: why.cause, since: now, retry_at: now, round: 0 };
    }

    /// Tells the history how often this key served; without `all` only now and then. What a key that is out still served
    /// was under way before, and proves nothing.
    pub(super) fn tell_service(&self, all: bool, now: Moment) {
        if !self.is_out() {
            self.tell_service_until_now(all, now);
        }
    }

    fn tell_service_until_now(&self, all: bool, now: Moment) {
        let state = self.state();
        let (served, last, value) = (state.served, state.last_served, state.value.clone());
        drop(state);
        let last = timestamp(last, now);
        if let Some(value) = value
            && self.chronicle.served(served, last, all, now)
            && !value.stands_in
        {
            self.chronicle.remember(&value.secret, last);
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this is its value now. A value that was replaced meanwhile changes nothing: the state belongs to the value.
    fn holds(&self, value: Fingerprint) -> bool {
        self.value.as_ref().is_some_and(|held| held.fingerprint == value)
    }

    fn tell(&mut self, event: Event, backoff: &Backoff, now: Moment) {
        self.health = step(self.health, event, now, backoff).0;
    }
}

/// A moment as the wall clock shows it.
pub(super) fn timestamp(moment: Moment, now: Moment) -> Timestamp {
    Timestamp::now().before(moment.until(now))
}

/// Places on this machine are read this often at most while their key is out.
const BETWEEN_READS: Duration = Duration::from_millis(500);
/// A server or a helper.
const BETWEEN_COSTLY_READS: Duration = Duration::from_secs(10);
/// Whoever began a read so long ago has given it up.
const LONGEST_READ: Duration = Duration::from_secs(30);
