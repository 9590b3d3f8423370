//! What the upstream knows of each key: whether it is valid, and every call it made.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Calls by key, as `GET /_bench/calls` tells them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Calls {
    /// The key of the newest chat call.
    pub(crate) last: Option<String>,
    /// What each key did.
    pub(crate) keys: BTreeMap<String, KeyCalls>,
}

/// What one key did.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct KeyCalls {
    /// Chat calls by status.
    pub(crate) chat: BTreeMap<u16, u64>,
    /// Calls of `/v1/models` and `/v1/me` by status.
    pub(crate) probe: BTreeMap<u16, u64>,
    /// When each refused chat call arrived, in microseconds after the revocation.
    pub(crate) refused_us: Vec<u64>,
}

/// The live form of [`Calls`].
#[derive(Debug, Default)]
pub(super) struct Keys {
    logs: HashMap<Vec<u8>, KeyLog>,
    last: Vec<u8>,
}

/// What a call wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Work.
    Chat,
    /// The cheapest call that proves a key.
    Probe,
}

/// What a key is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It works.
    Valid,
    /// It was revoked.
    Revoked,
}

#[derive(Debug, Default)]
struct KeyLog {
    revoked_at: Option<Instant>,
    answered: [u64; 2],
    refused: [u64; 2],
    refused_us: Vec<u64>,
}

impl Keys {
    /// Counts a call that arrives now, and judges its key.
    pub(super) fn call(&mut self, key: &[u8], route: Route) -> Standing {
        if route == Route::Chat && self.last != key {
            self.last.clear();
            self.last.extend_from_slice(key);
        }
        if !self.logs.contains_key(key) {
            self.logs.insert(key.to_vec(), KeyLog::default());
        }
        self.logs.get_mut(key).map_or(Standing::Valid, |log| log.call(route))
    }

    /// Revokes a key or makes it valid again.
    pub(super) fn set(&mut self, key: &[u8], standing: Standing) {
        let log = self.logs.entry(key.to_vec()).or_default();
        log.revoked_at = (standing == Standing::Revoked).then(Instant::now);
    }

    /// Forgets every call and revocation.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Everything counted so far.
    pub(super) fn calls(&self) -> Calls {
        let name = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        Calls {
            last: (!self.last.is_empty()).then(|| name(&self.last)),
            keys: self.logs.iter().map(|(key, log)| (name(key), log.calls())).collect(),
        }
    }
}

impl KeyLog {
    fn call(&mut self, route: Route) -> Standing {
        let Some(revoked_at) = self.revoked_at else {
            self.answered[route as usize] += 1;
            return Standing::Valid;
        };
        self.refused[route as usize] += 1;
        if route == Route::Chat && self.refused_us.len() < ARRIVALS {
            let since = revoked_at.elapsed().as_micros();
            self.refused_us.push(u64::try_from(since).unwrap_or(u64::MAX));
        }
        Standing::Revoked
    }

    fn calls(&self) -> KeyCalls {
        let by_status = |route: Route| {
            [(200, self.answered[route as usize]), (401, self.refused[route as usize])]
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        KeyCalls { chat: by_status(Route::Chat), probe: by_status(Route::Probe), refused_us: self.refused_us.clone() }
    }
}

/// Arrival times kept for each revoked key; counts go on beyond it.
const ARRIVALS: usize = 10_000;
