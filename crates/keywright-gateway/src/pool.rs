//! Idle connections to one provider, for one worker, and the sending of one request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use keywright::http::ConnectError;
use tokio::time::Instant;

use crate::body::Outgoing;
use crate::live::Upstream;

/// Idle connections to one provider, for one worker. The lock is never contended: only this worker takes it.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    http1: Vec<(http1::SendRequest<Outgoing>, Instant)>,
    /// One connection carries many requests.
    http2: Option<http2::SendRequest<Outgoing>>,
}

/// A connection in use. Dropped before the answer's end, it is closed; that is how an upstream call is cancelled.
pub(crate) struct Lease {
    sender: Option<http1::SendRequest<Outgoing>>,
    upstream: Arc<Upstream>,
    worker: usize,
}

/// Why a request got no answer, and how far it came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// It never left.
    #[error(transparent)]
    NotSent(#[from] ConnectError),
    /// It left, and the connection ended without an answer: it may have run.
    #[error("the connection ended without an answer")]
    MayHaveRun(#[source] hyper::Error),
    /// It left, and no answer began in time: it may be running.
    #[error("no answer began within {0:?}")]
    TimedOut(Duration),
}

impl Lease {
    /// The answer is complete: the connection may serve the next request.
    pub(crate) fn give_back(mut self) {
        if let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed()) {
            let mut idle = self.upstream.pools[self.worker].idle();
            if idle.http1.len() < MOST_IDLE {
                idle.http1.push((sender, Instant::now()));
            }
        }
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most recently used connection that is ready. Connections that were idle for long are closed:
    /// the other side may close them just when a request leaves.
    fn checkout(&self) -> Option<http1::SendRequest<Outgoing>> {
        let mut idle = self.idle();
        let mut from = idle.http1.len();
        while from > 0 {
            from -= 1;
            let (sender, since) = &idle.http1[from];
            if sender.is_closed() || since.elapsed() > LONGEST_IDLE {
                idle.http1.swap_remove(from);
            } else if sender.is_ready() {
                return Some(idle.http1.remove(from).0);
            }
        }
        None
    }

    fn http2(&self) -> Option<http2::SendRequest<Outgoing>> {
        self.idle().http2.clone().filter(http2::SendRequest::is_ready)
    }
}

/// Sends one request and waits for the head of its answer.
pub(crate) async fn send(
    upstream: &Arc<Upstream>,
    worker: usize,
    mut request: Request<Outgoing>,
    first_byte: Duration,
) -> Result<(Response<Incoming>, Lease), SendError> {
    let pool = &upstream.pools[worker];
    if let Some(sender) = pool.http2() {
        return send_http2(upstream, worker, sender, request, first_byte).await;
    }
    while let Some(sender) = pool.checkout() {
        match send_http1(upstream, worker, sender, request, first_byte).await {
            // The idle connection closed before the request left: the next one, or a new one.
            Err(Unsent::Untouched(back)) => request = *back,
            Err(Unsent::Failed(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
    }
    let stream = upstream.connector.connect(&upstream.origin).await?;
    let refused = |source| ConnectError::Http { host: upstream.origin.authority().to_string(), source };
    if stream.speaks_http2() {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(refused)?;
        detach(connection);
        pool.idle().http2 = Some(sender.clone());
        return send_http2(upstream, worker, sender, request, first_byte).await;
    }
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(refused)?;
    detach(connection.with_upgrades());
    match send_http1(upstream, worker, sender, request, first_byte).await {
        Ok(answer) => Ok(answer),
        Err(Unsent::Failed(error)) => Err(error),
        Err(Unsent::Untouched(_)) => Err(SendError::NotSent(ConnectError::Refused {
            host: upstream.origin.authority().host().to_owned(),
            port: upstream.origin.authority().port_u16().unwrap_or_default(),
            source: std::io::ErrorKind::ConnectionReset.into(),
        })),
    }
}

enum Unsent {
    Untouched(Box<Request<Outgoing>>),
    Failed(SendError),
}

async fn send_http1(
    upstream: &Arc<Upstream>,
    worker: usize,
    mut sender: http1::SendRequest<Outgoing>,
    request: Request<Outgoing>,
    first_byte: Duration,
) -> Result<(Response<Incoming>, Lease), Unsent> {
    match tokio::time::timeout(first_byte, sender.try_send_request(request)).await {
        Ok(Ok(response)) => Ok((response, Lease { sender: Some(sender), upstream: Arc::clone(upstream), worker })),
        Ok(Err(mut error)) => Err(match error.take_message() {
            Some(request) => Unsent::Untouched(Box::new(request)),
            None => Unsent::Failed(SendError::MayHaveRun(error.into_error())),
        }),
        Err(_) => Err(Unsent::Failed(SendError::TimedOut(first_byte))),
    }
}

async fn send_http2(
    upstream: &Arc<Upstream>,
    worker: usize,
    mut sender: http2::SendRequest<Outgoing>,
    mut request: Request<Outgoing>,
    first_byte: Duration,
) -> Result<(Response<Incoming>, Lease), SendError> {
    absolute(upstream, &mut request);
    match tokio::time::timeout(first_byte, sender.send_request(request)).await {
        Ok(Ok(response)) => Ok((response, Lease { sender: None, upstream: Arc::clone(upstream), worker })),
        Ok(Err(error)) => Err(SendError::MayHaveRun(error)),
        Err(_) => Err(SendError::TimedOut(first_byte)),
    }
}

/// HTTP/2 names scheme and authority in the URI and has no `Host`.
fn absolute(upstream: &Upstream, request: &mut Request<Outgoing>) {
    let uri = std::mem::take(request.uri_mut());
    let mut parts = uri.into_parts();
    parts.scheme = Some(upstream.origin.scheme());
    parts.authority = Some(upstream.origin.authority().clone());
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(http::header::HOST);
}

/// Drives a connection. The task ends with the connection, and the connection ends when its sender is dropped.
fn detach(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
}

/// Idle connections kept per worker and provider.
const MOST_IDLE: usize = 256;
/// Shorter than the keep-alive of any provider's front door.
const LONGEST_IDLE: Duration = Duration::from_secs(15);
