//! The value of a key, and what a refusal of it said.

use std::time::Duration;

use http::HeaderValue;
use keywright_core::{Classified, Fingerprint, ProviderSpec, Secret};

use crate::credential::{self, Unsendable};

/// A key's value, with everything that is made from it once.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) secret: Secret,
    pub(super) header: HeaderValue,
    pub(super) fingerprint: Fingerprint,
    pub(super) place: String,
    /// Whether it is the last known good value, in the place of what the source gives.
    pub(super) stands_in: bool,
}

impl Value {
    pub(super) fn of(
        secret: Secret,
        place: String,
        provider: &ProviderSpec,
        stands_in: bool,
    ) -> Result<Self, Unsendable> {
        let header = credential::header(&secret, &place, provider)?;
        let fingerprint = credential::fingerprinter().fingerprint(&secret);
        Ok(Self { secret, header, fingerprint, place, stands_in })
    }
}

/// What a refusal said.
pub(super) struct Refusal<'a> {
    pub(super) provider: &'a ProviderSpec,
    pub(super) status: u16,
    pub(super) classified: &'a Classified,
    pub(super) model: Option<&'a str>,
    pub(super) retry_after: Option<Duration>,
}
