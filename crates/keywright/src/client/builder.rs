//! Builds a client: keys, address, limits. A key that cannot work is refused here, before any request.

use std::time::Duration;

use keywright_core::inspect::proxy::Way;
use keywright_core::{Catalogue, ProviderSpec, Secret};

use super::error::Error;
use super::ring::{Given, Opening, Ring};
use super::transport::{Limits, Transport};
use super::{Client, Shared};
use crate::http::{Connector, Origin, Versions};
use crate::sources::{Environment, Reference, Resolver};
use crate::state::Memory;
use crate::survey::network;

/// A client that is about to be built.
#[derive(Clone, Debug)]
pub struct Builder {
    provider: &'static ProviderSpec,
    opening: Opening,
    environment: Environment,
    base_url: Option<String>,
    model: Option<String>,
    limits: Limits,
}

impl Builder {
    pub(super) fn new(id: &str) -> Result<Self, Error> {
        let provider = Catalogue::builtin().provider(id).ok_or_else(|| Error::UnknownProvider { id: id.to_owned() })?;
        Ok(Self {
            provider,
            opening: Ring::opening(provider),
            environment: Environment::process(),
            base_url: None,
            model: keywright_core::page::sdk(id).map(|sdk| sdk.model.clone()),
            limits: Limits::default(),
        })
    }

    /// Adds a key that the program has. Keys of this machine are then not looked for. The first one serves first.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.opening = self.opening.key(Given::explicit(Secret::new(key), "the key given to the client"));
        self
    }

    /// Adds a key with its project and account: see [`Given`].
    #[must_use]
    pub fn given(mut self, key: Given) -> Self {
        self.opening = self.opening.key(key);
        self
    }

    /// Adds a place to read a key from, such as `vault://secret/llm#openai`.
    #[must_use]
    pub fn reference(mut self, reference: Reference) -> Self {
        self.opening = self.opening.reference(reference);
        self
    }

    /// Reads keys, the base URL and proxies from here instead of this process's environment and working directory.
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.environment = resolver.environment().clone();
        self.opening = self.opening.resolver(resolver);
        self
    }

    /// Remembers with this memory.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.opening = self.opening.memory(memory);
        self
    }

    /// Remembers nothing beyond this process: no history, no last known good key.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.opening = self.opening.without_memory();
        self
    }

    /// Reaches the provider here: a region, a proxy, the emulator. Without it, what the variables of the provider's SDKs say
    /// (`OPENAI_BASE_URL`), else the provider itself. It may or may not end in the SDKs' `/v1`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Asks for this model where a call names none.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// How long an answer may take to begin, and each next piece of it to come. 600 s unless set.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.limits.silence = limit;
        self
    }

    /// Builds the client. Sources are read on a thread of their own, so this works inside and outside of a runtime.
    ///
    /// # Errors
    /// [`Error::Authentication`] when no key can work, [`Error::BaseUrl`], [`Error::Connect`].
    pub fn build(self) -> Result<Client, Error> {
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Error::Unreadable(format!("no thread for the sources: {error}")))?;
            runtime.block_on(self.open())
        };
        let ended = std::thread::scope(|scope| scope.spawn(work).join());
        ended.unwrap_or_else(|_| Err(Error::Unreadable("the thread that reads the sources ended early".to_owned())))
    }

    /// The same, for a caller that can wait.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub async fn open(self) -> Result<Client, Error> {
        let origin = Origin::of_client(self.provider, self.base_url.as_deref(), &self.environment)?;
        let connector = self.connector(&origin)?;
        let own_server = Catalogue::builtin().provider_of_host(origin.host()).is_none();
        let ring =
            self.opening.own_server(own_server).open().await.map_err(|diagnosis| Error::of_diagnosis(*diagnosis))?;
        let transport = Transport::new(connector, origin, self.limits);
        Ok(Client(std::sync::Arc::new(Shared { ring, transport, model: self.model })))
    }

    /// What opens connections the way that programs here go. A proxy that cannot be used is told: where nothing else leads
    /// out, the calls would fail without a word of it.
    fn connector(&self, origin: &Origin) -> Result<Connector, Error> {
        let connector = Connector::new(self.limits.connection, Versions::default())?;
        let way = network::way(&self.environment, origin);
        let connector_there = connector.on_the_way(&way, origin);
        let unused = match (&way, &connector_there) {
            (Way::Unusable(variable), _) => Some(variable),
            (Way::Through(proxy), None) => Some(&proxy.variable),
            _ => None,
        };
        if let Some(variable) = unused {
            let help = "name an http:// proxy, or put the host into NO_PROXY; `keywright doctor network` says more";
            tracing::warn!(variable, host = origin.host(), help, "the proxy cannot be used, requests go directly");
        }
        Ok(connector_there.unwrap_or(connector))
    }
}
