//! Keys change at their sources while requests flow: nothing is restarted, nothing is lost.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{CHAT, STREAM, Stage, key, stage};
use http::StatusCode;
use http_body_util::BodyExt;
use keywright_core::ring::Health;
use keywright_emulator::KeyState;
use keywright_gateway::KeySettings;

/// A key that the provider knows.
fn fresh(stage: &Stage, tag: &str) -> String {
    stage.set("openai", tag, KeyState::Valid);
    key("openai", tag)
}

async fn until_it_is(stage: &Stage, tag: &str) {
    stage.until(tag, |report| report.providers[0].keys[0].masked.ends_with(tag)).await;
}

#[tokio::test]
async fn a_changed_file_takes_over_before_the_old_key_is_refused() {
    let stage = stage().provider("openai", &["old1"]).start().await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    stage.rewrite("openai", "old1", &fresh(&stage, "new2"));
    until_it_is(&stage, "new2").await;
    stage.set("openai", "old1", KeyState::Revoked);
    let reply = stage.chat().await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "1"));
    let report = &stage.gateway.report().providers[0].keys[0];
    assert_eq!((report.refused, report.probes), (0, 1), "it was probed once before it joined");
}

/// `keys -> ..data/keys`, `..data -> ..v1`: as Kubernetes mounts a secret, and swaps it.
#[cfg(unix)]
#[tokio::test]
async fn a_swapped_folder_of_secrets_is_noticed() {
    use std::os::unix::fs::symlink;
    let volume = tempfile::tempdir().expect("a directory");
    let at = |name: &str| volume.path().join(name);
    let publish = |version: &str, value: &str| {
        std::fs::create_dir(at(version)).expect("a directory");
        std::fs::write(at(version).join("key"), value).expect("a file");
        symlink(version, at("..next")).expect("a symlink");
        std::fs::rename(at("..next"), at("..data")).expect("swapped");
    };
    publish("..v1", &key("openai", "old1"));
    symlink("..data/key", at("key")).expect("a symlink");
    let reference = format!("file://{}", at("key").display());
    let stage = stage()
        .provider("openai", &["old1"])
        .config(move |config| config.providers[0].keys = vec![KeySettings::new(reference)])
        .start()
        .await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
    publish("..v2", &fresh(&stage, "new2"));
    until_it_is(&stage, "new2").await;
    assert_eq!(stage.gateway.report().providers[0].keys[0].refused, 0);
}

#[tokio::test]
async fn a_line_of_a_dotenv_file_that_is_renamed_into_place_is_noticed() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, next) = (folder.path().join(".env"), folder.path().join(".env.next"));
    let write = |path: &Path, value: &str| std::fs::write(path, format!("A=1\nKEY='{value}'\n")).expect("a file");
    write(&path, &key("openai", "old1"));
    let reference = format!("dotenv://{}#KEY", path.display());
    let stage = stage()
        .provider("openai", &["old1"])
        .config(move |config| config.providers[0].keys = vec![KeySettings::new(reference)])
        .start()
        .await;
    write(&next, &fresh(&stage, "new2"));
    std::fs::rename(&next, &path).expect("renamed");
    until_it_is(&stage, "new2").await;
    assert_eq!(stage.chat().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_value_that_the_provider_refuses_takes_over_only_when_it_works() {
    let stage = stage().provider("openai", &["old1"]).start().await;
    stage.rewrite("openai", "old1", &key("openai", "new2"));
    stage.until("it is probed", |report| report.providers[0].keys[0].probes > 0).await;
    let reply = stage.chat().await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "1"));
    assert_eq!(stage.gateway.report().providers[0].keys[0].health, Health::Active);
    fresh(&stage, "new2");
    until_it_is(&stage, "new2").await;
}

/// The ends of the keys of OpenAI, in order.
fn ends(stage: &Stage) -> Vec<String> {
    let keys = &stage.gateway.report().providers[0].keys;
    keys.iter().map(|key| key.masked.chars().skip(key.masked.chars().count() - 4).collect()).collect()
}

#[tokio::test]
async fn a_reload_probes_what_changed_and_keeps_what_works() {
    let stage = stage().provider("openai", &["old1", "two2"]).start().await;
    stage.rewrite("openai", "old1", &fresh(&stage, "new3"));
    stage.rewrite("openai", "two2", &key("openai", "bad4"));
    let mut config = stage.config.clone();
    config.providers[0].keys[0].weight = 3;
    stage.gateway.reload(config).await.expect("taken over");
    assert_eq!(ends(&stage), ["new3", "two2"], "the reload waits for the verdicts");
    let keys = &stage.gateway.report().providers[0].keys;
    assert!(keys.iter().all(|key| key.health == Health::Active), "{keys:?}");
    assert!(keys[1].probes > 0, "{keys:?}");
}

#[tokio::test]
async fn a_key_that_comes_with_a_reload_has_its_verdict_before_it_is_taken() {
    let stage = stage().provider("openai", &["old1"]).start().await;
    let path = stage.directory.path().join("another");
    std::fs::write(&path, key("openai", "bad2")).expect("a file");
    let mut config = stage.config.clone();
    config.providers[0].keys.insert(0, KeySettings::new(format!("file://{}", path.display())));
    stage.gateway.reload(config.clone()).await.expect("taken over");
    let reply = stage.chat().await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "1"));
    assert_eq!(ends(&stage), ["bad2", "old1"]);
    assert!(matches!(stage.gateway.report().providers[0].keys[0].health, Health::Quarantined { .. }));
    fresh(&stage, "new3");
    std::fs::write(&path, key("openai", "new3")).expect("a file");
    stage.gateway.reload(config).await.expect("taken over");
    assert_eq!(ends(&stage), ["new3", "old1"]);
    assert_eq!(stage.gateway.report().providers[0].keys[0].health, Health::Active);
}

#[tokio::test]
async fn a_reload_loses_no_key_to_a_file_that_is_half_written() {
    let stage = stage().provider("openai", &["old1"]).start().await;
    for broken in ["", "\n", "sk-proj-half\u{1}"] {
        stage.rewrite("openai", "old1", broken);
        stage.gateway.reload(stage.config.clone()).await.expect("taken over");
        assert_eq!(stage.chat().await.status, StatusCode::OK, "{broken:?}");
    }
    std::fs::remove_file(stage.directory.path().join("openai-old1")).expect("removed");
    stage.gateway.reload(stage.config.clone()).await.expect("taken over");
    let reply = stage.chat().await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "its owner took it away");
    assert_eq!(reply.header("x-keywright-cause"), "missing_key");
}

#[tokio::test]
async fn a_stream_that_flows_ends_with_the_key_it_began_with() {
    let stage = stage().provider("openai", &["old1"]).start().await;
    stage.set("openai", "old1", KeyState::Slow { delay: std::time::Duration::from_millis(20) });
    let request = http::Request::post("/openai/v1/chat/completions")
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(bytes::Bytes::from_static(STREAM.as_bytes())))
        .expect("a request");
    let response = common::begin(stage.gateway.addr(), request).await;
    stage.rewrite("openai", "old1", &fresh(&stage, "new2"));
    until_it_is(&stage, "new2").await;
    let body = response.into_body().collect().await.expect("a whole stream").to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    // While the stream held the old key, it was masked; both are now in use by nobody but us.
    let masked = stage.gateway.redactor().redact_str(&key("openai", "new2")).into_owned();
    assert!(!masked.contains("Yq8Zt5Wm2Rj7"));
}

/// Half of the rotations are noticed in time, half are met by a request that finds the old key refused.
#[tokio::test]
async fn rotations_under_load_lose_no_request() {
    const ROTATIONS: usize = 6;
    const CALLERS: usize = 8;
    let stage = Arc::new(stage().provider("openai", &["k0"]).start().await);
    let (rotated, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (stage, rotated, served) = (Arc::clone(&stage), Arc::clone(&rotated), Arc::clone(&served));
        callers.spawn(async move {
            let body = if caller % 2 == 0 { CHAT } else { STREAM };
            while !rotated.load(Ordering::Acquire) {
                let reply = stage.post("/openai/v1/chat/completions", body).await;
                assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 0..ROTATIONS {
        let (old, new) = (format!("k{round}"), format!("k{}", round + 1));
        let value = fresh(&stage, &new);
        let next = stage.directory.path().join("next");
        std::fs::write(&next, value).expect("a file");
        std::fs::rename(&next, stage.directory.path().join("openai-k0")).expect("renamed");
        if round % 2 == 0 {
            until_it_is(&stage, &new).await;
            stage.set("openai", &old, KeyState::Revoked);
        } else {
            stage.set("openai", &old, KeyState::Revoked);
            until_it_is(&stage, &new).await;
        }
        let before = served.load(Ordering::Relaxed);
        stage.until("requests go on", |_| served.load(Ordering::Relaxed) > before + CALLERS).await;
    }
    rotated.store(true, Ordering::Release);
    while let Some(ended) = callers.join_next().await {
        ended.expect("every request was served");
    }
}
