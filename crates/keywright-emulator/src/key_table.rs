//! The keys, their states, and how often each was used. Locks are held for a few instructions only.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::key_state::{KeySpec, KeyState, Owner};
use crate::{CallCount, ControlError, Provider, mask};

/// What one request may know about the key it carries.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) state: Arc<KeyState>,
    pub(crate) owner: Arc<Owner>,
    /// How often the key was used since its state was set, before this request.
    pub(crate) uses: u64,
}

/// Status and answer id of one response; status 0 means that the connection closed without one.
pub(crate) type Outcome = (u16, &'static str);

struct Inner {
    known: bool,
    state: Arc<KeyState>,
    owner: Arc<Owner>,
    uses: u64,
    pending: Option<(Instant, Arc<KeyState>)>,
}

pub(crate) struct Record {
    masked: String,
    inner: Mutex<Inner>,
    outcomes: Mutex<BTreeMap<Outcome, u64>>,
}

/// One provider's keys.
#[derive(Default)]
struct Shelf {
    records: RwLock<HashMap<Box<str>, Arc<Record>>>,
}

pub(crate) struct KeyTable {
    shelves: [Shelf; 3],
    /// Requests without a key, a provider each.
    keyless: [Record; 3],
    /// Keys beyond the limit, together.
    crowd: [Record; 3],
}

impl KeyTable {
    pub(crate) fn new() -> Self {
        Self {
            shelves: Default::default(),
            keyless: std::array::from_fn(|_| Record::new("(none)".into())),
            crowd: std::array::from_fn(|_| Record::new("(others)".into())),
        }
    }

    pub(crate) fn set(&self, provider: Provider, key: &str, spec: &KeySpec) -> Result<(), ControlError> {
        spec.check(provider)?;
        let record = self.record(provider, key, REGISTERED_LIMIT).ok_or(ControlError::Full)?;
        let mut inner = lock(&record.inner);
        let mut owner = Owner::clone(&inner.owner);
        spec.apply_to(&mut owner);
        inner.owner = Arc::new(owner);
        inner.state = Arc::new(spec.state.clone());
        inner.known = true;
        inner.uses = 0;
        inner.pending = None;
        Ok(())
    }

    /// Sets the state after a delay; until then the key stays what it is.
    pub(crate) fn set_later(
        &self,
        provider: Provider,
        key: &str,
        spec: &KeySpec,
        delay: Duration,
    ) -> Result<(), ControlError> {
        if delay.is_zero() {
            return self.set(provider, key, spec);
        }
        let record = self.record(provider, key, REGISTERED_LIMIT).ok_or(ControlError::Full)?;
        let mut inner = lock(&record.inner);
        if !inner.known {
            inner.known = true;
            inner.state = Arc::new(KeyState::Unknown);
        }
        let mut owner = Owner::clone(&inner.owner);
        spec.apply_to(&mut owner);
        inner.owner = Arc::new(owner);
        inner.pending = Some((Instant::now() + delay, Arc::new(spec.state.clone())));
        Ok(())
    }

    /// The record to count on, and what the key may do; `None` for a key that was never registered.
    pub(crate) fn lookup(&self, provider: Provider, key: &str) -> (Counter, Option<Grant>) {
        let Some(record) = self.record(provider, key, SEEN_LIMIT) else {
            return (Counter::Crowd(provider), None);
        };
        let mut inner = lock(&record.inner);
        if inner.pending.as_ref().is_some_and(|(due, _)| *due <= Instant::now())
            && let Some((_, state)) = inner.pending.take()
        {
            inner.state = state;
            inner.uses = 0;
        }
        let grant = inner.known.then(|| Grant {
            state: Arc::clone(&inner.state),
            owner: Arc::clone(&inner.owner),
            uses: inner.uses,
        });
        inner.uses += 1;
        drop(inner);
        (Counter::Key(record), grant)
    }

    /// The state a registered key is in.
    pub(crate) fn state(&self, provider: Provider, key: &str) -> Option<(KeyState, Owner)> {
        let record = Arc::clone(read(&self.shelves[provider.index()].records).get(key)?);
        let inner = lock(&record.inner);
        inner.known.then(|| (KeyState::clone(&inner.state), Owner::clone(&inner.owner)))
    }

    pub(crate) fn count(&self, counter: &Counter, outcome: Outcome) {
        let record = match counter {
            Counter::Key(record) => record,
            Counter::Keyless(provider) => &self.keyless[provider.index()],
            Counter::Crowd(provider) => &self.crowd[provider.index()],
        };
        *lock(&record.outcomes).entry(outcome).or_default() += 1;
    }

    /// Counts of every key, by provider, masked key and outcome.
    pub(crate) fn counts(&self) -> Vec<CallCount> {
        let mut rows = BTreeMap::new();
        for provider in Provider::ALL {
            let at = provider.index();
            let records = read(&self.shelves[at].records);
            let others = [&self.keyless[at], &self.crowd[at]];
            for record in records.values().map(AsRef::as_ref).chain(others) {
                for ((status, answer), calls) in lock(&record.outcomes).iter() {
                    let row = (provider, record.masked.clone(), *status, *answer);
                    *rows.entry(row).or_insert(0) += calls;
                }
            }
        }
        rows.into_iter()
            .map(|((provider, key, status, answer), calls)| CallCount { provider, key, status, answer, calls })
            .collect()
    }

    /// Counts of one key; empty when it was never used.
    pub(crate) fn counts_of(&self, provider: Provider, key: &str) -> Vec<CallCount> {
        let records = read(&self.shelves[provider.index()].records);
        let Some(record) = records.get(key) else {
            return Vec::new();
        };
        let outcomes = lock(&record.outcomes);
        let row = |(&(status, answer), &calls): (&Outcome, &u64)| CallCount {
            provider,
            key: record.masked.clone(),
            status,
            answer,
            calls,
        };
        outcomes.iter().map(row).collect()
    }

    pub(crate) fn clear(&self) {
        for provider in Provider::ALL {
            let at = provider.index();
            self.shelves[at].records.write().unwrap_or_else(PoisonError::into_inner).clear();
            lock(&self.keyless[at].outcomes).clear();
            lock(&self.crowd[at].outcomes).clear();
        }
    }

    fn record(&self, provider: Provider, key: &str, limit: usize) -> Option<Arc<Record>> {
        let records = &self.shelves[provider.index()].records;
        if let Some(record) = read(records).get(key) {
            return Some(Arc::clone(record));
        }
        let mut records = records.write().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= limit && !records.contains_key(key) {
            return None;
        }
        let record = records.entry(key.into()).or_insert_with(|| Arc::new(Record::new(mask::listing(key))));
        Some(Arc::clone(record))
    }
}

impl Record {
    fn new(masked: String) -> Self {
        let inner =
            Inner { known: false, state: Arc::default(), owner: Arc::new(Owner::default()), uses: 0, pending: None };
        Self { masked, inner: Mutex::new(inner), outcomes: Mutex::default() }
    }
}

/// Where the outcome of a request is counted.
pub(crate) enum Counter {
    Key(Arc<Record>),
    Keyless(Provider),
    Crowd(Provider),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Keys seen on the wire are remembered for their counts up to here; more are counted together.
const SEEN_LIMIT: usize = 10_000;
/// Keys registered through the control door, on top of those seen.
const REGISTERED_LIMIT: usize = 50_000;
