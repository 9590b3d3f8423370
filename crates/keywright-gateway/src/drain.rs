//! The signal that a worker drains, made to be asked on every wake of every connection.
//!
//! A connection wakes several times a request, so the question must cost one load. Tokio's own signals
//! take a lock whenever they are polled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// The signal of one worker.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    on: AtomicBool,
    next: AtomicU64,
    wakers: Mutex<HashMap<u64, Waker>>,
}

/// One connection's view of the signal.
#[derive(Debug)]
pub(crate) struct Listener {
    drain: Arc<Drain>,
    id: u64,
    registered: bool,
}

impl Drain {
    /// Tells every connection to end after its open request.
    pub(crate) fn start(&self) {
        self.on.store(true, Ordering::Release);
        for (_, waker) in self.wakers().drain() {
            waker.wake();
        }
    }

    /// A view for one connection.
    pub(crate) fn listen(self: &Arc<Self>) -> Listener {
        Listener { drain: Arc::clone(self), id: self.next.fetch_add(1, Ordering::Relaxed), registered: false }
    }

    fn wakers(&self) -> MutexGuard<'_, HashMap<u64, Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Whether the worker drains. The task is woken when it begins to: tasks keep their waker for life,
    /// so it is registered once.
    pub(crate) fn is_on(&mut self, cx: &Context<'_>) -> bool {
        if !self.registered {
            self.drain.wakers().insert(self.id, cx.waker().clone());
            self.registered = true;
        }
        self.drain.on.load(Ordering::Acquire)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.drain.wakers().remove(&self.id);
    }
}
