//! Which project owns which server-side object: threads, files, responses, conversations.
//!
//! An object belongs to the project of the key that made it; a key of another project cannot see it.
//! Ids are learned from answers that pass through, and keeps the newest ones.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::paths::{is_stateful, object_id};
use crate::provider::Paths;

/// A request that names a server-side object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The object's id.
    pub object: String,
    /// The project that owns it.
    pub project: String,
}

/// Ids of objects and the projects that own them. Bounded: the oldest are forgotten.
#[derive(Debug, Default)]
pub struct Pins(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    projects: HashMap<String, String>,
    order: VecDeque<String>,
}

impl Pins {
    /// Remembers the owner of an object.
    pub fn learn(&self, id: &str, project: &str) {
        if id.len() > LONGEST_ID {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.projects.insert(id.to_owned(), project.to_owned()).is_none() {
            known.order.push_back(id.to_owned());
            if known.order.len() > MOST_IDS
                && let Some(oldest) = known.order.pop_front()
            {
                known.projects.remove(&oldest);
            }
        }
    }

    /// Remembers the owner of every object that the beginning of an answer names.
    pub fn learn_from(&self, answer: &[u8], project: &str) {
        for id in ids_in(answer) {
            self.learn(id, project);
        }
    }

    /// The object that a request names in its path or at the beginning of its body, and the project that owns it.
    pub fn pin(&self, paths: &Paths, path: &str, body: &[u8]) -> Option<Pin> {
        if !is_stateful(paths, path) {
            return None;
        }
        let in_body = paths.stateful_members.iter().flat_map(|name| ids_named(body, name));
        object_id(paths, path).into_iter().chain(in_body).find_map(|object| {
            let project = self.project(object)?;
            Some(Pin { object: object.to_owned(), project })
        })
    }

    /// The owner of an object, if it is known.
    pub fn project(&self, id: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).projects.get(id).cloned()
    }
}

/// The ids that the beginning of an answer names: `"id": "thread_abc"`, also nested ones.
fn ids_in(answer: &[u8]) -> Vec<&str> {
    ids_named(answer, "id")
}

/// The ids that stand under a member of this name, at any depth: a string, or a list of strings.
///
/// A prompt that quotes JSON does not count: the quotes around its names are escaped.
fn ids_named<'a>(text: &'a [u8], name: &str) -> Vec<&'a str> {
    let name = format!("\"{name}\"");
    let mut ids = Vec::new();
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, name.as_bytes()) {
        rest = &rest[at + name.len()..];
        let Some(value) = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start) else {
            continue;
        };
        match value.strip_prefix(b"[") {
            Some(list) => ids.extend(strings(list)),
            None => ids.extend(string(value).map(|(id, _)| id)),
        }
        if ids.len() >= MOST_IDS_A_TEXT {
            break;
        }
    }
    ids.truncate(MOST_IDS_A_TEXT);
    ids
}

/// The strings at the beginning of a list.
fn strings(list: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (id, after) = string(rest.trim_ascii_start())?;
        rest = after.trim_ascii_start().strip_prefix(b",").unwrap_or_default();
        Some(id)
    })
    .take(MOST_IDS_A_TEXT)
}

/// A string without escapes, as ids are, and what follows it.
fn string(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', text)?;
    Some((std::str::from_utf8(&text[..end]).ok()?, &text[end + 1..]))
}

const LONGEST_ID: usize = 128;
const MOST_IDS: usize = 100_000;
const MOST_IDS_A_TEXT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_wherever_they_stand() {
        let answer = br#"{"id": "thread_1","object":"thread","data":[{ "id":"msg_2" }],"idle":"no","id":3}"#;
        assert_eq!(ids_in(answer), ["thread_1", "msg_2"]);
    }

    #[test]
    fn a_member_may_hold_one_id_or_several() {
        let body = br#"{"tool_resources":{"code_interpreter":{"file_ids": ["file-1" , "file-2"]}},"file_id":"file-3",
            "file_ids":[],"content":"{\"file_ids\":[\"file-4\"]}","file_ids":[7,"file-5"],"file_ids":["#;
        assert_eq!(ids_named(body, "file_ids"), ["file-1", "file-2"]);
        assert_eq!(ids_named(body, "file_id"), ["file-3"]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let pins = Pins::default();
        for n in 0..=MOST_IDS {
            pins.learn(&format!("thread_{n}"), "p");
        }
        assert_eq!(pins.project("thread_0"), None);
        assert_eq!(pins.project("thread_1").as_deref(), Some("p"));
    }
}
