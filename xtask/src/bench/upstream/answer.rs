//! The body of an answer: all at once, or event by event.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// A body.
pub(super) enum Answer {
    /// Everything in one frame.
    Whole(Option<Bytes>),
    /// One frame an event.
    Events {
        /// All of them.
        events: Rc<[Bytes]>,
        /// The next one to send.
        next: usize,
        /// What has to happen before the next one.
        rest: Rest,
    },
}

impl Answer {
    /// A body of one frame.
    pub(super) fn whole(body: Bytes) -> Self {
        Self::Whole(Some(body))
    }

    /// A body of one frame an event.
    pub(super) fn events(events: Rc<[Bytes]>, gap: Option<Duration>) -> Self {
        Self::Events {
            events,
            next: 0,
            rest: gap.map_or(Rest::Over, |gap| Rest::Sleep { timer: Box::pin(sleep(Duration::ZERO)), gap }),
        }
    }
}

/// The pause after an event.
///
/// hyper writes out what it has when a body is not ready, so each event becomes a write of its own.
pub(super) enum Rest {
    /// The next event may go.
    Over,
    /// It may go when everyone else had a turn.
    Yield,
    /// It may go when the timer has run out.
    Sleep {
        /// The timer.
        timer: Pin<Box<Sleep>>,
        /// How long it runs.
        gap: Duration,
    },
}

impl Rest {
    fn begin(&mut self) {
        match self {
            Self::Over => *self = Self::Yield,
            Self::Yield => {}
            Self::Sleep { timer, gap } => timer.as_mut().reset(Instant::now() + *gap),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Over => Poll::Ready(()),
            Self::Yield => {
                *self = Self::Over;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Sleep { timer, .. } => timer.as_mut().poll(context),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Events { events, next, rest } => {
                std::task::ready!(rest.poll(context));
                let event = events.get(*next).cloned();
                *next += 1;
                rest.begin();
                Poll::Ready(event.map(|event| Ok(Frame::data(event))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_none(),
            Self::Events { events, next, .. } => *next >= events.len(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Self::Events { .. } => SizeHint::default(),
        }
    }
}
