//! `doctor --schema` describes what `doctor --json` prints.

mod common;

use common::schema::problems;
use common::servers::closed_port;
use common::{Place, openai_key, upstream};
use keywright_emulator::KeyState;
use serde_json::Value;

fn schema() -> Value {
    let ended = Place::new().run(&["doctor", "--schema"]).code(0);
    serde_json::from_str(&ended.stdout).expect("the schema is JSON")
}

#[test]
fn every_report_follows_the_published_schema() {
    let emulator = upstream();
    let (good, dead) = (openai_key(1), openai_key(2));
    emulator.set_key("openai", &dead, KeyState::Revoked).expect("a known state");
    let nowhere = format!("http://127.0.0.1:{}/v1", closed_port());
    let live = |key: &str, url: &str| Place::new().env("OPENAI_API_KEY", key).env("OPENAI_BASE_URL", url);
    let dirty = format!("OPENAI_API_KEY = 'Bearer {good}\u{200b}' \nTOGETHER_KEY=x\n");
    let cases: Vec<(&str, Place, &[&str])> = vec![
        ("nothing", Place::new(), &[]),
        ("healthy", live(&good, &emulator.base_url("openai")), &["--live"]),
        ("refused", live(&dead, &emulator.base_url("openai")), &["--live"]),
        ("unreachable", live(&good, &nowhere), &["--live"]),
        ("not asked", live("sk-your-key-here", &nowhere), &["--live"]),
        ("network", live(&good, &nowhere), &["network", "--live"]),
        ("shadowed", Place::new().env("OPENAI_API_KEY", &good).file(".env", &format!("OPENAI_API_KEY={dead}\n")), &[]),
        ("dirty", Place::new().file(".env", &dirty), &[]),
        ("mended", Place::new().file(".env", &dirty), &["--fix", "--yes"]),
        ("one provider", Place::new().env("OPENAI_API_KEY", ""), &["openai"]),
    ];
    let schema = schema();
    for (name, place, options) in cases {
        let ended = place.run(&[&["doctor", "--json"], options].concat()).hides(&good).hides(&dead);
        let report: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {ended:?}"));
        assert_eq!(problems(&schema, &report), Vec::<String>::new(), "{name}: {report}");
    }
}

#[test]
fn a_report_that_is_not_as_described_is_told() {
    let schema = schema();
    let ended = Place::new().env("OPENAI_API_KEY", &openai_key(1)).run(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let changes: &[(&str, Value, &str)] = &[
        ("/schema_version", 2.into(), "$.schema_version: 2 is not 1"),
        ("/status", "fine".into(), "$.status"),
        ("/checks/0/findings", "none".into(), "$.checks[0].findings"),
        ("/credentials/0/masked", 1.into(), "$.credentials[0].masked"),
        ("/credentials/0/place", serde_json::json!({"source": "x", "lines": 1}), "`lines` is not in the schema"),
        ("/diagnosis", serde_json::json!({"schema": 1}), "$: "),
    ];
    for (pointer, value, says) in changes {
        let mut report = report.clone();
        *report.pointer_mut(pointer).expect("it is there") = value.clone();
        let problems = problems(&schema, &report);
        let told = problems.iter().any(|problem| problem.contains(says.trim_start_matches("$: ")));
        assert!(told, "{pointer}: {problems:?}");
    }
}
