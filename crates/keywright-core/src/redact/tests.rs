use proptest::prelude::*;

use super::*;

fn key() -> Secret {
    Secret::new(format!("sk-proj-{}T3BlbkFJ{}", "Ab1_".repeat(5), "Zy9-".repeat(5)))
}

fn redacted(text: &str) -> String {
    Redactor::new(&[&key()]).redact_str(text).into_owned()
}

#[test]
fn a_loaded_key_is_masked_in_every_form() {
    let key = key();
    for form in encoded_forms(key.expose()) {
        let text = format!("before {} after", String::from_utf8_lossy(&form));
        let shown = redacted(&text);
        assert!(!shown.contains(&*String::from_utf8_lossy(&form)), "{shown}");
        assert!(shown.contains("before ") && shown.ends_with(" after"), "{shown}");
    }
}

#[test]
fn a_key_inside_basic_credentials_is_masked() {
    let header = STANDARD_NO_PAD.encode(format!("user:{}", key().expose()));
    let shown = redacted(&header);
    assert!(shown.contains("sk-proj-…Zy9-"), "{shown}");
}

#[test]
fn an_unknown_key_of_a_known_shape_is_masked() {
    let other = format!("tgp_v1_{}", "q".repeat(43));
    assert_eq!(redacted(&format!("'{other}'")), "'tgp_v1_…qqqq'");
    assert_eq!(redacted("sk-AAAAAAAAAAAAAAAAAAAAT3BlbkFJBBBBBBBBBBBBBBBBBBBB."), "sk-…BBBB.");
}

#[test]
fn ordinary_words_stay() {
    let text = "a risk-free-operation-of-some-length, task-force_members_and_others, sk-… and sk-proj-****1234";
    assert_eq!(redacted(text), text);
}

#[test]
fn what_is_not_text_stays() {
    let bytes = [0_u8, 255, 254, b's', b'k', b'-', 128];
    assert_eq!(Redactor::default().redact(&bytes), bytes.as_slice());
}

fn streamed(redactor: &Redactor, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    let mut from = 0;
    for cut in cuts {
        let to = (*cut).clamp(from, text.len());
        out.extend(stream.push(&text[from..to]));
        from = to;
    }
    out.extend(stream.push(&text[from..]));
    out.extend(stream.finish());
    out
}

#[test]
fn a_line_that_ends_is_not_held_back() {
    let redactor = Redactor::new(&[&key()]);
    assert_eq!(redactor.stream().push(b"Name? "), b"Name? ");
    assert_eq!(redactor.stream().push(b"done.\n"), b"done.\n");
}

proptest! {
    #[test]
    fn chunks_change_nothing(
        before in "[ -~]{0,30}", after in "[ -~\u{e4}]{0,30}", form in 0_usize..12, mut cuts in proptest::collection::vec(0_usize..200, 0..6)
    ) {
        let key = key();
        let redactor = Redactor::new(&[&key]);
        let forms = encoded_forms(key.expose());
        let form = String::from_utf8_lossy(&forms[form % forms.len()]).into_owned();
        let text = format!("{before} {form} {after}");
        cuts.sort_unstable();
        let whole = redactor.redact(text.as_bytes()).into_owned();
        prop_assert_eq!(streamed(&redactor, text.as_bytes(), &cuts), whole.clone());
        let needle = form.as_bytes();
        prop_assert!(!whole.windows(needle.len()).any(|window| window == needle));
    }

    #[test]
    fn any_bytes_pass_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        let redactor = Redactor::new(&[&key()]);
        let whole = redactor.redact(&bytes).into_owned();
        prop_assert_eq!(streamed(&redactor, &bytes, &[cut]), whole);
    }
}

#[test]
fn of_a_value_that_no_key_is_as_long_as_both_ends_are_found() {
    let long = (0..300_000).map(|n| n.to_string()).collect::<Vec<_>>().join("é");
    let redactor = Redactor::new(&[&Secret::new(long.clone())]);
    let beginning = long.chars().take(LONGEST_VALUE).collect::<String>();
    let end = long.chars().skip(long.chars().count() - LONGEST_VALUE).collect::<String>();
    for (text, hidden) in [(&*beginning, true), (&*end, true), ("100000é100001", false)] {
        assert_eq!(redactor.redact_str(text) != text, hidden, "{} bytes", text.len());
    }
}
