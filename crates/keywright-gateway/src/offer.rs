//! Offer: a key that a person gave, while requests wait for one.

use std::sync::Arc;

use keywright::probe::probe;
use keywright_core::inspect::live::judge;
use keywright_core::inspect::{Finding, Severity, inspect};
use keywright_core::ring::{Look, Standing};
use keywright_core::{Confidence, Diagnosis, Secret};

use crate::clock;
use crate::key::{self, Key};
use crate::live::Upstream;
use crate::shared::Shared;

/// What became of an offered key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Offered {
    /// It joined the ring, and the requests go on.
    Joined {
        /// Its mask.
        masked: String,
        /// Whether the provider said that it works. Otherwise it gave no verdict.
        proven: bool,
        /// What is strange about it.
        findings: Vec<Finding>,
    },
    /// It cannot work: it is no key, or not a whole one.
    Unusable(Finding),
    /// It is one of those that are out.
    Known(Diagnosis),
    /// The provider refuses it.
    Refused(Diagnosis),
    /// Nothing waits for it any more: the provider is not configured now.
    Unwanted,
}

/// Looks at an offered key as at any other: its form, then one free question. A good one joins the ring.
pub(crate) async fn offer(shared: &Shared, provider: &str, secret: &Secret) -> Offered {
    let live = shared.live.load_full();
    let Some(upstream) = live.upstream(provider) else {
        return Offered::Unwanted;
    };
    let spec = upstream.spec;
    let findings = inspect(secret.expose(), spec);
    if let Some(finding) = findings.iter().find(|finding| finding.severity == Severity::Error) {
        return Offered::Unusable(finding.clone());
    }
    let value = match key::prepare(secret.clone(), PLACE.to_owned(), spec, None) {
        Ok(value) => value,
        Err(unusable) => return Offered::Unusable(Finding::error(unusable.cause, unusable.says)),
    };
    let now = clock::now();
    let same = |key: &Arc<Key>| key.value().is_some_and(|known| known.fingerprint == value.fingerprint);
    if let Some(known) = upstream.ring().iter().find(|key| same(key)).and_then(|key| key.diagnosis(spec, now)) {
        return Offered::Known(known);
    }
    let limit = live.settings.confirm_timeout;
    let probed = probe(&upstream.connector, spec, &upstream.origin, &value.secret, limit).await;
    let proven = match probed.look {
        Look::Works => true,
        Look::Unknown => false,
        Look::Refused(cause) => {
            // With what is strange about its form: a key of another provider is refused in the same words as a revoked one.
            let diagnosis = judge(spec, probed.look, &probed.heard, &findings).diagnosis;
            return Offered::Refused(
                diagnosis.unwrap_or_else(|| Diagnosis::new(&upstream.id, cause, Confidence::Likely)),
            );
        }
    };
    let masked = value.masked.clone();
    upstream.give(&Key::given(value, spec));
    shared.refresh_redactor();
    shared.parking.answered(upstream);
    tracing::info!(provider, new = masked, proven, "a person gave a key");
    Offered::Joined { masked, proven, findings }
}

impl Upstream {
    /// Adds a key that a person gave. Earlier ones that are out make room.
    fn give(&self, key: &Arc<Key>) {
        let now = clock::now();
        self.given.rcu(|before| {
            let mut keys: Vec<Arc<Key>> = before.to_vec();
            keys.retain(|key| !matches!(key.standing(now), Standing::Out(_)));
            keys.push(Arc::clone(key));
            keys
        });
    }
}

const PLACE: &str = "given at the terminal";
