//! What stands around a place of the text: whose call it was, which status it got.

use super::literals::Fragments;
use super::observe::{Observation, Observations, What};
use super::rules::Tier;

/// The observations, asked by place.
#[derive(Debug)]
pub(super) struct Context<'a> {
    observations: &'a Observations,
}

impl<'a> Context<'a> {
    pub(super) const fn of(observations: &'a Observations) -> Self {
        Self { observations }
    }

    /// All observations, in order.
    pub(super) fn all(&self) -> &'a [Observation] {
        &self.observations.seen
    }

    pub(super) fn part_of(&self, at: usize) -> usize {
        self.observations.part_of(at)
    }

    /// The provider that was called here, and what says so: the strongest kind of sign, then the nearest.
    pub(super) fn sign_at(&self, at: usize) -> Option<(&'static str, Tier)> {
        let part = self.part_of(at);
        let signs = self.all().iter().filter_map(|seen| match seen.what {
            What::Mention { provider: Some(provider), tier, .. } => Some((seen.at, provider, tier)),
            _ => None,
        });
        let best = |own_part: bool| {
            signs
                .clone()
                .filter(|(place, _, _)| !own_part || self.part_of(*place) == part)
                .filter(|(place, _, _)| own_part || place.abs_diff(at) < FAR)
                .min_by_key(|(place, _, tier)| (*tier, place.abs_diff(at)))
                .map(|(_, provider, tier)| (provider, tier))
        };
        best(true).or_else(|| best(false))
    }

    /// The id of the provider that was called here.
    pub(super) fn provider_at(&self, at: usize) -> Option<String> {
        self.sign_at(at).map(|(provider, _)| provider.to_owned())
    }

    /// Whether words are the very sentence of an answer's error.
    #[expect(clippy::unused_self, reason = "asked like the others")]
    pub(super) const fn is_message(&self, observation: &Observation) -> bool {
        matches!(observation.what, What::Wording { is_message: true, .. })
    }

    /// Whether anything near says that an LLM was called.
    pub(super) fn is_llm_call(&self, at: usize) -> bool {
        let part = self.part_of(at);
        self.all().iter().any(|seen| {
            seen.at.abs_diff(at) < FAR
                && self.part_of(seen.at) == part
                && match seen.what {
                    What::Mention { .. } | What::Host { llm_path: true } => true,
                    What::Wording { fragment, .. } => Fragments::builtin().telling[fragment],
                    _ => false,
                }
        })
    }

    /// The status nearest to a place, in its part, and where it stands.
    pub(super) fn status_near(&self, at: usize, within: usize) -> Option<(usize, u16)> {
        self.nearest_at(at, within, |what| match what {
            What::Status(status) => Some(*status),
            _ => None,
        })
    }

    /// The nearest observation of a kind, in the same part.
    pub(super) fn nearest<T>(&self, at: usize, within: usize, pick: impl Fn(&What) -> Option<T>) -> Option<T> {
        self.nearest_at(at, within, pick).map(|(_, found)| found)
    }

    fn nearest_at<T>(&self, at: usize, within: usize, pick: impl Fn(&What) -> Option<T>) -> Option<(usize, T)> {
        let part = self.part_of(at);
        self.all()
            .iter()
            .filter(|seen| seen.at.abs_diff(at) <= within && self.part_of(seen.at) == part)
            .filter_map(|seen| Some((seen.at, pick(&seen.what)?)))
            .min_by_key(|(place, _)| place.abs_diff(at))
    }
}

const FAR: usize = 20_000;
