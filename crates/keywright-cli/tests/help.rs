//! Help, version, completions and manual pages.

mod common;

use common::Place;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["run"],
    &["serve"],
    &["keys"],
    &["keys", "issue"],
    &["keys", "add"],
    &["keys", "list"],
    &["keys", "test"],
    &["keys", "remove"],
    &["keys", "rotate"],
    &["keys", "import"],
    &["keys", "export"],
    &["config"],
    &["explain"],
    &["config", "check"],
    &["config", "schema"],
    &["config", "init"],
    &["completions"],
    &["man"],
];

#[test]
fn every_command_has_short_and_long_help() {
    let place = Place::new();
    for command in COMMANDS {
        for flag in ["-h", "--help"] {
            let ended = place.run(&[*command, &[flag]].concat()).code(0).out("Usage: keywright");
            assert!(ended.stderr.is_empty() && !ended.stdout.contains('\u{1b}'), "{ended:?}");
        }
    }
}

#[test]
fn the_help_of_a_command_has_examples() {
    let place = Place::new();
    for command in ["run", "serve", "explain", "config", "completions", "man"] {
        place.run(&[command, "--help"]).code(0).out("Examples:\n  keywright ");
    }
    place.run(&["help", "run"]).code(0).out("Exit codes:");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let place = Place::new();
    place.run(&["sevre"]).code(2).err("'serve'");
    place.run(&["serve", "--bogus"]).code(2).err("--bogus");
    place.run(&["run", "--bogus"]).code(125).err("--bogus");
    place.run(&["run"]).code(125).err("<CMD>");
    place.run(&["run", "--provider", "opnai", "--", "true"]).code(125).err("did you mean `openai`?");
}

#[test]
fn version_completions_and_manuals_are_printed() {
    let place = Place::new();
    place.run(&["--version"]).code(0).out(env!("CARGO_PKG_VERSION"));
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        place.run(&["completions", shell]).code(0).out("keywright");
    }
    place.run(&["man"]).code(0).out(".TH keywright 1");
    place.run(&["man", "--dir", "pages/man1"]).code(0);
    for page in ["keywright.1", "keywright-run.1", "keywright-config-check.1"] {
        assert!(place.path().join("pages/man1").join(page).exists(), "{page}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = place.command(&["config", "schema"]);
    let status = command.stdout(writer).status().expect("it starts");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn colour_is_asked_for_or_absent() {
    let place = Place::new().env("NO_COLOR", "1");
    let painted = |flag: &str| place.run(&["config", "check", "none.toml", "--color", flag]).stderr.contains('\u{1b}');
    assert!(!painted("auto") && !painted("never") && painted("always"));
}

#[test]
fn an_issued_key_is_shown_once_with_its_hash() {
    let place = Place::new();
    let ended = place.run(&["keys", "issue", "team \"a\"", "--provider", "openai"]).code(0);
    let key = ended.stdout.lines().next().expect("a line");
    let hash = keywright_core::token::digest_hex(key);
    assert_eq!(keywright_core::token::check(key), Ok(()));
    let config = ended.stdout.split_once('\n').expect("more lines").1;
    assert!(config.contains(&hash) && !config.contains(key), "{config}");
    place
        .file("keywright.toml", &format!("[[provider]]\nid = \"openai\"\nkeys = [\"env://A\"]\n{config}"))
        .run(&["config", "check"])
        .code(0)
        .out("1 virtual key");
}
