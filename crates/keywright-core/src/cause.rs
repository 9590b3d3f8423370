//! Why a call failed, and what follows from it. Pure data: no I/O, no provider names.
//!
//! The slugs come from the field's own threads; they are stable for ever. Every policy on a
//! cause is one exhaustive `match` in this file, so a new cause stops the build at every
//! decision it needs.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// Why a call failed.
///
/// Each cause has one page, `data/causes/<slug>.md`; a test keeps the two sets equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, EnumString, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// No key was given at all.
    MissingKey,
    /// A key was given and it has no characters.
    EmptyKey,
    /// An example value stands where the key should be.
    PlaceholderKey,
    /// Something that was never a key (a URL, a word, JSON) stands in its place.
    NotAKeyValue,
    /// White space, a newline or another control character is in the value.
    WhitespaceOrNewline,
    /// Quotes are part of the value.
    QuotesInKey,
    /// A character that no key has: zero-width, no-break space, curly quote, BOM.
    HiddenOrNonAsciiCharacter,
    /// Characters are missing, doubled or wrong.
    TruncatedOrMistyped,
    /// The key belongs to another provider.
    WrongProviderKey,
    /// The key is sent to a host that does not know it.
    WrongBaseUrl,
    /// The key stands in a variable that the program does not read.
    WrongEnvVarName,
    /// A file holds the key and the process never loaded it.
    EnvNotLoaded,
    /// An older value wins over the one that was changed.
    StaleValueOverrides,
    /// The provider does not know this key, and nothing says whether it was mistyped, revoked or expired.
    InvalidKey,
    /// The key worked before and was revoked, deleted or replaced.
    RevokedOrRotated,
    /// The key was found in public and switched off by the provider.
    LeakedAndAutoDisabled,
    /// The key's time is over.
    Expired,
    /// The account was closed by the provider.
    AccountDeactivated,
    /// The account is suspended for abuse or policy.
    AccountSuspended,
    /// The organisation or project header does not belong to the key.
    WrongOrganizationOrProject,
    /// The key is good and may not do this.
    InsufficientPermissionsOrScope,
    /// The caller's address is not on the key's allow-list.
    IpNotAllowed,
    /// The provider does not serve this country.
    RegionUnsupported,
    /// The credential header is malformed or of the wrong scheme.
    HeaderMalformed,
    /// Azure's key, endpoint or version is mixed with OpenAI's.
    AzureVsOpenaiMixup,
    /// A gateway's own key is missing, unknown, expired or out of scope.
    GatewayVirtualKeyProblem,
    /// The key's project may not use this model.
    ModelNotEntitled,
    /// Another component uses a default provider and its key.
    HiddenDefaultProvider,
    /// A library mishandles a good key.
    LibraryBug,
    /// Too many requests or tokens in a short time.
    RateLimit,
    /// Credit, quota or a spending limit is used up.
    QuotaExhausted,
    /// No such model, or it was retired.
    ModelNotFound,
    /// The prompt does not fit.
    ContextTooLong,
    /// The request itself is at fault.
    BadRequest,
    /// No connection to the provider.
    Network,
    /// The certificate or the TLS handshake failed.
    Tls,
    /// No answer in time.
    Timeout,
    /// A proxy between here and the provider refused.
    Proxy,
    /// The provider failed.
    ServerError,
    /// Another service refused, not the LLM provider.
    OtherService,
    /// The Assistants API, shut down on 2026-08-26.
    AssistantsGone,
    /// An answer that no rule covers. Say so; never guess.
    Other,
}

/// Whether a failure is about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The key, or what it may do, is the cause.
    Auth,
    /// It looks like a key problem and is not one.
    NotAuth,
    /// Nothing here tells.
    Unrecognised,
}

/// What another attempt may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// Any other key of this provider may succeed.
    OtherKey,
    /// Only a key of another account, or another provider, may succeed.
    OtherAccount,
    /// The same key will do after a moment.
    Wait,
    /// Every key would get the same answer.
    Stop,
}

/// What a refusal does to the key that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bench {
    /// The key is suspect; one free probe confirms it.
    Key,
    /// The account is out; only real traffic proves that it is back.
    Account,
    /// Only this key with this model is out.
    KeyAndModel,
    /// The key rests for as long as the provider says.
    Cooldown,
    /// The key is not to blame.
    Nothing,
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Whoever keeps the key.
    KeyHolder,
    /// Whoever wrote the request.
    Caller,
    /// The provider.
    Provider,
    /// The way between.
    Network,
}

impl Cause {
    /// The stable name: in JSON, in metrics, in page file names.
    pub fn slug(self) -> &'static str {
        self.into()
    }

    /// The cause of this name, if there is one.
    pub fn from_slug(slug: &str) -> Option<Self> {
        slug.parse().ok()
    }

    /// Whether this cause is about the key.
    pub const fn verdict(self) -> Verdict {
        self.owner_and_verdict().1
    }

    /// Who can mend it.
    pub const fn owner(self) -> Owner {
        self.owner_and_verdict().0
    }

    const fn owner_and_verdict(self) -> (Owner, Verdict) {
        match self {
            Self::MissingKey
            | Self::EmptyKey
            | Self::PlaceholderKey
            | Self::NotAKeyValue
            | Self::WhitespaceOrNewline
            | Self::QuotesInKey
            | Self::HiddenOrNonAsciiCharacter
            | Self::TruncatedOrMistyped
            | Self::WrongProviderKey
            | Self::WrongBaseUrl
            | Self::WrongEnvVarName
            | Self::EnvNotLoaded
            | Self::StaleValueOverrides
            | Self::InvalidKey
            | Self::RevokedOrRotated
            | Self::LeakedAndAutoDisabled
            | Self::Expired
            | Self::AccountDeactivated
            | Self::AccountSuspended
            | Self::WrongOrganizationOrProject
            | Self::InsufficientPermissionsOrScope
            | Self::IpNotAllowed
            | Self::RegionUnsupported
            | Self::AzureVsOpenaiMixup
            | Self::ModelNotEntitled => (Owner::KeyHolder, Verdict::Auth),
            Self::HeaderMalformed | Self::GatewayVirtualKeyProblem | Self::HiddenDefaultProvider | Self::LibraryBug => {
                (Owner::Caller, Verdict::Auth)
            }
            Self::QuotaExhausted => (Owner::KeyHolder, Verdict::NotAuth),
            Self::RateLimit
            | Self::ModelNotFound
            | Self::ContextTooLong
            | Self::BadRequest
            | Self::AssistantsGone
            | Self::OtherService => (Owner::Caller, Verdict::NotAuth),
            Self::Network | Self::Tls | Self::Timeout | Self::Proxy => (Owner::Network, Verdict::NotAuth),
            Self::ServerError => (Owner::Provider, Verdict::NotAuth),
            Self::Other => (Owner::Provider, Verdict::Unrecognised),
        }
    }

    /// What another attempt may use: the failover table, from how the three providers answer.
    pub const fn failover(self) -> Failover {
        match self {
            Self::MissingKey
            | Self::EmptyKey
            | Self::PlaceholderKey
            | Self::NotAKeyValue
            | Self::WhitespaceOrNewline
            | Self::QuotesInKey
            | Self::HiddenOrNonAsciiCharacter
            | Self::TruncatedOrMistyped
            | Self::WrongProviderKey
            | Self::WrongEnvVarName
            | Self::EnvNotLoaded
            | Self::StaleValueOverrides
            | Self::InvalidKey
            | Self::RevokedOrRotated
            | Self::LeakedAndAutoDisabled
            | Self::Expired
            | Self::WrongOrganizationOrProject
            | Self::InsufficientPermissionsOrScope
            | Self::ModelNotEntitled => Failover::OtherKey,
            Self::AccountDeactivated
            | Self::AccountSuspended
            | Self::IpNotAllowed
            | Self::RegionUnsupported
            | Self::QuotaExhausted => Failover::OtherAccount,
            Self::RateLimit => Failover::Wait,
            Self::WrongBaseUrl
            | Self::HeaderMalformed
            | Self::AzureVsOpenaiMixup
            | Self::GatewayVirtualKeyProblem
            | Self::HiddenDefaultProvider
            | Self::LibraryBug
            | Self::ModelNotFound
            | Self::ContextTooLong
            | Self::BadRequest
            | Self::Network
            | Self::Tls
            | Self::Timeout
            | Self::Proxy
            | Self::ServerError
            | Self::OtherService
            | Self::AssistantsGone
            | Self::Other => Failover::Stop,
        }
    }

    /// What this cause means for a key that worked before: one that is unknown now was not mistyped.
    #[must_use]
    pub const fn after_service(self) -> Self {
        if matches!(self, Self::InvalidKey) { Self::RevokedOrRotated } else { self }
    }

    /// What a refusal for this cause does to the key that met it.
    pub const fn bench(self) -> Bench {
        match self {
            Self::MissingKey
            | Self::EmptyKey
            | Self::PlaceholderKey
            | Self::NotAKeyValue
            | Self::WhitespaceOrNewline
            | Self::QuotesInKey
            | Self::HiddenOrNonAsciiCharacter
            | Self::TruncatedOrMistyped
            | Self::WrongProviderKey
            | Self::WrongEnvVarName
            | Self::EnvNotLoaded
            | Self::StaleValueOverrides
            | Self::InvalidKey
            | Self::RevokedOrRotated
            | Self::LeakedAndAutoDisabled
            | Self::Expired => Bench::Key,
            Self::AccountDeactivated
            | Self::AccountSuspended
            | Self::IpNotAllowed
            | Self::RegionUnsupported
            | Self::QuotaExhausted => Bench::Account,
            Self::InsufficientPermissionsOrScope | Self::ModelNotEntitled => Bench::KeyAndModel,
            Self::RateLimit => Bench::Cooldown,
            Self::WrongOrganizationOrProject
            | Self::WrongBaseUrl
            | Self::HeaderMalformed
            | Self::AzureVsOpenaiMixup
            | Self::GatewayVirtualKeyProblem
            | Self::HiddenDefaultProvider
            | Self::LibraryBug
            | Self::ModelNotFound
            | Self::ContextTooLong
            | Self::BadRequest
            | Self::Network
            | Self::Tls
            | Self::Timeout
            | Self::Proxy
            | Self::ServerError
            | Self::OtherService
            | Self::AssistantsGone
            | Self::Other => Bench::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_go_there_and_back() {
        for cause in Cause::VARIANTS {
            assert_eq!(Cause::from_slug(cause.slug()), Some(*cause));
        }
        assert_eq!(Cause::from_slug("not_a_cause"), None);
    }

    #[test]
    fn a_cause_that_benches_a_key_lets_another_one_try() {
        for cause in Cause::VARIANTS {
            match cause.bench() {
                Bench::Key | Bench::KeyAndModel => assert_eq!(cause.failover(), Failover::OtherKey),
                Bench::Account => assert_eq!(cause.failover(), Failover::OtherAccount),
                Bench::Cooldown => assert_eq!(cause.failover(), Failover::Wait),
                Bench::Nothing => {}
            }
        }
    }
}
