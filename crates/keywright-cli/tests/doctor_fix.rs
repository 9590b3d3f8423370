//! `keywright doctor --fix`: what it writes, and what it leaves alone.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::{Place, openai_key};

/// A folder whose `.env` has a key after `Bearer `, readable by its owner alone.
fn dirty() -> (Place, String) {
    let key = openai_key(1);
    let place = Place::new().file(".env", &format!("A=1\nOPENAI_API_KEY='Bearer {key}'\n"));
    mode(&place.path().join(".env"), 0o600);
    (place, key)
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("changed");
}

fn bits(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn text(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).expect("it is there")
}

/// What lies in the folder, by name.
fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path()).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn git(place: &Place, arguments: &[&str]) {
    let status = Command::new("git").args(arguments).current_dir(place.path()).status().expect("git is here");
    assert!(status.success(), "git {arguments:?}");
}

#[test]
fn without_an_answer_it_shows_the_diff_and_changes_nothing() {
    let (place, key) = dirty();
    let before = text(&place, ".env");
    place
        .run(&["doctor", "--fix"])
        .code(1)
        .out("--- .env\n+++ .env\n@@ -2 +2 @@ `Bearer ` was pasted with the key")
        .out("+OPENAI_API_KEY=sk-proj-…")
        .err("keywright doctor --fix --yes")
        .hides(&key);
    assert_eq!((text(&place, ".env"), names(&place)), (before, vec![".env".to_owned()]));
}

#[test]
fn with_yes_it_writes_keeps_a_backup_and_a_second_time_does_nothing() {
    let (place, key) = dirty();
    let before = text(&place, ".env");
    fs::write(place.path().join(".env.bak"), "older").expect("written");
    place
        .run(&["doctor", "--fix", "--yes"])
        .code(0)
        .err("mended: `.env`; the text before is in `.env.bak.1`")
        .out("healthy:")
        .hides(&key);
    assert_eq!(text(&place, ".env"), format!("A=1\nOPENAI_API_KEY={key}\n"));
    assert_eq!((text(&place, ".env.bak"), text(&place, ".env.bak.1")), ("older".to_owned(), before));
    assert_eq!((bits(&place.path().join(".env")), bits(&place.path().join(".env.bak.1"))), (0o600, 0o600));
    let after = names(&place);
    place.run(&["doctor", "--fix", "--yes"]).code(0).err("nothing here can be mended");
    assert_eq!(names(&place), after);
}

#[test]
fn json_tells_what_was_done_and_shows_no_key() {
    let (place, key) = dirty();
    place.run(&["doctor", "--fix", "--json"]).code(1).out("\"mends\":{\"applied\":false").hides(&key);
    let done = place.run(&["doctor", "--fix", "--yes", "--json"]).code(0).hides(&key);
    let report: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(report["mends"]["applied"], true);
    assert_eq!(report["mends"]["files"][0]["backup"], ".env.bak");
    assert_eq!(report["status"], "ok");
}

#[test]
fn the_mode_is_kept_and_never_widened() {
    for (before, after) in [(0o600, 0o600), (0o400, 0o400), (0o640, 0o640), (0o644, 0o600), (0o755, 0o700)] {
        let (place, _) = dirty();
        let path = place.path().join(".env");
        mode(&path, before);
        place.run(&["doctor", "--fix", "--yes"]).code(0);
        assert_eq!(bits(&path), after, "{before:o}");
        assert!(!text(&place, ".env").contains("Bearer"), "{before:o}");
    }
    let place = Place::new().file(".env", &format!("OPENAI_API_KEY={}\n", openai_key(1)));
    mode(&place.path().join(".env"), 0o644);
    place.run(&["doctor", "--fix", "--yes"]).code(0).out("mode 644 becomes 600");
    assert_eq!((bits(&place.path().join(".env")), names(&place)), (0o600, vec![".env".to_owned()]));
}

#[test]
fn a_link_stays_a_link_and_its_target_is_mended() {
    let (place, key) = dirty();
    fs::create_dir(place.path().join("secrets")).expect("a folder");
    fs::rename(place.path().join(".env"), place.path().join("secrets/env")).expect("moved");
    symlink("secrets/env", place.path().join(".env")).expect("linked");
    place.run(&["doctor", "--fix", "--yes"]).code(0).err("mended: `.env`");
    assert!(fs::symlink_metadata(place.path().join(".env")).expect("it is there").is_symlink());
    assert_eq!(text(&place, "secrets/env"), format!("A=1\nOPENAI_API_KEY={key}\n"));
    assert!(place.path().join("secrets/env.bak").is_file());
}

#[test]
fn a_file_with_another_name_is_left_alone() {
    let (place, key) = dirty();
    let before = text(&place, ".env");
    fs::hard_link(place.path().join(".env"), place.path().join("other")).expect("linked");
    place.run(&["doctor", "--fix", "--yes"]).code(1).out("hard links").hides(&key);
    assert_eq!((text(&place, ".env"), names(&place).len()), (before, 2));
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let place = Place::new();
    fs::create_dir(place.path().join(".env")).expect("a folder");
    place.run(&["doctor", "--fix", "--yes"]).code(1).out("it is a directory");
    let fifo = Place::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, fifo.path().join(".env"), rustix::fs::Mode::RUSR).expect("a pipe");
    fifo.run(&["doctor", "--fix", "--yes"]).code(1).out("a device or a pipe");
}

#[test]
fn a_full_disk_loses_nothing() {
    let (place, key) = dirty();
    let before = text(&place, ".env");
    let mut command = Command::new("sh");
    // No file may grow; the signal that says so is ignored, so that writing fails as on a full disk.
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" doctor --fix --yes", env!("CARGO_BIN_EXE_keywright")]);
    let output = command.current_dir(place.path()).env_clear().env("PATH", env!("PATH")).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("is not mended: cannot keep a backup beside it") && !stderr.contains(&key), "{stderr}");
    assert_eq!((text(&place, ".env"), names(&place)), (before, vec![".env".to_owned()]));
}

#[test]
fn in_a_repository_neither_the_file_nor_its_backup_can_be_committed() {
    let (place, _) = dirty();
    git(&place, &["init", "--quiet"]);
    fs::write(place.path().join(".gitignore"), "target").expect("written");
    place
        .run(&["doctor", "--fix", "--yes"])
        .code(0)
        .out("--- .gitignore\n+++ .gitignore\n@@ -1,0 +2,2 @@\n+.env\n+.env.bak");
    assert_eq!(text(&place, ".gitignore"), "target\n.env\n.env.bak\n");
    place.run(&["doctor", "--strict"]).code(0).out("healthy:");
    place.run(&["doctor", "--fix", "--yes"]).code(0).err("nothing here can be mended");
    // A file that git has already is no matter of `.gitignore`.
    git(&place, &["add", "--force", ".env"]);
    place.run(&["doctor", "--fix", "--yes"]).code(0).out("git rm -q --cached").err("nothing here can be mended");
    assert_eq!(text(&place, ".gitignore"), "target\n.env\n.env.bak\n");
}

#[test]
fn a_file_that_is_no_text_gets_one_finding_and_stays() {
    let noise: Vec<u8> = (0..4000_u32).map(|number| u8::try_from(number * 7 % 251).unwrap_or_default()).collect();
    let place = Place::new();
    fs::write(place.path().join(".env"), &noise).expect("written");
    mode(&place.path().join(".env"), 0o600);
    let ended = place.run(&["doctor", "--fix", "--yes"]).code(1).out("the file is no text");
    assert_eq!(ended.stdout.matches("-->").count(), 1, "{ended:?}");
    assert_eq!(fs::read(place.path().join(".env")).expect("it is there"), noise);
    let many = "no assignment\n".repeat(400);
    let ended = Place::new().file(".env", &many).run(&["doctor"]).out("and 397 more lines like this, down to line 400");
    assert_eq!(ended.stdout.matches("is not NAME=value").count(), 3);
}

#[test]
fn what_is_not_sure_is_listed_and_stays() {
    let key = openai_key(1);
    let lines = format!("OPENAI_API_KEY={key}\nOPENAI_API_KEY={}\nnot an assignment\n", openai_key(2));
    let place = Place::new().file(".env", &lines);
    mode(&place.path().join(".env"), 0o600);
    place
        .run(&["doctor", "--fix", "--yes", "--strict"])
        .code(1)
        .err("nothing here can be mended")
        .out("this one wins")
        .out("is not NAME=value")
        .hides(&key);
    assert_eq!(text(&place, ".env"), lines);
}
