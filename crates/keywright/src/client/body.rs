//! Bodies on their way: what goes up, and what comes down after it was peeked at.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
#[derive(Debug)]
pub(super) enum Outgoing {
    Whole(Option<Bytes>),
    /// Multipart, which is made piece by piece.
    Streamed(reqwest::Body),
}

impl Outgoing {
    /// What is known of it before it is sent.
    pub(super) fn beginning(&self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes.clone().unwrap_or_default(),
            Self::Streamed(_) => Bytes::new(),
        }
    }
}

impl From<reqwest::Body> for Outgoing {
    fn from(body: reqwest::Body) -> Self {
        match body.as_bytes() {
            Some(bytes) => Self::Whole(Some(Bytes::copy_from_slice(bytes))),
            None => Self::Streamed(body),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Frame::data).map(Ok)),
            Self::Streamed(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

/// The body of an answer: what was read to judge it, then the rest, each piece within a limit. Dropped before its end, the
/// connection is closed: that is how a call is cancelled.
pub(super) struct Arriving {
    peeked: Option<Bytes>,
    rest: Incoming,
    limit: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Arriving {
    pub(super) fn new(rest: Incoming, limit: Duration) -> Self {
        Self { peeked: None, rest, limit, silence: Box::pin(tokio::time::sleep(limit)) }
    }

    /// Puts back what was read.
    pub(super) fn put_back(&mut self, peeked: Bytes) {
        self.peeked = Some(peeked);
    }

    /// The next piece.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, BoxError> {
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(peeked) = this.peeked.take().filter(|peeked| !peeked.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(peeked))));
        }
        let polled = Pin::new(&mut this.rest).poll_frame(cx);
        if polled.is_ready() {
            this.silence.as_mut().reset(Instant::now() + this.limit);
            return polled.map_err(Into::into);
        }
        match this.silence.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(format!("nothing came for {:?}", this.limit).into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.peeked.as_ref().is_none_or(Bytes::is_empty) && self.rest.is_end_stream()
    }
}
