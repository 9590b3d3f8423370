//! The keys of one provider, and the journey of one request over them. It opens no socket and never waits.
//!
//! A driver has the sockets. It asks for the next [`Step`], does it, and tells what came of it:
//!
//! ```text
//! let mut attempts = ring.begin(&call);
//! loop {
//!     match attempts.next(now()) {
//!         Step::Send(lease)  => send with lease.header; then attempts.answered(…) or attempts.failed(…)
//!         Step::Read(errand) => ring.read(errand).await
//!         Step::Wait(pause)  => sleep for that long
//!         Step::Stop(out)    => no key is left: out.message, out.diagnosis
//!     }
//! }
//! ```
//!
//! What an answer means, what it does to a key, and what may be tried next is core's. The same rules hold as in the
//! gateway, with one difference: nobody runs between requests here. So a key that was refused is read from its source
//! again by the request that met the refusal, and when its wait is over, one request proves it: failover covers that one.

mod attempts;
mod key;
mod open;
mod read;
mod report;
mod tell;
mod value;

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use keywright_core::pins::Pins;
use keywright_core::ring::{Backoff, Health, Moment};
use keywright_core::{Diagnosis, ProviderSpec, Redactor, Secret};

use self::key::Key;
use crate::sources::{Reference, Resolver};
use crate::state::Memory;

pub use self::attempts::{Attempts, Call, Lease, Step};
pub use self::open::Opening;
pub use self::read::Errand;
pub use self::tell::{Head, Verdict};

/// The keys of one provider. Clones share them, and so may threads.
#[derive(Clone, Debug)]
pub struct Ring(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: &'static ProviderSpec,
    keys: Vec<Arc<Key>>,
    pins: Pins,
    policy: Policy,
    resolver: Resolver,
    memory: Option<Memory>,
}

/// A key that is given to a ring.
#[derive(Clone, Debug)]
pub struct Given {
    /// The value, as it was found or typed.
    pub secret: Secret,
    /// Where it is, in words: `environment variable OPENAI_API_KEY`, `the argument api_key`.
    pub place: String,
    /// Where it can be read again; none for a key that was given outright.
    pub reference: Option<Reference>,
    /// The project whose objects it can see. Keys without one are taken to share one project.
    pub project: Option<String>,
    /// The account that pays. Keys without one are taken to be of different accounts.
    pub account: Option<String>,
}

impl Given {
    /// A key that the program gives outright.
    pub fn explicit(secret: Secret, place: impl Into<String>) -> Self {
        Self { secret, place: place.into(), reference: None, project: None, account: None }
    }
}

/// How a ring waits.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long keys that are out wait.
    pub backoff: Backoff,
    /// How long a request waits while another one reads a source or proves a key.
    pub patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { backoff: Backoff::default(), patience: Duration::from_secs(3) }
    }
}

/// One key, for reports. It holds no secret.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// The masked value.
    pub masked: String,
    /// Where it was found.
    pub place: String,
    /// Its state.
    pub health: Health,
    /// Why it is out, if it is.
    pub diagnosis: Option<Diagnosis>,
    /// Whether it is the last known good value, in the place of what its source gives.
    pub last_known_good: bool,
    /// Requests that it served.
    pub served: u64,
}

impl Ring {
    /// The provider.
    pub fn provider(&self) -> &'static ProviderSpec {
        self.0.provider
    }

    /// Begins a request.
    pub fn begin(&self, call: &Call<'_>) -> Attempts {
        Attempts::new(self.clone(), call)
    }

    /// The keys as they stand, in order.
    pub fn keys(&self) -> Vec<KeyView> {
        let now = now();
        self.0.keys.iter().map(|key| key.view(self.0.provider, now)).collect()
    }

    /// A redactor that knows every key of this ring.
    pub fn redactor(&self) -> Redactor {
        let values: Vec<_> = self.0.keys.iter().filter_map(|key| key.value()).collect();
        Redactor::new(&values.iter().map(|value| &value.secret).collect::<Vec<_>>())
    }

    /// The values, for a redactor that knows more than this ring.
    pub fn secrets(&self) -> Vec<Secret> {
        self.0.keys.iter().filter_map(|key| key.value()).map(|value| value.secret.clone()).collect()
    }

    /// Writes what the keys did to the history, and waits for it at most this long. The last clone does so when it is
    /// dropped; a program that ends otherwise forgets the last moments.
    pub fn flush(&self, patience: Duration) {
        self.0.write_down(patience);
    }
}

impl Inner {
    fn write_down(&self, patience: Duration) {
        if let Some(memory) = &self.memory {
            for key in &self.keys {
                key.tell_service(true, now());
            }
            memory.flush(patience);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.write_down(AT_AN_END);
    }
}

/// Milliseconds since this process first asked, plus one day so that every "ago" has room.
pub fn now() -> Moment {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Moment(DAY_MS + u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX / 2))
}

/// A program that ends does not wait longer for a disk.
const AT_AN_END: Duration = Duration::from_millis(500);
const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests;
