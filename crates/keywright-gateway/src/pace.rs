//! How often a source is read again that asks a server or starts a program.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::ring::Moment;

/// When a costly source is read next. Sources on this machine are read on every tick of the keeper.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    next: AtomicU64,
    reads: AtomicU32,
    /// No earlier for the end of a lease.
    lease: AtomicU64,
}

impl Pace {
    /// The key serves: its source is asked for a new value now and then.
    pub(crate) fn poll_due(&self, every: Duration, now: Moment) -> bool {
        // The first look only begins the interval: the value was read a moment ago.
        let begun = self.next.compare_exchange(0, now.after(every).0, Ordering::Relaxed, Ordering::Relaxed);
        if begun.is_ok() || self.next.load(Ordering::Relaxed) > now.0 {
            return false;
        }
        self.next.store(now.after(every).0, Ordering::Relaxed);
        true
    }

    /// The key serves, and its source said how soon it wants to be read again. One that cannot be read then is asked
    /// again and again, and not at once.
    pub(crate) fn lease_due(&self, again: Option<Duration>, now: Moment) -> bool {
        if again != Some(Duration::ZERO) || self.lease.load(Ordering::Relaxed) > now.0 {
            return false;
        }
        self.lease.store(now.after(FIRST).0, Ordering::Relaxed);
        true
    }

    /// The key is out: its source is asked again ever more slowly.
    pub(crate) fn retry_due(&self, now: Moment) -> bool {
        if self.next.load(Ordering::Relaxed) > now.0 {
            return false;
        }
        let reads = self.reads.fetch_add(1, Ordering::Relaxed).min(DOUBLINGS);
        self.next.store(now.after(FIRST.saturating_mul(1 << reads).min(LONGEST)).0, Ordering::Relaxed);
        true
    }

    /// The key was refused, and its source was read because of that.
    pub(crate) fn refused(&self, now: Moment) {
        self.reads.store(1, Ordering::Relaxed);
        self.next.store(now.after(FIRST).0, Ordering::Relaxed);
    }

    /// The key has a new value.
    pub(crate) fn restart(&self) {
        self.reads.store(0, Ordering::Relaxed);
        self.next.store(0, Ordering::Relaxed);
    }
}

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
/// Enough for the longest wait, and no overflow.
const DOUBLINGS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    /// The moments, in milliseconds, at which something is due when it is asked for on every tick.
    fn due(until_ms: u64, asks: impl Fn(Moment) -> bool) -> Vec<u64> {
        (1_000..until_ms).step_by(500).filter(|&at| asks(Moment(at))).collect()
    }

    #[test]
    fn a_key_that_is_out_is_read_ever_more_slowly() {
        let pace = Pace::default();
        let seconds = due(250_000, |now| pace.retry_due(now));
        assert_eq!(seconds, [1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000]);
        pace.refused(Moment(300_000));
        assert!(!pace.retry_due(Moment(301_999)));
        assert!(pace.retry_due(Moment(302_000)));
        assert!(!pace.retry_due(Moment(305_999)));
        pace.restart();
        assert!(pace.retry_due(Moment(306_000)));
    }

    #[test]
    fn a_lease_that_is_over_is_read_again_and_again() {
        let pace = Pace::default();
        assert!(due(60_000, |now| pace.lease_due(None, now)).is_empty());
        assert!(due(60_000, |now| pace.lease_due(Some(Duration::from_secs(1)), now)).is_empty());
        assert_eq!(due(6_000, |now| pace.lease_due(Some(Duration::ZERO), now)), [1_000, 3_000, 5_000]);
    }

    #[test]
    fn a_key_that_serves_is_read_at_the_interval() {
        let pace = Pace::default();
        let every = Duration::from_secs(10);
        assert_eq!(due(32_000, |now| pace.poll_due(every, now)), [11_000, 21_000, 31_000]);
    }
}
