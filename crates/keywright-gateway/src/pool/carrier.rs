//! An HTTP/2 connection: it carries many requests, up to as many as the provider takes at one time.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use keywright::http::Stream;

use super::SendError;
use crate::body::Outgoing;

/// One connection, as the pool keeps it.
pub(super) struct Carrier {
    sender: http2::SendRequest<Outgoing>,
    load: Arc<Load>,
}

/// How many requests a connection carries, and how many it may.
struct Load {
    open: AtomicUsize,
    /// Fewer than agreed, once the provider has refused one; 0 when it wants no more at all.
    cap: AtomicUsize,
    agreed: Arc<Agreed>,
    /// The task that drives it owns it: it must be gone as soon as it has ended.
    connection: Weak<Mutex<Connection>>,
}

type Connection = http2::Connection<TokioIo<Stream>, Outgoing, TokioExecutor>;

/// How many requests the provider took at one time on its last connection: a new one begins with that,
/// since requests leave before its own word arrives.
pub(super) struct Agreed(AtomicUsize);

impl Default for Agreed {
    fn default() -> Self {
        Self(AtomicUsize::new(FIRST_STREAMS))
    }
}

impl Load {
    /// How many requests it may carry, by the provider's latest word.
    fn most(&self) -> usize {
        let Some(connection) = self.connection.upgrade() else {
            return 0;
        };
        let most = connection.lock().unwrap_or_else(PoisonError::into_inner).current_max_send_streams();
        let most = most.clamp(1, MOST_STREAMS as usize);
        self.agreed.0.store(most, Ordering::Relaxed);
        most.min(self.cap.load(Ordering::Relaxed))
    }

    /// The provider refused a request: it takes fewer than this, whatever was agreed.
    fn refused(&self) {
        let others = self.open.load(Ordering::Relaxed).saturating_sub(1);
        self.cap.store(self.most().min(others), Ordering::Relaxed);
    }
}

/// One request's place on a connection; free again when dropped.
pub(super) struct Seat {
    sender: http2::SendRequest<Outgoing>,
    load: Arc<Load>,
}

impl Carrier {
    /// Begins HTTP/2 on a new connection, whose first place is taken. It lives until the provider closes it,
    /// or the carrier and all places are dropped.
    pub(super) async fn begin(stream: Stream, agreed: Arc<Agreed>) -> Result<(Self, Seat), hyper::Error> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(30)))
            .initial_max_send_streams(agreed.0.load(Ordering::Relaxed))
            .max_header_list_size(LARGEST_HEAD)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW * MOST_STREAMS);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let connection = Arc::new(Mutex::new(connection));
        let load = Arc::new(Load {
            open: AtomicUsize::new(1),
            cap: AtomicUsize::new(MOST_STREAMS as usize),
            agreed,
            connection: Arc::downgrade(&connection),
        });
        detach(std::future::poll_fn(move |cx| {
            Pin::new(&mut *connection.lock().unwrap_or_else(PoisonError::into_inner)).poll(cx)
        }));
        let seat = Seat { sender: sender.clone(), load: Arc::clone(&load) };
        Ok((Self { sender, load }, seat))
    }

    /// A place on it, if one is free. Only the worker that owns the connection takes places.
    pub(super) fn seat(&self) -> Option<Seat> {
        let open = self.load.open.load(Ordering::Relaxed);
        (open < self.load.most()).then(|| {
            self.load.open.fetch_add(1, Ordering::Relaxed);
            Seat { sender: self.sender.clone(), load: Arc::clone(&self.load) }
        })
    }

    /// Whether the provider has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether it carries nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.load.open.load(Ordering::Relaxed) == 0
    }
}

impl Seat {
    /// Sends a request; it comes back with the error if it did not leave.
    pub(super) fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>> + use<> {
        self.sender.try_send_request(request)
    }

    /// What became of a request that left and got no answer.
    ///
    /// A stream that is refused, or above the last one that a closing provider names, was not looked at
    /// (RFC 9113, sections 5.4 and 6.8).
    pub(super) fn failed(&self, error: hyper::Error) -> SendError {
        let said = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<h2::Error>());
        let Some(said) = said.filter(|said| said.is_remote()) else {
            return SendError::MayHaveRun(error);
        };
        let refused = said.reason() == Some(h2::Reason::REFUSED_STREAM);
        if refused {
            self.load.refused();
        }
        if refused || said.is_go_away() { SendError::NotTaken(error) } else { SendError::MayHaveRun(error) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.load.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Drives a connection. The task ends with the connection, and the connection ends when its sender is dropped.
pub(super) fn detach(connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
}

/// Requests at one time on one connection; more open another one.
const MOST_STREAMS: u32 = 128;
/// What the specification recommends as the least that a provider takes.
const FIRST_STREAMS: usize = 100;
/// How much of one answer may wait for its caller. The connection's window holds that much for every
/// stream, so that slow callers never stop the answers of the others.
const STREAM_WINDOW: u32 = 512 * 1024;
/// A larger head of an answer breaks its stream.
const LARGEST_HEAD: u32 = 64 * 1024;
