//! Markdown on a terminal: headings, wrapped paragraphs, lists, tables and programs.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::terminal::{Role, paint};

/// The document for a terminal of this width, in columns. Colours go away by themselves where nobody sees them.
pub(super) fn document(markdown: &str, width: usize) -> String {
    let mut page = Painter { width, ..Painter::default() };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        page.take(event);
    }
    page.out
}

/// A line in pieces that fit, broken at spaces. The pieces after the first one begin at column `hang`.
pub(super) fn folded(line: &str, width: usize, hang: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let mut lines = Vec::new();
    let mut piece = line[..line.len() - line.trim_start().len()].to_owned();
    let mut is_empty = true;
    for word in line.split_whitespace() {
        if !is_empty && piece.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut piece, " ".repeat(hang)));
            is_empty = true;
        }
        if !is_empty {
            piece.push(' ');
        }
        piece.push_str(word);
        is_empty = false;
    }
    lines.push(piece);
    lines
}

/// What a block of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// It is copied and run, so its lines stay as they are.
    Program,
    /// It is read: long lines are folded.
    Printed {
        /// Whether its last line did not fit.
        in_pieces: bool,
    },
}

impl Code {
    fn of(kind: &CodeBlockKind<'_>) -> Self {
        match kind {
            CodeBlockKind::Fenced(language) if &**language == "text" => Self::Printed { in_pieces: false },
            CodeBlockKind::Fenced(_) | CodeBlockKind::Indented => Self::Program,
        }
    }
}

#[derive(Default)]
struct Painter {
    width: usize,
    out: String,
    /// The words of the block that is being read, each with its role.
    words: Vec<(String, Option<Role>)>,
    /// Whether the next text follows the last word without a space.
    glued: bool,
    role: Option<Role>,
    /// The number of the list's next item; `None` in a list without numbers.
    lists: Vec<Option<u64>>,
    /// What stands before the next line of a list item.
    bullet: Option<String>,
    code: Option<Code>,
    rows: Vec<Vec<String>>,
}

impl Painter {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.code.is_some() => text.lines().for_each(|line| self.code_line(line)),
            Event::Text(text) => self.text(&text, self.role),
            // The marks stay, so that a name is seen as one without colour too.
            Event::Code(text) => self.atom(&format!("`{text}`"), Some(Role::Pointer)),
            Event::SoftBreak | Event::HardBreak => self.glued = false,
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { .. } => self.role = Some(Role::Good),
            Tag::Strong => self.role = Some(Role::Warning),
            Tag::List(number) => self.lists.push(*number),
            Tag::Item => {
                self.bullet = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                });
            }
            Tag::CodeBlock(kind) => self.code = Some(Code::of(kind)),
            Tag::TableHead | Tag::TableRow => self.rows.push(Vec::new()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.role = None;
                self.block();
            }
            TagEnd::Strong => self.role = None,
            TagEnd::Paragraph => self.block(),
            TagEnd::Item if !self.words.is_empty() => self.block(),
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::CodeBlock => {
                self.code = None;
                self.out.push('\n');
            }
            TagEnd::TableCell => {
                let words: Vec<String> = self.words.drain(..).map(|(word, _)| word).collect();
                self.glued = false;
                if let Some(row) = self.rows.last_mut() {
                    row.push(words.join(" "));
                }
            }
            TagEnd::Table => self.table(),
            _ => {}
        }
    }

    /// A line of a program, or of what one printed.
    fn code_line(&mut self, line: &str) {
        let indent = format!("{}    ", self.indent());
        let width = self.width.saturating_sub(indent.len());
        let mark = line.trim();
        let is_pointer = !mark.is_empty() && mark.chars().all(|c| matches!(c, '^' | '~'));
        let lines = match self.code {
            // What points at a line that is in pieces points nowhere.
            Some(Code::Printed { in_pieces: true }) if is_pointer => return,
            Some(Code::Printed { .. }) => folded(line, width, line.len() - line.trim_start().len() + 4),
            Some(Code::Program) | None => vec![line.to_owned()],
        };
        if let Some(Code::Printed { in_pieces }) = &mut self.code {
            *in_pieces = lines.len() > 1;
        }
        for line in lines {
            self.out.push_str(format!("{indent}{line}").trim_end());
            self.out.push('\n');
        }
    }

    /// Text that may be broken at its spaces.
    fn text(&mut self, text: &str, role: Option<Role>) {
        let mut glued = self.glued && !text.starts_with(char::is_whitespace);
        for word in text.split_whitespace() {
            self.push(word, role, glued);
            glued = false;
        }
        self.glued = !text.ends_with(char::is_whitespace);
    }

    /// Text that stays on one line.
    fn atom(&mut self, text: &str, role: Option<Role>) {
        let glued = self.glued;
        self.push(text, role, glued);
        self.glued = true;
    }

    fn push(&mut self, word: &str, role: Option<Role>, glued: bool) {
        match self.words.last_mut() {
            // The glue keeps two roles together: the second one's mark stays a word of its own, marked by a NUL.
            Some(_) if glued => self.words.push((format!("\0{word}"), role)),
            _ => self.words.push((word.to_owned(), role)),
        }
    }

    /// Writes the words that were read, wrapped.
    fn block(&mut self) {
        let first = format!("{}{}", self.indent_of_bullet(), self.bullet.take().unwrap_or_default());
        let rest = self.indent();
        let mut line = first;
        let mut column = line.chars().count();
        let start = column;
        let words = std::mem::take(&mut self.words);
        for (at, (word, role)) in words.iter().enumerate() {
            let glued = word.strip_prefix('\0');
            let shown = glued.unwrap_or(word);
            // What is glued to this word must fit on the line too.
            let tail = words[at + 1..].iter().map_while(|(next, _)| next.strip_prefix('\0'));
            let long: usize = shown.chars().count() + tail.map(|next| next.chars().count()).sum::<usize>();
            let space = usize::from(glued.is_none() && column > start.max(rest.len()).min(column));
            if glued.is_none() && column + space + long > self.width && column > rest.len() {
                self.out.push_str(line.trim_end());
                self.out.push('\n');
                line.clone_from(&rest);
                column = rest.chars().count();
            } else if glued.is_none() && at > 0 {
                line.push(' ');
                column += 1;
            }
            column += shown.chars().count();
            line.push_str(&role.map_or_else(|| shown.to_owned(), |role| paint(role, shown)));
        }
        self.glued = false;
        if !words.is_empty() {
            self.out.push_str(line.trim_end());
            self.out.push_str("\n\n");
        }
    }

    /// What stands before the lines of a list item after its first.
    fn indent(&self) -> String {
        " ".repeat(3 * self.lists.len())
    }

    fn indent_of_bullet(&self) -> String {
        let deep = if self.bullet.is_some() { self.lists.len().saturating_sub(1) } else { self.lists.len() };
        " ".repeat(3 * deep)
    }

    fn table(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| wide(column).unwrap_or_default()).collect();
        for row in rows.iter().filter(|row| row.iter().any(|cell| !cell.is_empty())) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            self.out.push_str(cells.join("  ").trim_end());
            self.out.push('\n');
        }
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(markdown: &str, width: usize) -> String {
        anstream::adapter::strip_str(&document(markdown, width)).to_string()
    }

    #[test]
    fn paragraphs_are_wrapped_and_programs_are_not() {
        let shown = plain("one two three `four`, five\n\n```sh\na line that is long\n```", 12);
        assert_eq!(shown, "one two\nthree\n`four`, five\n\n    a line that is long\n\n");
    }

    #[test]
    fn a_list_keeps_its_numbers_and_its_indentation() {
        let shown = plain("1. do this and\n   that\n\n   ```sh\n   true\n   ```\n\n2. end", 14);
        assert_eq!(shown, "1. do this and\n   that\n\n       true\n\n2. end\n\n");
    }

    #[test]
    fn what_a_program_printed_is_folded() {
        let shown = plain("```text\nabc\n  return f(a, b)\n         ^^^^^^\nx\n  ^\n```", 14);
        assert_eq!(shown, "    abc\n      return\n          f(a,\n          b)\n    x\n      ^\n\n");
    }

    #[test]
    fn a_table_stands_in_columns() {
        assert_eq!(plain("| | |\n| --- | --- |\n| a | long |\n| longer | b |\n", 80), "a       long\nlonger  b\n\n");
    }
}
