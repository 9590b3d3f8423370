//! `keywright explain` from outside: pastes, files, bad input, and no key in any output.

mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use common::Place;
use serde_json::Value;

const REFUSED: &str = "openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key provided: \
                       None. You can find your API key at https://platform.openai.com/account/api-keys.', 'type': \
                       'invalid_request_error', 'param': None, 'code': 'invalid_api_key'}}\n";

/// Runs the binary with this on standard input.
fn paste(place: &Place, arguments: &[&str], input: &[u8]) -> Output {
    let mut command: Command = place.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A program that has seen enough may close its input.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_paste_is_explained_with_line_and_fix() {
    let place = Place::new();
    let output = paste(&place, &["explain"], format!("starting\n{REFUSED}").as_bytes());
    let text = String::from_utf8_lossy(&output.stdout);
    for part in ["error[missing_key]:", "--> stdin:2", "= help:", "= more: keywright explain missing_key"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn json_is_one_object_and_changes_no_exit_code() {
    let place = Place::new();
    let two = format!("{REFUSED}\n\n$ curl x\nssl: CERTIFICATE_VERIFY_FAILED https://api.openai.com\n");
    let output = paste(&place, &["explain", "--json", "--text-only", "-"], two.as_bytes());
    let answer = json(&output);
    assert_eq!((&answer["verdict"], &answer["cause"]), (&"auth".into(), &"missing_key".into()));
    assert_eq!(answer["others"][0]["cause"], "tls");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty());
}

#[test]
fn exit_codes_tell_nothing_from_unknown_from_unreadable() {
    let place = Place::new().file("app.log", REFUSED);
    std::fs::create_dir(place.path().join("folder")).expect("made");
    let cases: &[(&[&str], &[u8], i32)] = &[
        (&["explain"], b"all is well\n", 0),
        (&["explain", "app.log"], b"", 1),
        (&["explain"], b"openai.APIConnectionError: Connection error.\n", 3),
        (&["explain", "missing.log"], b"", 2),
        (&["explain", "folder"], b"", 2),
        (&["explain", "--schema"], b"", 0),
        (&["explain", "whitespace_or_newline"], b"", 0),
    ];
    for (arguments, input, code) in cases {
        let output = paste(&place, arguments, input);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {output:?}");
    }
}

#[test]
fn bad_input_is_no_failure_of_ours() {
    let place = Place::new();
    let utf16: Vec<u8> = format!("\u{feff}{REFUSED}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let elf = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 200], &(0..=255).collect::<Vec<u8>>()].concat();
    let one_line = [REFUSED.trim_end().as_bytes(), &vec![b'x'; 3_000_000], REFUSED.as_bytes()].concat();
    let cases: &[(&str, Vec<u8>, Option<&str>)] = &[
        ("empty", Vec::new(), None),
        ("binary", elf, None),
        ("invalid UTF-8", [b"\xff\xfe\xfa", REFUSED.as_bytes(), b"\xc3\x28"].concat(), None),
        ("invalid UTF-8 inside", [b"log \xc3\x28\n", REFUSED.as_bytes()].concat(), Some("missing_key")),
        ("UTF-16", utf16, Some("missing_key")),
        ("one long line", one_line, Some("missing_key")),
        ("zero bytes", vec![0; 100_000], None),
        ("escapes", b"\x1b[2J\x1b]0;x\x07\x1bP1$r\x9b5n\x1b".to_vec(), None),
        ("brackets", b"{[\"'{[\"'".repeat(20_000), None),
    ];
    for (name, input, cause) in cases {
        let output = paste(&place, &["explain", "--json"], input);
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{name}: {output:?}");
        assert!(output.stderr.is_empty(), "{name}: {output:?}");
        if let Some(cause) = cause {
            assert_eq!(json(&output)["cause"], *cause, "{name}");
        }
    }
}

#[cfg(unix)]
#[test]
fn devices_are_read_and_unreadable_files_are_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new().file("secret.log", REFUSED);
    assert_eq!(paste(&place, &["explain", "/dev/null"], b"").status.code(), Some(0));
    let path = place.path().join("secret.log");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("changed");
    // The superuser may read everything.
    if std::fs::File::open(&path).is_err() {
        let output = paste(&place, &["explain", "secret.log"], b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read `secret.log`"));
    }
}

#[test]
fn hostile_escape_sequences_never_reach_the_terminal() {
    let place = Place::new();
    let hostile = "\u{1b}]52;c;aGk=\u{7}\u{1b}[2JError code: 404 - {'error': {'message': 'The model `\u{1b}[31mgpt-4\u{9b}5n` does \
                   not exist or you do not have access to it.'}} KeyError: 'EVIL\u{1b}[0m_API_KEY'\n";
    for arguments in [&["explain", "--color", "always"][..], &["explain", "--json"], &["explain", "-v"]] {
        let output = paste(&place, arguments, hostile.as_bytes());
        let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        for bad in ["\u{1b}]", "\u{1b}[2J", "\u{9b}", "\u{7}", "\u{1b}P"] {
            assert!(!shown.contains(bad), "{arguments:?}: {shown:?}");
        }
    }
}

#[test]
fn no_key_in_the_text_is_in_the_output() {
    let place = Place::new();
    let keys = [
        format!("sk-proj-{}T3BlbkFJ{}", "canary7Q".repeat(9), "canary7Z".repeat(9)),
        format!("fw_{}", "CanaryK7".repeat(3)),
        format!("tgp_v1_{}", "canaryX9canaryX9canaryX9canaryX9canaryX9abc"),
        "deadbeefcafe1234".repeat(4),
        "correct horse battery staple".to_owned(),
    ];
    for key in &keys {
        let texts = [
            format!(
                "httpx.LocalProtocolError: Illegal header value b'Bearer {key}\\n'\nopenai.APIConnectionError: Connection error.\n"
            ),
            format!("TypeError: Headers.append: \"Bearer {key}\n\" is an invalid header value.\n"),
            format!(
                "> POST /v1/chat/completions HTTP/1.1\n> Host: api.openai.com\n> Authorization: {key}\n< HTTP/1.1 401 Unauthorized\n"
            ),
            format!(
                "OPENAI_API_KEY={key}\nOPENAI_BASE_URL=https://api.together.xyz/v1\nError code: 401 - Incorrect API key provided: {key}. You can find"
            ),
            format!("{{\"level\":\"error\",\"msg\":\"Error code: 401\\nIncorrect API key provided: {key}.\"}}\n"),
            format!(
                "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com",
                &key[..12]
            ),
        ];
        for text in texts {
            for arguments in [&["explain"][..], &["explain", "-vv"], &["explain", "--json"]] {
                let output = paste(&place, arguments, text.as_bytes());
                let shown =
                    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
                let middle = &key[9..key.len().min(24)];
                assert!(!shown.contains(middle), "{arguments:?} shows a key of {text:?}: {shown}");
            }
        }
    }
}

const REAL: &str = "sk-proj-Qm7vT2xZ9aLk4RtY8bNc3WdE5fGh6JpU";

fn refusal(echo: &str) -> String {
    REFUSED.replace("None.", &format!("{echo}."))
}

#[test]
fn the_keys_here_are_the_second_witness() {
    let stale = "sk-proj-Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp";
    let place = Place::new().file(".env", &format!("# keys\nOPENAI_API_KEY={REAL}\n")).env("OPENAI_API_KEY", stale);
    let echo = "sk-proj-****************************6JpU";
    let output = paste(&place, &["explain", "--json"], refusal(echo).as_bytes());
    let answer = json(&output);
    assert_eq!(answer["cause"], "stale_value_overrides");
    let said = answer["evidence"].to_string();
    assert!(said.contains("the refused key is `OPENAI_API_KEY` of .env:2"), "{said}");
    assert!(said.contains("environment variable OPENAI_API_KEY instead"), "{said}");
    let alone = json(&paste(&place, &["explain", "--json", "--text-only"], refusal(echo).as_bytes()));
    assert_eq!(alone["cause"], "invalid_key");
    assert!(!alone["evidence"].to_string().contains("environment"), "{alone}");
    for key in [REAL, stale] {
        assert!(!format!("{output:?}").contains(&key[9..24]));
    }
}

#[test]
fn a_missing_key_that_stands_in_a_file_is_found_there() {
    let place = Place::new().file(".env", &format!("OPENAI_API_KEY={REAL}\n"));
    let text = "openai.OpenAIError: The api_key client option must be set either by passing api_key to the client or by \
                setting the OPENAI_API_KEY environment variable\n";
    let output = paste(&place, &["explain"], text.as_bytes());
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("error[env_not_loaded]"), "{shown}");
    assert!(shown.contains("= environment: `OPENAI_API_KEY` stands in .env:1"), "{shown}");
}

#[test]
fn a_file_that_is_not_there_is_no_missing_configuration() {
    let ended = Place::new().run(&["explain", "nofile.txt"]).code(2).err("cannot read `nofile.txt`");
    let ended = ended.err("check the path; `-` reads standard input, and `keywright pages list` has the names");
    assert!(!ended.stderr.contains("config init"), "{ended:?}");
}

#[test]
fn a_key_of_another_provider_is_mended_by_one_of_whoever_answered() {
    let key = format!("fw_{}", "3ZabcdEFgh1234567890wxyz");
    let echo = format!("{}****************{}", &key[..8], &key[key.len() - 4..]);
    let refused = REFUSED.replace("None. You", &format!("{echo}. You"));
    let help = "Set a key of OpenAI in OPENAI_API_KEY.";
    let place = Place::new().env("OPENAI_API_KEY", &key);
    place.run(&["doctor", "openai"]).out("warning[wrong_provider_key]").out(help).hides(&key);
    for options in [&["explain"][..], &["explain", "--text-only"]] {
        let output = paste(&place, options, refused.as_bytes());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("error[wrong_provider_key]") && text.contains(help), "{options:?}: {text}");
        assert!(!text.contains("FIREWORKS_API_KEY") && !text.contains(&key), "{options:?}: {text}");
    }
    // A name of one's own is mended under that name.
    let place = Place::new().env("OPENAI_API_KEY_2", &key);
    let output = paste(&place, &["explain"], refused.as_bytes());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Set a key of OpenAI in OPENAI_API_KEY_2."), "{text}");
    // Where the base URL leads to the key's own provider, nothing is wrong with the key.
    let place =
        Place::new().env("OPENAI_API_KEY", &key).env("OPENAI_BASE_URL", "https://api.fireworks.ai/inference/v1");
    let ended = place.run(&["doctor", "openai"]);
    assert!(!ended.stdout.contains("wrong_provider_key"), "{ended:?}");
}
