//! What mends a reference that led to no key. A fix names what was asked, not the provider's usual variable.

use keywright_core::{Cause, Fix, page};

use super::Reference;
use crate::sources::SourceError;

impl Reference {
    /// What to do about what this place said when a key of the provider was looked for in it.
    pub fn fix(&self, why: SourceError, provider: &str) -> Option<Fix> {
        match why.help() {
            Some(says) => Some(Fix { says: says.to_owned(), command: None }),
            None => self.put(Cause::MissingKey, provider),
        }
    }

    /// The first thing to do about a value in this place that cannot be a key of the provider.
    pub fn fix_of(&self, cause: Cause, provider: &str) -> Option<Fix> {
        if cause == Cause::EmptyKey || matches!(self, Self::Env { .. }) {
            return self.put(cause, provider);
        }
        // The command of the page sets a variable that nobody reads here.
        page::fixes(cause, provider).into_iter().next().map(|fix| Fix { command: None, ..fix })
    }

    /// How a key gets into this place. Where keys are made by the store's own tool, one begins by looking what is there.
    fn put(&self, cause: Cause, provider: &str) -> Option<Fix> {
        let says = |says: String| Fix { says, command: None };
        let look = |command: String| Fix { says: LOOK.to_owned(), command: Some(command) };
        Some(match self {
            Self::Env { name } => return page::fix_of_variable(cause, provider, name),
            Self::Dotenv { path, name } => {
                says(format!("Put the key into {} as a line `{name}=…`, saved as UTF-8.", path.display()))
            }
            Self::File { path, field: None } => {
                says(format!("Put the key into {}, readable by its owner alone.", path.display()))
            }
            Self::File { path, field: Some(field) } => says(format!(
                "Put the key into {} as the field `{field}` of a JSON object, readable by its owner alone.",
                path.display()
            )),
            Self::Systemd { name, field: None } => {
                says(format!("Add `LoadCredential={name}:/path` to the unit and restart it; the file holds the key."))
            }
            Self::Systemd { name, field: Some(field) } => says(format!(
                "Put the key into the file of the credential {name} as the field `{field}` of a JSON object, and restart the unit."
            )),
            Self::Keyring { .. } | Self::Age { .. } => Fix {
                says: "Store the key there; this asks for it without showing it.".to_owned(),
                command: Some(format!("keywright keys add {provider} --store {}", quoted(&self.to_string()))),
            },
            Self::OnePassword { path } => {
                look(format!("op item list --vault {}", quoted(path.split('/').next().unwrap_or(path))))
            }
            Self::Helper { .. } => says(SourceError::HelperSilent.help().unwrap_or(LOOK).to_owned()),
            Self::Vault { path, .. } => {
                let folder = path.rsplit_once('/').map_or(path.as_str(), |(folder, _)| folder);
                look(format!("vault kv list {}", quoted(folder)))
            }
            Self::AwsSecret { region, .. } => look(format!(
                "aws secretsmanager list-secrets --query SecretList[].Name{}",
                in_region(region.as_deref())
            )),
            Self::AwsParameter { region, .. } => {
                look(format!("aws ssm describe-parameters --query Parameters[].Name{}", in_region(region.as_deref())))
            }
            Self::GoogleSecret { project, .. } => look(format!("gcloud secrets list --project {}", quoted(project))),
            Self::AzureSecret { vault, .. } => {
                let name = vault.split('.').next().unwrap_or(vault);
                look(format!("az keyvault secret list --vault-name {}", quoted(name)))
            }
            Self::KubernetesSecret { namespace, .. } => look(format!("kubectl get secrets -n {}", quoted(namespace))),
        })
    }
}

fn in_region(region: Option<&str>) -> String {
    region.map(|region| format!(" --region {}", quoted(region))).unwrap_or_default()
}

/// As a POSIX shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,#".contains(c);
    if !word.is_empty() && !word.starts_with('#') && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

const LOOK: &str = "Look at the names that are there: this one may be mistyped, or nobody has stored it yet.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_names_what_was_asked() {
        let absent = SourceError::NotSet;
        // The reference, what the place said, the words and the command.
        let cases = [
            ("env://NOPE", absent, "Set NOPE in the environment", "read -rs NOPE && export NOPE"),
            ("env://OPENAI_API_KEY_2", SourceError::NotUtf8, "Set OPENAI_API_KEY_2 in", "export OPENAI_API_KEY_2"),
            ("file:///run/x", SourceError::NoFile, "Put the key into /run/x, readable by its owner alone.", ""),
            ("file://k.json#a", absent, "into k.json as the field `a` of a JSON object", ""),
            ("file:///run/x", SourceError::Denied, "Let the user that runs this read it", ""),
            ("dotenv://.env#FOO", absent, "into .env as a line `FOO=…`", ""),
            ("systemd://main", SourceError::NoFile, "Add `LoadCredential=main:/path`", ""),
            ("keyring://openai/b", absent, "Store the key there", "keys add openai --store keyring://openai/b"),
            ("age://my keys.age#x", SourceError::NoFile, "Store the key", "--store 'age://my keys.age#x'"),
            ("vault://secret/app/llm#k", absent, "Look at the names", "vault kv list secret/app"),
            (
                "aws-sm://llm?region=eu-west-1",
                absent,
                "Look at",
                "list-secrets --query SecretList[].Name --region eu-west-1",
            ),
            ("aws-ps:///a/b", absent, "Look at", "aws ssm describe-parameters"),
            ("gcp-sm://p/s", absent, "Look at", "gcloud secrets list --project p"),
            ("azure-kv://v/s", absent, "Look at", "az keyvault secret list --vault-name v"),
            ("op://Team/OpenAI/key", absent, "Look at", "op item list --vault Team"),
            ("k8s://ns/s#k", absent, "Look at", "kubectl get secrets -n ns"),
            ("k8s://ns/s#k", SourceError::Unreachable(Cause::Network), "See whether this machine reaches it", ""),
            ("cmd://h", SourceError::HelperSilent, "Run it yourself", ""),
        ];
        for (reference, why, says, command) in cases {
            let fix = reference.parse::<Reference>().expect("a reference").fix(why, "openai");
            let fix = fix.expect("a fix");
            let told = fix.command.unwrap_or_default();
            assert!(fix.says.contains(says), "{reference}: {}", fix.says);
            assert_eq!(told.is_empty(), command.is_empty(), "{reference}: {told}");
            assert!(told.contains(command), "{reference}: {told}");
            assert!(!format!("{} {told} ", fix.says).contains("OPENAI_API_KEY "), "{reference}");
        }
    }

    #[test]
    fn a_value_that_cannot_work_is_mended_where_it_stands() {
        let fix = |reference: &str, cause| {
            let fix = reference.parse::<Reference>().expect("a reference").fix_of(cause, "openai").expect("a fix");
            format!("{} {}", fix.says, fix.command.unwrap_or_default())
        };
        assert!(fix("env://NOPE", Cause::EmptyKey).starts_with("Put a value into NOPE;"));
        assert!(fix("env://NOPE", Cause::WhitespaceOrNewline).ends_with("read -rs NOPE && export NOPE"));
        assert!(fix("file://x", Cause::EmptyKey).starts_with("Put the key into x,"));
        let shown = fix("file://x", Cause::WhitespaceOrNewline);
        assert!(shown.starts_with("Set the key again") && !shown.contains("OPENAI_API_KEY"), "{shown}");
    }
}
