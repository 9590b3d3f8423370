use proptest::prelude::*;

use super::*;

const KEY: &str = "fw_AAAAAAAAAAAAAAAAAAAAAAAA";

fn mended(text: &str) -> Mended {
    mend(text.as_bytes(), &|_| false).unwrap_or_else(|refusal| panic!("{refusal}: {text:?}"))
}

/// `K` stands for a good key of Fireworks, on both sides.
fn filled(text: &str) -> String {
    text.replace("<K>", KEY)
}

#[test]
fn each_slip_is_mended_as_it_was_meant() {
    let cases = [
        ("FIREWORKS_API_KEY = <K>\n", "FIREWORKS_API_KEY=<K>\n"),
        ("  export FIREWORKS_API_KEY=\t<K>\n", "  export FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=<K> # mine\n", "# mine\nFIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=<K> \u{a0}\n", "FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=Bearer <K>\n", "FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=\"Bearer <K>\" # mine\n", "# mine\nFIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=\"'<K>'\" mine\n", "# mine\nFIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=export FIREWORKS_API_KEY=<K>\n", "FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=\"<K>\n\"\nA=1\n", "FIREWORKS_API_KEY=<K>\nA=1\n"),
        ("FIREWORKS_API_KEY=\"<K>\\n\"\n", "FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=\u{201c}<K>\u{201d}\n", "FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=\"<K>\n", "FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY=\u{200b}<K>\u{feff}\n", "FIREWORKS_API_KEY=<K>\n"),
        ("FIREWORKS_API_KEY_2=\" <K>\"\n", "FIREWORKS_API_KEY_2=<K>\n"),
        ("MY_KEY=\" <K>\"\n", "MY_KEY=<K>\n"),
        ("FIREWORKS_KEY=<K>\n", "FIREWORKS_API_KEY=<K>\n"),
        ("export FIREWORK_API_KEY='<K>'\n", "export FIREWORKS_API_KEY='<K>'\n"),
        ("A=1\nA=1\n", "A=1\n"),
        ("A=1\nA=1\nA=2\n", "A=1\nA=2\n"),
        ("FIREWORKS_API_KEY=\"<K> \"\nFIREWORKS_API_KEY=<K>\n", "FIREWORKS_API_KEY=<K>\n"),
        ("A=1\r\r\nB=2\r\n", "A=1\nB=2\n"),
        ("\u{feff}A=1\r\nB=\"two\r\nlines\"\r\n", "A=1\nB=\"two\nlines\"\n"),
    ];
    for (before, after) in cases {
        let once = mended(&filled(before));
        assert_eq!(once.text.expose(), filled(after), "{before:?}");
        assert!(!once.changes.is_empty(), "{before:?}");
        assert!(mended(once.text.expose()).changes.is_empty(), "a second time: {before:?}");
    }
}

#[test]
fn what_is_not_sure_stays() {
    let cases = [
        "FIREWORKS_API_KEY=<K>\n",
        "FIREWORKS_API_KEY='<K>' # mine\n",
        // Another value: which one counts?
        "FIREWORKS_API_KEY=<K>\nFIREWORKS_API_KEY=<K>B\n",
        "A=1\nA=2\nA=1\n",
        // A Cyrillic letter stands for a Latin one, and not every one of them has a twin.
        "FIREWORKS_API_KEY=fw_\u{430}AAAAAAAAAAAAAAAAAAAAAAA\n",
        "FIREWORKS_API_KEY='my own secret'\n",
        "FIREWORKS_API_KEY='<K> <K>'\n",
        // Two may be meant, or the right name is there already.
        "FIREWORKS_KEY=<K>\nFIREWORKS_TOKEN=<K>B\n",
        "FIREWORKS_KEY=<K>\nFIREWORKS_API_KEY=\n",
        "CODEX_API_KEY=<K>\n",
        "OTHER=\" it's \"\nnot an assignment\n",
        "FIREWORKS_API_KEY=\"${OTHER} \"\n",
    ];
    for text in cases {
        let text = filled(text);
        let mended = mended(&text);
        assert_eq!((mended.text.expose(), mended.changes.len()), (text.as_str(), 0), "{text:?}");
    }
    let text = filled("FIREWORKS_KEY=<K>\n");
    assert!(mend(text.as_bytes(), &|name| name == "FIREWORKS_API_KEY").expect("text").changes.is_empty());
}

#[test]
fn utf16_becomes_utf8_and_bytes_that_are_no_text_are_refused() {
    let text = filled("FIREWORKS_API_KEY=<K>\r\n");
    for (mark, unit) in [(&[0xff, 0xfe][..], u16::to_le_bytes as fn(u16) -> [u8; 2]), (&[0xfe, 0xff], u16::to_be_bytes)]
    {
        let bytes: Vec<u8> = mark.iter().copied().chain(text.encode_utf16().flat_map(unit)).collect();
        for bytes in [&bytes[..], &bytes[2..]] {
            let mended = mend(bytes, &|_| false).expect("text");
            assert_eq!(mended.text.expose(), filled("FIREWORKS_API_KEY=<K>\n"));
            let says: Vec<&str> = mended.changes.iter().map(|change| change.says.as_str()).collect();
            assert_eq!(says, ["UTF-16 becomes UTF-8", "Windows line ends (CRLF) become LF"]);
        }
    }
    for bytes in [&b"A=caf\xe9\n"[..], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3], &[0xff, 0xfe, 0x41]] {
        assert_eq!(mend(bytes, &|_| false).err(), Some(Refusal::NotText), "{bytes:?}");
    }
}

#[test]
fn the_diff_shows_what_changes_and_no_value() {
    let text = filled("\u{feff}# my key\nFIREWORKS_API_KEY = \"\u{200b}<K>\" # <K>\nB=1\nC=1\nC=1\n");
    let expected = "\
# .env: the byte-order mark (U+FEFF) goes
--- .env
+++ .env
@@ -2 +2,2 @@ a zero-width space (U+200B) at character 1 of 28; \
spaces around `=`: a shell and `docker --env-file` read this line differently
-FIREWORKS_API_KEY = \"<U+200B>fw_…AAAA\" # …
+# …
+FIREWORKS_API_KEY=fw_…AAAA
@@ -4 +4,0 @@ line 5 sets the same again
-C=…
";
    assert_eq!(mended(&text).diff(".env"), expected);
}

/// The assignments of a text.
fn read(text: &str) -> Vec<(String, String)> {
    let file = Dotenv::parse(text.as_bytes()).expect("text");
    file.entries.iter().map(|entry| (entry.name.clone(), entry.value.expose().to_owned())).collect()
}

/// Lines that hold every kind of slip, and much that is none.
const LINES: &str = "(FIREWORKS_API_KEY|FIREWORKS_KEY|A|B|export |=|=|fw_AAAAAAAAAAAAAAAAAAAAAAAA|Bearer |\"|'|`|\\\\|#| |\n|\n|\r\n|\r|\t|\u{200b}|\u{a0}|\u{430}|1|x){0,24}";

proptest! {
    #[test]
    fn any_bytes_are_mended_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = mend(&bytes, &|_| false);
    }

    #[test]
    fn a_second_mend_changes_nothing(text in LINES) {
        if let Ok(once) = mend(text.as_bytes(), &|_| false) {
            let twice = mend(once.text.expose().as_bytes(), &|_| false).expect("it was written by a mend");
            prop_assert_eq!(&twice.changes, &[]);
            prop_assert_eq!(twice.text.expose(), once.text.expose());
        }
    }

    #[test]
    fn only_lines_with_a_finding_change_and_other_values_stay(text in LINES) {
        let text = text.replace('\r', "");
        let Ok(mended) = mend(text.as_bytes(), &|_| false) else { return Ok(()) };
        let file = Dotenv::parse(text.as_bytes()).expect("text");
        let changed: Vec<usize> = mended.changes.iter().filter_map(|change| change.line).collect();
        for entry in file.entries.iter().filter(|entry| changed.contains(&entry.line)) {
            let dirty = owner::of_key(&entry.name, entry.value.expose())
                .is_some_and(|owner| !inspect(entry.value.expose(), owner).is_empty());
            let misnamed = owner::meant_name(&entry.name).is_some();
            let repeated = file.findings.iter().any(|found| found.line > entry.line && found.finding.says.contains("was set to"));
            prop_assert!(dirty || misnamed || repeated || file.findings_at(entry.line).next().is_some());
        }
        let untouched = file.entries.iter().filter(|entry| !changed.contains(&entry.line));
        let after = read(mended.text.expose());
        for entry in untouched {
            prop_assert!(after.contains(&(entry.name.clone(), entry.value.expose().to_owned())));
        }
        if changed.is_empty() {
            prop_assert_eq!(mended.text.expose(), &text);
        }
    }

    #[test]
    fn a_single_slip_around_a_key_gives_the_key_back(
        before in "(Bearer |\"|'| |\t|\u{200b}|\u{feff}|\u{201c}|export FIREWORKS_API_KEY=){0,3}",
        after in "(\"|'| |\u{200b}|\u{a0}|\u{201d}){0,3}",
    ) {
        let text = format!("FIREWORKS_API_KEY={before}{KEY}{after}\n");
        let mended = mended(&text);
        // Quotes in the middle may end the value before the key does; then nothing is sure.
        let read_whole = read(&text)[0].1.contains(KEY);
        prop_assert!(!read_whole || read(mended.text.expose())[0].1 == KEY, "{text:?}");
    }

    #[test]
    fn no_change_shows_a_key(text in LINES) {
        if let Ok(mended) = mend(text.as_bytes(), &|_| false) {
            prop_assert!(!mended.diff(".env").contains("AAAAAAAA"));
        }
    }
}
