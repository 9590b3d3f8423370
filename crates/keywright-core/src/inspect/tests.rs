//! Each defect is found, at its place, and nothing else is.

use super::*;
use crate::catalogue::Catalogue;
use crate::secret::mask;

fn openai() -> &'static ProviderSpec {
    Catalogue::builtin().provider("openai").expect("in the catalogue")
}

fn good() -> String {
    format!("sk-proj-{}T3BlbkFJ{}", "a".repeat(74), "b".repeat(74))
}

fn first(value: &str) -> Option<(Cause, Option<usize>)> {
    inspect(value, openai()).first().map(|finding| (finding.cause, finding.at))
}

#[test]
fn a_clean_key_has_no_finding() {
    assert_eq!(first(&good()), None);
}

#[test]
fn each_defect_is_found_at_its_place() {
    let key = good();
    let cases = [
        (String::new(), Cause::EmptyKey, None),
        (" \n".to_owned(), Cause::WhitespaceOrNewline, Some(0)),
        (format!("{key}\n"), Cause::WhitespaceOrNewline, Some(164)),
        (format!(" {key}"), Cause::WhitespaceOrNewline, Some(0)),
        (format!("\"{key}\""), Cause::QuotesInKey, Some(0)),
        (format!("\u{201c}{key}\u{201d}"), Cause::QuotesInKey, Some(0)),
        (format!("{}\u{200b}{}", &key[..12], &key[12..]), Cause::HiddenOrNonAsciiCharacter, Some(12)),
        (format!("OPENAI_API_KEY={key}"), Cause::HeaderMalformed, Some(0)),
        ("${OPENAI_API_KEY}".to_owned(), Cause::PlaceholderKey, Some(0)),
        ("YOUR_API_KEY".to_owned(), Cause::PlaceholderKey, Some(0)),
        ("https://api.openai.com/v1".to_owned(), Cause::NotAKeyValue, Some(0)),
        (key[..163].to_owned(), Cause::TruncatedOrMistyped, Some(163)),
        (format!("{key}{key}"), Cause::TruncatedOrMistyped, Some(164)),
    ];
    for (value, cause, at) in cases {
        assert_eq!(first(&value), Some((cause, at)), "{}", mask(&value));
    }
}

#[test]
fn no_finding_shows_the_value() {
    for value in [format!("{}\n", good()), good()[..150].to_owned(), "hunter2-is-my-secret-value".to_owned()] {
        for finding in inspect(&value, openai()) {
            assert!(!finding.says.contains(&value.trim()[8..20]), "{}", finding.says);
        }
    }
}

#[test]
fn only_the_name_of_a_variable_is_shown() {
    let cases = [
        ("${OPENAI_API_KEY}", true),
        ("$OPENAI_API_KEY", true),
        ("%OPENAI_API_KEY%", true),
        ("${{ secrets.OPENAI_API_KEY }}", true),
        ("{{ OPENAI_API_KEY }}", true),
        ("${XXX${X$XXXXXXXX$", false),
        ("$9F3KQ27ZPM4T8WB6XH1CJ5N", false),
        ("${OPENAI_API_KEY:-sk-proj-abcdefgh12345678}", false),
    ];
    for (value, shown) in cases {
        let finding = inspect(value, openai()).remove(0);
        assert_eq!((finding.cause, finding.says.contains(value)), (Cause::PlaceholderKey, shown), "{}", finding.says);
    }
}

#[test]
fn a_dirty_token_is_cleaned() {
    let token = "sk-kwt-0123";
    for dirty in [
        "Bearer sk-kwt-0123",
        " \"sk-kwt-0123\" ",
        "sk-kwt-\u{200b}0123",
        "\u{201c}sk-kwt-0123\u{201d}",
        "Bearer  sk-kwt-0123 ",
        "\u{a0}sk-kwt-0123",
    ] {
        assert_eq!(cleaned(dirty), token);
    }
}
