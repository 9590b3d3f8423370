//! A histogram of durations, exact to one part in 128.

use std::time::Duration;

/// Counts of durations from 1 ns to minutes, in buckets at most 0.8 % wide.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    total: u64,
    largest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], total: 0, largest: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[index(nanos).min(BUCKETS - 1)] += 1;
        self.total += 1;
        self.largest = self.largest.max(duration);
    }

    /// Counts everything `other` has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.total += other.total;
        self.largest = self.largest.max(other.largest);
    }

    /// How many durations were counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The longest one.
    pub(crate) fn largest(&self) -> Duration {
        self.largest
    }

    /// The duration that `share` of all do not exceed; zero if there are none.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= wanted {
                return Duration::from_nanos(middle(index));
            }
        }
        Duration::ZERO
    }
}

/// Values below 128 have a bucket each; above, each power of two is cut in 128.
fn index(nanos: u64) -> usize {
    let shift = (64 - nanos.leading_zeros()).saturating_sub(SUB_BITS + 1);
    (shift as usize) * SUB + usize::try_from(nanos >> shift).unwrap_or(BUCKETS)
}

fn middle(index: usize) -> u64 {
    let shift = (index / SUB).saturating_sub(1);
    let start = ((index - shift * SUB) as u64) << shift;
    start + (1_u64 << shift) / 2
}

/// Bits of precision.
const SUB_BITS: u32 = 7;
/// Buckets a power of two.
const SUB: usize = 1 << SUB_BITS;
/// Enough for 2^40 ns, eighteen minutes.
const BUCKETS: usize = SUB * 34;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_is_narrow_and_in_order() {
        for nanos in (0..40).flat_map(|bits| [1_u64 << bits, (1 << bits) + 1, (1_u64 << bits) * 3 / 2]) {
            let error = middle(index(nanos)).abs_diff(nanos);
            assert!(error * 128 <= nanos, "{nanos} became {}", middle(index(nanos)));
            assert!(index(nanos) <= index(nanos + 1));
        }
    }

    #[test]
    fn quantiles_split_the_counts() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        let near = |duration: Duration, micros: f64| (duration.as_secs_f64() * 1e6 - micros).abs() < micros * 0.01;
        assert!(near(histogram.quantile(0.5), 500.0));
        assert!(near(histogram.quantile(0.99), 990.0));
    }
}
