//! `keywright pages note`: kept, shown, exported, and harmless.

mod common;

use common::{Ended, Place, openai_key};

fn place() -> Place {
    let place = Place::new();
    let state = place.path().join("state").display().to_string();
    place.env("KEYWRIGHT_STATE_DIR", &state)
}

fn note(place: &Place, arguments: &[&str]) -> Ended {
    place.run(&[&["pages", "note"], arguments].concat())
}

const PAGE: &str = "openai.AuthenticationError";

#[test]
fn a_note_is_shown_with_its_page_everywhere() {
    let place = place();
    note(&place, &["list"]).code(0).err("no note is kept here");
    assert!(!place.path().join("state").exists(), "to look is no reason to make a store");
    note(&place, &["add", PAGE, "Since 1.40 the *message* names the project.", "--sdk", "openai@1.40.0"])
        .code(0)
        .out("note 1");
    note(&place, &["add", "missing_key", "another page's note"]).code(0).out("note 2");
    note(&place, &["list"]).code(0).out("Since 1.40").out("openai 1.40.0").out("another page's note");
    let one = note(&place, &["list", PAGE]).code(0);
    assert!(!one.stdout.contains("another"), "{one:?}");
    let shown = place.run(&["pages", "show", PAGE]).code(0).out("Since 1.40 the *message* names the project.");
    assert!(!shown.stdout.contains("another page's note"), "{shown:?}");
    place
        .run(&["pages", "show", PAGE, "--markdown"])
        .code(0)
        .out("Since 1.40 the \\*message\\* names")
        .out("openai 1.40.0");
    let json = place.run(&["pages", "show", PAGE, "--json"]).code(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["notes"][0]["text"], "Since 1.40 the *message* names the project.");
    assert_eq!((&json["notes"][0]["sdk"], &json["notes"][0]["version"]), (&"openai".into(), &"1.40.0".into()));
    note(&place, &["remove", "1"]).code(0).err("removed 1 note");
    note(&place, &["remove", "1"]).code(2).err("there is no note 1");
    assert!(!place.run(&["pages", "show", PAGE]).code(0).stdout.contains("Since 1.40"));
}

#[test]
fn notes_are_exported_unless_told_otherwise_and_never_as_html() {
    let place = place();
    let attack = "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) `</code>` &lt;b&gt;\n# x\n    indented";
    note(&place, &["add", PAGE, attack, "--sdk", "openai"]).code(0);
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).expect("exported");
    place.run(&["pages", "export", "--html", "site"]).code(0);
    let page = read("site/openai.AuthenticationError.html");
    let notes = page.split_once("id=\"notes\"").expect("a section").1.split_once("</section>").expect("its end").0;
    assert!(notes.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{notes}");
    for markup in ["<script", "<img", "<a ", "<code", "<h1", "<pre"] {
        assert!(!notes.contains(markup), "{markup}: {notes}");
    }
    assert!(notes.contains("&amp;lt;b&amp;gt;") && notes.contains("[a](javascript:alert(1))"), "{notes}");
    assert!(!read("site/missing_key.html").contains("id=\"notes\""));
    place.run(&["pages", "export", "--markdown", "files"]).code(0);
    assert!(read("files/openai.AuthenticationError.md").contains("\\<script\\>"));
    place.run(&["pages", "export", "--no-notes", "--html", "site"]).code(0);
    assert!(!read("site/openai.AuthenticationError.html").contains("alert(1)"));
}

#[test]
fn what_cannot_be_a_note_is_refused_with_its_reason() {
    let place = place();
    let key = openai_key(1);
    let long = "x".repeat(4_001);
    for (text, error) in [
        ("", "the note is empty"),
        (" \n ", "the note is empty"),
        (&long, "longer than 4000 bytes"),
        ("a\n\u{1b}[31mred", "line 2, column 1 of the note is U+001B"),
        ("turned \u{202e}round", "U+202E"),
        (&format!("use {key}"), "line 1 of the note holds a key"),
    ] {
        let ended = note(&place, &["add", "missing_key", text]).code(2).err(error).err("= help:").hides(&key);
        assert!(!ended.stderr.contains('\u{1b}'), "{ended:?}");
    }
    note(&place, &["add", "mising_key", "x"]).code(2).err("no page `mising_key`").err("did you mean `missing_key`?");
    note(&place, &["add", "missing_key", "x", "--sdk", "<b>"]).code(2).err("NAME@VERSION");
    note(&place, &["list", "nonsense"]).code(2).err("no page `nonsense`");
    note(&place, &["remove", "one"]).code(2);
    note(&place, &["list"]).code(0).err("no note is kept here");
}

#[test]
fn standard_input_is_read_as_bytes() {
    let place = place();
    let add = |bytes: &[u8]| {
        std::fs::write(place.path().join("input"), bytes).expect("written");
        let mut command = place.command(&["pages", "note", "add", "missing_key", "-"]);
        command.stdin(std::fs::File::open(place.path().join("input")).expect("open"));
        let output = command.output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(add("from a file: ünïcode\r\n".as_bytes()).0, Some(0));
    let (code, said) = add(b"abc\xff\xfe");
    assert!(code == Some(2) && said.contains("not UTF-8: byte 4"), "{said}");
    let (code, said) = add(&vec![b'x'; 10 << 20]);
    assert!(code == Some(2) && said.contains("longer than 4000 bytes"), "{said}");
    note(&place, &["list"]).code(0).out("from a file: ünïcode");
}

#[test]
fn a_page_is_shown_where_notes_cannot_be_read() {
    let home = Place::new();
    home.run(&["pages", "show", "missing_key"]).code(0).out("missing_key");
    note(&home, &["add", "missing_key", "x"]).code(1).err("HOME is not set");
    let place = place();
    note(&place, &["add", "missing_key", "x"]).code(0);
    std::fs::write(place.path().join("state/state.db"), "no database").expect("written");
    place.run(&["pages", "show", "missing_key"]).code(0).out("missing_key").err("notes are left out");
}
