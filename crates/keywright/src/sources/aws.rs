//! AWS: Secrets Manager and Parameter Store, over their JSON API.
//!
//! Region, endpoint and credentials are found where the AWS tools look: the reference, `AWS_…` variables, the shared files.

mod credentials;
mod sign;

use std::time::SystemTime;

use http::Method;
use keywright_core::Secret;
use serde_json::{Value, json};

use self::credentials::Credentials;
use self::sign::{Scope, sign};
use super::cloud::Cloud;
use super::login::Logins;
use super::remote::{Server, Store, from_base64, sensitive, text};
use super::{BoxFuture, Environment, SourceError};
use crate::trust::ExtraTrust;

/// A secret of Secrets Manager, or a parameter of Parameter Store.
#[derive(Debug)]
pub(super) struct AwsSecret {
    pub(super) kind: Kind,
    /// Its name or ARN.
    pub(super) name: String,
    pub(super) region: Option<String>,
    /// A version's id or one of its labels.
    pub(super) version: Option<String>,
    pub(super) environment: Environment,
    pub(super) logins: Logins,
}

/// Which of the two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    Parameter,
}

impl Store for AwsSecret {
    fn place(&self) -> String {
        let what = if self.kind == Kind::Secret { "secret" } else { "parameter" };
        let version = self.version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
        let region = self.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        format!("AWS {what} {}{version}{region}", self.name)
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Secret>, SourceError>> {
        Box::pin(async move {
            match self.ask().await {
                // A login that ended before its time.
                Err(SourceError::CloudLoginRefused(_) | SourceError::CloudExpired(_)) if self.logins.forget(LOGIN) => {
                    self.ask().await
                }
                answer => answer,
            }
        })
    }
}

impl AwsSecret {
    async fn ask(&self) -> Result<Option<Secret>, SourceError> {
        let region = match self.region.clone() {
            Some(region) => region,
            None => region(&self.environment).await?.ok_or(SourceError::NoRegion)?,
        };
        let credentials = Credentials::find(&self.environment, &self.logins, &region).await?;
        let server = server(&self.environment, self.service(), &region)?;
        let body = self.question().to_string();
        let target = match self.kind {
            Kind::Secret => "secretsmanager.GetSecretValue",
            Kind::Parameter => "AmazonSSM.GetParameter",
        };
        let date = sign::timestamp(SystemTime::now());
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("host", server.origin.authority().as_str()),
            ("x-amz-date", &date),
        ];
        if let Some(token) = &credentials.session_token {
            headers.push(("x-amz-security-token", token.expose()));
        }
        headers.push(("x-amz-target", target));
        let scope = Scope { region: &region, service: self.service(), date: &date };
        let path = format!("{}/", server.origin.prefix());
        let signature = sign(&credentials, &scope, "POST", &path, &headers, body.as_bytes());
        let mut request = server.request(Method::POST, "/").header("authorization", sensitive(signature)?);
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, sensitive(value)?);
        }
        let (status, answer) = server.ask_json(request, body).await?;
        if status != 200 {
            return refusal(status, &answer).map_or(Ok(None), Err);
        }
        self.value(&answer)
    }

    fn question(&self) -> Value {
        match (self.kind, self.version.as_deref()) {
            (Kind::Secret, None) => json!({"SecretId": self.name}),
            (Kind::Secret, Some(version)) if is_version_id(version) => {
                json!({"SecretId": self.name, "VersionId": version})
            }
            (Kind::Secret, Some(stage)) => json!({"SecretId": self.name, "VersionStage": stage}),
            (Kind::Parameter, None) => json!({"Name": self.name, "WithDecryption": true}),
            (Kind::Parameter, Some(version)) => {
                json!({"Name": format!("{}:{version}", self.name), "WithDecryption": true})
            }
        }
    }

    fn value(&self, answer: &Value) -> Result<Option<Secret>, SourceError> {
        match self.kind {
            Kind::Parameter => Ok(text(answer, "/Parameter/Value").map(Secret::new)),
            Kind::Secret => match (text(answer, "/SecretString"), text(answer, "/SecretBinary")) {
                (Some(value), _) => Ok(Some(Secret::new(value))),
                (None, binary) => binary.map(from_base64).transpose(),
            },
        }
    }

    /// As hosts and signatures name it.
    const fn service(&self) -> &'static str {
        match self.kind {
            Kind::Secret => "secretsmanager",
            Kind::Parameter => "ssm",
        }
    }
}

/// Where a service is: at its own endpoint variable, at the common one, or at its public address.
fn server(environment: &Environment, service: &str, region: &str) -> Result<Server, SourceError> {
    let variable = match service {
        "secretsmanager" => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "ssm" => "AWS_ENDPOINT_URL_SSM",
        _ => "AWS_ENDPOINT_URL_STS",
    };
    let written = environment.setting(variable).or_else(|| environment.setting("AWS_ENDPOINT_URL"));
    let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = written.unwrap_or_else(|| format!("https://{service}.{region}.{end}"));
    Server::at(&url, &ExtraTrust::default(), SourceError::BadCloudEndpoint(Cloud::Aws))
}

/// The region of the environment, or of the profile.
async fn region(environment: &Environment) -> Result<Option<String>, SourceError> {
    match environment.setting("AWS_REGION").or_else(|| environment.setting("AWS_DEFAULT_REGION")) {
        Some(region) => Ok(Some(region)),
        None => Ok(credentials::profile(environment).await?.remove("region")),
    }
}

/// What a refusal means; `None` for "there is no such secret".
fn refusal(status: u16, answer: &Value) -> Option<SourceError> {
    let kind = text(answer, "/__type").unwrap_or_default();
    // Some answers write `namespace#Kind`.
    let kind = kind.rsplit('#').next().unwrap_or_default();
    tracing::debug!(status, kind, "AWS refused");
    Some(match kind {
        "ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound" => return None,
        "AccessDeniedException" | "DecryptionFailure" | "KMSAccessDeniedException" => {
            SourceError::CloudDenied(Cloud::Aws)
        }
        "ExpiredTokenException" | "ExpiredToken" => SourceError::CloudExpired(Cloud::Aws),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => SourceError::CloudLoginRefused(Cloud::Aws),
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" => {
            SourceError::CloudThrottled(Cloud::Aws)
        }
        _ if status == 404 => SourceError::CloudStrange { cloud: Cloud::Aws, status },
        _ => return Cloud::Aws.refusal(status),
    })
}

/// Version ids are UUIDs; everything else is a label such as AWSPREVIOUS.
fn is_version_id(version: &str) -> bool {
    version.len() >= 32 && version.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// The name under which temporary credentials are kept.
const LOGIN: &str = "aws";
