//! Questions to an admin API.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use keywright_core::{Answer, ProviderSpec, Secret, classify_failure};
use serde_json::Value;

use super::AdminError;
use crate::exchange::{ExchangeError, exchange};
use crate::http::{Connector, Origin};

/// Who asks, and where.
pub(super) struct Caller<'a> {
    pub(super) provider: &'a ProviderSpec,
    pub(super) connector: &'a Connector,
    pub(super) origin: &'a Origin,
    pub(super) key: &'a Secret,
    pub(super) limit: Duration,
}

impl Caller<'_> {
    pub(super) async fn get(&self, path: &str) -> Result<Value, AdminError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, AdminError> {
        self.ask(Method::POST, path, body.to_string().into()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), AdminError> {
        self.ask(Method::DELETE, path, Bytes::new()).await.map(drop)
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, AdminError> {
        let auth = self.provider.http.auth;
        let mut credential = HeaderValue::try_from(format!("{}{}", auth.scheme(), self.key.expose()))
            .map_err(|_| ExchangeError::Unsendable)?;
        credential.set_sensitive(true);
        let origin = self.origin;
        let uri = format!("{}://{}{}{path}", origin.scheme(), origin.authority(), origin.prefix());
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("keywright/", env!("CARGO_PKG_VERSION")))
            .header(auth.name(), credential);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(|_| ExchangeError::Unsendable)?;
        let (status, body) = exchange(self.connector, origin, request, self.limit).await?;
        if !(200..300).contains(&status) {
            let cause = classify_failure(self.provider, &Answer { status, path, body: &body }).cause;
            return Err(AdminError::Refused { status, cause });
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|_| AdminError::Strange { what: "it is not JSON" })
    }
}

/// A name as a segment of a path.
pub(super) fn segment<'a>(name: &'a str, what: &'static str) -> Result<&'a str, AdminError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '~');
    let good = !name.is_empty() && name.chars().all(allowed) && !matches!(name, "." | "..");
    if good { Ok(name) } else { Err(AdminError::BadName { what }) }
}
