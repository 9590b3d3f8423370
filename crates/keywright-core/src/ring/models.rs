//! Models that one key may not use for a while.

use std::collections::HashMap;
use std::time::Duration;

use super::Moment;
use crate::cause::Cause;

/// Models that one key may not use, until when, and why. Empty almost always.
#[derive(Debug, Default)]
pub struct Models(HashMap<String, (Moment, Cause)>);

impl Models {
    /// Benches the key for one model.
    pub fn bench(&mut self, model: &str, cause: Cause, now: Moment) {
        self.forget_old(now);
        if self.0.len() < MOST {
            self.0.insert(model.to_owned(), (now.after(BENCH), cause));
        }
    }

    /// Why the key may not use a model now, if it may not.
    pub fn why(&mut self, model: &str, now: Moment) -> Option<Cause> {
        self.forget_old(now);
        self.0.get(model).map(|(_, cause)| *cause)
    }

    /// Whether the key may use every model.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets them all: the key has another value.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn forget_old(&mut self, now: Moment) {
        self.0.retain(|_, (until, _)| *until > now);
    }
}

/// How long a key stays away from a model that it was refused.
const BENCH: Duration = Duration::from_secs(60);
/// Models that are remembered per key.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_benched_for_a_while_and_alone() {
        let (mut models, now) = (Models::default(), Moment(1_000));
        models.bench("big", Cause::ModelNotEntitled, now);
        assert_eq!(models.why("big", now), Some(Cause::ModelNotEntitled));
        assert_eq!(models.why("small", now), None);
        assert_eq!(models.why("big", now.after(BENCH)), None);
        assert!(models.is_empty());
    }
}
