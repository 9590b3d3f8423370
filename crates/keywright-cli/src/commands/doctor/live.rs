//! `--live`: one free question to the provider about each key in force, and why one was not answered.

mod plan;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keywright::probe::{Probed, Target, ask};
use keywright::sources::Resolver;
use keywright::state::{Directory, History, Timestamp};
use keywright::survey::{Survey, network};
use keywright_core::inspect::live::{Judged, Outcome, judge};
use keywright_core::inspect::reach::{Destination, Trouble, clock, explain};
use keywright_core::inspect::{Finding, Place};
use keywright_core::{Diagnosis, Witness};
use keywright_gateway::Config;
use serde::Serialize;
use tokio::task::JoinSet;

use self::plan::{Plan, Question};
use super::names::{NETWORK, Name};
use super::report::{Check, Status};
use crate::error::count;
use crate::terminal::Terminal;

/// What asking showed.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// By the key's place in the survey.
    answers: Vec<(usize, LiveLine)>,
    /// What was found about keys: the check it belongs to, and the finding.
    about_keys: Vec<(String, Finding)>,
    /// What was found about the way to the providers.
    about_network: Vec<Finding>,
    /// The same findings as diagnoses.
    diagnoses: Vec<(Finding, Diagnosis)>,
    /// Who was asked.
    hosts: BTreeSet<String>,
}

/// What one provider said about one key.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LiveLine {
    /// Where the question went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<String>,
    /// How it ended.
    pub(super) outcome: Word,
    /// The last status that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// Why it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) says: Option<String>,
    /// What the refusal means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diagnosis: Option<Diagnosis>,
}

/// How asking about one key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// It works.
    Works,
    /// It is refused.
    Refused,
    /// No answer says anything about it.
    NoVerdict,
    /// It was not sent.
    NotAsked,
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
    let plan = Plan::of(survey, config, names, resolver, limit);
    let mut live = Live::default();
    for (at, says) in plan.skipped {
        live.answers.push((at, LiveLine { says: Some(says), ..LiveLine::of(Word::NotAsked) }));
    }
    let mut history =
        Directory::of(resolver.environment()).ok().and_then(|place| History::open_existing(&place).ok()?);
    let total = plan.questions.len();
    let mut asked = JoinSet::new();
    for question in plan.questions {
        asked.spawn(async move {
            let probed = put(&question, limit).await;
            (question, probed)
        });
    }
    terminal.progress(Some(&format!("asking about {}", count(total, "key"))));
    while let Some(ended) = asked.join_next().await {
        let Ok((question, probed)) = ended else { continue };
        live.take(&question, &probed, survey, resolver, history.as_mut());
        terminal.progress(Some(&format!("asked about {} of {}", total - asked.len(), count(total, "key"))));
    }
    terminal.progress(None);
    live.answers.sort_by_key(|(at, _)| *at);
    live
}

/// What came of a question, or why it was not put.
type Answered = Result<Probed, Trouble>;

async fn put(question: &Question, limit: Duration) -> Answered {
    let connector = question.connector.as_ref().map_err(Clone::clone)?;
    let target =
        Target { provider: question.spec, origin: &question.origin, key: &question.secret, headers: &question.headers };
    Ok(ask(connector, &target, limit).await)
}

impl Live {
    fn take(
        &mut self,
        question: &Question,
        answered: &Answered,
        survey: &Survey,
        resolver: &Resolver,
        history: Option<&mut History>,
    ) {
        self.hosts.insert(question.origin.host().to_owned());
        let asked = Some(question.origin.to_string());
        let trouble = match answered {
            Err(trouble) => Some(trouble.clone()),
            Ok(probed) => probed.error.as_ref().and_then(keywright::probe::ProbeError::trouble),
        };
        if let Some(trouble) = trouble {
            let finding = unreached(question, &trouble, resolver);
            self.no_verdict(question, &finding);
            return self.note(question, &LiveLine { asked, ..LiveLine::of(Word::NoVerdict) });
        }
        let Ok(probed) = answered else { return };
        let offset = probed.clock_ahead.and_then(|ahead| clock(ahead, &question.spec.name));
        self.about_network.extend(offset);
        let known = question.credentials.first().and_then(|at| survey.credentials.get(*at));
        let judged = judge(question.spec, probed.look, &probed.heard, known.map_or(&[], |key| &key.findings));
        let judged = with_history(judged, question, history);
        let status = probed.heard.last().map(|answer| answer.status);
        let diagnosis = judged.diagnosis.clone();
        self.note(question, &LiveLine { asked, status, diagnosis, ..LiveLine::of(judged.outcome.into()) });
        match (judged.outcome, &judged.finding) {
            (Outcome::NoVerdict, Some(finding)) => {
                let place = Place::file(question.origin.to_string());
                self.no_verdict(question, &finding.clone().in_place(&place));
            }
            (_, Some(finding)) => self.found(question, finding, judged.diagnosis.as_ref(), survey),
            (_, None) => {}
        }
    }

    fn note(&mut self, question: &Question, line: &LiveLine) {
        self.answers.extend(question.credentials.iter().map(|at| (*at, line.clone())));
    }

    /// What the provider said about a key stands at every place of the key.
    fn found(&mut self, question: &Question, finding: &Finding, diagnosis: Option<&Diagnosis>, survey: &Survey) {
        for credential in question.credentials.iter().filter_map(|at| survey.credentials.get(*at)) {
            let finding = finding.clone().in_place(&credential.place);
            let diagnosis = diagnosis.cloned().unwrap_or_else(|| seen_by_probe(question, &finding));
            self.diagnoses.push((finding.clone(), diagnosis));
            self.about_keys.push((credential.names_of.id.clone(), finding));
        }
    }

    /// One finding a host, however many keys it was asked about.
    fn no_verdict(&mut self, question: &Question, finding: &Finding) {
        if self.about_network.contains(finding) {
            return;
        }
        self.about_network.push(finding.clone());
        self.diagnoses.push((finding.clone(), seen_by_probe(question, finding)));
    }

    /// What was said about the key at this place of the survey.
    pub(super) fn of(&self, at: usize) -> Vec<LiveLine> {
        self.answers.iter().filter(|(of, _)| *of == at).map(|(_, line)| line.clone()).collect()
    }

    /// The diagnosis behind a finding of the live check.
    pub(super) fn diagnosis(&self, finding: &Finding) -> Option<&Diagnosis> {
        self.diagnoses.iter().find(|(known, _)| known == finding).map(|(_, diagnosis)| diagnosis)
    }

    /// Adds what was found to the checks of the providers, and the check of the way to them.
    pub(super) fn add_to(&self, checks: Vec<Check>, survey: &Survey) -> Vec<Check> {
        let unanswered = |check: &Check| {
            let keys = self.answers.iter().filter(|(_, line)| line.outcome == Word::NoVerdict);
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
        let number = |word: Word| self.answers.iter().filter(|(_, line)| line.outcome == word).count();
        let (silent, not_asked) = (number(Word::NoVerdict), number(Word::NotAsked));
        let asked = self.answers.len() - not_asked;
        let told = |number: usize, words: &str| if number > 0 { format!(", {number} {words}") } else { String::new() };
        let summary = format!(
            "{} asked about at {}{}{}",
            count(asked, "key"),
            count(self.hosts.len(), "host"),
            told(silent, "without a verdict"),
            told(not_asked, "not asked about"),
        );
        let mut check = Check::new(NETWORK, "Network", summary, self.about_network.clone());
        if silent > 0 {
            check.status = Status::Unknown;
        }
        check
    }
}

/// Why the host of a question gave no answer.
fn unreached(question: &Question, trouble: &Trouble, resolver: &Resolver) -> Finding {
    let to = Destination {
        provider: &question.spec.name,
        host: question.origin.host(),
        port: question.origin.port(),
        encrypted: question.origin.is_encrypted(),
        way: &question.way,
        trust: network::trust_variable(resolver.environment()),
        now: SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()),
    };
    explain(trouble, &to)
}

/// What asking showed, as a diagnosis.
fn seen_by_probe(question: &Question, finding: &Finding) -> Diagnosis {
    let mut diagnosis = finding.diagnosis(&question.spec.id);
    for evidence in &mut diagnosis.evidence {
        evidence.witness = Witness::Probe;
    }
    diagnosis
}

/// A key that served before was not mistyped: this installation's ledger knows.
fn with_history(judged: Judged, question: &Question, history: Option<&mut History>) -> Judged {
    let known = || history?.known(&question.spec.id, &question.secret).ok().flatten();
    let (Some(diagnosis), Some(entry)) = (&judged.diagnosis, known()) else {
        return judged;
    };
    let Some(good) = entry.last_good else { return judged };
    let ago = good.until(entry.first_bad.unwrap_or_else(Timestamp::now));
    let diagnosis = diagnosis.clone().with_history(entry.served, ago);
    let said: Vec<&str> = diagnosis.evidence.iter().map(|evidence| evidence.says.as_str()).collect();
    let finding = judged.finding.map(|finding| Finding {
        cause: diagnosis.cause,
        says: format!("{}: {}", diagnosis.title(), said.join("; ")),
        fix: diagnosis.fixes.first().cloned(),
        ..finding
    });
    Judged { finding, diagnosis: Some(diagnosis), ..judged }
}

impl From<Outcome> for Word {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Works => Self::Works,
            Outcome::Refused => Self::Refused,
            Outcome::NoVerdict => Self::NoVerdict,
        }
    }
}

impl LiveLine {
    const fn of(outcome: Word) -> Self {
        Self { asked: None, outcome, status: None, says: None, diagnosis: None }
    }

    /// In a few words, for the line of the key.
    pub(super) fn told(&self) -> String {
        match (self.outcome, &self.says) {
            (Word::Works, _) => "works".to_owned(),
            (Word::Refused, _) => "refused".to_owned(),
            (Word::NoVerdict, _) => "no verdict".to_owned(),
            (Word::NotAsked, Some(why)) => format!("not asked: {why}"),
            (Word::NotAsked, None) => "not asked".to_owned(),
        }
    }
}
