//! The one classifier: what a provider's answer means.
//!
//! The gateway, the live probe, the clients and `explain` all call [`classify`]. Rules come from the
//! provider's data file, the first match wins; below them stand fallbacks by status that are broader
//! and still true.

use std::sync::LazyLock;

use crate::cause::Cause;
use crate::diagnosis::{Confidence, Diagnosis, Witness};
use crate::provider::{ProviderSpec, Rule};
use crate::reading::Reading;
use crate::redact::Redactor;

/// A provider's answer, as far as it tells anything.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The request's path at the provider, such as `/v1/chat/completions`.
    pub path: &'a str,
    /// The body, decoded; it may be cut.
    pub body: &'a [u8],
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The cause.
    pub cause: Cause,
    /// How sure that is.
    pub confidence: Confidence,
    /// Other causes that give the same answer.
    pub alternatives: Vec<Cause>,
    /// The rule that matched; `None` for a fallback by status.
    pub rule: Option<String>,
    /// What the body says.
    pub reading: Reading,
}

/// Says what an answer means, or `None` if it is not a failure.
///
/// A `200` whose body is an error is a failure: providers send those on streams.
pub fn classify(provider: &ProviderSpec, answer: &Answer<'_>) -> Option<Classified> {
    let reading = Reading::of(answer.body);
    (answer.status >= 400 || reading.is_error).then(|| match_rules(provider, answer, reading))
}

/// Says what a failure means, where the status alone makes it one.
pub fn classify_failure(provider: &ProviderSpec, answer: &Answer<'_>) -> Classified {
    match_rules(provider, answer, Reading::of(answer.body))
}

fn match_rules(provider: &ProviderSpec, answer: &Answer<'_>, reading: Reading) -> Classified {
    match provider.rules.iter().find(|rule| rule.matches(answer, &reading)) {
        Some(rule) => Classified {
            cause: rule.cause,
            confidence: rule.confidence,
            alternatives: rule.alternatives.clone(),
            rule: Some(rule.id.clone()),
            reading,
        },
        None => Classified { reading, ..by_status(answer.status) },
    }
}

impl Rule {
    /// Whether this rule covers an answer.
    fn matches(&self, answer: &Answer<'_>, reading: &Reading) -> bool {
        holds(&self.status, |status| *status == answer.status)
            && holds(&self.path, |path| answer.path.contains(path.as_str()))
            && (self.names(reading) || self.or_message.iter().any(|part| says(reading.message.as_deref(), part)))
    }

    /// Whether code, type and message are those of this rule.
    fn names(&self, reading: &Reading) -> bool {
        holds(&self.code, |code| is(reading.code.as_deref(), code))
            && holds(&self.kind, |kind| is(reading.kind.as_deref(), kind))
            && holds(&self.message, |part| says(reading.message.as_deref(), part))
    }
}

impl Classified {
    /// The diagnosis of this answer alone. The message is left out: it may echo a key.
    pub fn diagnosis(&self, provider: &ProviderSpec, status: u16) -> Diagnosis {
        let code = self.reading.code.as_deref().or(self.reading.kind.as_deref());
        let said = match code {
            Some(code) => format!("{} answered {status} `{}`", provider.name, printable(code)),
            None => format!("{} answered {status}", provider.name),
        };
        Diagnosis::new(&provider.id, self.cause, self.confidence)
            .with_alternatives(self.alternatives.iter().map(|cause| (*cause, Confidence::Possible)))
            .with_evidence(Witness::Text, said)
    }
}

fn holds<T>(conditions: &[T], met: impl Fn(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(met)
}

fn is(value: Option<&str>, expected: &str) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(expected))
}

fn says(message: Option<&str>, part: &str) -> bool {
    message.is_some_and(|message| message.to_lowercase().contains(&part.to_lowercase()))
}

/// A code that a stranger sent, cut, without control characters and without anything that looks like a key.
fn printable(code: &str) -> String {
    let code: String = code.chars().filter(char::is_ascii_graphic).collect();
    SHAPES.redact_str(&code).chars().take(LONGEST_CODE).collect()
}

/// What a status alone allows to say, for any provider.
pub(crate) fn by_status(status: u16) -> Classified {
    let (cause, confidence, alternatives): (_, _, &[Cause]) = match status {
        401 => (Cause::InvalidKey, Confidence::Likely, &[Cause::MissingKey, Cause::HeaderMalformed]),
        402 => (Cause::QuotaExhausted, Confidence::Likely, &[]),
        403 => (
            Cause::InsufficientPermissionsOrScope,
            Confidence::Possible,
            &[Cause::RegionUnsupported, Cause::ModelNotEntitled],
        ),
        404 => (Cause::ModelNotFound, Confidence::Possible, &[Cause::WrongBaseUrl]),
        408 | 504 | 524 => (Cause::Timeout, Confidence::Likely, &[]),
        407 => (Cause::Proxy, Confidence::Certain, &[]),
        429 => (Cause::RateLimit, Confidence::Likely, &[Cause::QuotaExhausted]),
        400 | 405 | 409..=411 | 413..=428 | 430..=499 => (Cause::BadRequest, Confidence::Likely, &[]),
        500..=599 => (Cause::ServerError, Confidence::Likely, &[]),
        _ => (Cause::Other, Confidence::Possible, &[]),
    };
    Classified { cause, confidence, alternatives: alternatives.to_vec(), rule: None, reading: Reading::default() }
}

static SHAPES: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// No provider's code is longer than this.
const LONGEST_CODE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    fn cause_of(provider: &str, status: u16, path: &str, body: &str) -> Option<Cause> {
        let catalogue = Catalogue::builtin();
        let spec = catalogue.provider(provider).expect("in the catalogue");
        classify(spec, &Answer { status, path, body: body.as_bytes() }).map(|found| found.cause)
    }

    #[test]
    fn an_unknown_body_falls_back_to_its_status() {
        assert_eq!(cause_of("openai", 401, "/v1/chat/completions", "<html>"), Some(Cause::InvalidKey));
        assert_eq!(cause_of("fireworks", 402, "/v1/x", ""), Some(Cause::QuotaExhausted));
        assert_eq!(cause_of("together", 599, "/v1/x", ""), Some(Cause::ServerError));
        assert_eq!(cause_of("together", 418, "/v1/x", ""), Some(Cause::BadRequest));
    }

    #[test]
    fn a_good_answer_is_no_failure() {
        assert_eq!(cause_of("openai", 200, "/v1/chat/completions", r#"{"choices":[]}"#), None);
    }

    #[test]
    fn an_error_with_status_200_is_a_failure() {
        let body = r#"{"error":{"message":"Rate limit reached for m","code":"rate_limit_exceeded"}}"#;
        assert_eq!(cause_of("openai", 200, "/v1/chat/completions", body), Some(Cause::RateLimit));
    }

    #[test]
    fn a_key_in_place_of_a_code_is_not_shown() {
        let catalogue = Catalogue::builtin();
        for (provider, key) in [
            ("openai", format!("sk-proj-{}T3BlbkFJ{}", "a".repeat(74), "b".repeat(74))),
            ("fireworks", format!("fw_{}", "c".repeat(24))),
            ("together", format!("tgp_v1_{}", "d".repeat(43))),
        ] {
            let spec = catalogue.provider(provider).expect("in the catalogue");
            let body = format!(r#"{{"error":{{"message":"no","code":"{key}","type":"{key}"}}}}"#);
            let answer = Answer { status: 401, path: "/v1/x", body: body.as_bytes() };
            let diagnosis = classify(spec, &answer).expect("a failure").diagnosis(spec, 401);
            assert!(!format!("{diagnosis:?}").contains(&key[..24]), "{diagnosis:?}");
        }
    }
}
