//! Where a provider is reached.

use http::uri::{Authority, Scheme, Uri};
use keywright_core::ProviderSpec;
use keywright_core::inspect::base_url::{variables, without_ending};

use crate::sources::Environment;

/// Where a provider is reached: scheme, host, port and a path prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    encrypted: bool,
    host: String,
    port: u16,
    authority: Authority,
    prefix: String,
}

/// A URL that cannot be an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is not a URL.
    #[error("`{0}` is not a URL")]
    NotAUrl(String),
    /// Its scheme is missing or neither `http` nor `https`.
    #[error("`{0}` does not begin with `http://` or `https://`")]
    Scheme(String),
    /// It carries a user name, a password or a query, where keys leak.
    #[error("a base URL holds no user name, password or query")]
    Extra,
}

impl Origin {
    /// Parses a base URL. `sdk_base`, the usual end of the provider's base URLs (`/v1`), may be part of
    /// it or not: both mean the same place.
    pub fn parse(url: &str, sdk_base: &str) -> Result<Self, OriginError> {
        let uri: Uri = url.trim().parse().map_err(|_| OriginError::NotAUrl(url.to_owned()))?;
        let encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(OriginError::Scheme(url.to_owned())),
        };
        let authority = uri.authority().cloned().ok_or_else(|| OriginError::NotAUrl(url.to_owned()))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(OriginError::Extra);
        }
        let path = uri.path().trim_end_matches('/');
        let prefix = path.strip_suffix(sdk_base.trim_end_matches('/')).unwrap_or(path).to_owned();
        let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self { encrypted, host, port, authority, prefix })
    }

    /// Where a client of this provider goes: the base URL that it was given, else what the variables say that the provider's
    /// clients read, else the provider itself.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn of_client(
        provider: &ProviderSpec,
        given: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, OriginError> {
        let set = |name: &str| environment.text(name).filter(|value| !value.trim().is_empty());
        let of_environment = || {
            variables(provider)
                .find_map(|variable| Some(without_ending(&set(&variable.name)?, provider, &variable.name)))
        };
        let url = given.map(str::to_owned).or_else(of_environment).unwrap_or_else(|| provider.http.origin.clone());
        Self::parse(&url, &provider.http.sdk_base)
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is reached over TLS.
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Host and port as the `Host` header writes them.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The path before the provider's own paths; empty for the providers themselves.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        if self.encrypted { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_may_end_in_the_sdk_base_or_not() {
        for url in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com/v1",
            "https://api.example.com/v1/",
        ] {
            let origin = Origin::parse(url, "/v1").expect("a URL");
            assert_eq!(origin.to_string(), "https://api.example.com", "{url}");
        }
        let local = Origin::parse("http://127.0.0.1:4200/openai", "/v1").expect("a URL");
        assert_eq!((local.prefix(), local.authority().as_str()), ("/openai", "127.0.0.1:4200"));
    }

    #[test]
    fn a_client_goes_where_it_is_told_else_where_the_variables_lead_else_to_the_provider() {
        let cases = [
            ("openai", None, None, "https://api.openai.com"),
            ("openai", None, Some(("OPENAI_BASE_URL", "https://proxy.example/v1")), "https://proxy.example"),
            ("openai", None, Some(("OPENAI_API_BASE", "https://proxy.example/v1")), "https://proxy.example"),
            ("openai", None, Some(("OPENAI_BASE_URL", "  ")), "https://api.openai.com"),
            ("fireworks", None, Some(("FIREWORKS_BASE_URL", "https://proxy.example")), "https://proxy.example"),
            (
                "fireworks",
                None,
                Some(("FIREWORKS_API_BASE", "https://proxy.example/inference/v1")),
                "https://proxy.example",
            ),
            (
                "fireworks",
                None,
                Some(("FIREWORKS_API_BASE", "https://proxy.example/inference")),
                "https://proxy.example",
            ),
            (
                "openai",
                Some("https://given.example/v1"),
                Some(("OPENAI_BASE_URL", "https://proxy.example")),
                "https://given.example",
            ),
        ];
        for (id, given, set, expected) in cases {
            let provider = keywright_core::Catalogue::builtin().provider(id).expect("in the catalogue");
            let origin = Origin::of_client(provider, given, &Environment::given(set)).expect("a URL");
            assert_eq!(origin.to_string(), expected, "{given:?} {set:?}");
        }
    }

    #[test]
    fn a_bad_base_url_is_refused() {
        assert!(matches!(
            Origin::parse("api.example.com/v1", "/v1"),
            Err(OriginError::Scheme(_) | OriginError::NotAUrl(_))
        ));
        assert!(matches!(Origin::parse("ftp://a", ""), Err(OriginError::Scheme(_))));
        assert_eq!(Origin::parse("https://u:p@host/v1", "/v1"), Err(OriginError::Extra));
        assert_eq!(Origin::parse("https://host/v1?key=1", "/v1"), Err(OriginError::Extra));
    }
}
