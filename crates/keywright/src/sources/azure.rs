//! Azure Key Vault, over its REST API, with a client secret, a federated token or a managed identity.

use std::path::Path;
use std::time::Duration;

use http::Method;
use keywright_core::Secret;

use super::cloud::Cloud;
use super::file::{LARGEST_SECRET_BYTES, read_bounded};
use super::login::Logins;
use super::remote::{Server, Store, bearer, encoded, form, oauth_token, sensitive, text};
use super::{BoxFuture, Environment, SourceError};
use crate::trust::ExtraTrust;

/// A version of a secret.
#[derive(Debug)]
pub(super) struct AzureSecret {
    /// The vault's name, or its host where the cloud is not the public one.
    pub(super) vault: String,
    pub(super) name: String,
    /// The newest when left out.
    pub(super) version: Option<String>,
    pub(super) environment: Environment,
    pub(super) logins: Logins,
}

impl Store for AzureSecret {
    fn place(&self) -> String {
        let version = self.version.as_ref().map(|version| format!("/{version}")).unwrap_or_default();
        format!("Azure secret {}/{}{version}", self.vault, self.name)
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

impl AzureSecret {
    async fn ask(&self) -> Result<Option<Secret>, SourceError> {
        let token = self.token().await?;
        let server = server(&self.url())?;
        let version = self.version.as_deref().map(|version| format!("/{}", encoded(version))).unwrap_or_default();
        let path = format!("/secrets/{}{version}?api-version=7.4", encoded(&self.name));
        let request = server.request(Method::GET, &path).header("authorization", bearer(&token)?);
        let (status, answer) = server.ask_json(request, "").await?;
        if status != 200 {
            return Cloud::Azure.refusal(status).map_or(Ok(None), Err);
        }
        Ok(text(&answer, "/value").map(Secret::new))
    }

    fn url(&self) -> String {
        match self.environment.setting("KEYWRIGHT_AZURE_VAULT_URL") {
            Some(url) => url,
            None if self.vault.contains('.') => format!("https://{}", self.vault),
            None => format!("https://{}.vault.azure.net", self.vault),
        }
    }

    /// What tokens are for: the vaults of the cloud that this one is in.
    fn resource(&self) -> String {
        let domain = self.vault.split_once('.').map_or("vault.azure.net", |(_, domain)| domain);
        format!("https://{domain}")
    }

    async fn token(&self) -> Result<Secret, SourceError> {
        if let Some(token) = self.logins.current(LOGIN) {
            return Ok(token);
        }
        let variable = |name: &str| self.environment.setting(name);
        let (token, lasts) = match (variable("AZURE_TENANT_ID"), variable("AZURE_CLIENT_ID")) {
            (Some(tenant), Some(client)) if self.has_proof() => self.log_in(&tenant, &client).await?,
            (_, client) => self.managed_identity(client.as_deref()).await?,
        };
        self.logins.keep(LOGIN, &token, lasts);
        Ok(token)
    }

    /// Whether there is a secret or a token to log in with as an app.
    fn has_proof(&self) -> bool {
        ["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"]
            .iter()
            .any(|name| self.environment.setting(name).is_some())
    }

    /// Logs in as an app, with its secret or with a token that another party signed for it.
    async fn log_in(&self, tenant: &str, client: &str) -> Result<(Secret, Duration), SourceError> {
        let scope = format!("{}/.default", self.resource());
        let common = [("grant_type", "client_credentials"), ("client_id", client), ("scope", &scope)];
        let body = if let Some(secret) = self.environment.setting("AZURE_CLIENT_SECRET") {
            form(common.into_iter().chain([("client_secret", secret.as_str())]))
        } else {
            let file = self.environment.setting("AZURE_FEDERATED_TOKEN_FILE").unwrap_or_default();
            let token = read_bounded(Path::new(&file), LARGEST_SECRET_BYTES).await;
            let token = token.map_err(|_| SourceError::BadCloudCredentials(Cloud::Azure))?;
            let token = Secret::new(String::from_utf8(token).map_err(|_| SourceError::NotUtf8)?);
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            form(
                common
                    .into_iter()
                    .chain([("client_assertion_type", kind), ("client_assertion", token.expose().trim())]),
            )
        };
        let authority = self.environment.setting("AZURE_AUTHORITY_HOST");
        let server = server(authority.as_deref().unwrap_or("https://login.microsoftonline.com"))?;
        let request = server.request(Method::POST, &format!("/{}/oauth2/v2.0/token", encoded(tenant)));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let (status, answer) = server.ask_json(request, body).await?;
        if status != 200 {
            return Err(Cloud::Azure.login_refusal(status));
        }
        oauth_token(&answer).ok_or(SourceError::CloudStrange { cloud: Cloud::Azure, status })
    }

    /// The identity of an App Service or a function, or of a virtual machine.
    async fn managed_identity(&self, client: Option<&str>) -> Result<(Secret, Duration), SourceError> {
        const NONE: SourceError = SourceError::NoCloudLogin(Cloud::Azure);
        let resource = self.resource();
        let query = |version: &str| {
            let client = client.map(|client| ("client_id", client));
            form([("api-version", version), ("resource", &resource)].into_iter().chain(client))
        };
        let variable = |name: &str| self.environment.setting(name);
        let app_service = variable("IDENTITY_ENDPOINT").zip(variable("IDENTITY_HEADER"));
        let (server, request) = if let Some((endpoint, header)) = app_service {
            let server = server(&endpoint)?;
            let request = server.request(Method::GET, &format!("?{}", query("2019-08-01")));
            (server, request.header("x-identity-header", sensitive(header)?))
        } else {
            let host = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
            let server = server(host.as_deref().unwrap_or("http://169.254.169.254"))?;
            let path = format!("/metadata/identity/oauth2/token?{}", query("2018-02-01"));
            let request = server.request(Method::GET, &path).header("metadata", "true");
            (server, request)
        };
        // Elsewhere nobody answers, or somebody else does.
        let (status, answer) = server.within(METADATA_LIMIT).ask_json(request, "").await.map_err(|_| NONE)?;
        oauth_token(&answer).filter(|_| status == 200).ok_or(NONE)
    }
}

fn server(url: &str) -> Result<Server, SourceError> {
    Server::at(url, &ExtraTrust::default(), SourceError::BadCloudEndpoint(Cloud::Azure))
}

const LOGIN: &str = "azure";
/// The service beside a program answers at once or never.
const METADATA_LIMIT: Duration = Duration::from_secs(2);
