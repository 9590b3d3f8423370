//! Passes on what the child writes, with keys masked, as soon as it comes.

use std::io::{self, PipeReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::Redactor;

use super::tail::SharedTail;

/// A stream on its way through a thread of its own.
#[derive(Debug)]
pub(super) struct Relay(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// How many chunks came.
    chunks: AtomicU64,
    /// Our own reader is slow: what came is not written yet.
    writing: AtomicBool,
    finished: AtomicBool,
}

impl Relay {
    /// Starts to pass on, and to keep the end of what comes if someone will want it.
    pub(super) fn start(
        from: PipeReader,
        to: impl Write + Send + 'static,
        redactor: Arc<Redactor>,
        tail: Option<SharedTail>,
    ) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            // A closed output ends the relay; the child then meets a closed pipe, as without us.
            let _ = pass_on(from, to, &redactor, &shared, tail.as_ref());
            shared.finished.store(true, Ordering::Release);
        })?;
        Ok(Self(state))
    }

    /// Waits until everything is passed on. What the child left running in the background may hold
    /// the stream open for ever: silence ends the wait.
    pub(super) async fn finish(&self) {
        let mut before = (0, 0);
        while !self.0.finished.load(Ordering::Acquire) {
            let chunks = self.0.chunks.load(Ordering::Acquire);
            let busy = self.0.writing.load(Ordering::Acquire) || chunks != before.0;
            before = (chunks, if busy { 0 } else { before.1 + 1 });
            if before.1 > TICKS_OF_SILENCE {
                return;
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

fn pass_on(
    mut from: PipeReader,
    mut to: impl Write,
    redactor: &Redactor,
    state: &State,
    tail: Option<&SharedTail>,
) -> io::Result<()> {
    let mut stream = redactor.stream();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        state.writing.store(true, Ordering::Release);
        state.chunks.fetch_add(1, Ordering::AcqRel);
        if let Some(tail) = tail {
            tail.push(&chunk[..read]);
        }
        to.write_all(&stream.push(&chunk[..read]))?;
        to.flush()?;
        state.writing.store(false, Ordering::Release);
    }
    to.write_all(&stream.finish())?;
    to.flush()
}

const CHUNK_BYTES: usize = 64 * 1024;
const TICK: Duration = Duration::from_millis(10);
/// One second.
const TICKS_OF_SILENCE: u32 = 100;
