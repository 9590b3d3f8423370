//! Observations to diagnoses. Pure, and the only place that decides what a text means.
//!
//! What a provider answered is decided by [`crate::classify`] alone; this file finds the answers in the
//! observations and hands them over. What never reached a provider is decided by the symptom's own entry.

use super::Found;
use super::answers::{self, Answered};
use super::context::Context;
use super::echo;
use super::finding::{Finding, Rank};
use super::observe::{Observation, Observations, What, weight_of};
use super::refine::refine;
use super::rules::{Rules, Weight};
use crate::catalogue::Catalogue;
use crate::cause::Cause;
use crate::diagnosis::Confidence;

/// What the observations mean: the failure that came first, then the others.
///
/// Empty if nothing in the text tells of a failure.
pub fn judge(observations: &Observations) -> Vec<Found> {
    let context = Context::of(observations);
    let mut findings: Vec<Finding> = Vec::new();
    for observation in &observations.seen {
        findings.extend(finding(observation, &context));
    }
    answers::add_codes(&mut findings, &context);
    answers::add_statuses(&mut findings, &context);
    refine(&mut findings, &context);
    let findings = settle(findings);
    findings.iter().map(Finding::found).collect()
}

/// What one observation means by itself.
fn finding(observation: &Observation, context: &Context<'_>) -> Option<Finding> {
    match &observation.what {
        What::Symptom { index, .. } => symptom(observation, *index, context),
        What::Wording { fragment, echo, .. } => {
            let Answered { mut finding, provider } = answers::wording(observation, *fragment, context)?;
            if finding.cause == Cause::InvalidKey
                && let Some(echoed) = echo.as_deref().and_then(|echo| echo::judge(echo, provider))
            {
                finding.cause = echoed.cause;
                finding.confidence = echoed.confidence;
                let listed = std::mem::take(&mut finding.alternatives);
                finding.alternatives = echoed.alternatives;
                if echoed.confidence != Confidence::Certain {
                    finding.alternatives.extend(listed);
                }
                finding.says.push(echoed.says);
                if let Some(owner) = echoed.owner {
                    finding.provider = Some(owner.to_owned());
                }
            }
            finding.key_seen = echo.is_some();
            finding.echo.clone_from(echo);
            finding.answered_by = Some(&provider.id);
            Some(finding)
        }
        What::Header(meaning) => {
            let mut finding = Finding::of(observation, context, Rank::Header, meaning);
            finding.provider = context.provider_at(observation.at);
            Some(finding)
        }
        What::Service { index, by_host } => service(observation, *index, *by_host, context),
        What::Assignment { .. }
        | What::Status(_)
        | What::Code(_)
        | What::Mention { .. }
        | What::Host { .. }
        | What::Tail(_)
        | What::Model(_)
        | What::Path(_)
        | What::Member
        | What::BaseUrl(_)
        | What::Local
        | What::CommentedOut(_) => None,
    }
}

fn symptom(observation: &Observation, index: usize, context: &Context<'_>) -> Option<Finding> {
    let What::Symptom { meaning, .. } = &observation.what else {
        return None;
    };
    let symptom = &Rules::builtin().symptoms[index];
    let near = context.is_llm_call(observation.at);
    if symptom.only.is_some() && symptom.only != context.provider_at(observation.at) {
        return None;
    }
    let rank = match weight_of(index) {
        Weight::Sure => Rank::Sure,
        Weight::Network if near => Rank::Sure,
        Weight::Network => Rank::Status,
        Weight::Faint => Rank::Faint,
    };
    let mut finding = Finding::of(observation, context, rank, meaning);
    finding.verdict = symptom.verdict;
    finding.refused_connection = symptom.id == "refused";
    finding.provider = symptom.provider.clone().or_else(|| context.provider_at(observation.at));
    if symptom.cause == Cause::HiddenOrNonAsciiCharacter && symptom.id == "codec" && !near {
        // Other things are encoded than headers.
        finding.confidence = finding.confidence.min(Confidence::Likely);
    }
    if let Some(variable) = &meaning.variable {
        finding.says.push(format!("it names the variable {variable}"));
        finding.variable = Some(variable.clone());
        return named(finding, variable);
    }
    Some(finding)
}

/// A symptom that names a variable: the variable says whose key it is.
fn named(mut finding: Finding, variable: &str) -> Option<Finding> {
    let providers = Catalogue::builtin().providers();
    let owner = providers.iter().find(|provider| provider.variables.iter().any(|known| known.name == variable));
    let service = Rules::builtin().services.iter().find(|service| service.says.iter().any(|words| words == variable));
    match (owner, service) {
        // The OpenAI SDK asks for its own variable whatever provider it is used for.
        (Some(owner), _) if owner.id == "openai" && finding.provider.is_some() => {}
        (Some(owner), _) => finding.provider = Some(owner.id.clone()),
        (None, Some(service)) => {
            finding.cause = Cause::OtherService;
            finding.confidence = Confidence::Likely;
            finding.alternatives = Vec::new();
            finding.provider = None;
            finding.says.push(format!("the variable belongs to {}", service.name));
        }
        (None, None)
            if !["API_KEY", "APIKEY", "API_TOKEN", "LLM", "AI_"].iter().any(|part| variable.contains(part)) =>
        {
            return None;
        }
        (None, None) => {}
    }
    Some(finding)
}

/// Another service's refusal: its own words, or its address beside a refusing status.
fn service(observation: &Observation, index: usize, by_host: bool, context: &Context<'_>) -> Option<Finding> {
    let status = context.status_near(observation.at, if by_host { BESIDE } else { NEAR });
    let refused = status.is_some_and(|(_, status)| (400..500).contains(&status));
    if by_host && !refused {
        return None;
    }
    let name = &Rules::builtin().services[index].name;
    let says = match status {
        Some((_, status)) => format!("{name} answered {status}; it is no LLM provider and has keys of its own"),
        None => format!("the words are those of {name}, which is no LLM provider and has keys of its own"),
    };
    let rank = if refused || !by_host { Rank::Sure } else { Rank::Status };
    Some(Finding::plain(observation, context, rank, Cause::OtherService, Confidence::Likely, says))
}

/// The failures in order of place, each once, the faint ones only if there is nothing else.
fn settle(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.at);
    let mut settled: Vec<Finding> = Vec::new();
    for finding in &findings {
        let outranked = findings.iter().any(|other| {
            other.rank > finding.rank
                && other.rank > Rank::Status
                && (finding.rank == Rank::Faint && other.part == finding.part || finding.rank == Rank::Bare)
        });
        if outranked
            || finding.rank == Rank::Status
                && findings.iter().any(|other| {
                    other.rank > Rank::Status && other.part == finding.part && other.at.abs_diff(finding.at) < FAR
                })
        {
            continue;
        }
        match settled.iter_mut().find(|known| known.same_as(finding)) {
            Some(known) => known.absorb(finding),
            None => settled.push(finding.clone()),
        }
    }
    let clear = settled.iter().any(|finding| finding.rank > Rank::Faint);
    let faint = |finding: &Finding| clear && finding.rank == Rank::Faint;
    settled.sort_by_key(|finding| (faint(finding), finding.at));
    settled
}

const BESIDE: usize = 200;
const NEAR: usize = 1_500;
const FAR: usize = 6_000;
