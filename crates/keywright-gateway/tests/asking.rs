//! When no key is left, requests wait for a person who gives one.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{CHAT, Reply, STREAM, Stage, key, post, stage};
use http::StatusCode;
use keywright_core::{Cause, Secret};
use keywright_emulator::KeyState;
use keywright_gateway::Offered;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A stage whose only key is revoked.
async fn without_a_key(adjust: impl FnOnce(&mut keywright_gateway::GatewaySettings)) -> Arc<Stage> {
    let stage = stage().provider("openai", &["one1"]).settings(adjust).asking().start().await;
    stage.set("openai", "one1", KeyState::Revoked);
    Arc::new(stage)
}

fn send(stage: &Stage, body: &'static str) -> JoinHandle<Reply> {
    let address = stage.gateway.addr();
    tokio::spawn(async move { post(address, "/openai/v1/chat/completions", &[], body).await })
}

async fn offer(stage: &Stage, key: &str) -> Offered {
    stage.gateway.offer("openai", &Secret::new(key)).await
}

fn good(stage: &Stage, tag: &str) -> String {
    stage.set("openai", tag, KeyState::Valid);
    key("openai", tag)
}

#[tokio::test]
async fn waiting_requests_go_on_with_the_key_that_a_person_gives() {
    let stage = without_a_key(|_| {}).await;
    let waiting: Vec<_> = [CHAT, STREAM, CHAT].into_iter().map(|body| send(&stage, body)).collect();
    let need = stage.gateway.need().await;
    assert_eq!(need.provider.id, "openai");
    let dead = need.provider.keys[0].diagnosis.clone().expect("why it is out");
    assert_eq!(dead.cause, Cause::InvalidKey);
    let offered = offer(&stage, &good(&stage, "new2")).await;
    assert!(
        matches!(&offered, Offered::Joined { proven: true, masked, .. } if masked.ends_with("new2")),
        "{offered:?}"
    );
    for reply in waiting {
        let reply = reply.await.expect("no panic");
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
    stage.gateway.need_ended("openai").await;
    assert_eq!(stage.chat().await.header("x-keywright-attempts"), "1", "the key stays");
    let keys = &stage.gateway.report().providers[0].keys;
    assert_eq!((keys.len(), keys[1].place.as_str()), (2, "given at the terminal"));
    let masked = stage.gateway.redactor().redact_str(&key("openai", "new2")).into_owned();
    assert!(!masked.contains("Yq8Zt5Wm2Rj7"), "{masked}");
}

#[tokio::test]
async fn a_key_that_cannot_serve_is_explained_and_the_requests_wait_on() {
    let stage = without_a_key(|_| {}).await;
    let waiting = send(&stage, CHAT);
    stage.gateway.need().await;
    let placeholder = offer(&stage, "your_api_key_here").await;
    assert!(
        matches!(&placeholder, Offered::Unusable(finding) if finding.cause == Cause::PlaceholderKey),
        "{placeholder:?}"
    );
    let known = offer(&stage, &key("openai", "one1")).await;
    assert!(matches!(&known, Offered::Known(diagnosis) if diagnosis.cause == Cause::InvalidKey), "{known:?}");
    let unknown = offer(&stage, &key("openai", "none")).await;
    assert!(matches!(&unknown, Offered::Refused(diagnosis) if diagnosis.cause == Cause::InvalidKey), "{unknown:?}");
    assert!(!waiting.is_finished());
    offer(&stage, &good(&stage, "new2")).await;
    assert_eq!(waiting.await.expect("no panic").status, StatusCode::OK);
}

#[tokio::test]
async fn who_declines_is_not_asked_again_until_a_key_changes() {
    let stage = without_a_key(|_| {}).await;
    let waiting = send(&stage, CHAT);
    stage.gateway.need().await;
    stage.gateway.decline("openai");
    let reply = waiting.await.expect("no panic");
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.text().contains("[invalid_key]"), "{}", reply.text());
    assert_eq!(stage.chat().await.status, StatusCode::SERVICE_UNAVAILABLE, "nobody is asked");
    // Another value in the source that serves, and dies: a new story.
    stage.rewrite("openai", "one1", &good(&stage, "new2"));
    stage.until("it is rotated", |report| report.providers[0].keys[0].masked.ends_with("new2")).await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    stage.set("openai", "new2", KeyState::Revoked);
    let waiting = send(&stage, CHAT);
    let need = stage.gateway.need().await;
    assert!(need.provider.keys[0].masked.ends_with("new2"));
    stage.gateway.release("openai");
    assert_eq!(waiting.await.expect("no panic").status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_key_that_comes_back_by_itself_ends_the_need() {
    let stage = without_a_key(|_| {}).await;
    let waiting = send(&stage, CHAT);
    stage.gateway.need().await;
    stage.rewrite("openai", "one1", &good(&stage, "new2"));
    stage.gateway.need_ended("openai").await;
    assert_eq!(waiting.await.expect("no panic").status, StatusCode::OK);
}

#[tokio::test]
async fn what_finds_no_room_is_answered_at_once() {
    let one_place = without_a_key(|settings| settings.park_requests = 1).await;
    let waiting = send(&one_place, CHAT);
    one_place.gateway.need().await;
    assert_eq!(one_place.chat().await.status, StatusCode::SERVICE_UNAVAILABLE);
    one_place.gateway.decline("openai");
    waiting.await.expect("no panic");
    let few_bytes = without_a_key(|settings| settings.park_bytes = CHAT.len() - 1).await;
    assert_eq!(few_bytes.chat().await.status, StatusCode::SERVICE_UNAVAILABLE);
    let no_time = without_a_key(|settings| settings.park_timeout = Duration::from_millis(20)).await;
    assert_eq!(no_time.chat().await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_caller_that_leaves_gives_its_place_back() {
    let stage = without_a_key(|settings| settings.park_requests = 1).await;
    let mut leaving = TcpStream::connect(stage.gateway.addr()).await.expect("a connection");
    let head = format!("POST /openai/v1/chat/completions HTTP/1.1\r\nhost: {}\r\n", stage.gateway.addr());
    let request = format!("{head}content-length: {}\r\n\r\n{CHAT}", CHAT.len());
    leaving.write_all(request.as_bytes()).await.expect("sent");
    stage.gateway.need().await;
    drop(leaving);
    stage.gateway.need_ended("openai").await;
    let waiting = send(&stage, CHAT);
    stage.gateway.need().await;
    offer(&stage, &good(&stage, "new2")).await;
    assert_eq!(waiting.await.expect("no panic").status, StatusCode::OK);
}

#[tokio::test]
async fn a_rate_limit_or_another_provider_calls_no_person() {
    let stage = stage()
        .provider("openai", &["one1"])
        .provider("together", &["two2"])
        .config(|config| {
            let to = vec![("openai".to_owned(), "gpt-4o-mini".to_owned()), ("together".to_owned(), "m".to_owned())];
            config.routes.push(keywright_gateway::RouteSettings { model: "fast".to_owned(), to });
        })
        .asking()
        .start()
        .await;
    let pause = Some(Duration::from_secs(60));
    stage.set("openai", "one1", KeyState::RateLimited { after: 0, n: Some(1), retry_after: pause });
    assert_eq!(stage.chat().await.status, StatusCode::TOO_MANY_REQUESTS);
    stage.set("openai", "one1", KeyState::Revoked);
    let routed = stage.post("/v1/chat/completions", &CHAT.replace("gpt-4o-mini", "fast")).await;
    assert_eq!(routed.header("x-keywright-provider"), "together", "{}", routed.text());
}

#[tokio::test]
async fn without_somebody_who_asks_the_answer_comes_at_once() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    stage.set("openai", "one1", KeyState::Revoked);
    assert_eq!(stage.chat().await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_gateway_that_stops_lets_waiting_requests_go() {
    let stage = without_a_key(|_| {}).await;
    let waiting = send(&stage, CHAT);
    stage.gateway.need().await;
    let stage = Arc::into_inner(stage).expect("ours alone");
    assert!(stage.gateway.shutdown(Duration::from_secs(10)).await, "nothing holds it");
    assert_eq!(waiting.await.expect("no panic").status, StatusCode::SERVICE_UNAVAILABLE);
}
