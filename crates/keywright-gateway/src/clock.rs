//! The gateway's time.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use keywright::state::Timestamp;
use keywright_core::ring::Moment;
use tokio::time::Instant;

/// Milliseconds since the gateway was first asked, plus one day so that every "ago" has room.
pub(crate) fn now() -> Moment {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Moment(DAY_MS + u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX / 2))
}

/// A moment as the wall clock shows it now.
pub(crate) fn timestamp(moment: Moment) -> Timestamp {
    Timestamp::now().before(moment.until(now()))
}

/// Seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

const DAY_MS: u64 = 86_400_000;
