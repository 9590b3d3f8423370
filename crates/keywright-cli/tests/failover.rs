//! `keywright run` with providers behind it: a program survives a revoked key.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{Ended, Place, openai_key, upstream};
use keywright_emulator::KeyState;
use rustix::process::Signal;
use serde_json::Value;

/// A client without an SDK: three calls, and what they answered.
const CLIENT: &str = r#"
import json, os, sys, urllib.request, urllib.error
base, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}).encode()
for _ in range(3):
    request = urllib.request.Request(base + "/chat/completions", body,
        {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
    try:
        print("status", urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print("status", error.code, error.headers.get("x-keywright-cause"))
        print(error.read().decode())
        sys.exit(1)
"#;

fn client(place: &Place, options: &[&str]) -> Ended {
    let program = ["--", "python3", "client.py"];
    place.run(&[&["run"], options, &program].concat())
}

#[test]
fn a_second_key_in_dotenv_serves_when_the_first_is_revoked() {
    let upstream = upstream();
    let (one, two) = (openai_key(1), openai_key(2));
    let place = Place::new()
        .env("OPENAI_API_KEY", &one)
        .env("OPENAI_BASE_URL", &format!("{}/v1", upstream.base_url("openai")))
        .file(".env", &format!("OPENAI_API_KEY={two}\n"))
        .file("client.py", CLIENT);
    let good = "status 200\nstatus 200\nstatus 200\n";
    client(&place, &[]).code(0).out(good).err("OPENAI_BASE_URL").hides(&one).hides(&two);
    upstream.set_key("openai", &one, KeyState::Revoked).expect("known");
    client(&place, &[]).code(0).out(good).hides(&one).hides(&two);
    assert!(upstream.calls_of("openai", &two).iter().any(|row| row.status == 200));
    upstream.set_key("openai", &two, KeyState::Revoked).expect("known");
    client(&place, &[])
        .code(1)
        .out("status 503")
        .err("error[invalid_key]")
        .err("environment variable OPENAI_API_KEY (sk-proj-…0001)")
        .err(".env:1 (sk-proj-…0002)")
        .hides(&one)
        .hides(&two);
}

#[test]
fn a_configuration_names_keys_and_places() {
    let upstream = upstream();
    let key = openai_key(1);
    let config = format!(
        "[[provider]]\nid = \"openai\"\nkeys = [\"file://secret\"]\nbase_url = \"{}\"\n",
        upstream.base_url("openai")
    );
    let place =
        Place::new().file("secret", &format!("{key}\n")).file("keywright.toml", &config).file("client.py", CLIENT);
    client(&place, &["--config", "keywright.toml"]).code(0).out("status 200").err("file secret").hides(&key);
}

#[test]
fn a_live_check_leaves_a_refused_key_out() {
    let upstream = upstream();
    let (one, two) = (openai_key(1), openai_key(2));
    upstream.set_key("openai", &one, KeyState::Revoked).expect("known");
    let place = Place::new()
        .env("OPENAI_API_KEY", &one)
        .env("OPENAI_API_KEY_2", &two)
        .env("OPENAI_BASE_URL", &upstream.base_url("openai"))
        .file("client.py", CLIENT);
    client(&place, &["--live"]).code(0).err("live: refused").err("live: works").err("1 of 2 keys usable");
    upstream.set_key("openai", &two, KeyState::Revoked).expect("known");
    client(&place, &["--live"]).code(1).err("openai refuses every key of it");
}

#[test]
fn what_one_run_saw_the_next_one_knows() {
    let upstream = upstream();
    let key = openai_key(1);
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let place = Place::new()
        .env("OPENAI_API_KEY", &key)
        .env("OPENAI_BASE_URL", &upstream.base_url("openai"))
        .env("KEYWRIGHT_STATE_DIR", state.to_str().expect("text"))
        .file("client.py", CLIENT);
    client(&place, &["--no-history", "--no-last-known-good"]).code(0);
    assert!(!state.exists(), "nothing is noted unless it may be");
    place.run(&["keys", "history"]).code(0).err("no key was seen here yet");
    client(&place, &[]).code(0).hides(&key);
    place.run(&["keys", "history"]).code(0).out("last worked").out("(3 requests)").out("sk-proj-…0001").hides(&key);
    upstream.set_key("openai", &key, KeyState::Revoked).expect("known");
    client(&place, &[]).code(1).err("error[revoked_or_rotated]").err("this key served 3 requests").hides(&key);
    let shown = place.run(&["keys", "history", "openai", "--json"]).code(0).hides(&key);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let row = &shown["keys"][0];
    assert_eq!((&row["cause"], &row["served"]), (&"revoked_or_rotated".into(), &3.into()), "{shown}");
    assert!(row["last_good"].is_string() && row["first_bad"].is_string(), "{shown}");
    place.run(&["keys", "history", "together"]).code(0).err("no key was seen here yet");
}

#[test]
fn a_state_that_others_can_read_is_told_and_stops_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let upstream = upstream();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("set");
    let place = Place::new()
        .env("OPENAI_API_KEY", &openai_key(1))
        .env("OPENAI_BASE_URL", &upstream.base_url("openai"))
        .env("KEYWRIGHT_STATE_DIR", folder.path().to_str().expect("text"))
        .file("client.py", CLIENT);
    client(&place, &[]).code(0).out("status 200").err("is open to other users (mode 755)").err("chmod 700");
    std::fs::write(folder.path().join("state.db"), "").expect("written");
    place.run(&["keys", "history"]).code(1).err("is open to other users").err("chmod 700");
}

#[test]
fn a_mistyped_rotation_is_stood_in_for_by_the_key_that_served_last() {
    let upstream = upstream();
    let key = openai_key(1);
    let folder = tempfile::tempdir().expect("a folder");
    let typo = key.replace("0001", "7777");
    let place = Place::new()
        .env("OPENAI_BASE_URL", &upstream.base_url("openai"))
        .env("KEYWRIGHT_STATE_DIR", folder.path().join("state").to_str().expect("text"))
        .file(".env", &format!("OPENAI_API_KEY={key}\n"))
        .file("client.py", CLIENT);
    client(&place, &[]).code(0);
    let place = place.file(".env", &format!("OPENAI_API_KEY={typo}\n"));
    let good = "status 200\nstatus 200\nstatus 200\n";
    let told = "the last known good key sk-proj-…0001 served";
    client(&place, &[]).code(0).out(good).err(told).hides(&key).hides(&typo);
    client(&place, &["--json"]).code(0).out(good).err("\"last_known_good\":[{").hides(&key);
    place.run(&["doctor"]).out("last known good key sk-proj-…0001 serves").hides(&key).hides(&typo);
    // A refused key would be left out; what serves in its place is told before the start.
    client(&place, &["--live"]).code(0).out(good).err("in its place: last known good key").hides(&key).hides(&typo);
    // So is a value that was refused when it was tried last, without asking about it again.
    let refused = "OpenAI refused it ";
    client(&place, &[]).code(0).err(refused).err("in its place: last known good key").hides(&key).hides(&typo);
    let config = format!(
        "[[provider]]\nid = \"openai\"\nkeys = [\"dotenv://.env#OPENAI_API_KEY\"]\nbase_url = \"{}\"\n",
        upstream.base_url("openai")
    );
    let place = place.file("keywright.toml", &config);
    let check = || place.run(&["serve", "--check"]).code(0).hides(&key).hides(&typo);
    check().err("[warn]").err(refused).err("in its place: last known good key");
    client(&place, &["--no-last-known-good"]).code(1).out("status 503").hides(&key).hides(&typo);
    let elsewhere = Place::new()
        .env("OPENAI_BASE_URL", &upstream.base_url("openai"))
        .env("KEYWRIGHT_STATE_DIR", folder.path().join("state").to_str().expect("text"))
        .file(".env", &format!("OPENAI_API_KEY={typo}\n"))
        .file("client.py", CLIENT);
    client(&elsewhere, &[]).code(1).out("status 503").hides(&key);
}

/// One request over a connection of its own: the whole answer.
fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "{request}Host: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_answer_the_log_and_the_metrics_tell_one_cause_of_one_key() {
    let upstream = upstream();
    let key = openai_key(1);
    let config = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\n[[provider]]\nid = \"openai\"\n\
         keys = [\"env://OPENAI_API_KEY\"]\nbase_url = \"{}\"\n",
        upstream.base_url("openai")
    );
    let place = Place::new().env("OPENAI_API_KEY", &key).file("keywright.toml", &config);
    let running = place.start(&["serve", "--json", "--log-format", "json"], "listening");
    let event: Value = serde_json::from_str(&running.before).expect("JSON");
    let address = |name: &str| event[name].as_str().expect("an address").to_owned();
    let ask = || exchange(&address("listen"), "GET /openai/v1/models HTTP/1.1\r\n");
    assert!(ask().starts_with("HTTP/1.1 200"));
    upstream.set_key("openai", &key, KeyState::Revoked).expect("known");
    let answer = ask();
    assert!(answer.contains("x-keywright-cause: revoked_or_rotated"), "{answer}");
    let metrics = exchange(&address("admin"), "GET /metrics HTTP/1.1\r\n");
    running.signal(Signal::TERM);
    let ended = running.end().code(0).hides(&key);
    let lines: Vec<Value> = ended.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let find = |name: &str, value: &str| lines.iter().find(|line| line[name] == value).expect("a line");
    let (out, report) = (find("message", "key is out"), find("event", "keys"));
    assert_eq!(out["cause"], "revoked_or_rotated", "{out}");
    assert!(out["help"].as_str().is_some_and(|help| help.contains("https://platform.openai.com")), "{out}");
    let fingerprint = out["fingerprint"].as_str().expect("a fingerprint");
    assert_eq!(report["keys"][0]["fingerprint"], fingerprint);
    let row = format!(
        "keywright_key_state{{provider=\"openai\",key=\"{fingerprint}\",state=\"quarantined\",cause=\"revoked_or_rotated\"}} 1"
    );
    assert!(metrics.contains(&row), "{row} is not in {metrics}");
}
