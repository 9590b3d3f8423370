//! `keywright doctor` on what this installation remembers: who can read it, and whether it can be used.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, openai_key};
use serde_json::Value;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

/// A folder with a ledger and a vault, and what is used there.
fn home() -> (Place, PathBuf) {
    let place = Place::new();
    let state = place.path().join("state");
    let place = place.env("KEYWRIGHT_STATE_DIR", state.to_str().expect("text"));
    let mut add = place.command(&["keys", "add", "openai", "--store", "age"]);
    std::fs::write(place.path().join("key"), openai_key(1)).expect("written");
    add.stdin(std::fs::File::open(place.path().join("key")).expect("open"));
    assert!(add.output().expect("the binary starts").status.success());
    std::fs::remove_file(place.path().join("key")).expect("removed");
    (place, state)
}

fn findings(place: &Place) -> (Value, Vec<Value>) {
    let ended = place.run(&["doctor", "state", "--json"]).code(0).hides(&openai_key(1));
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let check = report["checks"][0].clone();
    assert_eq!(check["id"], "state", "{report}");
    let findings = check["findings"].as_array().cloned().unwrap_or_default();
    (check, findings)
}

#[test]
fn what_others_can_read_is_told_with_the_command_that_closes_it() {
    let (place, state) = home();
    assert_eq!(findings(&place).1, Vec::<Value>::new());
    let cases: &[(&str, u32, &str)] =
        &[("", 0o755, "chmod 700"), ("state.db", 0o644, "chmod 600"), ("keys.age", 0o660, "chmod 600")];
    for (name, open, command) in cases {
        let path = if name.is_empty() { state.clone() } else { state.join(name) };
        mode(&path, *open);
        let (check, found) = findings(&place);
        let [finding] = found.as_slice() else { panic!("{name}: {found:?}") };
        let says = finding["says"].as_str().expect("a text");
        assert!(says.contains(&format!("`{}` is open to other users (mode {open:o})", path.display())), "{says}");
        let mend = finding["fix"]["command"].as_str().expect("a command");
        assert!(mend.starts_with(command) && check["help"] == mend && check["status"] == "warn", "{check}");
        place.run(&["doctor", "state", "--strict"]).code(1).out("is open to other users").out(mend);
        assert!(Command::new("sh").args(["-c", mend]).status().expect("a shell").success());
        assert_eq!(findings(&place).1, Vec::<Value>::new(), "{name}: the command mends it");
    }
}

#[test]
fn a_ledger_that_cannot_be_used_is_told() {
    let (place, state) = home();
    std::fs::write(state.join("state.db"), "no database".repeat(1000)).expect("written");
    let (_, found) = findings(&place);
    assert!(found[0]["says"].as_str().is_some_and(|says| says.contains("is damaged")), "{found:?}");
    assert!(found[0]["fix"]["command"].as_str().is_some_and(|command| command.starts_with("mv ")), "{found:?}");
    let place = place.env("KEYWRIGHT_STATE_DIR", "state");
    place.run(&["doctor", "state"]).code(0).out("KEYWRIGHT_STATE_DIR is not an absolute path");
    Place::new().run(&["doctor", "state", "--ascii"]).code(0).out("[ok]   State  none: HOME is not set");
}
