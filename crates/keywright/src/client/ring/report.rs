//! What is told of one key: never its value.

use keywright_core::all_out::{KeyOut, Out, Why};
use keywright_core::pins::Pin;
use keywright_core::ring::{Health, Moment};
use keywright_core::{Diagnosis, ProviderSpec};

use super::KeyView;
use super::key::{Key, timestamp};

impl Key {
    /// The masked value.
    pub(super) fn masked(&self) -> String {
        self.value().map_or_else(|| "(no value)".to_owned(), |value| value.secret.masked())
    }

    /// Where the value is, in words.
    pub(super) fn place(&self) -> String {
        self.value().map_or_else(|| self.source.clone(), |value| value.place.clone())
    }

    /// Why the key is out, with everything that was seen; `None` while it may serve.
    pub(super) fn diagnosis(&self, provider: &ProviderSpec, now: Moment) -> Option<Diagnosis> {
        let state = self.state();
        let (cause, since) = match state.health {
            Health::Suspect { cause, since } | Health::Quarantined { cause, since, .. } => (cause, since),
            Health::Active | Health::CoolingDown { .. } | Health::Probation { .. } => return None,
        };
        let (miss, refusal) = (state.miss.as_ref(), state.refusal.as_ref());
        let out = Out { cause, source: &self.source, miss, refusal, look: None };
        let diagnosis = out.diagnosis(provider);
        let (served, last_served) = (state.served, state.last_served);
        if miss.is_some() {
            return Some(diagnosis);
        }
        drop(state);
        let past = self.chronicle.past();
        Some(match past {
            _ if served > 0 => {
                let before = past.map_or(0, |past| past.served);
                diagnosis.with_history(before + served, last_served.until(since))
            }
            Some(past) => past.witness(diagnosis, timestamp(since, now)),
            None => diagnosis,
        })
    }

    /// Why it does not serve a request.
    pub(super) fn out(&self, provider: &ProviderSpec, pin: Option<&Pin>, model: Option<&str>, now: Moment) -> KeyOut {
        let of_another = |pin: &Pin| self.project.as_ref().is_some_and(|project| *project != pin.project);
        let why = if pin.is_some_and(of_another) {
            Why::other_project()
        } else if let Some(diagnosis) = self.diagnosis(provider, now) {
            Why::out(diagnosis, None)
        } else {
            let mut state = self.state();
            let standing = state.health.standing(now);
            let bench = model.and_then(|model| state.models.why(model, now));
            bench.map_or_else(|| Why::standing(standing, now), Why::model)
        };
        KeyOut { masked: self.masked(), place: self.place(), why }
    }

    pub(super) fn view(&self, provider: &ProviderSpec, now: Moment) -> KeyView {
        let (masked, place, diagnosis) = (self.masked(), self.place(), self.diagnosis(provider, now));
        let last_known_good = self.stands_in();
        let state = self.state();
        KeyView { masked, place, health: state.health, diagnosis, last_known_good, served: state.served }
    }
}
