//! What is in the stores.

use std::path::Path;

use keywright_core::{ProviderSpec, Secret};

use super::{KeyName, Kind, StoreError};
use crate::sources::{Asked, Found, Reference};

/// The keys that were found in the stores.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Store by store, in the order of use.
    pub keys: Vec<Kept>,
    /// The stores that gave nothing, and why.
    pub asked: Vec<Asked>,
    /// Those of them that may hold keys: nobody could look into them.
    pub unopened: Vec<(Kind, StoreError)>,
}

/// One key of a store.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Whose key it is.
    pub provider: &'static ProviderSpec,
    /// Its name among the keys of this provider in this store.
    pub name: KeyName,
    /// The store.
    pub kind: Kind,
    /// The value, and the reference that leads to it.
    pub found: Found,
}

impl Shelf {
    /// The keys of one provider.
    pub fn of<'a>(&'a self, provider: &'a ProviderSpec) -> impl Iterator<Item = &'a Kept> {
        self.keys.iter().filter(move |kept| kept.provider.id == provider.id)
    }
}

/// The fields of a vault that are keys of these providers.
pub(super) fn of_vault(path: &Path, fields: Vec<(String, Secret)>, providers: &[&'static ProviderSpec]) -> Vec<Kept> {
    let owner =
        |field: &str| providers.iter().find_map(|provider| Some((*provider, KeyName::of_field(field, provider)?)));
    let kept = fields.into_iter().filter_map(|(field, secret)| {
        let (provider, name) = owner(&field)?;
        let place = format!("key vault, {field}");
        let reference = Reference::Age { path: path.to_owned(), field };
        Some(Kept { provider, name, kind: Kind::Age, found: Found { secret, reference, place } })
    });
    in_order(kept.collect())
}

/// Provider by provider, in the order of use.
pub(super) fn in_order(mut kept: Vec<Kept>) -> Vec<Kept> {
    kept.sort_by(|a, b| (&a.provider.id, a.name.rank()).cmp(&(&b.provider.id, b.name.rank())));
    kept
}
