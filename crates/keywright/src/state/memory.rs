//! The state as a running program uses it: it notes without waiting, and asks in moments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use keywright_core::{Fingerprinter, Secret};

use super::history::{Entry, Event, History, Subject};
use super::{Directory, StateError, Timestamp};

/// The state of this installation in a running program. Clones share one writer.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// A connection of its own: a reader does not wait for the writer.
    reader: Mutex<History>,
    fingerprinter: Fingerprinter,
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

enum Message {
    Note(Event),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl Memory {
    /// Opens the state, and starts the thread that writes to it. The thread ends with the last clone.
    pub fn start(directory: &Directory) -> Result<Self, StateError> {
        let writer = History::open(directory)?;
        let reader = History::open(directory)?;
        let (queue, messages) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        thread::Builder::new()
            .name("keywright-state".to_owned())
            .spawn(move || write(writer, &messages, &counter))
            .map_err(|error| StateError::of_io(directory.path(), &error))?;
        let fingerprinter = reader.fingerprinter().clone();
        Ok(Self(Arc::new(Inner { reader: Mutex::new(reader), fingerprinter, queue, lost })))
    }

    /// A key as the history knows it.
    pub fn subject(&self, provider: &str, secret: &Secret, reference: impl Into<String>) -> Subject {
        Subject::of(&self.0.fingerprinter, provider, secret, reference)
    }

    /// What is known about a key; nothing, if that cannot be read.
    pub fn known(&self, provider: &str, secret: &Secret) -> Option<Entry> {
        let known = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).known(provider, secret);
        known.unwrap_or_else(|error| {
            tracing::warn!(%error, help = error.help(), "the history of keys cannot be read");
            None
        })
    }

    /// Notes an event soon. It never waits: when the writer is far behind, the event is counted as lost.
    pub fn note(&self, event: Event) {
        if self.0.queue.try_send(Message::Note(event)).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that could not be kept.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until what was noted is written, at most this long; true when it is.
    pub fn flush(&self, patience: Duration) -> bool {
        let (done, written) = sync_channel(1);
        self.0.queue.try_send(Message::Flush(done)).is_ok() && written.recv_timeout(patience).is_ok()
    }
}

fn write(mut history: History, messages: &Receiver<Message>, lost: &AtomicU64) {
    let mut trouble = None;
    while let Ok(first) = messages.recv() {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for message in std::iter::once(first).chain(messages.try_iter().take(BATCH)) {
            match message {
                Message::Note(event) => events.push(event),
                Message::Flush(done) => waiting.push(done),
            }
        }
        let written = if events.is_empty() { Ok(()) } else { history.note(&events, Timestamp::now()) };
        if let Err(error) = &written {
            lost.fetch_add(events.len() as u64, Ordering::Relaxed);
            // Said once, not for every event of a full disk.
            if trouble.as_ref() != Some(error) {
                tracing::warn!(%error, help = error.help(), events = events.len(), "the history of keys cannot be written");
            }
        }
        trouble = written.err();
        for done in waiting {
            // Whoever waited may have given up.
            let _ = done.try_send(());
        }
    }
}

/// Events that wait for the writer; a key's life has a handful.
const QUEUE: usize = 1_024;
/// Events of one transaction.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use keywright_core::Cause;

    use super::*;
    use crate::state::history::Happening;

    #[test]
    fn what_was_noted_is_known_to_the_next_process() {
        let home = tempfile::tempdir().expect("a folder");
        let directory = Directory::at(home.path().join("state"));
        let key = Secret::new("sk-proj-1");
        let memory = Memory::start(&directory).expect("started");
        assert_eq!(memory.known("openai", &key), None);
        let subject = memory.subject("openai", &key, "env://OPENAI_API_KEY");
        for what in [Happening::Good { served: 2 }, Happening::Bad { cause: Cause::InvalidKey }] {
            memory.note(Event { subject: subject.clone(), at: Timestamp::now(), what });
        }
        assert!(memory.flush(Duration::from_secs(60)));
        drop(memory);
        let known = Memory::start(&directory).expect("started").known("openai", &key).expect("known");
        assert_eq!((known.served, known.cause), (2, Some(Cause::InvalidKey)));
    }

    #[test]
    fn a_writer_that_cannot_write_stops_nobody_and_is_counted() {
        let home = tempfile::tempdir().expect("a folder");
        let directory = Directory::at(home.path().join("state"));
        let memory = Memory::start(&directory).expect("started");
        let subject = memory.subject("openai", &Secret::new("sk-proj-1"), "env://OPENAI_API_KEY");
        let mut other = crate::state::Store::open(&directory).expect("opened");
        other.write(|transaction| transaction.execute_batch("DROP TABLE history")).expect("dropped");
        for at in 0..3 {
            memory.note(Event { subject: subject.clone(), at: Timestamp(at), what: Happening::Seen });
        }
        assert!(memory.flush(Duration::from_secs(60)), "it answers all the same");
        assert_eq!(memory.lost(), 3);
        assert_eq!(memory.known("openai", &Secret::new("sk-proj-1")), None);
    }
}
