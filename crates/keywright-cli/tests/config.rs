//! `keywright config`.

mod common;

use common::{Place, openai_key};

#[test]
fn a_configuration_begins_with_init_and_is_never_overwritten() {
    let place = Place::new();
    place.run(&["config", "init"]).code(0).err("wrote `keywright.toml`");
    place.run(&["config", "check"]).code(0).out("[ok] `keywright.toml`");
    place.run(&["config", "init"]).code(2).err("exists already").err("--force");
    place.run(&["config", "init", "--force"]).code(0);
}

#[test]
fn an_unknown_setting_has_a_place_and_a_near_name() {
    Place::new()
        .file("keywright.toml", "[gateway]\nlisten = \"127.0.0.1:0\"\n  admn = \"127.0.0.1:1\"\n")
        .run(&["config", "check"])
        .code(2)
        .err("error: unknown field `admn`")
        .err("--> keywright.toml:3:3")
        .err("did you mean `admin`?");
}

#[test]
fn a_wrong_type_and_broken_toml_have_a_place() {
    let cases = [
        ("[gateway]\nworkers = \"two\"\n", "a.toml:2:11"),
        ("[[provider]]\nid = openai\n", "a.toml:2:6"),
        ("[gateway\n", "a.toml:1:9"),
    ];
    for (text, place) in cases {
        Place::new().file("a.toml", text).run(&["config", "check", "a.toml"]).code(2).err(&format!("--> {place}"));
    }
}

#[test]
fn a_key_in_a_configuration_is_refused_and_not_shown() {
    let key = openai_key(1);
    let text = format!("[[provider]]\nid = \"openai\"\nkeys = [\"{key}\"]\n");
    let place = Place::new().file("keywright.toml", &text);
    place.run(&["config", "check"]).code(2).err("keywright.toml:3:").hides(&key);
    place.run(&["config", "check", "--json"]).code(2).out("\"ok\":false").hides(&key);
    place.run(&["serve"]).code(2).hides(&key);
    place.run(&["run", "--config", "keywright.toml", "--", "true"]).code(125).hides(&key);
}

#[test]
fn a_missing_file_says_what_to_do() {
    Place::new()
        .run(&["config", "check", "none.toml"])
        .code(2)
        .err("cannot read `none.toml`")
        .err("keywright config init");
}

#[test]
fn the_schema_is_json() {
    let ended = Place::new().run(&["config", "schema"]).code(0);
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert!(schema.pointer("/properties/gateway").is_some());
}

#[test]
fn helpers_run_only_from_a_configuration_that_was_allowed_as_it_is() {
    let key = openai_key(1);
    let helper = format!("#!/bin/sh\necho a word for people, {key} >&2\necho {key}\n");
    let text = "[[provider]]\nid = \"openai\"\nkeys = [\"cmd://print\"]\n[helper]\nprint = [\"sh\", \"print.sh\"]\n";
    let place = Place::new();
    let home = place.path().display().to_string();
    let place = place.env("HOME", &home).file("keywright.toml", text).file("print.sh", &helper);
    let check = ["serve", "--check"];
    place.run(&check).code(1).err("not allowed to run helpers").err("keywright config allow");
    place.run(&["config", "allow"]).code(0).out("may run 1 helper").out("print: sh print.sh");
    place.run(&check).code(0).hides(&key);
    let place = place.file("keywright.toml", &format!("{text}# changed\n"));
    place.run(&check).code(1).err("not allowed to run helpers");
    let place = place.file("keywright.toml", text);
    place.run(&check).code(0);
    place.run(&["config", "deny"]).code(0).out("is no longer allowed");
    place.run(&check).code(1);
    place.run(&["config", "deny"]).code(0).out("was not allowed");
}

#[test]
fn a_key_that_must_be_there_stops_the_start() {
    let with = |setting: &str| {
        let keys = format!("[{{ ref = \"env://NOT_THERE\", {setting} }}, \"env://OPENAI_API_KEY\"]");
        let text = format!("[[provider]]\nid = \"openai\"\nkeys = {keys}\n");
        Place::new().file("keywright.toml", &text).env("OPENAI_API_KEY", &openai_key(1))
    };
    let run = ["run", "--config", "keywright.toml", "--", "true"];
    with("if_missing = \"warn\"").run(&run).code(0).err("NOT_THERE: not set");
    with("if_missing = \"ignore\"").run(&run).code(0).hides("NOT_THERE");
    with("if_missing = \"error\"").run(&run).code(125).err("`env://NOT_THERE` has no value");
    with("if_missing = \"error\"").run(&["serve", "--check"]).code(1).err("NOT_THERE");
    with("if_missing = \"error\"").run(&["serve"]).code(1).err("`if_missing` is `error`");
    with("if_missing = \"never\"").run(&["config", "check"]).code(2).err("keywright.toml:3");
}

#[test]
fn keys_without_a_weight_beside_others_with_one_are_a_warning() {
    let provider =
        |keys: &str| format!("[gateway]\nlisten = \"127.0.0.1:0\"\n[[provider]]\nid = \"openai\"\nkeys = [\n{keys}]\n");
    let weighted = "  { ref = \"env://OPENAI_API_KEY\", weight = 3 },\n";
    let told = "1 of 2 keys of `openai` has no weight: keys without a weight serve only when the others cannot";
    let place = Place::new().env("OPENAI_API_KEY", &openai_key(1));
    let place = place.file("keywright.toml", &provider(&format!("{weighted}  \"env://OPENAI_API_KEY_2\",\n")));
    place.run(&["config", "check"]).code(0).err(&format!("warning: {told}")).err("--> keywright.toml:7:3").out("[ok]");
    let listed = place.run(&["config", "check", "--json"]).code(0);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!((&listed["ok"], &listed["warnings"][0]["line"]), (&true.into(), &7.into()), "{listed}");
    place.run(&["serve", "--check"]).code(0).err(told);
    let events = place.run(&["serve", "--check", "--json"]).code(0).stderr;
    let event: serde_json::Value = serde_json::from_str(events.lines().next().expect("an event")).expect("JSON");
    assert_eq!(event["warnings"][0]["message"], told);
    // Without any weight the order decides, and a weight that was written is meant.
    for keys in [
        "\"env://OPENAI_API_KEY\", \"env://OPENAI_API_KEY_2\"".to_owned(),
        format!("{weighted} {{ ref = \"env://OPENAI_API_KEY_2\", weight = 0 }}"),
        format!("{weighted} {{ ref = \"env://OPENAI_API_KEY_2\", weight = 1 }}"),
    ] {
        let place = Place::new().file("keywright.toml", &provider(&keys));
        let ended = place.run(&["config", "check"]).code(0);
        assert!(!ended.stderr.contains("weight"), "{ended:?}");
    }
}
