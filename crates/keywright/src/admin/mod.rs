//! Keys that a program makes and deletes: the providers' admin APIs.
//!
//! An admin key goes to the catalogued or configured origin of its provider and nowhere else. Nothing is changed before
//! a [`Plan`] says what would be.

mod call;
mod error;
mod plan;
mod service_accounts;
mod user_keys;

use std::time::Duration;

use keywright_core::provider::AdminApi;
use keywright_core::{ProviderSpec, Secret};

use self::call::Caller;
pub use self::error::AdminError;
pub use self::plan::{End, Listed, Make, Plan, Wanted};
use crate::http::{Connector, Origin};

/// The admin API of one provider.
pub struct Admin<'a> {
    caller: Caller<'a>,
    api: AdminApi,
}

/// A key that was made. Its value is told this once.
#[derive(Clone, Debug)]
pub struct Made {
    /// The value.
    pub key: Secret,
    /// Its name at the provider, if it told one.
    pub id: Option<String>,
}

impl<'a> Admin<'a> {
    /// The admin API of a provider; `None` if it has none. Each question may take `limit`.
    pub fn of(
        provider: &'a ProviderSpec,
        connector: &'a Connector,
        origin: &'a Origin,
        key: &'a Secret,
        limit: Duration,
    ) -> Option<Self> {
        let api = provider.admin.as_ref()?.api;
        Some(Self { caller: Caller { provider, connector, origin, key, limit }, api })
    }

    /// Finds the old key at the provider, and says what a rotation would do. Changes nothing.
    pub async fn plan(&self, old: &Secret, wanted: &Wanted) -> Result<Plan, AdminError> {
        match self.api {
            AdminApi::ServiceAccounts => service_accounts::plan(&self.caller, old, wanted).await,
            AdminApi::UserKeys => user_keys::plan(&self.caller, old, wanted).await,
        }
    }

    /// Makes the new key.
    pub async fn make(&self, make: &Make) -> Result<Made, AdminError> {
        let (path, body) = make.request();
        let answer = self.caller.post(&path, &body).await?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(serde_json::Value::as_str);
        let (value, id) = match make {
            Make::ServiceAccount { .. } => (text("/api_key/value"), text("/api_key/id")),
            Make::AccountKey { .. } => (text("/value"), text("/id")),
            Make::UserKey { .. } => (text("/key"), text("/keyId")),
        };
        let key = Secret::new(value.ok_or(AdminError::Strange { what: "the answer holds no key" })?);
        Ok(Made { key, id: id.map(str::to_owned) })
    }

    /// Ends the old key. A plan that leaves it to a person ends nothing.
    pub async fn end(&self, end: &End) -> Result<(), AdminError> {
        match end {
            End::Key { project, id } => self.caller.delete(&service_accounts::key_path(project, id)).await,
            End::ServiceAccount { project, id, key, .. } => {
                service_accounts::end_account(&self.caller, project, id, key).await
            }
            End::UserKey { account, user, id } => {
                let path = format!("{}:delete", user_keys::path(account, user));
                self.caller.post(&path, &serde_json::json!({ "keyId": id })).await.map(drop)
            }
            End::ByHand { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
