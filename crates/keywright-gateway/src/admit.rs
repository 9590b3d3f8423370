//! Admit: who is asking, and may they?
//!
//! A caller's token is accepted in any header in which SDKs send credentials. What a careless paste
//! left around one of our own tokens is forgiven; a foreign credential is never judged by its shape.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use keywright_core::{Cause, inspect, mask, token};

use crate::answer::Refusal;
use crate::clock;
use crate::live::{Caller, Live};

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) caller: Arc<Caller>,
}

/// Says who is asking, or refuses.
pub(crate) fn admit(parts: &Parts, live: &Live) -> Result<Admitted, Refusal> {
    check_host(parts, live)?;
    if live.callers.open {
        check_origin(parts, live)?;
        return Ok(Admitted { caller: Arc::new(Caller::anyone()) });
    }
    let credential = credential(parts).ok_or_else(|| refuse("no virtual key was sent", NO_KEY_HELP))?;
    let caller = live.callers.by_digest.get(&token::digest(&credential)).cloned();
    let caller = match caller {
        Some(caller) => caller,
        None => forgiven(&credential, live)?,
    };
    if caller.expires_at.is_some_and(|expires_at| expires_at <= clock::unix_seconds()) {
        return Err(refuse(
            format!("the virtual key `{}` has expired", caller.name),
            "Ask for a new one: `keywright keys issue`.",
        ));
    }
    if let Some(Err(wait)) = caller.limiter.as_ref().map(|limiter| limiter.take(clock::now())) {
        let message = format!("the virtual key `{}` is over its own request rate", caller.name);
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, Cause::RateLimit, message).retry_after(wait));
    }
    Ok(Admitted { caller })
}

/// Whether a caller may use this provider and model.
pub(crate) fn check_scope(caller: &Caller, provider: &str, model: Option<&str>) -> Result<(), Refusal> {
    let scope = |what: &str| {
        Refusal::new(
            StatusCode::FORBIDDEN,
            Cause::GatewayVirtualKeyProblem,
            format!("the virtual key `{}` may not use {what}", caller.name),
        )
        .help("Whoever runs this gateway can widen it in the configuration.")
    };
    if !caller.providers.is_empty() && !caller.providers.iter().any(|allowed| allowed == provider) {
        return Err(scope(&format!("the provider `{provider}`")));
    }
    match model {
        _ if caller.models.is_empty() => Ok(()),
        Some(model) if caller.models.iter().any(|allowed| allowed == model) => Ok(()),
        Some(model) => Err(scope(&format!("the model `{}`", short(model)))),
        None => Err(scope("requests that name no model")),
    }
}

/// A page in a browser may reach loopback under any name; only our own names count.
pub(crate) fn check_host(parts: &Parts, live: &Live) -> Result<(), Refusal> {
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()),
    };
    let settings = &live.settings;
    let name = host.map(host_name);
    let allowed = match name {
        None => false,
        Some(name) => {
            LOOPBACK_NAMES.contains(&name)
                || name.parse() == Ok(settings.listen.ip())
                || settings.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
                || settings.allowed_hosts.is_empty() && !settings.listen.ip().is_loopback()
        }
    };
    if allowed {
        return Ok(());
    }
    let message = format!("the Host header names `{}`, which is not this gateway", short(name.unwrap_or("nothing")));
    Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, Cause::BadRequest, message)
        .code("host_not_allowed")
        .help("Use 127.0.0.1 or localhost, or add the name to `gateway.allowed_hosts`."))
}

/// Where anyone on this machine may call, a page from elsewhere that runs in a browser on it may not:
/// it could not read the answers, and it could still spend the keys.
fn check_origin(parts: &Parts, live: &Live) -> Result<(), Refusal> {
    let Some(origin) = parts.headers.get(http::header::ORIGIN) else {
        return Ok(());
    };
    let name = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host_name(host));
    let known =
        |name: &str| LOOPBACK_NAMES.contains(&name) || live.settings.allowed_hosts.iter().any(|host| host == name);
    if name.is_some_and(known) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, Cause::BadRequest, "a page of another site sent this request")
        .code("origin_not_allowed")
        .help("Configure a [[virtual_key]] for browser apps, or add the site's host to `gateway.allowed_hosts`."))
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}

/// The credential, from whatever carries it: four headers, Basic credentials, a query, a sub-protocol.
pub(crate) fn credential(parts: &Parts) -> Option<String> {
    let headers = &parts.headers;
    authorization(headers)
        .or_else(|| KEY_HEADERS.iter().find_map(|name| headers.get(*name).map(|value| latin1(value.as_bytes()))))
        .or_else(|| sub_protocol(headers))
        .or_else(|| query_key(parts.uri.query()?))
}

/// A bearer token, or the password of Basic credentials.
fn authorization(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?;
    if let Some(token) = value.as_bytes().strip_prefix(b"Bearer ").and_then(|token| std::str::from_utf8(token).ok()) {
        return Some(token.to_owned());
    }
    let text = latin1(value.as_bytes());
    if let Some(encoded) = text.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic ")).and(text.get(6..)) {
        return basic_password(encoded.trim());
    }
    let bare = text.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("bearer")).and(text.get(6..));
    Some(bare.unwrap_or(&text).trim_start().to_owned())
}

fn basic_password(encoded: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(user, password)| if password.is_empty() { user.to_owned() } else { password.to_owned() })
}

/// Browsers cannot set headers on a WebSocket; OpenAI's SDK puts the key into a sub-protocol.
fn sub_protocol(headers: &HeaderMap) -> Option<String> {
    let protocols = headers.get(http::header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    protocols.split(',').find_map(|protocol| protocol.trim().strip_prefix(KEY_PROTOCOL)).map(str::to_owned)
}

fn query_key(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix("key=")).map(str::to_owned)
}

/// Header bytes as text: UTF-8 where they are, else one character a byte.
fn latin1(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// One of our tokens with something pasted around it is still one of our tokens.
fn forgiven(credential: &str, live: &Live) -> Result<Arc<Caller>, Refusal> {
    let cleaned = inspect::cleaned(credential);
    if let Some(caller) = live.callers.by_digest.get(&token::digest(&cleaned)) {
        tracing::warn!(
            caller = caller.name,
            "a virtual key arrived with white space, quotes or hidden characters around it"
        );
        return Ok(Arc::clone(caller));
    }
    let says = match token::check(&cleaned) {
        Ok(()) => "this virtual key is not known here: it was withdrawn, or belongs to another gateway".to_owned(),
        Err(token::TokenError::Foreign) if cleaned.is_empty() => "an empty key was sent".to_owned(),
        Err(token::TokenError::Foreign) => format!("{} is not a virtual key of this gateway", described(&cleaned)),
        Err(error) => format!("the virtual key is mistyped: it {error}"),
    };
    Err(refuse(says, NO_KEY_HELP))
}

/// A stranger's credential in words: a short word in clear, anything longer masked.
fn described(credential: &str) -> String {
    let word = PLAIN_WORDS.iter().find(|word| credential.eq_ignore_ascii_case(word));
    word.map_or_else(|| mask(credential), |word| format!("`{word}`"))
}

fn refuse(message: impl Into<String>, help: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, Cause::GatewayVirtualKeyProblem, message).help(help)
}

/// The beginning of a text that a stranger sent.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

const NO_KEY_HELP: &str = "This gateway wants its own key (it starts with `sk-kwt-`) where the provider's key used to be; the provider's keys stay inside it.";
const LOOPBACK_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "::1"];
/// The headers beside `Authorization` in which SDKs send a key.
pub(crate) const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];
/// The sub-protocol that carries a key.
pub(crate) const KEY_PROTOCOL: &str = "openai-insecure-api-key.";
const PLAIN_WORDS: [&str; 5] = ["undefined", "none", "null", "empty", "dummy"];

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn found(name: &str, value: &[u8]) -> Option<String> {
        let request = Request::get("/v1/models").header(name, value).body(()).expect("a request");
        credential(&request.into_parts().0)
    }

    #[test]
    fn every_carrier_is_read() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(found("authorization", b"Bearer sk-kwt-1"), some("sk-kwt-1"));
        assert_eq!(found("authorization", b"bearer   sk-kwt-1"), some("sk-kwt-1"));
        assert_eq!(found("authorization", b"sk-kwt-1"), some("sk-kwt-1"));
        assert_eq!(found("authorization", b"Basic OnNrLWt3dC0x"), some("sk-kwt-1"));
        assert_eq!(found("authorization", b"Bearer"), some(""));
        assert_eq!(found("x-api-key", b"sk-kwt-1"), some("sk-kwt-1"));
        assert_eq!(found("api-key", b"sk-kwt-1"), some("sk-kwt-1"));
        assert_eq!(found("x-goog-api-key", b"sk-kwt-1"), some("sk-kwt-1"));
        assert_eq!(found("sec-websocket-protocol", b"realtime, openai-insecure-api-key.sk-kwt-1"), some("sk-kwt-1"));
        assert_eq!(found("accept", b"*/*"), None);
        let request = Request::get("/v1/models?a=b&key=sk-kwt-1").body(()).expect("a request");
        assert_eq!(credential(&request.into_parts().0), some("sk-kwt-1"));
    }

    #[test]
    fn a_host_is_known_without_its_port() {
        assert_eq!(host_name("127.0.0.1:4100"), "127.0.0.1");
        assert_eq!(host_name("[::1]:4100"), "::1");
        assert_eq!(host_name("evil.example"), "evil.example");
    }
}
