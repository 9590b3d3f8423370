//! From a text to a reference.

use std::str::FromStr;

use keywright_core::dotenv::is_variable_name;
use keywright_core::near::near;

use super::{Reference, ReferenceError, clouds, looks_like_a_key, stores};

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

/// A longer word before `://` is not shown: it may be a key.
const LONGEST_SCHEME: usize = 14;
