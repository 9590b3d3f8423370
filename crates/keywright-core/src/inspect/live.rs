//! What a provider's answers to a free question tell about a key.
//!
//! The classifier said what each answer means; this says what follows for the person who asked.

use super::{Finding, Severity};
use crate::cause::{Cause, Verdict};
use crate::classify::Classified;
use crate::diagnosis::{Confidence, Diagnosis, Witness};
use crate::provider::ProviderSpec;
use crate::ring::Look;

/// One answer to a free question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The path that was asked.
    pub path: String,
    /// The status.
    pub status: u16,
    /// What the classifier says, when it is a failure.
    pub meaning: Option<Classified>,
    /// Whether it has the form that the provider's answers have.
    pub form: Form,
    /// The account's state, when the answer names a catalogued one.
    pub state: Option<String>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What an API sends.
    Api,
    /// A page for people.
    Page,
    /// A redirect.
    Redirect,
}

/// How asking ended for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What the key is worth.
    pub outcome: Outcome,
    /// What was found; its place is the key's, or the host's when there is no verdict.
    pub finding: Option<Finding>,
    /// The same as a diagnosis, when the provider refused.
    pub diagnosis: Option<Diagnosis>,
}

/// What a key is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Works,
    /// It is refused, or the request that carries it is.
    Refused,
    /// The answers say nothing about it.
    NoVerdict,
}

/// Judges what was heard about a key. `known` is what was found about it offline.
pub fn judge(provider: &ProviderSpec, look: Look, heard: &[Heard], known: &[Finding]) -> Judged {
    let last = heard.last();
    match look {
        Look::Works => Judged { outcome: Outcome::Works, finding: limited(provider, heard), diagnosis: None },
        Look::Refused(cause) => refused(provider, cause, last, known),
        Look::Unknown => match last.and_then(|answer| Some((answer, answer.meaning.as_ref()?))) {
            Some((answer, meaning)) if blames_the_request(meaning.cause) && answer.form == Form::Api => {
                refused(provider, meaning.cause, last, known)
            }
            _ => Judged {
                outcome: Outcome::NoVerdict,
                finding: last.map(|last| strange(provider, last)),
                diagnosis: None,
            },
        },
    }
}

/// What goes with the key makes the provider refuse it: another key would be refused alike.
fn blames_the_request(cause: Cause) -> bool {
    cause.verdict() == Verdict::Auth
        && cause != Cause::InsufficientPermissionsOrScope
        && cause != Cause::ModelNotEntitled
}

/// A key that works, and that the provider limits.
fn limited(provider: &ProviderSpec, heard: &[Heard]) -> Option<Finding> {
    heard.iter().find_map(|answer| {
        let cause = answer.meaning.as_ref()?.cause;
        let name = &provider.name;
        match cause {
            Cause::InsufficientPermissionsOrScope | Cause::ModelNotEntitled => {
                let says = format!("the key is restricted: {name} answered {} at {}", answer.status, answer.path);
                Some(Finding::note(cause, says))
            }
            Cause::RateLimit => {
                let says =
                    format!("{name} knows the key and rests it now: it answered {} at {}", answer.status, answer.path);
                Some(with_fix(Finding::warning(cause, says), provider))
            }
            _ => None,
        }
    })
}

fn refused(provider: &ProviderSpec, cause: Cause, answer: Option<&Heard>, known: &[Finding]) -> Judged {
    let meaning = answer.and_then(|answer| Some((answer.status, answer.meaning.as_ref()?)));
    let diagnosis = match (answer.and_then(|answer| answer.state.as_ref()), meaning) {
        (Some(state), _) => Diagnosis::new(&provider.id, cause, Confidence::Certain)
            .with_evidence(Witness::Probe, format!("{} names the account `{state}`", provider.name)),
        (None, Some((status, meaning))) => seen_by_probe(meaning.diagnosis(provider, status)),
        (None, None) => Diagnosis::new(&provider.id, cause, Confidence::Likely)
            .with_evidence(Witness::Probe, format!("{} refuses the key", provider.name)),
    };
    let diagnosis = with_what_is_known(diagnosis, known);
    let said: Vec<&str> = diagnosis.evidence.iter().map(|evidence| evidence.says.as_str()).collect();
    let says = format!("{}: {}", diagnosis.title(), said.join("; "));
    let fix = diagnosis.fixes.first().cloned();
    let finding = Finding { fix, ..Finding::error(diagnosis.cause, says) };
    Judged { outcome: Outcome::Refused, finding: Some(finding), diagnosis: Some(diagnosis) }
}

fn seen_by_probe(mut diagnosis: Diagnosis) -> Diagnosis {
    for evidence in &mut diagnosis.evidence {
        evidence.witness = Witness::Probe;
    }
    diagnosis
}

/// An answer that says only "not this key", and a defect that the value shows: the defect is the likely reason.
fn with_what_is_known(diagnosis: Diagnosis, known: &[Finding]) -> Diagnosis {
    let explains = |finding: &&Finding| {
        finding.severity >= Severity::Warning
            && finding.cause.verdict() == Verdict::Auth
            && finding.cause != diagnosis.cause
    };
    let Some(defect) = known.iter().find(explains).filter(|_| diagnosis.cause == Cause::InvalidKey) else {
        return diagnosis;
    };
    let mut better = Diagnosis::new(&diagnosis.provider, defect.cause, Confidence::Likely)
        .with_alternatives([(Cause::InvalidKey, Confidence::Possible)]);
    better.evidence = diagnosis.evidence;
    let mut better = better.with_evidence(Witness::Environment, &defect.says);
    if let Some(fix) = &defect.fix {
        better.fixes.retain(|other| other.says != fix.says);
        better.fixes.insert(0, fix.clone());
    }
    better
}

/// An answer that says nothing about the key.
fn strange(provider: &ProviderSpec, answer: &Heard) -> Finding {
    let Heard { path, status, .. } = answer;
    let name = &provider.name;
    match (answer.form, answer.meaning.as_ref().map(|meaning| meaning.cause)) {
        (Form::Api | Form::Page, Some(Cause::ModelNotFound)) if *status == 404 => {
            let says =
                format!("there is no {path} at this address (404): the base URL is wrong, or {name} is not behind it");
            with_fix(Finding::error(Cause::WrongBaseUrl, says), provider)
        }
        (_, Some(cause @ Cause::ServerError)) => {
            with_fix(Finding::warning(cause, format!("{name} answered {status} at {path}")), provider)
        }
        (Form::Page, _) | (_, Some(Cause::Proxy)) => {
            let says =
                format!("{status} and no words of {name} came in answer to {path}: something on the way answered");
            Finding::error(Cause::Proxy, says).fixed_by(
                "See who answers: the login page of this network, a filter, or a base URL that leads to a web site.",
                Some("env | grep -iE '_proxy|_base'".to_owned()),
            )
        }
        (Form::Redirect, _) => {
            let says =
                format!("{status}: a redirect came in place of {name}'s answer to {path}; the key was not sent on");
            Finding::error(Cause::WrongBaseUrl, says).fixed_by(
                "Give the address that it leads to as the base URL, or log in to this network first.",
                Some("env | grep -iE '_proxy|_base'".to_owned()),
            )
        }
        (_, Some(cause)) => with_fix(Finding::warning(cause, format!("{name} answered {status} at {path}")), provider),
        (_, None) => with_fix(Finding::warning(Cause::Other, format!("{name} answered {status} at {path}")), provider),
    }
}

fn with_fix(finding: Finding, provider: &ProviderSpec) -> Finding {
    let fix = crate::page::fixes(finding.cause, &provider.id).into_iter().next();
    Finding { fix, ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::classify::{Answer, classify};

    fn provider(id: &str) -> &'static ProviderSpec {
        Catalogue::builtin().provider(id).expect("in the catalogue")
    }

    fn heard(id: &str, status: u16, body: &str, form: Form) -> Heard {
        let path = provider(id).probes.first().expect("a probe").path.clone();
        let meaning = classify(provider(id), &Answer { status, path: &path, body: body.as_bytes() });
        Heard { path, status, meaning, form, state: None }
    }

    fn code(code: &str) -> String {
        format!(r#"{{"error":{{"message":"no","code":"{code}"}}}}"#)
    }

    #[test]
    fn an_answer_without_a_verdict_says_what_came_in_place_of_one() {
        let not_found = r#"{"error":{"message":"Not Found"}}"#;
        let cases = [
            (200, "<!doctype html>", Form::Page, Cause::Proxy, Severity::Error),
            (403, "<html>", Form::Page, Cause::Proxy, Severity::Error),
            (407, "", Form::Api, Cause::Proxy, Severity::Error),
            (302, "", Form::Redirect, Cause::WrongBaseUrl, Severity::Error),
            (404, not_found, Form::Api, Cause::WrongBaseUrl, Severity::Error),
            (404, "<html>", Form::Page, Cause::WrongBaseUrl, Severity::Error),
            (503, "{}", Form::Api, Cause::ServerError, Severity::Warning),
            (502, "<html>", Form::Page, Cause::ServerError, Severity::Warning),
        ];
        for (status, body, form, cause, severity) in cases {
            let judged = judge(provider("together"), Look::Unknown, &[heard("together", status, body, form)], &[]);
            assert_eq!(judged.outcome, Outcome::NoVerdict, "{status} {form:?}");
            let finding = judged.finding.expect("a finding");
            assert_eq!((finding.cause, finding.severity), (cause, severity), "{status} {form:?}");
            assert!(finding.fix.is_some(), "{status} {form:?}");
        }
    }

    #[test]
    fn a_refusal_is_told_with_what_the_provider_said_and_no_more() {
        let answer = heard("openai", 401, &code("invalid_api_key"), Form::Api);
        let judged = judge(provider("openai"), Look::Refused(Cause::InvalidKey), &[answer], &[]);
        let diagnosis = judged.diagnosis.expect("a refusal");
        assert_eq!((judged.outcome, diagnosis.cause), (Outcome::Refused, Cause::InvalidKey));
        assert!(!diagnosis.alternatives.is_empty(), "revoked and mistyped give the same answer");
        assert!(diagnosis.evidence.iter().all(|evidence| evidence.witness == Witness::Probe));
        assert!(judged.finding.expect("a finding").says.contains("401 `invalid_api_key`"));
    }

    #[test]
    fn a_defect_of_the_value_explains_a_refusal_that_says_nothing_else() {
        let answer = || heard("openai", 401, &code("invalid_api_key"), Form::Api);
        let known = [Finding::warning(Cause::WrongProviderKey, "it has the shape of another provider's keys")];
        let diagnosis = judge(provider("openai"), Look::Refused(Cause::InvalidKey), &[answer()], &known).diagnosis;
        let diagnosis = diagnosis.expect("a refusal");
        assert_eq!((diagnosis.cause, diagnosis.confidence), (Cause::WrongProviderKey, Confidence::Likely));
        assert_eq!(diagnosis.alternatives.first().map(|other| other.cause), Some(Cause::InvalidKey));
        assert_eq!(diagnosis.evidence.len(), 2);
        let note = [Finding::note(Cause::WrongProviderKey, "a note is no reason")];
        let diagnosis = judge(provider("openai"), Look::Refused(Cause::InvalidKey), &[answer()], &note).diagnosis;
        assert_eq!(diagnosis.map(|diagnosis| diagnosis.cause), Some(Cause::InvalidKey));
    }

    #[test]
    fn a_wrong_organisation_is_a_refusal_though_it_says_nothing_against_the_key() {
        let answer = heard("openai", 401, &code("mismatched_organization"), Form::Api);
        let judged = judge(provider("openai"), Look::Unknown, &[answer], &[]);
        assert_eq!(judged.outcome, Outcome::Refused);
        assert_eq!(judged.diagnosis.map(|diagnosis| diagnosis.cause), Some(Cause::WrongOrganizationOrProject));
    }

    #[test]
    fn an_account_state_is_certain() {
        let answer = Heard { state: Some("CREDIT_DEPLETED".to_owned()), ..heard("fireworks", 200, "{}", Form::Api) };
        let judged = judge(provider("fireworks"), Look::Refused(Cause::QuotaExhausted), &[answer], &[]);
        let diagnosis = judged.diagnosis.expect("a refusal");
        assert_eq!((diagnosis.cause, diagnosis.confidence), (Cause::QuotaExhausted, Confidence::Certain));
        assert!(judged.finding.expect("a finding").says.contains("`CREDIT_DEPLETED`"));
    }

    #[test]
    fn a_restricted_key_works_and_is_told_as_restricted() {
        let answers = [
            heard("openai", 403, &code("insufficient_scope"), Form::Api),
            heard("openai", 200, r#"{"object":"user"}"#, Form::Api),
        ];
        let judged = judge(provider("openai"), Look::Works, &answers, &[]);
        assert_eq!(judged.outcome, Outcome::Works);
        let finding = judged.finding.expect("a note");
        assert_eq!((finding.severity, finding.cause), (Severity::Note, Cause::InsufficientPermissionsOrScope));
    }
}
