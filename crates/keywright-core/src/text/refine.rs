//! What stands beside a finding can say more than the finding: it narrows it, or explains it away.

use super::context::Context;
use super::finding::{Finding, Rank};
use super::observe::What;
use crate::catalogue::Catalogue;
use crate::cause::{Cause, Verdict};
use crate::diagnosis::Confidence;

/// Lets what is beside a finding narrow it.
pub(super) fn refine(findings: &mut Vec<Finding>, context: &Context<'_>) {
    pasted_assignments(findings, context);
    other_tails(findings, context);
    unloaded_variables(findings, context);
    shown_requests(findings);
    other_services(findings);
    published_models(findings, context);
    base_urls(findings, context);
    refused_connections(findings, context);
}

/// A pasted assignment with another vendor's key explains that provider's refusal.
fn pasted_assignments(findings: &mut [Finding], context: &Context<'_>) {
    for observation in context.all() {
        let What::Assignment { provider, meaning } = &observation.what else {
            continue;
        };
        let refused = findings.iter_mut().filter(|finding| finding.cause == Cause::InvalidKey);
        for finding in refused.filter(|finding| finding.provider.as_deref() == Some(provider)) {
            finding.cause = meaning.cause;
            finding.confidence = meaning.confidence;
            finding.says.push(meaning.says.clone());
        }
    }
}

/// A base URL that the text sets belongs to one provider, and another one answers: the setting was not read.
fn base_urls(findings: &mut [Finding], context: &Context<'_>) {
    let set = context.all().iter().find_map(|observation| match &observation.what {
        What::BaseUrl(provider) => Some(*provider),
        _ => None,
    });
    let Some(meant) = set else {
        return;
    };
    let refused = |finding: &&mut Finding| {
        matches!(finding.cause, Cause::InvalidKey | Cause::WrongProviderKey | Cause::NotAKeyValue)
    };
    for finding in findings.iter_mut().filter(refused) {
        if finding.rank == Rank::Answer && finding.answered_by.is_some_and(|answered| answered != meant) {
            finding.cause = Cause::WrongBaseUrl;
            finding.confidence = Confidence::Likely;
            finding.provider = Some(meant.to_owned());
            finding.alternatives = vec![Cause::WrongProviderKey, Cause::EnvNotLoaded];
            finding
                .says
                .push("the base URL that the text sets is of another provider than the one that answered".to_owned());
        }
    }
}

/// Providers' own addresses refuse no connection. Something before them does, unless the text names a local one.
fn refused_connections(findings: &mut [Finding], context: &Context<'_>) {
    for finding in findings.iter_mut().filter(|finding| finding.refused_connection) {
        let local = context.nearest(finding.at, NEAR, |what| matches!(what, What::Local).then_some(())).is_some();
        let spec = finding.provider.as_deref().and_then(|id| Catalogue::builtin().provider(id));
        if !local && spec.is_some_and(|spec| !spec.http.hosts.is_empty()) {
            finding.cause = Cause::Proxy;
            finding.alternatives = vec![Cause::Network, Cause::WrongBaseUrl];
            finding.says.push("a provider's own address refuses no connection, so a proxy or firewall did".to_owned());
        }
    }
}

/// Who writes that the key ends otherwise than the echo has changed it somewhere that the program does not read.
fn other_tails(findings: &mut [Finding], context: &Context<'_>) {
    let told = context.all().iter().find_map(|observation| match &observation.what {
        What::Tail(tail) => Some(tail),
        _ => None,
    });
    let Some(told) = told else {
        return;
    };
    for finding in findings.iter_mut().filter(|finding| finding.cause == Cause::InvalidKey) {
        if finding.echo_tail().is_some_and(|tail| tail != told) {
            finding.cause = Cause::StaleValueOverrides;
            finding
                .says
                .push("the key that arrived ends in other characters than the one the text speaks of".to_owned());
        }
    }
}

/// `docker compose` or a shell that did not set the variable explains the missing key that follows.
fn unloaded_variables(findings: &mut Vec<Finding>, context: &Context<'_>) {
    let unset = findings.iter().any(|finding| finding.cause == Cause::EnvNotLoaded);
    for finding in findings.iter_mut().filter(|finding| finding.cause == Cause::MissingKey) {
        let outside = |what: &What| matches!(what, What::CommentedOut(name) if finding.variable.as_ref() == Some(name));
        if !unset && context.all().iter().any(|seen| outside(&seen.what)) {
            finding.cause = Cause::EnvNotLoaded;
            finding.says.push("the text shows the variable behind a #, where no loader reads it".to_owned());
        }
    }
    let follows = |finding: &Finding| matches!(finding.cause, Cause::MissingKey | Cause::EmptyKey);
    if !unset {
        return;
    }
    let provider = findings.iter().find(|finding| follows(finding)).and_then(|finding| finding.provider.clone());
    findings.retain(|finding| !follows(finding));
    for finding in findings.iter_mut().filter(|finding| finding.cause == Cause::EnvNotLoaded) {
        if finding.provider.is_none() {
            finding.provider.clone_from(&provider);
        }
    }
}

/// A shown request, and the exporter's own words, explain the refusal beside them.
fn shown_requests(findings: &mut Vec<Finding>) {
    let owners: Vec<(usize, Option<String>)> = findings
        .iter()
        .filter(|finding| finding.cause == Cause::WrongProviderKey)
        .map(|finding| (finding.at, finding.provider.clone()))
        .collect();
    for finding in findings.iter_mut().filter(|finding| finding.cause == Cause::HiddenDefaultProvider) {
        if let Some((_, owner)) = owners.iter().find(|(at, _)| at.abs_diff(finding.at) < NEAR) {
            finding.provider.clone_from(owner);
        }
    }
    let explains: Vec<(usize, usize, Cause)> = findings
        .iter()
        .filter(|finding| finding.rank == Rank::Header || finding.cause == Cause::HiddenDefaultProvider)
        .map(|finding| (finding.part, finding.at, finding.cause))
        .collect();
    findings.retain(|finding| {
        let refused = matches!(
            finding.cause,
            Cause::InvalidKey
                | Cause::MissingKey
                | Cause::HeaderMalformed
                | Cause::WrongProviderKey
                | Cause::TruncatedOrMistyped
                | Cause::EmptyKey
                | Cause::BadRequest
        );
        let weaker = finding.rank != Rank::Header && refused;
        !(weaker
            && explains.iter().any(|(part, at, cause)| {
                *part == finding.part
                    && *cause != finding.cause
                    && (*cause != Cause::HiddenDefaultProvider || finding.at.abs_diff(*at) < NEAR)
            }))
    });
}

/// A service that is named by its own words is whose key is refused, unless a provider answers beside it.
fn other_services(findings: &mut Vec<Finding>) {
    let places: Vec<(usize, usize)> = findings
        .iter()
        .filter(|finding| finding.cause == Cause::OtherService && finding.rank == Rank::Sure)
        .map(|finding| (finding.part, finding.at))
        .collect();
    findings.retain(|finding| {
        let vague = finding.rank <= Rank::Status || finding.rank == Rank::Sure && finding.cause == Cause::MissingKey;
        let beside = |(part, at): &(usize, usize)| *part == finding.part && at.abs_diff(finding.at) < NEAR;
        finding.cause == Cause::OtherService || !vague || !places.iter().any(beside)
    });
}

/// "Does not exist or you do not have access": a name that OpenAI has published does exist, or did.
fn published_models(findings: &mut [Finding], context: &Context<'_>) {
    for finding in
        findings.iter_mut().filter(|finding| finding.cause == Cause::ModelNotFound && finding.either_model_or_access)
    {
        let model = context.nearest(finding.at, NEAR, |what| match what {
            What::Model(model) => Some(model.clone()),
            _ => None,
        });
        if model.is_some_and(|model| PUBLISHED.iter().any(|family| model.starts_with(family))) {
            finding.cause = Cause::ModelNotEntitled;
            finding.verdict = Some(Verdict::Auth);
            finding.alternatives.insert(0, Cause::ModelNotFound);
            finding.says.push(
                "the name is of a family that OpenAI has published: this key may not use it, or it was retired"
                    .to_owned(),
            );
        }
    }
}

/// Families of model names that OpenAI has published.
const PUBLISHED: &[&str] = &[
    "gpt-",
    "o1",
    "o3",
    "o4",
    "chatgpt-",
    "text-davinci",
    "davinci",
    "babbage",
    "text-embedding",
    "dall-e",
    "whisper",
    "tts-",
    "codex",
    "code-",
];
const NEAR: usize = 1_500;
