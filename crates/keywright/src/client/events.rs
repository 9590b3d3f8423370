//! Server-sent events: the names and the data, one by one.

use bytes::{Buf, BytesMut};

/// Collects the pieces of a stream, and gives the events that are complete.
#[derive(Debug, Default)]
pub(super) struct Events {
    held: BytesMut,
    name: Option<String>,
    data: String,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name, where it has one.
    pub(super) name: Option<String>,
    /// Its data; several lines are joined.
    pub(super) data: String,
}

impl Events {
    /// Adds a piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next complete event.
    pub(super) fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.held[..end]).trim_end_matches('\r').to_owned();
            self.held.advance(end + 1);
            if line.is_empty() {
                if self.data.is_empty() {
                    self.name = None;
                    continue;
                }
                return Some(Event { name: self.name.take(), data: std::mem::take(&mut self.data) });
            }
            self.take(&line);
        }
        None
    }

    /// How much is held back.
    pub(super) fn len(&self) -> usize {
        self.held.len() + self.data.len()
    }

    fn take(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = Some(value.to_owned()),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let text = ": ping\n\nevent: run\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: 7\ndata: [DONE]\n\n";
        let event = |name: Option<&str>, data: &str| Event { name: name.map(str::to_owned), data: data.to_owned() };
        let expected = [event(Some("run"), "{\"a\":\n1}"), event(None, "[DONE]")];
        for size in 1..=text.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                events.push(piece);
                found.extend(std::iter::from_fn(|| events.next()));
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
