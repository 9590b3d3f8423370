//! What must hold before anything starts: `--require` and `--live` of `run` and `serve`.

mod common;

use std::sync::Arc;

use common::servers::{Server, closed_port};
use common::{Ended, Place, openai_key, upstream};
use keywright_emulator::{Emulator, KeyState, SuspendReason};
use rustix::process::Signal;
use serde_json::Value;

/// A program that shows whether it was started.
const PROGRAM: &[&str] = &["--", "sh", "-c", "echo started"];

fn run(place: &Place, options: &[&str]) -> Ended {
    place.run(&[&["run"], options, PROGRAM].concat())
}

/// The lines of JSON of a stream.
fn events(stream: &str) -> Vec<Value> {
    stream.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[track_caller]
fn event(stream: &str, name: &str) -> Value {
    let all = events(stream);
    let found = all.iter().find(|event| event["event"] == name);
    found.unwrap_or_else(|| panic!("no event {name} in {stream}")).clone()
}

/// OpenAI's keys come from the environment and are asked about at this place.
fn configuration(base_url: &str) -> String {
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[[provider]]\nid = \"openai\"\nbase_url = \"{base_url}\"\n\
         keys = [\"env://OPENAI_API_KEY\"]\n"
    )
}

fn with_key(value: &str, base_url: &str) -> Place {
    let place = Place::new().env("OPENAI_API_KEY", value).env("OPENAI_BASE_URL", base_url);
    place.file("keywright.toml", &configuration(base_url))
}

fn with_state(state: KeyState) -> (Arc<Emulator>, Place) {
    let emulator = upstream();
    emulator.set_key("openai", &openai_key(1), state).expect("a known state");
    let place = with_key(&openai_key(1), &emulator.base_url("openai"));
    (emulator, place)
}

#[test]
fn a_key_lets_the_start_go_on_or_stops_it_with_its_cause() {
    let state = |state: KeyState| {
        let (emulator, place) = with_state(state);
        (Some(emulator), place)
    };
    let given = |value: &str| (None, with_key(value, "http://127.0.0.1:9/v1"));
    let unreachable = || (None, with_key(&openai_key(1), &format!("http://127.0.0.1:{}/v1", closed_port())));
    let required: &[&str] = &["--require", "openai"];
    let live: &[&str] = &["--live"];
    let both: &[&str] = &["--live", "--require", "openai"];
    // The key, the options, the cause that stops it, words that are told.
    let cases = [
        (state(KeyState::Valid), required, "", ""),
        (state(KeyState::Valid), both, "", "live: works"),
        (given(""), required, "empty_key", "--> environment variable OPENAI_API_KEY"),
        (given("sk-your-key-here"), required, "placeholder_key", "is required and has no key that can serve"),
        // Without `--live` nobody knows.
        (state(KeyState::Revoked), required, "", ""),
        (state(KeyState::Revoked), live, "invalid_key", "openai refuses every key of it"),
        (state(KeyState::Revoked), both, "invalid_key", "401 `invalid_api_key`"),
        (state(KeyState::OutOfCredit), live, "quota_exhausted", "live: refused"),
        (state(KeyState::Deactivated), live, "account_deactivated", "live: refused"),
        (state(KeyState::IpBlocked), live, "ip_not_allowed", "live: refused"),
        (unreachable(), required, "", ""),
        // A network that comes up later mends itself; who requires a provider wants to know now.
        (unreachable(), live, "", "warning[network]: `127.0.0.1` has an address, and nothing answers"),
        (unreachable(), both, "network", "curl -sv http://127.0.0.1:"),
    ];
    for ((emulator, place), options, cause, words) in cases {
        let ended = run(&place, options).err(words).hides(&openai_key(1));
        let case = format!("run {options:?}, expected `{cause}`: {ended:?}");
        let (code, out) = if cause.is_empty() { (0, "started\n") } else { (1, "") };
        assert_eq!((ended.code, ended.stdout.as_str()), (code, out), "{case}");
        assert_eq!(ended.stderr.contains("not started"), !cause.is_empty(), "{case}");
        if cause.is_empty() {
            continue;
        }
        ended.err(&format!("error[{cause}]")).err(&format!("keywright explain {cause}"));
        let ended = run(&place, &[options, &["--json"]].concat()).code(1).hides(&openai_key(1));
        let stopped = event(&ended.stderr, "not_started");
        assert_eq!(stopped["diagnoses"][0]["cause"], cause, "{stopped}");
        // The service is stopped by the same, and listens nowhere.
        let ended = place.run(&[&["serve"], options].concat()).code(1).hides(&openai_key(1));
        assert!(!ended.stdout.contains("listening"), "{ended:?}");
        ended.err(&format!("error[{cause}]")).err("not started");
        drop(emulator);
    }
}

#[test]
fn a_missing_key_is_told_with_every_place_that_was_asked() {
    let (_emulator, place) = with_state(KeyState::Valid);
    let ended = run(&place, &["--require", "fireworks", "--require", "openai"]).code(1).hides(&openai_key(1));
    let ended = ended.err("error[missing_key]").err("--> the environment, then .env (no such file)");
    let ended =
        ended.err("FIREWORKS_API_KEY").err("= help:").err("fireworks is required and has no key that can serve");
    assert!(!ended.stderr.contains("openai is required"), "{ended:?}");
    // What nobody requires may be missing.
    run(&place, &["--require", "openai"]).code(0).out("started");
    // A name that nothing reads is the likely reason.
    let place = place.env("FIREWORKS_KEY", &openai_key(2));
    run(&place, &["--require", "fireworks"]).code(1).err("error[wrong_env_var_name]").hides(&openai_key(2));
    place.run(&["serve", "--require", "together"]).code(1).err("error[missing_key]").err("names no key of together");
    place.run(&["serve", "--require", "openai", "--check"]).code(0);
    place.run(&["serve", "--require", "together", "--check"]).code(1);
}

#[test]
fn a_suspended_account_is_told_apart_from_a_refused_key() {
    let emulator = upstream();
    let key = keywright_emulator::sample_keys("fireworks", 1).remove(0);
    for (reason, cause) in
        [(SuspendReason::CreditDepleted, "quota_exhausted"), (SuspendReason::BlockedByAbuseRule, "account_suspended")]
    {
        emulator.set_key("fireworks", &key, KeyState::Suspended(reason)).expect("a known state");
        let place =
            Place::new().env("FIREWORKS_API_KEY", &key).env("FIREWORKS_BASE_URL", &emulator.base_url("fireworks"));
        run(&place, &["--live"]).code(1).err(&format!("error[{cause}]")).hides(&key);
        place.run(&["keys", "test", "fireworks"]).code(1).out("refused").err(&format!("error[{cause}]")).hides(&key);
    }
}

#[test]
fn one_good_key_of_a_provider_is_enough() {
    let (_emulator, place) = with_state(KeyState::Revoked);
    let place = place.env("OPENAI_API_KEY_2", &openai_key(2));
    let ended = run(&place, &["--live", "--require", "openai"]).code(0).out("started");
    ended.err("live: refused").err("live: works").err("error[invalid_key]");
}

#[test]
fn a_provider_that_nobody_knows_is_a_wrong_command_line() {
    let place = Place::new().file("keywright.toml", &configuration("http://127.0.0.1:9/v1"));
    place.run(&["serve", "--require", "opnai"]).code(2).err("did you mean `openai`?");
    run(&place, &["--require", "opnai"]).code(125).err("did you mean `openai`?");
}

#[test]
fn the_start_of_a_service_is_one_event_for_programs() {
    let (_emulator, place) = with_state(KeyState::Valid);
    let running = place.start(&["serve", "--live", "--json"], "listening");
    running.signal(Signal::TERM);
    let ended = running.end().code(0).hides(&openai_key(1));
    let report = event(&ended.stderr, "keys");
    let key = &report["keys"][0];
    let told = (&key["provider"], &key["masked"], &key["reference"], &key["live"]["outcome"]);
    let known = ("openai".into(), "sk-proj-…0001".into(), "env://OPENAI_API_KEY".into(), "works".into());
    assert_eq!(told, (&known.0, &known.1, &known.2, &known.3), "{report}");
    // Among JSON logs it is a line like the others.
    let running = place.start(&["serve", "--live", "--log-format", "json"], "listening");
    running.signal(Signal::TERM);
    let ended = running.end().code(0).hides(&openai_key(1));
    let line = event(&ended.stderr, "keys");
    assert!(line["timestamp"].is_string() && line["level"] == "INFO", "{line}");
    // Each process makes fingerprints of its own.
    let bare = |event: &Value| {
        let mut keys = event["keys"].clone();
        let fingerprint = keys[0]["fingerprint"].take();
        assert!(fingerprint.is_string(), "{event}");
        keys
    };
    assert_eq!((bare(&line), ended.stderr.contains("[ok]")), (bare(&report), false));
    let ended = place.env("OPENAI_API_KEY", "").run(&["serve", "--require", "openai", "--log-format", "json"]).code(1);
    assert_eq!(event(&ended.stderr, "not_started")["diagnoses"][0]["cause"], "empty_key");
}

#[test]
fn a_configuration_without_what_is_required_does_not_take_over() {
    let (emulator, place) = with_state(KeyState::Valid);
    let mut running = place.start(&["serve", "--require", "openai"], "listening");
    let place = place.file("keywright.toml", "[gateway]\nlisten = \"127.0.0.1:0\"\n");
    running.signal(Signal::HUP);
    running.wait_for_stderr("not taken over: openai is required");
    running.wait_for_stderr("as it was before");
    let _place = place.file("keywright.toml", &configuration(&emulator.base_url("openai")));
    running.signal(Signal::HUP);
    running.wait_for_stderr("was read again");
    running.signal(Signal::TERM);
    running.end().code(0);
}

#[test]
fn a_stranger_on_the_way_is_no_verdict() {
    let portal = Server::answering(
        "HTTP/1.1 302 Found\r\nlocation: http://portal.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    let place = with_key(&openai_key(1), &portal.url());
    run(&place, &["--live"])
        .code(0)
        .out("started")
        .err("live: no verdict")
        .err("a redirect came")
        .hides(&openai_key(1));
    run(&place, &["--live", "--require", "openai"]).code(1).err("error[wrong_base_url]").hides(&openai_key(1));
    place.run(&["keys", "test", "openai"]).code(3).err("a redirect came").hides(&openai_key(1));
}

#[test]
fn the_gateway_goes_past_a_proxy_and_its_check_does_too() {
    let proxy = Server::answering("HTTP/1.1 200 OK\r\n\r\n");
    let place = with_key(&openai_key(1), &format!("https://localhost:{}/v1", closed_port()));
    let place = place.env("HTTPS_PROXY", &format!("http://{}", proxy.address));
    run(&place, &["--live", "--require", "openai"]).code(1).err("the gateway goes directly").err("error[network]");
    assert_eq!(proxy.heard(), Vec::<String>::new());
    // Programs go through it, so keys of programs are asked about there.
    place.run(&["keys", "test", "openai"]).code(3);
    assert!(proxy.heard().iter().any(|head| head.starts_with("CONNECT localhost:")), "{:?}", proxy.heard());
}
