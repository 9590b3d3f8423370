//! The live check of every command: one free question about each key, and what the answer means.

mod question;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use futures_util::stream;
use keywright::probe::{ProbeError, Probed};
use keywright::sources::Resolver;
use keywright::state::{Directory, History, Timestamp};
use keywright::survey::network;
use keywright_core::inspect::live::{Judged, Outcome, judge};
use keywright_core::inspect::reach::{Destination, Trouble, clock, explain};
use keywright_core::inspect::{Finding, Place, Severity};
use keywright_core::ring::Look;
use keywright_core::{Diagnosis, Witness};
use serde::Serialize;

pub(crate) use self::question::{Question, configured};
use crate::diagnosis;
use crate::error::count;
use crate::terminal::{Role, Terminal, paint};

/// A question, or why there is none: the key would be shown to others, or has nowhere to go.
pub(crate) type Planned = Result<Question, String>;

/// What one provider said about one key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answered {
    /// Where the question went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<String>,
    /// How it ended.
    pub(crate) outcome: Word,
    /// The last status that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Why it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) says: Option<String>,
    /// What a refusal means, or why nobody said anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diagnosis: Option<Diagnosis>,
    /// What was found about the key; without a verdict, about the way to the provider.
    #[serde(skip)]
    pub(crate) finding: Option<Finding>,
    /// The clock of this machine, when it is wrong.
    #[serde(skip)]
    pub(crate) clock: Option<Finding>,
    /// The host that was asked.
    #[serde(skip)]
    pub(crate) host: Option<String>,
    /// The same for the history and the ring.
    #[serde(skip)]
    pub(crate) look: Look,
}

/// How asking about one key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// It works.
    Works,
    /// It is refused.
    Refused,
    /// No answer says anything about it.
    NoVerdict,
    /// It was not sent.
    NotAsked,
}

/// Asks about every key, many at the same time; each question ends within `limit`. One answer for each that was planned, in
/// their order. A key that several plans send to one place is sent there once.
pub(crate) async fn ask(
    planned: &[Planned],
    limit: Duration,
    resolver: &Resolver,
    terminal: &Terminal,
) -> Vec<Answered> {
    let mut distinct: Vec<&Question> = Vec::new();
    for question in planned.iter().flatten() {
        if !distinct.iter().any(|known| known.is_same(question)) {
            distinct.push(question);
        }
    }
    let total = count(distinct.len(), "key");
    let asked = distinct.into_iter().map(|question| async move { (question, question.put(limit).await) });
    let mut asked = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut heard: Vec<(&Question, Heard)> = Vec::new();
    loop {
        terminal.progress(Some(&format!("asked about {} of {total}", heard.len())));
        match asked.next().await {
            Some(answer) => heard.push(answer),
            None => break,
        }
    }
    terminal.progress(None);
    let mut history =
        Directory::of(resolver.environment()).ok().and_then(|place| History::open_existing(&place).ok()?);
    let answer = |planned: &Planned| match planned {
        Err(why) => Answered::not_asked(why.clone()),
        Ok(question) => match heard.iter().find(|(asked, _)| asked.is_same(question)) {
            Some((_, heard)) => Answered::of(question, heard, resolver, history.as_mut()),
            None => Answered::new(Word::NoVerdict),
        },
    };
    planned.iter().map(answer).collect()
}

/// What was found about the way to the providers: one finding a host, however many keys it was asked about.
pub(crate) fn on_the_way<'a>(answers: impl IntoIterator<Item = &'a Answered>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for answer in answers {
        let silent = answer.finding.as_ref().filter(|_| answer.outcome == Word::NoVerdict);
        let new = answer.clock.iter().chain(silent).filter(|finding| !findings.contains(finding));
        findings.extend(new.cloned().collect::<Vec<_>>());
    }
    findings
}

/// Tells a person why keys have no verdict. It is a warning: what was to be done goes on.
pub(crate) fn tell_unanswered<'a>(answers: impl IntoIterator<Item = &'a Answered> + Clone, terminal: &Terminal) {
    let mut untold: Vec<&str> = answers.clone().into_iter().filter_map(|answer| answer.says.as_deref()).collect();
    untold.dedup();
    for why in untold {
        terminal.tell(format_args!("{} a key was not asked about: {why}", paint(Role::Warning, "warning:")));
    }
    for finding in on_the_way(answers) {
        let finding = Finding { severity: Severity::Warning.min(finding.severity), ..finding };
        for line in diagnosis::finding_lines(&finding) {
            terminal.tell(line);
        }
    }
}

/// A finding of the live check as a diagnosis.
pub(crate) fn seen_by_probe(provider: &str, finding: &Finding) -> Diagnosis {
    let mut diagnosis = finding.diagnosis(provider);
    for evidence in &mut diagnosis.evidence {
        evidence.witness = Witness::Probe;
    }
    diagnosis
}

/// What came of a question, or why it was not put.
type Heard = Result<Probed, Trouble>;

impl Answered {
    const fn new(outcome: Word) -> Self {
        Self {
            asked: None,
            outcome,
            status: None,
            says: None,
            diagnosis: None,
            finding: None,
            clock: None,
            host: None,
            look: Look::Unknown,
        }
    }

    /// A key that is not sent anywhere, and why.
    pub(crate) fn not_asked(why: String) -> Self {
        Self { says: Some(why), ..Self::new(Word::NotAsked) }
    }

    fn of(question: &Question, heard: &Heard, resolver: &Resolver, history: Option<&mut History>) -> Self {
        let host = Some(question.origin.host().to_owned());
        let answered = Self { asked: Some(question.origin.to_string()), host, ..Self::new(Word::NoVerdict) };
        let trouble = match heard {
            Err(trouble) => Some(trouble.clone()),
            Ok(probed) => probed.error.as_ref().and_then(ProbeError::trouble),
        };
        match (trouble, heard) {
            (Some(trouble), _) => answered.silent(question, unreached(question, &trouble, resolver)),
            (None, Ok(probed)) => answered.heard(question, probed, history),
            (None, Err(_)) => answered,
        }
    }

    fn silent(self, question: &Question, finding: Finding) -> Self {
        let diagnosis = Some(seen_by_probe(&question.spec.id, &finding));
        Self { finding: Some(finding), diagnosis, ..self }
    }

    fn heard(self, question: &Question, probed: &Probed, history: Option<&mut History>) -> Self {
        let judged = judge(question.spec, probed.look, &probed.heard, &question.known);
        let judged = with_history(judged, question, history);
        let answered = Self {
            outcome: judged.outcome.into(),
            status: probed.heard.last().map(|answer| answer.status),
            clock: probed.clock_ahead.and_then(|ahead| clock(ahead, &question.spec.name)),
            look: probed.look,
            ..self
        };
        match (judged.outcome, judged.finding) {
            (Outcome::NoVerdict, Some(finding)) => {
                answered.silent(question, finding.in_place(&Place::file(question.origin.to_string())))
            }
            (_, finding) => Self { finding, diagnosis: judged.diagnosis, ..answered },
        }
    }

    /// In a few words, for the line of the key.
    pub(crate) fn told(&self) -> String {
        match (self.outcome, &self.says) {
            (Word::Works, _) => "works".to_owned(),
            (Word::Refused, _) => "refused".to_owned(),
            (Word::NoVerdict, _) => "no verdict".to_owned(),
            (Word::NotAsked, Some(why)) => format!("not asked: {why}"),
            (Word::NotAsked, None) => "not asked".to_owned(),
        }
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

/// A key that served before was not mistyped: this installation's ledger knows.
fn with_history(judged: Judged, question: &Question, history: Option<&mut History>) -> Judged {
    let known = || history?.known(&question.spec.id, &question.key).ok().flatten();
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

/// For each question, where the command line says nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// So many questions are open at one time. Nobody has more keys; a ring of thousands is asked about in turns.
const AT_ONCE: usize = 32;
