mod sources;

use std::collections::HashMap;
use std::path::Path;

use keywright_core::all_out::AllOut;
use keywright_core::ring::Sent;
use keywright_core::{Catalogue, Cause};

use super::*;

const PATH: &str = "/v1/chat/completions";
const BODY: &[u8] = br#"{"model":"gpt-4o-mini","messages":[]}"#;
const GOOD: &str = "HTTP/1.1 200 OK\ncontent-type: application/json\n\n{\"id\":\"chatcmpl-1\",\"choices\":[]}";

const STREAMED: &str = "HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\ndata: \
                        {\"error\":{\"message\":\"no\",\"code\":\"invalid_api_key\"}}\n\n";

fn openai() -> &'static ProviderSpec {
    Catalogue::builtin().provider("openai").expect("in the catalogue")
}

/// A key of the right shape whose mask ends in `tail`.
fn key(tail: &str) -> String {
    format!("sk-proj-{}T3BlbkFJ{}{tail}", "a".repeat(74), "b".repeat(70))
}

fn given(tail: &str) -> Given {
    Given::explicit(Secret::new(key(tail)), format!("key {tail}"))
}

fn ring(tails: &[&str]) -> Ring {
    Ring::new(openai(), tails.iter().map(|tail| given(tail)).collect(), Policy::default()).expect("keys")
}

/// A recorded answer of core's collection.
fn recorded(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../keywright-core/data/answers/openai/{name}.http"));
    let text = std::fs::read_to_string(file).expect("a recorded answer");
    text.lines().filter(|line| !line.starts_with("# ")).collect::<Vec<_>>().join("\n") + "\n\n"
}

fn revoked() -> String {
    recorded("401-invalid-key-chat")
}

/// A provider: what it answers to which key, by the key's tail. Counts what it was asked.
struct World {
    answers: HashMap<&'static str, String>,
    asked: Vec<String>,
}

#[derive(Debug)]
enum End {
    Delivered,
    Failed(Box<Diagnosis>),
    Out(Box<AllOut>),
}

impl World {
    fn of<const N: usize>(answers: [(&'static str, String); N]) -> Self {
        Self { answers: answers.into(), asked: Vec::new() }
    }

    /// One request, to its end.
    async fn call(&mut self, ring: &Ring, call: &Call<'_>, at: Moment) -> End {
        let (mut attempts, mut at) = (ring.begin(call), at);
        loop {
            match attempts.next(at) {
                Step::Read(errand) => ring.read(errand).await,
                Step::Wait(pause) => at = at.after(pause),
                Step::Stop(out) => return End::Out(out),
                Step::Send(lease) => {
                    let tail = lease.masked[lease.masked.len() - 4..].to_owned();
                    assert!(lease.header.is_sensitive());
                    self.asked.push(tail.clone());
                    let answer = self.answers.get(tail.as_str()).cloned().unwrap_or_else(|| GOOD.to_owned());
                    match told(&mut attempts, &answer, at) {
                        Verdict::Again => {}
                        Verdict::Deliver => return End::Delivered,
                        Verdict::Fail(diagnosis) => return End::Failed(diagnosis),
                        Verdict::MoreBody => panic!("all of it was told"),
                    }
                }
            }
        }
    }

    async fn chat(&mut self, ring: &Ring, at: Moment) -> End {
        self.call(ring, &Call { method: "POST", path: PATH, body: BODY }, at).await
    }
}

/// Tells a written answer, piece by piece.
fn told(attempts: &mut Attempts, answer: &str, at: Moment) -> Verdict {
    let (head, body) = answer.split_once("\n\n").expect("a head and a body");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    let mut headers = http::HeaderMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        headers.insert(
            http::HeaderName::try_from(name).expect("a name"),
            http::HeaderValue::from_str(value).expect("a value"),
        );
    }
    let head = Head::of(status, &headers);
    for end in 1..body.len() {
        match attempts.answered(&head, &body.as_bytes()[..end], false, at) {
            Verdict::MoreBody => {}
            verdict => return verdict,
        }
    }
    attempts.answered(&head, body.as_bytes(), true, at)
}

#[tokio::test]
async fn what_a_refusal_leads_to_is_the_same_as_in_the_gateway() {
    // The answer to the first key, then: who was asked, and how it ended.
    let cases = [
        ("401-invalid-key-chat", "AAAA BBBB", None),
        ("429-insufficient-quota", "AAAA BBBB", None),
        ("401-account-deactivated", "AAAA BBBB", None),
        ("429-rate-limit-requests", "AAAA BBBB", None),
        ("403-project-without-model", "AAAA BBBB", None),
        ("401-missing-scope-chat", "AAAA BBBB", None),
        ("404-model-not-found", "AAAA", Some(Cause::ModelNotFound)),
        ("400-context-length", "AAAA", Some(Cause::ContextTooLong)),
        ("503-overloaded", "AAAA", Some(Cause::ServerError)),
    ];
    for (answer, asked, failed) in cases {
        let mut world = World::of([("AAAA", recorded(answer))]);
        let end = world.chat(&ring(&["AAAA", "BBBB"]), now()).await;
        assert_eq!(world.asked.join(" "), asked, "{answer}");
        match (end, failed) {
            (End::Delivered, None) => {}
            (End::Failed(diagnosis), Some(cause)) => assert_eq!(diagnosis.cause, cause, "{answer}"),
            (end, _) => panic!("{answer}: {end:?}"),
        }
    }
}

#[tokio::test]
async fn a_key_that_was_refused_is_left_alone_until_its_wait_is_over_and_then_one_request_proves_it() {
    let ring = ring(&["AAAA", "BBBB"]);
    let mut world = World::of([("AAAA", revoked())]);
    let start = now();
    for _ in 0..3 {
        assert!(matches!(world.chat(&ring, start).await, End::Delivered));
    }
    assert_eq!(world.asked.join(" "), "AAAA BBBB BBBB BBBB");
    // Still refused: out for twice as long.
    let wait = Policy::default().backoff.first + Duration::from_millis(100);
    let later = start.after(wait);
    world.asked.clear();
    for at in [later, later.after(wait)] {
        assert!(matches!(world.chat(&ring, at).await, End::Delivered));
    }
    assert_eq!(world.asked.join(" "), "AAAA BBBB BBBB");
    // Good again.
    world.answers.clear();
    world.asked.clear();
    for _ in 0..2 {
        assert!(matches!(world.chat(&ring, later.after(Duration::from_secs(60))).await, End::Delivered));
    }
    assert_eq!(world.asked.join(" "), "AAAA AAAA");
}

#[tokio::test]
async fn probation_admits_one_request_at_a_time_and_a_cancelled_one_gives_its_place_back() {
    let ring = ring(&["AAAA", "BBBB"]);
    let mut world = World::of([("AAAA", revoked())]);
    let start = now();
    assert!(matches!(world.chat(&ring, start).await, End::Delivered));
    let call = Call { method: "POST", path: PATH, body: BODY };
    let later = start.after(Duration::from_secs(11));
    let leased = |attempts: &mut Attempts| match attempts.next(later) {
        Step::Send(lease) => lease.place,
        step => panic!("{step:?}"),
    };
    let mut one = ring.begin(&call);
    assert_eq!(leased(&mut one), "key AAAA");
    assert_eq!(leased(&mut ring.begin(&call)), "key BBBB");
    drop(one);
    assert_eq!(leased(&mut ring.begin(&call)), "key AAAA");
}

#[tokio::test]
async fn refusals_under_way_at_one_time_are_one_event() {
    let ring = ring(&["AAAA", "BBBB"]);
    let call = Call { method: "POST", path: PATH, body: BODY };
    let at = now();
    let mut all: Vec<Attempts> = (0..16).map(|_| ring.begin(&call)).collect();
    for attempts in &mut all {
        assert!(matches!(attempts.next(at), Step::Send(lease) if lease.place == "key AAAA"));
    }
    for attempts in &mut all {
        assert_eq!(told(attempts, &revoked(), at), Verdict::Again);
        assert!(matches!(attempts.next(at), Step::Send(lease) if lease.place == "key BBBB"));
    }
    let Health::Quarantined { round, .. } = ring.keys()[0].health else {
        panic!("{:?}", ring.keys()[0]);
    };
    assert_eq!(round, 0);
}

#[tokio::test]
async fn when_all_keys_are_out_the_error_names_each_and_nobody_is_asked_again() {
    let ring = ring(&["AAAA", "BBBB"]);
    let mut world = World::of([("AAAA", revoked()), ("BBBB", recorded("429-insufficient-quota"))]);
    let start = now();
    let End::Out(out) = world.chat(&ring, start).await else { panic!("nothing serves") };
    assert!(out.message.contains("sk-proj-…AAAA (key AAAA)") && out.message.contains("sk-proj-…BBBB (key BBBB)"));
    assert!(out.message.contains("[invalid_key]") && out.message.contains("[quota_exhausted]"), "{}", out.message);
    assert_eq!(out.diagnosis.cause, Cause::InvalidKey);
    assert!(!format!("{out:?}").contains(&key("AAAA")[20..60]), "no key is shown");
    assert!(matches!(world.chat(&ring, start).await, End::Out(_)));
    assert_eq!(world.asked.join(" "), "AAAA BBBB");
}

#[tokio::test]
async fn what_the_caller_can_act_on_is_told_in_the_providers_own_words() {
    for (answer, cause) in [
        ("429-rate-limit-requests", Cause::RateLimit),
        ("403-project-without-model", Cause::InsufficientPermissionsOrScope),
    ] {
        let mut world = World::of([("AAAA", recorded(answer))]);
        let End::Failed(diagnosis) = world.chat(&ring(&["AAAA"]), now()).await else { panic!("{answer}") };
        assert_eq!(diagnosis.cause, cause);
        assert_eq!(world.asked.len(), 1);
    }
}

#[tokio::test]
async fn a_short_pause_is_waited_for_once() {
    let limited = recorded("429-rate-limit-requests").replace("content-type", "retry-after-ms: 300\ncontent-type");
    let mut world = World::of([("AAAA", limited)]);
    let End::Failed(diagnosis) = world.chat(&ring(&["AAAA"]), now()).await else { panic!("it is limited") };
    assert_eq!(diagnosis.cause, Cause::RateLimit);
    assert_eq!(world.asked.join(" "), "AAAA AAAA");
}

#[tokio::test]
async fn a_rest_that_another_request_was_given_is_waited_for_when_it_is_short() {
    for (pause, waits) in [("300", true), ("30000", false)] {
        let limited = recorded("429-rate-limit-requests")
            .replace("content-type", &format!("retry-after-ms: {pause}\ncontent-type"));
        let ring = ring(&["AAAA"]);
        let call = Call { method: "POST", path: PATH, body: BODY };
        let (mut one, mut two, at) = (ring.begin(&call), ring.begin(&call), now());
        assert!(matches!(one.next(at), Step::Send(_)));
        let _ = told(&mut one, &limited, at);
        match two.next(at) {
            Step::Wait(rest) if waits => {
                assert!(matches!(two.next(at.after(rest)), Step::Send(_)));
            }
            Step::Stop(out) if !waits => assert_eq!(out.diagnosis.cause, Cause::RateLimit),
            step => panic!("{pause}: {step:?}"),
        }
    }
}

#[test]
fn a_token_of_the_gateway_is_a_key_like_any_other() {
    for id in ["openai", "fireworks", "together"] {
        let provider = Catalogue::builtin().provider(id).expect("in the catalogue");
        let token = Given::explicit(keywright_core::token::issue(&[7; 25]), "the variable that `run` sets");
        assert!(Ring::new(provider, vec![token], Policy::default()).is_ok(), "{id}");
    }
}

#[tokio::test]
async fn the_assistants_that_are_gone_are_no_failure_of_a_key() {
    let mut world = World::of([("AAAA", recorded("404-threads-gone"))]);
    let ring = ring(&["AAAA", "BBBB"]);
    let call = Call { method: "POST", path: "/v1/threads", body: b"{}" };
    let End::Failed(diagnosis) = world.call(&ring, &call, now()).await else { panic!("it fails") };
    assert_eq!((diagnosis.cause, world.asked.len()), (Cause::AssistantsGone, 1));
    assert_eq!(ring.keys()[0].health, Health::Active);
}

#[tokio::test]
async fn an_error_in_the_first_event_of_a_stream_is_moved_on_from() {
    let mut world = World::of([("AAAA", STREAMED.to_owned())]);
    let end = world.chat(&ring(&["AAAA", "BBBB"]), now()).await;
    assert!(matches!(end, End::Delivered), "{end:?}");
    assert_eq!(world.asked.join(" "), "AAAA BBBB");
}

#[test]
fn a_request_that_may_have_run_is_never_sent_again() {
    let cases = [(Sent::MayHaveRun, 0), (Sent::Not, 0), (Sent::NotTaken, 2)];
    for (sent, again) in cases {
        let ring = ring(&["AAAA", "BBBB"]);
        let mut attempts = ring.begin(&Call { method: "POST", path: PATH, body: BODY });
        let mut resent = 0;
        let diagnosis = loop {
            assert!(matches!(attempts.next(now()), Step::Send(lease) if lease.place == "key AAAA"), "{sent:?}");
            match attempts.failed(Cause::Network, sent, "the connection broke") {
                Verdict::Again => resent += 1,
                Verdict::Fail(diagnosis) => break diagnosis,
                verdict => panic!("{verdict:?}"),
            }
        };
        assert_eq!(resent, again, "{sent:?}");
        assert!(diagnosis.evidence[0].says.ends_with(sent.says()));
        assert_eq!(ring.keys()[0].health, Health::Active);
    }
}

#[tokio::test]
async fn a_server_side_object_stays_with_the_keys_of_its_project() {
    let of = |tail: &str, project: &str| Given { project: Some(project.to_owned()), ..given(tail) };
    let keys = vec![of("AAAA", "one"), of("BBBB", "two"), of("CCCC", "one")];
    let ring = Ring::new(openai(), keys, Policy::default()).expect("keys");
    let made = "HTTP/1.1 200 OK\ncontent-type: application/json\n\n{\"id\":\"thread_abc1\"}";
    let mut world = World::of([("AAAA", made.to_owned())]);
    let create = Call { method: "POST", path: "/v1/threads", body: b"{}" };
    assert!(matches!(world.call(&ring, &create, now()).await, End::Delivered));
    world.answers.insert("AAAA", revoked());
    world.asked.clear();
    let runs = Call { method: "POST", path: "/v1/threads/thread_abc1/runs", body: b"{}" };
    assert!(matches!(world.call(&ring, &runs, now()).await, End::Delivered));
    assert_eq!(world.asked.join(" "), "AAAA CCCC", "never the key of the other project");
    world.answers.insert("CCCC", revoked());
    let End::Out(out) = world.call(&ring, &runs, now()).await else { panic!("no key of the project is left") };
    assert!(out.message.contains("belongs to another project") && out.message.contains("`thread_abc1`"), "{out:?}");
}

#[tokio::test]
async fn who_is_told_to_wait_waits_for_a_key_that_could_serve() {
    let of = |tail: &str, project: &str| Given { project: Some(project.to_owned()), ..given(tail) };
    let valueless = Given::explicit(Secret::new(format!("{}\n", key("CCCC"))), "key CCCC");
    let keys = vec![of("AAAA", "one"), of("BBBB", "two"), valueless];
    let ring = Ring::new(openai(), keys, Policy::default()).expect("keys");
    let made = "HTTP/1.1 200 OK\ncontent-type: application/json\n\n{\"id\":\"thread_abc1\"}";
    let mut world = World::of([("AAAA", made.to_owned())]);
    let create = Call { method: "POST", path: "/v1/threads", body: b"{}" };
    let start = now();
    assert!(matches!(world.call(&ring, &create, start).await, End::Delivered));
    world.answers = HashMap::from([("AAAA", revoked()), ("BBBB", revoked())]);
    let End::Out(out) = world.chat(&ring, start).await else { panic!("nothing serves") };
    let backoff = Policy::default().backoff;
    assert_eq!(out.retry_after, backoff.wait(0), "a key without a value is never due");
    // The key of the other project is due by now, and of no use.
    let later = start.after(backoff.wait(0));
    let runs = Call { method: "POST", path: "/v1/threads/thread_abc1/runs", body: b"{}" };
    let End::Out(out) = world.call(&ring, &runs, later).await else { panic!("nothing serves") };
    assert_eq!(out.retry_after, backoff.wait(1));
}

#[test]
fn a_value_that_was_replaced_does_not_end_the_probation_of_the_next() {
    let ring = ring(&["AAAA"]);
    let call = Call { method: "POST", path: PATH, body: BODY };
    let refused = |at: Moment| {
        let mut attempts = ring.begin(&call);
        assert!(matches!(attempts.next(at), Step::Send(_)));
        assert_eq!(told(&mut attempts, &revoked(), at), Verdict::Again);
    };
    let start = now();
    refused(start);
    let later = start.after(Duration::from_secs(11));
    let (mut one, mut two) = (ring.begin(&call), ring.begin(&call));
    assert!(matches!(one.next(later), Step::Send(_)), "on probation");
    let next = value::Value::of(Secret::new(key("BBBB")), "key BBBB".to_owned(), openai(), false);
    ring.0.keys[0].replace(next.expect("it can be sent"), later);
    refused(later);
    let last = later.after(Duration::from_secs(11));
    assert!(matches!(two.next(last), Step::Send(_)), "on probation");
    drop(one);
    assert!(matches!(ring.begin(&call).next(last), Step::Wait(_)), "one at a time");
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_no_key_in_doubt() {
    let home = tempfile::tempdir().expect("a folder");
    let with_source = sources::of_dotenv(&home, &sources::assigned("AAAA"), None).await.expect("a key");
    for ring in [ring(&["AAAA"]), with_source] {
        let mut attempts = ring.begin(&Call { method: "POST", path: PATH, body: BODY });
        assert!(matches!(attempts.next(now()), Step::Send(_)));
        assert_eq!(told(&mut attempts, &revoked(), now()), Verdict::Again);
        drop(attempts);
        let mut world = World::of([]);
        assert!(matches!(world.chat(&ring, now()).await, End::Out(_)));
        assert!(matches!(ring.keys()[0].health, Health::Quarantined { .. }), "{:?}", ring.keys());
        assert!(matches!(world.chat(&ring, now().after(Duration::from_secs(11))).await, End::Delivered));
    }
}

#[tokio::test]
async fn while_one_request_proves_the_only_key_the_others_wait_and_then_ask_too() {
    let ring = ring(&["AAAA"]);
    let mut world = World::of([("AAAA", revoked())]);
    let start = now();
    assert!(matches!(world.chat(&ring, start).await, End::Out(_)));
    let later = start.after(Duration::from_secs(11));
    let call = Call { method: "POST", path: PATH, body: BODY };
    let (mut one, mut two) = (ring.begin(&call), ring.begin(&call));
    assert!(matches!(one.next(later), Step::Send(_)));
    assert!(matches!(two.next(later), Step::Wait(_)));
    assert!(matches!(two.next(later.after(Duration::from_secs(4))), Step::Send(_)));
}

#[test]
fn nothing_that_is_printed_holds_a_key() {
    let ring = ring(&["AAAA", "BBBB"]);
    let mut attempts = ring.begin(&Call { method: "POST", path: PATH, body: BODY });
    let step = attempts.next(now());
    let printed = format!("{ring:?} {step:?} {attempts:?} {:?}", ring.keys());
    assert!(!printed.contains(&key("AAAA")[20..60]), "{printed}");
}

proptest::proptest! {
    /// Whatever a provider answers, a request ends, uses no value again that was refused, and waits once at most.
    #[test]
    fn every_journey_ends(answers in proptest::collection::vec(0..ANSWERS.len(), 4), calls in 1..4_u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let tails = ["AAAA", "BBBB", "CCCC", "DDDD"];
        let ring = ring(&tails);
        let mut world = World::of([]);
        for (tail, answer) in tails.iter().zip(answers) {
            if let Some(name) = ANSWERS[answer] {
                world.answers.insert(tail, recorded(name));
            }
        }
        for nth in 0..calls {
            world.asked.clear();
            let end = runtime.block_on(world.chat(&ring, now().after(Duration::from_secs(nth * 30))));
            let mut asked = world.asked.clone();
            asked.sort();
            asked.dedup();
            proptest::prop_assert!(world.asked.len() <= asked.len() + 1, "{:?}", world.asked);
            let serves = tails.iter().any(|tail| !world.answers.contains_key(tail));
            if !serves {
                proptest::prop_assert!(!matches!(end, End::Delivered));
            }
        }
    }
}

const ANSWERS: [Option<&str>; 7] = [
    None,
    Some("401-invalid-key-chat"),
    Some("429-insufficient-quota"),
    Some("429-rate-limit-requests"),
    Some("403-project-without-model"),
    Some("404-model-not-found"),
    Some("503-overloaded"),
];

#[test]
fn one_good_key_is_enough_and_the_bad_one_is_told_when_all_are_out() {
    let keys = vec![Given::explicit(Secret::new(format!("{}\n", key("AAAA"))), "the first"), given("BBBB")];
    let ring = Ring::new(openai(), keys, Policy::default()).expect("a key");
    let mut attempts = ring.begin(&Call { method: "POST", path: PATH, body: BODY });
    assert!(matches!(attempts.next(now()), Step::Send(lease) if lease.place == "key BBBB"));
    assert_eq!(told(&mut attempts, &revoked(), now()), Verdict::Again);
    let Step::Stop(out) = attempts.next(now()) else { panic!("nothing is left") };
    assert!(out.message.contains("(the first)") && out.message.contains("[whitespace_or_newline]"), "{}", out.message);
}

#[test]
fn a_newline_in_a_key_that_is_given_is_refused_and_never_mended_silently() {
    let newline = Given::explicit(Secret::new(format!("{}\n", key("AAAA"))), "the argument api_key");
    let diagnosis = Ring::new(openai(), vec![newline], Policy::default()).expect_err("it cannot be sent");
    assert_eq!(diagnosis.cause, Cause::WhitespaceOrNewline);
    assert!(diagnosis.evidence[0].says.starts_with("the argument api_key: "), "{diagnosis:?}");
}

#[test]
fn what_can_be_sent_a_single_time_fails_with_its_diagnosis() {
    let ring = ring(&["AAAA", "BBBB"]);
    let mut attempts = ring.begin(&Call { method: "POST", path: PATH, body: b"" });
    attempts.only_once();
    assert!(matches!(attempts.next(now()), Step::Send(_)));
    let verdict = told(&mut attempts, &revoked(), now());
    assert!(matches!(&verdict, Verdict::Fail(why) if why.cause == Cause::InvalidKey), "{verdict:?}");
}

#[test]
fn a_ring_is_shared_by_threads() {
    const fn shared<T: Send + Sync>() {}
    shared::<Ring>();
    shared::<Attempts>();
}
