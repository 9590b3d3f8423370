//! `keywright keys rotate --via-admin-api`: what is shown, what is done, and what stays when a step fails.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use common::{Ended, Place, openai_key, upstream};
use keywright_emulator::{Emulator, KeySpec, KeyState, Settings, sample_admin_key, sample_keys};
use serde_json::{Value, json};

/// A home with one stored key that the provider made, and a key that may manage keys.
struct Scene {
    emulator: Arc<Emulator>,
    place: Place,
    provider: &'static str,
    old: String,
}

impl Scene {
    /// OpenAI: the old key is the only one of a service account.
    fn openai() -> Self {
        let emulator = upstream();
        emulator.set_key("openai", &sample_admin_key(), KeySpec::valid().project("proj_x")).expect("an admin key");
        let path = "/v1/organization/projects/proj_x/service_accounts";
        let made = ask(&emulator, "openai", "POST", path, &sample_admin_key(), &json!({"name": "ci"}));
        let old = made["api_key"]["value"].as_str().expect("a key").to_owned();
        let place = home().env("OPENAI_BASE_URL", &format!("{}/v1", emulator.base_url("openai")));
        Self::keeping(emulator, place.env("OPENAI_ADMIN_KEY", &sample_admin_key()), "openai", old)
    }

    fn fireworks() -> Self {
        let emulator = upstream();
        let first = sample_keys("fireworks", 1).remove(0);
        let path = "/v1/accounts/keywright-emulator/users/emulator/apiKeys";
        let made = ask(&emulator, "fireworks", "POST", path, &first, &json!({"apiKey": {"displayName": "ci"}}));
        let old = made["key"].as_str().expect("a key").to_owned();
        let place = home().env("FIREWORKS_BASE_URL", &emulator.base_url("fireworks"));
        Self::keeping(emulator, place, "fireworks", old)
    }

    fn keeping(emulator: Arc<Emulator>, place: Place, provider: &'static str, old: String) -> Self {
        let scene = Self { emulator, place, provider, old };
        scene.run(&["keys", "add", provider], &scene.old).code(0);
        scene
    }

    fn run(&self, arguments: &[&str], stdin: &str) -> Ended {
        let mut command = self.place.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let ended = Ended {
            code: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        ended.hides(&self.old).hides(&sample_admin_key())
    }

    /// Rotates with these options, in the style of programs.
    fn rotate(&self, options: &[&str]) -> (Value, Ended) {
        let arguments = [&["keys", "rotate", self.provider, "--via-admin-api", "--json"], options].concat();
        let ended = self.run(&arguments, "");
        (serde_json::from_str(&ended.stdout).unwrap_or_default(), ended)
    }

    /// The stored keys by name, unmasked.
    fn stored(&self) -> Vec<(String, String)> {
        let listed = self.run(&["keys", "list", self.provider, "--json"], "").code(0);
        let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
        let text = |key: &Value, name: &str| key[name].as_str().expect("a text").to_owned();
        let keys = listed["keys"].as_array().expect("a list").iter();
        keys.map(|key| (text(key, "name"), text(key, "masked"))).collect()
    }

    fn works(&self, key: &str) -> bool {
        let model = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]});
        let path = if self.provider == "openai" { "/v1/chat/completions" } else { "/inference/v1/chat/completions" };
        ask(&self.emulator, self.provider, "POST", path, key, &model).get("choices").is_some()
    }

    /// The old key is stored and works, as if nothing had been tried.
    fn is_as_before(&self) {
        assert_eq!(self.stored().len(), 1, "{:?}", self.stored());
        assert!(self.stored()[0].1.ends_with(&self.old[self.old.len() - 4..]));
        assert!(self.works(&self.old));
    }

    fn vault(&self) -> PathBuf {
        self.place.path().join(".local/share/keywright/keys.age")
    }

    /// The admin key answers so many questions and no more.
    fn admin_key_tires_after(&self, questions: u64) {
        let tired = KeyState::RateLimited { after: questions, n: None, retry_after: None };
        let spec = KeySpec { state: tired, ..KeySpec::valid().project("proj_x") };
        self.emulator.set_key("openai", &sample_admin_key(), spec).expect("an admin key");
    }
}

fn home() -> Place {
    let place = Place::new();
    let home = place.path().to_str().expect("UTF-8").to_owned();
    place.env("HOME", &home)
}

/// One question to the emulator, by hand.
fn ask(emulator: &Emulator, provider: &str, method: &str, path: &str, key: &str, body: &Value) -> Value {
    let base = emulator.base_url(provider);
    let (address, prefix) = base.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(
        stream,
        "{method} /{prefix}{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).unwrap_or_default()
}

#[test]
fn openai_makes_the_new_key_and_deletes_the_old_one() {
    let scene = Scene::openai();
    let (told, ended) = scene.rotate(&["--yes"]);
    ended.code(0);
    assert_eq!((&told["stored"], &told["proved"], &told["old_deleted"]), (&json!(true), &json!(true), &json!(true)));
    assert!(told["plan"]["delete"].as_str().expect("a text").starts_with("service account `ci`"), "{told}");
    let kept = scene.stored();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].1, told["masked"].as_str().expect("a mask"));
    assert!(!scene.works(&scene.old), "it was deleted");
    let keys = "/v1/organization/projects/proj_x/api_keys";
    let listed = ask(&scene.emulator, "openai", "GET", keys, &sample_admin_key(), &Value::Null);
    let names: Vec<&Value> = listed["data"].as_array().expect("a list").iter().map(|key| &key["id"]).collect();
    assert_eq!(names, [&told["new_key"]]);
    // The old one was deleted, not lost: the history knows.
    scene.run(&["keys", "history", "openai"], "").code(0).out("revoked_or_rotated");
}

#[test]
fn fireworks_makes_the_new_key_and_deletes_the_old_one() {
    let scene = Scene::fireworks();
    let (told, ended) = scene.rotate(&["--yes"]);
    ended.code(0);
    assert_eq!(told["old_deleted"], true, "{told}");
    assert!(!scene.works(&scene.old));
    assert_eq!(scene.stored()[0].1, told["masked"].as_str().expect("a mask"));
    // The key that was made is managed by itself.
    let (again, ended) = scene.rotate(&["--yes"]);
    ended.code(0);
    assert_eq!(again["replaced"], told["masked"]);
}

#[test]
fn the_plan_is_shown_and_changes_nothing() {
    for scene in [Scene::openai(), Scene::fireworks()] {
        let (told, ended) = scene.rotate(&["--dry-run"]);
        ended.code(0);
        assert_eq!((&told["dry_run"], &told["masked"]), (&json!(true), &Value::Null), "{told}");
        let arguments = ["keys", "rotate", scene.provider, "--via-admin-api", "--dry-run"];
        let tail = format!("…{}", &scene.old[scene.old.len() - 4..]);
        let shown =
            scene.run(&arguments, "").code(0).out("plan:").out("  make").out("  delete").out("age://").out(&tail);
        assert!(!shown.stdout.contains("[ok]"), "{shown:?}");
        // Without a terminal nobody can agree.
        scene.run(&arguments[..4], "").code(2).err("no terminal to ask on").err("--yes");
        scene.is_as_before();
    }
}

#[test]
fn the_old_key_may_stay() {
    let scene = Scene::openai();
    let (told, ended) = scene.rotate(&["--yes", "--keep-old"]);
    ended.code(0);
    assert_eq!((&told["old_deleted"], &told["plan"]["deletes"]), (&json!(false), &json!(false)), "{told}");
    assert!(scene.works(&scene.old));
    let names: Vec<String> = scene.stored().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["default", "previous"]);
}

#[test]
fn a_service_account_with_other_keys_keeps_them_and_the_old_one_is_left_to_a_person() {
    let scene = Scene::openai();
    let accounts = "/v1/organization/projects/proj_x/service_accounts";
    let listed = ask(&scene.emulator, "openai", "GET", accounts, &sample_admin_key(), &Value::Null);
    let account = listed["data"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("{accounts}/{account}/api_keys");
    let other = ask(&scene.emulator, "openai", "POST", &path, &sample_admin_key(), &json!({"name": "other"}));
    let (told, ended) = scene.rotate(&["--yes"]);
    ended.code(0).err("by hand: delete the old key");
    assert_eq!((&told["stored"], &told["old_deleted"]), (&json!(true), &json!(false)), "{told}");
    assert!(scene.works(&scene.old) && scene.works(other["value"].as_str().expect("a key")));
}

#[test]
fn who_may_not_manage_keys_changes_nothing() {
    let scene = Scene::openai();
    let other = scene.place.path().join("other.key");
    std::fs::write(&other, openai_key(2)).expect("written");
    for (admin, says) in [
        ("env://NOT_SET", "no key that may manage keys"),
        ("file://other.key", "answered 401"),
        ("sk-admin-literal", "a literal value"),
    ] {
        let (_, ended) = scene.rotate(&["--yes", "--admin-key", admin]);
        assert!(ended.code == 1 || ended.code == 2, "{ended:?}");
        ended.err(says).hides(&openai_key(2)).hides("sk-admin-literal");
    }
    scene.is_as_before();
}

#[test]
fn a_key_that_the_provider_does_not_list_is_not_guessed() {
    let scene = Scene::openai();
    scene.run(&["keys", "add", "openai", "--name", "b"], &openai_key(3)).code(0);
    let (_, ended) = scene.rotate(&["--yes", "--name", "b"]);
    ended.code(1).err("lists no such key among 1").err("--old-key-id");
    let (_, ended) = scene.rotate(&["--yes", "--project", "../../x"]);
    ended.code(1).err("the name of no project");
    let (_, ended) = scene.rotate(&["--yes", "--old-key-id", "key_nosuch"]);
    ended.code(1).err("lists no such key");
    assert!(scene.works(&scene.old) && scene.works(&openai_key(3)));
}

#[test]
fn each_step_that_fails_leaves_both_keys_and_says_what_remains() {
    // The list, the keys of the project, the new key, the keys once more, and the end of the old one are one question each.
    for (questions, says) in [(0, "nothing was changed"), (1, "nothing was changed"), (2, "the new key was not made")] {
        let scene = Scene::openai();
        scene.admin_key_tires_after(questions);
        let (told, ended) = scene.rotate(&["--yes"]);
        ended.code(1).err("429").err(says);
        assert!(told["stored"] != true, "{told}");
        scene.is_as_before();
    }
    for questions in [3, 4] {
        let scene = Scene::openai();
        scene.admin_key_tires_after(questions);
        let (told, ended) = scene.rotate(&["--yes"]);
        ended.code(1).err("the old one was not deleted").err("by hand: delete the old key: service account `ci`");
        assert_eq!((&told["stored"], &told["old_deleted"]), (&json!(true), &json!(false)));
        assert!(scene.works(&scene.old));
        assert_eq!(scene.stored()[0].1, told["masked"].as_str().expect("a mask"));
    }
}

#[test]
fn an_id_of_another_key_deletes_nothing() {
    for (scene, keys, path, id) in [
        (Scene::openai(), "data", "/v1/organization/projects/proj_x/api_keys", "id"),
        (Scene::fireworks(), "apiKeys", "/v1/accounts/keywright-emulator/users/emulator/apiKeys", "keyId"),
    ] {
        let (admin, make, body) = match scene.provider {
            "openai" => {
                let accounts = "/v1/organization/projects/proj_x/service_accounts";
                (sample_admin_key(), accounts, json!({"name": "other"}))
            }
            _ => (sample_keys("fireworks", 1).remove(0), path, json!({"apiKey": {"displayName": "other"}})),
        };
        ask(&scene.emulator, scene.provider, "POST", make, &admin, &body);
        let listed = ask(&scene.emulator, scene.provider, "GET", path, &admin, &Value::Null);
        let listed = listed[keys].as_array().expect("a list");
        let mut refused = 0;
        for key in listed {
            let (_, ended) = scene.rotate(&["--dry-run", "--old-key-id", key[id].as_str().expect("an id")]);
            if ended.code == 1 {
                ended.err("does not fit the stored key").err("--name");
                refused += 1;
            }
        }
        assert_eq!(refused, listed.len() - 1, "{listed:?}");
    }
}

#[test]
fn a_new_key_that_is_not_accepted_is_not_stored() {
    let scene = Scene::openai();
    scene.emulator.set_settings(Settings { propagation_delay_ms: 600_000, ..scene.emulator.settings() });
    let (told, ended) = scene.rotate(&["--yes"]);
    ended.code(1).err("does not accept the new key yet").err("by hand: delete the new key");
    assert_eq!((&told["stored"], &told["old_deleted"]), (&json!(false), &json!(false)));
    assert!(told["new_key"].is_string(), "who is to delete it knows its name: {told}");
    scene.is_as_before();
}

#[test]
fn a_store_that_takes_nothing_leaves_the_old_key_in_force() {
    let scene = Scene::openai();
    // It can be read, and nobody gets the lock to write to it.
    let lock = scene.vault().with_extension("age.lock");
    std::fs::remove_file(&lock).expect("removed");
    std::os::unix::fs::symlink("/nonexistent/lock", &lock).expect("a link to nothing");
    let (told, ended) = scene.rotate(&["--yes"]);
    ended.code(1).err("the new key could not be stored").err("by hand: delete the new key");
    assert_eq!((&told["stored"], &told["old_deleted"]), (&json!(false), &json!(false)));
    scene.is_as_before();
}

#[test]
fn a_provider_without_such_an_api_says_where_to_go() {
    let place = home();
    place
        .run(&["keys", "rotate", "together", "--via-admin-api"])
        .code(1)
        .err("no API that makes")
        .err("https://api.together.ai");
}
