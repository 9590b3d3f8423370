//! `keywright pages list`.

use keywright_core::Verdict;
use keywright_core::page::{Page, pages};
use serde_json::json;

use super::paint::folded;
use super::{columns, status, word};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// List the pages: exceptions, causes that are about the key, and what only looks like one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright pages list
  keywright pages list --json | jq -r '.pages[].name'")]
pub(super) struct List {
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &List, terminal: &Terminal) -> Result<Exit, CliError> {
    if args.json {
        let rows: Vec<_> = pages().map(row).collect();
        terminal.out_json(&json!({"schema": 1, "pages": rows}))?;
        return Ok(Exit::Healthy);
    }
    let columns = columns();
    let widest = pages().map(|page| page.name.len()).max().unwrap_or_default();
    for heading in GROUPS {
        terminal.out(paint(Role::Pointer, heading))?;
        for page in pages().filter(|page| group(page) == heading) {
            for line in lines(page, widest, columns) {
                terminal.out(line)?;
            }
        }
    }
    Ok(Exit::Healthy)
}

/// What is shown of a page. A narrow terminal has no room for the status, which is on the page, and gets the title in
/// pieces.
fn lines(page: &Page, widest: usize, columns: Option<usize>) -> Vec<String> {
    if let Some(columns @ ..WIDE) = columns {
        let room = columns.saturating_sub(widest + 4).max(NARROWEST_TITLE);
        let names = std::iter::once(page.name).chain(std::iter::repeat(""));
        let rows = names.zip(folded(page.title, room, 0));
        return rows.map(|(name, title)| format!("  {name:<widest$}  {title}")).collect();
    }
    let status = paint(Role::Faint, format_args!("{:<11}", short(&status(page))));
    vec![format!("  {:<widest$}  {status}  {}", page.name, page.title)]
}

/// What kinds of pages there are, in the order of the list.
pub(super) const GROUPS: [&str; 3] = ["Exceptions", "Causes", "Not the key"];

/// The kind of a page.
pub(super) fn group(page: &Page) -> &'static str {
    match (page.cause, page.verdict()) {
        (None, _) => GROUPS[0],
        (Some(_), Verdict::Auth) => GROUPS[1],
        (Some(_), Verdict::NotAuth | Verdict::Unrecognised) => GROUPS[2],
    }
}

/// `401, 404` fits where `401 or 404` does not.
fn short(status: &str) -> String {
    if status == "none" { "–".to_owned() } else { status.replace(" or ", ", ") }
}

fn row(page: &Page) -> serde_json::Value {
    json!({
        "name": page.name,
        "kind": if page.cause.is_some() { "cause" } else { "exception" },
        "title": page.title,
        "verdict": page.verdict(),
        "provider": page.provider,
        "severity": word(page.severity),
        "http_status": page.http_status,
        "aliases": page.aliases,
    })
}

/// As wide as the longest line with a status, in columns.
const WIDE: usize = 112;
const NARROWEST_TITLE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_wide_as_the_terminal_at_most() {
        let widest = pages().map(|page| page.name.len()).max().expect("there are pages");
        for columns in [80, 100, WIDE] {
            for line in pages().flat_map(|page| lines(page, widest, Some(columns))) {
                let shown = anstream::adapter::strip_str(&line).to_string();
                assert!(shown.chars().count() <= columns, "{columns}: {shown}");
            }
        }
    }
}
