//! The state of a key in one number, for those who read it on every request.

use keywright_core::Cause;
use keywright_core::ring::{Health, Moment, Standing};

/// The state in one number: a tag, and above it the moment or the cause's index.
pub(super) fn pack(health: Health) -> u64 {
    match health {
        Health::Active => ACTIVE,
        Health::Probation { .. } => PROBATION,
        Health::Suspect { .. } => SUSPECT,
        Health::CoolingDown { until } => RESTING | (until.0 << TAG_BITS),
        Health::Quarantined { cause, .. } => OUT | ((cause as u64) << TAG_BITS),
    }
}

pub(super) fn unpack(packed: u64, now: Moment) -> Standing {
    match packed & TAG {
        SUSPECT => Standing::Deciding,
        RESTING if Moment(packed >> TAG_BITS) > now => Standing::Resting(Moment(packed >> TAG_BITS)),
        OUT => {
            let index = usize::try_from(packed >> TAG_BITS).unwrap_or(usize::MAX);
            Standing::Out(<Cause as strum::VariantArray>::VARIANTS.get(index).copied().unwrap_or(Cause::Other))
        }
        _ => Standing::Ready,
    }
}

/// Whether a state is probation.
pub(super) const fn is_on_probation(packed: u64) -> bool {
    packed & TAG == PROBATION
}

const TAG_BITS: u32 = 3;
const TAG: u64 = (1 << TAG_BITS) - 1;
const ACTIVE: u64 = 0;
const PROBATION: u64 = 1;
const SUSPECT: u64 = 2;
const RESTING: u64 = 3;
const OUT: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packed_state_stands_like_the_state() {
        let now = Moment(50_000);
        let states = [
            Health::Active,
            Health::Probation { cause: Cause::InvalidKey, round: 2 },
            Health::Suspect { cause: Cause::InvalidKey, since: now },
            Health::CoolingDown { until: Moment(50_001) },
            Health::CoolingDown { until: Moment(49_999) },
            Health::Quarantined { cause: Cause::QuotaExhausted, since: now, retry_at: now, round: 0 },
        ];
        for health in states {
            assert_eq!(unpack(pack(health), now), health.standing(now), "{health:?}");
        }
    }
}
