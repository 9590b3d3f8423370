//! A request rate for one caller, without a lock: the virtual-scheduling form of a leaky bucket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::ring::Moment;

/// Lets so many requests a minute through, a sixth of them at once.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Microseconds that one request costs.
    cost: u64,
    /// How many microseconds the schedule may run ahead.
    burst: u64,
    /// When the schedule is free again, in microseconds.
    free_at: AtomicU64,
}

impl Limiter {
    /// So many requests a minute.
    pub(crate) fn per_minute(requests: u32) -> Self {
        let cost = MINUTE_US / u64::from(requests.max(1));
        let burst = cost * u64::from((requests / 6).max(1));
        Self { cost, burst, free_at: AtomicU64::new(0) }
    }

    /// Takes one request, or says how long to wait.
    pub(crate) fn take(&self, now: Moment) -> Result<(), Duration> {
        let now_us = now.0.saturating_mul(1_000);
        let taken = self.free_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free_at| {
            let next = free_at.max(now_us) + self.cost;
            (next <= now_us + self.burst.max(self.cost)).then_some(next)
        });
        taken
            .map(|_| ())
            .map_err(|free_at| Duration::from_micros((free_at + self.cost).saturating_sub(now_us + self.burst)))
    }
}

const MINUTE_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_waits() {
        let limiter = Limiter::per_minute(60);
        let taken = (0..20).filter(|_| limiter.take(Moment(1_000)).is_ok()).count();
        assert_eq!(taken, 10);
        let wait = limiter.take(Moment(1_000)).expect_err("over the rate");
        assert_eq!(wait, Duration::from_secs(1));
        assert!(limiter.take(Moment(2_000)).is_ok());
    }
}
