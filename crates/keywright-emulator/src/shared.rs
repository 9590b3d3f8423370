//! What every connection shares.

use std::sync::{PoisonError, RwLock};

use crate::clock::Clock;
use crate::ids::IdSource;
use crate::key_state::KeySpec;
use crate::key_table::KeyTable;
use crate::settings::Settings;
use crate::store::Store;
use crate::{ControlError, Provider};

/// The whole state of one emulator.
pub(crate) struct Shared {
    pub(crate) keys: KeyTable,
    pub(crate) store: Store,
    pub(crate) ids: IdSource,
    pub(crate) clock: Clock,
    settings: RwLock<Settings>,
    start: Start,
}

/// What a reset goes back to.
#[derive(Clone, Default)]
pub(crate) struct Start {
    pub(crate) keys: Vec<(Provider, String, KeySpec)>,
    pub(crate) settings: Settings,
}

impl Shared {
    pub(crate) fn new(seed: u64, clock: Clock, start: Start) -> Result<Self, ControlError> {
        let shared = Self {
            keys: KeyTable::new(),
            store: Store::default(),
            ids: IdSource::new(seed),
            clock,
            settings: RwLock::new(start.settings),
            start,
        };
        shared.fill()?;
        Ok(shared)
    }

    pub(crate) fn settings(&self) -> Settings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_settings(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Back to how it started: keys, settings, objects, counts and ids.
    pub(crate) fn reset(&self) -> Result<(), ControlError> {
        self.keys.clear();
        self.store.clear();
        self.ids.reset();
        self.set_settings(self.start.settings);
        self.fill()
    }

    fn fill(&self) -> Result<(), ControlError> {
        for (provider, key, spec) in &self.start.keys {
            self.keys.set(*provider, key, spec)?;
        }
        Ok(())
    }
}
