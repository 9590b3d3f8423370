//! Which project owns which server-side object: threads, files, responses, conversations.
//!
//! An object belongs to the project of the key that made it; a key of another project cannot see it.
//! The gateway learns ids from answers that pass through, and keeps the newest ones.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Ids of objects and the projects that own them. Bounded: the oldest are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    projects: HashMap<String, String>,
    order: VecDeque<String>,
}

impl Pins {
    /// Remembers the owner of an object.
    pub(crate) fn learn(&self, id: &str, project: &str) {
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

    /// The owner of an object, if it is known.
    pub(crate) fn project(&self, id: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).projects.get(id).cloned()
    }
}

/// The ids that the beginning of an answer names: `"id": "thread_abc"`, also nested ones.
pub(crate) fn ids_in(answer: &[u8]) -> Vec<&str> {
    let mut ids = Vec::new();
    let mut rest = answer;
    while let Some(at) = memchr::memmem::find(rest, b"\"id\"") {
        rest = &rest[at + 4..];
        let value = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        let Some(value) = value.and_then(|value| value.strip_prefix(b"\"")) else {
            continue;
        };
        if let Some(end) = memchr::memchr(b'"', value)
            && let Ok(id) = std::str::from_utf8(&value[..end])
        {
            ids.push(id);
            if ids.len() == MOST_IDS_AN_ANSWER {
                break;
            }
        }
    }
    ids
}

const LONGEST_ID: usize = 128;
const MOST_IDS: usize = 100_000;
const MOST_IDS_AN_ANSWER: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_wherever_they_stand() {
        let answer = br#"{"id": "thread_1","object":"thread","data":[{ "id":"msg_2" }],"idle":"no","id":3}"#;
        assert_eq!(ids_in(answer), ["thread_1", "msg_2"]);
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
