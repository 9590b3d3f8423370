//! References to stores: what follows their schemes.

use super::{Reference, ReferenceError, looks_like_a_key};

pub(super) fn systemd(rest: &str) -> Result<Reference, ReferenceError> {
    let (name, field) = field(rest);
    let name = text("systemd", name, "the credential's name")?;
    // systemd allows no slash in a name; with one this would read any file.
    if name.contains('/') || name == ".." {
        return Err(ReferenceError::BadName { scheme: "systemd" });
    }
    Ok(Reference::Systemd {
        name,
        field: field.map(|field| text("systemd", field, "the field after `#`")).transpose()?,
    })
}

pub(super) fn age(rest: &str) -> Result<Reference, ReferenceError> {
    let (path, field) = field(rest);
    let path = text("age", path, "the file's path")?;
    Ok(Reference::Age { path: path.into(), field: text("age", field.unwrap_or_default(), "`#FIELD`")? })
}

pub(super) fn keyring(rest: &str) -> Result<Reference, ReferenceError> {
    let (service, account) = rest.split_once('/').unwrap_or((rest, ""));
    let service = text("keyring", service, "the service")?;
    Ok(Reference::Keyring { service, account: text("keyring", account, "`/ACCOUNT`")? })
}

pub(super) fn vault(rest: &str) -> Result<Reference, ReferenceError> {
    let (path, field) = match rest.split_once("?field=") {
        Some((path, field)) => (path, Some(field)),
        None => field(rest),
    };
    let path = text("vault", path.trim_matches('/'), "the mount and the path")?;
    let field = text("vault", field.unwrap_or_default(), "`#FIELD`")?;
    if !path.contains('/') {
        return Err(ReferenceError::Incomplete { scheme: "vault", what: "the path after the mount" });
    }
    Ok(Reference::Vault { path, field })
}

pub(super) fn op(rest: &str) -> Result<Reference, ReferenceError> {
    let path = text("op", rest, "VAULT/ITEM/FIELD")?;
    let segments: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    if !matches!(segments.len(), 3 | 4) || segments.iter().any(|segment| segment.is_empty()) {
        return Err(ReferenceError::Incomplete { scheme: "op", what: "VAULT/ITEM/FIELD" });
    }
    Ok(Reference::OnePassword { path })
}

pub(super) fn helper(rest: &str) -> Result<Reference, ReferenceError> {
    let name = text("cmd", rest, "the helper's name")?;
    // A command line in its place is refused: what runs stands in the configuration that the user allowed.
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return Err(ReferenceError::BadName { scheme: "cmd" });
    }
    Ok(Reference::Helper { name })
}

/// Splits off the field. `#/field` is how `ref+…` spells it.
pub(super) fn field(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once('#') {
        Some((path, field)) => (path, Some(field.trim_start_matches('/'))),
        None => (rest, None),
    }
}

pub(super) fn text(scheme: &'static str, text: &str, what: &'static str) -> Result<String, ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::Incomplete { scheme, what });
    }
    if looks_like_a_key(text) {
        return Err(ReferenceError::Literal);
    }
    Ok(text.to_owned())
}
