//! Mends the paths that SDKs build: a doubled version, a missing one, a missing prefix.
//!
//! SDKs disagree about where a base URL ends. Together 3.x appends `/v1/…` to a base that users left
//! ending in `/v1`; Fireworks 1.x drops `/inference` as soon as its base URL is set; many programs
//! forget `/v1`. One provider has one right form of each path, and this finds it.

use crate::provider::Paths;

/// The path that the provider expects for what came after `/{provider}`.
///
/// Works on the raw text: percent-encoded slashes stay as they are. Paths of a provider without
/// version segments are returned unchanged.
///
/// ```
/// let openai = keywright_core::Catalogue::builtin().provider("openai").unwrap();
/// assert_eq!(keywright_core::paths::upstream_path(&openai.paths, "/v1/v1/models"), "/v1/models");
/// assert_eq!(keywright_core::paths::upstream_path(&openai.paths, "/models"), "/v1/models");
/// ```
pub fn upstream_path(paths: &Paths, rest: &str) -> String {
    let Some(default_version) = paths.versions.first() else {
        return ["/", rest.trim_start_matches('/')].concat();
    };
    let mut tail = rest.trim_start_matches('/');
    let mut version = None;
    let mut prefixed = false;
    loop {
        let (segment, after) = tail.split_once('/').unwrap_or((tail, ""));
        if paths.prefix.as_deref() == Some(segment) {
            prefixed = true;
        } else if paths.versions.iter().any(|known| known == segment) {
            version = Some(segment);
        } else {
            break;
        }
        tail = after.trim_start_matches('/');
        if tail.is_empty() {
            break;
        }
    }
    let first = tail.split('/').next().unwrap_or(tail);
    if paths.bare.iter().any(|bare| bare == first) {
        return ["/", tail].concat();
    }
    let prefixed = prefixed || paths.prefixed.iter().any(|known| known == first);
    let version = version.unwrap_or(default_version);
    match paths.prefix.as_deref().filter(|_| prefixed) {
        Some(prefix) => ["/", prefix, "/", version, "/", tail].concat(),
        None => ["/", version, "/", tail].concat(),
    }
}

/// The server-side object that a path names, such as `thread_abc` in `/v1/threads/thread_abc/runs`.
///
/// Only objects of the catalogued stateful collections count; the collection alone names none.
pub fn object_id<'a>(paths: &Paths, path: &'a str) -> Option<&'a str> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.find(|segment| paths.stateful.iter().any(|known| known == segment))?;
    segments.find(|segment| {
        segment.contains(['_', '-']) && segment.chars().any(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
    })
}

/// Whether a path is in one of the catalogued stateful collections.
pub fn is_stateful(paths: &Paths, path: &str) -> bool {
    path.split('/').any(|segment| paths.stateful.iter().any(|known| known == segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(versions: &[&str], prefix: Option<&str>) -> Paths {
        let owned = |items: &[&str]| items.iter().map(ToString::to_string).collect();
        Paths {
            versions: owned(versions),
            prefix: prefix.map(str::to_owned),
            prefixed: owned(&["chat", "completions", "embeddings", "models", "messages"]),
            bare: owned(&["verifyApiKey"]),
            stateful: owned(&["threads", "files", "responses"]),
            stateful_members: Vec::new(),
        }
    }

    #[test]
    fn every_sdks_way_leads_to_one_path() {
        let openai = paths(&["v1"], None);
        let fireworks = paths(&["v1"], Some("inference"));
        let together = paths(&["v1", "v2", "v3"], None);
        let cases = [
            (&openai, "/v1/chat/completions", "/v1/chat/completions"),
            (&openai, "/v1/v1/chat/completions", "/v1/chat/completions"),
            (&openai, "/chat/completions", "/v1/chat/completions"),
            (&openai, "//v1//models", "/v1/models"),
            (&openai, "/v1/files/a%2Fb", "/v1/files/a%2Fb"),
            (&openai, "", "/v1/"),
            (&fireworks, "/inference/v1/chat/completions", "/inference/v1/chat/completions"),
            (&fireworks, "/v1/chat/completions", "/inference/v1/chat/completions"),
            (&fireworks, "/inference/v1/v1/chat/completions", "/inference/v1/chat/completions"),
            (&fireworks, "/inference/chat/completions", "/inference/v1/chat/completions"),
            (&fireworks, "/chat/completions", "/inference/v1/chat/completions"),
            (&fireworks, "/v1/accounts/a/models", "/v1/accounts/a/models"),
            (&fireworks, "/verifyApiKey", "/verifyApiKey"),
            (&fireworks, "/v1/verifyApiKey", "/verifyApiKey"),
            (&together, "/v1/v1/chat/completions", "/v1/chat/completions"),
            (&together, "/v1/v2/projects/p/models", "/v2/projects/p/models"),
            (&together, "/v3/whoami", "/v3/whoami"),
            (&together, "/chat/completions", "/v1/chat/completions"),
        ];
        for (spec, rest, expected) in cases {
            assert_eq!(upstream_path(spec, rest), expected, "{rest}");
        }
    }

    #[test]
    fn a_path_names_its_object() {
        let openai = paths(&["v1"], None);
        assert_eq!(object_id(&openai, "/v1/threads/thread_abc1/runs"), Some("thread_abc1"));
        assert_eq!(object_id(&openai, "/v1/files/file-Ab3/content"), Some("file-Ab3"));
        assert_eq!(object_id(&openai, "/v1/threads"), None);
        assert_eq!(object_id(&openai, "/v1/threads/runs"), None);
        assert_eq!(object_id(&openai, "/v1/chat/completions"), None);
    }
}
