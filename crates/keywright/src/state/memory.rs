//! The state as a running program uses it: it notes without waiting, and asks in moments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use keywright_core::diagnosis::spoken;
use keywright_core::{Fingerprinter, Secret};

use super::history::{Entry, Event, History, Subject};
use super::recall::{self, LastKnownGood, Place};
use super::seal::{KeptIn, Seal};
use super::{Directory, StateError, Timestamp};
use crate::sources::{Found, Miss, Reference};

/// What a running program keeps in the state.
#[derive(Clone, Debug)]
pub struct Keeps {
    /// Whether what happens to keys is noted, and asked for.
    pub history: bool,
    /// For how long the last value of a key that served is kept; `None` keeps none.
    pub last_known_good: Option<Duration>,
    /// The folder in which the program runs: the same reference means another key in another one.
    pub scope: String,
}

/// The state of this installation in a running program. Clones share one writer.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keeps: Keeps,
    /// A connection of its own: a reader does not wait for the writer.
    reader: Mutex<History>,
    fingerprinter: Fingerprinter,
    seal: Arc<Seal>,
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    /// What kept a value from being recalled last. It is said once, not at every look.
    recall_trouble: Mutex<Option<StateError>>,
}

enum Message {
    Note(Event),
    Remember {
        place: Place,
        subject: Subject,
        secret: Secret,
        at: Timestamp,
    },
    /// Without a history, a refused value is forgotten all the same.
    Forget(Subject),
    StandsIn {
        place: Place,
        since: Option<Timestamp>,
    },
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl Memory {
    /// Opens the state, and starts the thread that writes to it. The thread ends with the last clone.
    pub fn start(directory: &Directory, keeps: Keeps) -> Result<Self, StateError> {
        Self::sealing(directory, keeps, Seal::new)
    }

    pub(super) fn sealing(
        directory: &Directory,
        keeps: Keeps,
        seal: impl FnOnce(Directory, Fingerprinter) -> Seal,
    ) -> Result<Self, StateError> {
        let history = History::open(directory)?;
        let reader = History::open(directory)?;
        let fingerprinter = reader.fingerprinter().clone();
        let seal = Arc::new(seal(directory.clone(), fingerprinter.clone()));
        let (queue, messages) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { history, seal: Arc::clone(&seal), lost: Arc::clone(&lost), trouble: None };
        thread::Builder::new()
            .name("keywright-state".to_owned())
            .spawn(move || writer.work(&messages))
            .map_err(|error| StateError::of_io(directory.path(), &error))?;
        Ok(Self(Arc::new(Inner {
            keeps,
            reader: Mutex::new(reader),
            fingerprinter,
            seal,
            queue,
            lost,
            recall_trouble: Mutex::default(),
        })))
    }

    /// A key as the history knows it.
    pub fn subject(&self, provider: &str, secret: &Secret, reference: impl Into<String>) -> Subject {
        Subject::of(&self.0.fingerprinter, provider, secret, reference)
    }

    /// What is known about a key; nothing, if that cannot be read.
    pub fn known(&self, provider: &str, secret: &Secret) -> Option<Entry> {
        if !self.0.keeps.history {
            return None;
        }
        self.reader().known(provider, secret).unwrap_or_else(|error| {
            tracing::warn!(%error, help = error.help(), "the history of keys cannot be read");
            None
        })
    }

    /// Notes an event soon. It never waits: when the writer is far behind, the event is counted as lost.
    pub fn note(&self, event: Event) {
        if self.0.keeps.history {
            self.send(Message::Note(event));
        } else if event.ends_service() {
            self.send(Message::Forget(event.subject));
        }
    }

    /// Keeps a value that served, encrypted. It never waits.
    pub fn remember(&self, subject: &Subject, secret: &Secret, at: Timestamp) {
        if self.0.keeps.last_known_good.is_some() {
            let place = self.place(&subject.provider, &subject.reference);
            self.send(Message::Remember { place, subject: subject.clone(), secret: secret.clone(), at });
        }
    }

    /// The value that served last for this reference, if it did so while it may be kept. It may wait for the keyring.
    pub fn last_known_good(&self, provider: &str, reference: &str) -> Option<LastKnownGood> {
        let since = Timestamp::now().before(self.0.keeps.last_known_good?);
        let place = self.place(provider, reference);
        let row = recall::recall(&mut self.reader().store, &place, since);
        let found = row.and_then(|row| {
            let Some((sealed, last_good)) = row else {
                return Ok(None);
            };
            Ok(self.0.seal.open(KeptIn::of(reference), &sealed)?.map(|secret| LastKnownGood { secret, last_good }))
        });
        match found {
            Ok(found) => {
                if found.is_some() {
                    *self.recall_trouble() = None;
                }
                found
            }
            Err(error) => {
                if self.recall_trouble().replace(error.clone()).as_ref() != Some(&error) {
                    tracing::warn!(%error, help = error.help(), "the last known good keys cannot be read");
                }
                None
            }
        }
    }

    /// What stands in for a key whose source cannot say what the key is. A source that says that there is none is believed.
    pub fn stand_in(&self, provider: &str, reference: &Reference, miss: &Miss) -> Option<Found> {
        let good = miss.is_outage().then(|| self.last_known_good(provider, &reference.to_string())).flatten()?;
        Some(Found { secret: good.secret, reference: reference.clone(), place: told(reference, good.last_good) })
    }

    /// Notes that the last known good value begins to serve in the place of what the source gives, or does so no more.
    pub fn note_stand_in(&self, provider: &str, reference: &str, stands_in: bool) {
        let place = self.place(provider, reference);
        self.send(Message::StandsIn { place, since: stands_in.then(Timestamp::now) });
    }

    /// What could not be kept.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until what was noted is written, at most this long; true when it is.
    pub fn flush(&self, patience: Duration) -> bool {
        let (done, written) = sync_channel(1);
        self.0.queue.try_send(Message::Flush(done)).is_ok() && written.recv_timeout(patience).is_ok()
    }

    fn send(&self, message: Message) {
        if self.0.queue.try_send(message).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn place(&self, provider: &str, reference: &str) -> Place {
        let (provider, reference) = (provider.to_owned(), reference.to_owned());
        Place { scope: self.0.keeps.scope.clone(), provider, reference }
    }

    fn recall_trouble(&self) -> MutexGuard<'_, Option<StateError>> {
        self.0.recall_trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, History> {
        self.0.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a last known good value is from, in words.
pub fn told(reference: &impl std::fmt::Display, last_good: Timestamp) -> String {
    format!("last known good key of {reference}, which served {} ago", spoken(last_good.until(Timestamp::now())))
}

/// The one thread that writes.
struct Writer {
    history: History,
    seal: Arc<Seal>,
    lost: Arc<AtomicU64>,
    /// What went wrong last. It is said once, not for every event of a full disk.
    trouble: Option<StateError>,
}

impl Writer {
    fn work(&mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let (mut events, mut waiting) = (Vec::new(), Vec::new());
            for message in std::iter::once(first).chain(messages.try_iter().take(BATCH)) {
                match message {
                    Message::Note(event) => events.push(event),
                    Message::Flush(done) => waiting.push(done),
                    // In the order of what happened: a refusal forgets what was remembered before it.
                    Message::Remember { place, subject, secret, at } => {
                        self.write(&mut events);
                        let kept = recall::remember(&mut self.history.store, &self.seal, &place, &subject, &secret, at);
                        self.judge(kept, 1);
                    }
                    Message::Forget(subject) => {
                        let forgotten = recall::forget_value(&mut self.history.store, &subject);
                        self.judge(forgotten, 1);
                    }
                    Message::StandsIn { place, since } => {
                        self.write(&mut events);
                        let noted = recall::note_stand_in(&mut self.history.store, &place, since);
                        self.judge(noted, 1);
                    }
                }
            }
            self.write(&mut events);
            for done in waiting {
                // Whoever waited may have given up.
                let _ = done.try_send(());
            }
        }
    }

    fn write(&mut self, events: &mut Vec<Event>) {
        if !events.is_empty() {
            let written = self.history.note(events, Timestamp::now());
            self.judge(written, events.len());
            events.clear();
        }
    }

    fn judge(&mut self, written: Result<(), StateError>, events: usize) {
        if let Err(error) = &written {
            self.lost.fetch_add(events as u64, Ordering::Relaxed);
            if self.trouble.as_ref() != Some(error) {
                tracing::warn!(%error, help = error.help(), events, "the state of this installation cannot be written");
            }
        }
        self.trouble = written.err();
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

    fn start(directory: &Directory) -> Memory {
        let keeps = Keeps { history: true, last_known_good: None, scope: "/".to_owned() };
        Memory::start(directory, keeps).expect("started")
    }

    #[test]
    fn what_was_noted_is_known_to_the_next_process() {
        let home = tempfile::tempdir().expect("a folder");
        let directory = Directory::at(home.path().join("state"));
        let key = Secret::new("sk-proj-1");
        let memory = start(&directory);
        assert_eq!(memory.known("openai", &key), None);
        let subject = memory.subject("openai", &key, "env://OPENAI_API_KEY");
        for what in [Happening::Good { served: 2 }, Happening::Bad { cause: Cause::InvalidKey }] {
            memory.note(Event { subject: subject.clone(), at: Timestamp::now(), what });
        }
        assert!(memory.flush(Duration::from_secs(60)));
        drop(memory);
        let known = start(&directory).known("openai", &key).expect("known");
        assert_eq!((known.served, known.cause), (2, Some(Cause::InvalidKey)));
    }

    #[test]
    fn a_writer_that_cannot_write_stops_nobody_and_is_counted() {
        let home = tempfile::tempdir().expect("a folder");
        let directory = Directory::at(home.path().join("state"));
        let memory = start(&directory);
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
