//! What one key tells the history of this installation, and what the history knows about it.
//!
//! Nothing here waits for a disk, but for the one read when a value comes in, which is away from the data path.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keywright_core::ring::Moment;
use keywright_core::{Cause, Secret};

use super::{Entry, Event, Happening, Memory, Subject, Timestamp};

/// The chronicle of one key. Without a memory it does nothing.
#[derive(Debug)]
pub struct Chronicle {
    memory: Option<Memory>,
    provider: String,
    reference: String,
    page: Mutex<Option<Page>>,
}

/// About the value that the key has now.
#[derive(Debug)]
struct Page {
    subject: Subject,
    /// What was known when it came in.
    past: Option<Entry>,
    /// Whether it is the last known good value.
    stands_in: bool,
    /// Of the requests that it served, those that were told.
    told: u64,
    /// When the next ones may be told.
    next: Moment,
}

impl Chronicle {
    /// The chronicle of the key that this reference leads to.
    pub fn new(memory: Option<Memory>, provider: &str, reference: &str) -> Self {
        Self { memory, provider: provider.to_owned(), reference: reference.to_owned(), page: Mutex::default() }
    }

    /// A value came in: from the source, or in its place.
    pub fn open(&self, secret: &Secret, stands_in: bool) {
        let Some(memory) = &self.memory else {
            return;
        };
        let subject = memory.subject(&self.provider, secret, self.reference.clone());
        let past = memory.known(&self.provider, secret);
        memory.note(Event { subject: subject.clone(), at: Timestamp::now(), what: Happening::Seen });
        let stood_in = self.page().replace(Page { subject, past, stands_in, told: 0, next: Moment(0) });
        if stands_in || stood_in.is_none_or(|page| page.stands_in) {
            memory.note_stand_in(&self.provider, &self.reference, stands_in);
        }
    }

    /// The value is gone.
    pub fn close(&self) {
        *self.page() = None;
    }

    /// What earlier processes knew about the value.
    pub fn past(&self) -> Option<Entry> {
        self.page().as_ref().and_then(|page| page.past.clone())
    }

    /// So many requests it has served until now, the last one then. They are told now and then, or all when it matters;
    /// true when they were.
    pub fn served(&self, served: u64, last: Timestamp, all: bool, now: Moment) -> bool {
        let mut page = self.page();
        let Some(page) = page.as_mut().filter(|page| served > page.told && (all || page.next <= now)) else {
            return false;
        };
        let happening = Happening::Good { served: served - page.told };
        page.told = served;
        page.next = now.after(BETWEEN);
        self.note(page, last, happening);
        true
    }

    /// Its source handed it out, and it served then.
    pub fn remember(&self, secret: &Secret, last: Timestamp) {
        if let (Some(memory), Some(page)) = (&self.memory, self.page().as_ref()) {
            memory.remember(&page.subject, secret, last);
        }
    }

    /// A look proved it.
    pub fn proved(&self) {
        if let Some(page) = self.page().as_ref() {
            self.note(page, Timestamp::now(), Happening::Good { served: 0 });
        }
    }

    /// The provider refuses it.
    pub fn refused(&self, cause: Cause) {
        if let Some(page) = self.page().as_ref() {
            self.note(page, Timestamp::now(), Happening::Bad { cause });
        }
    }

    fn note(&self, page: &Page, at: Timestamp, what: Happening) {
        if let Some(memory) = &self.memory {
            memory.note(Event { subject: page.subject.clone(), at, what });
        }
    }

    fn page(&self) -> MutexGuard<'_, Option<Page>> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that a key serves are told this often: what a killed process forgets.
const BETWEEN: Duration = Duration::from_secs(60);
