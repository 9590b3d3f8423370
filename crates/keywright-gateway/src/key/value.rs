//! The value of a key, and how it is read from its source.

use http::HeaderValue;
use keywright::credential;
use keywright::sources::{Found, Miss, Reference, Resolver};
use keywright::state::Memory;
use keywright_core::all_out::SourceDown;
use keywright_core::{Cause, Fingerprint, Fix, ProviderSpec, Secret};

use crate::stand_in::{self, StandIn};

/// A key's value, with everything that is made from it once.
pub(crate) struct KeyValue {
    pub(crate) secret: Secret,
    pub(crate) header: HeaderValue,
    pub(crate) fingerprint: Fingerprint,
    /// The fingerprint as `x-keywright-key` tells it.
    pub(crate) id_header: HeaderValue,
    pub(crate) masked: String,
    pub(crate) place: String,
    /// Set when it is the last known good value, in the place of what the source gives.
    pub(crate) stand_in: Option<StandIn>,
}

/// Why a key has no value that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(crate) cause: Cause,
    pub(crate) says: String,
    /// What mends that, where its source knows.
    pub(crate) fix: Option<Fix>,
    /// What the source said, when it gave nothing.
    miss: Option<Miss>,
}

impl Unreadable {
    fn of(cause: Cause, says: String) -> Self {
        Self { cause, says, fix: None, miss: None }
    }

    /// Whether the source says that it has no key, rather than that it cannot be asked or holds something else.
    pub(crate) fn is_none(&self) -> bool {
        self.miss.as_ref().is_some_and(|miss| !miss.is_outage())
    }

    /// What is told of a key whose value serves, or was refused.
    pub(crate) fn as_source_down(&self) -> SourceDown<'_> {
        SourceDown { says: &self.says, fix: self.fix.as_ref() }
    }

    /// The cause, as far as the source tells it.
    pub(crate) fn telling_cause(&self) -> Cause {
        self.miss.as_ref().map_or(self.cause, Miss::cause)
    }

    /// The last known good value, when the source could not be read.
    pub(crate) async fn stand_in(
        &self,
        memory: Option<&Memory>,
        spec: &ProviderSpec,
        reference: &Reference,
    ) -> Option<KeyValue> {
        stand_in::for_outage(memory?, spec, reference, self.miss.as_ref()?).await
    }
}

/// Reads a key's value from its source, now.
pub(crate) async fn read(
    reference: &Reference,
    spec: &ProviderSpec,
    resolver: &Resolver,
) -> Result<KeyValue, Unreadable> {
    prepared(resolver.resolve(reference).await, spec)
}

pub(super) fn prepared(read: Result<Found, Miss>, spec: &ProviderSpec) -> Result<KeyValue, Unreadable> {
    let found = read.map_err(|miss| unreadable(miss, spec))?;
    prepare(found.secret, found.place, spec, None)
}

/// Prepares what every request needs of a value.
pub(crate) fn prepare(
    secret: Secret,
    place: String,
    spec: &ProviderSpec,
    stand_in: Option<StandIn>,
) -> Result<KeyValue, Unreadable> {
    let header = credential::header(&secret, &place, spec).map_err(|why| Unreadable::of(why.cause, why.says))?;
    let fingerprint = credential::fingerprinter().fingerprint(&secret);
    Ok(KeyValue {
        header,
        id_header: HeaderValue::try_from(fingerprint.to_string())
            .map_err(|_| Unreadable::of(Cause::Other, String::new()))?,
        masked: secret.masked(),
        fingerprint,
        place,
        secret,
        stand_in,
    })
}

fn unreadable(miss: Miss, spec: &ProviderSpec) -> Unreadable {
    let (says, fix) = (miss.to_string(), miss.fix(&spec.id));
    Unreadable { cause: Cause::MissingKey, says, fix, miss: Some(miss) }
}
