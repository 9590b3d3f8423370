//! References to the secret stores of clouds: what follows their schemes, and the names that their own tools use.

use super::stores::{field, text};
use super::{Reference, ReferenceError, looks_like_a_key};

/// `NAME[#FIELD][?region=…&version=…]`, where NAME may be an ARN.
pub(super) fn aws_secret(rest: &str) -> Result<Reference, ReferenceError> {
    let (rest, mut query) = query(rest)?;
    let (name, field) = field(&rest);
    let name = text("aws-sm", name, "the secret's name")?;
    let field = optional("aws-sm", field)?;
    if name.starts_with("arn:") {
        return arn("aws-sm", &name, field, query.take("version"));
    }
    let (region, version) = (query.region("aws-sm")?, query.take("version").or_else(|| query.take("version_id")));
    Ok(Reference::AwsSecret { name, field, region, version })
}

/// `/PATH/NAME[#FIELD][?region=…&version=…]`.
pub(super) fn aws_parameter(rest: &str) -> Result<Reference, ReferenceError> {
    let (rest, mut query) = query(rest)?;
    let (name, field) = field(&rest);
    let name = text("aws-ps", name, "the parameter's name")?;
    let field = optional("aws-ps", field)?;
    if name.starts_with("arn:") {
        return arn("aws-ps", &name, field, query.take("version"));
    }
    let (region, version) = (query.region("aws-ps")?, query.take("version"));
    Ok(Reference::AwsParameter { name, field, region, version })
}

/// An ARN by itself, also with `:json-key:stage:version` behind it, as ECS writes it.
pub(super) fn bare_arn(text: &str) -> Option<Result<Reference, ReferenceError>> {
    let service = text.strip_prefix("arn:aws")?.split(':').nth(1)?;
    match service {
        "secretsmanager" => Some(arn("aws-sm", text, None, None)),
        "ssm" => Some(arn("aws-ps", text, None, None)),
        _ => None,
    }
}

fn arn(
    scheme: &'static str,
    arn: &str,
    field: Option<String>,
    version: Option<String>,
) -> Result<Reference, ReferenceError> {
    let parts: Vec<&str> = arn.split(':').collect();
    let whole = |count: usize| parts[..count].join(":");
    let part = |at: usize| parts.get(at).filter(|part| !part.is_empty()).map(|part| (*part).to_owned());
    let region = part(3);
    if region.as_deref().is_some_and(|region| !is_label(region)) {
        return Err(ReferenceError::BadName { scheme });
    }
    match (parts.get(2).copied(), parts.len()) {
        (Some("secretsmanager"), 7..) if parts[5] == "secret" && !parts[6].is_empty() => Ok(Reference::AwsSecret {
            name: whole(7),
            field: field.or_else(|| part(7)),
            region,
            version: version.or_else(|| part(9)).or_else(|| part(8)),
        }),
        (Some("ssm"), 6) if parts[5].starts_with("parameter/") => {
            Ok(Reference::AwsParameter { name: whole(6), field, region, version })
        }
        _ => Err(ReferenceError::Incomplete { scheme, what: "a whole ARN" }),
    }
}

/// `PROJECT/SECRET[@VERSION][#FIELD]`.
pub(super) fn google(rest: &str) -> Result<Reference, ReferenceError> {
    if rest.starts_with("projects/") {
        return google_path(rest);
    }
    let (rest, mut query) = query(rest)?;
    let (path, field) = field(&rest);
    let (project, secret) = path.split_once('/').unwrap_or((path, ""));
    let (name, version) = match secret.split_once('@') {
        Some((name, version)) => (name, Some(text("gcp-sm", version, "the version after `@`")?)),
        None => (secret, query.take("version")),
    };
    Ok(Reference::GoogleSecret {
        project: text("gcp-sm", project, "the project")?,
        name: text("gcp-sm", name, "`/SECRET` after the project")?,
        version,
        field: optional("gcp-sm", field)?,
    })
}

/// `projects/P/secrets/S[/versions/V][#FIELD]`, as Google's own tools print it.
pub(super) fn google_path(rest: &str) -> Result<Reference, ReferenceError> {
    let (path, field) = field(rest);
    let (project, name, version) = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", project, "secrets", name] => (*project, *name, None),
        ["projects", project, "secrets", name, "versions", version] => (*project, *name, Some(*version)),
        _ => return Err(ReferenceError::Incomplete { scheme: "gcp-sm", what: "PROJECT/SECRET" }),
    };
    Ok(Reference::GoogleSecret {
        project: text("gcp-sm", project, "the project")?,
        name: text("gcp-sm", name, "`/SECRET` after the project")?,
        version: version.map(|version| text("gcp-sm", version, "the version")).transpose()?,
        field: optional("gcp-sm", field)?,
    })
}

/// `VAULT/SECRET[/VERSION][#FIELD]`.
pub(super) fn azure(rest: &str) -> Result<Reference, ReferenceError> {
    let (path, field) = field(rest);
    let mut parts = path.trim_end_matches('/').split('/');
    let (vault, name, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    // The vault's name becomes a part of the host that the login's token is sent to: nothing else may get in.
    let short = AZURE_DOMAINS.iter().find_map(|domain| vault.strip_suffix(domain)).unwrap_or(vault);
    if !is_label(short) {
        return Err(ReferenceError::BadName { scheme: "azure-kv" });
    }
    if parts.next().is_some() {
        return Err(ReferenceError::Incomplete { scheme: "azure-kv", what: "VAULT/SECRET" });
    }
    Ok(Reference::AzureSecret {
        vault: text("azure-kv", vault, "the vault")?,
        name: text("azure-kv", name, "`/SECRET` after the vault")?,
        version: version.map(|version| text("azure-kv", version, "the version")).transpose()?,
        field: optional("azure-kv", field)?,
    })
}

/// `NAMESPACE/SECRET#KEY`.
pub(super) fn kubernetes(rest: &str) -> Result<Reference, ReferenceError> {
    let (path, key) = field(rest);
    let (namespace, name) = path.split_once('/').unwrap_or((path, ""));
    if name.contains('/') || path.starts_with('-') {
        return Err(ReferenceError::BadName { scheme: "k8s" });
    }
    Ok(Reference::KubernetesSecret {
        namespace: text("k8s", namespace, "the namespace")?,
        name: text("k8s", name, "`/SECRET` after the namespace")?,
        key: text("k8s", key.unwrap_or_default(), "`#KEY`")?,
    })
}

/// `?region=…&version=…`, which stands behind the field here and before it in `ref+…`.
pub(super) fn show(region: Option<&str>, version: Option<&str>) -> String {
    let pairs = [("region", region), ("version", version)];
    let pairs: Vec<_> = pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Takes the query out, wherever it stands.
fn query(rest: &str) -> Result<(String, Query), ReferenceError> {
    let Some((before, after)) = rest.split_once('?') else {
        return Ok((rest.to_owned(), Query(Vec::new())));
    };
    let (query, field) = match after.split_once('#') {
        Some((query, field)) => (query, format!("#{field}")),
        None => (after, String::new()),
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if pairs.iter().any(|(_, value)| looks_like_a_key(value)) {
        return Err(ReferenceError::Literal);
    }
    Ok((format!("{before}{field}"), Query(pairs)))
}

/// Whether a text may be a part of a host name, and no more than one.
fn is_label(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Where Azure's clouds have their vaults.
const AZURE_DOMAINS: [&str; 4] =
    [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".managedhsm.azure.net"];

struct Query(Vec<(String, String)>);

impl Query {
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, value)| known == name && !value.is_empty())?;
        Some(self.0.swap_remove(at).1)
    }

    /// A region becomes a part of the host that the request is sent to.
    fn region(&mut self, scheme: &'static str) -> Result<Option<String>, ReferenceError> {
        match self.take("region") {
            Some(region) if !is_label(&region) => Err(ReferenceError::BadName { scheme }),
            region => Ok(region),
        }
    }
}

fn optional(scheme: &'static str, field: Option<&str>) -> Result<Option<String>, ReferenceError> {
    field.map(|field| text(scheme, field, "the field after `#`")).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<Reference>() {
            Ok(reference) => {
                let shown = reference.to_string();
                assert_eq!(shown.parse(), Ok(reference), "{text} goes there and back");
                shown
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn every_spelling_leads_to_one_reference() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:llm-AbCdEf";
        let parameter = "arn:aws:ssm:us-east-1:123456789012:parameter/llm/openai";
        for (text, same) in [
            ("aws-sm://prod/llm", "aws-sm://prod/llm"),
            ("awssm://prod/llm#openai?region=eu-west-1", "aws-sm://prod/llm#openai?region=eu-west-1"),
            (
                "ref+awssecrets://llm?region=eu-west-1&version_id=v1#/openai",
                "aws-sm://llm#openai?region=eu-west-1&version=v1",
            ),
            (arn, &format!("aws-sm://{arn}?region=eu-west-1")),
            (&format!("{arn}:openai::"), &format!("aws-sm://{arn}#openai?region=eu-west-1")),
            (
                &format!("aws-sm://{arn}:openai:AWSPREVIOUS:"),
                &format!("aws-sm://{arn}#openai?region=eu-west-1&version=AWSPREVIOUS"),
            ),
            ("aws-ps:///llm/openai", "aws-ps:///llm/openai"),
            ("ref+awsssm:///llm/openai?region=us-east-1", "aws-ps:///llm/openai?region=us-east-1"),
            (parameter, &format!("aws-ps://{parameter}?region=us-east-1")),
            ("gcp-sm://project/llm", "gcp-sm://project/llm"),
            ("gcp-sm://project/llm@7#openai", "gcp-sm://project/llm@7#openai"),
            ("ref+gcpsecrets://project/llm?version=7#/openai", "gcp-sm://project/llm@7#openai"),
            ("projects/project/secrets/llm/versions/latest", "gcp-sm://project/llm@latest"),
            ("gcp-sm://projects/project/secrets/llm#openai", "gcp-sm://project/llm#openai"),
            ("azure-kv://team/llm", "azure-kv://team/llm"),
            ("azkv://team.vault.azure.cn/llm/0123", "azure-kv://team.vault.azure.cn/llm/0123"),
            ("ref+azurekeyvault://team/llm#/openai", "azure-kv://team/llm#openai"),
            ("k8s://apps/llm#openai", "k8s://apps/llm#openai"),
        ] {
            assert_eq!(shown(text), same);
        }
    }

    /// What is sent to a host may be worth something there.
    #[test]
    fn no_reference_leads_to_the_host_of_a_stranger() {
        for text in [
            "azure-kv://evil.example/llm",
            "azure-kv://a.evil.example.vault.azure.net/llm",
            "azure-kv://evil.example#.vault.azure.net/llm",
            "aws-sm://llm?region=evil.example/",
            "aws-ps:///llm?region=a@evil.example",
            "arn:aws:secretsmanager:evil.example/:1:secret:llm",
            "arn:aws:ssm:evil.example?:1:parameter/llm",
        ] {
            let refused = text.parse::<Reference>();
            assert!(
                matches!(refused, Err(ReferenceError::BadName { .. } | ReferenceError::Incomplete { .. })),
                "{text}: {refused:?}"
            );
        }
    }

    #[test]
    fn what_is_left_out_is_named() {
        for (text, says) in [
            ("aws-sm://", "`aws-sm` reference lacks the secret's name"),
            ("aws-sm://llm#", "`aws-sm` reference lacks the field after `#`"),
            ("arn:aws:secretsmanager:eu-west-1:1:secret:", "`aws-sm` reference lacks a whole ARN"),
            ("aws-ps://#x", "`aws-ps` reference lacks the parameter's name"),
            ("gcp-sm://project", "`gcp-sm` reference lacks `/SECRET` after the project"),
            ("projects/p/secret/s", "`gcp-sm` reference lacks PROJECT/SECRET"),
            ("azure-kv://team", "`azure-kv` reference lacks `/SECRET` after the vault"),
            ("azure-kv://team/a/b/c", "`azure-kv` reference lacks VAULT/SECRET"),
            ("k8s://apps/llm", "`k8s` reference lacks `#KEY`"),
        ] {
            assert_eq!(shown(text), format!("error: {says}"), "{text}");
        }
    }
}
