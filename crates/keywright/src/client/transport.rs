//! Connections to one provider: this crate's connector below hyper's pool.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{self, Client as Pool};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use keywright_core::Cause;
use keywright_core::ring::Sent;
use tokio::runtime::{Handle, Id};

use super::body::Outgoing;
use crate::http::{ConnectError, Connector, Origin, Stream};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// To open a connection.
    pub(super) connection: Duration,
    /// Until the answer begins, and between its pieces.
    pub(super) silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connection: Duration::from_secs(10), silence: Duration::from_secs(600) }
    }
}

/// Connections to one provider. Redirects are not followed.
#[derive(Debug)]
pub(super) struct Transport {
    dial: Dial,
    /// One for each runtime that uses the client: a connection ends with the runtime that drives it. The one used last is last.
    pools: Mutex<Vec<(Id, Connections)>>,
    pub(super) origin: Arc<Origin>,
    pub(super) limits: Limits,
}

type Connections = Pool<Dial, Outgoing>;

/// Why no answer came.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) cause: Cause,
    pub(super) sent: Sent,
    pub(super) says: String,
}

impl Transport {
    pub(super) fn new(connector: Connector, origin: Origin, limits: Limits) -> Self {
        let origin = Arc::new(origin);
        let dial = Dial { connector, origin: Arc::clone(&origin) };
        Self { dial, pools: Mutex::default(), origin, limits }
    }

    /// The connections of this runtime.
    fn pool(&self) -> Connections {
        let id = Handle::current().id();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = pools.iter().position(|(of, _)| *of == id) {
            pools[at..].rotate_left(1);
            return pools[pools.len() - 1].1.clone();
        }
        if pools.len() == MOST_RUNTIMES {
            pools.remove(0);
        }
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Before the provider closes it: a request that meets the end of its connection is not sent again.
            .pool_idle_timeout(LONGEST_IDLE)
            .build(self.dial.clone());
        pools.push((id, pool.clone()));
        pool
    }

    /// The address of a path at the provider, as it is dialled.
    pub(super) fn uri(&self, path_and_query: &str) -> String {
        let origin = &self.origin;
        format!("{}://{}{}{path_and_query}", origin.scheme(), origin.authority(), origin.prefix())
    }

    /// Sends one request and waits for the head of its answer.
    pub(super) async fn send(&self, request: Request<Outgoing>) -> Result<Response<Incoming>, Unanswered> {
        match tokio::time::timeout(self.limits.silence, self.pool().request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unanswered(&error)),
            Err(_) => Err(Unanswered {
                cause: Cause::Timeout,
                sent: Sent::MayHaveRun,
                says: format!("no answer began within {:?}", self.limits.silence),
            }),
        }
    }
}

fn unanswered(error: &legacy::Error) -> Unanswered {
    let dialled = chain(error).find_map(|error| error.downcast_ref::<ConnectError>());
    let says = chain(error).map(ToString::to_string).reduce(|all, next| format!("{all}: {next}"));
    Unanswered {
        cause: dialled.map_or(Cause::Network, ConnectError::cause),
        // Whatever went wrong after the connection was there may have come too late.
        sent: if error.is_connect() { Sent::Not } else { Sent::MayHaveRun },
        says: says.unwrap_or_else(|| error.to_string()),
    }
}

/// What stands behind an error, the nearest first.
fn chain(error: &dyn StdError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

/// Opens connections to the one place that keys go to, whatever a request says.
#[derive(Clone, Debug)]
struct Dial {
    connector: Connector,
    origin: Arc<Origin>,
}

impl tower_service::Service<Uri> for Dial {
    type Response = Line;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Line, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { connector, origin } = self.clone();
        Box::pin(async move {
            let stream = connector.connect(&origin).await?;
            Ok(Line { http2: stream.speaks_http2(), io: TokioIo::new(stream) })
        })
    }
}

/// One connection.
#[derive(Debug)]
struct Line {
    io: TokioIo<Stream>,
    http2: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        if self.http2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl Read for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, to)
    }
}

impl Write for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, pieces)
    }
}

/// A connection that nobody uses is closed after this.
const LONGEST_IDLE: Duration = Duration::from_secs(30);
/// Programs have one runtime, rarely more.
const MOST_RUNTIMES: usize = 16;

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::http::Versions;

    #[test]
    fn the_connections_that_go_first_are_those_of_the_runtime_that_was_used_longest_ago() {
        let runtimes: Vec<Runtime> =
            (0..=MOST_RUNTIMES).map(|_| Builder::new_current_thread().build().expect("a runtime")).collect();
        let limits = Limits::default();
        let connector = Connector::new(limits.connection, Versions::default()).expect("a connector");
        let origin = Origin::parse("https://api.example.com", "").expect("a URL");
        let transport = Transport::new(connector, origin, limits);
        let last = MOST_RUNTIMES;
        for used in (0..last).chain([0, last]) {
            let _inside = runtimes[used].enter();
            let _ = transport.pool();
        }
        let known: Vec<Id> = transport.pools.lock().expect("no panic").iter().map(|(id, _)| *id).collect();
        let expected: Vec<Id> = (2..last).chain([0, last]).map(|at| runtimes[at].handle().id()).collect();
        assert_eq!(known, expected);
    }
}
