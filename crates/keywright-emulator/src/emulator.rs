//! Starting, steering and stopping an emulator from Rust.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::key_state::{KeySpec, KeyState, Owner};
use crate::settings::{Assistants, Settings};
use crate::shared::{Shared, Start};
use crate::{CallCount, ControlError, Provider, sample, server};

/// A running emulator. It stops, and every connection with it, when this is dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use keywright_emulator::{Emulator, KeyState, sample_keys};
///
/// let emulator = Emulator::builder().with_sample_keys().start().await?;
/// let key = &sample_keys("openai", 1)[0];
/// let base_url = emulator.base_url("openai"); // append `/v1`
/// emulator.set_key("openai", key, KeyState::Revoked)?;
/// # Ok(())
/// # }
/// ```
pub struct Emulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    /// Realtime sessions end when this is dropped.
    _stop: watch::Sender<()>,
}

/// How an emulator starts.
#[derive(Clone)]
pub struct EmulatorBuilder {
    listen: SocketAddr,
    seed: u64,
    clock: Clock,
    start: Start,
}

impl Emulator {
    /// Starts from defaults: a free loopback port, seed 0, no keys.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 0,
            clock: Clock::System,
            start: Start::default(),
        }
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of a provider, without `/v1`: `http://127.0.0.1:4200/openai`.
    pub fn base_url(&self, provider: &str) -> String {
        format!("http://{}/{provider}", self.address)
    }

    /// Registers a key, or changes what it is; holds from the next request on.
    pub fn set_key(&self, provider: &str, key: &str, spec: impl Into<KeySpec>) -> Result<(), ControlError> {
        self.shared.keys.set(provider.parse()?, key, &spec.into())
    }

    /// What a registered key is; `None` for one that was never registered.
    pub fn key(&self, provider: &str, key: &str) -> Option<(KeyState, Owner)> {
        self.shared.keys.state(provider.parse().ok()?, key)
    }

    /// The switches.
    pub fn settings(&self) -> Settings {
        self.shared.settings()
    }

    /// Replaces the switches; holds from the next request on.
    pub fn set_settings(&self, settings: Settings) {
        self.shared.set_settings(settings);
    }

    /// Counts by provider, masked key, status and answer.
    pub fn calls(&self) -> Vec<CallCount> {
        self.shared.keys.counts()
    }

    /// Counts of one key.
    pub fn calls_of(&self, provider: &str, key: &str) -> Vec<CallCount> {
        provider.parse().map_or_else(|_| Vec::new(), |id| self.shared.keys.counts_of(id, key))
    }

    /// Goes back to the start: keys, settings, objects, counts and ids.
    pub fn reset(&self) -> Result<(), ControlError> {
        self.shared.reset()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl EmulatorBuilder {
    /// Sets the address to listen on; port 0 takes a free one.
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Sets the seed of every id.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets where timestamps come from.
    #[must_use]
    pub const fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Says whether the Assistants API still exists.
    #[must_use]
    pub const fn assistants(mut self, assistants: Assistants) -> Self {
        self.start.settings.assistants = assistants;
        self
    }

    /// Sets every switch.
    #[must_use]
    pub const fn settings(mut self, settings: Settings) -> Self {
        self.start.settings = settings;
        self
    }

    /// Registers a key before the first request.
    #[must_use]
    pub fn key(mut self, provider: Provider, key: &str, spec: impl Into<KeySpec>) -> Self {
        self.start.keys.push((provider, key.to_owned(), spec.into()));
        self
    }

    /// Registers five valid sample keys a provider, and an OpenAI admin key.
    #[must_use]
    pub fn with_sample_keys(mut self) -> Self {
        for provider in Provider::ALL {
            for key in sample::keys(provider, SAMPLES) {
                self = self.key(provider, &key, KeyState::Valid);
            }
        }
        self.key(Provider::OpenAi, &sample::sample_admin_key(), KeyState::Valid)
    }

    /// Listens and serves, in the runtime that calls this.
    pub async fn start(self) -> io::Result<Emulator> {
        let listener = server::bind(self.listen).await?;
        let address = listener.local_addr()?;
        let shared = Shared::new(self.seed, self.clock, self.start)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let shared = Arc::new(shared);
        let (stop, stopped) = watch::channel(());
        let server = tokio::spawn(server::accept(listener, Arc::clone(&shared), stopped));
        Ok(Emulator { address, shared, server, _stop: stop })
    }
}

/// How many sample keys a provider gets.
const SAMPLES: usize = 5;
