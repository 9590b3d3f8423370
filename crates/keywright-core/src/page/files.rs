//! The page files that are built in.

macro_rules! page_files {
    ($name:ident, $folder:literal, $($page:literal),* $(,)?) => {
        /// Names and texts; a test compares this list with the folder.
        pub(super) const $name: &[(&str, &str)] =
            &[$(($page, include_str!(concat!("../../data/", $folder, "/", $page, ".md")))),*];
    };
}

page_files![
    CAUSES,
    "causes",
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

page_files![
    EXCEPTIONS,
    "pages",
    "openai.AuthenticationError",
    "fireworks_ai.errors.AuthenticationError",
    "together_ai.errors.AuthenticationError",
];
