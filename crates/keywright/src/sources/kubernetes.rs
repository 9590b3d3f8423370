//! Kubernetes: a secret of the cluster, from inside by the API server, from outside by `kubectl`, which knows every way to log in.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use keywright_core::{Cause, Secret};
use serde_json::{Map, Value};
use tokio::process::Command;

use super::cloud::Cloud;
use super::file::{LARGEST_SECRET_BYTES, read_bounded};
use super::process::run;
use super::remote::{Server, Store, bearer, encoded, from_base64};
use super::{BoxFuture, Environment, SourceError};
use crate::trust::ExtraTrust;

/// A secret of a cluster. Its keys are the fields.
#[derive(Debug)]
pub(super) struct KubernetesSecret {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) environment: Environment,
}

impl Store for KubernetesSecret {
    fn place(&self) -> String {
        format!("Kubernetes secret {}/{}", self.namespace, self.name)
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>> {
        Box::pin(async move {
            let variable = |name: &str| self.environment.setting(name);
            let answer = match (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT")) {
                (Some(host), port) => self.in_cluster(&host, port.as_deref().unwrap_or("443")).await?,
                _ => self.kubectl().await?,
            };
            Ok(answer.as_ref().map(fields))
        })
    }
}

impl KubernetesSecret {
    /// Asks the API server with the pod's service account. Its token changes, so it is read each time.
    async fn in_cluster(&self, host: &str, port: &str) -> Result<Option<Value>, SourceError> {
        const BAD: SourceError = SourceError::BadCloudCredentials(Cloud::Kubernetes);
        let folder =
            self.environment.value("KEYWRIGHT_SERVICE_ACCOUNT").map_or_else(|| SERVICE_ACCOUNT.into(), PathBuf::from);
        let token = read_bounded(&folder.join("token"), LARGEST_SECRET_BYTES).await.map_err(|_| BAD)?;
        let token = Secret::new(String::from_utf8(token).map_err(|_| BAD)?);
        let trust = ExtraTrust::read(&folder.join("ca.crt")).map_err(|_| BAD)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let server = Server::at(&format!("https://{host}:{port}"), &trust, BAD)?;
        let path = format!("/api/v1/namespaces/{}/secrets/{}", encoded(&self.namespace), encoded(&self.name));
        let request = server.request(Method::GET, &path).header("authorization", bearer(&token)?);
        let (status, answer) = server.ask_json(request, "").await?;
        match status {
            200 => Ok(Some(answer)),
            status => Cloud::Kubernetes.refusal(status).map_or(Ok(None), Err),
        }
    }

    async fn kubectl(&self) -> Result<Option<Value>, SourceError> {
        let mut command = Command::new("kubectl");
        command.args(["get", "secret", "--output=json", "--request-timeout=8s"]);
        command.arg(format!("--namespace={}", self.namespace)).arg("--").arg(&self.name);
        command.env_clear().envs(self.environment.all()).stderr(Stdio::piped());
        let ended = run(command, LIMIT, |error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NoCloudLogin(Cloud::Kubernetes),
            kind => SourceError::Unreadable(kind),
        });
        let ended = ended.await?;
        if ended.status.success() {
            let answer = serde_json::from_str(ended.printed.expose());
            return answer.map(Some).map_err(|_| SourceError::CloudStrange { cloud: Cloud::Kubernetes, status: 200 });
        }
        refusal(ended.complained.expose()).map_or(Ok(None), Err)
    }
}

/// What `kubectl` means by its words on standard error; `None` for "there is no such secret".
fn refusal(words: &str) -> Option<SourceError> {
    let says = |part: &str| words.contains(part);
    if says("(NotFound)") {
        None
    } else if says("(Forbidden)") {
        Some(SourceError::CloudDenied(Cloud::Kubernetes))
    } else if says("(Unauthorized)") || says("You must be logged in") || says("provide credentials") {
        Some(SourceError::CloudLoginRefused(Cloud::Kubernetes))
    } else if says("no configuration has been provided") || says("current-context is not set") {
        Some(SourceError::NoCloudLogin(Cloud::Kubernetes))
    } else if says("certificate") {
        Some(SourceError::Unreachable(Cause::Tls))
    } else {
        Some(SourceError::Unreachable(Cause::Network))
    }
}

/// The secret's keys with their values as one JSON object.
fn fields(secret: &Value) -> Secret {
    let data = secret.get("data").and_then(Value::as_object);
    let mut fields = Map::new();
    for (name, value) in data.into_iter().flatten() {
        // A key that is not text may stand beside one that is.
        if let Some(Ok(text)) = value.as_str().map(from_base64) {
            fields.insert(name.clone(), Value::String(without_newline(text.expose())));
        }
    }
    Secret::new(Value::Object(fields).to_string())
}

/// `kubectl create secret --from-file` keeps the newline of the file.
fn without_newline(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text).to_owned()
}

/// For one call of `kubectl`.
const LIMIT: Duration = Duration::from_secs(10);
/// Where Kubernetes puts a pod's token.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
