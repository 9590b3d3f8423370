//! The page of each cause: title, fixes and the long form, from `data/causes/<slug>.md`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::diagnosis::Fix;

/// The page of one cause.
#[derive(Debug)]
pub struct CausePage {
    /// What happened, in one line.
    pub title: &'static str,
    /// What to do, in order; placeholders as in `{keys_url}`.
    pub fixes: &'static [PageFix],
    /// The long form, Markdown.
    pub body: &'static str,
}

/// One fix as its page states it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageFix {
    /// The advice.
    pub says: String,
    /// The command that carries it out.
    #[serde(default)]
    pub command: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    title: String,
    #[serde(default, rename = "fix")]
    fixes: Vec<PageFix>,
}

/// The page of a cause.
pub fn cause_page(cause: Cause) -> &'static CausePage {
    &PAGES[&cause]
}

/// The fixes of a cause, with this provider's addresses and names filled in.
pub fn fixes(cause: Cause, provider: &str) -> Vec<Fix> {
    let fill = |text: &String| fill_in(text, provider);
    // A command that names the provider's variable is nonsense where no provider is known.
    let known = Catalogue::builtin().provider(provider).is_some();
    let fits = |command: &str| known || !command.contains('{');
    cause_page(cause)
        .fixes
        .iter()
        .map(|fix| Fix {
            says: fill(&fix.says),
            command: fix.command.as_ref().filter(|command| fits(command)).map(fill),
        })
        .collect()
}

fn fill_in(text: &str, provider: &str) -> String {
    let spec = Catalogue::builtin().provider(provider);
    let keys_url = spec.and_then(|spec| spec.keys_url.as_deref()).unwrap_or("the provider's dashboard");
    let billing_url = spec.and_then(|spec| spec.billing_url.as_deref()).unwrap_or("the provider's billing page");
    let name = spec.map_or("the provider", |spec| spec.name.as_str());
    let variable = spec.and_then(|spec| spec.key_variable()).unwrap_or("the key's variable");
    text.replace("{keys_url}", keys_url)
        .replace("{billing_url}", billing_url)
        .replace("{provider}", name)
        .replace("{provider_id}", provider)
        .replace("{variable}", variable)
}

static PAGES: LazyLock<HashMap<Cause, CausePage>> = LazyLock::new(|| {
    PAGE_FILES
        .iter()
        .map(|(slug, text)| {
            let cause = Cause::from_slug(slug).expect("a test compares slugs and files");
            (cause, parse(text).expect("a test parses every page"))
        })
        .collect()
});

/// Splits `+++` front matter from the body. Called once a page; what it returns lives as long as the process.
fn parse(text: &'static str) -> Option<CausePage> {
    let (front, body) = text.strip_prefix("+++\n")?.split_once("\n+++\n")?;
    let front: FrontMatter = toml::from_str(front).ok()?;
    Some(CausePage {
        title: Box::leak(front.title.into_boxed_str()),
        fixes: Box::leak(front.fixes.into_boxed_slice()),
        body: body.trim(),
    })
}

macro_rules! page_files {
    ($($slug:literal),* $(,)?) => {
        /// The built-in pages; a test compares this list with the causes and the folder.
        const PAGE_FILES: &[(&str, &str)] = &[$(($slug, include_str!(concat!("../data/causes/", $slug, ".md")))),*];
    };
}

page_files![
    "missing_key",
    "empty_key",
    "placeholder_key",
    "not_a_key_value",
    "whitespace_or_newline",
    "quotes_in_key",
    "hidden_or_non_ascii_character",
    "truncated_or_mistyped",
    "wrong_provider_key",
    "wrong_base_url",
    "wrong_env_var_name",
    "env_not_loaded",
    "stale_value_overrides",
    "invalid_key",
    "revoked_or_rotated",
    "leaked_and_auto_disabled",
    "expired",
    "account_deactivated",
    "account_suspended",
    "wrong_organization_or_project",
    "insufficient_permissions_or_scope",
    "ip_not_allowed",
    "region_unsupported",
    "header_malformed",
    "azure_vs_openai_mixup",
    "gateway_virtual_key_problem",
    "model_not_entitled",
    "hidden_default_provider",
    "library_bug",
    "rate_limit",
    "quota_exhausted",
    "model_not_found",
    "context_too_long",
    "bad_request",
    "network",
    "tls",
    "timeout",
    "proxy",
    "server_error",
    "other_service",
    "assistants_gone",
    "other",
];

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn every_cause_has_one_page_that_says_what_to_do() {
        for cause in Cause::VARIANTS {
            let page = PAGES.get(cause).unwrap_or_else(|| panic!("write data/causes/{}.md", cause.slug()));
            assert!(!page.title.is_empty() && !page.title.ends_with('.'), "{}", cause.slug());
            assert!(!page.fixes.is_empty(), "{} has no fix", cause.slug());
            assert!(!page.body.is_empty(), "{} has no text", cause.slug());
        }
        assert_eq!(PAGE_FILES.len(), Cause::VARIANTS.len());
    }

    #[test]
    fn every_placeholder_of_a_fix_is_known() {
        for cause in Cause::VARIANTS {
            for fix in fixes(*cause, "openai") {
                let text = format!("{} {}", fix.says, fix.command.unwrap_or_default());
                assert!(!text.contains('{') && !text.contains('}'), "{}: {text}", cause.slug());
            }
        }
    }
}
