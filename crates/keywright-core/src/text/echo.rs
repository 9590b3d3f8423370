//! What a provider's echo of the key tells: OpenAI shows the first eight and the last four characters,
//! and values of twelve or fewer in full.

use super::rules::Rules;
use super::{MASKED_ELLIPSIS, TYPED_ELLIPSIS};
use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::diagnosis::Confidence;
use crate::inspect::name_of;
use crate::provider::ProviderSpec;
use crate::secret::Secret;

/// What an echo tells about the value that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Echoed {
    pub(super) cause: Cause,
    pub(super) confidence: Confidence,
    pub(super) alternatives: Vec<Cause>,
    /// Whose key it is, if it is another catalogued provider's.
    pub(super) owner: Option<&'static str>,
    /// In words, without the value.
    pub(super) says: String,
}

/// Judges an echo. `None` if it looks like a key of this provider, or shows too little.
pub(super) fn judge(echo: &str, provider: &ProviderSpec) -> Option<Echoed> {
    if let Some(c) = odd_character(echo) {
        return Some(odd(c));
    }
    let echo: String = echo.chars().filter(|c| *c != '\\').collect();
    let echo = echo.trim_end_matches('.');
    let found = |cause, confidence, alternatives: &[Cause], says: &str| {
        Some(Echoed { cause, confidence, alternatives: alternatives.to_vec(), owner: None, says: says.to_owned() })
    };
    if echo.is_empty() || matches!(echo, "''" | "\"\"") {
        return found(
            Cause::EmptyKey,
            Confidence::Likely,
            &[Cause::MissingKey],
            "the provider's echo of the key is empty",
        );
    }
    if matches!(echo, "None" | "null" | "undefined" | "nil" | "NULL") {
        let says = format!("the provider got the word `{echo}` instead of a key: the variable had no value");
        return found(Cause::MissingKey, Confidence::Likely, &[Cause::PlaceholderKey, Cause::EnvNotLoaded], &says);
    }
    if Rules::builtin()
        .fillers
        .iter()
        .any(|filler| filler.eq_ignore_ascii_case(echo) || echo.contains('*') && same_under_stars(echo, filler))
    {
        let says = format!("the provider got `{echo}`, a filler that frameworks put in where no key is needed");
        return found(Cause::HiddenDefaultProvider, Confidence::Likely, &[Cause::PlaceholderKey], &says);
    }
    if let Some(says) = placeholder(echo) {
        return found(Cause::PlaceholderKey, Confidence::Likely, &[], &says);
    }
    if echo.starts_with(['"', '\'', '`', '<', '\u{201c}', '\u{2018}', '\u{ab}']) {
        let says = "the provider's echo of the key begins with a quote or bracket: it is part of the value";
        return found(Cause::QuotesInKey, Confidence::Certain, &[], says);
    }
    if echo.starts_with("Bearer") {
        let says = "the provider's echo of the key begins with `Bearer`: the scheme is part of the value";
        return found(Cause::HeaderMalformed, Confidence::Certain, &[], says);
    }
    if echo.starts_with("http") || echo.starts_with('{') || echo.starts_with("org-") || echo.starts_with("proj_") {
        let says = "the provider's echo shows a URL, JSON or an identifier where the key should be";
        return found(Cause::NotAKeyValue, Confidence::Certain, &[], says);
    }
    if is_assignment(echo) {
        let says = "the provider's echo shows that the variable's name was pasted with the key";
        return found(Cause::HeaderMalformed, Confidence::Likely, &[Cause::NotAKeyValue], says);
    }
    if let Some((owner, name)) = owner_of(echo, provider) {
        let says = format!("the provider's echo begins like a key of {name}");
        let found = found(Cause::WrongProviderKey, Confidence::Likely, &[Cause::WrongBaseUrl], &says);
        return found.map(|found| Echoed { owner, ..found });
    }
    if begins_like_own(echo, provider) {
        return length_tells(echo, provider);
    }
    unknown(echo, provider)
}

/// Whether an echo shows enough to be compared with a key: its beginning and its end, or all of it.
pub(super) fn tells_apart(echo: &str) -> bool {
    let (head, tail) = ends(echo);
    tail.map_or(head.len() >= SHORTEST_PREFIX, |tail| head.len() >= 2 && tail.len() >= SHORTEST_TAIL)
}

/// Whether what a provider shows of a key, `sk-proj-****WXYZ` or `sk-...WXYZ`, can be of this key. What shows too little
/// is of none.
pub fn is_echo_of(echo: &str, key: &Secret) -> bool {
    let echo = echo.replace("...", "***");
    tells_apart(&echo) && is_of(&echo, key)
}

/// Whether what a provider shows of a key cannot be of this key, however little it shows. What shows nothing can be of any.
pub fn is_echo_of_another(echo: &str, key: &Secret) -> bool {
    let echo = echo.replace("...", "***");
    !echo.is_empty() && !is_of(&echo, key)
}

/// Whether an echo can be of this key. White space was squeezed out of the echo.
pub(super) fn is_of(echo: &str, key: &Secret) -> bool {
    let key: zeroize::Zeroizing<String> = zeroize::Zeroizing::new(key.expose().split_whitespace().collect());
    match ends(echo) {
        (whole, None) => *key == *whole,
        (head, Some(tail)) => key.len() >= head.len() + tail.len() && key.starts_with(head) && key.ends_with(tail),
    }
}

/// What an echo shows before and after what it hides.
fn ends(echo: &str) -> (&str, Option<&str>) {
    let echo = echo.trim_end_matches('.');
    let hidden = |c: char| c == '*' || c == MASKED_ELLIPSIS;
    match (echo.find(hidden), echo.rfind(hidden)) {
        (Some(first), Some(last)) => (&echo[..first], Some(echo[last..].trim_start_matches(hidden))),
        _ => (echo, None),
    }
}

/// The first character beyond ASCII: as it is, or as JSON or Python spells it.
fn odd_character(echo: &str) -> Option<char> {
    let plain = echo.chars().find(|c| !c.is_ascii() && *c != MASKED_ELLIPSIS);
    plain.or_else(|| {
        let (at, digits) =
            [("\\u", 4), ("\\x", 2)].iter().find_map(|(mark, digits)| Some((echo.find(mark)? + 2, *digits)))?;
        char::from_u32(u32::from_str_radix(echo.get(at..at + digits)?, 16).ok()?)
    })
}

fn odd(c: char) -> Echoed {
    let c = if c == TYPED_ELLIPSIS { '\u{2026}' } else { c };
    let curly = matches!(c, '\u{2018}'..='\u{201f}');
    Echoed {
        cause: Cause::HiddenOrNonAsciiCharacter,
        confidence: if curly { Confidence::Likely } else { Confidence::Certain },
        alternatives: if curly { vec![Cause::QuotesInKey] } else { Vec::new() },
        owner: None,
        says: format!("the provider's echo of the key holds {}", name_of(c)),
    }
}

/// A value of no known shape: a word, or a key of somebody we do not know.
fn unknown(echo: &str, provider: &ProviderSpec) -> Option<Echoed> {
    // Where keys have no prefix, or the echo hides it, the beginning tells nothing.
    let prefixed = provider.keys.iter().all(|shape| !shape.prefix.is_empty()) && !provider.keys.is_empty();
    if !prefixed || echo.starts_with('*') {
        return None;
    }
    let says = format!("the provider's echo does not begin like a key of {}", provider.name);
    let shown = echo.chars().filter(|c| *c != '*');
    let key_like = echo.len() > LONGEST_CLEAR
        && shown.clone().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && shown.clone().any(|c| c.is_ascii_digit());
    let (cause, confidence, alternatives) = if key_like {
        (
            Cause::WrongProviderKey,
            Confidence::Likely,
            vec![Cause::TruncatedOrMistyped, Cause::NotAKeyValue, Cause::PlaceholderKey],
        )
    } else {
        (Cause::NotAKeyValue, Confidence::Likely, vec![Cause::PlaceholderKey, Cause::TruncatedOrMistyped])
    };
    Some(Echoed { cause, confidence, alternatives, owner: None, says })
}

/// Stars stand for characters, so an echo has the length of the key that arrived.
fn length_tells(echo: &str, provider: &ProviderSpec) -> Option<Echoed> {
    if echo.matches('*').count() < FEWEST_STARS {
        return None;
    }
    let length = echo.chars().count();
    let shapes = provider.keys.iter().filter(|shape| !shape.prefix.is_empty() && !shape.weak);
    let best = shapes.filter(|shape| echo.starts_with(&shape.prefix)).max_by_key(|shape| shape.prefix.len())?;
    if best.lengths.is_empty() || best.lengths.contains(&length) {
        return None;
    }
    Some(Echoed {
        cause: Cause::InvalidKey,
        confidence: Confidence::Likely,
        alternatives: vec![Cause::TruncatedOrMistyped, Cause::WrongProviderKey],
        owner: None,
        says: format!("{length} characters arrived; no known {} has that many", best.kind),
    })
}

fn begins_like_own(echo: &str, provider: &ProviderSpec) -> bool {
    provider.keys.iter().any(|shape| !shape.prefix.is_empty() && echo.starts_with(&shape.prefix))
}

/// Whose key begins like this, if it is somebody else's.
fn owner_of(echo: &str, provider: &ProviderSpec) -> Option<(Option<&'static str>, &'static str)> {
    let shapes =
        Catalogue::builtin().providers().iter().flat_map(|other| other.keys.iter().map(move |shape| (other, shape)));
    let catalogued = shapes
        .filter(|(_, shape)| shape.prefix.len() >= SHORTEST_PREFIX && shape.prefix != "sk-" && !shape.weak)
        .filter(|(_, shape)| begins(echo, &shape.prefix))
        .max_by_key(|(_, shape)| shape.prefix.len());
    if let Some((owner, _)) = catalogued {
        return (owner.id != provider.id).then_some((Some(owner.id.as_str()), owner.name.as_str()));
    }
    let prefixes = &Rules::builtin().prefixes;
    prefixes.iter().find(|prefix| begins(echo, &prefix.begins)).map(|prefix| (None, prefix.owner.as_str()))
}

/// Whether an echo begins like a key; the stars may hide the prefix's end.
fn begins(echo: &str, prefix: &str) -> bool {
    let shown = echo.find('*').unwrap_or(echo.len());
    echo.starts_with(prefix) || shown >= SHORTEST_SHOWN && prefix.len() > shown && prefix.starts_with(&echo[..shown])
}

/// Words of tutorials, unexpanded variables, runs of the alphabet.
pub(super) fn placeholder(echo: &str) -> Option<String> {
    if echo.starts_with('$') || echo.starts_with('%') || echo.starts_with("{{") || echo.starts_with("<%") {
        return Some("the provider got the name of a variable instead of its value".to_owned());
    }
    let bare = echo.trim_matches(['"', '\'', '<', '>', '[', ']', '{', '}', '“', '”']).to_ascii_lowercase();
    let begins = PLACEHOLDER_BEGINS.iter().any(|word| bare.starts_with(word));
    let whole = PLACEHOLDER_WORDS.iter().any(|word| same_under_stars(&bare, word));
    let ends = ["_here", "-here", "keyhere"].iter().any(|word| bare.ends_with(word)) || bare.ends_with("*here");
    let key = ["sk-proj-", "sk-", ""].iter().find_map(|prefix| bare.strip_prefix(prefix)).unwrap_or(&bare);
    let run = ["abcdef", "123456", "012345", "xxxxx", "000000", "aaaaaa"]
        .iter()
        .any(|run| run.len() <= key.len() && key.starts_with(run))
        || key.starts_with("abcde*")
        || key.starts_with("12345*")
        || key.starts_with("xxxx");
    (begins || whole || ends || run).then(|| "the provider's echo shows an example value, not a key".to_owned())
}

/// Whether an echo is this word with some of its characters starred out.
fn same_under_stars(echo: &str, word: &str) -> bool {
    echo.len() == word.len() && echo.bytes().zip(word.bytes()).all(|(shown, real)| shown == b'*' || shown == real)
}

fn is_assignment(echo: &str) -> bool {
    let name = echo.split('=').next().unwrap_or_default();
    let visible = name.strip_prefix("export").unwrap_or(name);
    echo.starts_with("export")
        || (name.len() > 3 && echo.len() > name.len() || echo.contains('*'))
            && visible.len() > 3
            && visible.chars().take(7).all(|c| c.is_ascii_uppercase() || c == '_')
            && visible.contains('_')
}

const PLACEHOLDER_BEGINS: &[&str] = &[
    "your", "my-api", "my_api", "my-key", "my_key", "myapikey", "sk-your", "sk-my", "insert", "replace", "enter",
    "change", "placehol", "example", "dummy", "fake", "sk-fake", "sk-dummy", "sk-place", "sk-examp", "paste",
    "put-your", "api_key", "api-key", "apikey", "openai_a", "todo", "user_pro", "no-key", "test_key", "test-key",
    "xxx", "sk-xxx", "...",
];
const PLACEHOLDER_WORDS: &[&str] = &[
    "user_provided",
    "dummy_key",
    "none",
    "test",
    "dummy",
    "secret",
    "key",
    "changeme",
    "token",
    "sk-",
    "sk-1234",
    "sk-test",
    "sk-xxx",
    "anything",
];
/// Values up to this length are echoed in full.
const LONGEST_CLEAR: usize = 12;
const FEWEST_STARS: usize = 5;
const SHORTEST_PREFIX: usize = 3;
const SHORTEST_SHOWN: usize = 6;
const SHORTEST_TAIL: usize = 4;
