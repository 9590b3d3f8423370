//! What stands around a place of the text: whose call it was, which status it got.

use std::collections::BTreeMap;

use super::literals::Fragments;
use super::observe::{Observation, Observations, What};
use super::rules::Tier;

/// The observations, asked by place.
#[derive(Debug)]
pub(super) struct Context<'a> {
    observations: &'a Observations,
    /// Signs of a provider by part and strength, each list in the order of the text.
    signs: BTreeMap<(usize, Tier), Vec<Sign>>,
}

/// Where a provider is named, and which.
type Sign = (usize, &'static str);

impl<'a> Context<'a> {
    pub(super) fn of(observations: &'a Observations) -> Self {
        let mut signs: BTreeMap<(usize, Tier), Vec<Sign>> = BTreeMap::new();
        for seen in &observations.seen {
            if let What::Mention { provider: Some(provider), tier } = seen.what {
                signs.entry((observations.part_of(seen.at), tier)).or_default().push((seen.at, provider));
            }
        }
        Self { observations, signs }
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
        let own = self.signs.range((part, Tier::Host)..=(part, Tier::Any)).next();
        if let Some(((_, tier), signs)) = own {
            return nearest(signs, at).map(|(_, provider)| (provider, *tier));
        }
        let others = self.signs.iter().filter_map(|((_, tier), signs)| Some((*tier, nearest(signs, at)?)));
        others
            .filter(|(_, (place, _))| place.abs_diff(at) < FAR)
            .min_by_key(|(tier, (place, _))| (*tier, place.abs_diff(at)))
            .map(|(tier, (_, provider))| (provider, tier))
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
        let all = self.all();
        let first = all.partition_point(|seen| seen.at < at.saturating_sub(within));
        let last = all.partition_point(|seen| seen.at <= at + within);
        all[first..last]
            .iter()
            .filter(|seen| self.part_of(seen.at) == part)
            .filter_map(|seen| Some((seen.at, pick(&seen.what)?)))
            .min_by_key(|(place, _)| place.abs_diff(at))
    }
}

/// The sign nearest to a place; the one before it, if two are as near.
fn nearest(signs: &[Sign], at: usize) -> Option<Sign> {
    let after = signs.partition_point(|(place, _)| *place < at);
    let near = signs[..after].last().into_iter().chain(signs.get(after));
    near.min_by_key(|(place, _)| place.abs_diff(at)).copied()
}

const FAR: usize = 20_000;
