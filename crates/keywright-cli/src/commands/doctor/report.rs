//! What doctor found. Text and JSON are views of this one value.

use std::io;

use keywright::survey::{Credential, Standing, Survey};
use keywright_core::diagnosis::JSON_SCHEMA;
use keywright_core::inspect::{Finding, Place, Severity};
use keywright_core::{Diagnosis, Fingerprinter};
use serde::Serialize;
use serde_json::Value;

use super::fix::Mends;
use super::live::Live;
use super::names::{NETWORK, Name};
use crate::live_check::Answered;

/// What doctor found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The version of this shape; it changes only when a field changes meaning.
    pub(super) schema_version: u32,
    /// The worst of all checks.
    pub(super) status: Status,
    /// In the order of the catalogue, then what all share.
    pub(super) checks: Vec<Check>,
    /// Every key that was looked at.
    pub(super) credentials: Vec<KeyLine>,
    /// The worst finding as a diagnosis.
    pub(super) diagnosis: Option<Diagnosis>,
    /// What `--fix` changed, or would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mends: Option<Mends>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Nothing is wrong.
    Ok,
    /// Something is strange.
    Warn,
    /// No verdict: nobody answered.
    Unknown,
    /// Something cannot work.
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// As in `--list-checks`.
    pub(super) id: String,
    /// What a person calls it.
    #[serde(skip)]
    pub(super) title: String,
    /// How it ended.
    pub(super) status: Status,
    /// One line.
    pub(super) summary: String,
    /// The first command that mends something.
    pub(super) help: Option<String>,
    /// What was looked at, and what was seen.
    pub(super) evidence: Vec<String>,
    /// What was found, the worst first.
    pub(super) findings: Vec<Finding>,
}

/// One key, without its value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KeyLine {
    /// The check it belongs to.
    pub(super) provider: String,
    /// The provider that gets it.
    pub(super) sent_to: String,
    /// The variable, or the reference.
    pub(super) name: String,
    /// Where it stands.
    pub(super) place: Place,
    /// Its mask; `None` when there is no value.
    pub(super) masked: Option<String>,
    /// Tells two keys apart, in this report only.
    pub(super) fingerprint: Option<String>,
    /// `in_force`, `shadowed` or `unread`.
    pub(super) standing: &'static str,
    /// The place that comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shadowed_by: Option<Place>,
    /// What the provider said, with `--live`; one entry for each place that it is sent to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) live: Vec<Answered>,
}

impl Report {
    pub(super) fn new(
        checks: Vec<Check>,
        survey: &Survey,
        live: Option<&Live>,
        names: &[Name],
        fingerprinter: &Fingerprinter,
    ) -> Self {
        let answers = |at: usize| live.map(|live| live.of(at)).unwrap_or_default();
        // A key that was sent out is told, whatever was asked for.
        let wanted = |(at, credential): &(usize, &Credential)| {
            let asked_for = names.contains(&Name::Provider(credential.names_of.id.clone()));
            names.is_empty() || asked_for || !answers(*at).is_empty()
        };
        let told = |(at, key): (usize, &Credential)| KeyLine { live: answers(at), ..KeyLine::of(key, fingerprinter) };
        let status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok);
        let worst = checks
            .iter()
            .filter_map(|check| Some((check, check.findings.first()?)))
            .max_by(|(_, one), (_, other)| one.severity.cmp(&other.severity).then(std::cmp::Ordering::Greater))
            .filter(|(_, finding)| finding.severity > Severity::Note);
        Self {
            schema_version: SCHEMA_VERSION,
            status,
            credentials: survey.credentials.iter().enumerate().filter(wanted).map(told).collect(),
            diagnosis: worst.map(|(check, finding)| {
                let asked = live.and_then(|live| live.diagnosis(finding)).cloned();
                asked.unwrap_or_else(|| finding.diagnosis(check.provider()))
            }),
            checks,
            mends: None,
        }
    }

    /// The keys of one check. One that only the network check sent out is told there.
    pub(super) fn keys_of<'a>(&'a self, check: &'a Check) -> impl Iterator<Item = &'a KeyLine> {
        let homeless = |key: &KeyLine| !self.checks.iter().any(|check| check.id == key.provider);
        self.credentials.iter().filter(move |key| key.provider == check.id || check.id == NETWORK && homeless(key))
    }

    /// How many findings there are of a severity.
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.checks.iter().flat_map(|check| &check.findings).filter(|finding| finding.severity == severity).count()
    }
}

impl Check {
    /// A check with these findings.
    pub(super) fn new(id: &str, title: &str, summary: String, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let status = match findings.first().map(|finding| finding.severity) {
            None | Some(Severity::Note) => Status::Ok,
            Some(Severity::Warning) => Status::Warn,
            Some(Severity::Error) => Status::Fail,
        };
        let help = findings.iter().find_map(|finding| finding.fix.as_ref()?.command.clone());
        let evidence = findings.iter().map(evidence).collect();
        Self { id: id.to_owned(), title: title.to_owned(), status, summary, help, evidence, findings }
    }

    /// The same with more findings.
    pub(super) fn with(self, more: impl IntoIterator<Item = Finding>) -> Self {
        let findings = self.findings.into_iter().chain(more).collect();
        Self::new(&self.id, &self.title, self.summary, findings)
    }

    /// The catalogue id, or `unknown` for what all providers share.
    fn provider(&self) -> &str {
        let known = keywright_core::Catalogue::builtin().provider(&self.id);
        known.map_or("unknown", |provider| provider.id.as_str())
    }
}

fn evidence(finding: &Finding) -> String {
    match &finding.place {
        Some(place) => format!("{place}: {}", finding.says),
        None => finding.says.clone(),
    }
}

impl KeyLine {
    fn of(credential: &Credential, fingerprinter: &Fingerprinter) -> Self {
        let empty = credential.secret.expose().is_empty();
        let (standing, shadowed_by) = match &credential.standing {
            Standing::InForce => ("in_force", None),
            Standing::ShadowedBy(place) => ("shadowed", Some(place.clone())),
            Standing::Unread => ("unread", None),
        };
        Self {
            provider: credential.names_of.id.clone(),
            sent_to: credential.leads_to.id.clone(),
            name: credential.name.clone(),
            place: credential.place.clone(),
            masked: (!empty).then(|| credential.secret.masked()),
            fingerprint: (!empty).then(|| fingerprinter.fingerprint(&credential.secret).to_string()),
            standing,
            shadowed_by,
            live: Vec::new(),
        }
    }
}

/// The JSON Schema of a report. What a diagnosis is, is said once, in core.
pub(super) fn schema() -> io::Result<String> {
    let mut schema: Value = serde_json::from_str(include_str!("report.schema.json"))?;
    let diagnosis: Value = serde_json::from_str(JSON_SCHEMA)?;
    if let (Some(known), Value::Object(more)) = (schema["$defs"].as_object_mut(), &diagnosis["$defs"]) {
        known.extend(more.clone());
    }
    Ok(serde_json::to_string_pretty(&schema)?)
}

/// The version of the JSON shape of a report.
pub(super) const SCHEMA_VERSION: u32 = 1;
