//! From what is here to checks: which findings belong together, and one line about each.

use keywright::sources::Environment;
use keywright::state::{Directory, History, Remembered, StateError, Timestamp};
use keywright::survey::{Standing, Survey};
use keywright_core::diagnosis::spoken;
use keywright_core::inspect::files::FileStanding;
use keywright_core::inspect::{Finding, Place, Severity, base_url};
use keywright_core::{Catalogue, Cause, ProviderSpec};
use keywright_gateway::Config;

use super::names::{FILES, Name, STATE, SURROUNDINGS};
use super::report::Check;
use crate::error::count;

/// The checks that were asked for; all that have something to say when none was named.
pub(super) fn of(
    survey: &Survey,
    config: &Config,
    environment: &Environment,
    stand_ins: &[Remembered],
    names: &[Name],
) -> Vec<Check> {
    let mut checks: Vec<Check> = wanted(survey, config, names)
        .into_iter()
        .map(|provider| of_provider(provider, survey, config, stand_ins))
        .collect();
    let asked = |check: &'static str| names.is_empty() || names.contains(&Name::Check(check));
    if names.is_empty() && checks.is_empty() {
        checks.push(no_key_at_all(survey));
    }
    if asked(FILES) {
        checks.push(files(survey));
    }
    if asked(SURROUNDINGS) {
        checks.push(surroundings(survey));
    }
    if asked(STATE) {
        let state = state(environment);
        let told = |finding: &&Finding| {
            checks
                .iter()
                .chain([&state])
                .flat_map(|check| &check.findings)
                .any(|told| told.says.contains(&finding.says))
        };
        let untold: Vec<Finding> = survey.unopened.iter().filter(|finding| !told(finding)).cloned().collect();
        checks.push(state.with(untold));
    }
    checks
}

fn wanted(survey: &Survey, config: &Config, names: &[Name]) -> Vec<&'static ProviderSpec> {
    if names.is_empty() {
        let in_use = survey.providers_in_use();
        let configured = |id: &str| config.providers.iter().any(|settings| settings.id == id);
        let all = Catalogue::builtin().providers().iter();
        return all.filter(|spec| configured(&spec.id) || in_use.iter().any(|used| used.id == spec.id)).collect();
    }
    let asked = |spec: &&ProviderSpec| names.contains(&Name::Provider(spec.id.clone()));
    Catalogue::builtin().providers().iter().filter(asked).collect()
}

fn of_provider(provider: &'static ProviderSpec, survey: &Survey, config: &Config, stand_ins: &[Remembered]) -> Check {
    let keys: Vec<_> = survey.keys_of(&provider.id).collect();
    let mut findings: Vec<Finding> = Vec::new();
    for key in &keys {
        let new = key.findings.iter().filter(|finding| !findings.contains(finding));
        // What another place overrides does no harm.
        let lesser = |finding: &Finding| match key.standing {
            Standing::InForce => finding.clone(),
            Standing::ShadowedBy(_) | Standing::Unread => lowered(finding),
        };
        findings.extend(new.map(lesser).collect::<Vec<_>>());
    }
    let own = survey.findings.iter().filter(|(owner, _)| owner.id == provider.id);
    findings.extend(own.map(|(_, finding)| finding.clone()));
    findings.extend(configured_base_url(provider, config));
    findings.extend(stand_ins.iter().filter(|key| key.provider == provider.id).map(stand_in));
    let in_force = keys.iter().filter(|key| key.standing == Standing::InForce).count();
    if in_force == 0 && !findings.iter().any(|finding| finding.severity == Severity::Error) {
        findings.extend(survey.missing(provider));
    } else {
        findings.extend_from_slice(survey.unopened_for(provider));
    }
    let summary = if in_force == 0 { "no key".to_owned() } else { count(in_force, "key") };
    Check::new(&provider.id, &provider.name, summary, findings)
}

/// The gateway serves with a key that its source does not give any more.
fn stand_in(key: &Remembered) -> Finding {
    let Remembered { masked, reference, scope, .. } = key;
    let ago = spoken(key.last_good.until(Timestamp::now()));
    let says = format!(
        "the last known good key {masked} serves in the place of what {reference} gives in {scope}; it was good {ago} ago"
    );
    Finding::warning(Cause::EnvNotLoaded, says)
}

/// A defect of a value that no program sees is worth a warning at most.
fn lowered(finding: &Finding) -> Finding {
    Finding { severity: finding.severity.min(Severity::Warning), ..finding.clone() }
}

/// The base URL that keywright.toml gives a provider. The gateway takes it with or without the usual ending.
fn configured_base_url(provider: &ProviderSpec, config: &Config) -> Vec<Finding> {
    let settings = config.providers.iter().find(|settings| settings.id == provider.id);
    let Some(url) = settings.and_then(|settings| settings.base_url.as_deref()) else {
        return Vec::new();
    };
    let endings: Vec<&str> = [provider.http.sdk_base.as_str(), ""].into_iter().collect();
    let place = Place::file(format!("base_url of {} in the configuration", provider.id));
    let findings = base_url::inspect_url(url, provider, &endings).into_iter();
    findings.map(|finding| Finding { fix: None, ..finding }.in_place(&place)).collect()
}

fn no_key_at_all(survey: &Survey) -> Check {
    let provider = Catalogue::builtin().providers().first().map_or("unknown", |provider| provider.id.as_str());
    let finding = survey.nowhere("a key of any provider is set", provider);
    Check::new("keys", "Keys", "none".to_owned(), vec![finding])
}

fn files(survey: &Survey) -> Check {
    let findings = survey.files.iter().filter(|file| file.facts.standing == FileStanding::Read);
    let findings: Vec<Finding> = findings.flat_map(|file| file.findings.clone()).collect();
    let read: Vec<String> = survey
        .files
        .iter()
        .filter(|file| file.facts.standing == FileStanding::Read)
        .map(|file| match &file.contents {
            Ok(contents) => format!("{} ({})", file.facts.path, count(contents.entries.len(), "variable")),
            Err(_) => format!("{} (not read)", file.facts.path),
        })
        .collect();
    let summary = if read.is_empty() { "no .env here".to_owned() } else { read.join(", ") };
    Check::new(FILES, "Dotenv files", summary, findings)
}

fn surroundings(survey: &Survey) -> Check {
    let findings = survey.surroundings.clone();
    let proxies = findings.iter().filter(|finding| finding.cause == Cause::Proxy).count();
    let summary = if proxies == 0 { "no proxy".to_owned() } else { count(proxies, "proxy setting") };
    Check::new(SURROUNDINGS, "Surroundings", summary, findings)
}

/// What this installation remembers. What others can read is not used, and a ledger that cannot be opened remembers nothing.
fn state(environment: &Environment) -> Check {
    let directory = match Directory::of(environment) {
        Ok(directory) => directory,
        // A service without a home has none by intent.
        Err(StateError::NoHome) => return Check::new(STATE, "State", "none: HOME is not set".to_owned(), Vec::new()),
        Err(error) => return Check::new(STATE, "State", "none".to_owned(), vec![unusable(&error)]),
    };
    let mut problems = directory.exposed();
    let opened = if problems.is_empty() { History::open_existing(&directory).err() } else { None };
    problems.extend(opened);
    let there = directory.path().is_dir();
    let summary = if there { directory.path().display().to_string() } else { "nothing is remembered yet".to_owned() };
    Check::new(STATE, "State", summary, problems.iter().map(unusable).collect())
}

fn unusable(error: &StateError) -> Finding {
    let (cause, says) = match error {
        StateError::OpenToOthers { .. } => {
            (Cause::LeakedAndAutoDisabled, format!("{error}, so keywright does not use it"))
        }
        _ => (Cause::Other, format!("nothing is remembered: {error}")),
    };
    Finding { fix: error.fix(), ..Finding::warning(cause, says) }
}
