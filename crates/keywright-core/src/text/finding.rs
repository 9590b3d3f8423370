//! A finding: one failure, while it is still being judged.

use super::context::Context;
use super::observe::Observation;
use super::readers::Meaning;
use super::rules::Rules;
use super::{Clues, Found, Unsendable};
use crate::cause::{Cause, Verdict};
use crate::diagnosis::{Confidence, Diagnosis, UNNAMED, Witness};

/// How much a finding weighs against others of the same part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A status or a class with no sign of an LLM call near.
    Bare,
    /// Words that hide their cause.
    Faint,
    /// A status and nothing more.
    Status,
    /// A provider's answer.
    Answer,
    /// Words that mean one thing.
    Sure,
    /// The request itself is shown.
    Header,
}

/// One failure in a text.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) part: usize,
    pub(super) rank: Rank,
    /// A catalogue id.
    pub(super) provider: Option<String>,
    pub(super) cause: Cause,
    /// The verdict, where the cause alone does not give it.
    pub(super) verdict: Option<Verdict>,
    pub(super) confidence: Confidence,
    pub(super) alternatives: Vec<Cause>,
    pub(super) says: Vec<String>,
    /// The provider's echo of the key that arrived, masked by the provider or by us.
    pub(super) echo: Option<String>,
    /// The provider whose words these are.
    pub(super) answered_by: Option<&'static str>,
    /// The variable that the words name.
    pub(super) variable: Option<String>,
    /// The character of the key that could not be sent.
    pub(super) unsendable: Option<Unsendable>,
    /// Whether a connection was refused.
    pub(super) refused_connection: bool,
    /// Whether the provider echoed the key.
    pub(super) key_seen: bool,
    /// Whether the provider says "no such model, or no access" in one sentence.
    pub(super) either_model_or_access: bool,
    /// How many more times the text says the same.
    again: usize,
}

impl Finding {
    /// A finding with one sentence of evidence.
    pub(super) fn plain(
        observation: &Observation,
        context: &Context<'_>,
        rank: Rank,
        cause: Cause,
        confidence: Confidence,
        says: String,
    ) -> Self {
        Self {
            at: observation.at,
            line: observation.line,
            part: context.part_of(observation.at),
            rank,
            provider: None,
            cause,
            verdict: None,
            confidence,
            alternatives: Vec::new(),
            says: vec![says],
            echo: None,
            answered_by: None,
            variable: None,
            unsendable: None,
            refused_connection: false,
            key_seen: false,
            either_model_or_access: false,
            again: 0,
        }
    }

    /// What a symptom means at its place.
    pub(super) fn of(observation: &Observation, context: &Context<'_>, rank: Rank, meaning: &Meaning) -> Self {
        let mut finding =
            Self::plain(observation, context, rank, meaning.cause, meaning.confidence, meaning.says.clone());
        finding.alternatives.clone_from(&meaning.alternatives);
        finding.unsendable = meaning.unsendable;
        finding
    }

    /// Whether the two are one failure that the text tells twice.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.cause == other.cause
            && (self.provider == other.provider || self.provider.is_none() || other.provider.is_none())
    }

    /// The last four characters of the key that arrived, where its echo shows them.
    pub(super) fn echo_tail(&self) -> Option<&str> {
        let (_, shown) = self.echo.as_deref()?.rsplit_once('*')?;
        (shown.len() == 4).then_some(shown)
    }

    /// Takes over what the same failure tells at another place.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.again += 1;
        if self.provider.is_none() {
            self.provider.clone_from(&other.provider);
        }
        if self.echo.is_none() {
            self.echo.clone_from(&other.echo);
        }
        self.unsendable = self.unsendable.or(other.unsendable);
        if other.rank > self.rank || other.confidence > self.confidence {
            self.rank = self.rank.max(other.rank);
            self.confidence = self.confidence.max(other.confidence);
            self.alternatives.clone_from(&other.alternatives);
        }
        for says in &other.says {
            if !self.says.contains(says) && self.says.len() < MOST_SAYINGS {
                self.says.push(says.clone());
            }
        }
    }

    /// The diagnosis, with every other cause that leaves the same text.
    pub(super) fn found(&self) -> Found {
        let provider = self.provider.as_deref().unwrap_or(UNNAMED);
        let mut diagnosis = Diagnosis::new(provider, self.cause, self.confidence);
        // The program goes on asking whoever answered: it is their key that mends it, not another one of the key's owner.
        if self.cause == Cause::WrongProviderKey
            && let Some(answered) = self.answered_by
        {
            diagnosis.fixes = crate::page::fixes(self.cause, answered);
        }
        if let Some(verdict) = self.verdict {
            diagnosis.verdict = verdict;
        }
        let open = self.confidence != Confidence::Certain;
        let doubts = Rules::builtin().doubts(self.cause, self.key_seen).filter(|_| open);
        let mut causes: Vec<Cause> = Vec::new();
        for cause in self.alternatives.iter().copied().chain(doubts) {
            if cause != self.cause && !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        diagnosis = diagnosis.with_alternatives(causes.into_iter().map(|cause| (cause, Confidence::Possible)));
        for says in &self.says {
            diagnosis = diagnosis.with_evidence(Witness::Text, says.clone());
        }
        let clues = Clues {
            echo: self.echo.clone(),
            variable: self.variable.clone(),
            answered_by: self.answered_by,
            unsendable: self.unsendable,
        };
        Found { line: self.line, again: self.again, left_out: false, clues, diagnosis }
    }
}

const MOST_SAYINGS: usize = 4;
