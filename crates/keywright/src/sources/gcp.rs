//! Google Secret Manager, over its REST API, with the credentials that Google's libraries find.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use keywright_core::Secret;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::cloud::Cloud;
use super::file::{LARGEST_SECRET_BYTES, read_bounded};
use super::login::Logins;
use super::remote::{Server, Store, bearer, encoded, form, from_base64, oauth_token, text};
use super::{BoxFuture, Environment, SourceError};
use crate::trust::ExtraTrust;

/// A version of a secret.
#[derive(Debug)]
pub(super) struct GoogleSecret {
    pub(super) project: String,
    pub(super) name: String,
    /// A number or an alias; the newest when left out.
    pub(super) version: Option<String>,
    pub(super) environment: Environment,
    pub(super) logins: Logins,
}

impl Store for GoogleSecret {
    fn place(&self) -> String {
        let version = self.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        format!("Google secret {}/{}{version}", self.project, self.name)
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>> {
        Box::pin(async move {
            match self.ask().await {
                Err(SourceError::CloudLoginRefused(_)) if self.logins.forget(LOGIN) => self.ask().await,
                answer => answer,
            }
        })
    }
}

impl GoogleSecret {
    async fn ask(&self) -> Result<Option<Secret>, SourceError> {
        let token = token(&self.environment, &self.logins).await?;
        // As gcloud's own setting is spelt as a variable.
        let url = self.environment.setting("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER");
        let server = server(url.as_deref().unwrap_or("https://secretmanager.googleapis.com"))?;
        let version = self.version.as_deref().unwrap_or("latest");
        let [project, name, version] = [&self.project, &self.name, version].map(encoded);
        let path = format!("/v1/projects/{project}/secrets/{name}/versions/{version}:access");
        let request = server.request(Method::GET, &path).header("authorization", bearer(&token)?);
        let (status, answer) = server.ask_json(request, "").await?;
        if status != 200 {
            return Cloud::Google.refusal(status).map_or(Ok(None), Err);
        }
        text(&answer, "/payload/data").map(from_base64).transpose()
    }
}

/// An access token: one that is set, that of the credentials file, or that of the machine's own account.
async fn token(environment: &Environment, logins: &Logins) -> Result<Secret, SourceError> {
    for variable in ["CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN"] {
        if let Some(token) = environment.setting(variable) {
            return Ok(Secret::new(token));
        }
    }
    if let Some(token) = logins.current(LOGIN) {
        return Ok(token);
    }
    let (token, lasts) = match credentials(environment).await? {
        Some(file) => log_in(&file).await?,
        None => machine(environment).await?,
    };
    logins.keep(LOGIN, &token, lasts);
    Ok(token)
}

/// The credentials file: the one that is named, or the one that `gcloud` wrote.
async fn credentials(environment: &Environment) -> Result<Option<Value>, SourceError> {
    let named = environment.setting("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let usual = || {
        let folder = environment.setting("CLOUDSDK_CONFIG").map(PathBuf::from);
        let home = || environment.setting("HOME").map(|home| PathBuf::from(home).join(".config/gcloud"));
        folder.or_else(home).map(|folder| folder.join("application_default_credentials.json"))
    };
    let Some(path) = named.clone().or_else(usual) else {
        return Ok(None);
    };
    match read_bounded(&path, LARGEST_SECRET_BYTES).await {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|_| SourceError::BadCloudCredentials(Cloud::Google))
        }
        Err(SourceError::NoFile) if named.is_none() => Ok(None),
        Err(_) => Err(SourceError::BadCloudCredentials(Cloud::Google)),
    }
}

/// Exchanges what the file holds for a token.
async fn log_in(file: &Value) -> Result<(Secret, Duration), SourceError> {
    let token_uri = text(file, "/token_uri").unwrap_or(TOKEN_URI);
    let member = |pointer: &str| text(file, pointer).ok_or(SourceError::BadCloudCredentials(Cloud::Google));
    let body = match text(file, "/type") {
        Some("service_account") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let jwt = assertion(member("/client_email")?, member("/private_key")?, file, token_uri, now)?;
            form([("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", jwt.expose())])
        }
        Some("authorized_user") => form([
            ("grant_type", "refresh_token"),
            ("client_id", member("/client_id")?),
            ("client_secret", member("/client_secret")?),
            ("refresh_token", member("/refresh_token")?),
        ]),
        _ => return Err(SourceError::BadCloudCredentials(Cloud::Google)),
    };
    let server = server(token_uri)?;
    let request = server.request(Method::POST, "").header("content-type", "application/x-www-form-urlencoded");
    let (status, answer) = server.ask_json(request, body).await?;
    if status != 200 {
        return Err(Cloud::Google.login_refusal(status));
    }
    oauth_token(&answer).ok_or(SourceError::CloudStrange { cloud: Cloud::Google, status })
}

/// A JSON Web Token that the service account signs: "I am it, give me a token".
fn assertion(email: &str, key: &str, file: &Value, audience: &str, now: Duration) -> Result<Secret, SourceError> {
    let bad = SourceError::BadCloudCredentials(Cloud::Google);
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": text(file, "/private_key_id")});
    let claims = json!({
        "iss": email, "scope": SCOPE, "aud": audience, "iat": now.as_secs(), "exp": now.as_secs() + 3600,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| bad)?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| bad)?;
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or(bad)?;
    let signature = signer.sign(message.as_bytes()).map_err(|_| bad)?;
    Ok(Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// The token of the account that a machine, a pod or a function in Google's cloud runs as.
async fn machine(environment: &Environment) -> Result<(Secret, Duration), SourceError> {
    const NONE: SourceError = SourceError::NoCloudLogin(Cloud::Google);
    let host = environment.setting("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
    let server = server(&format!("http://{host}"))?.within(METADATA_LIMIT);
    let request = server.request(Method::GET, "/computeMetadata/v1/instance/service-accounts/default/token");
    // Elsewhere nobody answers, or somebody else does.
    let (status, answer) = server.ask_json(request.header("metadata-flavor", "Google"), "").await.map_err(|_| NONE)?;
    oauth_token(&answer).filter(|_| status == 200).ok_or(NONE)
}

fn server(url: &str) -> Result<Server, SourceError> {
    Server::at(url, &ExtraTrust::default(), SourceError::BadCloudEndpoint(Cloud::Google))
}

const LOGIN: &str = "google";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The service beside a program answers at once or never.
const METADATA_LIMIT: Duration = Duration::from_secs(2);
