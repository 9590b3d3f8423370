//! The clouds: their names in messages, and what an HTTP status means there.

#[cfg(feature = "clouds")]
use super::SourceError;

/// A place whose secrets are read over its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Google,
    /// Microsoft Azure.
    Azure,
    /// A Kubernetes cluster.
    Kubernetes,
}

#[cfg(feature = "clouds")]
impl Cloud {
    /// What a refused read of a secret means; `None` for "there is no such secret".
    pub(super) const fn refusal(self, status: u16) -> Option<SourceError> {
        match status {
            404 => None,
            401 => Some(SourceError::CloudLoginRefused(self)),
            403 => Some(SourceError::CloudDenied(self)),
            429 => Some(SourceError::CloudThrottled(self)),
            status => Some(SourceError::CloudStrange { cloud: self, status }),
        }
    }

    /// What a refused login means.
    pub(super) const fn login_refusal(self, status: u16) -> SourceError {
        match status {
            400 | 401 | 403 => SourceError::CloudLoginRefused(self),
            429 => SourceError::CloudThrottled(self),
            status => SourceError::CloudStrange { cloud: self, status },
        }
    }
}

impl Cloud {
    pub(super) const fn login_help(self) -> &'static str {
        match self {
            Self::Aws => {
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a profile with single sign-on or a role: `eval \"$(aws configure export-credentials --format env)\"`."
            }
            Self::Google => {
                "Name a service account's file in GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`."
            }
            Self::Azure => {
                "Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE, or give the machine a managed identity."
            }
            Self::Kubernetes => "Run in a pod with a service account, or install `kubectl` and choose a context.",
        }
    }

    pub(super) const fn refused_help(self) -> &'static str {
        match self {
            Self::Aws => "Ask AWS who you are: `aws sts get-caller-identity`. Temporary credentials end; get new ones.",
            Self::Google => {
                "Look at the service account's key: it may be deleted, and the clock of this machine must be right."
            }
            Self::Azure => {
                "Look at the app's client secret: it ends on a date. `az ad app credential list --id CLIENT_ID`."
            }
            Self::Kubernetes => "Ask who you are: `kubectl auth whoami`. A token that was bound to a pod ends with it.",
        }
    }

    pub(super) const fn denied_help(self) -> &'static str {
        match self {
            Self::Aws => {
                "Allow `secretsmanager:GetSecretValue` or `ssm:GetParameter` on it, and `kms:Decrypt` if it has a key of its own."
            }
            Self::Google => {
                "Give the account the role `roles/secretmanager.secretAccessor` on this secret, and enable the API."
            }
            Self::Azure => {
                "Give the identity the role `Key Vault Secrets User` on this vault, and look at the vault's firewall."
            }
            Self::Kubernetes => "Look at the role: `kubectl auth can-i get secret/NAME -n NAMESPACE`.",
        }
    }
}

impl std::fmt::Display for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Aws => "AWS",
            Self::Google => "Google Cloud",
            Self::Azure => "Azure",
            Self::Kubernetes => "Kubernetes",
        })
    }
}
