//! Where the keys of a ring come from, and what stands in for them.

use keywright_core::ring::MOST_ATTEMPTS_PER_KEY;
use tempfile::TempDir;

use super::*;
use crate::sources::Environment;
use crate::state::{Directory, Keeps, Timestamp};

/// A ring over a `.env` in a folder of its own, which may remember.
pub(super) async fn of_dotenv(home: &TempDir, text: &str, memory: Option<Memory>) -> Result<Ring, Box<Diagnosis>> {
    std::fs::write(home.path().join(".env"), text).expect("written");
    let resolver = Resolver::new(Environment::given(Vec::<(String, String)>::new()), home.path());
    let opening = Ring::opening(openai()).resolver(resolver);
    match memory {
        Some(memory) => opening.memory(memory).open().await,
        None => opening.without_memory().open().await,
    }
}

pub(super) fn assigned(tail: &str) -> String {
    format!("OPENAI_API_KEY={}\n", key(tail))
}

#[tokio::test]
async fn a_source_that_has_another_value_by_now_serves_the_same_request() {
    let home = tempfile::tempdir().expect("a folder");
    let ring = of_dotenv(&home, &assigned("AAAA"), None).await.expect("a key");
    std::fs::write(home.path().join(".env"), assigned("BBBB")).expect("written");
    let mut world = World::of([("AAAA", revoked())]);
    assert!(matches!(world.chat(&ring, now()).await, End::Delivered));
    assert_eq!(world.asked.join(" "), "AAAA BBBB");
    assert_eq!(ring.keys()[0].masked, "sk-proj-…BBBB");
}

#[tokio::test]
async fn a_source_that_mends_itself_while_its_key_is_out_is_seen_by_the_next_request() {
    let home = tempfile::tempdir().expect("a folder");
    let ring = of_dotenv(&home, &assigned("AAAA"), None).await.expect("a key");
    let mut world = World::of([("AAAA", revoked())]);
    assert!(matches!(world.chat(&ring, now()).await, End::Out(_)));
    std::fs::write(home.path().join(".env"), assigned("BBBB")).expect("written");
    assert!(matches!(world.chat(&ring, now().after(Duration::from_millis(600))).await, End::Delivered));
    assert_eq!(world.asked.join(" "), "AAAA BBBB");
}

/// Has a request refused again and again, and puts another value into the source each time. Tells how often it was sent.
async fn sent_to_a_source_that_always_changes(read_by_others: bool) -> u32 {
    let home = tempfile::tempdir().expect("a folder");
    let ring = of_dotenv(&home, &assigned("AAAA"), None).await.expect("a key");
    let call = Call { method: "POST", path: PATH, body: BODY };
    let mut attempts = ring.begin(&call);
    for turn in 0..100 {
        match attempts.next(now()) {
            Step::Read(errand) => ring.read(errand).await,
            Step::Wait(_) => {}
            Step::Stop(_) => break,
            Step::Send(_) => {
                std::fs::write(home.path().join(".env"), assigned(&format!("B{turn:03}"))).expect("written");
                assert_eq!(told(&mut attempts, &revoked(), now()), Verdict::Again);
                if let (true, Step::Read(errand)) = (read_by_others, ring.begin(&call).next(now())) {
                    ring.read(errand).await;
                }
            }
        }
    }
    attempts.attempt()
}

#[tokio::test]
async fn a_request_ends_over_a_source_that_has_another_bad_value_at_each_read() {
    assert_eq!(sent_to_a_source_that_always_changes(false).await, 2);
    assert_eq!(sent_to_a_source_that_always_changes(true).await, MOST_ATTEMPTS_PER_KEY);
}

#[tokio::test]
async fn what_comes_of_an_attempt_is_redacted_of_the_key_that_it_sent_also_after_a_rotation() {
    let home = tempfile::tempdir().expect("a folder");
    let ring = of_dotenv(&home, &assigned("AAAA"), None).await.expect("a key");
    let call = Call { method: "POST", path: PATH, body: BODY };
    let Step::Send(lease) = ring.begin(&call).next(now()) else { panic!("a key serves") };
    std::fs::write(home.path().join(".env"), assigned("BBBB")).expect("written");
    let mut world = World::of([("AAAA", revoked())]);
    assert!(matches!(world.chat(&ring, now()).await, End::Delivered));
    let echoed = |tail: &str| lease.redactor(&ring).finds_value(key(tail).as_bytes());
    assert!(echoed("AAAA") && echoed("BBBB") && !echoed("CCCC"));
}

#[tokio::test]
async fn the_last_moments_are_handed_over_at_the_end_but_not_by_a_fork() {
    for (of_a_fork, served) in [(false, 2), (true, 1)] {
        let home = tempfile::tempdir().expect("a folder");
        let memory = memory(&home);
        let mut ring = of_dotenv(&home, &assigned("AAAA"), Some(memory.clone())).await.expect("a key");
        let (mut world, at) = (World::of([]), now());
        for _ in 0..2 {
            // The first is told at once, the second later.
            assert!(matches!(world.chat(&ring, at).await, End::Delivered));
        }
        if of_a_fork {
            Arc::get_mut(&mut ring.0).expect("nobody else has it").process += 1;
        }
        drop(ring);
        assert!(memory.flush(Duration::from_secs(60)));
        let known = memory.known("openai", &Secret::new(key("AAAA"))).expect("it is known");
        assert_eq!(known.served, served, "of a fork: {of_a_fork}");
    }
}

fn memory(home: &TempDir) -> Memory {
    let scope = std::path::absolute(home.path()).expect("a path").to_string_lossy().into_owned();
    let keeps = Keeps { history: true, last_known_good: Some(Duration::from_secs(3_600)), scope };
    Memory::start(&Directory::at(home.path().join("state")), keeps).expect("a state")
}

#[tokio::test]
async fn the_last_known_good_key_stands_in_for_one_that_is_refused_until_the_source_has_another() {
    let home = tempfile::tempdir().expect("a folder");
    let memory = memory(&home);
    let (good, place) = (Secret::new(key("GGGG")), "dotenv://.env#OPENAI_API_KEY");
    memory.remember(&memory.subject("openai", &good, place), &good, Timestamp::now());
    assert!(memory.flush(Duration::from_secs(60)));
    let ring = of_dotenv(&home, &assigned("AAAA"), Some(memory)).await.expect("a key");
    let mut world = World::of([("AAAA", revoked())]);
    assert!(matches!(world.chat(&ring, now()).await, End::Delivered));
    assert_eq!(world.asked.join(" "), "AAAA GGGG");
    let [view] = &ring.keys()[..] else { panic!("one key") };
    assert!(view.last_known_good && view.place.starts_with("last known good key of dotenv://"), "{view:?}");
    world.asked.clear();
    let later = now().after(Duration::from_secs(2));
    assert!(matches!(world.chat(&ring, later).await, End::Delivered));
    assert_eq!(world.asked.join(" "), "GGGG", "the refused value of the source stays out");
    std::fs::write(home.path().join(".env"), assigned("BBBB")).expect("written");
    world.asked.clear();
    assert!(matches!(world.chat(&ring, later.after(Duration::from_secs(4))).await, End::Delivered));
    assert_eq!(world.asked.join(" "), "BBBB");
    assert!(!ring.keys()[0].last_known_good);
}

#[tokio::test]
async fn what_served_is_known_to_the_next_process_which_says_revoked() {
    let home = tempfile::tempdir().expect("a folder");
    let ring = of_dotenv(&home, &assigned("AAAA"), Some(memory(&home))).await.expect("a key");
    let mut world = World::of([]);
    assert!(matches!(world.chat(&ring, now()).await, End::Delivered));
    ring.flush(Duration::from_secs(60));
    drop(ring);
    let ring = of_dotenv(&home, &assigned("AAAA"), Some(memory(&home))).await.expect("a key");
    world.answers.insert("AAAA", revoked());
    let End::Out(out) = world.chat(&ring, now()).await else { panic!("it is refused") };
    assert_eq!(out.diagnosis.cause, Cause::RevokedOrRotated, "{out:?}");
}

#[tokio::test]
async fn a_ring_without_a_key_that_can_work_is_not_opened() {
    let hidden = assigned("AAAA").replace("T3B", "T\u{200b}3B");
    let misnamed = assigned("AAAA").replace("OPENAI_API_KEY", "OPEN_AI_KEY");
    let cases = [
        ("", Cause::MissingKey),
        ("OPENAI_API_KEY=\n", Cause::EmptyKey),
        ("OPENAI_API_KEY=your-api-key-here\n", Cause::PlaceholderKey),
        (hidden.as_str(), Cause::HiddenOrNonAsciiCharacter),
        (misnamed.as_str(), Cause::WrongEnvVarName),
    ];
    for (text, cause) in cases {
        let home = tempfile::tempdir().expect("a folder");
        let diagnosis = of_dotenv(&home, text, None).await.expect_err("no key can work");
        assert_eq!(diagnosis.cause, cause, "{text:?}: {diagnosis:?}");
        assert!(!diagnosis.fixes.is_empty() && !diagnosis.evidence.is_empty(), "{diagnosis:?}");
        assert!(!format!("{diagnosis:?}").contains("aaaaaaaaaaaaaaaa"), "{diagnosis:?}");
    }
}

#[tokio::test]
async fn the_last_known_good_key_stands_in_for_a_source_that_cannot_be_reached() {
    let home = tempfile::tempdir().expect("a folder");
    let memory = memory(&home);
    let (good, place) = (Secret::new(key("GGGG")), "vault://secret/llm#openai");
    let reference: Reference = place.parse().expect("a reference");
    // Nobody listens there.
    let vault = [("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", "t")];
    let opening = Ring::opening(openai()).resolver(Resolver::new(Environment::given(vault), home.path()));
    let opening = opening.reference(reference.clone()).memory(memory.clone());
    let diagnosis = opening.clone().open().await.expect_err("nothing is known yet");
    assert!(diagnosis.evidence.iter().any(|evidence| evidence.says.contains("secret/llm")), "{diagnosis:?}");
    memory.remember(&memory.subject("openai", &good, place), &good, Timestamp::now());
    assert!(memory.flush(Duration::from_secs(60)));
    let ring = opening.open().await.expect("the last known good key");
    let mut world = World::of([]);
    assert!(matches!(world.chat(&ring, now()).await, End::Delivered));
    assert_eq!(world.asked.join(" "), "GGGG");
    assert!(ring.keys()[0].last_known_good);
}
