//! One key of a provider: its value, its state, and what is known about it.
//!
//! The state lives behind a lock that is held for a few instructions and never across an await. What
//! the data path reads on every request is a copy of it in one atomic.

mod packed;
mod source_down;
mod value;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use keywright::sources::{Reference, Resolver};
use keywright::state::{Chronicle, Memory};
use keywright_core::all_out::{NoValue, Out};
use keywright_core::ring::{Backoff, Event, Health, Models, Moment, Standing, Task, step};
use keywright_core::{Cause, Classified, Diagnosis, Fingerprint, ProviderSpec};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::packed::{is_on_probation, pack, unpack};
use self::source_down::Trouble;
use self::value::prepared;
pub(crate) use self::value::{KeyValue, Unreadable, prepare, read};
use crate::clock;
use crate::config::KeySettings;
use crate::pace::Pace;
use crate::start::StartError;

/// One key of a provider.
pub(crate) struct Key {
    /// `None` for a key that a person gave: it has no source.
    pub(crate) reference: Option<Reference>,
    pub(crate) account: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) weight: u32,
    /// The value now; `None` while its source has none.
    value: ArcSwapOption<KeyValue>,
    record: Mutex<Record>,
    trouble: Trouble,
    /// A copy of the state for readers: see [`pack`].
    standing: AtomicU64,
    /// Models that this key may not use, until when. Empty almost always; `benched_models` says so.
    models: Mutex<Models>,
    benched_models: AtomicBool,
    /// Whether the one request that probation allows is under way.
    trial: AtomicBool,
    /// Who holds it looks at the key.
    looking: Arc<Semaphore>,
    /// When its source is read next, for one that is not read on every tick.
    pub(crate) pace: Pace,
    pub(crate) counts: Counts,
    pub(crate) chronicle: Chronicle,
}

/// What this key did, since the gateway started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Requests sent with it.
    pub(crate) calls: AtomicU64,
    /// Requests that it served.
    pub(crate) served: AtomicU64,
    /// Requests refused for a cause that concerns the key.
    pub(crate) refused: AtomicU64,
    /// Refusals of requests that were under way when the first one came back: nobody could know.
    pub(crate) in_flight: AtomicU64,
    /// Refusals of requests that were sent after the key was known to be bad.
    pub(crate) useless: AtomicU64,
    /// Probes sent.
    pub(crate) probes: AtomicU64,
    /// How often the last known good value took the place of the source's.
    pub(crate) stand_ins: AtomicU64,
    /// When it last served.
    pub(crate) last_served: AtomicU64,
}

/// A key of a snapshot that is being built.
pub(crate) struct Loaded {
    pub(crate) key: Arc<Key>,
    /// What its source gives, when the gateway runs already: another value is probed before it takes over.
    pub(crate) handed_out: Option<Result<KeyValue, Unreadable>>,
}

/// What is guarded by the lock.
#[derive(Clone)]
struct Record {
    health: Health,
    /// The last refusal, as its diagnosis.
    refusal: Option<Diagnosis>,
    /// What the look that followed said.
    look: Option<String>,
    /// Why there is no value.
    miss: Option<NoValue>,
    /// The source's value, when the provider refuses it while the one before still serves.
    passed_over: Option<PassedOver>,
}

/// A value that did not take over.
#[derive(Clone, Copy, Debug)]
struct PassedOver {
    value: Fingerprint,
    /// When it is asked about again.
    retry_at: Moment,
    round: u32,
}

/// What changed for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: Health,
    pub(crate) to: Health,
    pub(crate) task: Option<Task>,
}

impl Key {
    /// Reads a key from its source. A source without a value is no error here: the key is out until it has one. A key
    /// that was there `before` goes on with its value and its state.
    pub(crate) async fn load(
        settings: &KeySettings,
        spec: &ProviderSpec,
        resolver: &Resolver,
        memory: Option<&Memory>,
        before: Option<&[Arc<Self>]>,
    ) -> Result<Loaded, StartError> {
        let reference = settings
            .reference
            .parse::<Reference>()
            .map_err(|source| StartError::Reference { id: spec.id.clone(), source })?;
        let read = prepared(resolver.resolve_recent(&reference).await, spec);
        if let Some(before) = before {
            let same = |old: &&Arc<Self>| old.reference.as_ref() == Some(&reference);
            let old = before.iter().filter(same).max_by_key(|old| old.is_labelled(settings));
            let key = match old {
                Some(old) if old.is_labelled(settings) => Arc::clone(old),
                old => {
                    let key = Self::configured(settings, &reference, spec, memory);
                    if let Some(old) = old {
                        key.continue_from(old);
                    }
                    Arc::new(key)
                }
            };
            return Ok(Loaded { key, handed_out: Some(read) });
        }
        let key = Self::configured(settings, &reference, spec, memory);
        let read = match read {
            Err(why) => {
                key.note_source_down(&why);
                why.stand_in(memory, spec, &reference).await.ok_or(why)
            }
            read => read,
        };
        match read {
            Ok(value) => {
                key.open(&value);
                key.value.store(Some(Arc::new(value)));
                key.recall(spec);
            }
            Err(unreadable) => key.lose(&unreadable),
        }
        Ok(Loaded { key: Arc::new(key), handed_out: None })
    }

    /// A key as the configuration has it, without a value.
    fn configured(settings: &KeySettings, reference: &Reference, spec: &ProviderSpec, memory: Option<&Memory>) -> Self {
        Self {
            reference: Some(reference.clone()),
            account: settings.account.clone(),
            project: settings.project.clone(),
            weight: settings.weight,
            ..Self::blank(Chronicle::new(memory.cloned(), &spec.id, &settings.reference))
        }
    }

    fn is_labelled(&self, settings: &KeySettings) -> bool {
        self.account == settings.account && self.project == settings.project && self.weight == settings.weight
    }

    /// Takes over the value and the state of the same key in the snapshot before, which had other labels.
    fn continue_from(&self, old: &Self) {
        self.trouble.continue_from(&old.trouble);
        let Some(value) = old.value() else {
            return;
        };
        self.open(&value);
        self.value.store(Some(value));
        let record = old.record().clone();
        self.standing.store(pack(record.health), Ordering::Release);
        *self.record() = record;
    }

    /// A key that a person gave. It is remembered by this process alone.
    pub(crate) fn given(value: KeyValue, spec: &ProviderSpec) -> Arc<Self> {
        let chronicle = Chronicle::new(None, &spec.id, &value.place);
        Arc::new(Self { value: ArcSwapOption::from_pointee(value), ..Self::blank(chronicle) })
    }

    fn blank(chronicle: Chronicle) -> Self {
        Self {
            reference: None,
            account: None,
            project: None,
            weight: 0,
            value: ArcSwapOption::empty(),
            record: Mutex::new(Record {
                health: Health::Active,
                refusal: None,
                look: None,
                miss: None,
                passed_over: None,
            }),
            trouble: Trouble::default(),
            standing: AtomicU64::new(pack(Health::Active)),
            models: Mutex::default(),
            benched_models: AtomicBool::new(false),
            trial: AtomicBool::new(false),
            looking: Arc::new(Semaphore::new(1)),
            pace: Pace::default(),
            counts: Counts::default(),
            chronicle,
        }
    }

    /// Begins where an earlier process ended: a key that was out then is not simply taken to work now.
    fn recall(&self, spec: &ProviderSpec) {
        let refused = self.chronicle.past().and_then(|past| past.cause);
        if let Some(cause) = refused {
            let mut record = self.record();
            record.health = Health::recalled(cause, !spec.probes.is_empty(), clock::now());
            self.standing.store(pack(record.health), Ordering::Release);
        }
    }

    /// The value now.
    pub(crate) fn value(&self) -> Option<Arc<KeyValue>> {
        self.value.load_full()
    }

    /// How the key stands now, read without a lock.
    pub(crate) fn standing(&self, now: Moment) -> Standing {
        unpack(self.standing.load(Ordering::Acquire), now)
    }

    /// The state, for reports and for the keeper.
    pub(crate) fn health(&self) -> Health {
        self.record().health
    }

    /// Takes the only place that probation has; true for keys that are not on probation.
    pub(crate) fn admit_trial(&self) -> Option<bool> {
        let on_probation = is_on_probation(self.standing.load(Ordering::Acquire));
        if !on_probation {
            return Some(false);
        }
        self.trial.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).ok().map(|_| true)
    }

    /// Gives the place back.
    pub(crate) fn end_trial(&self) {
        self.trial.store(false, Ordering::Release);
    }

    /// Tells the key what happened to a request that used `value`. A value that was replaced meanwhile
    /// changes nothing: the state belongs to the value.
    pub(crate) fn tell(&self, value: Fingerprint, event: Event, backoff: &Backoff, now: Moment) -> Option<Change> {
        let current = self.value.load();
        if current.as_ref().is_none_or(|current| current.fingerprint != value) {
            return None;
        }
        let mut record = self.record();
        let from = record.health;
        let (to, task) = step(from, event, now, backoff);
        record.health = to;
        self.standing.store(pack(to), Ordering::Release);
        drop(record);
        (from != to || task.is_some()).then_some(Change { from, to, task })
    }

    /// Notes what a refusal said.
    pub(crate) fn note_refusal(&self, spec: &ProviderSpec, status: u16, classified: &Classified) {
        let mut record = self.record();
        record.refusal = Some(classified.diagnosis(spec, status));
        record.look = None;
    }

    /// Notes what a look said.
    pub(crate) fn note_look(&self, says: String) {
        self.record().look = Some(says);
    }

    /// Takes the right to look at it, which one look at a time has.
    pub(crate) fn begin_look(&self) -> Option<LookRight> {
        Arc::clone(&self.looking).try_acquire_owned().ok().map(LookRight)
    }

    /// The same, after the look that is under way.
    pub(crate) async fn next_look(&self) -> Option<LookRight> {
        Arc::clone(&self.looking).acquire_owned().await.ok().map(LookRight)
    }

    /// Whether a look is under way.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.looking.available_permits() == 0
    }

    /// Remembers a value that does not take over, and when it is asked about again.
    pub(crate) fn pass_over(&self, value: Fingerprint, backoff: &Backoff, now: Moment) {
        let mut record = self.record();
        let before = record.passed_over.filter(|before| before.value == value);
        let round = before.map_or(0, |before| before.round + 1);
        record.passed_over = Some(PassedOver { value, retry_at: now.after(backoff.wait(round)), round });
    }

    /// Whether this value did not take over a moment ago.
    pub(crate) fn passes_over(&self, value: Fingerprint, now: Moment) -> bool {
        self.record().passed_over.is_some_and(|over| over.value == value && over.retry_at > now)
    }

    /// Whether a value that did not take over is to be asked about again.
    pub(crate) fn is_due_again(&self, now: Moment) -> bool {
        self.record().passed_over.is_some_and(|over| over.retry_at <= now)
    }

    /// The source holds the value in use again.
    pub(crate) fn forget_passed_over(&self) {
        self.record().passed_over = None;
    }

    /// Puts another value in place: a rotation.
    pub(crate) fn replace(&self, value: KeyValue) {
        self.tell_service(true);
        self.open(&value);
        self.value.store(Some(Arc::new(value)));
        let mut record = self.record();
        *record = Record { health: Health::Active, refusal: None, look: None, miss: None, passed_over: None };
        self.standing.store(pack(Health::Active), Ordering::Release);
        drop(record);
        self.models().clear();
        self.benched_models.store(false, Ordering::Release);
        self.counts.served.store(0, Ordering::Relaxed);
        self.end_trial();
    }

    /// The source has no value, or one that cannot be sent.
    pub(crate) fn lose(&self, why: &Unreadable) {
        self.chronicle.close();
        self.value.store(None);
        let mut record = self.record();
        record.miss = Some(NoValue { says: why.says.clone(), fix: why.fix.clone() });
        record.health = Health::Quarantined { cause: why.cause, since: clock::now(), retry_at: clock::now(), round: 0 };
        self.standing.store(pack(record.health), Ordering::Release);
    }

    /// Whether the last known good value serves in the place of what the source gives.
    pub(crate) fn stands_in(&self) -> bool {
        self.value.load().as_ref().is_some_and(|value| value.stand_in.is_some())
    }

    /// A value comes in.
    fn open(&self, value: &KeyValue) {
        self.chronicle.open(&value.secret, value.stand_in.is_some());
        if value.stand_in.is_some() {
            self.counts.stand_ins.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The source gives the very value again that stands in for it.
    pub(crate) fn confirm_stand_in(&self, value: KeyValue) {
        self.chronicle.open(&value.secret, false);
        self.counts.served.store(0, Ordering::Relaxed);
        self.value.store(Some(Arc::new(value)));
    }

    /// Counts a refusal of a request that took this key at `taken_at`.
    pub(crate) fn count_refusal(&self, taken_at: Moment) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        let since = match self.health() {
            Health::Suspect { since, .. } | Health::Quarantined { since, .. } => since,
            Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => return,
        };
        let counter = if taken_at > since { &self.counts.useless } else { &self.counts.in_flight };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Benches this key for one model.
    pub(crate) fn bench_model(&self, model: &str, cause: Cause, now: Moment) {
        self.models().bench(model, cause, now);
        self.benched_models.store(true, Ordering::Release);
    }

    /// Why this key may not use a model now, if it may not. The model's name is asked for only if it matters.
    pub(crate) fn model_bench<'a>(&self, model: impl FnOnce() -> Option<&'a str>, now: Moment) -> Option<Cause> {
        if !self.benched_models.load(Ordering::Acquire) {
            return None;
        }
        let model = model()?;
        let mut models = self.models();
        let why = models.why(model, now);
        self.benched_models.store(!models.is_empty(), Ordering::Release);
        why
    }

    /// The value's fingerprint, as metrics and logs tell it; `none` without a value.
    pub(crate) fn fingerprint(&self) -> String {
        self.value().map_or_else(|| "none".to_owned(), |value| value.fingerprint.to_string())
    }

    /// The masked value, or where it should be.
    pub(crate) fn masked(&self) -> String {
        self.value().map_or_else(|| "(no value)".to_owned(), |value| value.masked.clone())
    }

    /// Where the value is, in words.
    pub(crate) fn place(&self) -> String {
        self.value().map_or_else(|| self.source(), |value| value.place.clone())
    }

    /// Whether reading its source is more than a look at a file; it has none when a person gave it.
    pub(crate) fn is_costly(&self) -> bool {
        self.reference.as_ref().is_some_and(Reference::is_costly)
    }

    /// Where its value is looked for.
    pub(crate) fn source(&self) -> String {
        self.reference.as_ref().map_or_else(String::new, Reference::to_string)
    }

    /// Why the key is out, with everything that was seen; `None` while it may serve.
    pub(crate) fn diagnosis(&self, spec: &ProviderSpec, now: Moment) -> Option<Diagnosis> {
        let record = self.record();
        let (cause, since) = match record.health {
            Health::Suspect { cause, since } | Health::Quarantined { cause, since, .. } => (cause, since),
            Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => return None,
        };
        let out = Out {
            cause,
            source: &self.source(),
            miss: record.miss.as_ref(),
            refusal: record.refusal.as_ref(),
            look: record.look.as_deref(),
        };
        let diagnosis = out.diagnosis(spec);
        if out.miss.is_some() {
            return Some(diagnosis);
        }
        let served = self.counts.served.load(Ordering::Relaxed);
        let last_served = Moment(self.counts.last_served.load(Ordering::Relaxed));
        let past = self.chronicle.past();
        let diagnosis = match past {
            _ if served > 0 => {
                let before = past.map_or(0, |past| past.served);
                diagnosis.with_history(before + served, last_served.until(since).min(last_served.until(now)))
            }
            Some(past) => past.witness(diagnosis, clock::timestamp(since)),
            None => diagnosis,
        };
        Some(match self.source_down() {
            Some(why) => why.as_source_down().witness(diagnosis, out.source),
            None => diagnosis,
        })
    }

    /// Tells the history how often this key served; without `all` only now and then. What a key that is out still
    /// served was under way before, and proves nothing.
    pub(crate) fn tell_service(&self, all: bool) {
        if !matches!(self.health(), Health::Suspect { .. } | Health::Quarantined { .. }) {
            self.tell_last_service(all);
        }
    }

    /// The same for a key that has just gone out.
    pub(crate) fn tell_last_service(&self, all: bool) {
        let served = self.counts.served.load(Ordering::Relaxed);
        let last = clock::timestamp(Moment(self.counts.last_served.load(Ordering::Relaxed)));
        if let Some(value) = self.value()
            && self.chronicle.served(served, last, all, clock::now())
            && value.stand_in.is_none()
        {
            self.chronicle.remember(&value.secret, last);
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn models(&self) -> MutexGuard<'_, Models> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to look at a key: to read its source and to probe it. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct LookRight(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);
