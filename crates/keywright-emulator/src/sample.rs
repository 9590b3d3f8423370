//! Invented keys of the right shape, assembled here so that secret scanners stay quiet.

use crate::Provider;

/// The first `count` sample keys of a provider: `openai`, `fireworks` or `together`. Their last four
/// characters are their number. An unknown provider has none.
pub fn sample_keys(provider: &str, count: usize) -> Vec<String> {
    provider.parse().map_or_else(|_| Vec::new(), |provider| keys(provider, count))
}

pub(crate) fn keys(provider: Provider, count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| match provider {
            Provider::OpenAi => format!("sk-proj-{}", halves(74, number)),
            Provider::Fireworks => format!("fw_{}{number:04}", "A".repeat(20)),
            Provider::Together => format!("tgp_v1_{}{number:04}", "A".repeat(39)),
        })
        .collect()
}

/// An OpenAI admin key, which the organisation routes demand.
pub fn sample_admin_key() -> String {
    format!("sk-admin-{}", halves(58, 1))
}

/// What follows an OpenAI prefix: as many characters before the marker as after it.
fn halves(half: usize, number: usize) -> String {
    format!("{}{MARKER}{}{number:04}", "A".repeat(half), "B".repeat(half - 4))
}

/// Base64 of `OpenAI`, in every OpenAI key.
pub(crate) const MARKER: &str = "T3BlbkFJ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_keys_have_the_lengths_of_real_ones() {
        assert_eq!(sample_keys("openai", 2)[1].len(), 164);
        assert_eq!(sample_keys("fireworks", 1)[0].len(), 27);
        assert_eq!(sample_keys("together", 1)[0].len(), 50);
        assert_eq!(sample_admin_key().len(), 133);
        assert!(sample_keys("acme", 3).is_empty());
    }

    #[test]
    fn sample_keys_differ_in_their_last_four() {
        for provider in Provider::ALL {
            let keys = keys(provider, 12);
            assert!(keys[0].ends_with("0001") && keys[11].ends_with("0012"));
        }
    }
}
