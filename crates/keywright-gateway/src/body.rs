//! Request bodies on their way up: streamed, and kept for a second attempt while they are small enough.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// What one attempt sends upstream.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// No body.
    Empty,
    /// A body that is here as a whole.
    Whole(Option<Bytes>),
    /// A body that is still arriving, or has arrived in pieces.
    Streamed(Playback),
}

/// A request's body, from which every attempt makes its own [`Outgoing`].
#[derive(Clone, Debug)]
pub(crate) enum RequestBody {
    Empty,
    Whole(Bytes),
    Streamed(Arc<Recording>),
}

/// What was read so far, and the rest of the caller's body.
#[derive(Debug)]
pub(crate) struct Recording {
    state: Mutex<Tape>,
    limits: BodyLimits,
}

/// The limits of one request's body.
#[derive(Clone, Debug)]
pub(crate) struct BodyLimits {
    /// A larger body is refused.
    pub(crate) most_bytes: u64,
    /// A body up to this size is kept.
    pub(crate) replay_bytes: usize,
    /// Between two pieces.
    pub(crate) idle: Duration,
    /// What all requests together keep.
    pub(crate) budget: Arc<Budget>,
}

/// How many bytes all requests together may keep.
#[derive(Debug)]
pub(crate) struct Budget {
    kept: AtomicUsize,
    most: usize,
}

#[derive(Debug)]
struct Tape {
    pieces: Vec<Bytes>,
    kept_bytes: usize,
    seen_bytes: u64,
    /// Whether everything that was read is still here.
    replayable: bool,
    /// How many attempts have begun to play it. Only the latest goes on.
    attempts: u32,
    source: Option<Incoming>,
    failure: Option<BodyFailure>,
}

/// Why the caller's body did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFailure {
    #[error("the request body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the request body stopped for longer than {0:?}")]
    Idle(Duration),
    #[error("the caller broke off its request body")]
    Broken,
    #[error("the request body was too large to be kept for a second attempt")]
    NotKept,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: AtomicUsize::new(0), most }
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |kept: usize| kept.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.kept.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How much is kept now.
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }
}

impl RequestBody {
    /// Takes the caller's body, waiting for its first piece only. Most bodies are whole by then.
    pub(crate) async fn begin(mut source: Incoming, limits: BodyLimits) -> Result<Self, BodyFailure> {
        if source.is_end_stream() {
            return Ok(Self::Empty);
        }
        if source.size_hint().lower() > limits.most_bytes {
            return Err(BodyFailure::TooLarge(limits.most_bytes));
        }
        let first = next_piece(&mut source, limits.idle).await?;
        let Some(first) = first else {
            return Ok(Self::Empty);
        };
        if source.is_end_stream() {
            return Ok(Self::Whole(first));
        }
        let recording = Recording {
            state: Mutex::new(Tape {
                pieces: Vec::new(),
                kept_bytes: 0,
                seen_bytes: 0,
                replayable: true,
                attempts: 0,
                source: Some(source),
                failure: None,
            }),
            limits,
        };
        {
            let mut tape = recording.tape();
            recording.keep(&mut tape, &first)?;
            if !tape.replayable {
                // It is played once all the same.
                tape.pieces.push(first);
            }
        }
        Ok(Self::Streamed(Arc::new(recording)))
    }

    /// What an attempt sends. `None` when the body has been given away and was not kept.
    pub(crate) fn attempt(&self) -> Option<Outgoing> {
        match self {
            Self::Empty => Some(Outgoing::Empty),
            Self::Whole(bytes) => Some(Outgoing::Whole(Some(bytes.clone()))),
            Self::Streamed(recording) => {
                let mut tape = recording.tape();
                let playable = tape.replayable || tape.attempts == 0;
                playable.then(|| {
                    tape.attempts += 1;
                    let (recording, attempt) = (Arc::clone(recording), tape.attempts);
                    Outgoing::Streamed(Playback { recording, attempt, next: 0, idle: None })
                })
            }
        }
    }

    /// Whether another attempt can be made.
    pub(crate) fn can_be_played(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(_) => true,
            Self::Streamed(recording) => {
                let tape = recording.tape();
                tape.replayable && tape.failure.is_none()
            }
        }
    }

    /// How many bytes of it are kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Whole(bytes) => bytes.len(),
            Self::Streamed(recording) => recording.tape().kept_bytes,
        }
    }

    /// Why the caller's body did not arrive, if it did not.
    pub(crate) fn failure(&self) -> Option<BodyFailure> {
        match self {
            Self::Empty | Self::Whole(_) => None,
            Self::Streamed(recording) => recording.tape().failure,
        }
    }

    /// Whether the caller's body has been read to its end.
    pub(crate) fn is_read_out(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(_) => true,
            Self::Streamed(recording) => {
                let tape = recording.tape();
                tape.source.is_none() && tape.failure.is_none()
            }
        }
    }

    /// The body as far as it was read, for a look at its members.
    pub(crate) fn so_far(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Whole(bytes) => bytes.clone(),
            Self::Streamed(recording) => {
                let tape = recording.tape();
                match tape.pieces.as_slice() {
                    [one] => one.clone(),
                    pieces => pieces
                        .iter()
                        .fold(BytesMut::with_capacity(tape.kept_bytes), |mut all, piece| {
                            all.extend_from_slice(piece);
                            all
                        })
                        .freeze(),
                }
            }
        }
    }

    /// Reads one more piece; false at the end of the body.
    pub(crate) async fn read_more(&self) -> Result<bool, BodyFailure> {
        let Self::Streamed(recording) = self else {
            return Ok(false);
        };
        let Some(mut source) = recording.tape().source.take() else {
            return Ok(false);
        };
        let piece = next_piece(&mut source, recording.limits.idle).await;
        let mut tape = recording.tape();
        match piece {
            Ok(Some(piece)) => {
                tape.source = Some(source);
                recording.keep(&mut tape, &piece)?;
                if tape.replayable { Ok(true) } else { Err(BodyFailure::NotKept) }
            }
            Ok(None) => Ok(false),
            Err(failure) => {
                tape.failure = Some(failure);
                Err(failure)
            }
        }
    }
}

/// The next piece of data, within the idle limit. Trailers are dropped: no provider reads them.
async fn next_piece(source: &mut Incoming, idle: Duration) -> Result<Option<Bytes>, BodyFailure> {
    use http_body_util::BodyExt;
    loop {
        match tokio::time::timeout(idle, source.frame()).await {
            Err(_) => return Err(BodyFailure::Idle(idle)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(BodyFailure::Broken),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_) => {}
            },
        }
    }
}

impl Recording {
    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a piece and keeps it while there is room.
    fn keep(&self, tape: &mut Tape, piece: &Bytes) -> Result<(), BodyFailure> {
        tape.seen_bytes += piece.len() as u64;
        if tape.seen_bytes > self.limits.most_bytes {
            let failure = BodyFailure::TooLarge(self.limits.most_bytes);
            tape.failure = Some(failure);
            tape.source = None;
            return Err(failure);
        }
        if !tape.replayable {
            return Ok(());
        }
        let fits = tape.kept_bytes + piece.len() <= self.limits.replay_bytes && self.limits.budget.take(piece.len());
        if fits {
            tape.kept_bytes += piece.len();
            tape.pieces.push(piece.clone());
        } else {
            tape.replayable = false;
        }
        Ok(())
    }

    /// Forgets what can no longer be played from the start. Only the attempt that still plays it calls this.
    fn forget(&self, tape: &mut Tape) {
        self.limits.budget.give_back(tape.kept_bytes);
        tape.kept_bytes = 0;
        tape.pieces = Vec::new();
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let kept = self.tape().kept_bytes;
        self.limits.budget.give_back(kept);
    }
}

/// One attempt's view of a recording: first what was kept, then what still arrives.
#[derive(Debug)]
pub(crate) struct Playback {
    recording: Arc<Recording>,
    /// Which attempt this is.
    attempt: u32,
    next: usize,
    idle: Option<Pin<Box<Sleep>>>,
}

impl Playback {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        let recording = Arc::clone(&self.recording);
        let mut tape = recording.tape();
        if tape.attempts != self.attempt {
            // It was refused before all was sent. It must not read on: one reader alone is told of new pieces.
            return Poll::Ready(Some(Err(BodyFailure::Broken)));
        }
        if let Some(piece) = tape.pieces.get(self.next) {
            let piece = piece.clone();
            self.next += 1;
            return Poll::Ready(Some(Ok(piece)));
        }
        if !tape.replayable && !tape.pieces.is_empty() {
            recording.forget(&mut tape);
            self.next = 0;
        }
        let Some(source) = tape.source.as_mut() else {
            return Poll::Ready(tape.failure.map(Err));
        };
        let Poll::Ready(frame) = Pin::new(source).poll_frame(cx) else {
            return self.poll_idle(cx, &mut tape);
        };
        self.idle = None;
        match frame {
            None => {
                tape.source = None;
                Poll::Ready(None)
            }
            Some(Err(_)) => Poll::Ready(Some(Err(fail(&mut tape, BodyFailure::Broken)))),
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap_or_default();
                let kept = recording.keep(&mut tape, &piece);
                self.next = tape.pieces.len();
                Poll::Ready(Some(kept.map(|()| piece)))
            }
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>, tape: &mut Tape) -> Poll<Option<Result<Bytes, BodyFailure>>> {
        let limit = self.recording.limits.idle;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        ready!(idle.as_mut().poll(cx));
        Poll::Ready(Some(Err(fail(tape, BodyFailure::Idle(limit)))))
    }
}

fn fail(tape: &mut Tape, failure: BodyFailure) -> BodyFailure {
    tape.failure = Some(failure);
    tape.source = None;
    failure
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed(playback) => playback.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_none(),
            Self::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
