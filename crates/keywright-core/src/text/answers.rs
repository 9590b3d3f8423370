//! Finds providers' answers among the observations and hands them to the classifier.

use serde_json::json;

use super::context::Context;
use super::finding::{Finding, Rank};
use super::literals::Fragments;
use super::observe::{Observation, What};
use super::rules::Tier;
use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::classify::{Answer, Classified, by_status, classify_failure};
use crate::diagnosis::{Confidence, Diagnosis};
use crate::provider::ProviderSpec;

/// A provider's answer, classified.
pub(super) struct Answered {
    pub(super) finding: Finding,
    pub(super) provider: &'static ProviderSpec,
}

/// What the words of a provider's answer mean.
pub(super) fn wording(observation: &Observation, fragment: usize, context: &Context<'_>) -> Option<Answered> {
    let fragments = Fragments::builtin();
    let owners = fragments.owners[fragment].as_slice();
    let owner_called = |called: &'static str| owners.iter().find(|(owner, _)| *owner == called);
    let sign = context.sign_at(observation.at);
    let called = sign.map(|(provider, _)| provider);
    let telling = fragments.telling[fragment];
    // A short sentence tells if it is the whole message of an error.
    let whole = context.is_message(observation) && owners.len() == 1 && owners[0].1.contains(' ');
    let (owner, words) = match called.and_then(owner_called) {
        Some(owner) => *owner,
        None if telling || whole => *owners.first()?,
        None => return None,
    };
    let spec = Catalogue::builtin().provider(owner)?;
    let status = context.status_near(observation.at, NEAR).map(|(_, status)| status);
    if status.is_none() && !telling && !whole {
        return None;
    }
    let usual = if telling { USUAL } else { &[] };
    let (status, classified) = classify_text(spec, status, usual, words, None)?;
    let mut finding = answer(observation, context, spec, status, &classified);
    finding.either_model_or_access = words.contains("or you do not have access");
    // A refused key is the key of whoever says so. Other answers are worded alike by everyone who copied the API.
    let own_words = matches!(classified.cause, Cause::InvalidKey | Cause::MissingKey | Cause::EmptyKey);
    finding.provider = match sign {
        Some((called, Tier::Host | Tier::Integration)) if !own_words => Some(called.to_owned()),
        _ if called.and_then(owner_called).is_some() || owners.len() == 1 => Some(owner.to_owned()),
        _ => by_code(observation.at, owners, context).or(called).map(str::to_owned),
    };
    Some(Answered { finding, provider: spec })
}

/// Which of several providers has the code that stands beside their common words.
fn by_code(at: usize, owners: &[(&'static str, &'static str)], context: &Context<'_>) -> Option<&'static str> {
    let code = context.nearest(at, BESIDE * 2, |what| match what {
        What::Code(code) if code.contains('_') && !SAID_OF_EVERYTHING.contains(&code.as_str()) => Some(code.clone()),
        _ => None,
    })?;
    let has = |id: &&'static str| {
        let spec = Catalogue::builtin().provider(id);
        spec.is_some_and(|spec| spec.rules.iter().any(|rule| rule.code.contains(&code)))
    };
    let mut owners = owners.iter().map(|(owner, _)| *owner).filter(has);
    owners.next().filter(|_| owners.next().is_none())
}

/// Classifies words or a code. Without a status, the first of the usual ones that any rule accepts: rules know
/// their statuses.
fn classify_text(
    spec: &ProviderSpec,
    status: Option<u16>,
    usual: &[u16],
    message: &str,
    code: Option<&str>,
) -> Option<(Option<u16>, Classified)> {
    let body = json!({ "error": { "message": message, "code": code, "type": code } }).to_string();
    let known = status.into_iter().map(|status| (Some(status), status));
    let usual = usual.iter().map(|status| (None, *status));
    known.chain(usual).find_map(|(shown, status)| {
        let classified = classify_failure(spec, &Answer { status, path: "", body: body.as_bytes() });
        // A rule that asks for less than these words says nothing of them.
        let rule = spec.rules.iter().find(|rule| Some(&rule.id) == classified.rule.as_ref())?;
        let worded = rule.message.iter().chain(&rule.or_message).any(|part| part.eq_ignore_ascii_case(message));
        let coded =
            code.is_some_and(|code| rule.code.iter().chain(&rule.kind).any(|known| known.eq_ignore_ascii_case(code)));
        (worded || coded).then_some((shown, classified))
    })
}

fn answer(
    observation: &Observation,
    context: &Context<'_>,
    spec: &ProviderSpec,
    status: Option<u16>,
    classified: &Classified,
) -> Finding {
    let says = match status {
        Some(status) => said(&classified.diagnosis(spec, status)),
        None => format!("the words are those of an answer of {}", spec.name),
    };
    let mut finding = Finding::plain(observation, context, Rank::Answer, classified.cause, classified.confidence, says);
    finding.alternatives.clone_from(&classified.alternatives);
    finding.provider = Some(spec.id.clone());
    finding
}

fn said(diagnosis: &Diagnosis) -> String {
    diagnosis.evidence.first().map(|evidence| evidence.says.clone()).unwrap_or_default()
}

/// Codes that stand alone: where the sentence was cut away.
pub(super) fn add_codes(findings: &mut Vec<Finding>, context: &Context<'_>) {
    for observation in context.all() {
        let What::Code(code) = &observation.what else {
            continue;
        };
        let part = context.part_of(observation.at);
        let told = findings.iter().any(|finding| {
            finding.rank >= Rank::Answer && finding.part == part && finding.at.abs_diff(observation.at) < NEAR
        });
        if told || SAID_OF_EVERYTHING.contains(&code.as_str()) {
            continue;
        }
        let called = context.provider_at(observation.at);
        let providers = Catalogue::builtin().providers().iter();
        let holds = |spec: &&ProviderSpec| {
            let mut rules = spec.rules.iter();
            rules.any(|rule| rule.code.iter().chain(&rule.kind).any(|known| known.eq_ignore_ascii_case(code)))
        };
        let mut knows: Vec<&ProviderSpec> = providers.filter(holds).collect();
        let telling = code.len() >= SHORTEST_TELLING_CODE && code.contains(['_', '.']);
        let own = knows.iter().position(|spec| Some(&spec.id) == called.as_ref());
        let spec = match own {
            Some(index) => knows.swap_remove(index),
            None if telling && !knows.is_empty() => knows.swap_remove(0),
            None => continue,
        };
        let status = context.status_near(observation.at, NEAR).map(|(_, status)| status);
        if let Some((status, classified)) = classify_text(spec, status, USUAL, "", Some(code)) {
            let mut finding = answer(observation, context, spec, status, &classified);
            finding.provider = called.or(finding.provider);
            findings.push(finding);
        }
    }
}

/// Statuses that nothing else explains.
pub(super) fn add_statuses(findings: &mut Vec<Finding>, context: &Context<'_>) {
    for observation in context.all() {
        let What::Status(status) = observation.what else {
            continue;
        };
        let part = context.part_of(observation.at);
        let explained = findings.iter().any(|finding| {
            finding.rank >= Rank::Answer && finding.part == part && finding.at.abs_diff(observation.at) < NEAR
        });
        if !explained {
            findings.push(bare(observation, status, context));
        }
    }
}

/// What a status alone allows to say.
fn bare(observation: &Observation, status: u16, context: &Context<'_>) -> Finding {
    let at = observation.at;
    let foreign = context.nearest(at, BESIDE, |what| matches!(what, What::Host { llm_path: false }).then_some(()));
    let sign = context.sign_at(at).filter(|(_, tier)| *tier <= Tier::Sdk || foreign.is_none());
    let llm = context.is_llm_call(at);
    let stranger = foreign.is_some() && sign.is_none_or(|(_, tier)| tier != Tier::Host);
    let with_body =
        context.nearest(at, NEAR, |what| matches!(what, What::Code(_) | What::Member).then_some(())).is_some();
    if matches!(status, 401 | 403) && (stranger || !llm && with_body) {
        let says = format!(
            "the answer {status} is not in the words of any LLM provider, and nothing near it says that one was called"
        );
        let confidence = if stranger { Confidence::Likely } else { Confidence::Possible };
        return Finding::plain(observation, context, Rank::Status, Cause::OtherService, confidence, says);
    }
    if status == 403 && !llm {
        let says = "the answer was 403, and nothing near it says whose".to_owned();
        let mut finding = Finding::plain(observation, context, Rank::Bare, Cause::Other, Confidence::Possible, says);
        finding.alternatives =
            vec![Cause::InsufficientPermissionsOrScope, Cause::OtherService, Cause::RegionUnsupported, Cause::Proxy];
        return finding;
    }
    let provider = sign.and_then(|(provider, _)| Catalogue::builtin().provider(provider));
    let (says, classified) = match provider {
        Some(spec) => {
            let path = context.nearest(at, FRAMES, |what| match what {
                What::Path(path) => Some(path.clone()),
                _ => None,
            });
            let answer = Answer { status, path: path.as_deref().unwrap_or_default(), body: b"" };
            let classified = classify_failure(spec, &answer);
            (said(&classified.diagnosis(spec, status)), classified)
        }
        None => (format!("the answer was {status}, without words that tell why"), by_status(status)),
    };
    let rank = if llm { Rank::Status } else { Rank::Bare };
    let mut finding = Finding::plain(
        observation,
        context,
        rank,
        classified.cause,
        classified.confidence.min(Confidence::Likely),
        says,
    );
    finding.alternatives = classified.alternatives;
    finding.provider = provider.map(|spec| spec.id.clone());
    finding
}

/// Statuses to try where the text shows none.
const USUAL: &[u16] = &[401, 403, 429, 400, 404, 402, 412, 500, 503, 529];
const SHORTEST_TELLING_CODE: usize = 10;
/// Types that tell nothing.
const SAID_OF_EVERYTHING: &[&str] = &["invalid_request_error", "error", "api_error"];
const NEAR: usize = 1_500;
/// How far the frames of a trace reach.
const FRAMES: usize = 3_000;
const BESIDE: usize = 200;
