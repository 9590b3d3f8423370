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
//! Where a source gives nothing that works, the last known good value stands in.

mod attempts;
mod key;
mod open;
mod read;
mod report;
mod tell;
mod value;

use std::mem::ManuallyDrop;
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
    /// The process that opened it.
    process: u32,
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
///
/// Nobody looks at its keys while no request is made, and a program that was refused may have been mended by the next call:
/// a key is tried again soon, for the price of one refused request.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long keys that are out wait.
    pub backoff: Backoff,
    /// How long a request waits while another one reads a source or proves a key.
    pub patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            // Shorter than the first pause of an SDK, whose own retries find the key again.
            pause: Duration::from_millis(300),
        };
        Self { backoff, patience: Duration::from_secs(3) }
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
        Redactor::new(&self.secrets().iter().collect::<Vec<_>>())
    }

    /// The values, for a redactor that knows more than this ring.
    pub fn secrets(&self) -> Vec<Secret> {
        self.0.keys.iter().filter_map(|key| key.value()).map(|value| value.secret.clone()).collect()
    }

    /// Writes what the keys did to the history, and waits for it at most this long. A program that ends without this may
    /// forget the last moments: the last clone hands them over when it is dropped, and waits for nothing.
    pub fn flush(&self, patience: Duration) {
        self.0.tell_service();
        if let Some(memory) = &self.0.memory {
            memory.flush(patience);
        }
    }
}

impl Inner {
    fn tell_service(&self) {
        if self.memory.is_some() {
            for key in &self.keys {
                key.tell_service(true, now());
            }
        }
    }
}

impl Drop for Inner {
    /// It waits for nothing: the last clone may go on a thread that serves others.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.tell_service();
        } else {
            // A fork has the locks as they were, but not the threads that held them, and the open history is its parent's.
            let _left_alone = ManuallyDrop::new(self.memory.take());
        }
    }
}

/// Milliseconds since this process first asked, plus one day so that every "ago" has room.
pub fn now() -> Moment {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Moment(DAY_MS + u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX / 2))
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests;
