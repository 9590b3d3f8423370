//! Reads a text of any length in bounded memory: finds where to look, and looks closely only there.
//!
//! A short text is read as a whole. In a longer one, anchors (`data/text/anchors.toml`) are searched at the
//! speed of memory; what stands around them is observed and judged as a text of its own.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::packed::{Builder, Config, Searcher};
use serde::Deserialize;

use super::decode::{Encoding, decode};
use super::{Found, explain_from};
use crate::cause::Verdict;
use crate::redact::Redactor;

/// Reads a text chunk by chunk and finds the failures that it tells of.
#[derive(Debug)]
pub struct Reader<'r> {
    redactor: &'r Redactor,
    /// What was not yet looked at, and what stands before it.
    buffer: Vec<u8>,
    /// The number of the line in which the buffer begins.
    line: usize,
    /// How far the buffer was searched for anchors.
    searched: usize,
    /// The part around the last anchors; it may still grow.
    open: Option<Range<usize>>,
    /// Whether the text is longer than what is read as a whole.
    long: bool,
    encoding: Option<Encoding>,
    /// One byte of a UTF-16 pair that was cut.
    odd: Option<u8>,
    found: Vec<Found>,
    /// The last line that was read closely.
    read_to: usize,
    /// Which anchors the open part holds, one bit each.
    marks: u64,
    /// How often parts with the same anchors told nothing new.
    idle: HashMap<u64, u32>,
}

impl<'r> Reader<'r> {
    /// Starts at the beginning of a text.
    pub fn new(redactor: &'r Redactor) -> Self {
        Self {
            redactor,
            buffer: Vec::new(),
            line: 1,
            searched: 0,
            open: None,
            long: false,
            encoding: None,
            odd: None,
            found: Vec::new(),
            read_to: 0,
            marks: 0,
            idle: HashMap::new(),
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        let encoding = *self.encoding.get_or_insert_with(|| Encoding::of(chunk));
        match encoding {
            Encoding::Utf8 | Encoding::Binary => self.buffer.extend_from_slice(chunk),
            Encoding::Utf16Le | Encoding::Utf16Be => self.push_utf16(chunk, encoding),
        }
        if self.long || self.buffer.len() > WHOLE {
            self.long = true;
            self.advance(false);
        }
    }

    /// The failures, the first first; the ones that hide their cause last.
    pub fn finish(mut self) -> Vec<Found> {
        if self.long {
            self.advance(true);
        } else {
            self.found = explain_from(&self.buffer, 1, self.redactor);
        }
        self.found.sort_by_key(|found| found.diagnosis.verdict == Verdict::Unrecognised);
        self.found
    }

    fn push_utf16(&mut self, chunk: &[u8], encoding: Encoding) {
        let mut bytes: Vec<u8> = self.odd.take().into_iter().chain(chunk.iter().copied()).collect();
        if bytes.len() % 2 == 1 {
            self.odd = bytes.pop();
        }
        // `decode` goes by the mark, which only the first chunk has.
        let mark: &[u8] = if encoding == Encoding::Utf16Le { &[0xff, 0xfe] } else { &[0xfe, 0xff] };
        let marked = [mark, &bytes].concat();
        self.buffer.extend_from_slice(decode(&marked).trim_start_matches('\u{feff}').as_bytes());
    }

    /// Searches what is new, reads the parts that are complete, and forgets what is behind.
    fn advance(&mut self, last: bool) {
        let searcher = &*SEARCHER;
        let end = self.buffer.len();
        while let Some(anchor) = searcher.find_in(&self.buffer, (self.searched..end).into()) {
            let around = self.around(anchor.start());
            match &mut self.open {
                Some(open) if around.start <= open.end && around.end - open.start <= LARGEST => open.end = around.end,
                Some(_) => {
                    self.close();
                    self.open = Some(around);
                }
                None => self.open = Some(around),
            }
            self.marks |= 1 << anchor.pattern().as_u64();
            self.searched = (anchor.start() + STEP).min(end).max(anchor.end());
        }
        self.searched = self.searched.max(if last { end } else { end.saturating_sub(LONGEST_ANCHOR) });
        if last || self.open.as_ref().is_some_and(|open| open.end <= end) {
            self.close();
        }
        self.forget();
    }

    /// The part of the buffer that belongs to an anchor, from the beginning of a line if one is near.
    fn around(&self, anchor: usize) -> Range<usize> {
        let from = anchor.saturating_sub(BEFORE);
        let line = memchr::memchr(b'\n', &self.buffer[from..anchor]).map_or(from, |at| from + at + 1);
        (if from == 0 { 0 } else { line })..anchor + AFTER
    }

    /// Reads the open part closely.
    fn close(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        // What a log says a thousand times in the same words is not read a thousand times.
        let marks = std::mem::take(&mut self.marks);
        let idle = self.idle.get(&marks).copied().unwrap_or_default();
        if !is_worth_reading(idle) {
            self.idle.insert(marks, idle.saturating_add(1));
            self.found.iter_mut().for_each(|found| found.left_out = true);
            return;
        }
        let part = &self.buffer[open.start..open.end.min(self.buffer.len())];
        let line = self.line + memchr::memchr_iter(b'\n', &self.buffer[..open.start]).count();
        let known = self.found.len();
        for found in explain_from(part, line, self.redactor) {
            match self.found.iter().position(|known| known.is_same_as(&found)) {
                // Parts overlap, so that each has what stands before it.
                Some(known) => self.found[known].again += usize::from(found.line > self.read_to) + found.again,
                None if self.found.len() < MOST_FOUND => self.found.push(found),
                None => {}
            }
        }
        self.read_to = line + memchr::memchr_iter(b'\n', part).count();
        let idle = if self.found.len() > known { 0 } else { idle.saturating_add(1) };
        if self.idle.len() < MOST_KINDS || self.idle.contains_key(&marks) {
            self.idle.insert(marks, idle);
        }
    }

    /// Drops what no coming anchor needs.
    fn forget(&mut self) {
        let keep =
            self.open.as_ref().map_or(self.searched, |open| open.start).min(self.searched.saturating_sub(BEFORE));
        if keep >= BEFORE {
            self.line += memchr::memchr_iter(b'\n', &self.buffer[..keep]).count();
            self.buffer.drain(..keep);
            self.searched -= keep;
            if let Some(open) = &mut self.open {
                *open = open.start - keep..open.end - keep;
            }
        }
    }
}

/// Whether a part is read closely after so many with the same anchors that told nothing new: the more they were, the fewer.
const fn is_worth_reading(idle: u32) -> bool {
    idle < MOST_IDLE || idle.is_multiple_of((idle / READ_PER_DOUBLING).next_power_of_two())
}

/// The words that are searched for in a long text: what a comparison with another searcher must use too.
pub fn anchors() -> &'static [String] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Anchors {
        anchors: Vec<String>,
    }
    static ANCHORS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let file: Anchors =
            toml::from_str(include_str!("../../data/text/anchors.toml")).expect("a test parses the file");
        file.anchors
    });
    &ANCHORS
}

/// Finds anchors: with vector instructions where the processor has them.
#[derive(Debug)]
enum Anchor {
    Packed(Searcher),
    Plain(aho_corasick::AhoCorasick),
}

impl Anchor {
    fn find_in(&self, text: &[u8], span: aho_corasick::Span) -> Option<aho_corasick::Match> {
        match self {
            Self::Packed(searcher) => searcher.find_in(text, span),
            Self::Plain(automaton) => automaton.find(aho_corasick::Input::new(text).span(span)),
        }
    }
}

static SEARCHER: LazyLock<Anchor> = LazyLock::new(|| {
    let mut builder: Builder = Config::new().builder();
    builder.extend(anchors());
    match builder.build() {
        Some(searcher) => Anchor::Packed(searcher),
        None => Anchor::Plain(aho_corasick::AhoCorasick::new(anchors()).expect("a few words fit an automaton")),
    }
});

/// A text of up to this many bytes is read as a whole.
const WHOLE: usize = 256 * 1024;
/// How much before an anchor is read with it.
const BEFORE: usize = 12 * 1024;
/// How much after it.
const AFTER: usize = 6 * 1024;
/// No part is longer.
const LARGEST: usize = 64 * 1024;
/// How far after an anchor the next one is looked for.
const STEP: usize = 512;
const LONGEST_ANCHOR: usize = 32;
const MOST_FOUND: usize = 64;
/// After this many parts with the same anchors and nothing new, only some are read.
const MOST_IDLE: u32 = 64;
/// At most so many more of them, and at least half as many, while their number doubles.
const READ_PER_DOUBLING: u32 = 16;
/// How many sets of anchors are told apart.
const MOST_KINDS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cause;

    const TRACE: &str = "openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key \
                         provided: sk-abcde***wxyz. You can find your API key at https://platform.openai.com'}}\n";

    fn read(parts: &[&[u8]], chunk: usize) -> Vec<(Cause, usize)> {
        let redactor = Redactor::default();
        let mut reader = Reader::new(&redactor);
        parts.concat().chunks(chunk).for_each(|chunk| reader.push(chunk));
        reader.finish().into_iter().map(|found| (found.diagnosis.cause, found.line)).collect()
    }

    #[test]
    fn a_failure_is_found_anywhere_in_a_long_log() {
        let noise = "10.0.0.1 - GET /static/app.js 304\n".repeat(20_000);
        for chunk in [1_000, 65_536, 1 << 20] {
            let found = read(&[noise.as_bytes(), TRACE.as_bytes(), noise.as_bytes()], chunk);
            assert_eq!(found, [(Cause::PlaceholderKey, 20_001)], "in chunks of {chunk}");
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_text() {
        let redactor = Redactor::default();
        let mut reader = Reader::new(&redactor);
        for _ in 0..200 {
            reader.push(&vec![b'x'; 64 * 1024]);
            reader.push(TRACE.as_bytes());
        }
        assert!(reader.buffer.capacity() < 2 * 1024 * 1024, "{}", reader.buffer.capacity());
        assert_eq!(reader.finish().len(), 1);
    }

    #[test]
    fn a_failure_among_a_thousand_others_is_found() {
        let limit = "openai.RateLimitError: Error code: 429 - {'error': {'code': 'rate_limit_exceeded'}}\n";
        let noise = "10.0.0.1 - GET /static/app.js 304\n".repeat(700);
        let many = format!("{limit}{noise}").repeat(150);
        let found = read(&[many.as_bytes(), TRACE.as_bytes(), many.as_bytes()], 65_536);
        assert_eq!(found, [(Cause::RateLimit, 1), (Cause::PlaceholderKey, 150 * 701 + 1)]);
    }

    #[test]
    fn what_was_left_out_is_said() {
        let noise = "10.0.0.1 - GET /static/app.js 304\n".repeat(700);
        let redactor = Redactor::default();
        for (times, left_out) in [(20, false), (300, true)] {
            let mut reader = Reader::new(&redactor);
            (0..times).for_each(|_| reader.push(format!("{TRACE}{noise}").as_bytes()));
            let found = reader.finish().remove(0);
            assert_eq!((found.left_out, found.again == times - 1), (left_out, !left_out), "{times}: {}", found.again);
        }
    }

    #[test]
    fn of_what_is_said_over_and_over_ever_less_is_read() {
        assert!((0..MOST_IDLE).all(is_worth_reading));
        for from in (6..30).map(|doublings| 1 << doublings) {
            let step = (from / READ_PER_DOUBLING).max(1);
            let read =
                (from..2 * from).step_by(usize::try_from(step).expect("small")).filter(|idle| is_worth_reading(*idle));
            let read = u32::try_from(read.count()).expect("few");
            assert!((READ_PER_DOUBLING / 2..=READ_PER_DOUBLING).contains(&read), "from {from}");
        }
    }

    #[test]
    fn utf_16_is_read_in_pieces_too() {
        let noise = "started worker\n".repeat(30_000);
        let utf16: Vec<u8> = format!("\u{feff}{noise}{TRACE}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&[&utf16], 4_097), [(Cause::PlaceholderKey, 30_001)]);
    }

    #[test]
    fn the_anchors_fit_one_search() {
        assert!(anchors().len() <= 64, "{}", anchors().len());
        assert!(anchors().iter().all(|anchor| anchor.len() < LONGEST_ANCHOR && anchor.len() >= 4));
    }
}
