//! `HashiCorp` Vault and `OpenBao`: key-value secrets of both versions, over their HTTP API.
//!
//! Settings are the ones that their own command reads: `VAULT_ADDR`, `VAULT_TOKEN` or `~/.vault-token`, `VAULT_NAMESPACE`,
//! `VAULT_CACERT`, each also with `BAO_`. Beside a token, `VAULT_ROLE_ID` and `VAULT_SECRET_ID` log in as an `AppRole`, and
//! `VAULT_K8S_ROLE` with the pod's service account. A login is kept while it lasts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use keywright_core::Secret;
use serde_json::{Value, json};

use super::file::read_bounded;
use super::remote::{Logins, Server, Store, sensitive};
use super::{BoxFuture, Environment, SourceError};
use crate::trust::ExtraTrust;

/// A secret in a vault, with its fields.
#[derive(Debug)]
pub(super) struct VaultSecret {
    /// Mount and path.
    pub(super) path: String,
    pub(super) environment: Environment,
    pub(super) logins: Logins,
}

impl Store for VaultSecret {
    fn place(&self) -> String {
        format!("vault secret {}", self.path)
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>> {
        Box::pin(async move {
            let vault = Vault::of(&self.environment)?;
            let token = vault.token(&self.environment, &self.logins).await?;
            let answer = match vault.secret(&self.path, &token).await {
                Err(SourceError::VaultDenied) if self.logins.forget(LOGIN) => {
                    let token = vault.token(&self.environment, &self.logins).await?;
                    vault.secret(&self.path, &token).await
                }
                answer => answer,
            };
            Ok(answer?.map(|fields| Secret::new(fields.to_string())))
        })
    }
}

/// Where a vault is, and how it is reached.
struct Vault {
    server: Server,
    namespace: Option<HeaderValue>,
}

impl Vault {
    fn of(environment: &Environment) -> Result<Self, SourceError> {
        let address = setting(environment, "ADDR").ok_or(SourceError::NoVaultAddress)?;
        let trust = setting(environment, "CACERT").map(|path| ExtraTrust::read(Path::new(&path))).transpose();
        let trust = trust.map_err(|_| SourceError::BadVaultCertificate)?.unwrap_or_default();
        let server = Server::at(&address, &trust, SourceError::BadVaultAddress)?;
        let namespace = setting(environment, "NAMESPACE").map(|name| HeaderValue::try_from(name.trim_matches('/')));
        let namespace = namespace.transpose().map_err(|_| SourceError::BadVaultAddress)?;
        Ok(Self { server, namespace })
    }

    /// The token to ask with: one that is set, or that of a login.
    async fn token(&self, environment: &Environment, logins: &Logins) -> Result<Secret, SourceError> {
        if let Some(token) = setting(environment, "TOKEN") {
            return Ok(Secret::new(token));
        }
        if let Some(token) = logins.current(LOGIN) {
            return Ok(token);
        }
        if let Some((path, body)) = credentials(environment).await? {
            let (token, lasts) = self.log_in(&path, &body).await?;
            logins.keep(LOGIN, &token, lasts);
            return Ok(token);
        }
        let file = environment.value("HOME").map(|home| PathBuf::from(home).join(".vault-token"));
        let text = match file {
            Some(file) => read_bounded(&file, super::file::LARGEST_SECRET_BYTES).await.ok(),
            None => None,
        };
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(SourceError::NoVaultToken)?;
        Ok(Secret::new(text.trim_end()))
    }

    async fn log_in(&self, path: &str, body: &Value) -> Result<(Secret, Duration), SourceError> {
        let (status, answer) = self.ask(Method::POST, path, None, body.to_string().into()).await?;
        if status != 200 {
            return Err(if status == 503 { SourceError::VaultSealed } else { SourceError::VaultLoginRefused });
        }
        let token =
            answer.pointer("/auth/client_token").and_then(Value::as_str).ok_or(SourceError::VaultStrange { status })?;
        let lasts = answer.pointer("/auth/lease_duration").and_then(Value::as_u64).unwrap_or(0);
        Ok((Secret::new(token), Duration::from_secs(lasts)))
    }

    /// The fields of a secret, whichever version its mount has; `None` when there is no such secret.
    async fn secret(&self, path: &str, token: &Secret) -> Result<Option<Value>, SourceError> {
        let (mount, rest) = self.mount(path, token).await?;
        let (version2, address) = match &mount {
            Mount::Version2(mount) => (true, format!("/v1/{mount}/data/{rest}")),
            Mount::Version1(mount) => (false, format!("/v1/{mount}/{rest}")),
        };
        let (status, mut answer) = self.ask(Method::GET, &address, Some(token), Bytes::new()).await?;
        let pointer = if version2 { "/data/data" } else { "/data" };
        match status {
            200 => Ok(answer.pointer_mut(pointer).map(Value::take).filter(Value::is_object)),
            404 => Ok(None),
            403 => Err(SourceError::VaultDenied),
            503 => Err(SourceError::VaultSealed),
            status => Err(SourceError::VaultStrange { status }),
        }
    }

    /// Asks which mount serves a path, and of which version it is: any token may that can read below it.
    async fn mount<'p>(&self, path: &'p str, token: &Secret) -> Result<(Mount, &'p str), SourceError> {
        let address = format!("/v1/sys/internal/ui/mounts/{path}");
        let (status, answer) = self.ask(Method::GET, &address, Some(token), Bytes::new()).await?;
        match status {
            200 => {}
            403 => return Err(SourceError::VaultDenied),
            503 => return Err(SourceError::VaultSealed),
            status => return Err(SourceError::VaultStrange { status }),
        }
        let mount =
            answer.pointer("/data/path").and_then(Value::as_str).unwrap_or_default().trim_end_matches('/').to_owned();
        let rest = path.strip_prefix(mount.as_str()).map(|rest| rest.trim_start_matches('/'));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or(SourceError::NotSet)?;
        let version2 = answer.pointer("/data/options/version").and_then(Value::as_str) == Some("2");
        Ok((if version2 { Mount::Version2(mount) } else { Mount::Version1(mount) }, rest))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Bytes,
    ) -> Result<(u16, Value), SourceError> {
        let mut request = self.server.request(method, path).header("x-vault-request", "true");
        if let Some(token) = token {
            request = request.header("x-vault-token", sensitive(token.expose())?);
        }
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        self.server.ask_json(request, body).await
    }
}

enum Mount {
    Version1(String),
    Version2(String),
}

/// What there is to log in with, and where it is sent.
async fn credentials(environment: &Environment) -> Result<Option<(String, Value)>, SourceError> {
    if let (Some(role), Some(secret)) = (setting(environment, "ROLE_ID"), setting(environment, "SECRET_ID")) {
        let mount = setting(environment, "APPROLE_MOUNT").unwrap_or_else(|| "approle".to_owned());
        return Ok(Some((format!("/v1/auth/{mount}/login"), json!({"role_id": role, "secret_id": secret}))));
    }
    let Some(role) = setting(environment, "K8S_ROLE") else {
        return Ok(None);
    };
    let file = setting(environment, "K8S_TOKEN_FILE").unwrap_or_else(|| SERVICE_ACCOUNT.to_owned());
    let token = read_bounded(Path::new(&file), super::file::LARGEST_SECRET_BYTES).await?;
    let token = String::from_utf8(token).map_err(|_| SourceError::NotUtf8)?;
    let mount = setting(environment, "K8S_MOUNT").unwrap_or_else(|| "kubernetes".to_owned());
    Ok(Some((format!("/v1/auth/{mount}/login"), json!({"role": role, "jwt": token.trim()}))))
}

/// `VAULT_…`, or `BAO_…` as `OpenBao` spells it; an empty one counts as unset.
fn setting(environment: &Environment, name: &str) -> Option<String> {
    ["VAULT", "BAO"].iter().find_map(|prefix| environment.setting(&format!("{prefix}_{name}")))
}

/// The name under which the token of a login is kept.
const LOGIN: &str = "vault";
/// Where Kubernetes puts a pod's token.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
