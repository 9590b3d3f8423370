//! The end of what a program wrote, kept to be read if it fails.

use std::sync::{Arc, Mutex, PoisonError};

use keywright_core::Redactor;
use keywright_core::text::{Found, judge, observe};

/// The end of a stream: one side writes it, the other reads it when the program is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedTail(Arc<Mutex<Tail>>);

/// The last bytes, at most twice [`KEPT_BYTES`] and one chunk.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    /// How many line feeds came before them.
    lines_before: usize,
    /// Whether anything came before them.
    is_cut: bool,
}

impl SharedTail {
    /// Takes what was written.
    pub(super) fn push(&self, chunk: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(chunk);
    }

    /// What it tells of failures; the lines are those of the whole stream.
    pub(super) fn explain(&self, redactor: &Redactor) -> Vec<Found> {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, line) = tail.whole_lines();
        if bytes.is_empty() { Vec::new() } else { judge(&observe(bytes, line, redactor)) }
    }
}

impl Tail {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        // Not at every chunk: moving the rest costs more than keeping it.
        if self.bytes.len() > 2 * KEPT_BYTES {
            let cut = self.bytes.len() - KEPT_BYTES;
            self.lines_before += line_feeds(&self.bytes[..cut]);
            self.bytes.drain(..cut);
            self.is_cut = true;
        }
    }

    /// The bytes from the beginning of a line on, and its number.
    fn whole_lines(&self) -> (&[u8], usize) {
        match self.bytes.iter().position(|byte| *byte == b'\n').filter(|_| self.is_cut) {
            Some(end) => (&self.bytes[end + 1..], self.lines_before + 2),
            None => (&self.bytes, self.lines_before + 1),
        }
    }
}

fn line_feeds(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// Longer than the longest trace that a program ends with, short enough to be read at once.
const KEPT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_its_lines_keep_their_numbers() {
        let mut tail = Tail::default();
        for number in 1..=50_000 {
            tail.push(format!("line {number}\n").as_bytes());
            assert!(tail.bytes.len() <= 2 * KEPT_BYTES);
        }
        let (bytes, line) = tail.whole_lines();
        assert!(bytes.starts_with(format!("line {line}\n").as_bytes()), "{line}");
        assert!(bytes.ends_with(b"line 50000\n") && bytes.len() >= KEPT_BYTES - 16);
    }

    #[test]
    fn a_line_without_end_is_bounded_too() {
        let mut tail = Tail::default();
        (0..100).for_each(|_| tail.push(&[b'x'; 10_000]));
        assert!(tail.bytes.len() <= 2 * KEPT_BYTES);
        assert_eq!(tail.whole_lines().1, 1);
    }

    #[test]
    fn a_short_text_is_kept_whole() {
        let mut tail = Tail::default();
        tail.push(b"one\ntwo");
        assert_eq!(tail.whole_lines(), (&b"one\ntwo"[..], 1));
    }
}
