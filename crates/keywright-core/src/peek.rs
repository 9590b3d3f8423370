//! Reads a few members of a JSON object without parsing the rest.
//!
//! A prompt of a megabyte must not be parsed to learn its model. This walks the top level of an
//! object, jumps over strings with `memchr`, and stops as soon as it has what was asked for.

use std::ops::Range;

use memchr::memchr;

/// Where the values of some members stand in the body, quotes included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// In the order of the names that were asked for.
    pub found: Vec<Option<Range<usize>>>,
    /// Whether the whole object was seen; if not, a member may still come.
    pub complete: bool,
}

/// Finds members of the top-level object by name. The first one of a name wins, as it does for most readers.
pub fn members(body: &[u8], names: &[&str]) -> Members {
    let mut found: Vec<Option<Range<usize>>> = vec![None; names.len()];
    let complete = Walk { body, at: 0 }.object(|name, value| {
        let wanted = names.iter().position(|wanted| wanted.as_bytes() == name);
        if let Some(at) = wanted.filter(|at| found[*at].is_none()) {
            found[at] = Some(value);
        }
        found.iter().any(Option::is_none)
    });
    Members { found, complete: complete.is_some() }
}

/// The text of a JSON string value, if it is one; escapes are resolved.
pub fn text(body: &[u8], range: &Range<usize>) -> Option<String> {
    serde_json::from_slice(body.get(range.clone())?).ok()
}

struct Walk<'a> {
    body: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    /// Walks the members until the visitor has enough; `None` when the text ended or is no object.
    fn object(mut self, mut more: impl FnMut(&[u8], Range<usize>) -> bool) -> Option<()> {
        self.space();
        self.take(b'{')?;
        self.space();
        if self.peek()? == b'}' {
            return Some(());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.take(b':')?;
            self.space();
            let value = self.value()?;
            if !more(&self.body[name.start + 1..name.end - 1], value) {
                return Some(());
            }
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn value(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        match self.peek()? {
            b'"' => return self.string(),
            b'{' | b'[' => self.nested()?,
            _ => {
                let rest = &self.body[self.at..];
                // A number or word at the very end may go on in the next piece.
                self.at +=
                    rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))?;
            }
        }
        Some(start..self.at)
    }

    /// Jumps over an object or a list by counting brackets outside strings. Strings hold nearly all of the
    /// text and are jumped over; what stands between them is short.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// A string with its quotes. Prompts are full of escapes such as `\n`, and few of them are quotes, so
    /// only quotes are searched for: one after an odd number of backslashes is part of the text.
    fn string(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            let text = self.at;
            self.at += memchr(b'"', self.body.get(text..)?)? + 1;
            let backslashes = self.body[text..self.at - 1].iter().rev().take_while(|byte| **byte == b'\\').count();
            if backslashes % 2 == 0 {
                return Some(start..self.at);
            }
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(body: &str) -> (Option<String>, bool) {
        let members = members(body.as_bytes(), &["model"]);
        let value = members.found[0].as_ref().and_then(|range| text(body.as_bytes(), range));
        (value, members.complete)
    }

    #[test]
    fn a_member_is_found_wherever_it_stands() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(model(r#"{"model":"m"}"#), (some("m"), true));
        assert_eq!(
            model(r#" { "messages" : [ {"role":"user","content":"\"model\":\"x\" }]"} ] , "model" : "m\u00e9" }"#),
            (some("mé"), true)
        );
        assert_eq!(
            model(r#"{"a":{"model":"inner"},"b":[{"model":"x"}],"n":-1.5e3,"t":true,"model":"m","rest":"#),
            (some("m"), true)
        );
        assert_eq!(model(r#"{"a":"{[","model":"m\\"}"#), (some("m\\"), true));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(model("{}"), (None, true));
        assert_eq!(model(r#"{"a":1}"#), (None, true));
        assert_eq!(model(r#"{"a":"unfinished"#), (None, false));
        assert_eq!(model(r#"{"model":12"#), (None, false));
        assert_eq!(model("[1,2]"), (None, false));
        assert_eq!(model(""), (None, false));
        assert_eq!(model(r#"{"a":]}"#), (None, false));
    }

    #[test]
    fn no_piece_of_a_body_panics() {
        let body = r#"{"a":[1,{"b":"c\\\"d"}],"model":"m","z":null}"#.as_bytes();
        for end in 0..body.len() {
            for start in 0..end {
                let _ = members(&body[start..end], &["model", "z"]);
            }
        }
    }
}
