//! The name of a key among those of its provider.

use std::fmt;
use std::str::FromStr;

use keywright_core::ProviderSpec;

use crate::sources::reference::looks_like_a_key;

/// The name of a key among those of its provider. Names are shown; keys are not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Why a text is no name. No variant holds it: it may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was written.
    #[error("the name is empty")]
    Empty,
    /// It is too long.
    #[error("the name is longer than {LONGEST} characters")]
    TooLong,
    /// It has other characters.
    #[error("a name has letters, digits, `-`, `_` and `.` only")]
    Characters,
    /// It looks like a key.
    #[error("that looks like a key; a name is shown everywhere")]
    Key,
}

impl KeyName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which the key before this one is kept.
    #[must_use]
    pub fn previous(&self) -> Self {
        Self(if *self == Self::default() { PREVIOUS.to_owned() } else { format!("{}.{PREVIOUS}", self.0) })
    }

    /// Whether the key was replaced by another one that has not proved itself yet.
    pub fn is_previous(&self) -> bool {
        self.0 == PREVIOUS || self.0.strip_suffix(PREVIOUS).is_some_and(|before| before.ends_with('.'))
    }

    /// The field of the vault: `openai`, `openai/team-b`.
    pub(super) fn field(&self, provider: &ProviderSpec) -> String {
        if *self == Self::default() { provider.id.clone() } else { format!("{}/{self}", provider.id) }
    }

    /// The name that a field of the vault states, if it belongs to this provider.
    pub(super) fn of_field(field: &str, provider: &ProviderSpec) -> Option<Self> {
        match field.strip_prefix(provider.id.as_str())? {
            "" => Some(Self::default()),
            rest => rest.strip_prefix('/')?.parse().ok(),
        }
    }

    /// The order in which keys are used: the default first, what was replaced last.
    pub(super) fn rank(&self) -> (bool, bool, &str) {
        (self.is_previous(), *self != Self::default(), &self.0)
    }
}

impl Default for KeyName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for KeyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match text {
            "" => Err(NameError::Empty),
            _ if looks_like_a_key(text) => Err(NameError::Key),
            _ if text.len() > LONGEST => Err(NameError::TooLong),
            _ if !text.chars().all(allowed) => Err(NameError::Characters),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const PREVIOUS: &str = "previous";
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use keywright_core::Catalogue;

    use super::*;

    #[test]
    fn a_name_is_a_name_and_no_key() {
        for good in ["default", "team-b", "1", "prod.eu_west"] {
            assert_eq!(good.parse::<KeyName>().expect(good).as_str(), good);
        }
        let long = "a".repeat(LONGEST + 1);
        for (bad, why) in [
            ("", NameError::Empty),
            ("a b", NameError::Characters),
            ("a/b", NameError::Characters),
            (&long, NameError::TooLong),
            ("sk-proj-abcdefghijklmnopqrstuvwxyz123456", NameError::Key),
        ] {
            assert_eq!(bad.parse::<KeyName>(), Err(why));
        }
    }

    #[test]
    fn fields_go_there_and_back() {
        let openai = Catalogue::builtin().provider("openai").expect("in the catalogue");
        let named: KeyName = "team-b".parse().expect("a name");
        for (name, field) in [
            (KeyName::default(), "openai"),
            (named.clone(), "openai/team-b"),
            (KeyName::default().previous(), "openai/previous"),
            (named.previous(), "openai/team-b.previous"),
        ] {
            assert_eq!(name.field(openai), field);
            assert_eq!(KeyName::of_field(field, openai), Some(name));
        }
        for other in ["openai-x", "together", "openai/", "openai/a b"] {
            assert_eq!(KeyName::of_field(other, openai), None, "{other}");
        }
        assert!(named.previous().is_previous() && !named.is_previous());
    }
}
