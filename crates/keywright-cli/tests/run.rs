//! `keywright run`: what the program gets, and what passes through.

mod common;

use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Place, hex, openai_key};
use rustix::process::{Pid, Signal, kill_process};

fn with_key() -> Place {
    Place::new().env("OPENAI_API_KEY", &openai_key(1))
}

fn sh(place: &Place, script: &str) -> common::Ended {
    place.run(&["run", "--", "sh", "-c", script])
}

#[test]
fn the_exit_code_is_the_programs() {
    let place = with_key();
    sh(&place, "exit 0").code(0);
    sh(&place, "exit 7").code(7);
    sh(&place, "kill -9 $$").code(137);
    sh(&place, "kill -TERM $$").code(143);
}

#[test]
fn a_program_that_cannot_start_has_its_own_codes() {
    let place = with_key()
        .file("plain", "no program")
        .file("lost", "#!/no/such/interpreter\n")
        .file("garbage", "\u{7f}GARBAGE");
    for name in ["lost", "garbage"] {
        let path = place.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("allowed");
    }
    let run = |program: &str| place.run(&["run", "--", program]);
    run("no-such-program").code(127).err("no such program").err("PATH");
    run("./plain").code(126).err("not executable").err("chmod");
    run("./lost").code(127).err("interpreter");
    run("./garbage").code(126).err("not a program for this machine");
}

#[test]
fn without_a_key_every_place_is_named() {
    let place = Place::new().file(".env", "OPENAI_KEY=sk-something\n");
    sh(&place, "echo started")
        .code(125)
        .err("OPENAI_API_KEY: not set")
        .err("OPENAI_API_KEY in .env: not set")
        .err("error[wrong_env_var_name]")
        .err(".env:1: nothing reads this name; the SDKs read `OPENAI_API_KEY`");
    let empty = Place::new().env("OPENAI_API_KEY", "");
    sh(&empty, "echo started").code(125).err("error[empty_key]").err("no usable key");
    let placeholder = Place::new().env("OPENAI_API_KEY", "your_api_key_here");
    sh(&placeholder, "true").code(125).err("error[placeholder_key]");
}

#[test]
fn without_a_key_programs_are_told_in_one_event() {
    for (place, diagnoses) in [(Place::new(), 1), (Place::new().env("OPENAI_API_KEY", "your_api_key_here"), 0)] {
        let ended = place.run(&["run", "--json", "--", "sh", "-c", "echo started"]).code(125);
        let events: Vec<serde_json::Value> =
            ended.stderr.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        let stopped = events.last().expect("an event");
        assert_eq!(stopped["event"], "not_started");
        assert!(stopped["reasons"][0].as_str().is_some_and(|says| says.contains("no usable key")), "{stopped}");
        assert_eq!(stopped["diagnoses"].as_array().map(Vec::len), Some(diagnoses));
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn what_opens_the_vault_stays_here_unless_the_program_gets_the_real_keys() {
    let place = with_key().env("KEYWRIGHT_AGE_PASSPHRASE", "marked").env("VAULT_TOKEN", "login");
    let script = "echo \"$KEYWRIGHT_AGE_PASSPHRASE/$VAULT_TOKEN\"";
    sh(&place, script).code(0).out("/login");
    assert!(!sh(&place, script).stdout.contains("marked"));
    place.run(&["run", "--direct", "--", "sh", "-c", script]).code(0).out("marked/login");
}

#[test]
fn a_strange_shape_is_a_warning_and_the_program_starts() {
    let place = Place::new().env("OPENAI_API_KEY", "a-key-of-some-other-kind");
    sh(&place, "echo started").code(0).out("started").err("[warn]").hides("some-other");
}

#[test]
fn the_programs_environment_holds_no_real_key() {
    let (one, two) = (openai_key(1), openai_key(2));
    let basic = STANDARD.encode(format!("user:{one}"));
    let place = Place::new()
        .env("OPENAI_API_KEY", &one)
        .env("OPENAI_API_KEY_PATH", "/tmp/key")
        .env("OPENAI_ADMIN_KEY", &keywright_emulator::sample_admin_key())
        .env("OPENAI_CUSTOM_HEADERS", &format!("Authorization: Bearer {two}"))
        .env("MY_KEY", &one)
        .env("DATABASE", &format!("https://user:{two}@host/"))
        .env("BASIC", &basic)
        .env("IN_HEX", &hex(&two))
        .env("HARMLESS", "kept")
        .env("NO_PROXY", "example.com")
        .file(".env", &format!("OPENAI_API_KEY={two}\nCOPY='{two}'\n"));
    let ended = place.run(&["run", "--no-masking", "-v", "--", "env"]).code(0).hides(&one).hides(&two);
    for secret in [&basic, &hex(&two), &keywright_emulator::sample_admin_key()] {
        assert!(!ended.stdout.contains(secret.as_str()), "{}", ended.stdout);
    }
    let ended = ended
        .out("HARMLESS=kept\n")
        .out("NO_PROXY=example.com,127.0.0.1,localhost\n")
        .out("no_proxy=127.0.0.1,localhost\n")
        .out("OPENAI_API_KEY=sk-kwt-")
        .out("COPY=sk-kwt-")
        .err("`MY_KEY` held a real key");
    for name in [
        "OPENAI_API_KEY_PATH=",
        "OPENAI_ADMIN_KEY=",
        "OPENAI_CUSTOM_HEADERS=",
        "MY_KEY=",
        "DATABASE=",
        "BASIC=",
        "IN_HEX=",
        "TOGETHER_API_KEY=",
    ] {
        assert!(!ended.stdout.lines().any(|line| line.starts_with(name)), "{name}: {}", ended.stdout);
    }
}

#[test]
fn every_spelling_of_a_base_url_leads_to_the_gateway() {
    let key = |provider: &str| keywright_emulator::sample_keys(provider, 1).remove(0);
    let place = Place::new()
        .env("OPENAI_API_KEY", &key("openai"))
        .env("FIREWORKS_API_KEY", &key("fireworks"))
        .env("TOGETHER_API_KEY", &key("together"));
    let ended = place.run(&["run", "--", "env"]).code(0);
    for (name, path) in [
        ("OPENAI_BASE_URL", "/openai/v1"),
        ("OPENAI_API_BASE", "/openai/v1"),
        ("FIREWORKS_BASE_URL", "/fireworks"),
        ("FIREWORKS_API_BASE", "/fireworks/inference/v1"),
        ("TOGETHER_BASE_URL", "/together/v1"),
        ("TOGETHER_API_BASE", "/together/v1"),
        ("TOGETHER_AI_API_BASE", "/together/v1"),
    ] {
        let line = ended.stdout.lines().find(|line| line.starts_with(&format!("{name}=http://127.0.0.1:")));
        assert!(line.is_some_and(|line| line.ends_with(path)), "{name}: {}", ended.stdout);
    }
}

#[test]
fn direct_hands_out_the_real_key() {
    let key = openai_key(2);
    let place = Place::new().file(".env", &format!("OPENAI_API_KEY={key}\n"));
    let script = "test \"$OPENAI_API_KEY\" = \"$(cut -d= -f2 .env)\" && test -z \"$OPENAI_BASE_URL\"";
    place.run(&["run", "--direct", "--", "sh", "-c", script]).code(0);
}

#[test]
fn piped_output_is_masked_unless_told_otherwise() {
    let key = openai_key(1);
    let place = with_key().file("keys", &format!("out {key} end\n"));
    sh(&place, "cat keys; cat keys >&2").code(0).out("out sk-proj-…0001 end").hides(&key);
    let ended = place.run(&["run", "--no-masking", "--", "cat", "keys"]).code(0);
    assert!(ended.stdout.contains(&key));
}

#[test]
fn output_comes_at_once_and_input_reaches_the_program() {
    let place = with_key();
    let running = place.start(&["run", "--", "sh", "-c", "echo now; read line; echo got"], "now");
    running.end().code(0).out("got");
}

#[test]
fn signals_reach_the_program() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
    ] {
        let script = format!("trap 'echo heard; exit 5' {name}; echo ready; while :; do sleep 0.02; done");
        // Whoever runs the tests may ignore SIGHUP, and what is ignored stays ignored.
        let mut command = std::process::Command::new("env");
        command.args(["--default-signal", env!("CARGO_BIN_EXE_keywright"), "run", "--", "sh", "-c", &script]);
        let running = with_key().start_command(command, "ready", std::process::Stdio::null());
        running.signal(signal);
        running.end().code(5).out("heard");
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let place = with_key();
    let script = "trap '' HUP; exec \"$0\" run -- sh -c 'echo ready; read line; echo alive'";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_keywright")]);
    let running = place.start_command(command, "ready", std::process::Stdio::piped());
    running.signal(Signal::HUP);
    running.end().code(0).out("alive");
}

#[test]
fn what_runs_in_the_background_does_not_hold_us() {
    let place = with_key();
    let ended = sh(&place, "sleep 20 & echo $!").code(0);
    let pid = ended.stdout.trim().parse().ok().and_then(Pid::from_raw);
    kill_process(pid.expect("its number was printed"), Signal::KILL).expect("it still runs");
}

#[test]
fn the_two_dashes_may_be_left_out() {
    with_key().run(&["run", "-q", "sh", "-c", "exit 4"]).code(4);
}

#[test]
fn a_program_that_goes_past_us_is_found_out() {
    let place = with_key();
    let ended = sh(&place, "echo openai.AuthenticationError: Error code: 401 >&2; exit 1").code(1);
    ended.err("warning: `sh` failed and sent no request to keywright").err("OPENAI_BASE_URL").err("base_url=");
}

#[test]
fn json_tells_the_same_to_programs() {
    let place = with_key();
    let ended = place.run(&["run", "--json", "--", "sh", "-c", "exit 3"]).code(3);
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["keys"][0]["masked"], "sk-proj-…0001");
    assert_eq!((&lines[1]["event"], &lines[1]["code"]), (&"ended".into(), &3.into()));
}

#[test]
fn an_env_file_that_was_named_must_be_readable() {
    let place = with_key();
    let run = |file: &str| place.run(&["run", "--env-file", file, "--", "true"]);
    run("none.env").code(125).err("`none.env`: no such file");
    run("/").code(125).err("it is a directory");
}
