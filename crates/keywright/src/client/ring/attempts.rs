//! One request on its way over the keys.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use keywright_core::all_out::{AllOut, Together};
use keywright_core::pins::Pin;
use keywright_core::ring::{Health, MOST_ATTEMPTS_PER_KEY, Moment, SHORT_PAUSE, Want, same_moment};
use keywright_core::{Cause, Fingerprint, Redactor, Secret, peek};

use super::key::{Key, Offer};
use super::value::Value;
use super::{Errand, Ring};

/// A request, as far as its keys depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path at the provider, such as `/v1/chat/completions`.
    pub path: &'a str,
    /// The body, or its beginning; empty when it is a stream. It names the model, and objects that belong to a project.
    pub body: &'a [u8],
}

/// What the driver does next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Send the request with this key, and tell what came of it.
    Send(Lease),
    /// Have [`Ring::read`] read the source of a key again, then ask for the next step.
    Read(Errand),
    /// Wait, then ask for the next step.
    Wait(Duration),
    /// No key is left.
    Stop(Box<AllOut>),
}

/// A key for one attempt.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The name of the header that carries it, lower case.
    pub name: &'static str,
    /// The header's value. It holds the key, and is marked as sensitive.
    pub header: HeaderValue,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The masked key.
    pub masked: String,
    /// Where it was found.
    pub place: String,
    /// Tells it from others in this process.
    pub fingerprint: Fingerprint,
    secret: Secret,
}

impl Lease {
    /// A redactor for what comes of this attempt. It knows the keys of the ring, and the one that was sent: another request
    /// may have seen a rotation since.
    pub fn redactor(&self, ring: &Ring) -> Redactor {
        let mut secrets = ring.secrets();
        secrets.push(self.secret.clone());
        Redactor::new(&secrets.iter().collect::<Vec<_>>())
    }
}

/// One request on its way over the keys of a ring. Dropping it gives back what it holds: that is how a request is cancelled.
#[derive(Debug)]
pub struct Attempts {
    pub(super) ring: Ring,
    pub(super) path: String,
    pub(super) creates: bool,
    pub(super) model: Option<String>,
    pub(super) pin: Option<Pin>,
    pub(super) want: Want,
    pub(super) used: Option<InUse>,
    /// The attempts so far.
    pub(super) attempt: u32,
    /// How often it was sent again because nobody had taken it.
    pub(super) resent: u32,
    /// Whether its body can be sent a single time.
    pub(super) once: bool,
    /// Whether a short pause was waited for.
    pub(super) waited: bool,
    pub(super) pause: Option<Duration>,
    pub(super) last: Option<Cause>,
    /// The key that was refused last: its source is read before the next one is tried.
    pub(super) refused: Option<Arc<Key>>,
    /// Keys whose source was read for this request, by place.
    read: Vec<usize>,
    /// Since when it waits for what another request finds out.
    waits_since: Option<Moment>,
}

/// A key in use by one attempt.
#[derive(Debug)]
pub(super) struct InUse {
    pub(super) key: Arc<Key>,
    pub(super) value: Arc<Value>,
    trial: bool,
}

impl Drop for InUse {
    fn drop(&mut self) {
        if self.trial {
            self.key.end_trial(self.value.fingerprint);
        }
    }
}

impl Attempts {
    pub(super) fn new(ring: Ring, call: &Call<'_>) -> Self {
        let inner = &ring.0;
        let pin = inner.pin(call);
        let want = Want { project: pin.as_ref().map(|pin| pin.project.clone()), ..Want::default() };
        Self {
            path: call.path.to_owned(),
            creates: call.method.eq_ignore_ascii_case("POST"),
            model: model(call),
            pin,
            want,
            used: None,
            attempt: 0,
            resent: 0,
            once: false,
            waited: false,
            pause: None,
            last: None,
            refused: None,
            read: Vec::new(),
            waits_since: None,
            ring,
        }
    }

    /// Its body cannot be sent a second time: an answer that another attempt would follow is a failure.
    pub const fn only_once(&mut self) {
        self.once = true;
    }

    /// Pauses are its caller's: what an SDK retries by itself is not waited for here as well.
    pub const fn never_waits(&mut self) {
        self.waited = true;
    }

    /// What the last refusal of this request was about.
    pub const fn last_refusal(&self) -> Option<Cause> {
        self.last
    }

    /// What to do next.
    pub fn next(&mut self, now: Moment) -> Step {
        self.used = None;
        // Others may put one new value after another in place meanwhile.
        if self.attempt >= self.most_attempts() {
            return Step::Stop(Box::new(self.all_out(now)));
        }
        if let Some(pause) = self.pause.take() {
            return Step::Wait(pause);
        }
        // One that a request left suspect when it was given up is looked into by the next one.
        let unsettled = |key: &Key| key.stands_in() || key.is_suspect();
        if let Some(errand) = self.source_of_refused(now).or_else(|| self.source(now, unsettled)) {
            return Step::Read(errand);
        }
        let deciding = match self.choose(now, false) {
            Chosen::Use(used) => return Step::Send(self.lease(used)),
            Chosen::Deciding => true,
            Chosen::None => false,
        };
        // Before the request fails: a source may have another value by now.
        if let Some(errand) = self.source(now, |key| key.wants_read(now)) {
            return Step::Read(errand);
        }
        let since = *self.waits_since.get_or_insert(now);
        if deciding && since.until(now) < self.ring.0.policy.patience {
            return Step::Wait(A_MOMENT);
        }
        // The one request that proves the last key takes its time: better to ask than to fail.
        if let (true, Chosen::Use(used)) = (deciding, self.choose(now, true)) {
            return Step::Send(self.lease(used));
        }
        match self.short_rest(now) {
            Some(rest) => Step::Wait(rest),
            None => Step::Stop(Box::new(self.all_out(now))),
        }
    }

    /// A rest that is waited for, once: another request met the limit a moment ago.
    fn short_rest(&mut self, now: Moment) -> Option<Duration> {
        let rest = self.keys().filter_map(|(_, key)| key.rests(&self.want.tried, now)).min();
        let short = rest.filter(|rest| *rest <= SHORT_PAUSE && !self.waited)?;
        self.waited = true;
        Some(short)
    }

    /// The number of the last attempt; 0 before the first.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether a caller's own retries may follow a failure: where the ring has tried more than once, they would multiply.
    pub const fn may_be_retried(&self) -> bool {
        self.attempt <= 1
    }

    /// Whether another key could serve this request as things stand.
    pub(super) fn has_other(&self, now: Moment) -> bool {
        match self.choose(now, false) {
            // Taken and given back: nothing else is told.
            Chosen::Use(_) | Chosen::Deciding => true,
            Chosen::None => false,
        }
    }

    fn lease(&mut self, used: InUse) -> Lease {
        self.attempt += 1;
        let lease = Lease {
            name: self.ring.0.provider.http.auth.name(),
            header: used.value.header.clone(),
            attempt: self.attempt,
            masked: used.value.secret.masked(),
            place: used.value.place.clone(),
            fingerprint: used.value.fingerprint,
            secret: used.value.secret.clone(),
        };
        self.used = Some(used);
        lease
    }

    /// The first key in order that may serve; `pressed` takes one whose proof is under way as well.
    fn choose(&self, now: Moment, pressed: bool) -> Chosen {
        let mut chosen = Chosen::None;
        for (_, key) in self.keys() {
            match key.offer(&self.want.tried, self.model.as_deref(), pressed, now) {
                Offer::Value { value, trial } => {
                    return Chosen::Use(InUse { key: Arc::clone(key), value, trial });
                }
                Offer::Deciding => chosen = Chosen::Deciding,
                Offer::No => {}
            }
        }
        chosen
    }

    /// The keys that fit what the request needs.
    fn keys(&self) -> impl Iterator<Item = (usize, &Arc<Key>)> {
        let fits = |key: &Key| self.want.fits(key.project.as_deref(), key.account.as_deref());
        self.ring.0.keys.iter().enumerate().filter(move |(_, key)| fits(key))
    }

    fn most_attempts(&self) -> u32 {
        u32::try_from(self.ring.0.keys.len()).unwrap_or(u32::MAX).saturating_mul(MOST_ATTEMPTS_PER_KEY)
    }

    /// The source of the key that was just refused: a changed value is a rotation, not a failure. Once for each request, or
    /// a source that hands out one bad value after another would never let it end.
    fn source_of_refused(&mut self, now: Moment) -> Option<Errand> {
        let key = self.refused.take()?;
        let at = self.ring.0.keys.iter().position(|known| Arc::ptr_eq(known, &key))?;
        if !self.read.contains(&at) && key.begin_read(now) {
            self.read.push(at);
            return Some(Errand::new(key));
        }
        if !key.is_read(now) {
            key.looked_in_vain(&self.ring.0.policy.backoff, now);
        }
        None
    }

    /// A source that is worth a read, once for each request.
    fn source(&mut self, now: Moment, worth: impl Fn(&Key) -> bool) -> Option<Errand> {
        let found = self
            .keys()
            .find(|(at, key)| !self.read.contains(at) && worth(key) && key.begin_read(now))
            .map(|(at, key)| (at, Arc::clone(key)));
        let (at, key) = found?;
        self.read.push(at);
        Some(Errand::new(key))
    }

    fn all_out(&self, now: Moment) -> AllOut {
        let Self { ring, pin, model, .. } = self;
        let (provider, keys) = (ring.0.provider, &ring.0.keys);
        let outs: Vec<_> = keys.iter().map(|key| key.out(provider, pin.as_ref(), model.as_deref(), now)).collect();
        let of_project = |key: &&Arc<Key>| self.want.of_project(key.project.as_deref());
        let due = keys.iter().filter(of_project).filter_map(|key| key.due_at()).min();
        let together = Together {
            provider,
            pin: pin.as_ref(),
            last: self.last,
            in_one_moment: ring.0.all_went_out_at_once(),
            retry_after: due.map(|due| now.until(due)),
        };
        AllOut::of(&together, &outs)
    }
}

enum Chosen {
    Use(InUse),
    /// Somebody else finds out whether a key serves.
    Deciding,
    None,
}

impl super::Inner {
    /// The project that owns the object which a call names, where several projects are known.
    fn pin(&self, call: &Call<'_>) -> Option<Pin> {
        let labelled = self.keys.iter().any(|key| key.project.is_some());
        labelled.then(|| self.pins.pin(&self.provider.paths, call.path, call.body)).flatten()
    }

    /// A source without a value says nothing about the provider.
    fn all_went_out_at_once(&self) -> bool {
        let since: Vec<Moment> = self
            .keys
            .iter()
            .filter(|key| key.value().is_some())
            .filter_map(|key| match key.health() {
                Health::Quarantined { since, .. } | Health::Suspect { since, .. } => Some(since),
                Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => None,
            })
            .collect();
        since.len() == self.keys.len() && same_moment(&since)
    }
}

/// The model that a call names.
fn model(call: &Call<'_>) -> Option<String> {
    let found = peek::members(call.body, &["model"]).found.into_iter().next().flatten()?;
    peek::text(call.body, &found)
}

/// While another request reads a source.
const A_MOMENT: Duration = Duration::from_millis(20);
