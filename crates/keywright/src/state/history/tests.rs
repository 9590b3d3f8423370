use super::*;

fn ledger(home: &tempfile::TempDir) -> History {
    History::open(&Directory::at(home.path().join("state"))).expect("a ledger")
}

fn event(ledger: &History, key: &str, at: u64, what: Happening) -> Event {
    let subject = ledger.subject("openai", &Secret::new(key), "env://OPENAI_API_KEY");
    Event { subject, at: Timestamp(at), what }
}

#[test]
fn what_happened_to_a_key_is_told_after_a_restart() {
    // Last good, served, first bad, cause.
    type Known = (Option<u64>, u64, Option<u64>, Option<Cause>);
    let (good, bad) = (|served| Happening::Good { served }, |cause| Happening::Bad { cause });
    let (invalid, quota) = (Cause::InvalidKey, Cause::QuotaExhausted);
    let cases: [(&[(u64, Happening)], Known); 8] = [
        (&[(1, Happening::Seen)], (None, 0, None, None)),
        (&[(1, good(3)), (5, good(4))], (Some(5), 7, None, None)),
        (&[(1, good(3)), (5, bad(invalid))], (Some(1), 3, Some(5), Some(invalid))),
        (&[(5, bad(invalid)), (9, bad(quota))], (None, 0, Some(5), Some(quota))),
        (&[(5, bad(quota)), (9, good(1))], (Some(9), 1, None, None)),
        (&[(5, bad(invalid)), (4, good(1))], (Some(4), 1, Some(5), Some(invalid))),
        (&[(5, bad(invalid)), (5, good(1))], (Some(5), 1, Some(5), Some(invalid))),
        (&[(9, good(1)), (4, good(0))], (Some(9), 1, None, None)),
    ];
    for (happenings, expected) in cases {
        let home = tempfile::tempdir().expect("a folder");
        let mut first = ledger(&home);
        for (at, what) in happenings {
            first.note(&[event(&first, "sk-one", *at, *what)], Timestamp(10)).expect("noted");
        }
        drop(first);
        let mut second = ledger(&home);
        let known = second.known("openai", &Secret::new("sk-one")).expect("read").expect("known");
        let found = (known.last_good.map(|at| at.0), known.served, known.first_bad.map(|at| at.0), known.cause);
        assert_eq!(found, expected, "{happenings:?}");
        assert_eq!(second.known("openai", &Secret::new("sk-two")), Ok(None));
        assert_eq!(second.known("together", &Secret::new("sk-one")), Ok(None));
    }
}

#[test]
fn the_ledger_stays_within_its_bounds() {
    let home = tempfile::tempdir().expect("a folder");
    let mut ledger = ledger(&home);
    let most = u64::try_from(MOST_KEYS).expect("positive");
    let events: Vec<Event> = (0..most + 5).map(|at| event(&ledger, &format!("sk-{at}"), at, Happening::Seen)).collect();
    ledger.note(&events, Timestamp(most)).expect("noted");
    let kept: Vec<u64> = ledger.entries(None).expect("read").iter().map(|entry| entry.first_seen.0).collect();
    assert_eq!(kept, (5..most + 5).rev().collect::<Vec<_>>(), "the oldest are forgotten first");
    let much_later = Timestamp(most + 1).0 + u64::try_from(LONGEST_MEMORY.as_millis()).expect("small");
    ledger.note(&[], Timestamp(much_later)).expect("noted");
    let kept = ledger.entries(Some("openai")).expect("read").len();
    assert_eq!(kept, 4, "what is too old is forgotten");
    assert_eq!(ledger.entries(Some("together")).expect("read"), []);
}

#[test]
fn a_cause_that_is_not_known_here_is_still_a_refusal() {
    let home = tempfile::tempdir().expect("a folder");
    let mut ledger = ledger(&home);
    ledger
        .note(&[event(&ledger, "sk-one", 1, Happening::Bad { cause: Cause::InvalidKey })], Timestamp(1))
        .expect("noted");
    ledger.store.write(|t| t.execute("UPDATE history SET cause = 'from_the_future'", [])).expect("written");
    let known = ledger.known("openai", &Secret::new("sk-one")).expect("read").expect("known");
    assert_eq!(known.cause, Some(Cause::Other));
}

#[test]
fn no_file_of_the_state_holds_a_key() {
    let home = tempfile::tempdir().expect("a folder");
    let key = "sk-proj-4711abcdefghijklmnopqrstuvwxyz";
    let mut ledger = ledger(&home);
    ledger.note(&[event(&ledger, key, 1, Happening::Good { served: 1 })], Timestamp(1)).expect("noted");
    let files: Vec<_> = std::fs::read_dir(home.path().join("state")).expect("a folder").flatten().collect();
    assert!(files.len() >= 3, "the file, its log and the fingerprint key: {files:?}");
    for file in files {
        let bytes = std::fs::read(file.path()).expect("read");
        assert!(!bytes.windows(12).any(|window| key.as_bytes()[8..].starts_with(window)), "{:?}", file.path());
    }
}
