//! A caller's connection, watched for request heads: one that a newline cut in two, and one that takes too long.
//!
//! A newline at the end of a key becomes, with some clients, a bare line feed in the middle of the
//! head. The parser then sees the end of the head there, and the rest of it as another request. Every
//! line of a well-formed head ends in CR LF, so a head that ends with a bare LF after a line that did
//! not is such a one. It is noticed here, before it is acted on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::alarm::Alarm;

/// What the watcher and the request handler tell each other.
#[derive(Debug, Default)]
pub(crate) struct HeadWatch(AtomicU8);

impl HeadWatch {
    /// The next bytes are a request head.
    pub(crate) fn expect_head(&self) {
        self.0.store(HEAD, Ordering::Relaxed);
    }

    /// Whether the head that was just read was cut in two.
    pub(crate) fn is_split(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SPLIT
    }
}

/// A stream whose request heads are watched.
pub(crate) struct Watched<S> {
    stream: S,
    watch: Arc<HeadWatch>,
    /// The last four bytes of the head so far, and whether a line of it ended in CR LF.
    tail: [u8; 4],
    proper_line: bool,
    /// How long a head may take, from its first byte; for the first head from the beginning.
    limit: Duration,
    /// Until when a byte, or the whole head, must have come. `None` while no head is waited for.
    due: Option<Instant>,
    /// Whether bytes of the awaited head have come.
    begun: bool,
    alarm: Alarm,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, watch: Arc<HeadWatch>, limit: Duration) -> Self {
        let due = Some(Instant::now() + limit);
        Self { stream, watch, tail: [0; 4], proper_line: false, limit, due, begun: true, alarm: Alarm::default() }
    }

    /// Ready when a head, or the next request on a kept connection, has been waited for long enough.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.watch.0.load(Ordering::Relaxed) != HEAD {
            return Poll::Pending;
        }
        let due = *self.due.get_or_insert_with(|| Instant::now() + KEEP_ALIVE);
        self.alarm.poll(due, cx)
    }

    /// Sets the time of a head that has begun, and forgets it when the head is there.
    fn keep_time(&mut self, arrived: usize) {
        let in_head = self.watch.0.load(Ordering::Relaxed) == HEAD;
        if !in_head || arrived == 0 {
            self.due = None;
        } else if !self.begun {
            self.due = Some(Instant::now() + self.limit);
        }
        self.begun = in_head;
    }

    /// Follows the head to its end.
    fn follow(&mut self, bytes: &[u8]) {
        if self.watch.0.load(Ordering::Relaxed) != HEAD {
            return;
        }
        for at in memchr::memchr_iter(b'\n', bytes) {
            let before = self.before(bytes, at);
            let [_, _, second, first] = before;
            let proper = first == b'\r';
            let blank = if proper { second == b'\n' } else { first == b'\n' };
            if blank {
                // The line before this blank one ended in a bare LF, or this one does, among proper lines.
                let bare = if proper { before[1] != b'\r' } else { true };
                let state = if bare && self.proper_line { SPLIT } else { BODY };
                self.watch.0.store(state, Ordering::Relaxed);
                self.tail = [0; 4];
                self.proper_line = false;
                return;
            }
            self.proper_line |= proper;
        }
        let kept = bytes.len().min(4);
        self.tail.rotate_left(kept);
        self.tail[4 - kept..].copy_from_slice(&bytes[bytes.len() - kept..]);
    }

    /// The four bytes before a position.
    fn before(&self, bytes: &[u8], at: usize) -> [u8; 4] {
        let mut before = [0; 4];
        for back in 1..=4 {
            before[4 - back] = if at >= back { bytes[at - back] } else { self.tail[4 - (back - at)] };
        }
        before
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let from = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if polled.is_ready() {
            let arrived = buf.filled().len() - from;
            this.follow(&buf.filled()[from..]);
            this.keep_time(arrived);
        } else if this.poll_late(cx).is_ready() {
            // Nobody is there, or too slow: the same to a parser as a connection that ends.
            return Poll::Ready(Ok(()));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// How long a connection may lie idle between two requests. As nginx does by default.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const BODY: u8 = 0;
const HEAD: u8 = 1;
const SPLIT: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn split(head: &[u8], pieces: usize) -> bool {
        let watch = Arc::new(HeadWatch::default());
        watch.expect_head();
        let mut watched = Watched::new((), Arc::clone(&watch), Duration::from_secs(1));
        head.chunks(head.len().div_ceil(pieces)).for_each(|piece| watched.follow(piece));
        watch.is_split()
    }

    #[test]
    fn a_head_that_a_newline_cuts_in_two_is_noticed() {
        let cut = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer sk-1\n\r\nContent-Type: a/b\r\n\r\n{}";
        let cut_twice = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer sk-1\n\nContent-Type: a/b\r\n\r\n{}";
        for pieces in 1..cut.len() {
            assert!(split(cut, pieces), "{pieces} pieces");
            assert!(split(cut_twice, pieces), "{pieces} pieces");
        }
    }

    #[test]
    fn a_proper_head_is_not() {
        let proper = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n\n\r\n\n\n\n";
        for pieces in 1..proper.len() {
            assert!(!split(proper, pieces), "{pieces} pieces");
        }
        assert!(!split(b"GET / HTTP/1.1\nHost: h\n\n", 1), "a client that never sends CR is old, not split");
    }
}
