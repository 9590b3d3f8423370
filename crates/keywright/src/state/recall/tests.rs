use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use keywright_core::Cause;

use super::*;
use crate::sources::{Miss, Reference, SourceError};
use crate::state::seal::{Answer, Keyring};
use crate::state::{Directory, Event, Happening, History, Keeps, Memory};

const KEY: &str = "sk-proj-4711abcdefghijklmnopqrstuvwxyz";
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn directory(home: &tempfile::TempDir) -> Directory {
    Directory::at(home.path().join("state"))
}

fn start(home: &tempfile::TempDir, scope: &str, last_known_good: Option<Duration>) -> Memory {
    let keeps = Keeps { history: true, last_known_good, scope: scope.to_owned() };
    Memory::start(&directory(home), keeps).expect("started")
}

/// The key served so long ago.
fn remember(memory: &Memory, key: &str, ago: Duration) {
    let secret = Secret::new(key);
    let subject = memory.subject("openai", &secret, "vault://secret/llm#openai");
    memory.remember(&subject, &secret, Timestamp::now().before(ago));
    assert!(memory.flush(PATIENCE));
    assert_eq!(memory.lost(), 0);
}

fn recalled(memory: &Memory) -> Option<String> {
    let good = memory.last_known_good("openai", "vault://secret/llm#openai");
    good.map(|good| good.secret.expose().to_owned())
}

#[test]
fn a_value_that_served_is_there_for_the_next_process_and_for_no_other_place() {
    let home = tempfile::tempdir().expect("a folder");
    remember(&start(&home, "/app", Some(DAY)), KEY, Duration::ZERO);
    let next = start(&home, "/app", Some(DAY));
    assert_eq!(recalled(&next).as_deref(), Some(KEY));
    assert!(next.last_known_good("together", "vault://secret/llm#openai").is_none());
    assert!(next.last_known_good("openai", "vault://secret/llm#other").is_none());
    assert_eq!(recalled(&start(&home, "/other", Some(DAY))), None, "another folder");
    assert_eq!(recalled(&start(&home, "/app", None)), None, "turned off");
}

#[test]
fn a_value_is_kept_for_a_time_and_the_one_that_served_last_counts() {
    let home = tempfile::tempdir().expect("a folder");
    let memory = start(&home, "/app", Some(DAY));
    remember(&memory, KEY, DAY * 2);
    assert_eq!(recalled(&memory), None, "too old");
    remember(&memory, KEY, DAY / 2);
    assert_eq!(recalled(&memory).as_deref(), Some(KEY));
    remember(&memory, "sk-proj-the-next-one", Duration::ZERO);
    assert_eq!(recalled(&memory).as_deref(), Some("sk-proj-the-next-one"));
    // Whatever the setting says, nothing is kept for longer than the longest time.
    remember(&start(&home, "/old", Some(LONGEST * 2)), KEY, LONGEST * 2);
    remember(&memory, "sk-proj-and-the-next", Duration::ZERO);
    let scopes: Vec<String> = all(&mut Store::open(&directory(&home)).expect("opened"))
        .expect("read")
        .into_iter()
        .map(|remembered| remembered.scope)
        .collect();
    assert_eq!(scopes, ["/app"]);
}

#[test]
fn a_refused_value_is_forgotten_and_one_without_credit_is_not() {
    for (cause, expected) in
        [(Cause::InvalidKey, None), (Cause::RevokedOrRotated, None), (Cause::QuotaExhausted, Some(KEY))]
    {
        let home = tempfile::tempdir().expect("a folder");
        let memory = start(&home, "/app", Some(DAY));
        remember(&memory, KEY, Duration::ZERO);
        let subject = memory.subject("openai", &Secret::new(KEY), "env://ANYWHERE");
        memory.note(Event { subject, at: Timestamp::now(), what: Happening::Bad { cause } });
        assert!(memory.flush(PATIENCE));
        assert_eq!(recalled(&memory).as_deref(), expected, "{cause:?}");
    }
}

#[test]
fn without_a_history_values_are_kept_and_forgotten_and_nothing_is_noted() {
    let home = tempfile::tempdir().expect("a folder");
    let keeps = Keeps { history: false, last_known_good: Some(DAY), scope: "/app".to_owned() };
    let memory = Memory::start(&directory(&home), keeps).expect("started");
    remember(&memory, KEY, Duration::ZERO);
    let subject = memory.subject("openai", &Secret::new(KEY), "env://ANYWHERE");
    for (what, expected) in [
        (Happening::Good { served: 1 }, Some(KEY)),
        (Happening::Bad { cause: Cause::QuotaExhausted }, Some(KEY)),
        (Happening::Bad { cause: Cause::InvalidKey }, None),
    ] {
        memory.note(Event { subject: subject.clone(), at: Timestamp::now(), what });
        assert!(memory.flush(PATIENCE));
        assert_eq!(recalled(&memory).as_deref(), expected, "{what:?}");
    }
    let mut history = History::open(&directory(&home)).expect("opened");
    assert_eq!(history.entries(None).expect("read"), []);
}

#[test]
fn what_cannot_be_decrypted_is_not_there() {
    let home = tempfile::tempdir().expect("a folder");
    let memory = start(&home, "/app", Some(DAY));
    remember(&memory, KEY, Duration::ZERO);
    let mut store = Store::open(&directory(&home)).expect("opened");
    store
        .write(|t| t.execute("UPDATE last_known_good SET sealed = substr(sealed, 1, length(sealed) - 1)", []))
        .expect("cut");
    assert_eq!(recalled(&memory), None);
}

#[test]
fn only_a_source_that_cannot_answer_is_stood_in_for() {
    let home = tempfile::tempdir().expect("a folder");
    let memory = start(&home, "/app", Some(DAY));
    remember(&memory, KEY, Duration::ZERO);
    let reference: Reference = "vault://secret/llm#openai".parse().expect("a reference");
    let cases = [
        (SourceError::Unreachable(Cause::Network), true),
        (SourceError::TimedOut { seconds: 10 }, true),
        (SourceError::VaultSealed, true),
        (SourceError::VaultDenied, true),
        (SourceError::VaultTokenEnded, true),
        (SourceError::KeyringLocked, true),
        (SourceError::NotSet, false),
        (SourceError::NoField, false),
        (SourceError::NoFile, false),
        (SourceError::NotUtf8, false),
        (SourceError::NoVaultAddress, false),
    ];
    for (why, expected) in cases {
        let found = memory.stand_in("openai", &reference, &Miss::of("a place", why));
        assert_eq!(found.is_some(), expected, "{why}");
        assert!(found.is_none_or(|found| found.place.contains("last known good")), "it says what it is");
    }
}

#[test]
fn no_file_of_the_state_holds_the_key_in_any_form() {
    let home = tempfile::tempdir().expect("a folder");
    let memory = start(&home, "/app", Some(DAY));
    remember(&memory, KEY, Duration::ZERO);
    let hex = crate::hex::hex(KEY.as_bytes());
    let files: Vec<_> = std::fs::read_dir(directory(&home).path()).expect("a folder").flatten().collect();
    for file in files {
        let bytes = std::fs::read(file.path()).expect("read");
        let text = String::from_utf8_lossy(&bytes);
        for form in [&KEY[8..20], &KEY[20..32], &hex[16..40]] {
            assert!(!text.contains(form), "{:?}", file.path());
        }
    }
}

const IN_KEYRING: &str = "keyring://openai/default";

/// A keyring that a test locks.
#[derive(Clone, Default)]
struct Ring(Arc<Mutex<(bool, HashMap<String, Secret>)>>);

impl Ring {
    fn lock(&self, locked: bool) {
        self.0.lock().expect("a keyring").0 = locked;
    }
}

impl Keyring for Ring {
    fn read(&self, entry: &str) -> Answer {
        let (locked, entries) = &*self.0.lock().expect("a keyring");
        match entries.get(entry) {
            _ if *locked => Answer::Locked,
            Some(text) => Answer::Value(text.clone()),
            None => Answer::NoEntry,
        }
    }

    fn write(&self, entry: &str, text: &Secret) -> bool {
        self.0.lock().expect("a keyring").1.insert(entry.to_owned(), text.clone());
        true
    }
}

fn start_over(home: &tempfile::TempDir, ring: &Ring) -> Memory {
    let keeps = Keeps { history: true, last_known_good: Some(DAY), scope: "/app".to_owned() };
    let seal = |directory, fingerprinter| Seal::over(Box::new(ring.clone()), directory, fingerprinter);
    Memory::sealing(&directory(home), keeps, seal).expect("started")
}

fn remember_at(memory: &Memory, reference: &str, key: &str) {
    let secret = Secret::new(key);
    memory.remember(&memory.subject("openai", &secret, reference), &secret, Timestamp::now());
    assert!(memory.flush(PATIENCE));
    assert_eq!(memory.lost(), 0);
}

fn recalled_at(memory: &Memory, reference: &str) -> Option<String> {
    memory.last_known_good("openai", reference).map(|good| good.secret.expose().to_owned())
}

#[test]
fn a_key_of_a_keyring_is_recalled_while_that_is_locked_and_others_need_it() {
    let (home, ring) = (tempfile::tempdir().expect("a folder"), Ring::default());
    let memory = start_over(&home, &ring);
    remember_at(&memory, IN_KEYRING, KEY);
    remember_at(&memory, "vault://secret/llm#openai", "sk-proj-of-the-vault");
    drop(memory);
    ring.lock(true);
    let next = start_over(&home, &ring);
    assert_eq!(recalled_at(&next, IN_KEYRING).as_deref(), Some(KEY));
    assert_eq!(recalled_at(&next, "vault://secret/llm#openai"), None, "what opens it is in the keyring alone");
    ring.lock(false);
    let next = start_over(&home, &ring);
    assert_eq!(recalled_at(&next, "vault://secret/llm#openai").as_deref(), Some("sk-proj-of-the-vault"));
}

#[test]
fn a_copy_that_an_earlier_version_made_is_read_and_closed_anew_when_the_key_serves() {
    let (home, ring) = (tempfile::tempdir().expect("a folder"), Ring::default());
    remember_at(&start_over(&home, &ring), "vault://secret/llm#openai", KEY);
    let mut store = Store::open(&directory(&home)).expect("opened");
    let sql = "UPDATE last_known_good SET reference = ?1";
    store.write(|transaction| transaction.execute(sql, [IN_KEYRING])).expect("as it was made before");
    let memory = start_over(&home, &ring);
    assert_eq!(recalled_at(&memory, IN_KEYRING).as_deref(), Some(KEY), "the keyring is open");
    ring.lock(true);
    assert_eq!(recalled_at(&start_over(&home, &ring), IN_KEYRING), None, "it opens the copy");
    remember_at(&start_over(&home, &ring), IN_KEYRING, KEY);
    assert_eq!(recalled_at(&start_over(&home, &ring), IN_KEYRING).as_deref(), Some(KEY), "it served again");
}

#[test]
fn a_keyring_that_stays_locked_is_told_once() {
    let (home, ring) = (tempfile::tempdir().expect("a folder"), Ring::default());
    remember_at(&start_over(&home, &ring), "vault://secret/llm#openai", KEY);
    ring.lock(true);
    let (memory, log) = (start_over(&home, &ring), Log::default());
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || written.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..3 {
            assert_eq!(recalled_at(&memory, "vault://secret/llm#openai"), None);
            assert_eq!(recalled_at(&memory, "vault://secret/llm#other"), None, "never kept");
        }
    });
    let log = String::from_utf8(log.0.lock().expect("a log").clone()).expect("text");
    assert_eq!(log.matches("the keyring that opens the last known good keys is locked").count(), 1, "{log}");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
