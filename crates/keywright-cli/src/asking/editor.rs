//! A line that nobody sees: what each typed byte does to it.

use keywright_core::Secret;

/// What a person did.
#[derive(Debug)]
pub(crate) enum Line {
    /// Something was entered. White space around it is gone.
    Entered(Secret),
    /// Nothing was entered, or Ctrl-C, Ctrl-D or Ctrl-\ was pressed, or the terminal went away.
    GivenUp,
    /// No key is that long.
    TooLong,
}

/// The line so far.
pub(crate) struct Editor {
    typed: Vec<u8>,
    escape: Escape,
    pasting: bool,
}

/// Where in an escape sequence the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    /// After ESC.
    Begun,
    /// After ESC O.
    Single,
    /// After ESC [, with the number so far.
    Sequence(u32),
}

impl Editor {
    pub(crate) fn new() -> Self {
        // Its full size at once: growing would leave copies of a key behind.
        Self { typed: Vec::with_capacity(LONGEST), escape: Escape::No, pasting: false }
    }

    /// Takes one byte; the line when it is complete.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Line> {
        match self.escape {
            Escape::Begun => {
                self.escape = match byte {
                    b'[' => Escape::Sequence(0),
                    b'O' => Escape::Single,
                    _ => Escape::No,
                };
                // ESC alone means nothing, and what follows it counts.
                return if self.escape == Escape::No { self.push(byte) } else { None };
            }
            Escape::Single => {
                self.escape = Escape::No;
                return None;
            }
            Escape::Sequence(number) => {
                self.escape = self.sequence(number, byte);
                return None;
            }
            Escape::No => {}
        }
        match byte {
            ESC => self.escape = Escape::Begun,
            b'\r' | b'\n' if !self.pasting => return Some(self.entered()),
            CTRL_C | CTRL_BACKSLASH => return Some(Line::GivenUp),
            CTRL_D if self.typed.is_empty() => return Some(Line::GivenUp),
            CTRL_D => {}
            BACKSPACE | DELETE => self.rub_out(),
            CTRL_U | CTRL_W => self.clear(),
            _ if self.typed.len() == LONGEST => return Some(Line::TooLong),
            _ => self.typed.push(byte),
        }
        None
    }

    /// Arrow keys and the like mean nothing here. A program may have asked the terminal to mark pasted text.
    fn sequence(&mut self, number: u32, byte: u8) -> Escape {
        match byte {
            b'0'..=b'9' => return Escape::Sequence(number.saturating_mul(10).saturating_add(u32::from(byte - b'0'))),
            b'~' if number == PASTE_BEGINS => self.pasting = true,
            b'~' if number == PASTE_ENDS => self.pasting = false,
            0x40..=0x7e => {}
            _ => return Escape::Sequence(number),
        }
        Escape::No
    }

    fn entered(&mut self) -> Line {
        let text = String::from_utf8_lossy(&self.typed);
        let line = match text.trim() {
            "" => Line::GivenUp,
            key => Line::Entered(Secret::new(key)),
        };
        drop(Secret::new(text));
        self.clear();
        line
    }

    /// Takes the last character away, which may have several bytes.
    fn rub_out(&mut self) {
        while self.typed.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
    }

    fn clear(&mut self) {
        self.typed.fill(0);
        self.typed.clear();
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let typed = std::mem::take(&mut self.typed);
        // It wipes what it holds.
        drop(String::from_utf8(typed).map(Secret::new));
    }
}

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const CTRL_U: u8 = 0x15;
const CTRL_W: u8 = 0x17;
const CTRL_BACKSLASH: u8 = 0x1c;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const PASTE_BEGINS: u32 = 200;
const PASTE_ENDS: u32 = 201;
/// Far more than a key has; a whole file pasted by mistake has more.
const LONGEST: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(typed: &[u8]) -> Option<String> {
        let mut editor = Editor::new();
        typed.iter().find_map(|byte| editor.push(*byte)).map(|line| match line {
            Line::Entered(secret) => secret.expose().to_owned(),
            Line::GivenUp => "(given up)".to_owned(),
            Line::TooLong => "(too long)".to_owned(),
        })
    }

    #[test]
    fn a_line_is_edited_as_at_any_prompt() {
        for (typed, entered) in [
            (&b"sk-1\r"[..], "sk-1"),
            (b"sk-1\n", "sk-1"),
            (b"  sk-1 \t\r", "sk-1"),
            (b"sk-12\x7f\r", "sk-1"),
            (b"sk-1\xc3\xa9\x7f\r", "sk-1"),
            (b"\x7f\x7fsk-1\r", "sk-1"),
            (b"wrong\x15sk-1\r", "sk-1"),
            (b"wrong\x17sk-1\r", "sk-1"),
            (b"sk-1\x04\r", "sk-1"),
            (b"\x1b[A\x1bOP\x1b[1;5Csk-1\x1b[D\r", "sk-1"),
            (b"\x1bsk-1\r", "sk-1"),
            (b"\x1b[200~sk-1\r\n\x1b[201~\r", "sk-1"),
            (b"\x1b[200~sk\n1\x1b[201~\r", "sk\n1"),
            (b"\r", "(given up)"),
            (b"  \n", "(given up)"),
            (b"\x04", "(given up)"),
            (b"sk-1\x03", "(given up)"),
            (b"sk-1\x1c", "(given up)"),
        ] {
            assert_eq!(line(typed).as_deref(), Some(entered), "{typed:?}");
        }
        assert_eq!(line(b"sk-1"), None);
        assert_eq!(line(&[b'x'; LONGEST + 1]).as_deref(), Some("(too long)"));
    }

    #[test]
    fn bytes_that_are_no_text_are_a_line_too() {
        assert_eq!(line(b"sk-\xff1\r").as_deref(), Some("sk-\u{fffd}1"));
    }
}
