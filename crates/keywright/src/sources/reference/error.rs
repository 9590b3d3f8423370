//! Why a text is not a reference, and what to write instead.

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

/// Every form, for whoever wrote another one.
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
