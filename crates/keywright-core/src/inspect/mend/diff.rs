//! What a mend changes, for people: a unified diff in which every value is masked.

use super::{Change, Mended};
use crate::inspect::character::is_invisible;
use crate::secret::mask;

impl Mended {
    /// A unified diff without context, its lines masked. What concerns the whole file stands above it.
    pub fn diff(&self, path: &str) -> String {
        let whole = self.changes.iter().filter(|change| change.line.is_none());
        let mut lines: Vec<String> = whole.map(|change| format!("# {path}: {}", change.says)).collect();
        lines.extend([format!("--- {path}"), format!("+++ {path}")]);
        let mut shift = 0;
        for (change, line) in self.changes.iter().filter_map(|change| Some((change, change.line?))) {
            lines.extend(hunk(change, line, &mut shift));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// One change. A side without lines names the line before, as diff does.
fn hunk(change: &Change, line: usize, shift: &mut isize) -> Vec<String> {
    let (before, after) = (change.before.len(), change.after.len());
    let new = line.saturating_add_signed(*shift).saturating_sub(usize::from(after == 0));
    *shift += after.cast_signed() - before.cast_signed();
    let range = |line: usize, count: usize| if count == 1 { line.to_string() } else { format!("{line},{count}") };
    let mut lines = vec![format!("@@ -{} +{} @@ {}", range(line, before), range(new, after), change.says)];
    lines.extend(change.before.iter().map(|line| format!("-{line}")));
    lines.extend(change.after.iter().map(|line| format!("+{line}")));
    lines
}

/// Lines that belong together, with every value masked; comments are text that may hold a key too.
pub(super) fn masked(lines: &[&str]) -> Vec<String> {
    let mut inside = false;
    let mut out = Vec::new();
    for line in lines {
        out.push(match line.split_once('=') {
            _ if line.trim_start().starts_with('#') && !inside => "# …".to_owned(),
            Some((name, value)) if !inside => {
                inside = true;
                format!("{}={}", shown_name(name), shown(value))
            }
            _ => "…".to_owned(),
        });
    }
    out
}

/// What stands before `=`. A key may stand there too, and then it is no name in capitals.
fn shown_name(name: &str) -> String {
    let bare = name.trim();
    let bare = bare.strip_prefix("export").map_or(bare, str::trim_start);
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if bare.chars().all(is_name) { visible(name) } else { visible(&name.replace(bare, &mask(bare))) }
}

/// A value: blanks, quotes and what cannot be seen at its ends are shown, the rest is masked.
fn shown(value: &str) -> String {
    let (value, comment) = match super::comment_at(value) {
        Some(at) => (&value[..at], "# …"),
        None => (value, ""),
    };
    let odd = |c: char| is_invisible(c) || matches!(c, '"' | '\'' | '`' | '<' | '>') || !c.is_ascii();
    let front = value.len() - value.trim_start_matches(odd).len();
    let middle = value[front..].trim_end_matches(odd);
    let behind = &value[front + middle.len()..];
    let masked = if middle.is_empty() { String::new() } else { mask(middle) };
    format!("{}{masked}{}{comment}", visible(&value[..front]), visible(behind))
}

/// Text with a name in the place of each character that cannot be seen.
fn visible(text: &str) -> String {
    let named = |c: char| match c {
        ' ' => c.to_string(),
        c if is_invisible(c) => format!("<U+{:04X}>", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(named).collect()
}
