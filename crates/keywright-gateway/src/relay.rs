//! Answers on their way down: bytes untouched, bounded in time, the connection given back at the end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::pool::Source;
use crate::settle::InFlight;

/// The body of any answer that goes down.
pub(crate) enum Down {
    /// A body that is here as a whole.
    Whole(Option<Bytes>),
    /// A provider's body.
    Relayed(Box<Relay>),
}

/// A provider's body, as it arrives.
pub(crate) struct Relay {
    /// What was read before the decision to relay, in order.
    peeked: Peeked,
    source: Source,
    limits: RelayLimits,
    alarm: Alarm,
    /// When the last piece came.
    last: Instant,
    /// The answer broke off, and that is still to be told.
    broken: Option<hyper::Error>,
    /// Counts the request as open until the body ends.
    _open: InFlight,
}

/// What was read of a body before the decision to relay it, in order. Mostly one piece, kept without a list.
#[derive(Debug, Default)]
pub(crate) struct Peeked {
    first: Option<Bytes>,
    rest: VecDeque<Bytes>,
}

impl Peeked {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.first.is_none() {
            self.first = Some(piece);
        } else {
            self.rest.push_back(piece);
        }
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.first.iter().chain(&self.rest)
    }

    /// All pieces as one; the only piece itself where there is one.
    pub(crate) fn joined(&self) -> Bytes {
        match &self.first {
            None => Bytes::new(),
            Some(first) if self.rest.is_empty() => first.clone(),
            Some(_) => self
                .pieces()
                .fold(BytesMut::new(), |mut all, piece| {
                    all.extend_from_slice(piece);
                    all
                })
                .freeze(),
        }
    }

    const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    fn take_first(&mut self) -> Option<Bytes> {
        std::mem::replace(&mut self.first, self.rest.pop_front())
    }
}

/// How long a body may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayLimits {
    /// When the relay began.
    pub(crate) began: Instant,
    /// Between two pieces.
    pub(crate) idle: Duration,
    /// When the whole request must be over.
    pub(crate) deadline: Instant,
}

/// Why an answer broke off after its first byte. The caller sees a broken connection, never a false end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("the provider's answer broke off")]
    Broken(#[source] hyper::Error),
    #[error("the provider's answer stopped for longer than {0:?}, or the request's time was over")]
    TimedOut(Duration),
}

impl Down {
    /// A body that is here as a whole.
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }

    /// No body.
    pub(crate) const fn empty() -> Self {
        Self::Whole(None)
    }

    /// A provider's body, after what was peeked at.
    pub(crate) fn relayed(peeked: Peeked, source: Source, limits: RelayLimits, open: InFlight) -> Self {
        Self::Relayed(Box::new(Relay {
            peeked,
            source,
            limits,
            alarm: Alarm::default(),
            last: limits.began,
            broken: None,
            _open: open,
        }))
    }
}

impl Relay {
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(bytes) = self.peeked.take_first() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(RelayError::Broken(error))));
        }
        match self.source.poll_piece(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.last = Instant::now();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(%error, "the provider's answer broke off");
                // What came before goes down first: the break is told on the next turn.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.poll_timer(cx),
        }
    }

    /// Most bodies never make us wait, and a piece costs no more than a look at the clock.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let limits = self.limits;
        let due = limits.deadline.min(self.last + limits.idle);
        self.alarm.poll(due, cx).map(|()| {
            tracing::warn!(
                idle_ms = limits.idle.as_millis(),
                "the provider's answer stopped; the request is broken off"
            );
            Some(Err(RelayError::TimedOut(limits.idle)))
        })
    }
}

impl Body for Down {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relayed(relay) => relay.poll_source(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Relayed(relay) => relay.peeked.is_empty() && relay.source.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Relayed(relay) => {
                let peeked: u64 = relay.peeked.pieces().map(|bytes| bytes.len() as u64).sum();
                match relay.source.size_hint().exact() {
                    Some(rest) => SizeHint::with_exact(rest + peeked),
                    None => SizeHint::default(),
                }
            }
        }
    }
}
