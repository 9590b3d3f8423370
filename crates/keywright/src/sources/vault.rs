//! `HashiCorp` Vault and `OpenBao`: key-value secrets of both versions, over their HTTP API.
//!
//! Settings are the ones that their own command reads: `VAULT_ADDR`, `VAULT_TOKEN` or `~/.vault-token`, `VAULT_NAMESPACE`,
//! `VAULT_CACERT`, each also with `BAO_`. Beside a token, `VAULT_ROLE_ID` and `VAULT_SECRET_ID` log in as an `AppRole`, and
//! `VAULT_K8S_ROLE` with the pod's service account. A token is kept while it lasts and renewed before it ends, if it can be; after
//! that a login is made anew. A lease of a secret, and the end of a token, say when the secret is read again.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use keywright_core::Secret;
use serde_json::{Value, json};

use super::file::read_bounded;
use super::login::{Login, Logins, Standing, before_the_end};
use super::remote::{Server, Store, sensitive};
use super::{BoxFuture, Environment, SourceError};
use crate::trust::ExtraTrust;

/// A secret in a vault, with its fields.
#[derive(Debug)]
pub(super) struct VaultSecret {
    /// Mount and path.
    path: String,
    environment: Environment,
    logins: Logins,
    /// What the last answer said of its lease.
    lease: Mutex<Option<Duration>>,
}

impl VaultSecret {
    pub(super) fn new(path: &str, environment: Environment, logins: Logins) -> Self {
        Self { path: path.to_owned(), environment, logins, lease: Mutex::default() }
    }

    fn lease(&self) -> MutexGuard<'_, Option<Duration>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How reports name a secret.
pub(super) fn place(path: &str) -> String {
    format!("vault secret {path}")
}

impl Store for VaultSecret {
    fn place(&self) -> String {
        place(&self.path)
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>> {
        Box::pin(async move {
            let vault = Vault::of(&self.environment)?;
            let token = vault.token(&self.environment, &self.logins).await?;
            let answer = match vault.secret(&self.path, &token).await {
                Err(SourceError::VaultDenied) if self.logins.forget(LOGIN) => {
                    let token = vault.token(&self.environment, &self.logins).await?;
                    match vault.secret(&self.path, &token).await {
                        Err(SourceError::VaultDenied) => Err(vault.denial(&token).await),
                        answer => answer,
                    }
                }
                Err(SourceError::VaultDenied) => Err(vault.denial(&token).await),
                answer => answer,
            };
            Ok(answer?.map(|Fields { fields, lease }| {
                *self.lease() = lease;
                Secret::new(fields.to_string())
            }))
        })
    }

    fn read_again(&self) -> Option<Duration> {
        let lease = self.lease().map(before_the_end);
        let logins = [LOGIN, SET_TOKEN].into_iter().filter_map(|name| self.logins.renewal(name));
        lease.into_iter().chain(logins).min().map(|again| again.max(SOONEST))
    }
}

/// The fields of a secret, and for how long they are good.
struct Fields {
    fields: Value,
    lease: Option<Duration>,
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

    /// The token to ask with: one that is set, or that of a login. One that can be renewed is, before it ends.
    async fn token(&self, environment: &Environment, logins: &Logins) -> Result<Secret, SourceError> {
        if let Some(token) = setting(environment, "TOKEN") {
            return Ok(self.kept_alive(Secret::new(token), logins).await);
        }
        if let Some(token) = logins.current(LOGIN) {
            return Ok(token);
        }
        if let Some((path, body)) = credentials(environment).await? {
            if let Some(token) = logins.renewable(LOGIN)
                && self.renew(LOGIN, &token, logins).await
            {
                return Ok(token);
            }
            let login = self.log_in(&path, &body).await?;
            logins.begin(LOGIN, &login);
            return Ok(login.token);
        }
        let file = environment.value("HOME").map(|home| PathBuf::from(home).join(".vault-token"));
        let text = match file {
            Some(file) => read_bounded(&file, super::file::LARGEST_SECRET_BYTES).await.ok(),
            None => None,
        };
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(SourceError::NoVaultToken)?;
        Ok(self.kept_alive(Secret::new(text.trim_end()), logins).await)
    }

    /// A token that somebody else made: how long it lasts is asked once, and it is renewed in time if that may be done.
    /// Whether it works shows when it is used.
    async fn kept_alive(&self, token: Secret, logins: &Logins) -> Secret {
        match logins.state_of(SET_TOKEN, &token) {
            Standing::Good => {}
            Standing::Due => {
                self.renew(SET_TOKEN, &token, logins).await;
            }
            Standing::New => {
                let answer = self.ask(Method::GET, "/v1/auth/token/lookup-self", Some(&token), Bytes::new()).await;
                let (lasts, renewable) = match &answer {
                    Ok((200, answer)) => (seconds(answer, "/data/ttl"), flag(answer, "/data/renewable")),
                    // It may not look at itself, or has ended.
                    _ => (Duration::ZERO, false),
                };
                logins.begin(SET_TOKEN, &Login { token: token.clone(), lasts, renewable });
            }
        }
        token
    }

    /// Why a read was refused: the token has ended, or it may not read this. Every token with the policy `default` may look
    /// at itself.
    async fn denial(&self, token: &Secret) -> SourceError {
        match self.ask(Method::GET, "/v1/auth/token/lookup-self", Some(token), Bytes::new()).await {
            Ok((403 | 404, _)) => SourceError::VaultTokenEnded,
            _ => SourceError::VaultDenied,
        }
    }

    /// Renews a token; whether it lasts longer now. One that comes to its very end is not renewed for much longer.
    async fn renew(&self, name: &'static str, token: &Secret, logins: &Logins) -> bool {
        let path = "/v1/auth/token/renew-self";
        let answer = self.ask(Method::POST, path, Some(token), Bytes::from_static(b"{}")).await;
        let (lasts, renewable) = match &answer {
            Ok((200, answer)) => (seconds(answer, "/auth/lease_duration"), flag(answer, "/auth/renewable")),
            _ => (Duration::ZERO, false),
        };
        logins.renewed(name, &Login { token: token.clone(), lasts, renewable })
    }

    async fn log_in(&self, path: &str, body: &Value) -> Result<Login, SourceError> {
        let (status, answer) = self.ask(Method::POST, path, None, body.to_string().into()).await?;
        if status != 200 {
            return Err(if status == 503 { SourceError::VaultSealed } else { SourceError::VaultLoginRefused });
        }
        let token =
            answer.pointer("/auth/client_token").and_then(Value::as_str).ok_or(SourceError::VaultStrange { status })?;
        let (lasts, renewable) = (seconds(&answer, "/auth/lease_duration"), flag(&answer, "/auth/renewable"));
        Ok(Login { token: Secret::new(token), lasts, renewable })
    }

    /// The fields of a secret, whichever version its mount has; `None` when there is no such secret.
    async fn secret(&self, path: &str, token: &Secret) -> Result<Option<Fields>, SourceError> {
        let (mount, rest) = self.mount(path, token).await?;
        let (version2, address) = match &mount {
            Mount::Version2(mount) => (true, format!("/v1/{mount}/data/{rest}")),
            Mount::Version1(mount) => (false, format!("/v1/{mount}/{rest}")),
        };
        let (status, mut answer) = self.ask(Method::GET, &address, Some(token), Bytes::new()).await?;
        let pointer = if version2 { "/data/data" } else { "/data" };
        match status {
            200 => {
                // Version 2 has no leases and says zero.
                let lease = Some(seconds(&answer, "/lease_duration")).filter(|lease| !lease.is_zero());
                let fields = answer.pointer_mut(pointer).map(Value::take).filter(Value::is_object);
                Ok(fields.map(|fields| Fields { fields, lease }))
            }
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

fn seconds(answer: &Value, pointer: &str) -> Duration {
    Duration::from_secs(answer.pointer(pointer).and_then(Value::as_u64).unwrap_or(0))
}

fn flag(answer: &Value, pointer: &str) -> bool {
    answer.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

/// `VAULT_…`, or `BAO_…` as `OpenBao` spells it; an empty one counts as unset.
fn setting(environment: &Environment, name: &str) -> Option<String> {
    ["VAULT", "BAO"].iter().find_map(|prefix| environment.setting(&format!("{prefix}_{name}")))
}

/// A lease of nothing asks no more often.
const SOONEST: Duration = Duration::from_secs(1);
/// The name under which the token of a login is kept.
const LOGIN: &str = "vault";
/// The same for a token that is set.
const SET_TOKEN: &str = "vault token";
/// Where Kubernetes puts a pod's token.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
