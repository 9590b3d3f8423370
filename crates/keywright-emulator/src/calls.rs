//! How often each key was used, and with what outcome.

use serde::{Serialize, Serializer};

use crate::Provider;

/// Calls of one key that ended alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// The provider that was called.
    #[serde(serialize_with = "provider_id")]
    pub provider: Provider,
    /// The masked key, `(none)` without one, `(others)` beyond ten thousand different keys.
    pub key: String,
    /// The HTTP status; 0 when the connection closed without an answer.
    pub status: u16,
    /// Which answer it was: `ok`, or an id of [`crate::answers`].
    pub answer: &'static str,
    /// How many.
    pub calls: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde dictates the signature")]
fn provider_id<S: Serializer>(provider: &Provider, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(provider.id())
}
