//! Reads one HTTP/1.1 answer and compares its body with the one that must come.

use memchr::memmem;

/// How an answer was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Not a 2xx.
    #[error("status {0}")]
    Status(u16),
    /// The connection closed before the end.
    #[error("cut short")]
    CutShort,
    /// Other bytes than the upstream sent.
    #[error("another body than the upstream's")]
    Altered,
    /// Not HTTP.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The connection failed.
    #[error("connection: {0}")]
    Broken(String),
    /// No answer in time.
    #[error("no answer")]
    Stuck,
}

/// What a complete answer looked like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Chunks of the body; 1 if it had a length.
    pub(crate) parts: u64,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
    /// The body, kept only when none was expected.
    pub(crate) body: Vec<u8>,
}

/// An answer being read.
#[derive(Debug)]
pub(crate) struct Reader<'e> {
    expected: Option<&'e [u8]>,
    phase: Phase,
    status: u16,
    length: u64,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Head,
    Sized(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    LastLine,
    UntilClose,
    Finished,
}

impl<'e> Reader<'e> {
    /// Expects this body, or any.
    pub(crate) fn new(expected: Option<&'e [u8]>) -> Self {
        Self { expected, phase: Phase::Head, status: 0, length: 0, seen: Seen::default() }
    }

    /// Whether the answer is complete.
    pub(crate) fn finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Takes as much of `bytes` as makes sense now, and says how much.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut used = 0;
        while !self.finished() {
            let taken = self.step(&bytes[used..])?;
            used += taken;
            // Nothing taken and no chunk of length zero to leave behind: more bytes are needed.
            if taken == 0 && self.phase != Phase::Finished {
                break;
            }
        }
        Ok(used)
    }

    /// The connection closed.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        if self.phase != Phase::UntilClose {
            return Err(Fault::CutShort);
        }
        self.seen.closes = true;
        self.phase = Phase::Finished;
        Ok(())
    }

    /// The verdict on a complete answer.
    pub(crate) fn seen(self) -> Result<Seen, Fault> {
        if !(200..300).contains(&self.status) {
            return Err(Fault::Status(self.status));
        }
        match self.expected {
            Some(expected) if self.length != expected.len() as u64 => Err(Fault::CutShort),
            _ => Ok(self.seen),
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        match self.phase {
            Phase::Head => self.head(bytes),
            Phase::Sized(left) => {
                let taken = self.take(bytes, left)?;
                let left = left - taken as u64;
                self.phase = if left == 0 { Phase::Finished } else { Phase::Sized(left) };
                Ok(taken)
            }
            Phase::ChunkLine => self.chunk_line(bytes),
            Phase::Chunk(left) => {
                let taken = self.take(bytes, left)?;
                let left = left - taken as u64;
                self.phase = if left == 0 { Phase::ChunkEnd } else { Phase::Chunk(left) };
                Ok(taken)
            }
            Phase::ChunkEnd => self.line(bytes, b"", Phase::ChunkLine),
            Phase::LastLine => self.line(bytes, b"", Phase::Finished),
            Phase::UntilClose => self.take(bytes, u64::MAX),
            Phase::Finished => Ok(0),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            return Ok(0);
        };
        let head = &bytes[..end];
        self.status = head
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            .ok_or(Fault::Malformed("no status"))?;
        let framing = Framing::read(head)?;
        self.seen.closes = framing.closes;
        self.seen.parts = u64::from(!framing.chunked);
        self.phase = match (framing.chunked, framing.length) {
            (true, _) => Phase::ChunkLine,
            (false, Some(0)) => Phase::Finished,
            (false, Some(length)) => Phase::Sized(length),
            (false, None) => Phase::UntilClose,
        };
        Ok(end + 4)
    }

    fn chunk_line(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let Some(end) = memmem::find(bytes, b"\r\n") else {
            return Ok(0);
        };
        let size = std::str::from_utf8(&bytes[..end]).ok();
        let size = size.and_then(|size| u64::from_str_radix(size, 16).ok());
        let size = size.ok_or(Fault::Malformed("a chunk without a size"))?;
        self.seen.parts += u64::from(size > 0);
        self.phase = if size == 0 { Phase::LastLine } else { Phase::Chunk(size) };
        Ok(end + 2)
    }

    /// Takes one line that must be exactly `wanted`.
    fn line(&mut self, bytes: &[u8], wanted: &[u8], next: Phase) -> Result<usize, Fault> {
        let length = wanted.len() + 2;
        let Some(line) = bytes.get(..length) else {
            return Ok(0);
        };
        if !line.starts_with(wanted) || !line.ends_with(b"\r\n") {
            return Err(Fault::Malformed("a chunk without an end"));
        }
        self.phase = next;
        Ok(length)
    }

    /// Compares body bytes with the expected ones; refusals are only counted.
    fn take(&mut self, bytes: &[u8], left: u64) -> Result<usize, Fault> {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = &bytes[..taken];
        let start = usize::try_from(self.length).unwrap_or(usize::MAX);
        self.length += taken as u64;
        match self.expected {
            None => self.seen.body.extend_from_slice(bytes),
            Some(_) if self.status >= 300 => {}
            Some(expected) => {
                if expected.get(start..start + taken) != Some(bytes) {
                    return Err(Fault::Altered);
                }
            }
        }
        Ok(taken)
    }
}

/// How a head says where its body ends.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl Framing {
    fn read(head: &[u8]) -> Result<Self, Fault> {
        let mut framing = Self::default();
        for line in head.split(|&byte| byte == b'\n').skip(1) {
            let Some(colon) = memchr::memchr(b':', line) else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                framing.length = Some(length.ok_or(Fault::Malformed("a length that is none"))?);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                framing.chunked = value.eq_ignore_ascii_case(b"chunked");
            } else if name.eq_ignore_ascii_case(b"connection") {
                framing.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        Ok(framing)
    }
}

#[cfg(test)]
mod tests;
