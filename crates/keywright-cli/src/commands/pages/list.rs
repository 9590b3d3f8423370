//! `keywright pages list`.

use keywright_core::Verdict;
use keywright_core::page::{Page, pages};
use serde_json::json;

use super::{columns, paint as pages_paint, status, word};
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
            // The status is on the page; a narrow terminal has no room for it.
            let status = match columns {
                Some(..WIDE) => String::new(),
                _ => format!("{}  ", paint(Role::Faint, format_args!("{:<11}", short(&status(page))))),
            };
            let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(widest + 4).max(20));
            let title = match columns {
                Some(..WIDE) => pages_paint::folded(page.title, room, 0).join(&format!("\n{:1$}", "", widest + 4)),
                _ => page.title.to_owned(),
            };
            terminal.out(format_args!("  {:<widest$}  {status}{title}", page.name))?;
        }
    }
    Ok(Exit::Healthy)
}

/// The longest line with a status, in columns.
const WIDE: usize = 112;

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
