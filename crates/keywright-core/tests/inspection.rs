//! For any key of any catalogued kind: clean, nothing is found; with one defect, that defect is found at its place.

use keywright_core::inspect::{Finding, code_point, inspect};
use keywright_core::provider::{Charset, KeyShape, KeyStanding};
use keywright_core::{Catalogue, Cause, ProviderSpec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A kind of key, and whose it is.
type Kind = (&'static ProviderSpec, &'static KeyShape);

fn kinds() -> Vec<Kind> {
    let providers = Catalogue::builtin().providers().iter();
    providers.flat_map(|provider| provider.keys.iter().map(move |shape| (provider, shape))).collect()
}

/// A kind that begins as nothing else does.
fn distinctive() -> Vec<Kind> {
    kinds().into_iter().filter(|(_, shape)| !shape.weak && shape.prefix.len() >= 3).collect()
}

const fn letters(charset: Charset) -> &'static str {
    match charset {
        Charset::Base62 => "[A-Za-z0-9]",
        // A dash or underline could begin another prefix.
        Charset::Base64url => "[A-Za-z0-9_-]",
        Charset::Hex => "[0-9a-f]",
        Charset::Lower => "[a-z0-9]",
        Charset::Graphic => "[A-Za-z0-9+/]",
    }
}

/// A key as the provider makes them: prefix, as many characters as it has, the marker in the middle.
fn key_of((provider, shape): Kind) -> BoxedStrategy<(Kind, String)> {
    let lengths = if shape.lengths.is_empty() { vec![shape.prefix.len() + 40] } else { shape.lengths.clone() };
    let marker = shape.marker.clone().unwrap_or_default();
    let fixed = shape.prefix.len() + marker.len();
    select(lengths)
        .prop_filter("the marker stands in the middle", move |length| {
            (length - fixed).is_multiple_of(2) || fixed == shape.prefix.len()
        })
        .prop_flat_map(move |length| {
            let free = length - fixed;
            let letter = letters(shape.charset);
            let text =
                |count: usize| proptest::string::string_regex(&format!("{letter}{{{count}}}")).expect("a pattern");
            (text(free / 2), text(free - free / 2))
        })
        .prop_map(move |(before, after)| ((provider, shape), format!("{}{before}{marker}{after}", shape.prefix)))
        .prop_filter("it is no example and no other key by chance", |((_, shape), key)| {
            is_ordinary(&key[shape.prefix.len()..])
        })
        .boxed()
}

/// Nobody is given a key that spells a tutorial's placeholder.
fn is_ordinary(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    !["key", "xxxx", "test", "1234567", "abcdefg", "00000000", "....", "eyj"].iter().any(|part| lower.contains(part))
}

fn any_key() -> impl Strategy<Value = (Kind, String)> {
    select(kinds()).prop_flat_map(key_of)
}

fn distinctive_key() -> impl Strategy<Value = (Kind, String)> {
    select(distinctive()).prop_flat_map(key_of)
}

/// Puts a character before the one at a place.
fn with(key: &str, at: usize, c: char) -> String {
    key[..at].chars().chain([c]).chain(key[at..].chars()).collect()
}

/// What the finding says, without its words.
fn told(finding: &Finding) -> (Cause, Option<usize>, Option<&str>) {
    (finding.cause, finding.at, finding.code_point.as_deref())
}

/// Asserts that there is exactly this finding.
fn only(value: &str, provider: &ProviderSpec, cause: Cause, at: usize, c: Option<char>) -> Result<(), TestCaseError> {
    let findings = inspect(value, provider);
    let expected = c.map(code_point);
    prop_assert_eq!(
        findings.iter().map(told).collect::<Vec<_>>(),
        vec![(cause, Some(at), expected.as_deref())],
        "in a value of {} characters for {}",
        value.chars().count(),
        &provider.id
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_clean_key_has_no_finding(((provider, shape), key) in any_key()) {
        let causes: Vec<Cause> = inspect(&key, provider).iter().map(|finding| finding.cause).collect();
        let expected = match shape.standing {
            KeyStanding::Current => vec![],
            KeyStanding::Legacy => vec![Cause::RevokedOrRotated],
            KeyStanding::Limited | KeyStanding::Admin => vec![Cause::InsufficientPermissionsOrScope],
            KeyStanding::NotForServers => vec![Cause::NotAKeyValue],
        };
        prop_assert_eq!(causes, expected, "{} of {}", &shape.kind, &provider.id);
    }

    #[test]
    fn white_space_is_found_where_it_is(
        ((provider, _), key) in any_key(), place in any::<Index>(), c in select(vec![' ', '\n', '\r', '\t', '\0'])
    ) {
        let at = place.index(key.len() + 1);
        only(&with(&key, at, c), provider, Cause::WhitespaceOrNewline, at, Some(c))?;
    }

    #[test]
    fn what_cannot_be_seen_is_found_where_it_is(
        ((provider, _), key) in any_key(), place in any::<Index>(),
        c in select(vec!['\u{200b}', '\u{feff}', '\u{a0}', '\u{2060}', '\u{ad}', '\u{430}', '\u{ff21}', '\u{2011}'])
    ) {
        let at = place.index(key.len() + 1);
        only(&with(&key, at, c), provider, Cause::HiddenOrNonAsciiCharacter, at, Some(c))?;
    }

    #[test]
    fn quotes_are_found_at_the_end_where_they_are(
        ((provider, _), key) in any_key(),
        (open, close) in select(vec![('"', '"'), ('\'', '\''), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}'), ('`', '`'), ('<', '>')])
    ) {
        only(&format!("{open}{key}{close}"), provider, Cause::QuotesInKey, 0, Some(open))?;
        only(&format!("{open}{key}"), provider, Cause::QuotesInKey, 0, Some(open))?;
        only(&format!("{key}{close}"), provider, Cause::QuotesInKey, key.len(), Some(close))?;
    }

    #[test]
    fn what_was_pasted_before_the_key_is_found(
        ((provider, _), key) in any_key(),
        words in select(vec!["Bearer ", "bearer ", "OPENAI_API_KEY=", "export FIREWORKS_API_KEY=", "api_key: ", "Authorization: Bearer "])
    ) {
        only(&format!("{words}{key}"), provider, Cause::HeaderMalformed, 0, None)?;
    }

    #[test]
    fn a_mask_is_found_where_it_hides(((provider, _), key) in any_key(), mark in select(vec!["…", "***", "...", "•••"])) {
        only(&format!("{}{mark}{}", &key[..7], &key[key.len() - 4..]), provider, Cause::PlaceholderKey, 7, None)?;
    }

    #[test]
    fn a_foreign_character_is_found_where_it_is(
        ((provider, shape), key) in distinctive_key(), place in any::<Index>(), c in select(vec!['!', '@', '#', '&', '\\'])
    ) {
        prop_assume!(shape.charset != Charset::Graphic);
        let at = shape.prefix.len() + place.index(key.len() - shape.prefix.len());
        let value: String = key.chars().enumerate().map(|(index, own)| if index == at { c } else { own }).collect();
        only(&value, provider, Cause::TruncatedOrMistyped, at, Some(c))?;
    }

    #[test]
    fn two_keys_are_found_where_the_second_begins(((provider, shape), key) in distinctive_key()) {
        prop_assume!(!shape.lengths.is_empty() || shape.prefix.len() >= 4);
        let causes: Vec<_> = inspect(&format!("{key}{key}"), provider).iter().map(|found| (found.cause, found.at)).collect();
        prop_assert_eq!(causes, vec![(Cause::TruncatedOrMistyped, Some(key.len()))], "{} of {}", &shape.kind, &provider.id);
    }

    #[test]
    fn a_key_that_was_cut_is_missing_characters(((provider, shape), key) in distinctive_key(), cut in 1_usize..12) {
        let short = &key[..key.len() - cut];
        // Another kind of this provider may be that long, and some have no known length.
        prop_assume!(!shape.lengths.is_empty() && provider.keys.iter().all(|other| !other.fits(short)));
        let causes: Vec<Cause> = inspect(short, provider).iter().map(|finding| finding.cause).collect();
        prop_assert_eq!(causes, vec![Cause::TruncatedOrMistyped], "{} of {}", &shape.kind, &provider.id);
    }

    #[test]
    fn a_key_that_was_encoded_twice_is_found(((provider, _), key) in distinctive_key()) {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(&key);
        only(&encoded, provider, Cause::NotAKeyValue, 0, None)?;
    }

    #[test]
    fn a_key_of_somebody_else_is_found(((owner, shape), key) in distinctive_key(), other in select(kinds())) {
        let (other, _) = other;
        prop_assume!(other.id != owner.id && !other.keys.is_empty());
        // `sk-` and the like are the beginning of many kinds; a value that could be one of this provider's own is not foreign.
        let own = other.keys.iter().filter(|own| key.starts_with(&own.prefix) && (own.weak || own.prefix.len() >= shape.prefix.len()));
        prop_assume!(own.count() == 0 && !other.keys.iter().any(|own| own.fits(&key)));
        let causes: Vec<Cause> = inspect(&key, other).iter().map(|finding| finding.cause).collect();
        prop_assert_eq!(causes, vec![Cause::WrongProviderKey], "{} {} at {}", &owner.id, &shape.kind, &other.id);
    }

    #[test]
    fn no_value_makes_it_panic_or_repeat_itself(value in "\\PC{0,80}", (provider, _) in select(kinds())) {
        for finding in inspect(&value, provider) {
            prop_assert!(finding.at.is_none_or(|at| at <= value.chars().count()));
            prop_assert!(value.len() < 24 || !finding.says.contains(&value));
        }
    }
}
