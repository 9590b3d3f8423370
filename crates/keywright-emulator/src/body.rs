//! The body of an answer: a script of steps, so that faults and delays are data.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// One step of sending a body.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send these bytes.
    Data(Bytes),
    /// Send this many filler bytes.
    Fill(u64),
    /// Let what was sent so far reach the wire.
    Flush,
    /// Wait.
    Wait(Duration),
    /// Break the connection.
    Abort,
    /// Never finish.
    Hang,
}

/// Sends its steps in order.
pub(crate) struct Script {
    steps: std::vec::IntoIter<Step>,
    filling: u64,
    sleep: Option<Pin<Box<Sleep>>>,
    hanging: bool,
    /// Known length, when the script is plain data.
    length: Option<u64>,
}

impl Script {
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        let length = steps.iter().try_fold(0_u64, |sum, step| match step {
            Step::Data(bytes) => Some(sum + bytes.len() as u64),
            Step::Fill(count) => Some(sum + count),
            Step::Flush | Step::Wait(_) => Some(sum),
            Step::Abort | Step::Hang => None,
        });
        Self { steps: steps.into_iter(), filling: 0, sleep: None, hanging: false, length }
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::new(vec![Step::Data(bytes)])
    }

    /// Hides the length, as a stream does.
    pub(crate) fn chunked(mut self) -> Self {
        self.length = None;
        self
    }

    fn fill(&mut self) -> Bytes {
        let size = self.filling.min(FILLER.len() as u64);
        self.filling -= size;
        FILLER.slice(..usize::try_from(size).unwrap_or_default())
    }
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let script = self.get_mut();
        loop {
            if script.hanging {
                return Poll::Pending;
            }
            if let Some(sleep) = &mut script.sleep {
                match sleep.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => script.sleep = None,
                }
            }
            if script.filling > 0 {
                return Poll::Ready(Some(Ok(Frame::data(script.fill()))));
            }
            match script.steps.next() {
                None => return Poll::Ready(None),
                Some(Step::Data(bytes)) if bytes.is_empty() => {}
                Some(Step::Data(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Fill(count)) => script.filling = count,
                Some(Step::Flush) => {
                    // The connection writes out what it holds when the body has nothing ready.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Wait(delay)) => script.sleep = Some(Box::pin(sleep(delay))),
                Some(Step::Abort) => {
                    return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::BrokenPipe))));
                }
                Some(Step::Hang) => script.hanging = true,
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The error of a service that closes the connection instead of answering.
#[derive(Debug)]
pub(crate) struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the emulator was told to close the connection")
    }
}

impl std::error::Error for HangUp {}

static FILLER: Bytes = Bytes::from_static(&[b'.'; 64 * 1024]);
