//! Reads the source of a key again, and lets the last known good value stand in.

use std::sync::Arc;

use keywright_core::ProviderSpec;

use super::key::Key;
use super::value::Value;
use super::{Ring, now};
use crate::credential::Unsendable;
use crate::sources::{Miss, Reference};
use crate::state::{Memory, told};

/// The source of one key is to be read. Whoever drops it leaves the read to others.
#[derive(Debug)]
pub struct Errand(Arc<Key>);

impl Errand {
    pub(super) const fn new(key: Arc<Key>) -> Self {
        Self(key)
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.end_read(now());
    }
}

impl Ring {
    /// Reads the source of a key again. Another value is a rotation; while the source has none that works, the last known
    /// good one stands in.
    pub async fn read(&self, errand: Errand) {
        let key = &errand.0;
        if let Some(reference) = &key.reference {
            match self.0.resolver.resolve(reference).await {
                Ok(found) => match Value::of(found.secret, found.place, self.0.provider, false) {
                    Ok(value) => self.offered(key, reference, value).await,
                    Err(why) => self.unusable(key, why),
                },
                Err(miss) => self.missed(key, reference, &miss).await,
            }
        }
        key.looked_in_vain(&self.0.policy.backoff, now());
    }

    /// What the source hands out: the value that serves, one that was refused already, or another one.
    async fn offered(&self, key: &Key, reference: &Reference, value: Value) {
        let Some(held) = key.value() else {
            self.rotate(key, value);
            return;
        };
        match (held.stands_in, held.fingerprint == value.fingerprint) {
            (false, true) if key.is_refused() => {
                self.stand_in(key, reference, &held, "the provider refuses its value").await;
            }
            (true, true) => key.confirm(value),
            (true, false) if !key.passes_over(value.fingerprint) => self.rotate(key, value),
            (true, false) if key.is_out() => key.put_back(value),
            (false, true) | (true, false) => {}
            (false, false) => self.rotate(key, value),
        }
    }

    async fn missed(&self, key: &Key, reference: &Reference, miss: &Miss) {
        match key.value() {
            Some(held) if key.is_refused() && miss.is_outage() => {
                self.stand_in(key, reference, &held, &miss.to_string()).await;
            }
            Some(_) => {}
            None => match recalled(self.0.memory.as_ref(), self.0.provider, reference, miss).await {
                Some(value) => self.serve_instead(key, value, &miss.to_string()),
                None => key.lose(Unsendable::missed(miss, &self.0.provider.id), now()),
            },
        }
    }

    /// The source holds a value now that cannot be sent.
    fn unusable(&self, key: &Key, why: Unsendable) {
        let (provider, says) = (&self.0.provider.id, &why.says);
        tracing::warn!(provider, says, "the source hands out a value that cannot be sent");
        if key.value().is_none() {
            key.lose(why, now());
        }
    }

    fn rotate(&self, key: &Key, value: Value) {
        let (old, new, place) = (key.masked(), value.secret.masked(), value.place.clone());
        key.replace(value, now());
        tracing::info!(provider = self.0.provider.id, old, new, place, "the key was rotated");
    }

    /// The value that served last takes the place of one that is refused.
    async fn stand_in(&self, key: &Key, reference: &Reference, held: &Value, why: &str) {
        let Some(memory) = self.0.memory.clone() else {
            return;
        };
        let (provider, asked) = (self.0.provider.id.clone(), reference.to_string());
        // It may wait for the keyring.
        let read = move || memory.last_known_good(&provider, &asked);
        let Ok(Some(good)) = tokio::task::spawn_blocking(read).await else {
            return;
        };
        if good.secret.matches(&held.secret) {
            return;
        }
        let place = told(reference, good.last_good);
        if let Ok(value) = Value::of(good.secret, place, self.0.provider, true) {
            self.serve_instead(key, value, why);
        }
    }

    fn serve_instead(&self, key: &Key, value: Value, why: &str) {
        let (masked, place) = (value.secret.masked(), value.place.clone());
        key.replace(value, now());
        tracing::warn!(provider = self.0.provider.id, key = masked, place, why, "the last known good key serves");
    }
}

/// The value that served last, for a source that cannot say what the key is.
pub(super) async fn recalled(
    memory: Option<&Memory>,
    provider: &ProviderSpec,
    reference: &Reference,
    miss: &Miss,
) -> Option<Value> {
    let (memory, id, asked, why) = (memory?.clone(), provider.id.clone(), reference.clone(), miss.clone());
    // It may wait for the keyring.
    let found = tokio::task::spawn_blocking(move || memory.stand_in(&id, &asked, &why)).await.ok()??;
    Value::of(found.secret, found.place, provider, true).ok()
}
