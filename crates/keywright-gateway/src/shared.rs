//! What all workers share.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use keywright::sources::Resolver;
use keywright::state::Memory;
use keywright_core::pins::Pins;
use keywright_core::ring::Backoff;
use keywright_core::{Redactor, Secret};
use tokio::sync::{Notify, watch};

use crate::body::Budget;
use crate::key::KeyValue;
use crate::last_failure::LastFailureSlot;
use crate::live::Live;
use crate::parking::Parking;

/// What all workers share. Nothing in it is locked across an await.
pub(crate) struct Shared {
    /// The snapshot that a request takes once.
    pub(crate) live: ArcSwap<Live>,
    /// Knows every loaded key; made anew whenever one changes.
    pub(crate) redactor: ArcSwap<Redactor>,
    pub(crate) resolver: Resolver,
    pub(crate) memory: Option<Memory>,
    pub(crate) run_token: Option<Secret>,
    pub(crate) backoff: Backoff,
    pub(crate) budget: Arc<Budget>,
    /// Which project owns which server-side object.
    pub(crate) pins: Pins,
    /// Requests that wait for a person.
    pub(crate) parking: Parking,
    /// Wakes the keeper: a key is suspect, or out.
    pub(crate) wake_keeper: Notify,
    /// Turns true when the gateway drains.
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) stopping: AtomicBool,
    pub(crate) connections: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) last_failure: LastFailureSlot,
    pub(crate) reloads: AtomicU64,
    pub(crate) reload_failures: AtomicU64,
    /// Values that took over from others.
    pub(crate) rotations: AtomicU64,
    /// Values that were replaced, while a request still holds them.
    pub(crate) retired: Mutex<Vec<Weak<KeyValue>>>,
    /// What the last reload said, when it failed.
    pub(crate) reload_error: ArcSwapOption<String>,
    pub(crate) workers: usize,
}

impl Shared {
    /// Makes the redactor anew from every key that is loaded.
    pub(crate) fn refresh_redactor(&self) {
        let live = self.live.load();
        let values: Vec<_> = live.keys().filter_map(|(_, key)| key.value()).collect();
        let retired: Vec<_> = self.retired().iter().filter_map(Weak::upgrade).collect();
        let mut secrets: Vec<&Secret> = values.iter().chain(&retired).map(|value| &value.secret).collect();
        secrets.extend(self.run_token.as_ref());
        self.redactor.store(Arc::new(Redactor::new(&secrets)));
    }

    /// Keeps masking a value that is being replaced: an answer to a request that took it may still repeat it.
    pub(crate) fn retire(&self, value: Option<&Arc<KeyValue>>) {
        let mut retired = self.retired();
        retired.retain(|value| value.strong_count() > 0);
        retired.extend(value.map(Arc::downgrade));
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Weak<KeyValue>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
