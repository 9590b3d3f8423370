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
