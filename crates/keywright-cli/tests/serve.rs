//! `keywright serve`.

mod common;

use std::net::TcpListener;

use common::{Place, openai_key};
use rustix::process::Signal;

fn config(listen: &str) -> String {
    format!(
        "[gateway]\nlisten = \"{listen}\"\n\n[[provider]]\nid = \"openai\"\nkeys = [\"env://OPENAI_API_KEY\", \"dotenv://.env#OPENAI_API_KEY\"]\n"
    )
}

fn with_key(listen: &str) -> Place {
    Place::new().env("OPENAI_API_KEY", &openai_key(1)).file("keywright.toml", &config(listen))
}

#[test]
fn it_says_where_it_listens_and_stops_when_asked() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = with_key("127.0.0.1:0");
        let running = place.start(&["serve", "--json"], "\n");
        let event: serde_json::Value = serde_json::from_str(&running.before).expect("JSON");
        assert_eq!(event["event"], "listening");
        let listen = event["listen"].as_str().expect("an address");
        assert!(listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
        running.signal(signal);
        running
            .end()
            .code(0)
            .err("\"event\":\"keys\"")
            .err("OPENAI_API_KEY in .env: no such file")
            .hides(&openai_key(1));
    }
}

#[test]
fn a_port_in_use_is_named_with_the_way_to_find_its_holder() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("bound").to_string();
    let port = address.rsplit(':').next().expect("a port").to_owned();
    with_key(&address)
        .run(&["serve"])
        .code(1)
        .err(&format!("cannot listen on {address}"))
        .err(&format!("sport = :{port}"));
}

#[test]
fn a_hangup_reads_the_configuration_again_and_a_broken_one_changes_nothing() {
    let place = with_key("127.0.0.1:0");
    let mut running = place.start(&["serve"], "listening");
    running.signal(Signal::HUP);
    running.wait_for_stderr("was read again");
    let place = place.file("keywright.toml", "[gateway]\nlisen = 1\n");
    running.signal(Signal::HUP);
    running.wait_for_stderr("as it was before");
    let _place = place.file("keywright.toml", &config("127.0.0.1:0"));
    running.signal(Signal::HUP);
    running.wait_for_stderr("was read again");
    running.signal(Signal::TERM);
    running.end().code(0);
}

#[test]
fn a_changed_configuration_is_taken_without_a_signal_and_a_broken_one_is_told() {
    let place = with_key("127.0.0.1:0");
    let mut running = place.start(&["serve"], "listening");
    let place = place.file("keywright.toml", &format!("# changed\n{}", config("127.0.0.1:0")));
    running.wait_for_stderr("was read again");
    let place = place.file("keywright.toml", "[gateway]\nlisen = 1\n");
    running.wait_for_stderr("did you mean `listen`");
    running.wait_for_stderr("as it was before");
    std::fs::remove_file(place.path().join("keywright.toml")).expect("removed");
    running.wait_for_stderr("as it was before");
    let _place = place.file("keywright.toml", &config("127.0.0.1:0"));
    running.wait_for_stderr("was read again");
    running.signal(Signal::TERM);
    // What was told once is not told again.
    let ended = running.end().code(0);
    assert!(!ended.stderr.contains("as it was before"), "{ended:?}");
}

#[test]
fn a_source_that_fails_is_told_once_and_once_more_when_it_works_again() {
    let (begins, ends) = ("the source gives no key now; this one serves on", "the source gives a key again");
    let text = config("127.0.0.1:0").replace("dotenv://.env#OPENAI_API_KEY", "file://k");
    let place = with_key("127.0.0.1:0").file("keywright.toml", &text).file("k", &openai_key(2));
    let mut running = place.start(&["serve"], "listening");
    let file = place.path().join("k");
    let two_lines = format!("{}\n{}\n", openai_key(2), openai_key(3));
    std::fs::write(&file, &two_lines).expect("written");
    running.wait_for_stderr(begins);
    let mut since = String::new();
    // It is read again at each hangup, and gives nothing each time.
    for _ in 0..2 {
        running.signal(Signal::HUP);
        since += &running.wait_for_stderr("was read again");
    }
    assert!(since.contains("file k: "), "{since}");
    std::fs::write(&file, openai_key(2)).expect("written");
    since += &running.wait_for_stderr(ends);
    assert!(!since.contains(begins), "{since}");
    running.signal(Signal::TERM);
    let ended = running.end().code(0).hides(&openai_key(2)).hides(&openai_key(3));
    assert!(!ended.stderr.contains(ends) && !ended.stderr.contains(begins), "{ended:?}");
}

#[test]
fn what_only_a_restart_takes_is_named() {
    let place = with_key("127.0.0.1:0");
    let mut running = place.start(&["serve"], "listening");
    let place = place.file("keywright.toml", &format!("{}\n# as it was", config("127.0.0.1:0")));
    let told = running.wait_for_stderr("was read again");
    assert!(!told.contains("restart"), "{told}");
    let text = config("127.0.0.1:4999").replace("[gateway]\n", "[gateway]\nworkers = 3\n");
    let _place = place.file("keywright.toml", &text);
    running.wait_for_stderr("taken by a restart only: `gateway.listen`, `gateway.workers`");
    running.signal(Signal::TERM);
    running.end().code(0).hides(&openai_key(1));
}

#[test]
fn a_check_tells_whether_each_provider_can_serve() {
    let place = with_key("127.0.0.1:0");
    place.run(&["serve", "--check"]).code(0).err("1 of 2 keys usable");
    place.run(&["serve", "--check", "--json"]).code(0).out("\"state\":\"missing\"");
    let empty = Place::new().env("OPENAI_API_KEY", "").file("keywright.toml", &config("127.0.0.1:0"));
    empty.run(&["serve", "--check"]).code(1).err("error[empty_key]");
}

#[test]
fn logs_are_json_when_asked() {
    let place = with_key("127.0.0.1:0").env("KEYWRIGHT_LOG", "trace");
    let running = place.start(&["serve", "--log-format", "json"], "listening");
    running.signal(Signal::TERM);
    let ended = running.end().code(0).hides(&openai_key(1));
    let logs = ended.stderr.lines().filter(|line| line.starts_with('{'));
    for line in logs {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    }
}

#[test]
fn a_miss_says_what_mends_the_place_that_was_asked() {
    let cases = [
        ("env://OPENAI_API_KEY_2", "Set OPENAI_API_KEY_2 in the environment"),
        ("env://NOPE", "Set NOPE in the environment"),
        ("file:///run/nowhere/openai", "Put the key into /run/nowhere/openai, readable by its owner alone."),
        ("dotenv://team.env#TEAM_KEY", "Put the key into team.env as a line `TEAM_KEY=…`"),
        ("age://keys.age#openai", "keywright keys add openai --store age://keys.age#openai"),
        ("vault://secret/llm#openai", "Set VAULT_ADDR"),
        ("cmd://h", "keywright config allow"),
    ];
    for (reference, help) in cases {
        let config = format!("[[provider]]\nid = \"openai\"\nkeys = [\"{reference}\"]\n[helper]\nh = [\"true\"]\n");
        let place = Place::new().file("keywright.toml", &config);
        let commands: [&[&str]; 5] = [
            &["serve", "--check"],
            &["serve", "--require", "openai"],
            &["run", "--config", "keywright.toml", "--provider", "openai", "--", "true"],
            &["doctor", "openai"],
            &["keys", "test", reference, "--provider", "openai"],
        ];
        for command in commands {
            // Helpers belong to a configuration, which `keys test` does not read.
            if command[0] == "keys" && reference.starts_with("cmd:") {
                continue;
            }
            let ended = place.run(command);
            let told = format!("{}{}", ended.stdout, ended.stderr);
            assert!(told.contains(help), "{command:?} of {reference}: {told}");
            assert!(!told.contains("Set OPENAI_API_KEY in"), "{command:?} of {reference}: {told}");
            assert!(!told.contains("set one of OPENAI_API_KEY in"), "{command:?} of {reference}: {told}");
        }
    }
}
