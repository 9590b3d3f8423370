//! The keys of a configuration, read once before the gateway starts or takes over another configuration.

use std::path::Path;

use futures_util::future::join_all;
use keywright::sources::{Found, Miss, Reference, Resolver};
use keywright::state::Memory;
use keywright_core::Cause;
use keywright_gateway::{Config, KeySettings, ProviderSettings};

use crate::gate::Searched;
use crate::key_report::{KeyReport, KeySeen};
use crate::live_check::{self, PATIENCE, Planned, Question};
use crate::memory;
use crate::terminal::Terminal;

/// One key of the configuration.
struct Looked<'a> {
    provider: &'a ProviderSettings,
    found: Option<Found>,
    seen: KeySeen,
}

/// Reads every key, for the report and for the redactor; with `live`, the providers are asked about those that are used.
pub(super) async fn keys(
    config: &Config,
    live: bool,
    resolver: &Resolver,
    memory: Option<&Memory>,
    terminal: &Terminal,
) -> KeyReport {
    resolver.adopt(&config.sources);
    let mut all: Vec<Looked<'_>> = Vec::new();
    for provider in &config.providers {
        let reads = provider.keys.iter().map(|key| find(&key.reference, resolver));
        let read = join_all(reads).await;
        all.extend(provider.keys.iter().zip(read).filter_map(|(key, found)| seen(provider, key, found, memory)));
    }
    terminal.guard(&all.iter().filter_map(|key| Some(&key.found.as_ref()?.secret)).collect::<Vec<_>>());
    if live {
        ask(&mut all, resolver, terminal).await;
    }
    for key in &mut all {
        if let Some(found) = &key.found {
            memory::recall(memory, &key.provider.id, found, &mut key.seen);
        }
    }
    KeyReport { keys: all.into_iter().map(|key| key.seen).collect() }
}

fn seen<'a>(
    provider: &'a ProviderSettings,
    key: &KeySettings,
    found: Result<Found, Miss>,
    memory: Option<&Memory>,
) -> Option<Looked<'a>> {
    let spec = provider.spec()?;
    Some(match found {
        Ok(found) => Looked { provider, seen: KeySeen::inspected(spec, &found), found: Some(found) },
        Err(miss) => match stand_in(&provider.id, &key.reference, &miss, memory) {
            Some(found) => Looked { provider, seen: KeySeen::standing_in(spec, &found, &miss), found: Some(found) },
            None => Looked { provider, seen: KeySeen::missing_as(key, &provider.id, &miss)?, found: None },
        },
    })
}

/// Each provider is asked the way that the gateway goes.
async fn ask(all: &mut [Looked<'_>], resolver: &Resolver, terminal: &Terminal) {
    let mut used: Vec<(&mut KeySeen, Planned)> = Vec::new();
    for Looked { provider, found, seen } in all {
        if let Some(found) = found.as_ref().filter(|_| seen.usable()) {
            let question = live_check::configured(provider, &found.secret, resolver.environment());
            let question = question.map(|question| question.knowing(&seen.findings)).map(Question::past_proxies);
            used.push((seen, question));
        }
    }
    let (used, planned): (Vec<_>, Vec<_>) = used.into_iter().unzip();
    let answers = live_check::ask(&planned, PATIENCE, resolver, terminal).await;
    for (seen, answered) in used.into_iter().zip(answers) {
        seen.heard(answered);
    }
}

async fn find(reference: &str, resolver: &Resolver) -> Result<Found, Miss> {
    // The configuration was checked, so every reference can be read.
    let reference: Reference = reference.parse().map_err(|_| Miss::default())?;
    resolver.resolve_recent(&reference).await
}

fn stand_in(provider: &str, reference: &str, miss: &Miss, memory: Option<&Memory>) -> Option<Found> {
    memory?.stand_in(provider, &reference.parse().ok()?, miss)
}

/// Where the keys of a provider were looked for: the gateway knows no place but its configuration.
pub(super) fn searched(provider: &str, report: &KeyReport, file: &Path) -> Searched {
    let file = file.display().to_string();
    let references: Vec<&str> = report.of(provider).map(|key| key.reference.as_str()).collect();
    if references.is_empty() {
        let says = format!("{file} names no key of {provider}");
        return Searched { places: file, cause: Cause::MissingKey, says: vec![says] };
    }
    Searched { places: references.join(", "), cause: Cause::MissingKey, says: Vec::new() }
}
