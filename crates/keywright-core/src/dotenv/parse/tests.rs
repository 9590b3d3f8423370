use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Dotenv {
    Dotenv::parse(text.as_bytes()).expect("not UTF-16")
}

/// Name, value and line of each assignment.
fn entries(text: &str) -> Vec<(String, String, usize)> {
    read(text).entries.iter().map(|e| (e.name.clone(), e.value.expose().to_owned(), e.line)).collect()
}

fn causes(text: &str) -> Vec<(Cause, usize)> {
    read(text).findings.iter().map(|found| (found.finding.cause, found.line)).collect()
}

#[test]
fn each_way_to_write_a_value_is_read() {
    let cases = [
        ("KEY=abc", "abc"),
        ("export KEY=abc", "abc"),
        ("  export\tKEY=abc  ", "abc"),
        ("KEY=", ""),
        ("KEY=\"\"", ""),
        ("KEY = abc", "abc"),
        ("KEY='a\"b # c'", "a\"b # c"),
        ("KEY='it\\'s'", "it's"),
        ("KEY='a\\nb'", "a\\nb"),
        ("KEY=\"a\\nb\\t\\\"c\\\" \\$d \\x\"", "a\nb\t\"c\" $d \\x"),
        ("KEY=\"two\nlines\"", "two\nlines"),
        ("KEY=`a\\n\"b'`", "a\\n\"b'"),
        ("KEY=abc # mine", "abc"),
        ("KEY=\"abc\" # mine", "abc"),
        ("KEY=abc#def", "abc#def"),
        ("KEY=# nothing", ""),
        ("KEY=a=b==", "a=b=="),
        ("KEY=${OTHER}", "${OTHER}"),
        ("KEY=abc\r", "abc"),
        ("KEY=\u{201c}abc\u{201d}", "\u{201c}abc\u{201d}"),
        ("KEY=\"abc", "\"abc"),
        ("KEY=\"abc\"def", "abc"),
    ];
    for (text, value) in cases {
        let expected = vec![("KEY".to_owned(), value.to_owned(), 1)];
        assert_eq!(entries(text), expected, "{text}");
    }
}

#[test]
fn lines_are_counted_through_everything() {
    let text = "# one\n\nA=1\r\nB=\"two\nlines\"\nnot an assignment\nexport C\nC='3' # x\n";
    let lines: Vec<usize> = entries(text).iter().map(|entry| entry.2).collect();
    assert_eq!(lines, [3, 4, 8]);
}

#[test]
fn a_forgotten_quote_does_not_swallow_the_next_key() {
    let text = "A=\"abc\nB=\"def\"\n";
    assert_eq!(entries(text), [("A".to_owned(), "\"abc".to_owned(), 1), ("B".to_owned(), "def".to_owned(), 2)]);
    assert_eq!(causes(text), [(Cause::QuotesInKey, 1)]);
}

#[test]
fn what_is_strange_is_found_at_its_line() {
    let cases = [
        ("\u{feff}A=1", Cause::HiddenOrNonAsciiCharacter, 1),
        ("A=1\r\nB=2\r\n", Cause::WhitespaceOrNewline, 1),
        ("A=1\nB = 2", Cause::WhitespaceOrNewline, 2),
        ("A=1\nB=2 # two", Cause::WhitespaceOrNewline, 2),
        ("A=1\nB=2#two", Cause::TruncatedOrMistyped, 2),
        ("A=1\nA=2", Cause::StaleValueOverrides, 2),
        ("A=1\nsk-proj-pasted-alone", Cause::EnvNotLoaded, 2),
        ("A=1\n\nmy key=2", Cause::WrongEnvVarName, 3),
    ];
    for (text, cause, line) in cases {
        assert_eq!(causes(text), [(cause, line)], "{text:?}");
    }
    assert_eq!(causes("# fine\nA=1\nexport B='2'\n"), []);
}

#[test]
fn a_bom_hides_no_name_and_the_last_of_two_wins() {
    assert_eq!(read("\u{feff}A=1").last("A").map(|e| e.line), Some(1));
    let file = read("A=1\nA=2\n");
    assert_eq!(file.last("A").map(|e| e.value.expose()), Some("2"));
    assert_eq!(
        file.findings_at(2).map(|f| f.says.as_str()).collect::<Vec<_>>(),
        ["`A` was set to another value in line 1; this one wins"]
    );
}

#[test]
fn utf16_is_refused_and_latin1_is_read() {
    let utf16: Vec<u8> = "A=1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(Dotenv::parse(&utf16).err(), Some(DotenvError::Utf16));
    let marked = [&[0xff, 0xfe][..], &utf16].concat();
    assert_eq!(Dotenv::parse(&marked).err(), Some(DotenvError::Utf16));
    let latin1 = Dotenv::parse(b"# caf\xe9\nA=1").expect("a comment is no reason to refuse");
    assert_eq!(latin1.entries.len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(file) = Dotenv::parse(&bytes) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!(file.entries.iter().all(|entry| (1..=lines).contains(&entry.line)));
            prop_assert!(file.findings.iter().all(|found| (1..=lines).contains(&found.line)));
        }
    }

    #[test]
    fn any_text_of_the_grammar_is_read_without_panic(text in "([A-C]|=|\"|'|`|\\\\|#| |\n|\r|\\$|export |\u{feff}|é){0,60}") {
        let _ = Dotenv::parse(text.as_bytes());
    }

    #[test]
    fn what_is_quoted_comes_back(value in "[ -~\n\té]{0,40}") {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let text = format!("BEFORE=1\nKEY=\"{escaped}\"\nAFTER=2\n");
        let expected = [
            ("BEFORE".to_owned(), "1".to_owned(), 1),
            ("KEY".to_owned(), value, 2),
            ("AFTER".to_owned(), "2".to_owned(), 3),
        ];
        prop_assert_eq!(entries(&text), expected);
    }
}
