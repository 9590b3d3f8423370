//! What a gateway knew is known to the next one.

mod common;

use common::stage;
use http::StatusCode;
use keywright_core::ring::Health;
use keywright_core::{Cause, Witness};
use keywright_emulator::KeyState;

fn is_out(report: &keywright_gateway::Report) -> bool {
    matches!(report.providers[0].keys[0].health, Health::Quarantined { .. })
}

#[tokio::test]
async fn a_key_that_served_before_a_restart_is_called_revoked_after_it() {
    let stage = stage().provider("openai", &["one1"]).remembering().start().await;
    for _ in 0..3 {
        assert_eq!(stage.chat().await.status, StatusCode::OK);
    }
    let stage = stage.restart().await;
    stage.set("openai", "one1", KeyState::Revoked);
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.text().contains("[revoked_or_rotated]"), "{}", reply.text());
    let diagnosis = stage.gateway.report().providers[0].keys[0].diagnosis.clone().expect("a diagnosis");
    let history = diagnosis.evidence.iter().find(|evidence| evidence.witness == Witness::History).expect("history");
    assert!(history.says.starts_with("this key served 3 requests"), "{}", history.says);
}

#[tokio::test]
async fn a_key_that_never_worked_is_not_called_revoked_after_a_restart() {
    let stage = stage().provider("openai", &["one1"]).remembering().start().await;
    stage.set("openai", "one1", KeyState::Unknown);
    stage.chat().await;
    let stage = stage.restart().await;
    let reply = stage.chat().await;
    assert!(reply.text().contains("[invalid_key]"), "{}", reply.text());
    let diagnosis = stage.gateway.report().providers[0].keys[0].diagnosis.clone().expect("a diagnosis");
    assert!(
        diagnosis.evidence.iter().any(|evidence| evidence.says.contains("has not worked here yet")),
        "{diagnosis:?}"
    );
}

#[tokio::test]
async fn a_key_that_was_out_serves_nobody_after_a_restart_before_it_is_looked_at() {
    let stage = stage().provider("openai", &["one1", "two2"]).remembering().start().await;
    stage.set("openai", "one1", KeyState::Revoked);
    stage.chat().await;
    stage.until("one1 is out", is_out).await;
    let before = stage.calls("openai", "one1");
    let stage = stage.restart().await;
    for _ in 0..5 {
        let reply = stage.chat().await;
        assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "1"), "{}", reply.text());
    }
    stage.until("one1 is out again", is_out).await;
    let report = stage.gateway.report();
    assert_eq!((report.providers[0].keys[0].calls, report.providers[0].keys[0].probes), (0, 1), "one look, no call");
    assert_eq!(stage.calls("openai", "one1"), before + 1);
    // It works again: the look finds out, and the process after that knows.
    stage.set("openai", "one1", KeyState::Valid);
    let stage = stage.restart().await;
    stage.until("it was looked at", |report| report.providers[0].keys[0].probes == 1 && !is_out(report)).await;
    let stage = stage.restart().await;
    assert_eq!(stage.gateway.report().providers[0].keys[0].health, Health::Active);
}

#[tokio::test]
async fn an_account_without_credit_proves_itself_with_one_request_after_a_restart() {
    let stage = stage().provider("openai", &["one1", "two2"]).remembering().start().await;
    stage.set("openai", "one1", KeyState::OutOfCredit);
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    let stage = stage.restart().await;
    let health = stage.gateway.report().providers[0].keys[0].health;
    assert!(matches!(health, Health::Probation { cause: Cause::QuotaExhausted, .. }), "{health:?}");
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    assert!(is_out(&stage.gateway.report()));
}
