//! An HTTP/1.1 connection: it carries one request at a time and is driven by whoever uses it.
//!
//! There is no task of its own behind it. Polled from the task that serves the caller, pieces of an
//! answer that arrived in one read go down in one write: a stream of fifty events costs a few system
//! calls instead of fifty, and no task has to wake another one.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use keywright::http::Stream;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::body::Outgoing;

/// A connection and what drives it.
pub(super) struct Line {
    sender: http1::SendRequest<Outgoing>,
    /// `None` once it has ended.
    connection: Option<Connection>,
    alarm: Alarm,
}

/// Why a request got no answer on a connection.
pub(super) enum Unanswered {
    /// The connection failed; the request comes back with the error if it did not leave.
    Failed(Box<TrySendError<Request<Outgoing>>>),
    /// No answer began in time.
    TimedOut,
}

type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

impl Line {
    /// Begins HTTP/1.1 on a new connection.
    pub(super) async fn begin(stream: Stream) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection: Some(Box::pin(connection.with_upgrades())), alarm: Alarm::default() })
    }

    /// Sends a request and drives the connection until the head of the answer is there.
    pub(super) async fn send(
        &mut self,
        request: Request<Outgoing>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Unanswered> {
        let due = Instant::now() + limit;
        let mut answer = pin!(self.sender.try_send_request(request));
        let (connection, alarm) = (&mut self.connection, &mut self.alarm);
        std::future::poll_fn(|cx| {
            let mut polled = answer.as_mut().poll(cx);
            if polled.is_pending() {
                drive(connection, cx);
                polled = answer.as_mut().poll(cx);
            }
            if polled.is_pending() {
                return alarm.poll(due, cx).map(|()| Err(Unanswered::TimedOut));
            }
            polled.map_err(|error| Unanswered::Failed(Box::new(error)))
        })
        .await
    }

    /// Moves the connection on: what has arrived is read, what can be written is written.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, cx);
    }

    /// Whether it may take a request now. What the other side did while it lay idle is seen here.
    pub(super) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Lets the connection go on by itself, as another protocol.
    pub(super) fn detach(self) {
        if let Some(connection) = self.connection {
            super::carrier::detach(connection);
        }
    }
}

fn drive(connection: &mut Option<Connection>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && let Poll::Ready(ended) = running.as_mut().poll(cx)
    {
        *connection = None;
        if let Err(error) = ended {
            tracing::debug!(%error, "upstream connection ended");
        }
    }
}
