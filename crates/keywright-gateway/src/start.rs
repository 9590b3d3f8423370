//! Starts and stops the gateway: one control thread, and workers that share nothing but the
//! snapshot. Each worker is one thread with its own runtime and its own connections upstream.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use keywright::http::{ConnectError, OriginError};
use keywright::sources::{ReferenceError, Resolver};
use keywright::state::Memory;
use keywright::trust::TrustError;
use keywright_core::ring::Backoff;
use keywright_core::{Redactor, Secret};
use tokio::sync::{Notify, watch};

use crate::body::Budget;
use crate::config::Config;
use crate::last_failure::LastFailureSlot;
use crate::listen::{self, Listening};
use crate::live::Live;
use crate::offer::{self, Offered};
use crate::parking::{self, Need, Parking};
use crate::report::{Report, report};
use crate::shared::Shared;

/// A running gateway. Dropping it stops it at once; [`Gateway::shutdown`] drains it first.
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    listening: Listening,
    threads: Vec<JoinHandle<()>>,
}

/// What is not in the configuration.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// A token that lives as long as this gateway: the one of `keywright run`.
    pub run_token: Option<Secret>,
    /// How long keys that are out wait for their next look; `None` for the defaults.
    pub backoff: Option<Backoff>,
    /// What this installation remembers of its keys; `None` remembers nothing.
    pub memory: Option<Memory>,
    /// Whether requests wait for a person when a provider has no key left. Somebody then has to take every
    /// [`Gateway::need`].
    pub ask: bool,
}

/// Why the gateway does not start, or does not take over a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The catalogue has no such provider.
    #[error("unknown provider `{id}`")]
    UnknownProvider {
        /// The id that was asked for.
        id: String,
    },
    /// The provider's base URL cannot be used.
    #[error("provider `{id}`: base URL: {source}")]
    BaseUrl {
        /// The provider.
        id: String,
        /// What is wrong with it.
        source: OriginError,
    },
    /// The provider's own trusted certificates cannot be used.
    #[error("provider `{id}`: {source}")]
    CaCertificate {
        /// The provider.
        id: String,
        /// What is wrong with the file.
        source: TrustError,
    },
    /// A key's reference cannot be read.
    #[error("provider `{id}`: {source}")]
    Reference {
        /// The provider.
        id: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// No trusted certificates.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The address is taken, or may not be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS files cannot be used.
    #[error("{}: {says}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        says: String,
    },
    /// A thread or a runtime could not be made.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
}

impl Gateway {
    /// Starts the gateway. It listens when this returns.
    pub async fn start(config: Config, resolver: Resolver, options: StartOptions) -> Result<Self, StartError> {
        let workers = match config.gateway.workers {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            workers => workers,
        };
        let listener = bind(config.gateway.listen)?;
        let admin = config.gateway.admin.map(bind).transpose()?;
        let tls = config.gateway.tls.as_ref().map(listen::acceptor).transpose()?;
        let (live, _) =
            Live::build(&config, &resolver, options.memory.as_ref(), options.run_token.as_ref(), workers, None).await?;
        let shared = Arc::new(Shared {
            budget: Arc::new(Budget::new(config.gateway.replay_total_bytes)),
            live: ArcSwap::from_pointee(live),
            redactor: ArcSwap::from_pointee(Redactor::default()),
            resolver,
            memory: options.memory,
            run_token: options.run_token,
            backoff: options.backoff.unwrap_or_default(),
            pins: keywright_core::pins::Pins::default(),
            parking: Parking::new(options.ask),
            wake_keeper: Notify::new(),
            draining: watch::Sender::new(false),
            stopping: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last_failure: LastFailureSlot::default(),
            reloads: AtomicU64::new(0),
            reload_failures: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            retired: Mutex::default(),
            reload_error: ArcSwapOption::empty(),
            workers,
        });
        shared.refresh_redactor();
        let (listening, threads) = listen::start(&shared, listener, admin, tls.as_ref())?;
        Ok(Self { shared, listening, threads })
    }

    /// Where callers connect.
    pub const fn addr(&self) -> SocketAddr {
        self.listening.address
    }

    /// Where an operator connects, if anywhere.
    pub const fn admin_addr(&self) -> Option<SocketAddr> {
        self.listening.admin
    }

    /// What the gateway knows.
    pub fn report(&self) -> Report {
        report(&self.shared)
    }

    /// Masks every key that the gateway holds, now.
    pub fn redactor(&self) -> Arc<Redactor> {
        self.shared.redactor.load_full()
    }

    /// Waits until a provider has no key left while requests wait for one.
    pub async fn need(&self) -> Need {
        parking::need(&self.shared).await
    }

    /// Waits until no request waits for this provider any more.
    pub async fn need_ended(&self, provider: &str) {
        self.shared.parking.emptied(provider).await;
    }

    /// Offers a key that a person gave. A good one joins the ring, and the requests go on.
    pub async fn offer(&self, provider: &str, key: &Secret) -> Offered {
        offer::offer(&self.shared, provider, key).await
    }

    /// A person gives no key: the waiting requests get their answer, and so do those that follow, until the
    /// keys of this provider change or serve again.
    pub fn decline(&self, provider: &str) {
        if let Some(upstream) = self.shared.live.load().upstream(provider) {
            self.shared.parking.decline(upstream);
        }
    }

    /// Nobody can be asked now: the waiting requests get their answer.
    pub fn release(&self, provider: &str) {
        if let Some(upstream) = self.shared.live.load().upstream(provider) {
            self.shared.parking.release(upstream);
        }
    }

    /// Stops taking requests, lets open ones end within `grace`, and stops. True when all of them ended.
    pub async fn shutdown(mut self, grace: Duration) -> bool {
        self.shared.draining.send_replace(true);
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                drop(thread.join());
            }
        });
        let drained = tokio::time::timeout(grace, joined).await.is_ok();
        self.shared.stopping.store(true, Ordering::Release);
        self.remember().await;
        drained
    }
}

impl Gateway {
    /// What is not written yet is written, if the disk is not too slow.
    async fn remember(&self) {
        let Some(memory) = self.shared.memory.clone() else {
            return;
        };
        self.shared.live.load().keys().for_each(|(_, key)| key.tell_service(true));
        if let Ok(false) = tokio::task::spawn_blocking(move || memory.flush(LAST_WORDS)).await {
            tracing::warn!("the history of keys was not written to its end");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.draining.send_replace(true);
        self.shared.stopping.store(true, Ordering::Release);
        self.listening.stop.notify_waiters();
    }
}

fn bind(address: SocketAddr) -> Result<StdListener, StartError> {
    let failed = |source| StartError::Listen { address, source };
    let socket =
        socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None).map_err(failed)?;
    // A port of a server that just ended may be taken again at once; a port in use may not.
    socket.set_reuse_address(cfg!(unix)).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    socket.bind(&address.into()).map_err(failed)?;
    socket.listen(1_024).map_err(failed)?;
    Ok(socket.into())
}

/// How long a stop waits for the history.
const LAST_WORDS: Duration = Duration::from_secs(2);
