//! A reference: the name of a place that holds a key, never the key.

mod clouds;
mod stores;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use keywright_core::Catalogue;
use keywright_core::dotenv::is_variable_name;
use keywright_core::near::near;

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

/// Why a text is not a reference. No variant holds or shows the text: it may be a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// Nothing was written.
    #[error("the reference is empty")]
    Empty,
    /// A value stands where its place should be named.
    #[error("a literal value stands where a reference belongs")]
    Literal,
    /// Shell syntax: `$NAME`, `${NAME}` or the bare name of a variable.
    #[error("`{name}` is the name of a variable, not a reference")]
    Variable {
        /// The variable's name.
        name: String,
    },
    /// A scheme that nobody knows.
    #[error("unknown source `{scheme}`; known are {}", KNOWN.join(", "))]
    UnknownScheme {
        /// The scheme, as written.
        scheme: String,
        /// The known scheme that was probably meant.
        near: Option<&'static str>,
    },
    /// What follows the scheme is incomplete.
    #[error("`{scheme}` reference lacks {what}")]
    Incomplete {
        /// The scheme.
        scheme: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// A name in it has characters that no such name has.
    #[error("`{scheme}` reference has characters that no name there has")]
    BadName {
        /// The scheme.
        scheme: &'static str,
    },
}

impl ReferenceError {
    /// What to write instead. Never part of the message.
    pub fn help(&self) -> String {
        match self {
            Self::Empty => "name where the key is kept, such as `env://OPENAI_API_KEY`".to_owned(),
            Self::Literal | Self::BadName { scheme: "env" } => {
                "keep the key in an environment variable, a `.env` file or a secret file, and write \
                 `env://NAME`, `dotenv://.env#NAME` or `file:///path`"
                    .to_owned()
            }
            Self::Variable { name } => format!("write `env://{name}`"),
            Self::UnknownScheme { near: Some(near), .. } => format!("did you mean `{near}://`?"),
            Self::UnknownScheme { near: None, .. } => format!("use one of {}", KNOWN.join(", ")),
            Self::Incomplete { scheme, .. } | Self::BadName { scheme } => {
                format!("write `{}`", example(scheme))
            }
        }
    }
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

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        let plain = text.strip_prefix("ref+").unwrap_or(text);
        if let Some(named) = clouds::bare_arn(plain) {
            return named;
        }
        if plain.starts_with("projects/") {
            return clouds::google_path(plain);
        }
        let Some((scheme, rest)) = plain.split_once("://") else {
            return Err(not_a_reference(text));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "env" => Ok(Self::Env { name: variable("env", rest)? }),
            "dotenv" => dotenv(rest),
            "file" => file(rest),
            "systemd" => stores::systemd(rest),
            "age" => stores::age(rest),
            "keyring" | "keychain" => stores::keyring(rest),
            "op" => stores::op(rest),
            "vault" | "openbao" => stores::vault(rest),
            "cmd" => stores::helper(rest),
            "aws-sm" | "awssm" | "awssecrets" => clouds::aws_secret(rest),
            "aws-ps" | "awsssm" => clouds::aws_parameter(rest),
            "gcp-sm" | "gcpsecrets" => clouds::google(rest),
            "azure-kv" | "azkv" | "azurekeyvault" => clouds::azure(rest),
            "k8s" => clouds::kubernetes(rest),
            other => Err(unknown_scheme(other)),
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

fn dotenv(rest: &str) -> Result<Reference, ReferenceError> {
    let (path, name) = rest.rsplit_once('#').ok_or(ReferenceError::Incomplete { scheme: "dotenv", what: "`#NAME`" })?;
    if path.is_empty() {
        return Err(ReferenceError::Incomplete { scheme: "dotenv", what: "the file's path" });
    }
    Ok(Reference::Dotenv { path: path.into(), name: variable("dotenv", name)? })
}

fn file(rest: &str) -> Result<Reference, ReferenceError> {
    let (path, field) = match rest.rsplit_once('#') {
        Some((path, field)) => (path, Some(field.trim_start_matches('/').to_owned())),
        None => (rest, None),
    };
    if path.is_empty() || field.as_deref() == Some("") {
        let what = if path.is_empty() { "the file's path" } else { "the field after `#`" };
        return Err(ReferenceError::Incomplete { scheme: "file", what });
    }
    Ok(Reference::File { path: path.into(), field })
}

/// A variable's name. A key pasted in its place is called a literal and not shown.
fn variable(scheme: &'static str, name: &str) -> Result<String, ReferenceError> {
    if name.is_empty() {
        return Err(ReferenceError::Incomplete { scheme, what: "the variable's name" });
    }
    if looks_like_a_key(name) {
        return Err(ReferenceError::Literal);
    }
    if is_variable_name(name) { Ok(name.to_owned()) } else { Err(ReferenceError::BadName { scheme }) }
}

/// A text without a scheme: a variable's name, or a value that must not be shown.
fn not_a_reference(text: &str) -> ReferenceError {
    let dollar = text.strip_prefix('$');
    let name =
        dollar.map_or(text, |name| name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name));
    let written_as_one =
        dollar.is_some() || name.contains('_') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if written_as_one && is_variable_name(name) && !looks_like_a_key(name) {
        ReferenceError::Variable { name: name.to_owned() }
    } else {
        ReferenceError::Literal
    }
}

fn unknown_scheme(scheme: &str) -> ReferenceError {
    let like_a_scheme = (1..=LONGEST_SCHEME).contains(&scheme.len())
        && scheme.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '+'));
    if !like_a_scheme {
        return ReferenceError::Literal;
    }
    let near = near(
        scheme,
        [
            "env", "dotenv", "file", "systemd", "keyring", "age", "vault", "op", "cmd", "aws-sm", "aws-ps", "gcp-sm",
            "azure-kv", "k8s",
        ],
    );
    ReferenceError::UnknownScheme { scheme: scheme.to_owned(), near }
}

pub(crate) fn looks_like_a_key(text: &str) -> bool {
    let shapes = Catalogue::builtin().providers().iter().flat_map(|provider| &provider.keys);
    text.starts_with(keywright_core::token::TOKEN_PREFIX)
        || shapes
            .filter(|shape| !shape.weak && !shape.prefix.is_empty())
            .any(|shape| shape.fits(text) || text.starts_with(&shape.prefix) && text.len() >= 24)
}

fn example(scheme: &str) -> &'static str {
    match scheme {
        "dotenv" => "dotenv://.env#OPENAI_API_KEY",
        "file" => "file:///run/secrets/openai",
        "systemd" => "systemd://openai",
        "age" => "age://keys.age#openai",
        "keyring" => "keyring://openai/default",
        "op" => "op://Private/OpenAI/credential",
        "vault" => "vault://secret/llm#openai",
        "cmd" => "cmd://openai",
        "aws-sm" => "aws-sm://llm#openai",
        "aws-ps" => "aws-ps:///llm/openai",
        "gcp-sm" => "gcp-sm://project/llm#openai",
        "azure-kv" => "azure-kv://vault/llm",
        "k8s" => "k8s://namespace/llm#openai",
        _ => "env://OPENAI_API_KEY",
    }
}

const KNOWN: &[&str] = &[
    "env://NAME",
    "dotenv://PATH#NAME",
    "file://PATH[#FIELD]",
    "systemd://NAME[#FIELD]",
    "keyring://SERVICE/ACCOUNT",
    "age://PATH#FIELD",
    "vault://MOUNT/PATH#FIELD",
    "op://VAULT/ITEM/FIELD",
    "cmd://NAME",
    "aws-sm://NAME[#FIELD]",
    "aws-ps:///PATH",
    "gcp-sm://PROJECT/SECRET",
    "azure-kv://VAULT/SECRET",
    "k8s://NAMESPACE/SECRET#KEY",
];
/// A longer word before `://` is not shown: it may be a key.
const LONGEST_SCHEME: usize = 14;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> ReferenceError {
        text.parse::<Reference>().expect_err("not a reference")
    }

    #[test]
    fn references_go_there_and_back() {
        for text in [
            "env://OPENAI_API_KEY",
            "dotenv://.env#OPENAI_API_KEY",
            "dotenv:///srv/app#1/.env#KEY",
            "file:///run/secrets/openai",
            "file://secrets.json#openai",
            "systemd://openai",
            "systemd://llm#openai",
            "age://keys.age#openai",
            "keyring://openai/default",
            "vault://secret/team/llm#openai",
            "op://Private/OpenAI/credential",
            "op://Private/OpenAI/keys/second",
            "cmd://openai",
        ] {
            assert_eq!(text.parse::<Reference>().expect(text).to_string(), text);
        }
        let accepted: Reference = "ref+file:///run/x#/key".parse().expect("accepted");
        assert_eq!(accepted.to_string(), "file:///run/x#key");
        for (text, same) in [
            ("openbao://secret/llm#openai", "vault://secret/llm#openai"),
            ("ref+vault://secret/llm#/openai", "vault://secret/llm#openai"),
            ("vault://secret/llm?field=openai", "vault://secret/llm#openai"),
            ("ref+keychain://openai/default", "keyring://openai/default"),
        ] {
            assert_eq!(text.parse::<Reference>().expect(text).to_string(), same);
        }
    }

    #[test]
    fn a_pasted_key_is_refused_and_not_shown() {
        for key in [
            "sk-proj-abcdefghijklmnopqrstuvwxyz123456",
            "env://sk-proj-abcdefghijklmnopqrstuvwxyz123456",
            "env://sk-kwt-abcdefghijklmnop",
            "abcdefghijklmnopqrstuvwxyz://x",
            "hunter2",
        ] {
            let error = error(key);
            let shown = format!("{error} {error:?} {}", error.help());
            assert!(!shown.contains("abcdefgh") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        let variable = |name: &str| ReferenceError::Variable { name: name.to_owned() };
        assert_eq!(error(""), ReferenceError::Empty);
        assert_eq!(error("$OPENAI_API_KEY"), variable("OPENAI_API_KEY"));
        assert_eq!(error("${MY_KEY_2}"), variable("MY_KEY_2"));
        assert_eq!(error("OPENAI_API_KEY"), variable("OPENAI_API_KEY"));
        let near = ReferenceError::UnknownScheme { scheme: "evn".to_owned(), near: Some("env") };
        assert_eq!(error("evn://A"), near);
        assert_eq!(near.help(), "did you mean `env://`?");
        assert_eq!(error("dotenv://.env").to_string(), "`dotenv` reference lacks `#NAME`");
        assert_eq!(error("env://").to_string(), "`env` reference lacks the variable's name");
        assert_eq!(error("file://").to_string(), "`file` reference lacks the file's path");
        assert_eq!(error("vault://secret/llm").to_string(), "`vault` reference lacks `#FIELD`");
        assert_eq!(error("vault://llm#openai").to_string(), "`vault` reference lacks the path after the mount");
        assert_eq!(error("keyring://openai").to_string(), "`keyring` reference lacks `/ACCOUNT`");
        assert_eq!(error("op://Private/OpenAI").to_string(), "`op` reference lacks VAULT/ITEM/FIELD");
        assert_eq!(error("cmd://pass show openai"), ReferenceError::BadName { scheme: "cmd" });
        assert_eq!(error("systemd://../x"), ReferenceError::BadName { scheme: "systemd" });
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,60}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference));
            }
        }
    }
}
