//! Reads `multipart/form-data` as it streams past: small fields are kept, files are counted.

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use memchr::memmem::Finder;

use crate::failure::Failure;

/// What a form held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// Name and text of each small field.
    pub(crate) fields: Vec<(String, String)>,
    /// The last file.
    pub(crate) file: Option<File>,
}

/// A file that was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// All of a small file, nothing of a large one.
    pub(crate) content: Vec<u8>,
}

impl Form {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, text)| text.as_str())
    }
}

/// The boundary that a content type names.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return None;
    }
    let raw = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
    let boundary = raw.trim_matches('"');
    (1..=200).contains(&boundary.len()).then_some(boundary)
}

/// Reads a whole form, holding little of it.
pub(crate) async fn read(mut body: Incoming, boundary: &str) -> Result<Form, Failure> {
    let mut parser = Parser::new(boundary);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| broken("the body could not be read"))?;
        if let Ok(data) = frame.into_data() {
            parser.push(&data)?;
        }
    }
    parser.finish()
}

/// Where the parser stands.
enum State {
    /// Before a part: waiting for the end of its headers.
    Headers,
    /// In a part, until the next boundary.
    Part(Part),
    /// After the last boundary.
    Done,
}

struct Part {
    name: String,
    file_name: Option<String>,
    bytes: u64,
    kept: Vec<u8>,
}

struct Parser {
    /// `\r\n--boundary`.
    finder: Finder<'static>,
    held: BytesMut,
    state: State,
    total: u64,
    form: Form,
}

impl Parser {
    fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            finder: Finder::new(delimiter.as_bytes()).into_owned(),
            // The first boundary has no line before it; this makes it look like the others.
            held: BytesMut::from(&b"\r\n"[..]),
            state: State::Part(Part::preamble()),
            total: 0,
            form: Form::default(),
        }
    }

    fn push(&mut self, data: &Bytes) -> Result<(), Failure> {
        self.total += data.len() as u64;
        if self.total > UPLOAD_LIMIT {
            return Err(Failure::new("X413", 413, "The file is larger than 512 MB."));
        }
        self.held.extend_from_slice(data);
        while self.step()? {}
        Ok(())
    }

    /// Takes one piece from what is held; false when more data is needed.
    fn step(&mut self) -> Result<bool, Failure> {
        match &mut self.state {
            State::Done => {
                self.held.clear();
                Ok(false)
            }
            State::Headers => self.headers(),
            State::Part(part) => {
                let needle = self.finder.needle().len();
                let Some(at) = self.finder.find(&self.held) else {
                    let safe = self.held.len().saturating_sub(needle);
                    part.take(&self.held[..safe])?;
                    self.held.advance(safe);
                    return Ok(false);
                };
                // Two more bytes say whether this is the last boundary.
                if self.held.len() < at + needle + 2 {
                    return Ok(false);
                }
                part.take(&self.held[..at])?;
                let last = &self.held[at + needle..at + needle + 2] == b"--";
                self.held.advance(at + needle + 2);
                let next = if last { State::Done } else { State::Headers };
                if let State::Part(part) = std::mem::replace(&mut self.state, next) {
                    self.keep(part)?;
                }
                Ok(true)
            }
        }
    }

    fn headers(&mut self) -> Result<bool, Failure> {
        let Some(end) = memchr::memmem::find(&self.held, b"\r\n\r\n") else {
            return if self.held.len() > 16 * 1024 {
                Err(broken("the headers of a part are too long"))
            } else {
                Ok(false)
            };
        };
        let text = String::from_utf8_lossy(&self.held[..end]).into_owned();
        self.held.advance(end + 4);
        // An empty part ends right here: give its boundary back the line break it shares.
        self.held = [&b"\r\n"[..], &self.held].concat().as_slice().into();
        let disposition = text
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))
            .ok_or_else(|| broken("a part has no content-disposition"))?;
        let name = parameter(disposition, "name").unwrap_or_default();
        let file_name = parameter(disposition, "filename");
        self.state = State::Part(Part { name, file_name, bytes: 0, kept: Vec::new() });
        Ok(true)
    }

    fn keep(&mut self, part: Part) -> Result<(), Failure> {
        // Each part starts with the line break that `headers` put in front of it.
        let bytes = part.bytes.saturating_sub(2);
        let kept = part.kept.get(2..).unwrap_or_default().to_vec();
        match part.file_name {
            Some(name) => {
                let content = if kept.len() as u64 == bytes { kept } else { Vec::new() };
                self.form.file = Some(File { name, bytes, content });
            }
            None if part.name.is_empty() => {}
            None if self.form.fields.len() >= 64 => return Err(broken("too many fields")),
            None => {
                let text = String::from_utf8_lossy(&kept).into_owned();
                self.form.fields.push((part.name, text));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Form, Failure> {
        match self.state {
            State::Done => Ok(self.form),
            State::Headers | State::Part(_) => Err(broken("the last boundary is missing")),
        }
    }
}

impl Part {
    /// What stands before the first boundary.
    const fn preamble() -> Self {
        Self { name: String::new(), file_name: None, bytes: 0, kept: Vec::new() }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.bytes += data.len() as u64;
        let room = KEPT_LIMIT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        if self.file_name.is_none() && self.bytes > KEPT_LIMIT as u64 {
            return Err(broken("a field is too long"));
        }
        Ok(())
    }
}

fn parameter(line: &str, name: &str) -> Option<String> {
    line.split(';').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    })
}

fn broken(what: &str) -> Failure {
    Failure::new("X400", 400, format!("Invalid multipart form: {what}."))
}

/// The most that a file upload may hold, with a little room for the form around it.
const UPLOAD_LIMIT: u64 = 512 * 1024 * 1024 + 64 * 1024;
/// Fields and files up to here are kept.
const KEPT_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--X\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
        --X\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n\
        --X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\
        Content-Type: text/plain\r\n\r\n{\"a\":1}\r\n--X not a boundary\r\n--X--\r\n";

    fn parse(pieces: &[&[u8]]) -> Result<Form, Failure> {
        let mut parser = Parser::new("X");
        for piece in pieces {
            parser.push(&Bytes::copy_from_slice(piece))?;
        }
        parser.finish()
    }

    #[test]
    fn a_form_reads_the_same_however_it_is_cut() {
        let whole = parse(&[FORM.replace("\r\n--X not", "\r\n--Y not").as_bytes()]).unwrap();
        assert_eq!(whole.field("purpose"), Some("batch"));
        assert_eq!(whole.field("empty"), Some(""));
        let file = whole.file.as_ref().unwrap();
        assert_eq!((file.name.as_str(), file.bytes), ("a.jsonl", 27));
        assert_eq!(file.content, b"{\"a\":1}\r\n--Y not a boundary");
        let text = FORM.replace("\r\n--X not", "\r\n--Y not");
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(parse(&single).unwrap(), whole);
    }

    #[test]
    fn a_large_file_is_counted_and_not_kept() {
        let head = b"--X\r\ncontent-disposition: form-data; name=file; filename=big\r\n\r\n";
        let block = vec![b'z'; 100_000];
        let mut pieces: Vec<&[u8]> = vec![head];
        pieces.extend(std::iter::repeat_n(block.as_slice(), 10));
        pieces.push(b"\r\n--X--");
        let file = parse(&pieces).unwrap().file.unwrap();
        assert_eq!(file.bytes, 1_000_000);
        assert!(file.content.is_empty());
    }

    #[test]
    fn broken_forms_are_refused() {
        for form in ["", "--X", "--X\r\n\r\n\r\n--X--", "--X\r\nContent-Disposition: form-data"] {
            assert!(parse(&[form.as_bytes()]).is_err(), "{form:?}");
        }
    }

    #[test]
    fn the_boundary_comes_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("multipart/form-data; boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("application/json"), None);
        assert_eq!(boundary("multipart/form-data"), None);
    }
}
