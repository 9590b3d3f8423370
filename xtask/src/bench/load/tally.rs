//! What the generator counted.

use std::time::Duration;

use super::histogram::Histogram;
use super::reader::{Fault, Seen};

/// Counts of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// From the first byte of the request written to the last byte of the answer read.
    pub(crate) latency: Histogram,
    /// Chunks of all bodies together.
    pub(crate) parts: u64,
    /// Requests without a complete, unchanged 2xx answer, warm-up included.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<Fault>,
}

impl Tally {
    /// Counts a good answer.
    pub(crate) fn count(&mut self, latency: Duration, seen: &Seen) {
        self.latency.record(latency);
        self.parts += seen.parts;
    }

    /// Counts a bad one.
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.errors += 1;
        self.first_error.get_or_insert(fault);
    }

    /// Adds what another connection counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency);
        self.parts += other.parts;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
    }
}
