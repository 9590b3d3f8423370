//! Which connection a request takes: one that is free, one that another request is opening, or a new one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keywright::http::ConnectError;
use tokio::sync::watch;
use tokio::time::Instant;

use super::carrier::{Agreed, Carrier, Seat};
use super::line::Line;

/// Connections to one provider, for one worker. The lock is never contended: only this worker takes it.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
    agreed: Arc<Agreed>,
}

#[derive(Default)]
struct State {
    /// Idle connections, and since when.
    http1: Vec<(Line, Instant)>,
    /// Connections that carry many requests, and when each was last taken.
    http2: Vec<(Carrier, Instant)>,
    /// Whether the last connection spoke HTTP/1.1, so that nobody waits for another one's connection.
    speaks_http1: bool,
    /// Set while a request opens a connection that others may use too.
    dialing: Option<watch::Receiver<Outcome>>,
}

/// How the opening of a connection ended badly; `None` while it has not.
type Outcome = Option<Arc<ConnectError>>;

/// What a request does next.
pub(super) enum Next<'p> {
    /// It goes out on an idle connection.
    Http1(Line),
    /// It joins the others on a connection.
    Http2(Seat),
    /// Another request is opening a connection.
    Wait(watch::Receiver<Outcome>),
    /// It opens a connection.
    Dial(Dialing<'p>),
}

/// The right to open a connection. Dropped, it lets those who wait look again.
pub(super) struct Dialing<'p> {
    pool: &'p Pool,
    /// `None` when nobody waits.
    told: Option<watch::Sender<Outcome>>,
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next request does. With `may_share`, a new connection may turn out to carry many requests.
    pub(super) fn next(&self, may_share: bool) -> Next<'_> {
        let mut state = self.state();
        if let Some(seat) = state.seat() {
            return Next::Http2(seat);
        }
        if let Some(line) = state.checkout() {
            return Next::Http1(line);
        }
        if !may_share || state.speaks_http1 {
            return Next::Dial(Dialing { pool: self, told: None });
        }
        if let Some(dialing) = &state.dialing {
            return Next::Wait(dialing.clone());
        }
        let (told, waits) = watch::channel(None);
        state.dialing = Some(waits);
        Next::Dial(Dialing { pool: self, told: Some(told) })
    }

    /// Takes back a connection whose answer is complete.
    pub(super) fn put_back(&self, line: Line) {
        let mut state = self.state();
        if state.http1.len() < MOST_IDLE {
            state.http1.push((line, Instant::now()));
        }
    }
}

impl State {
    /// The most recently used connection that is ready. Connections that were idle for long are closed:
    /// the other side may close them just when a request leaves.
    fn checkout(&mut self) -> Option<Line> {
        while let Some((mut line, since)) = self.http1.pop() {
            if since.elapsed() > LONGEST_IDLE {
                // The ones below it lay idle for longer still.
                self.http1.clear();
            } else if line.is_ready() {
                return Some(line);
            }
        }
        None
    }

    /// A place on the first connection that has one, so that those which are needed no more fall idle.
    fn seat(&mut self) -> Option<Seat> {
        if self.http2.is_empty() {
            return None;
        }
        self.http2.retain(|(carrier, taken)| {
            let died_in_silence = carrier.is_idle() && taken.elapsed() > LONGEST_IDLE_SHARED;
            !carrier.is_closed() && !died_in_silence
        });
        self.http2.iter_mut().find_map(|(carrier, taken)| {
            let seat = carrier.seat()?;
            *taken = Instant::now();
            Some(seat)
        })
    }
}

impl Dialing<'_> {
    /// What the provider agreed to on its last connection.
    pub(super) fn agreed(&self) -> Arc<Agreed> {
        Arc::clone(&self.pool.agreed)
    }

    /// The connection carries many requests: the others may join.
    pub(super) fn carries_many(&self, carrier: Carrier) {
        let mut state = self.pool.state();
        state.speaks_http1 = false;
        state.http2.push((carrier, Instant::now()));
    }

    /// The connection carries one request at a time.
    pub(super) fn carries_one(&self) {
        self.pool.state().speaks_http1 = true;
    }

    /// No connection came about; all who wait hear why.
    pub(super) fn failed(self, error: ConnectError) -> Arc<ConnectError> {
        let error = Arc::new(error);
        if let Some(told) = &self.told {
            told.send_replace(Some(Arc::clone(&error)));
        }
        error
    }
}

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        if self.told.is_some() {
            self.pool.state().dialing = None;
        }
    }
}

/// Waits until a connection is open, or was given up; fails as it failed.
pub(super) async fn outcome(mut dialled: watch::Receiver<Outcome>) -> Result<(), Arc<ConnectError>> {
    match dialled.changed().await {
        Ok(()) => dialled.borrow().clone().map_or(Ok(()), Err),
        Err(_) => Ok(()),
    }
}

/// Idle connections kept per worker and provider.
const MOST_IDLE: usize = 256;
/// Shorter than the keep-alive of any provider's front door.
const LONGEST_IDLE: Duration = Duration::from_secs(15);
/// HTTP/2 says goodbye before it closes; this is for connections that died in silence.
const LONGEST_IDLE_SHARED: Duration = Duration::from_secs(60);
