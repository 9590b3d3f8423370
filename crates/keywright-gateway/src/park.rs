//! A request whose provider has no key left waits for a person who gives one.

use keywright_core::ring::{Standing, Want};
use tokio::time::Instant;

use crate::attempt::Journey;
use crate::choose::{Choice, choose};
use crate::clock;
use crate::live::Upstream;
use crate::plan::Target;
use crate::settle::InUse;

impl Journey<'_> {
    /// Waits for a key. `None` when nobody can be asked, nobody gave one in time, or the request cannot be sent again.
    pub(crate) async fn park(&mut self, target: &Target, want: &Want) -> Option<InUse> {
        let upstream = &target.upstream;
        if !every_key_is_out(upstream) || target.body.is_none() && !self.body.can_be_played() {
            return None;
        }
        let bytes = target.body.as_ref().map_or_else(|| self.body.kept_bytes(), bytes::Bytes::len);
        let settings = &self.live.settings;
        // Before the look at the keys, so that no change is missed in between.
        let mut changes = upstream.changes.subscribe();
        let mut draining = self.shared.draining.subscribe();
        let mut ticket = self.shared.parking.enter(upstream, bytes, settings)?;
        let until = Instant::now() + settings.park_timeout;
        tracing::warn!(provider = upstream.id, "no key is left; the request waits for one");
        loop {
            if let Some(used) = self.key_now(target, want) {
                // The time until now was a person's.
                self.patient_since = Instant::now();
                return Some(used);
            }
            if !ticket.renew() {
                return None;
            }
            let goes_on = tokio::select! {
                told = tokio::time::timeout_at(until, changes.changed()) => matches!(told, Ok(Ok(()))),
                _ = draining.wait_for(|draining| *draining) => false,
            };
            if !goes_on {
                return None;
            }
        }
    }

    /// A key of the provider as it is configured now: the file may have been read again since this request came.
    fn key_now(&self, target: &Target, want: &Want) -> Option<InUse> {
        let upstream = &target.upstream;
        let live = self.shared.live.load_full();
        let now = live.upstream(&upstream.id).filter(|now| now.origin == upstream.origin)?;
        match choose(now, want, &target.model, clock::now()) {
            Choice::Use(used) => Some(used),
            Choice::Deciding | Choice::None => None,
        }
    }
}

/// Whether no key rests, waits for a look, or serves other requests.
fn every_key_is_out(upstream: &Upstream) -> bool {
    let now = clock::now();
    upstream.ring().iter().all(|key| matches!(key.standing(now), Standing::Out(_)))
}
