//! One request: who asks, for what, and its body.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::Provider;
use crate::failure::Failure;
use crate::ids::Ids;
use crate::key_state::{KeyState, Owner};
use crate::key_table::Grant;
use crate::settings::{Settings, UnknownKeys};
use crate::shared::Shared;

/// What the request says about its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// No `Authorization`, or a scheme nobody knows.
    Missing,
    /// `Bearer` and nothing after it.
    Empty,
    /// A key, as it arrived.
    Key(String),
}

/// A request under way.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) provider: Provider,
    pub(crate) settings: Settings,
    pub(crate) parts: Parts,
    pub(crate) body: Option<Incoming>,
    pub(crate) credential: Credential,
    pub(crate) grant: Option<Grant>,
    pub(crate) ids: Ids,
    pub(crate) now_ms: u64,
    /// The edge's name for this request, 16 hex digits.
    pub(crate) ray: String,
}

impl Call {
    pub(crate) const fn now(&self) -> u64 {
        self.now_ms / 1000
    }

    /// The path as the provider sees it.
    pub(crate) fn path(&self) -> &str {
        self.parts.uri.path().get(1 + self.provider.id().len()..).unwrap_or("/")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// A query parameter, undecoded: ids and numbers need no decoding.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.parts.uri.query()?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }

    /// The state of the key; a key that is not registered is unknown, unless all keys are accepted.
    pub(crate) fn state(&self) -> Option<Arc<KeyState>> {
        match (&self.credential, &self.grant) {
            (Credential::Key(_), Some(grant)) => Some(Arc::clone(&grant.state)),
            (Credential::Key(_), None) => Some(Arc::new(match self.settings.unknown_keys {
                UnknownKeys::Refuse => KeyState::Unknown,
                UnknownKeys::Accept => KeyState::Valid,
            })),
            (Credential::Missing | Credential::Empty, _) => None,
        }
    }

    pub(crate) fn owner(&self) -> Arc<Owner> {
        self.grant.as_ref().map_or_else(Arc::default, |grant| Arc::clone(&grant.owner))
    }

    pub(crate) fn project(&self) -> String {
        self.owner().project.clone()
    }

    /// How often the key was used since its state was set.
    pub(crate) fn uses(&self) -> u64 {
        self.grant.as_ref().map_or(0, |grant| grant.uses)
    }

    /// Reads the body, up to the limit of a JSON request.
    pub(crate) async fn bytes(&mut self) -> Result<Bytes, Failure> {
        let Some(body) = self.body.take() else {
            return Ok(Bytes::new());
        };
        match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Failure::new("X413", 413, "The request body is too large."))
            }
            Err(_) => Err(Failure::new("X400", 400, "The request body could not be read.")),
        }
    }

    /// Reads a JSON body; an empty one counts as `{}`.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let bytes = self.bytes().await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map_err(|error| unreadable(&error))
    }
}

pub(crate) fn unreadable(error: &serde_json::Error) -> Failure {
    let message = if error.is_data() {
        format!("Invalid request body: {error}.")
    } else {
        format!("We could not parse the JSON body of your request: {error}.")
    };
    Failure::new("X400", 400, message)
}

/// Finds the key the way providers do: Bearer, or Basic with the key as password.
pub(crate) fn credential(parts: &Parts, provider: Provider) -> Credential {
    let Some(value) = parts.headers.get(http::header::AUTHORIZATION) else {
        return beside_authorization(parts, provider);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let (scheme, rest) = text.split_once(' ').unwrap_or((&text, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return match rest {
            "" => Credential::Empty,
            key => Credential::Key(key.to_owned()),
        };
    }
    if scheme.eq_ignore_ascii_case("basic") && provider == Provider::OpenAi {
        return basic_password(rest).map_or(Credential::Missing, Credential::Key);
    }
    Credential::Missing
}

/// Fireworks' training client sends `X-API-Key`; browsers put OpenAI's key into the sub-protocol.
fn beside_authorization(parts: &Parts, provider: Provider) -> Credential {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let key = match provider {
        Provider::Fireworks => text("x-api-key"),
        Provider::OpenAi => text("sec-websocket-protocol")
            .and_then(|protocols| protocols.split(',').find_map(|one| one.trim().strip_prefix(INSECURE_PROTOCOL))),
        Provider::Together => None,
    };
    key.map_or(Credential::Missing, |key| Credential::Key(key.to_owned()))
}

fn basic_password(encoded: &str) -> Option<String> {
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned()).filter(|password| !password.is_empty())
}

/// The sub-protocol that carries a key from a browser.
pub(crate) const INSECURE_PROTOCOL: &str = "openai-insecure-api-key.";
/// The largest JSON body that is read.
const BODY_LIMIT: usize = 64 * 1024 * 1024;
