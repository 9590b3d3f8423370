//! Accepts callers and spreads them over the workers.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::drain::{Drain, Listener};
use crate::keeper;
use crate::serve;
use crate::shared::Shared;
use crate::start::StartError;
use crate::watch;
use crate::wire::{HeadWatch, Watched};

/// Where the gateway listens, and how it is stopped.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) stop: Arc<Notify>,
}

/// One worker, as the acceptor sees it.
struct Worker {
    callers: mpsc::Sender<StdStream>,
    open: Arc<AtomicUsize>,
}

/// Starts the workers and the control thread.
pub(crate) fn start(
    shared: &Arc<Shared>,
    listener: StdListener,
    admin: Option<StdListener>,
    tls: Option<&TlsAcceptor>,
) -> Result<(Listening, Vec<JoinHandle<()>>), StartError> {
    let address = listener.local_addr().map_err(StartError::Worker)?;
    let admin_address = admin.as_ref().map(StdListener::local_addr).transpose().map_err(StartError::Worker)?;
    let stop = Arc::new(Notify::new());
    let mut threads = Vec::new();
    let mut workers = Vec::new();
    for index in 0..shared.workers {
        let (sender, callers) = mpsc::channel(QUEUED_CALLERS);
        let open = Arc::new(AtomicUsize::new(0));
        workers.push(Worker { callers: sender, open: Arc::clone(&open) });
        let (shared, tls) = (Arc::clone(shared), tls.cloned());
        let runtime = runtime().map_err(StartError::Worker)?;
        let body = move || runtime.block_on(work(shared, index, callers, open, tls));
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(body);
        threads.push(thread.map_err(StartError::Worker)?);
    }
    let runtime = runtime().map_err(StartError::Worker)?;
    let (control_shared, control_stop) = (Arc::clone(shared), Arc::clone(&stop));
    let body = move || {
        runtime.block_on(control(control_shared, listener, admin, workers, control_stop));
    };
    let thread = std::thread::Builder::new().name("control".to_owned()).spawn(body);
    threads.push(thread.map_err(StartError::Worker)?);
    Ok((Listening { address, admin: admin_address, stop }, threads))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// The control thread: accepts callers, keeps keys, serves the admin listener.
async fn control(
    shared: Arc<Shared>,
    listener: StdListener,
    admin: Option<StdListener>,
    workers: Vec<Worker>,
    stop: Arc<Notify>,
) {
    let mut tasks = JoinSet::new();
    tasks.spawn(keeper::keep(Arc::clone(&shared)));
    tasks.spawn(watch::watch(Arc::clone(&shared)));
    if let Some(admin) = admin.and_then(|admin| TcpListener::from_std(admin).ok()) {
        tasks.spawn(serve_admin(Arc::clone(&shared), admin));
    }
    let mut draining = shared.draining.subscribe();
    match TcpListener::from_std(listener) {
        Ok(listener) => tokio::select! {
            () = accept(&shared, &listener, &workers) => {}
            _ = draining.wait_for(|draining| *draining) => {}
            () = stop.notified() => {}
        },
        Err(error) => tracing::error!(%error, "the listener cannot be used"),
    }
    // Without senders the workers end as soon as their connections do.
    drop(workers);
    tasks.shutdown().await;
}

async fn accept(shared: &Shared, listener: &TcpListener, workers: &[Worker]) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: it passes when connections close.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let limit = shared.live.load().settings.connection_limit as u64;
        if shared.connections.load(Ordering::Relaxed) >= limit {
            tracing::warn!(limit, "too many connections; one is closed unheard");
            continue;
        }
        let Some(worker) = workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else {
            return;
        };
        let Ok(stream) = stream.into_std() else {
            continue;
        };
        worker.open.fetch_add(1, Ordering::Relaxed);
        if worker.callers.try_send(stream).is_err() {
            worker.open.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!("a worker is too busy to take a connection; it is closed unheard");
        }
    }
}

/// One worker: serves the connections that it is given until there are no more.
async fn work(
    shared: Arc<Shared>,
    index: usize,
    mut callers: mpsc::Receiver<StdStream>,
    open: Arc<AtomicUsize>,
    tls: Option<TlsAcceptor>,
) {
    let mut connections = JoinSet::new();
    let drain = Arc::new(Drain::default());
    loop {
        tokio::select! {
            caller = callers.recv() => match caller {
                Some(stream) => {
                    let counted = Counted::new(&shared, &open);
                    let place = Place { shared: Arc::clone(&shared), worker: index, drain: drain.listen() };
                    connections.spawn(converse(place, stream, tls.clone(), counted));
                }
                None => break,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drain.start();
    while connections.join_next().await.is_some() {
        if shared.stopping.load(Ordering::Acquire) {
            break;
        }
    }
}

/// Where a connection is served.
struct Place {
    shared: Arc<Shared>,
    worker: usize,
    drain: Listener,
}

/// Counts a connection as open until it is dropped.
struct Counted {
    shared: Arc<Shared>,
    open: Arc<AtomicUsize>,
}

impl Counted {
    fn new(shared: &Arc<Shared>, open: &Arc<AtomicUsize>) -> Self {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(shared), open: Arc::clone(open) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn converse(place: Place, stream: StdStream, tls: Option<TlsAcceptor>, _counted: Counted) {
    let Ok(stream) = TcpStream::from_std(stream) else {
        return;
    };
    // Answers are small and callers wait for them; a failure here costs only time.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return speak(place, stream).await;
    };
    let limit = place.shared.live.load().settings.head_timeout;
    match tokio::time::timeout(limit, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(place, stream).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

/// Speaks HTTP/1.1 or HTTP/2 until the caller leaves or the gateway drains.
async fn speak<S>(place: Place, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Place { shared, worker, mut drain } = place;
    let settings = shared.live.load().settings.clone();
    let watch = Arc::new(HeadWatch::default());
    watch.expect_head();
    let stream = Watched::new(stream, Arc::clone(&watch), settings.head_timeout);
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, watch) = (Arc::clone(&shared), Arc::clone(&watch));
        async move { Ok::<_, std::convert::Infallible>(serve::serve(&shared, worker, request, &watch).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // `Watched` keeps the time of heads: for less than a timer of its own for each request.
        .header_read_timeout(None)
        .max_buf_size(settings.head_limit_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(settings.head_limit_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(MOST_STREAMS);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut draining = false;
    let ended = std::future::poll_fn(|cx| {
        if !draining && drain.is_on(cx) {
            draining = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(error, "connection ended");
    }
}

/// The admin listener: health and metrics, on loopback only.
async fn serve_admin(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let response = serve::admin_page(&shared, &request);
                async move { Ok::<_, std::convert::Infallible>(response) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

/// Reads certificate and key.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let failed = |path: &std::path::Path, says: String| StartError::Tls { path: path.to_owned(), says };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(failed(&files.certificate, "no `BEGIN CERTIFICATE` in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| match error {
        pem::Error::NoItemsFound => failed(&files.key, "no unencrypted `BEGIN … PRIVATE KEY` in it".to_owned()),
        error => failed(&files.key, error.to_string()),
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&files.certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.certificate, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections that wait for a worker to take them.
const QUEUED_CALLERS: usize = 1_024;
/// Requests at one time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 1_000;
/// How much of one upload may wait for its provider on an HTTP/2 connection, and how much of all uploads together: sixty-four that
/// stand still hold up nobody beside them.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 64 * STREAM_WINDOW;
