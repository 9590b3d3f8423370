//! `keywright keys`: what goes in, what is told, what stays when something goes wrong.

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use common::{Ended, Place, openai_key, upstream};
use keywright_emulator::{Emulator, KeyState};
use serde_json::Value;

/// A home without a keyring, whose OpenAI is the emulator.
fn home(emulator: Option<&Emulator>) -> Place {
    let place = Place::new();
    let home = place.path().to_str().expect("UTF-8").to_owned();
    let place = place.env("HOME", &home);
    match emulator {
        Some(emulator) => place.env("OPENAI_BASE_URL", &format!("{}/v1", emulator.base_url("openai"))),
        None => place.env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
    }
}

fn vault(place: &Place) -> PathBuf {
    place.path().join(".local/share/keywright/keys.age")
}

fn run_with(place: &Place, arguments: &[&str], stdin: &str) -> Ended {
    let mut command = place.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // One that refuses its arguments does not read.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Ended {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn listed(place: &Place) -> Vec<Value> {
    let ended = place.run(&["keys", "list", "--json"]).code(0);
    let shown: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    shown["keys"].as_array().expect("a list").clone()
}

#[test]
fn a_key_goes_in_is_listed_masked_and_goes_out() {
    let (place, key) = (home(None), openai_key(1));
    run_with(&place, &["keys", "add", "openai"], &format!("{key}\n")).code(0).out("stored").hides(&key);
    let keys = listed(&place);
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(
        (&keys[0]["store"], &keys[0]["name"], &keys[0]["state"]),
        (&"age".into(), &"default".into(), &"good".into())
    );
    assert!(keys[0]["first_seen"].is_string() && keys[0]["last_good"].is_null(), "{keys:?}");
    let held = std::fs::read(vault(&place)).expect("the vault");
    assert!(!held.windows(key.len()).any(|window| window == key.as_bytes()), "in clear");
    place.run(&["keys", "list"]).code(0).out("key vault, openai").hides(&key);
    place.run(&["keys", "remove", "openai", "--yes"]).code(0).out("removed").hides(&key);
    assert!(listed(&place).is_empty());
    place.run(&["keys", "remove", "openai", "--yes"]).code(1).err("no such key");
}

#[test]
fn a_key_on_the_command_line_is_refused_and_not_repeated() {
    let (place, key) = (home(None), openai_key(1));
    for (arguments, says) in [
        (&["keys", "add", "openai", "hunter2hunter2"][..], "not taken from the command line"),
        (&["keys", "add", "openai", &key], "not taken from the command line"),
        (&["keys", "add", "hunter2hunter2"], "the name of no provider"),
        (&["keys", "add", &key], "the name of no provider"),
        (&["keys", "add", "openai", "--store", "hunter2hunter2"], "a literal value"),
        (&["keys", "add", "openai", "--name", &key], "looks like a key"),
        (&["keys", "remove", "hunter2hunter2"], "the name of no provider"),
        (&["keys", "test", "hunter2hunter2"], "the name of no provider"),
    ] {
        run_with(&place, arguments, "").code(2).err(says).hides("hunter2hunter2").hides(&key);
    }
    run_with(&place, &["keys", "add", "opnai"], "").code(2).err("did you mean `openai`?");
    assert!(!vault(&place).exists());
}

#[test]
fn what_cannot_be_a_key_is_not_stored_and_a_paste_is_mended_on_request() {
    let (place, key) = (home(None), openai_key(1));
    for (entered, cause) in [
        ("", "empty_key"),
        ("your-api-key-here\n", "placeholder_key"),
        (&format!("Bearer {key}"), "header_malformed"),
        (&format!("{key}\n\n"), "whitespace_or_newline"),
    ] {
        run_with(&place, &["keys", "add", "openai"], entered).code(1).err(cause).err("nothing was stored").hides(&key);
    }
    assert!(!vault(&place).exists());
    run_with(&place, &["keys", "add", "openai", "--mend"], &format!("Bearer \"{key}\"")).code(0).hides(&key);
    assert_eq!(listed(&place)[0]["findings"], Value::Array(Vec::new()));
    run_with(&place, &["keys", "add", "openai", "--name", "b"], &"x".repeat(70_000)).code(1).err("far more than a key");
}

#[test]
fn a_stored_key_is_not_overwritten_by_accident() {
    let (place, first, second) = (home(None), openai_key(1), openai_key(2));
    run_with(&place, &["keys", "add", "openai"], &first).code(0);
    run_with(&place, &["keys", "add", "openai"], &second).code(2).err("stored there already").err("keys rotate openai");
    run_with(&place, &["keys", "add", "openai", "--name", "team-b"], &second).code(0);
    run_with(&place, &["keys", "add", "openai", "--name", "previous"], &second).code(2).err("that was replaced");
    assert_eq!(listed(&place).len(), 2);
    run_with(&place, &["keys", "add", "openai", "--force"], &second).code(0);
    let masks: Vec<String> = listed(&place).iter().map(|key| key["masked"].to_string()).collect();
    assert_eq!(masks[0], masks[1]);
}

#[test]
fn the_provider_is_asked_and_what_it_says_is_remembered() {
    let emulator = upstream();
    let (place, good, dead) = (home(Some(&emulator)), openai_key(1), openai_key(2));
    emulator.set_key("openai", &dead, KeyState::Revoked).expect("known");
    run_with(&place, &["keys", "add", "openai", "--live"], &dead).code(1).err("refuses").hides(&dead);
    assert!(!vault(&place).exists());
    run_with(&place, &["keys", "add", "openai", "--live"], &good).code(0).hides(&good);
    assert!(listed(&place)[0]["last_good"].is_string());
    place.run(&["keys", "test", "openai"]).code(0).out("asked now: works").hides(&good);
    emulator.set_key("openai", &good, KeyState::Revoked).expect("known");
    place.run(&["keys", "test"]).code(1).out("asked now: refused").hides(&good);
    place.run(&["keys", "list", "--live"]).code(1);
    let known = &listed(&place)[0];
    assert!(known["first_bad"].is_string() && known["state"] == "unusable", "the history knows: {known}");
    // Nobody is asked, and what was said before counts.
    place.run(&["keys", "list"]).code(0).out("[fail] openai").err("keywright keys rotate openai").hides(&good);
    place.run(&["doctor", "openai"]).code(1).out("error[revoked_or_rotated]").out("refused it").hides(&good);
    let reference = listed(&place)[0]["reference"].as_str().expect("a text").to_owned();
    place.run(&["keys", "test", &reference]).code(1).err("refused");
    place.run(&["keys", "test", "together"]).code(1).err("no key of Together");
    emulator.set_key("openai", &good, KeyState::Valid).expect("known");
    place.run(&["doctor", "openai", "--live"]).code(0);
    place.run(&["keys", "test", "openai"]).code(0);
    place.run(&["keys", "list"]).code(0).out("[ok]");
    place.run(&["doctor", "openai"]).code(0);
}

#[test]
fn without_an_answer_there_is_no_verdict() {
    let (place, key) = (home(None), openai_key(1));
    run_with(&place, &["keys", "add", "openai", "--live"], &key).code(3).err("warning[").hides(&key);
    place.run(&["keys", "test", "openai"]).code(3).out("no verdict");
}

#[test]
fn a_store_that_cannot_be_used_says_why_and_loses_nothing() {
    let (place, key) = (home(None), openai_key(1));
    run_with(&place, &["keys", "add", "openai"], &key).code(0);
    let good = std::fs::read(vault(&place)).expect("there");
    std::fs::write(vault(&place), &good[..good.len() / 2]).expect("written");
    let add = || run_with(&place, &["keys", "add", "openai", "--name", "b"], &openai_key(2));
    add().code(1).err("it is damaged").err("put it aside").hides(&key);
    std::fs::write(vault(&place), &good).expect("written");
    let identity = vault(&place).with_extension("identity");
    let kept = std::fs::read(&identity).expect("there");
    std::fs::remove_file(&identity).expect("removed");
    add().code(1).err("nothing is set that opens it").err(identity.to_str().expect("UTF-8"));
    std::fs::write(&identity, &kept).expect("written");
    add().code(1).err("open to other users").err("chmod 600");
    for store in ["vault://secret/llm#openai", "env://OPENAI_API_KEY"] {
        run_with(&place, &["keys", "add", "openai", "--store", store], &key).code(1).err("does not write there");
    }
    run_with(&place, &["keys", "add", "openai", "--store", "keyring"], &key).code(1).err("no keyring service answers");
}

#[test]
fn a_store_that_stays_closed_is_never_called_empty() {
    type Work<'a> = &'a dyn Fn();
    let (place, key, new) = (home(None), openai_key(1), openai_key(2));
    run_with(&place, &["keys", "add", "openai"], &key).code(0);
    let (path, identity) = (vault(&place), vault(&place).with_extension("identity"));
    let good = std::fs::read(&path).expect("there");
    let whole = || std::fs::write(&path, &good).expect("written");
    let close: [(&str, Work<'_>, Work<'_>); 4] = [
        ("mv ", &|| std::fs::write(&path, &good[..good.len() / 2]).expect("written"), &whole),
        ("mv ", &|| std::fs::write(&path, &good[..12]).expect("written"), &whole),
        ("mv ", &|| std::fs::write(&path, "").expect("written"), &whole),
        (
            "Its identity file is missing",
            &|| std::fs::rename(&identity, identity.with_extension("away")).expect("renamed"),
            &|| std::fs::rename(identity.with_extension("away"), &identity).expect("renamed"),
        ),
    ];
    for (mend, damage, repair) in close {
        damage();
        for (arguments, code) in [
            (&["keys", "rotate", "openai"][..], 1),
            (&["keys", "rotate", "openai", "--via-admin-api"], 1),
            (&["keys", "remove", "openai", "--yes"], 1),
            (&["keys", "test"], 3),
            (&["keys", "test", "openai"], 3),
            (&["keys", "list"], 3),
            (&["keys", "export", "--env"], 3),
            (&["doctor"], 1),
            (&["doctor", "openai", "-v"], 1),
        ] {
            let ended = run_with(&place, arguments, &new).code(code).hides(&key).hides(&new);
            let all = format!("{}{}", ended.stdout, ended.stderr);
            assert!(all.contains(path.to_str().expect("UTF-8")) && all.contains(mend), "{arguments:?} {mend}: {all}");
            for untrue in ["no such key", "not in the key vault", "no key is here", "set nowhere", "no key of"] {
                assert!(!all.contains(untrue), "{arguments:?} {mend} `{untrue}`: {all}");
            }
        }
        let listed = place.run(&["keys", "list", "--json"]).code(3);
        let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
        assert!(listed["unopened"][0]["help"].is_string(), "{listed}");
        repair();
        place.run(&["keys", "list"]).code(0).out("key vault, openai");
    }
}

#[test]
fn a_closed_store_does_not_hide_the_others_and_is_told() {
    let (place, key) = (home(None), openai_key(1));
    run_with(&place, &["keys", "add", "together"], "tgp_v1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0001").code(0);
    std::fs::write(vault(&place), "age-encryption.org/v1").expect("written");
    let place = place.env("OPENAI_API_KEY", &key);
    place.run(&["keys", "list"]).code(3).out("environment variable OPENAI_API_KEY").err("it is damaged").hides(&key);
    place.run(&["doctor"]).code(0).out("it is damaged").out("mv ").hides(&key);
    place.run(&["doctor", "openai"]).code(0).out("nothing is wrong").hides(&key);
}

#[test]
fn a_stored_key_is_mended_in_its_store() {
    let (place, key) = (home(None), openai_key(1));
    for entered in ["", "one\ntwo\n"] {
        let ended = run_with(&place, &["keys", "add", "openai"], entered).code(1).err("nothing was stored");
        ended.err("enter it again").hides("OPENAI_API_KEY").hides("read -rs");
    }
    let team = place.path().join("team.age");
    let reference = format!("age://{}#openai", team.display());
    run_with(&place, &["keys", "add", "openai", "--store", &reference], &key)
        .code(0)
        .err(&format!("keys = [\"{reference}\"]"))
        .hides("finds it there");
    run_with(&place, &["keys", "add", "openai"], &key).code(0).err("finds it there");
    let place = place.env("OPENAI_API_KEY", &openai_key(2));
    place.run(&["keys", "list"]).code(0).out("not used while the environment or .env has a key").hides(&key);
}

#[test]
fn who_asks_for_json_gets_json_also_when_nothing_is_done() {
    let (place, key) = (home(None), openai_key(1));
    run_with(&place, &["keys", "add", "openai"], &key).code(0);
    for (arguments, entered, code) in [
        (&["keys", "add", "openai", "--json"][..], &*key, 2),
        (&["keys", "add", "openai", "--name", "b", "--json"], "", 1),
        (&["keys", "rotate", "openai", "--json"], &*key, 1),
        (&["keys", "rotate", "together", "--json"], &*key, 1),
    ] {
        let ended = run_with(&place, arguments, entered).code(code).hides(&key);
        let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert!(told["error"].is_string() && told["help"].is_string(), "{told}");
    }
}

#[test]
fn what_can_be_taken_off_is_no_error() {
    let (place, key) = (home(None), openai_key(1));
    let ended = run_with(&place, &["keys", "add", "openai", "--mend"], &format!("Bearer {key}")).code(0);
    ended.err("warning[header_malformed]").hides("error[").hides(&key);
}

#[test]
fn run_finds_what_is_stored_and_only_where_nothing_else_is_usable() {
    let (place, key, other) = (home(None), openai_key(1), openai_key(2));
    run_with(&place, &["keys", "add", "openai"], &key).code(0);
    place.run(&["run", "--", "true"]).code(0).err("key vault, openai").hides(&key);
    let place = place.env("OPENAI_API_KEY", "your-api-key-here");
    place.run(&["run", "--", "true"]).code(0).err("key vault, openai").hides(&key);
    place.run(&["doctor"]).out("key vault, openai").hides(&key);
    let place = place.env("OPENAI_API_KEY", &other);
    let ended = place.run(&["run", "--", "true"]).code(0).hides(&key).hides(&other);
    assert!(!ended.stderr.contains("key vault"), "{ended:?}");
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_once_it_is_proved() {
    let emulator = upstream();
    let (place, old, new, dead) = (home(Some(&emulator)), openai_key(1), openai_key(2), openai_key(3));
    let shown = |place: &Place| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        listed(place).iter().map(|key| (text(&key["name"]), text(&key["masked"]))).collect()
    };
    let pair = |name: &str, key: &str| (name.to_owned(), keywright_core::mask(key));
    emulator.set_key("openai", &dead, KeyState::Revoked).expect("known");
    run_with(&place, &["keys", "rotate", "openai"], &new).code(1).err("no such key");
    run_with(&place, &["keys", "add", "openai"], &old).code(0);
    for (entered, says) in [(&dead, "refuses"), (&old, "that is the key that is stored already")] {
        run_with(&place, &["keys", "rotate", "openai"], entered).code(1).err(says).hides(entered);
        assert_eq!(shown(&place), [pair("default", &old)]);
    }
    run_with(&place, &["keys", "rotate", "openai", &new], "")
        .code(2)
        .err("not taken from the command line")
        .hides(&new);
    run_with(&place, &["keys", "rotate", "openai"], &new).code(0).out("took the place").hides(&old).hides(&new);
    assert_eq!(shown(&place), [pair("default", &new)]);
    // Nobody answers: both are kept until the new one proves itself.
    let working = format!("{}/v1", emulator.base_url("openai"));
    let place = place.env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    run_with(&place, &["keys", "rotate", "openai"], &old).code(3).err("kept as `previous`");
    assert_eq!(shown(&place), [pair("default", &old), pair("previous", &new)]);
    let place = place.env("OPENAI_BASE_URL", &working);
    place.run(&["keys", "test", "openai"]).code(0).err("was dropped");
    assert_eq!(shown(&place), [pair("default", &old)]);
}

#[test]
fn the_last_key_that_worked_is_kept_until_a_newer_one_is_proved() {
    let emulator = upstream();
    let [good, first, second, third] = [1, 2, 3, 4].map(openai_key);
    let shown = |place: &Place| -> Vec<String> {
        listed(place).iter().map(|key| key["masked"].as_str().expect("a mask").to_owned()).collect()
    };
    let masks = |keys: &[&str]| keys.iter().map(|key| keywright_core::mask(key)).collect::<Vec<_>>();
    let place = home(Some(&emulator));
    run_with(&place, &["keys", "add", "openai", "--live"], &good).code(0);
    let place = place.env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    run_with(&place, &["keys", "rotate", "openai"], &first).code(3).err("kept as `previous`");
    // Neither new key is proved.
    let refused = run_with(&place, &["keys", "rotate", "openai"], &second).code(1);
    refused.err(&keywright_core::mask(&good)).err("nothing was stored").err("keys test openai").hides(&good);
    assert_eq!(shown(&place), masks(&[&first, &good]));
    // The first new key is refused: it may go, and what worked stays.
    emulator.set_key("openai", &first, KeyState::Revoked).expect("known");
    let online = place.env("OPENAI_BASE_URL", &format!("{}/v1", emulator.base_url("openai")));
    online.run(&["keys", "test", "openai"]).code(1);
    let place = online.env("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    let told = run_with(&place, &["keys", "rotate", "openai"], &second).code(3);
    told.err(&format!("{} is kept as `previous`", keywright_core::mask(&good))).err("is stored no more").hides(&first);
    assert_eq!(shown(&place), masks(&[&second, &good]));
    // A newer one is proved: it alone is left.
    let online = place.env("OPENAI_BASE_URL", &format!("{}/v1", emulator.base_url("openai")));
    run_with(&online, &["keys", "rotate", "openai"], &third).code(0).err(&keywright_core::mask(&good)).hides(&third);
    assert_eq!(shown(&online), masks(&[&third]));
}

#[test]
fn files_are_imported_after_a_look_and_exported_for_their_owner_alone() {
    let (first, second, third) = (openai_key(1), openai_key(2), openai_key(3));
    let env =
        format!("OPENAI_API_KEY={first}\nOPENAI_API_KEY_BACKUP={second}\nPORT=80\nTOGETHER_API_KEY=your-key-here\n");
    let llm = format!("{{\"// Note\": \"secret\", \"openai\": \"{first}\", \"work key\": \"{third}\"}}");
    let place = home(None).file("app.env", &env).file("keys.json", &llm).file("plain.txt", "PORT=80\n");
    place.run(&["keys", "import", "app.env"]).code(0).out("[skip] together").err("`--yes` stores 2 keys").hides(&first);
    assert!(listed(&place).is_empty(), "a look changes nothing");
    place.run(&["keys", "import", "app.env", "--yes"]).code(0).hides(&first).hides(&second);
    place.run(&["keys", "import", "keys.json", "--yes"]).code(0).out("it is stored already").hides(&third);
    let names: Vec<String> = listed(&place).iter().map(|key| key["name"].to_string()).collect();
    assert_eq!(names, ["\"default\"", "\"backup\"", "\"work-key\""]);
    place.run(&["keys", "import", "plain.txt"]).code(1).err("holds no key");
    place.run(&["keys", "import", "gone"]).code(2).err("cannot read").err("a JSON object of keys").hides("config init");
    let place = place.file("other.env", &format!("OPENAI_API_KEY={third}\n"));
    let taken = place.run(&["keys", "import", "other.env", "--yes"]).code(1).hides("holds no key").hides(&third);
    taken.err("another key is stored").err("keywright keys rotate openai").err("--name NAME");
    place.run(&["keys", "export"]).code(2).err("--env");
    let exported = place.run(&["keys", "export", "--env"]).code(0).err("`work-key`");
    assert_eq!(exported.stdout, format!("OPENAI_API_KEY={first}\nOPENAI_API_KEY_BACKUP={second}\n"));
    let out = place.path().join("out.env");
    place.run(&["keys", "export", "--env", "--output", "out.env"]).code(0).hides(&first);
    assert_eq!(std::fs::read_to_string(&out).expect("written"), exported.stdout);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&out).expect("there").permissions().mode() & 0o777, 0o600);
    }
    place.run(&["keys", "export", "--env", "--output", "out.env"]).code(2).err("exists already");
}
