//! How a report looks: one line a check, what was found below it, each finding with what mends it.

use std::io;

use keywright_core::inspect::{Finding, Severity};

use super::report::{KeyLine, Report, Status};
use crate::diagnosis::finding_lines;
use crate::error::count;
use crate::terminal::{Role, Terminal, paint};

/// Which characters the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// `[✓]`.
    Signs,
    /// `[ok]`, and nothing beyond ASCII.
    Ascii,
}

/// Prints the report: it is the data of this command, so it goes to stdout.
pub(super) fn paint_report(report: &Report, look: Look, terminal: &Terminal) -> io::Result<()> {
    let width = report.checks.iter().map(|check| check.title.chars().count()).max().unwrap_or_default();
    for check in &report.checks {
        let mut lines = vec![format!("{} {:width$}  {}", badge(check.status, look), check.title, check.summary)];
        lines.extend(report.keys_of(check).map(key_line));
        for finding in check.findings.iter().filter(|finding| is_shown(finding, terminal)) {
            lines.extend(finding_lines(finding).into_iter().map(|line| format!("      {line}")));
        }
        for line in lines {
            put(&line, look, terminal)?;
        }
    }
    put(&closing(report), look, terminal)
}

fn put(line: &str, look: Look, terminal: &Terminal) -> io::Result<()> {
    match look {
        Look::Signs => terminal.out(line),
        Look::Ascii => terminal.out(line.replace('…', "...")),
    }
}

/// Notes are for those who ask.
const fn is_shown(finding: &Finding, terminal: &Terminal) -> bool {
    !matches!(finding.severity, Severity::Note) || terminal.verbose > 0
}

fn badge(status: Status, look: Look) -> String {
    let (role, sign, word) = match status {
        Status::Ok => (Role::Good, "[✓]", "[ok]  "),
        Status::Warn => (Role::Warning, "[!]", "[warn]"),
        Status::Unknown => (Role::Warning, "[?]", "[none]"),
        Status::Fail => (Role::Error, "[✗]", "[fail]"),
    };
    paint(role, if look == Look::Signs { sign } else { word })
}

fn key_line(key: &KeyLine) -> String {
    let masked = key.masked.as_deref().unwrap_or("(empty)");
    let sent = if key.sent_to == key.provider { String::new() } else { format!(", sent to {}", key.sent_to) };
    let standing = match (&key.shadowed_by, key.standing) {
        (Some(winner), _) => format!(", not in force: {winner} comes first"),
        (None, "unread") => ", under a name that nothing is known to read".to_owned(),
        (None, _) => String::new(),
    };
    let name = if key.place.line.is_some() { format!(" {}", key.name) } else { String::new() };
    let place = paint(Role::Faint, format_args!("{}{name}{sent}{standing}", key.place));
    let live: Vec<String> = key.live.iter().map(|answer| format!("  live: {}", answer.told())).collect();
    format!("      {masked}  {place}{}", live.concat())
}

fn closing(report: &Report) -> String {
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    match report.status {
        Status::Ok => {
            let keys = report.credentials.iter().filter(|key| key.standing == "in_force").count();
            format!("{} {}, nothing is wrong", paint(Role::Good, "healthy:"), count(keys, "key"))
        }
        Status::Warn => {
            format!(
                "{} {}; `--strict` makes it a failure",
                paint(Role::Warning, "healthy, with"),
                count(warnings, "warning")
            )
        }
        Status::Unknown => format!("{} somebody who was asked gave no answer", paint(Role::Warning, "no verdict:")),
        Status::Fail => {
            let also = if warnings == 0 { String::new() } else { format!(", {}", count(warnings, "warning")) };
            format!("{} {}{also}", paint(Role::Error, "not healthy:"), count(errors, "error"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_says_its_status_without_colour() {
        for (status, word) in
            [(Status::Ok, "[ok]"), (Status::Warn, "[warn]"), (Status::Unknown, "[none]"), (Status::Fail, "[fail]")]
        {
            assert!(badge(status, Look::Ascii).contains(word));
            assert!(badge(status, Look::Ascii).is_ascii());
        }
    }
}
