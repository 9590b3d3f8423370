//! The objects that clients create: files, threads, batches and the like, bounded in number and bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One object and whose it is.
pub(crate) struct Object {
    pub(crate) kind: &'static str,
    /// The object it lives in, such as the thread of a message; empty for none.
    pub(crate) parent: String,
    /// Whose it is: a project at OpenAI and Together, an account at Fireworks.
    pub(crate) project: String,
    pub(crate) value: Value,
    /// What the client must not see: secrets of made keys, content of small files.
    pub(crate) hidden: Vec<u8>,
    size: usize,
}

/// Where an object is looked for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) kind: &'static str,
    pub(crate) parent: &'a str,
    pub(crate) project: &'a str,
}

/// Which part of a list is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) limit: usize,
    pub(crate) oldest_first: bool,
    pub(crate) after: Option<&'a str>,
}

#[derive(Default)]
struct Inner {
    objects: HashMap<String, Object>,
    order: VecDeque<String>,
    bytes: usize,
}

#[derive(Default)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

impl Store {
    /// Keeps an object; the oldest ones leave when there are too many.
    pub(crate) fn insert(&self, place: Place<'_>, id: &str, value: Value) {
        self.insert_hiding(place, id, value, Vec::new());
    }

    pub(crate) fn insert_hiding(&self, place: Place<'_>, id: &str, value: Value, hidden: Vec<u8>) {
        let size = rough_size(&value) + hidden.len() + 256;
        let object = Object {
            kind: place.kind,
            parent: place.parent.to_owned(),
            project: place.project.to_owned(),
            value,
            hidden,
            size,
        };
        let mut inner = self.lock();
        if let Some(old) = inner.objects.insert(id.to_owned(), object) {
            inner.bytes = inner.bytes.saturating_sub(old.size);
        } else {
            inner.order.push_back(id.to_owned());
        }
        inner.bytes += size;
        while inner.objects.len() > MOST_OBJECTS || inner.bytes > MOST_BYTES {
            let Some(oldest) = inner.order.pop_front() else {
                break;
            };
            if let Some(gone) = inner.objects.remove(&oldest) {
                inner.bytes = inner.bytes.saturating_sub(gone.size);
            }
        }
    }

    /// Reads or changes an object, if it is there and belongs to the caller.
    pub(crate) fn with<T>(&self, place: Place<'_>, id: &str, act: impl FnOnce(&mut Object) -> T) -> Option<T> {
        let mut inner = self.lock();
        let object = inner.objects.get_mut(id).filter(|object| object.is_at(place))?;
        let result = act(object);
        let (old, new) = (object.size, rough_size(&object.value) + object.hidden.len() + 256);
        object.size = new;
        inner.bytes = inner.bytes.saturating_sub(old) + new;
        Some(result)
    }

    pub(crate) fn value(&self, place: Place<'_>, id: &str) -> Option<Value> {
        let inner = self.lock();
        let object = inner.objects.get(id).filter(|object| object.is_at(place))?;
        Some(object.value.clone())
    }

    pub(crate) fn remove(&self, place: Place<'_>, id: &str) -> Option<Object> {
        let mut inner = self.lock();
        inner.objects.get(id).filter(|object| object.is_at(place))?;
        let object = inner.objects.remove(id)?;
        inner.bytes = inner.bytes.saturating_sub(object.size);
        inner.order.retain(|other| other != id);
        Some(object)
    }

    /// A page of objects, and whether more follow.
    pub(crate) fn list(&self, place: Place<'_>, page: Page<'_>) -> (Vec<Value>, bool) {
        let inner = self.lock();
        let mut found: Vec<(&String, &Object)> = inner
            .order
            .iter()
            .filter_map(|id| Some((id, inner.objects.get(id)?)))
            .filter(|(_, object)| object.is_at(place))
            .collect();
        if !page.oldest_first {
            found.reverse();
        }
        let start = page.after.and_then(|after| found.iter().position(|(id, _)| *id == after)).map_or(0, |at| at + 1);
        let rest = &found[start..];
        let values = rest.iter().take(page.limit).map(|(_, object)| object.value.clone()).collect();
        (values, rest.len() > page.limit)
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object {
    fn is_at(&self, place: Place<'_>) -> bool {
        self.kind == place.kind && self.parent == place.parent && self.project == place.project
    }
}

/// About how many bytes a value holds.
fn rough_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
        Value::String(text) => 24 + text.len(),
        Value::Array(items) => 24 + items.iter().map(rough_size).sum::<usize>(),
        Value::Object(fields) => {
            48 + fields.iter().map(|(name, value)| 48 + name.len() + rough_size(value)).sum::<usize>()
        }
    }
}

const MOST_OBJECTS: usize = 20_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HERE: Place<'static> = Place { kind: "file", parent: "", project: "a" };
    const ALL: Page<'static> = Page { limit: 2, oldest_first: true, after: None };

    #[test]
    fn a_project_sees_its_own_objects_only() {
        let store = Store::default();
        store.insert(HERE, "file-1", json!({"id": "file-1"}));
        assert!(store.value(HERE, "file-1").is_some());
        assert!(store.value(Place { project: "b", ..HERE }, "file-1").is_none());
        assert!(store.remove(Place { project: "b", ..HERE }, "file-1").is_none());
    }

    #[test]
    fn lists_come_in_pages() {
        let store = Store::default();
        for id in ["a", "b", "c"] {
            store.insert(HERE, id, json!(id));
        }
        assert_eq!(store.list(HERE, ALL), (vec![json!("a"), json!("b")], true));
        let rest = Page { after: Some("b"), ..ALL };
        assert_eq!(store.list(HERE, rest), (vec![json!("c")], false));
    }

    #[test]
    fn the_store_is_bounded() {
        let store = Store::default();
        for number in 0..MOST_OBJECTS + 10 {
            store.insert(HERE, &number.to_string(), json!(number));
        }
        assert!(store.value(HERE, "9").is_none());
        assert!(store.value(HERE, "10").is_some());
        store.insert_hiding(HERE, "big", json!(1), vec![0; MOST_BYTES + 1]);
        assert!(store.value(HERE, "big").is_none(), "what cannot fit does not stay");
    }
}
