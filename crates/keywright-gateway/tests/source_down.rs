//! A source that gives nothing any more while its key serves: the key serves on, and everything tells it.

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use common::{Stage, get, key, stage};
use http::StatusCode;
use keywright_core::ring::Health;
use keywright_emulator::KeyState;
use keywright_gateway::KeyReport;

/// A name, what becomes of the file, the cause, words of what the source says, and how the fix begins.
type Broken = (&'static str, fn(&Path), &'static str, &'static str, &'static str);

const BROKEN: [Broken; 4] = [
    ("deleted", |path| fs::remove_file(path).expect("removed"), "missing_key", "no such file", "Put the key into /"),
    (
        "emptied",
        |path| fs::write(path, "").expect("written"),
        "empty_key",
        "is set and empty",
        "Put a working key where the configuration looks for it: file://",
    ),
    (
        "two lines",
        two_lines,
        "whitespace_or_newline",
        "openai-one1",
        "Put a working key where the configuration looks for it: file://",
    ),
    ("a directory", a_directory, "missing_key", "it is a directory", "Name the file in it "),
];

fn two_lines(path: &Path) {
    fs::write(path, format!("{}\n{}\n", key("openai", "one1"), key("openai", "two2"))).expect("written");
}

fn a_directory(path: &Path) {
    fs::remove_file(path).expect("removed");
    fs::create_dir(path).expect("made");
}

fn key_of(stage: &Stage) -> KeyReport {
    stage.gateway.report().providers[0].keys[0].clone()
}

async fn metric(stage: &Stage) -> String {
    let page = get(stage.gateway.admin_addr().expect("an admin"), "/metrics", &[]).await.text();
    assert!(page.contains("# HELP keywright_key_source_down "), "{page}");
    let line = page.lines().find(|line| line.starts_with("keywright_key_source_down{"));
    line.expect("a row for the key").to_owned()
}

async fn begin() -> Stage {
    let admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    stage().provider("openai", &["one1"]).config(move |config| config.gateway.admin = admin).start().await
}

#[tokio::test]
async fn a_source_that_fails_is_told_and_its_key_serves_on() {
    for (name, make_broken, cause, says, mends) in BROKEN {
        let stage = begin().await;
        assert_eq!(key_of(&stage).source_down, None);
        assert!(metric(&stage).await.ends_with(",cause=\"\"} 0"));
        let path = stage.directory.path().join("openai-one1");
        make_broken(&path);
        stage.until(name, |report| report.providers[0].keys[0].source_down.is_some()).await;
        let told = key_of(&stage).source_down.expect("what the source says");
        assert!(told.contains(says), "{name}: {told}");
        let row = metric(&stage).await;
        assert!(row.ends_with(&format!(",cause=\"{cause}\"}} 1")), "{name}: {row}");
        assert_eq!(stage.chat().await.status, StatusCode::OK, "{name}");
        assert_eq!(key_of(&stage).health, Health::Active, "{name}");

        // The provider refuses the key: a new one could not come in, and the answer says why.
        stage.set("openai", "one1", KeyState::Revoked);
        let refused = stage.chat().await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        let text = refused.text();
        for words in ["sk-proj-…one1", "its source gives no key now: ", says] {
            assert!(text.contains(words), "{name}: {words}: {text}");
        }
        let fix = text.split_once("Fix: ").map(|(_, fix)| fix).expect("what to do");
        assert!(fix.starts_with(mends), "{name}: {text}");
        assert!(!text.contains(&key("openai", "one1")[20..40]), "{name}: {text}");

        if path.is_dir() {
            fs::remove_dir(&path).expect("removed");
        }
        stage.set("openai", "new2", KeyState::Valid);
        stage.rewrite("openai", "one1", &key("openai", "new2"));
        stage.until("its source works again", |report| report.providers[0].keys[0].source_down.is_none()).await;
        stage.until("the new key serves", |report| report.providers[0].keys[0].masked.ends_with("new2")).await;
        assert!(metric(&stage).await.ends_with(",cause=\"\"} 0"), "{name}");
        assert_eq!(stage.chat().await.status, StatusCode::OK, "{name}");
    }
}
