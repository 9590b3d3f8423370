//! `--live`: what the providers say about each key in force, and why one says nothing.

mod plan;

use std::collections::BTreeSet;
use std::time::Duration;

use keywright::sources::Resolver;
use keywright::survey::Survey;
use keywright_core::Diagnosis;
use keywright_core::inspect::Finding;
use keywright_gateway::Config;

use super::names::{NETWORK, Name};
use super::report::{Check, Status};
use crate::error::count;
use crate::live_check::{self, Answered, Word};
use crate::terminal::Terminal;

/// What asking showed.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// By the key's place in the survey.
    answers: Vec<(usize, Answered)>,
    /// What was found about keys: the check it belongs to, and the finding.
    about_keys: Vec<(String, Finding)>,
    /// The findings as diagnoses.
    diagnoses: Vec<(Finding, Diagnosis)>,
}

/// Asks every provider about the keys of it that are in force, all at the same time.
pub(super) async fn look(
    survey: &Survey,
    config: &Config,
    names: &[Name],
    resolver: &Resolver,
    limit: Duration,
    terminal: &Terminal,
) -> Live {
    let (keys, planned) = plan::of(survey, config, names, resolver.environment());
    let answers = live_check::ask(&planned, limit, resolver, terminal).await;
    let mut live = Live::default();
    for (at, answer) in keys.into_iter().zip(answers) {
        live.take(at, answer, survey);
    }
    live
}

impl Live {
    fn take(&mut self, at: usize, answer: Answered, survey: &Survey) {
        match (&answer.finding, survey.credentials.get(at)) {
            (Some(finding), _) if answer.outcome == Word::NoVerdict => {
                self.diagnoses.extend(answer.diagnosis.clone().map(|diagnosis| (finding.clone(), diagnosis)));
            }
            // What the provider said about a key stands at every place of the key.
            (Some(finding), Some(key)) => {
                let finding = finding.clone().in_place(&key.place);
                let said = answer.diagnosis.clone();
                let diagnosis = said.unwrap_or_else(|| live_check::seen_by_probe(&key.leads_to.id, &finding));
                self.diagnoses.push((finding.clone(), diagnosis));
                self.about_keys.push((key.names_of.id.clone(), finding));
            }
            _ => {}
        }
        self.answers.push((at, answer));
    }

    /// What was said about the key at this place of the survey.
    pub(super) fn of(&self, at: usize) -> Vec<Answered> {
        self.answers.iter().filter(|(of, _)| *of == at).map(|(_, answer)| answer.clone()).collect()
    }

    /// The diagnosis behind a finding of the live check.
    pub(super) fn diagnosis(&self, finding: &Finding) -> Option<&Diagnosis> {
        self.diagnoses.iter().find(|(known, _)| known == finding).map(|(_, diagnosis)| diagnosis)
    }

    /// Adds what was found to the checks of the providers, and the check of the way to them.
    pub(super) fn add_to(&self, checks: Vec<Check>, survey: &Survey) -> Vec<Check> {
        let unanswered = |check: &Check| {
            let keys = self.answers.iter().filter(|(_, answer)| answer.outcome == Word::NoVerdict);
            keys.filter_map(|(at, _)| survey.credentials.get(*at)).any(|key| key.names_of.id == check.id)
        };
        let extended = checks.into_iter().map(|check| {
            let own = self.about_keys.iter().filter(|(id, _)| *id == check.id).map(|(_, finding)| finding.clone());
            let own: Vec<Finding> = own.collect();
            let mut check = check.with(own);
            if unanswered(&check) {
                check.status = check.status.max(Status::Unknown);
            }
            check
        });
        extended.chain([self.network()]).collect()
    }

    fn network(&self) -> Check {
        let answers = || self.answers.iter().map(|(_, answer)| answer);
        let number = |word: Word| answers().filter(|answer| answer.outcome == word).count();
        let hosts: BTreeSet<&str> = answers().filter_map(|answer| answer.host.as_deref()).collect();
        let (silent, not_asked) = (number(Word::NoVerdict), number(Word::NotAsked));
        let asked = self.answers.len() - not_asked;
        let told = |number: usize, words: &str| if number > 0 { format!(", {number} {words}") } else { String::new() };
        let summary = format!(
            "{} asked about at {}{}{}",
            count(asked, "key"),
            count(hosts.len(), "host"),
            told(silent, "without a verdict"),
            told(not_asked, "not asked about"),
        );
        let mut check = Check::new(NETWORK, "Network", summary, live_check::on_the_way(answers()));
        if silent > 0 {
            check.status = Status::Unknown;
        }
        check
    }
}
