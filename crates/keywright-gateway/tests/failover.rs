//! A request survives what happens to a key, and the reason is told.

mod common;

use std::time::Duration;

use common::{CHAT, STREAM, get, key, post, stage};
use http::StatusCode;
use http_body_util::BodyExt;
use keywright_core::Cause;
use keywright_core::ring::Health;
use keywright_emulator::{Assistants, KeyState};

#[tokio::test]
async fn a_request_is_served_with_the_first_key() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.json()["object"], "chat.completion");
    assert_eq!((reply.header("x-keywright-provider"), reply.header("x-keywright-attempts")), ("openai", "1"));
    assert_eq!((stage.calls("openai", "one1"), stage.calls("openai", "two2")), (1, 0));
}

#[tokio::test]
async fn a_revoked_key_fails_over_and_is_left_alone_after_one_look() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.chat().await;
    stage.set("openai", "one1", KeyState::Revoked);
    let reply = stage.chat().await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "2"), "{}", reply.text());
    stage.until("one1 is out", |report| matches!(report.providers[0].keys[0].health, Health::Quarantined { .. })).await;
    let after_look = stage.calls("openai", "one1");
    for _ in 0..20 {
        assert_eq!(stage.chat().await.header("x-keywright-attempts"), "1");
    }
    // One request before, one refused, one probe; later looks come with backoff only.
    assert_eq!(after_look, 3);
    let report = stage.gateway.report();
    let diagnosis = report.providers[0].keys[0].diagnosis.clone().expect("a diagnosis");
    assert_eq!(diagnosis.cause, Cause::RevokedOrRotated, "it served before: {diagnosis:?}");
    assert_eq!((report.failovers, report.providers[0].keys[0].useless), (1, 0));
}

#[tokio::test]
async fn a_key_that_never_served_is_called_unknown_not_revoked() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.set("openai", "one1", KeyState::Unknown);
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    stage.until("one1 is out", |report| matches!(report.providers[0].keys[0].health, Health::Quarantined { .. })).await;
    let diagnosis = stage.gateway.report().providers[0].keys[0].diagnosis.clone().expect("a diagnosis");
    assert_eq!(diagnosis.cause, Cause::InvalidKey);
    assert!(diagnosis.alternatives.iter().any(|other| other.cause == Cause::RevokedOrRotated));
}

#[tokio::test]
async fn a_key_revoked_under_concurrent_load_loses_no_request() {
    for provider in ["openai", "fireworks", "together"] {
        let stage = std::sync::Arc::new(stage().provider(provider, &["one1", "two2", "three3"]).start().await);
        let path = format!("/{provider}/v1/chat/completions");
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..200 {
            let (stage, path) = (stage.clone(), path.clone());
            calls.spawn(async move {
                if number == 100 {
                    stage.set(provider, "one1", KeyState::Revoked);
                }
                let body = if number % 2 == 0 { CHAT } else { STREAM };
                post(stage.gateway.addr(), &path, &[], body).await
            });
        }
        while let Some(reply) = calls.join_next().await {
            let reply = reply.expect("no panic");
            assert_eq!(reply.status, StatusCode::OK, "{provider}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn streams_that_flow_when_their_key_is_revoked_end_whole() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.set("openai", "one1", KeyState::Slow { delay: Duration::from_millis(20) });
    let request = http::Request::post("/openai/v1/chat/completions")
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(bytes::Bytes::from_static(STREAM.as_bytes())))
        .expect("a request");
    let response = common::begin(stage.gateway.addr(), request).await;
    assert_eq!(response.status(), StatusCode::OK);
    stage.set("openai", "one1", KeyState::Revoked);
    let body = response.into_body().collect().await.expect("a whole stream").to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn when_every_key_is_out_the_answer_names_them_and_the_fix() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.set("openai", "one1", KeyState::Revoked);
    stage.set("openai", "two2", KeyState::Deactivated);
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text());
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(reply.header("x-keywright-origin"), "gateway");
    assert!(!reply.header("retry-after").is_empty());
    let message = reply.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("sk-proj-…one1") && message.contains("[invalid_key]"), "{message}");
    assert!(message.contains("sk-proj-…two2") && message.contains("[account_deactivated]"), "{message}");
    assert!(message.contains("Fix: "), "{message}");
    for tag in ["one1", "two2"] {
        assert!(!reply.text().contains(&key("openai", tag)));
    }
    let cause = reply.header("x-keywright-cause").to_owned();
    assert_eq!(reply.json()["error"]["code"], cause.as_str());
    let again = stage.chat().await;
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_rotated_in_key_saves_the_very_request_that_met_the_dead_one() {
    let stage = stage().provider("together", &["old1"]).start().await;
    stage.emulator.set_key("together", &key("together", "new2"), KeyState::Valid).expect("a key");
    stage.set("together", "old1", KeyState::Revoked);
    stage.rewrite("together", "old1", &format!("{}\n", key("together", "new2")));
    let reply = stage.post("/together/v1/chat/completions", CHAT).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert!(stage.gateway.report().providers[0].keys[0].masked.ends_with("new2"));
}

#[tokio::test]
async fn a_key_that_works_again_comes_back() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    stage.set("openai", "one1", KeyState::Revoked);
    assert_eq!(stage.chat().await.status, StatusCode::SERVICE_UNAVAILABLE);
    stage.set("openai", "one1", KeyState::Valid);
    stage
        .until("one1 may serve again", |report| {
            !matches!(report.providers[0].keys[0].health, Health::Quarantined { .. })
        })
        .await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_passing_permission_glitch_condemns_no_key() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.set("openai", "one1", KeyState::Flaky);
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    let health = stage.gateway.report().providers[0].keys[0].health;
    assert_eq!(health, Health::Active);
}

#[tokio::test]
async fn an_account_without_credit_takes_its_keys_along() {
    let keys = [("one1", Some("a"), None), ("two2", Some("a"), None), ("three3", Some("b"), None)];
    let stage = stage().labelled("openai", &keys).start().await;
    stage.set("openai", "one1", KeyState::OutOfCredit);
    let reply = stage.chat().await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "2"), "{}", reply.text());
    assert_eq!((stage.calls("openai", "two2"), stage.calls("openai", "three3")), (0, 1));
}

#[tokio::test]
async fn a_short_rate_limit_is_waited_for_and_a_long_one_moves_on() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    let limited = |ms| KeyState::RateLimited { after: 0, n: Some(1), retry_after: Some(Duration::from_millis(ms)) };
    stage.set("openai", "one1", limited(1_000));
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(stage.calls("openai", "two2"), 0);
    stage.set("openai", "one1", limited(60_000));
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    assert_eq!(stage.calls("openai", "two2"), 1);
    assert!(matches!(stage.gateway.report().providers[0].keys[0].health, Health::CoolingDown { .. }));
}

#[tokio::test]
async fn a_rate_limit_of_the_only_key_goes_down_as_it_is() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    stage.set(
        "openai",
        "one1",
        KeyState::RateLimited { after: 0, n: None, retry_after: Some(Duration::from_secs(60)) },
    );
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((reply.header("x-keywright-origin"), reply.header("retry-after")), ("provider", "60"));
}

#[tokio::test]
async fn a_model_that_one_key_may_not_use_is_asked_of_another() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.set("openai", "one1", KeyState::ModelBlocked { models: vec!["gpt-4o-mini".to_owned()] });
    assert_eq!(stage.chat().await.header("x-keywright-attempts"), "2");
    assert_eq!(stage.chat().await.header("x-keywright-attempts"), "1", "the pair is benched");
    let other = stage.post("/openai/v1/chat/completions", &CHAT.replace("gpt-4o-mini", "gpt-4.1")).await;
    assert_eq!((other.status, other.header("x-keywright-attempts")), (StatusCode::OK, "1"));
    assert_eq!(stage.gateway.report().providers[0].keys[0].health, Health::Active);
}

#[tokio::test]
async fn an_error_as_first_event_moves_on_and_one_in_mid_stream_does_not() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.set("openai", "one1", KeyState::MidStreamError);
    let reply = stage.post("/openai/v1/chat/completions", STREAM).await;
    assert!(reply.text().contains("\"error\"") && stage.calls("openai", "two2") == 0);
    stage.set("openai", "one1", KeyState::ErrorFirstEvent);
    let reply = stage.post("/openai/v1/chat/completions", STREAM).await;
    // A server error may have run: it goes down as it came. Only a refusal of the key moves on.
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_the_keys_fault_is_never_failed_over() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage
        .emulator
        .set_settings(keywright_emulator::Settings { assistants: Assistants::Gone, ..stage.emulator.settings() });
    let gone = stage.post("/openai/v1/threads", "{}").await;
    assert_eq!((gone.status, gone.header("x-keywright-cause")), (StatusCode::NOT_FOUND, "assistants_gone"));
    let told = gone.json()["error"]["message"].as_str().expect("words where the provider has none").to_owned();
    assert!(told.contains("answered 404 with an empty body") && told.contains("2026-08-26"), "{told}");
    assert_eq!(gone.header("content-length"), gone.text().len().to_string());
    let unknown = stage.post("/openai/v1/chat/completions", "{\"model\":").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    stage.set("openai", "one1", KeyState::ServerError);
    assert_eq!(stage.chat().await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(stage.calls("openai", "two2"), 0);
}

#[tokio::test]
async fn a_suspended_fireworks_account_is_told_with_its_cause() {
    let stage = stage().provider("fireworks", &["one1"]).start().await;
    stage.set("fireworks", "one1", KeyState::Suspended(keywright_emulator::SuspendReason::CreditDepleted));
    let reply = stage.post("/fireworks/inference/v1/chat/completions", CHAT).await;
    assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::SERVICE_UNAVAILABLE, "quota_exhausted"));
}

#[tokio::test]
async fn an_object_stays_with_keys_of_its_project() {
    let keys = [("one1", None, Some("proj_a")), ("two2", None, Some("proj_a")), ("three3", None, Some("proj_b"))];
    let stage = stage().labelled("openai", &keys).start().await;
    stage
        .emulator
        .set_settings(keywright_emulator::Settings { assistants: Assistants::Live, ..stage.emulator.settings() });
    let beta = [("openai-beta", "assistants=v2")];
    let address = stage.gateway.addr();
    let made = post(address, "/openai/v1/threads", &beta, "{}").await;
    let thread = made.json()["id"].as_str().expect("an id").to_owned();
    stage
        .emulator
        .set_key(
            "openai",
            &key("openai", "one1"),
            keywright_emulator::KeySpec::from(KeyState::Revoked).project("proj_a"),
        )
        .expect("a key");
    let same = get(address, &format!("/openai/v1/threads/{thread}"), &beta).await;
    assert_eq!((same.status, same.header("x-keywright-attempts")), (StatusCode::OK, "2"), "{}", same.text());
    stage
        .emulator
        .set_key(
            "openai",
            &key("openai", "two2"),
            keywright_emulator::KeySpec::from(KeyState::Revoked).project("proj_a"),
        )
        .expect("a key");
    let lost = get(address, &format!("/openai/v1/threads/{thread}"), &beta).await;
    assert_eq!(lost.status, StatusCode::SERVICE_UNAVAILABLE, "{}", lost.text());
    assert!(lost.text().contains(&thread) && lost.text().contains("another project"), "{}", lost.text());
    assert_eq!(stage.calls("openai", "three3"), 0);
}

#[tokio::test]
async fn keys_share_the_load_by_weight() {
    let stage = stage()
        .provider("openai", &["one1", "two2"])
        .config(|config| {
            config.providers[0].keys[0].weight = 3;
            config.providers[0].keys[1].weight = 1;
        })
        .start()
        .await;
    for _ in 0..40 {
        stage.chat().await;
    }
    assert_eq!((stage.calls("openai", "one1"), stage.calls("openai", "two2")), (30, 10));
}

#[tokio::test]
async fn without_keys_the_callers_own_credential_goes_through() {
    let stage = stage().provider("openai", &[]).start().await;
    let own = key("openai", "own1");
    stage.emulator.set_key("openai", &own, KeyState::Valid).expect("a key");
    let bearer = format!("Bearer {own}");
    let good = post(stage.gateway.addr(), "/openai/v1/chat/completions", &[("authorization", &bearer)], CHAT).await;
    assert_eq!(good.status, StatusCode::OK);
    let bad =
        post(stage.gateway.addr(), "/openai/v1/chat/completions", &[("authorization", "Bearer My API Key")], CHAT)
            .await;
    assert_eq!(
        (bad.status, bad.header("x-keywright-origin"), bad.header("x-keywright-cause")),
        (StatusCode::UNAUTHORIZED, "provider", "invalid_key")
    );
}
