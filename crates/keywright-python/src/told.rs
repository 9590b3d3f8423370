//! A diagnosis on its way to Python: as a value, and in the words of the command line.

use keywright_core::Diagnosis;
use serde::Serialize;

use crate::GUARD;

/// A diagnosis, and how a person reads it.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) diagnosis: Diagnosis,
    pub(crate) title: &'static str,
    pub(crate) text: String,
    /// Whether a call of a model failed, and not something else.
    pub(crate) concerns_a_model: bool,
}

/// Puts a diagnosis into words, about the thing at `place`.
pub(crate) fn tell(diagnosis: &Diagnosis, place: &str) -> Told {
    Told {
        title: diagnosis.title(),
        text: GUARD.tell(diagnosis, place, false),
        diagnosis: diagnosis.clone(),
        concerns_a_model: true,
    }
}
