//! Header hygiene: what goes onward, and what concerns one hop or one key only.

use std::time::Duration;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Version};

use crate::admit::{KEY_HEADERS, KEY_PROTOCOL};
use crate::live::Upstream;

/// The caller's headers, for as many attempts as it takes. The first one gets the map itself, which is all that most
/// requests need; a later one is made from the pairs that were kept, and these are cheaper to keep than a second map.
#[derive(Debug)]
pub(crate) struct CallerHeaders {
    first: Option<HeaderMap>,
    kept: Vec<(HeaderName, HeaderValue)>,
}

impl CallerHeaders {
    pub(crate) fn new(headers: HeaderMap) -> Self {
        let kept = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { first: Some(headers), kept }
    }

    /// All of them, in the order in which they came.
    pub(crate) fn take(&mut self) -> HeaderMap {
        self.first.take().unwrap_or_else(|| {
            let mut headers = HeaderMap::with_capacity(self.kept.len());
            for (name, value) in &self.kept {
                headers.append(name, value.clone());
            }
            headers
        })
    }
}

/// The caller's headers as they go to the provider. With `own_credential` the caller's own goes through.
pub(crate) fn onward(mut to: HeaderMap, upstream: &Upstream, own_credential: bool) -> HeaderMap {
    let upgrade = is_upgrade(&to);
    for name in named_by_connection(&to) {
        to.remove(name);
    }
    let unwanted = |name: &HeaderName| {
        let credential = *name == AUTHORIZATION || KEY_HEADERS.iter().any(|header| name == header);
        is_hop_by_hop(name) || !own_credential && (credential || upstream.tenant_headers.contains(name))
    };
    let gone: Vec<HeaderName> = to.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in gone {
        to.remove(name);
    }
    if upgrade {
        if !own_credential {
            let clean: Vec<HeaderValue> = to.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(without_key).collect();
            to.remove(SEC_WEBSOCKET_PROTOCOL);
            for value in clean {
                to.append(SEC_WEBSOCKET_PROTOCOL, value);
            }
        }
        to.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        to.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    to
}

/// The head of a provider's answer as it goes down. Its HTTP version is that hop's affair too.
pub(crate) fn downward(head: &mut Parts) {
    head.version = Version::HTTP_11;
    let headers = &mut head.headers;
    let mut gone = named_by_connection(headers);
    gone.extend(headers.keys().filter(|name| HOP_BY_HOP.contains(name)).cloned());
    for name in gone {
        headers.remove(name);
    }
}

/// Whether this asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// How long the provider asks to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
    keywright_core::ring::retry_after(text(&RETRY_AFTER_MS), text(&RETRY_AFTER))
}

/// Header names that `Connection` makes hop-by-hop.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let Some(value) = headers.get(CONNECTION).and_then(|value| value.to_str().ok()) else {
        return Vec::new();
    };
    if value.eq_ignore_ascii_case("keep-alive") || value.eq_ignore_ascii_case("close") {
        return Vec::new();
    }
    value
        .split(',')
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| *name != CONTENT_LENGTH)
        .collect()
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == TE
        || *name == TRAILER
        || *name == EXPECT
        || *name == PROXY_AUTHORIZATION
        || *name == PROXY_AUTHENTICATE
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// The sub-protocols without the one that carries a key.
fn without_key(value: &HeaderValue) -> Option<HeaderValue> {
    let Ok(text) = value.to_str() else {
        return Some(value.clone());
    };
    let rest: Vec<&str> =
        text.split(',').map(str::trim).filter(|protocol| !protocol.starts_with(KEY_PROTOCOL)).collect();
    (!rest.is_empty()).then(|| HeaderValue::try_from(rest.join(", ")).ok()).flatten()
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
static HOP_BY_HOP: [HeaderName; 8] =
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, TRAILER, PROXY_AUTHENTICATE, KEEP_ALIVE, PROXY_CONNECTION];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_from_either_header() {
        let with = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            retry_after(&headers)
        };
        assert_eq!(with("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(with("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(with("retry-after-ms", "174"), Some(Duration::from_millis(174)));
        assert_eq!(with("retry-after", "NaN"), None);
        assert_eq!(with("retry-after", "-1"), None);
        assert_eq!(with("retry-after", "1e300"), None);
        assert_eq!(with("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }

    #[test]
    fn a_key_in_a_sub_protocol_goes_no_further() {
        let value = HeaderValue::from_static("realtime, openai-insecure-api-key.sk-kwt-1, openai-beta.realtime-v1");
        assert_eq!(without_key(&value).expect("the rest"), "realtime, openai-beta.realtime-v1");
        assert_eq!(without_key(&HeaderValue::from_static("openai-insecure-api-key.x")), None);
    }
}
