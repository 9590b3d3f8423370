//! The load generator: HTTP/1.1 keep-alive by hand on tokio, one thread, closed loop.
//!
//! Requests are ready-made bytes and answers are compared byte by byte, so it stays cheap and misses nothing.

mod connection;
mod histogram;
mod reader;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

pub(crate) use connection::Connection;
pub(crate) use reader::Fault;
pub(crate) use tally::Tally;

/// One kind of request to one address.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Where to.
    pub(crate) target: SocketAddr,
    /// The whole request.
    pub(crate) request: Bytes,
    /// The whole body that must come back; `None` takes any.
    pub(crate) answer: Option<Bytes>,
}

/// Load that has been started; it ends by itself.
pub(crate) struct Load {
    connections: JoinSet<Tally>,
    in_flight: Arc<AtomicUsize>,
    /// When counting starts.
    pub(crate) starts: Instant,
    /// When counting stops.
    pub(crate) ends: Instant,
}

impl Load {
    /// Opens the connections and keeps one request in flight on each of them.
    ///
    /// Only answers that complete between `warm_up` and `warm_up + length` are counted.
    pub(crate) fn start(call: &Call, connections: usize, warm_up: Duration, length: Duration) -> Self {
        let starts = Instant::now() + warm_up;
        let ends = starts + length;
        let in_flight = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(repeat(call.clone(), starts, ends, Arc::clone(&in_flight)));
        }
        Self { connections: tasks, in_flight, starts, ends }
    }

    /// Requests sent whose answers are not complete.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Waits for the last answers; one that takes longer than five seconds more is an error.
    pub(crate) async fn finish(mut self) -> Tally {
        let mut total = Tally::default();
        let patience = tokio::time::Instant::from_std(self.ends + PATIENCE);
        loop {
            match tokio::time::timeout_at(patience, self.connections.join_next()).await {
                Ok(Some(Ok(tally))) => total.add(&tally),
                Ok(Some(Err(_))) => total.fail(Fault::Broken("the generator itself".to_owned())),
                Ok(None) => return total,
                Err(_) => {
                    for _ in 0..self.connections.len() {
                        total.fail(Fault::Stuck);
                    }
                    self.connections.abort_all();
                    return total;
                }
            }
        }
    }
}

async fn repeat(call: Call, starts: Instant, ends: Instant, in_flight: Arc<AtomicUsize>) -> Tally {
    let mut connection = Connection::new(call.target);
    let mut tally = Tally::default();
    let mut sent = Instant::now();
    while sent < ends {
        in_flight.fetch_add(1, Ordering::Relaxed);
        let outcome = connection.exchange(&call).await;
        in_flight.fetch_sub(1, Ordering::Relaxed);
        let done = Instant::now();
        match outcome {
            Ok(seen) if done >= starts && done < ends => tally.count(done - sent, &seen),
            Ok(_) => {}
            Err(fault) => {
                tally.fail(fault);
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
        sent = Instant::now();
    }
    tally
}

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A contender that is down must not make the generator spin.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(5);
