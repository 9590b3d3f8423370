//! When a key's source gives nothing that works, the value that served last stands in.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Reply, Stage, get, key, memory, post, stage};
use http::StatusCode;
use keywright::sources::{Environment, Resolver};
use keywright::state::{Memory, Timestamp};
use keywright_core::Secret;
use keywright_core::ring::Health;
use keywright_emulator::{Emulator, KeyState};
use keywright_gateway::{Config, Gateway, KeySettings, ProviderSettings, Report, StartOptions};

fn stands_in(report: &Report) -> bool {
    report.providers[0].keys[0].last_known_good
}

/// A key served; then its source held another value, which the provider does not know, and the gateway started anew.
async fn mistyped_rotation(serve_first: bool) -> Stage {
    let stage = stage().provider("openai", &["one1"]).config(|config| {
        config.gateway.admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    });
    let stage = stage.remembering().start().await;
    if serve_first {
        assert_eq!(stage.chat().await.status, StatusCode::OK);
    }
    stage.rewrite("openai", "one1", &key("openai", "typo"));
    stage.restart().await
}

#[tokio::test]
async fn a_refused_value_is_stood_in_for_by_the_one_that_served_last() {
    let stage = mistyped_rotation(true).await;
    for _ in 0..3 {
        let reply = stage.chat().await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
    stage.until("the last known good value serves", stands_in).await;
    let report = stage.gateway.report();
    let seen = &report.providers[0].keys[0];
    assert!(seen.place.starts_with("last known good key of file://"), "{}", seen.place);
    assert_eq!(seen.masked, "sk-proj-…one1");
    let metrics = get(stage.gateway.admin_addr().expect("an admin"), "/metrics", &[]).await.text();
    for (name, value) in [("keywright_last_known_good{", "1"), ("keywright_last_known_good_total{", "1")] {
        let line = metrics.lines().find(|line| line.starts_with(name)).expect(name);
        assert!(line.ends_with(&format!(" {value}")), "{line}");
    }
    // The source is read on, and the next good value takes over.
    stage.emulator.set_key("openai", &key("openai", "new2"), KeyState::Valid).expect("a key");
    stage.rewrite("openai", "one1", &key("openai", "new2"));
    stage.until("the source's value serves", |report| !stands_in(report)).await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    assert_eq!(stage.gateway.report().providers[0].keys[0].masked, "sk-proj-…new2");
}

#[tokio::test]
async fn the_value_itself_may_come_back_to_its_source() {
    let stage = mistyped_rotation(true).await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    stage.rewrite("openai", "one1", &key("openai", "one1"));
    stage.until("it is the source's value again", |report| !stands_in(report)).await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    assert!(stage.gateway.report().providers[0].keys[0].place.starts_with("file "));
}

#[tokio::test]
async fn only_a_value_that_served_stands_in() {
    let stage = mistyped_rotation(false).await;
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text());
    assert!(!stands_in(&stage.gateway.report()));
}

#[tokio::test]
async fn a_last_known_good_value_that_is_refused_too_is_forgotten() {
    let stage = mistyped_rotation(true).await;
    stage.set("openai", "one1", KeyState::Revoked);
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text());
    assert!(reply.text().contains("sk-proj-…typo"), "the source's own value is the one to mend: {}", reply.text());
    let stage = stage.restart().await;
    stage.set("openai", "one1", KeyState::Valid);
    assert_eq!(stage.chat().await.status, StatusCode::SERVICE_UNAVAILABLE, "it does not come back by itself");
}

#[tokio::test]
async fn a_value_that_dies_while_it_stands_in_gives_way_to_the_sources() {
    let stage = mistyped_rotation(true).await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    stage.set("openai", "one1", KeyState::Revoked);
    assert_eq!(stage.chat().await.status, StatusCode::SERVICE_UNAVAILABLE);
    stage
        .until("the source's value is the one that is out", |report| {
            let key = &report.providers[0].keys[0];
            !key.last_known_good && matches!(key.health, Health::Quarantined { .. })
        })
        .await;
}

/// A name, a reference, the variables of its source, and whether the last known good value serves.
type Place = (&'static str, &'static str, &'static [(&'static str, &'static str)], bool);

/// Places that cannot say what the key is, or say that there is none.
const PLACES: [Place; 6] = [
    (
        "a vault that is down",
        "vault://secret/llm#openai",
        &[("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", "t")],
        true,
    ),
    ("a vault without a token", "vault://secret/llm#openai", &[("VAULT_ADDR", "http://127.0.0.1:1")], true),
    (
        "a Connect server that is down",
        "op://vault/item/field",
        &[("OP_CONNECT_HOST", "http://127.0.0.1:1"), ("OP_CONNECT_TOKEN", "t")],
        true,
    ),
    ("1Password without its command", "op://vault/item/field", &[("PATH", "/nonexistent")], true),
    ("a variable that was removed", "env://OPENAI_API_KEY", &[], false),
    ("a file that was removed", "file:///nonexistent/key", &[], false),
];

#[tokio::test]
async fn a_source_that_cannot_be_read_is_stood_in_for() {
    let emulator = Emulator::builder().start().await.expect("an emulator");
    emulator.set_key("openai", &key("openai", "one1"), KeyState::Valid).expect("a key");
    for (name, reference, variables, expected) in PLACES {
        let directory = tempfile::tempdir().expect("a directory");
        let earlier = memory(&directory);
        let secret = Secret::new(key("openai", "one1"));
        earlier.remember(&earlier.subject("openai", &secret, reference), &secret, Timestamp::now());
        assert!(earlier.flush(Duration::from_secs(60)));
        let environment = Environment::given(variables.iter().copied());
        let gateway = begin(&emulator, reference, environment.clone(), Some(memory(&directory))).await;
        let reply = chat(&gateway).await;
        let status = if expected { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!((reply.status, stands_in(&gateway.report())), (status, expected), "{name}: {}", reply.text());
        let gateway = begin(&emulator, reference, environment, None).await;
        assert_eq!(chat(&gateway).await.status, StatusCode::SERVICE_UNAVAILABLE, "{name}: turned off");
    }
}

async fn begin(emulator: &Emulator, reference: &str, environment: Environment, memory: Option<Memory>) -> Gateway {
    let mut provider = ProviderSettings::new("openai", []);
    provider.base_url = Some(emulator.base_url("openai"));
    provider.keys.push(KeySettings::new(reference));
    let config = Config { gateway: common::local_settings(), providers: vec![provider], ..Config::default() };
    let options = StartOptions { memory, ..StartOptions::default() };
    Gateway::start(config, Resolver::new(environment, "/"), options).await.expect("a gateway")
}

async fn chat(gateway: &Gateway) -> Reply {
    post(gateway.addr(), "/openai/v1/chat/completions", &[], common::CHAT).await
}
