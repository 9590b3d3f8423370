//! The last failure that a caller was told of. `keywright run` tells it when its program ends badly.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwapOption;
use keywright_core::diagnosis::Confidence;
use keywright_core::{Classified, Diagnosis, Fix, ProviderSpec, Witness};
use serde::Serialize;

use crate::answer::Refusal;
use crate::live::Live;

/// A failure that went down to a caller.
#[derive(Clone, Debug, Serialize)]
pub struct LastFailure {
    /// What it means.
    pub diagnosis: Diagnosis,
    /// How many requests came in after it.
    pub later: u64,
}

/// Where it is noted. A diagnosis is made of it only when someone asks.
#[derive(Default)]
pub(crate) struct LastFailureSlot(ArcSwapOption<Noted>);

struct Noted {
    failure: Failure,
    /// Requests that had come in by then.
    requests: u64,
}

/// A failure as it was met. It rides on the answer until the answer is told.
#[derive(Clone)]
pub(crate) enum Failure {
    /// The provider's answer.
    Answer { spec: &'static ProviderSpec, status: u16, classified: Classified },
    /// The gateway's own answer; `spec` is `None` before a provider was chosen.
    Refusal { spec: Option<&'static ProviderSpec>, refusal: Refusal },
}

impl LastFailureSlot {
    /// Notes a failure that goes down.
    pub(crate) fn note(&self, failure: Failure, live: &Live) {
        self.0.store(Some(Arc::new(Noted { failure, requests: requests(live) })));
    }

    /// The last one, if there was any.
    pub(crate) fn read(&self, live: &Live) -> Option<LastFailure> {
        let noted = self.0.load();
        noted.as_ref().map(|noted| LastFailure {
            diagnosis: noted.failure.diagnosis(),
            later: requests(live).saturating_sub(noted.requests),
        })
    }
}

impl Failure {
    /// The same, of this provider.
    pub(crate) fn of(mut self, provider: &'static ProviderSpec) -> Self {
        if let Self::Refusal { spec, .. } = &mut self {
            *spec = Some(provider);
        }
        self
    }

    fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Answer { spec, status, classified } => classified.diagnosis(spec, *status),
            Self::Refusal { spec, refusal } => {
                let provider = spec.map_or("unknown", |spec| spec.id.as_str());
                let mut diagnosis = Diagnosis::new(provider, refusal.cause, Confidence::Certain)
                    .with_evidence(Witness::Text, refusal.message.clone());
                // The help of an answer that names a cause is the first fix of its page.
                let says =
                    refusal.help.iter().filter(|help| !diagnosis.fixes.iter().any(|fix| help.contains(&fix.says)));
                let own: Vec<Fix> = says.map(|says| Fix { says: says.clone(), command: None }).collect();
                diagnosis.fixes.splice(0..0, own);
                diagnosis
            }
        }
    }
}

/// Requests that came in for a provider.
pub(crate) fn requests(live: &Live) -> u64 {
    live.upstreams.iter().map(|upstream| upstream.traffic.requests.load(Ordering::Relaxed)).sum()
}
