//! What `keywright run` tells below a program that failed.

mod common;

use common::{Ended, Place, openai_key, upstream};
use keywright_emulator::KeyState;

fn with_key() -> Place {
    Place::new().env("OPENAI_API_KEY", &openai_key(1))
}

/// Runs a program that writes this to its stderr and ends with this code.
fn writes(text: &str, code: u8, options: &[&str]) -> Ended {
    let place = with_key().file("text", text);
    let script = format!("cat text >&2; exit {code}");
    place.run(&[&["run", "-q"], options, &["--", "sh", "-c", &script]].concat())
}

/// A client without an SDK, which asks for this model once and says nothing about the answer.
fn asks_for(model: &str) -> String {
    format!(
        r#"
import json, os, sys, urllib.request
body = json.dumps({{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]}}).encode()
request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", body,
    {{"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"}})
try:
    urllib.request.urlopen(request).read()
except Exception as error:
    if len(sys.argv) > 1: print(sys.argv[1], file=sys.stderr)
    sys.exit(1)
sys.exit(int(os.environ.get("THEN", "0")))
"#
    )
}

const ILLEGAL_HEADER: &str = "Traceback (most recent call last):\n\
    httpx.LocalProtocolError: Illegal header value b'Bearer sk-proj-abc\\n'\n\n\
    openai.APIConnectionError: Connection error.\n";
const QUOTA: &str = "openai.RateLimitError: Error code: 429 - {'error': {'message': 'You exceeded your current quota, \
    please check your plan and billing details.', 'type': 'insufficient_quota', 'code': 'insufficient_quota'}}\n";

#[test]
fn what_a_failed_program_wrote_is_explained_below_it() {
    let ended = writes(&format!("starting\n{ILLEGAL_HEADER}"), 3, &[]).code(3);
    let (above, below) = ended.stderr.split_once("error[whitespace_or_newline]").expect("a diagnosis");
    assert!(above.ends_with("Connection error.\n"), "{above}");
    assert!(below.contains("--> stderr:") && below.contains("= text:") && below.contains("= help:"), "{below}");
    assert!(below.contains("keywright explain whitespace_or_newline"), "{below}");
    assert!(!below.contains("sent no request"), "that nothing was sent is no riddle: {below}");
}

#[test]
fn a_look_alike_is_named_as_what_it_is() {
    writes(QUOTA, 1, &[]).code(1).err("error[quota_exhausted]").err("the key is not to blame").err("--> stderr:1");
}

#[test]
fn a_program_that_ended_well_or_told_of_no_call_is_left_alone() {
    for (text, code) in [(ILLEGAL_HEADER, 0), (QUOTA, 0), ("ValueError: nothing fits\n", 1)] {
        let ended = writes(text, code, &[]);
        assert!(!ended.stderr.contains("error["), "{ended:?}");
    }
}

#[test]
fn only_the_end_of_a_long_stderr_counts() {
    let noise = "INFO worker is fine and goes on\n".repeat(40_000);
    writes(&format!("{noise}{QUOTA}"), 1, &[]).code(1).err("--> stderr:40001");
    let ended = writes(&format!("{QUOTA}{noise}"), 1, &[]).code(1);
    assert!(!ended.stderr.contains("error["), "an old failure is told");
}

#[test]
fn stderr_comes_through_to_the_byte() {
    let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let place = with_key();
    std::fs::write(place.path().join("bytes"), &bytes).expect("written");
    let output = place.command(&["run", "-q", "--", "sh", "-c", "cat bytes >&2"]).output().expect("it starts");
    assert_eq!(output.stderr, bytes);
    let output = place.command(&["run", "-q", "--", "sh", "-c", "cat bytes >&2; exit 1"]).output().expect("it starts");
    assert!(output.stderr.starts_with(&bytes), "the program's own bytes come first");
}

#[test]
fn a_terminal_stays_the_programs_own() {
    let place = with_key();
    let script = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut command = std::process::Command::new("python3");
    command.args(["-c", script, env!("CARGO_BIN_EXE_keywright"), "run", "-q", "--", "sh", "-c"]);
    command.arg("test -t 2 && test -t 1 && echo on a terminal && exit 9");
    place.start_command(command, "on a terminal", std::process::Stdio::null()).end().code(9);
}

#[test]
fn a_key_in_what_it_wrote_is_not_told() {
    let key = openai_key(1);
    let text = format!("httpx.LocalProtocolError: Illegal header value b'Bearer {key}\\n'\n");
    writes(&text, 1, &[]).err("error[whitespace_or_newline]").hides(&key);
    writes(&text, 1, &["--json"]).err("\"whitespace_or_newline\"").hides(&key);
}

#[test]
fn with_the_real_keys_what_it_wrote_is_explained_too() {
    let ended = writes(QUOTA, 1, &["--direct"]).code(1).err("error[quota_exhausted]");
    assert!(!ended.stderr.contains("no request to keywright"), "{ended:?}");
}

#[test]
fn what_the_gateway_answered_is_told_even_if_the_program_says_nothing() {
    let upstream = upstream();
    let place = with_key().env("OPENAI_BASE_URL", &upstream.base_url("openai"));
    let place = place.file("client.py", &asks_for("no model")).file("good.py", &asks_for("gpt-4o-mini"));
    let run = |program: &[&str]| place.run(&[&["run", "-q", "--", "python3"], program].concat());
    let silent = run(&["client.py"]).code(1).err("error[").err("--> the last request of `python3`");
    silent.err("OpenAI answered 400").err("keywright passed on 1 request\n");
    let echoing = run(&["client.py", "openai.BadRequestError: Error code: 400"]).code(1);
    assert_eq!(echoing.stderr.matches("error[").count(), 1, "{echoing:?}");
    echoing.err("= text: stderr:1: ");
    let other = "import subprocess, sys; subprocess.run(['python3', 'client.py']); \
                 subprocess.run(['python3', 'good.py']); sys.exit(1)";
    let survived = run(&["-c", other]).code(1);
    assert!(!survived.stderr.contains("error["), "a failure that was not the last is told: {survived:?}");
}

#[test]
fn a_dead_key_is_told_once_with_what_the_program_wrote() {
    let upstream = upstream();
    upstream.set_key("openai", &openai_key(1), KeyState::Revoked).expect("known");
    let place = with_key().env("OPENAI_BASE_URL", &upstream.base_url("openai"));
    let place = place.file("client.py", &asks_for("gpt-4o-mini"));
    let words = "openai.InternalServerError: Error code: 503";
    let ended = place.run(&["run", "-q", "--", "python3", "client.py", words]).code(1).err("error[invalid_key]");
    assert_eq!(ended.stderr.matches("error[").count(), 1, "{ended:?}");
    let ended = ended.err("= text: stderr:1: ").hides(&openai_key(1));
    ended.err("environment variable OPENAI_API_KEY (sk-proj-…0001)");
    let json = place.run(&["run", "--json", "--", "python3", "client.py", words]).code(1);
    let last = json.stderr.lines().last().expect("a line");
    let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["dead_keys"][0]["diagnosis"]["cause"], "invalid_key");
    assert_eq!(last["stderr"][0]["line"], 1);
    assert_eq!(last["last_failure"]["later"], 0);
}
