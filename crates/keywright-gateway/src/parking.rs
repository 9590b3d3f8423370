//! Parking: when a provider has no key left and a person can be asked, requests wait for that person.
//!
//! Who asks takes a [`Need`], and ends it by an offer of a key or by releasing the requests. All of it is
//! off the data path: a request comes here only when every key is out.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keywright_core::Fingerprint;
use tokio::sync::watch;

use crate::all_out::suspect_provider;
use crate::config::GatewaySettings;
use crate::live::Upstream;
use crate::report::{ProviderReport, provider_report};
use crate::shared::Shared;

/// A provider that has no usable key left while requests wait.
#[derive(Clone, Debug)]
pub struct Need {
    /// The provider, and why each of its keys is out.
    pub provider: ProviderReport,
    /// How many requests wait.
    pub waiting: usize,
    /// All keys went out in one moment: the provider, the clock or the way out is the suspect.
    pub same_moment: bool,
}

/// The requests that wait.
pub(crate) struct Parking {
    /// Whether somebody takes needs.
    staffed: bool,
    state: Mutex<State>,
    /// Changes whenever a request comes or leaves.
    moved: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// By provider.
    lots: BTreeMap<String, Lot>,
    requests: usize,
    bytes: usize,
}

/// The requests that wait for one provider. Those that one answer of a person concerns are one round.
#[derive(Default)]
struct Lot {
    round: u64,
    /// How many of this round wait.
    waiting: usize,
    /// Rounds before this one were released.
    released: u64,
    /// The keys, and what they had served, when a person declined: nobody is asked again before they change.
    declined: Option<Vec<(Fingerprint, u64)>>,
}

impl Parking {
    pub(crate) fn new(staffed: bool) -> Self {
        Self { staffed, state: Mutex::default(), moved: watch::Sender::new(()) }
    }

    /// Takes a place, if somebody can be asked and there is room.
    pub(crate) fn enter(&self, upstream: &Upstream, bytes: usize, limits: &GatewaySettings) -> Option<Ticket<'_>> {
        if !self.staffed {
            return None;
        }
        let mut state = self.state();
        let room = state.requests < limits.park_requests
            && state.bytes.checked_add(bytes).is_some_and(|bytes| bytes <= limits.park_bytes);
        let lot = state.lots.entry(upstream.id.clone()).or_default();
        if !room || lot.declined.as_ref().is_some_and(|declined| *declined == ring(upstream)) {
            return None;
        }
        lot.declined = None;
        lot.waiting += 1;
        let round = lot.round;
        state.requests += 1;
        state.bytes += bytes;
        drop(state);
        self.moved.send_replace(());
        Some(Ticket { parking: self, provider: upstream.id.clone(), round, bytes })
    }

    /// Waits until requests of some provider wait, and names it.
    pub(crate) async fn called(&self) -> String {
        let mut moved = self.moved.subscribe();
        loop {
            let waiting = self.state().lots.iter().find(|(_, lot)| lot.waiting > 0).map(|(id, _)| id.clone());
            match waiting {
                Some(id) => return id,
                None => drop(moved.changed().await),
            }
        }
    }

    /// Waits until no request of this provider waits any more.
    pub(crate) async fn emptied(&self, provider: &str) {
        let mut moved = self.moved.subscribe();
        while self.waiting(provider) > 0 {
            drop(moved.changed().await);
        }
    }

    /// How many requests of a provider wait.
    pub(crate) fn waiting(&self, provider: &str) -> usize {
        self.state().lots.get(provider).map_or(0, |lot| lot.waiting)
    }

    /// How many requests wait.
    pub(crate) fn requests(&self) -> usize {
        self.state().requests
    }

    /// A key joined: those who wait look again.
    pub(crate) fn answered(&self, upstream: &Upstream) {
        self.next_round(upstream, |_| {});
    }

    /// Lets the requests go without a key.
    pub(crate) fn release(&self, upstream: &Upstream) {
        self.next_round(upstream, |lot| lot.released = lot.round + 1);
    }

    /// A person declined: the requests go, and nobody is asked again before something changed.
    pub(crate) fn decline(&self, upstream: &Upstream) {
        self.next_round(upstream, |lot| {
            lot.released = lot.round + 1;
            lot.declined = Some(ring(upstream));
        });
    }

    fn next_round(&self, upstream: &Upstream, end: impl FnOnce(&mut Lot)) {
        let mut state = self.state();
        let lot = state.lots.entry(upstream.id.clone()).or_default();
        end(lot);
        lot.round += 1;
        lot.waiting = 0;
        drop(state);
        self.moved.send_replace(());
        upstream.changed();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one request; given back when it is dropped.
pub(crate) struct Ticket<'a> {
    parking: &'a Parking,
    provider: String,
    round: u64,
    bytes: usize,
}

impl Ticket<'_> {
    /// Whether it still pays to wait. A request that the last answer did not help joins the next round.
    pub(crate) fn renew(&mut self) -> bool {
        let mut state = self.parking.state();
        let Some(lot) = state.lots.get_mut(&self.provider) else {
            return false;
        };
        if self.round < lot.released {
            return false;
        }
        if self.round < lot.round {
            self.round = lot.round;
            lot.waiting += 1;
            drop(state);
            self.parking.moved.send_replace(());
        }
        true
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.parking.state();
        state.requests -= 1;
        state.bytes -= self.bytes;
        if let Some(lot) = state.lots.get_mut(&self.provider).filter(|lot| lot.round == self.round) {
            lot.waiting -= 1;
        }
        drop(state);
        self.parking.moved.send_replace(());
    }
}

/// What tells one state of a provider's keys from another, for a person: the values, and whether they served since.
fn ring(upstream: &Upstream) -> Vec<(Fingerprint, u64)> {
    let value = |key: Arc<crate::key::Key>| Some((key.value()?.fingerprint, key.counts.served.load(Ordering::Relaxed)));
    upstream.ring().into_iter().filter_map(value).collect()
}

/// The next need that somebody has to see to.
pub(crate) async fn need(shared: &Shared) -> Need {
    loop {
        let id = shared.parking.called().await;
        let live = shared.live.load_full();
        let Some(upstream) = live.upstream(&id) else {
            // The configuration was read again without this provider; its requests look again and leave.
            shared.parking.emptied(&id).await;
            continue;
        };
        return Need {
            provider: provider_report(upstream),
            waiting: shared.parking.waiting(&id),
            same_moment: suspect_provider(upstream),
        };
    }
}
