//! What a clean value tells: whose key it is, and whether all of it is there.

use super::character::name_of;
use super::{Finding, Mend, encoded};
use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::provider::{Charset, KeyShape, KeyStanding, ProviderSpec};
use crate::secret::mask;

/// Judges a value without white space, quotes and hidden characters.
pub(super) fn judge(value: &str, provider: &ProviderSpec, now: Option<u64>) -> Option<Finding> {
    if let Some(over) = encoded::expiry(value).filter(|exp| now.is_some_and(|now| *exp <= now)) {
        let days = now.unwrap_or(over).saturating_sub(over) / SECONDS_A_DAY;
        let says = format!("the token's time was over {days} days ago; it carries its end in itself");
        return Some(Finding::error(Cause::Expired, says));
    }
    if let Some((owner, shape)) = encoded::key_in_base64(value) {
        let says = format!("this is base64 of a {owner} {}; it was encoded once too often", shape.kind);
        return Some(Finding::error(Cause::NotAKeyValue, says).at(0).mended_by(Mend::Decode));
    }
    if let Some(finding) = joined(value, provider) {
        return Some(finding);
    }
    if let Some(shape) = provider.keys.iter().find(|shape| shape.fits(value)) {
        return lopsided(value, shape).or_else(|| standing(shape));
    }
    if provider.keys.is_empty() {
        return None;
    }
    beheaded(value, provider).or_else(|| foreign(value, provider)).or_else(|| Some(misshapen(value, provider)))
}

/// Whether a value is one whole key of a kind that nothing else looks like.
pub(super) fn is_whole_key(value: &str) -> bool {
    Catalogue::builtin().providers().iter().any(|provider| {
        let fits = |shape: &KeyShape| shape.is_distinctive() && shape.fits(value) && lopsided(value, shape).is_none();
        provider.keys.iter().any(fits) && joined(value, provider).is_none()
    })
}

impl KeyShape {
    /// Whether a value has this shape: prefix, length, characters, marker.
    pub fn fits(&self, value: &str) -> bool {
        let Some(tail) = value.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let length = self.lengths.is_empty() && tail.len() >= SHORTEST_TAIL || self.lengths.contains(&value.len());
        length
            && tail.chars().all(|c| self.charset.holds(c))
            && self.marker.as_deref().is_none_or(|marker| tail.contains(marker))
    }

    /// Whether nothing but a key of this kind looks so.
    fn is_distinctive(&self) -> bool {
        !self.prefix.is_empty() && (!self.weak || !self.lengths.is_empty())
    }
}

/// What a good key of a kind is not good for.
fn standing(shape: &KeyShape) -> Option<Finding> {
    let kind = &shape.kind;
    match shape.standing {
        KeyStanding::Current => None,
        KeyStanding::Legacy => Some(Finding::note(
            Cause::RevokedOrRotated,
            format!("a {kind}: it may still work, and is no longer given out"),
        )),
        KeyStanding::Limited => Some(Finding::note(
            Cause::InsufficientPermissionsOrScope,
            format!("a {kind}: it works for a part of the calls"),
        )),
        KeyStanding::Admin => Some(Finding::warning(
            Cause::InsufficientPermissionsOrScope,
            format!("an {kind}: it works for administration, not for models"),
        )),
        KeyStanding::NotForServers => {
            Some(Finding::warning(Cause::NotAKeyValue, format!("a {kind}, which is not a key for programs")))
        }
    }
}

/// Two keys in one value: the second begins where a prefix stands again, or in the middle.
fn joined(value: &str, provider: &ProviderSpec) -> Option<Finding> {
    let shapes = provider.keys.iter().filter(|shape| !shape.weak || !shape.lengths.is_empty());
    let at = shapes.filter_map(|shape| second_key(value, shape)).min()?;
    let says = "two keys are joined: another one begins in the middle of the value";
    Some(Finding::warning(Cause::TruncatedOrMistyped, says).at(value[..at].chars().count()))
}

fn second_key(value: &str, shape: &KeyShape) -> Option<usize> {
    if shape.prefix.is_empty() {
        let middle = value.len() / 2;
        let halves = value.is_char_boundary(middle) && value.len().is_multiple_of(2);
        return (halves && shape.fits(&value[..middle]) && shape.fits(&value[middle..])).then_some(middle);
    }
    if !value.starts_with(&shape.prefix)
        || shape.prefix.len() < SHORTEST_JOINT && shape.lengths.is_empty() && shape.fits(value)
    {
        return None;
    }
    let from = shape.prefix.len();
    let mut seconds = value[from..].match_indices(shape.prefix.as_str()).map(|(at, _)| from + at);
    seconds.find(|at| shape.fits(&value[*at..]) && (shape.lengths.is_empty() || !shape.fits(value)))
}

/// OpenAI's marker stands in the middle. Scanners know no exception, and no document promises it.
fn lopsided(value: &str, shape: &KeyShape) -> Option<Finding> {
    let (before, after) = around_marker(value, shape)?;
    (before != after).then(|| {
        let says = format!(
            "{before} characters before the marker and {after} after it; keys were only seen with as many on both sides"
        );
        Finding::warning(Cause::TruncatedOrMistyped, says)
    })
}

/// How many characters stand between prefix and marker, and behind the marker.
fn around_marker(value: &str, shape: &KeyShape) -> Option<(usize, usize)> {
    let marker = shape.marker.as_deref()?;
    let (before, after) = value.strip_prefix(shape.prefix.as_str())?.split_once(marker)?;
    Some((before.chars().count(), after.chars().count()))
}

/// A key whose first characters were not copied.
fn beheaded(value: &str, provider: &ProviderSpec) -> Option<Finding> {
    let shapes = provider.keys.iter().filter(|shape| shape.is_distinctive());
    let (missing, shape) = shapes
        .flat_map(|shape| (1..shape.prefix.len()).map(move |cut| (cut, shape)))
        .find(|(cut, shape)| shape.fits(&format!("{}{value}", &shape.prefix[..*cut])))?;
    let says = format!("the first {missing} of the characters `{}` are missing", shape.prefix);
    Some(Finding::warning(Cause::TruncatedOrMistyped, says).at(0))
}

/// A key of somebody else: it has the shape of one, or begins like nothing of this provider.
fn foreign(value: &str, provider: &ProviderSpec) -> Option<Finding> {
    let own = longest_prefix(value, provider);
    let others = || Catalogue::builtin().providers().iter().filter(|other| other.id != provider.id);
    let fits = |shape: &KeyShape| shape.is_distinctive() && shape.fits(value);
    let begins = |shape: &KeyShape| !shape.weak && shape.prefix.len() > own.max(2) && value.starts_with(&shape.prefix);
    let owner = others()
        .find(|other| other.keys.iter().any(fits))
        .or_else(|| others().find(|other| other.keys.iter().any(begins)))?;
    let says = format!("{} has the shape of a key of {}", mask(value), owner.name);
    Some(Finding::warning(Cause::WrongProviderKey, says).at(0))
}

/// How many characters the longest prefix of this provider has that the value begins with.
fn longest_prefix(value: &str, provider: &ProviderSpec) -> usize {
    let own = provider.keys.iter().filter(|shape| !shape.weak && value.starts_with(&shape.prefix));
    own.map(|shape| shape.prefix.len()).max().unwrap_or_default()
}

/// A value that is near a kind of key of this provider, or near none.
fn misshapen(value: &str, provider: &ProviderSpec) -> Finding {
    let begins = |shape: &&KeyShape| !shape.prefix.is_empty() && value.starts_with(&shape.prefix);
    if let Some(shape) = provider.keys.iter().filter(begins).max_by_key(|shape| shape.prefix.len()) {
        return unlike(value, shape);
    }
    let other_case = provider.keys.iter().find(|shape| {
        let start = value.get(..shape.prefix.len());
        !shape.prefix.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(&shape.prefix))
    });
    if let Some(shape) = other_case {
        let says = format!("a {} begins with `{}`, in this case of letters", shape.kind, shape.prefix);
        return Finding::warning(Cause::TruncatedOrMistyped, says).at(0);
    }
    let near = |shape: &&KeyShape| shape.prefix.is_empty() && is_near(value, shape);
    if let Some(shape) = provider.keys.iter().find(near) {
        return unlike(value, shape);
    }
    let kinds: Vec<&str> =
        provider.keys.iter().map(|shape| shape.prefix.as_str()).filter(|prefix| !prefix.is_empty()).collect();
    let known = if kinds.is_empty() { String::new() } else { format!("; known are {}", kinds.join(", ")) };
    let says = format!("no known kind of {} key looks like {}{known}", provider.name, mask(value));
    Finding::warning(Cause::NotAKeyValue, says).at(0)
}

/// Whether length and characters are almost those of a kind without a prefix.
fn is_near(value: &str, shape: &KeyShape) -> bool {
    let odd = value.chars().filter(|c| !shape.charset.holds(*c)).count();
    let length = nearest(&shape.lengths, value.len());
    odd <= value.len() / 10 && length.is_some_and(|length| length.abs_diff(value.len()) <= length / 2)
}

/// How a value differs from the kind of key it is meant to be.
fn unlike(value: &str, shape: &KeyShape) -> Finding {
    let odd = value.chars().enumerate().skip(shape.prefix.len()).find(|(_, c)| !shape.charset.holds(*c));
    if let Some((at, c)) = odd {
        let says = format!("{} at character {}; a {} {}", name_of(c), at + 1, shape.kind, characters(shape.charset));
        return Finding::warning(Cause::TruncatedOrMistyped, says).at(at).character(c);
    }
    let length = value.chars().count();
    if let (Some((before, after)), false) = (around_marker(value, shape), shape.lengths.contains(&value.len())) {
        return wrong_halves(length, before, after, shape);
    }
    match nearest(&shape.lengths, length) {
        Some(nearest) if nearest != length => {
            let says = format!("{length} characters; a {} has {}", shape.kind, list(&shape.lengths));
            let finding = Finding::warning(Cause::TruncatedOrMistyped, says);
            // Too short a value without a marker that should be in its middle was cut at its end.
            if length < nearest && shape.marker.is_some() { finding.at(length) } else { finding }
        }
        Some(_) => Finding::warning(
            Cause::TruncatedOrMistyped,
            format!("it has the length of a {} and lacks its marker", shape.kind),
        ),
        None => {
            let says = format!("{length} characters are too few for a {}", shape.kind);
            Finding::warning(Cause::TruncatedOrMistyped, says).at(length)
        }
    }
}

/// The marker's place tells which half lost or gained characters.
fn wrong_halves(length: usize, before: usize, after: usize, shape: &KeyShape) -> Finding {
    let fixed = shape.prefix.len() + shape.marker.as_deref().map_or(0, str::len);
    let halves: Vec<usize> = shape.lengths.iter().map(|length| length.saturating_sub(fixed) / 2).collect();
    let finding = |says: String| Finding::warning(Cause::TruncatedOrMistyped, says);
    match (halves.contains(&before), halves.contains(&after)) {
        (true, false) if after < before => {
            finding(format!("the end is missing: {after} of {before} characters follow the marker")).at(length)
        }
        (true, false) => {
            finding(format!("{after} characters follow the marker; there should be {before}")).at(fixed + 2 * before)
        }
        (false, true) => {
            let says = format!("{before} characters stand before the marker; there should be {after}");
            finding(says).at(shape.prefix.len())
        }
        _ => finding(format!("{length} characters; a {} has {}", shape.kind, list(&shape.lengths))),
    }
}

const fn characters(charset: Charset) -> &'static str {
    match charset {
        Charset::Base62 => "has letters and digits only",
        Charset::Base64url => "has letters, digits, `-` and `_` only",
        Charset::Hex => "has the digits 0-9 and a-f only",
        Charset::Lower => "has small letters and digits only",
        Charset::Graphic => "has no blanks",
    }
}

fn nearest(lengths: &[usize], length: usize) -> Option<usize> {
    lengths.iter().copied().min_by_key(|known| known.abs_diff(length))
}

fn list(lengths: &[usize]) -> String {
    lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// A tail shorter than this is no key where no length is known.
const SHORTEST_TAIL: usize = 16;
/// Shorter prefixes occur in the middle of a good key by chance.
const SHORTEST_JOINT: usize = 4;
const SECONDS_A_DAY: u64 = 86_400;
