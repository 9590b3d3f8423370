//! No proxy: what generator and upstream cost alone.

use super::{Contender, Ground};
use crate::bench::payload;

/// The upstream itself.
pub(super) fn contender(ground: Ground<'_>) -> Contender {
    Contender {
        name: "direct".to_owned(),
        address: ground.upstream,
        path: "/v1/chat/completions",
        bearer: payload::upstream_key(0),
        headers: ground.headers,
        program: None,
    }
}
