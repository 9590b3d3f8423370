//! Whose a variable is: by its name, by a slip in its name, by the shape of its value.

use super::names::is_near_miss;
use crate::catalogue::Catalogue;
use crate::provider::{ProviderSpec, VariableRole, VariableStanding};

/// The names under which further keys of a variable are looked for.
///
/// ```
/// use keywright_core::inspect::owner::sibling_names;
/// let names: Vec<String> = sibling_names("OPENAI_API_KEY").collect();
/// assert_eq!(names.first().map(String::as_str), Some("OPENAI_API_KEY_1"));
/// assert_eq!(names.last().map(String::as_str), Some("OPENAI_API_KEY_BACKUP"));
/// ```
pub fn sibling_names(name: &str) -> impl Iterator<Item = String> {
    let numbered = (1..=9).map(|number| number.to_string());
    numbered.chain(["BACKUP".to_owned()]).map(move |end| format!("{name}_{end}"))
}

/// The provider that a variable's name belongs to.
pub fn by_name(name: &str) -> Option<&'static ProviderSpec> {
    providers().find(|provider| {
        provider.variables.iter().any(|variable| variable.name == name)
            || provider
                .key_variable()
                .is_some_and(|key| name.starts_with(key) && sibling_names(key).any(|sibling| sibling == name))
    })
}

/// The provider whose keys alone look like this value.
pub fn by_shape(value: &str) -> Option<&'static ProviderSpec> {
    providers().find(|provider| {
        provider.keys.iter().any(|shape| !shape.weak && !shape.prefix.is_empty() && shape.fits(value.trim()))
    })
}

/// The provider whose key a variable holds, or is meant to hold.
pub fn of_key(name: &str, value: &str) -> Option<&'static ProviderSpec> {
    let keys = [VariableRole::Key, VariableRole::AdminKey];
    match by_name(name) {
        Some(owner) => {
            let other = owner.variables.iter().any(|variable| variable.name == name && !keys.contains(&variable.role));
            (!other).then_some(owner)
        }
        None => near_miss(name).or_else(|| by_shape(value)),
    }
}

/// The name that programs read, for one that people set in its place and nothing reads.
///
/// ```
/// use keywright_core::inspect::owner::meant_name;
/// assert_eq!(meant_name("OPENAI_APIKEY"), Some("OPENAI_API_KEY"));
/// assert_eq!(meant_name("OPEN_AI_API_KEY"), Some("OPENAI_API_KEY"));
/// assert_eq!(meant_name("CODEX_API_KEY"), None);
/// ```
pub fn meant_name(name: &str) -> Option<&'static str> {
    let owner = match by_name(name) {
        Some(owner) => {
            let mut keys = owner.variables_of(VariableRole::Key).filter(|variable| variable.name == name);
            keys.any(|variable| variable.standing == VariableStanding::Mistaken).then_some(owner)
        }
        None => near_miss(name),
    }?;
    owner.key_variable().filter(|official| *official != name)
}

/// The one provider whose key's name this almost is.
fn near_miss(name: &str) -> Option<&'static ProviderSpec> {
    let mut near = providers().filter(|provider| provider.key_variable().is_some_and(|key| is_near_miss(name, key)));
    let owner = near.next()?;
    near.next().is_none().then_some(owner)
}

fn providers() -> impl Iterator<Item = &'static ProviderSpec> {
    Catalogue::builtin().providers().iter()
}
