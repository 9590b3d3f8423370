//! A reference: the name of a place that holds a key, never the key.

mod clouds;
mod error;
mod fix;
mod parse;
mod stores;

use std::fmt;
use std::path::PathBuf;

use keywright_core::Catalogue;

pub use self::error::ReferenceError;

/// Names a place that holds a key. It can be printed; the key cannot.
///
/// ```
/// use keywright::sources::Reference;
/// let reference: Reference = "dotenv://.env#OPENAI_API_KEY".parse()?;
/// assert_eq!(reference.to_string(), "dotenv://.env#OPENAI_API_KEY");
/// # Ok::<(), keywright::sources::ReferenceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// `env://NAME`: an environment variable.
    Env {
        /// The variable.
        name: String,
    },
    /// `dotenv://PATH#NAME`: a line of a dotenv file.
    Dotenv {
        /// The file; relative to the working directory.
        path: PathBuf,
        /// The variable.
        name: String,
    },
    /// `file://PATH[#FIELD]`: a whole file, or one member of the JSON object in it.
    File {
        /// The file; relative to the working directory.
        path: PathBuf,
        /// The member, for a JSON file.
        field: Option<String>,
    },
    /// `systemd://NAME[#FIELD]`: a credential that systemd gave this process.
    Systemd {
        /// The credential's name.
        name: String,
        /// The member, for a JSON credential.
        field: Option<String>,
    },
    /// `age://PATH#FIELD`: a field of a file encrypted with age: JSON, or lines `NAME=value`.
    Age {
        /// The file; relative to the working directory.
        path: PathBuf,
        /// The field.
        field: String,
    },
    /// `keyring://SERVICE/ACCOUNT`: an entry of the operating system's keyring.
    Keyring {
        /// The service.
        service: String,
        /// The account.
        account: String,
    },
    /// `op://VAULT/ITEM[/SECTION]/FIELD`: a field of an item in 1Password.
    OnePassword {
        /// What follows `op://`.
        path: String,
    },
    /// `aws-sm://NAME[#FIELD][?region=…&version=…]`: a secret of AWS Secrets Manager.
    AwsSecret {
        /// Its name or ARN.
        name: String,
        /// The member, for JSON.
        field: Option<String>,
        /// The region; that of the environment when left out.
        region: Option<String>,
        /// A version's id or label.
        version: Option<String>,
    },
    /// `aws-ps:///PATH[#FIELD][?region=…&version=…]`: a parameter of AWS Parameter Store.
    AwsParameter {
        /// Its name or ARN.
        name: String,
        /// The member, for JSON.
        field: Option<String>,
        /// The region; that of the environment when left out.
        region: Option<String>,
        /// A version's number or label.
        version: Option<String>,
    },
    /// `gcp-sm://PROJECT/SECRET[@VERSION][#FIELD]`: a secret of Google Secret Manager.
    GoogleSecret {
        /// The project's id or number.
        project: String,
        /// The secret.
        name: String,
        /// A number or an alias; the newest when left out.
        version: Option<String>,
        /// The member, for JSON.
        field: Option<String>,
    },
    /// `azure-kv://VAULT/SECRET[/VERSION][#FIELD]`: a secret of Azure Key Vault.
    AzureSecret {
        /// The vault's name, or its host.
        vault: String,
        /// The secret.
        name: String,
        /// The newest when left out.
        version: Option<String>,
        /// The member, for JSON.
        field: Option<String>,
    },
    /// `k8s://NAMESPACE/SECRET#KEY`: a secret of a Kubernetes cluster.
    KubernetesSecret {
        /// The namespace.
        namespace: String,
        /// The secret.
        name: String,
        /// The key in it.
        key: String,
    },
    /// `cmd://NAME`: a helper that the configuration names.
    Helper {
        /// Its name in the configuration.
        name: String,
    },
    /// `vault://MOUNT/PATH#FIELD`: a field of a key-value secret of `HashiCorp` Vault or `OpenBao`.
    Vault {
        /// Mount and path, as `vault kv get` takes them.
        path: String,
        /// The field.
        field: String,
    },
}

impl Reference {
    /// Whether reading it asks a server or starts a program: nothing to do twice a second.
    pub const fn is_costly(&self) -> bool {
        match self {
            Self::Env { .. }
            | Self::Dotenv { .. }
            | Self::File { .. }
            | Self::Systemd { .. }
            | Self::Age { .. }
            | Self::Keyring { .. } => false,
            Self::OnePassword { .. }
            | Self::Vault { .. }
            | Self::Helper { .. }
            | Self::AwsSecret { .. }
            | Self::AwsParameter { .. }
            | Self::GoogleSecret { .. }
            | Self::AzureSecret { .. }
            | Self::KubernetesSecret { .. } => true,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env { name } => write!(f, "env://{name}"),
            Self::Dotenv { path, name } => write!(f, "dotenv://{}#{name}", path.display()),
            Self::File { path, field: None } => write!(f, "file://{}", path.display()),
            Self::File { path, field: Some(field) } => write!(f, "file://{}#{field}", path.display()),
            Self::Systemd { name, field: None } => write!(f, "systemd://{name}"),
            Self::Systemd { name, field: Some(field) } => write!(f, "systemd://{name}#{field}"),
            Self::Age { path, field } => write!(f, "age://{}#{field}", path.display()),
            Self::Keyring { service, account } => write!(f, "keyring://{service}/{account}"),
            Self::OnePassword { path } => write!(f, "op://{path}"),
            Self::Vault { path, field } => write!(f, "vault://{path}#{field}"),
            Self::Helper { name } => write!(f, "cmd://{name}"),
            Self::AwsSecret { name, field, region, version } => {
                write!(f, "aws-sm://{name}{}{}", After('#', field), clouds::show(region.as_deref(), version.as_deref()))
            }
            Self::AwsParameter { name, field, region, version } => {
                write!(f, "aws-ps://{name}{}{}", After('#', field), clouds::show(region.as_deref(), version.as_deref()))
            }
            Self::GoogleSecret { project, name, version, field } => {
                write!(f, "gcp-sm://{project}/{name}{}{}", After('@', version), After('#', field))
            }
            Self::AzureSecret { vault, name, version, field } => {
                write!(f, "azure-kv://{vault}/{name}{}{}", After('/', version), After('#', field))
            }
            Self::KubernetesSecret { namespace, name, key } => write!(f, "k8s://{namespace}/{name}#{key}"),
        }
    }
}

/// A part that may be left out, behind its sign.
struct After<'a>(char, &'a Option<String>);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.as_ref().map_or(Ok(()), |text| write!(f, "{}{text}", self.0))
    }
}

/// Whether a text has the form of a provider's key, or of one of ours: then it is shown to nobody.
pub(crate) fn looks_like_a_key(text: &str) -> bool {
    let shapes = Catalogue::builtin().providers().iter().flat_map(|provider| &provider.keys);
    text.starts_with(keywright_core::token::TOKEN_PREFIX)
        || shapes
            .filter(|shape| !shape.weak && !shape.prefix.is_empty())
            .any(|shape| shape.fits(text) || text.starts_with(&shape.prefix) && text.len() >= 24)
}

#[cfg(test)]
mod tests;
