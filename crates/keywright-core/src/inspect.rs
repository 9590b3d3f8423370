//! Offline inspection: what is wrong with a value that should be a key, and with what surrounds it.
//!
//! Pure: values in, findings out. A finding names the place of the trouble, never the value.
//!
//! - [`inspect`] and [`inspect_at`] look at one value.
//! - [`mod@names`], [`mod@base_url`] and [`mod@headers`] look at the variables of one provider.
//! - [`mod@surroundings`] looks at what all providers share: proxies, variables that send requests elsewhere.
//! - [`mod@proxy`] says which proxy applies to a host; [`mod@certificates`] looks at the files of trusted certificates.
//! - [`mod@live`] says what a provider's answers tell about a key, [`mod@reach`] why there was none.
//! - [`mod@files`] looks at dotenv files; [`mod@mend`] writes them as they should be.

pub mod base_url;
pub mod certificates;
mod character;
mod encoded;
pub mod files;
mod finding;
pub mod headers;
pub mod live;
pub mod mend;
pub mod names;
pub mod owner;
mod paste;
mod placeholder;
pub mod proxy;
pub mod reach;
pub mod setting;
mod shape;
pub mod surroundings;

pub use character::{code_point, name_of};
pub use encoded::expiry;
pub use finding::{Finding, Mend, Place, Severity};
pub use paste::cleaned;
pub use placeholder::is_filler;
pub use setting::{Holder, Setting};

use crate::cause::Cause;
use crate::provider::ProviderSpec;

/// Inspects a value meant as a key of `provider`, without a clock. The worst finding comes first.
///
/// A shape that no catalogued kind of key has is a warning, never an error: shapes drift.
pub fn inspect(value: &str, provider: &ProviderSpec) -> Vec<Finding> {
    inspect_at(value, provider, None)
}

/// The same at a moment, in seconds since 1970: a token whose time is over is found too.
pub fn inspect_at(value: &str, provider: &ProviderSpec, now: Option<u64>) -> Vec<Finding> {
    if value.is_empty() {
        return vec![Finding::error(Cause::EmptyKey, "the value is empty")];
    }
    if value.trim().is_empty() {
        return vec![paste::blank(value)];
    }
    if let Some(finding) = placeholder::instead_of_a_key(value) {
        return vec![finding];
    }
    let mut findings = paste::around_and_inside(value);
    if findings.is_empty() {
        findings.extend(shape::judge(value, provider, now));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

#[cfg(test)]
mod tests;
