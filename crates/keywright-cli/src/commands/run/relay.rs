//! Passes on what the child writes, with keys masked, as soon as it comes.

use std::io::{self, PipeReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::Redactor;

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
    refused: AtomicBool,
}

impl Relay {
    /// Starts to pass on, and to look for signs of a refused key.
    pub(super) fn start(
        from: PipeReader,
        to: impl Write + Send + 'static,
        redactor: Arc<Redactor>,
    ) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            // A closed output ends the relay; the child then meets a closed pipe, as without us.
            let _ = pass_on(from, to, &redactor, &shared);
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

    /// Whether the stream showed that a provider refused a key.
    pub(super) fn saw_refusal(&self) -> bool {
        self.0.refused.load(Ordering::Acquire)
    }
}

fn pass_on(mut from: PipeReader, mut to: impl Write, redactor: &Redactor, state: &State) -> io::Result<()> {
    let mut stream = redactor.stream();
    let mut watch = Watch::default();
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
        if watch.sees_refusal(&chunk[..read]) {
            state.refused.store(true, Ordering::Release);
        }
        to.write_all(&stream.push(&chunk[..read]))?;
        to.flush()?;
        state.writing.store(false, Ordering::Release);
    }
    to.write_all(&stream.finish())?;
    to.flush()
}

/// Looks for signs of a refused key, also across chunks.
#[derive(Debug, Default)]
struct Watch {
    tail: Vec<u8>,
}

impl Watch {
    fn sees_refusal(&mut self, chunk: &[u8]) -> bool {
        self.tail.extend_from_slice(chunk);
        let text = String::from_utf8_lossy(&self.tail);
        let seen = SIGNS.iter().any(|sign| text.contains(sign));
        let keep = self.tail.len().min(LONGEST_SIGN);
        self.tail.drain(..self.tail.len() - keep);
        seen
    }
}

/// What SDKs and providers write when a key is refused.
const SIGNS: &[&str] = &[
    "AuthenticationError",
    "PermissionDeniedError",
    "invalid_api_key",
    "Incorrect API key",
    "Invalid API key",
    "401 Unauthorized",
    "Error code: 401",
    "status code 401",
];
const LONGEST_SIGN: usize = 32;
const CHUNK_BYTES: usize = 64 * 1024;
const TICK: Duration = Duration::from_millis(10);
/// One second.
const TICKS_OF_SILENCE: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_across_two_chunks_is_seen() {
        let mut watch = Watch::default();
        assert!(!watch.sees_refusal(b"openai.Authentica"));
        assert!(watch.sees_refusal(b"tionError: 401"));
        watch.sees_refusal(&[b'x'; 100]);
        assert!(!watch.sees_refusal(b"fine"));
        assert!(watch.tail.len() <= LONGEST_SIGN);
    }
}
