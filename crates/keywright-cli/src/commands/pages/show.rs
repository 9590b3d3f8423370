//! `keywright pages show`.

use std::fmt::Write as _;

use keywright::state::notes::Note;
use keywright_core::page::{Page, document, verified};
use serde_json::{Value, json};

use super::note::{self, as_json as note_as_json};
use super::{columns, page_of, paint, status, word};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Show a page. Slugs, full names of exceptions, their classes and what people call them all lead there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright pages show openai.AuthenticationError
  keywright pages show whitespace_or_newline | less -R
  keywright pages show missing_key --markdown > missing_key.md")]
pub(super) struct Show {
    /// A page's name, such as `openai.AuthenticationError` or `missing_key`.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print JSON for programs instead of text for people.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown.
    #[arg(long)]
    markdown: bool,
}

impl Show {
    /// What another command asks for.
    pub(super) fn of(name: &str, json: bool) -> Self {
        Self { name: name.to_owned(), json, markdown: false }
    }
}

pub(super) fn run(args: &Show, terminal: &Terminal) -> Result<Exit, CliError> {
    let Some(page) = page_of(&args.name, terminal) else {
        return Ok(Exit::Usage);
    };
    let notes = note::kept_or_none(Some(page.name), terminal);
    // The text is ours, to the letter: masking would change the programs. Notes hold no key; they were read for that.
    let text = if args.json {
        format!("{}\n", as_json(page, &notes))
    } else if args.markdown {
        as_markdown(page, &notes)
    } else {
        paint::document(&as_markdown(page, &notes), width())
    };
    terminal.out_bytes(text.as_bytes())?;
    Ok(Exit::Healthy)
}

fn as_json(page: &Page, notes: &[Note]) -> Value {
    let snippets = page.snippets().into_iter().map(|snippet| {
        json!({
            "name": snippet.name, "language": snippet.language, "program": snippet.program,
            "scene": page.scenes.get(&snippet.name),
        })
    });
    json!({
        "schema": 1,
        "name": page.name,
        "kind": if page.cause.is_some() { "cause" } else { "exception" },
        "title": page.title,
        "verdict": page.verdict(),
        "severity": word(page.severity),
        "http_status": page.http_status,
        "difficulty": word(page.difficulty),
        "time_to_fix": page.time_to_fix,
        "provider": page.provider,
        "aliases": page.aliases,
        "causes": page.cause_slugs(),
        "related": page.related,
        "quick_fix": page.quick_fix(),
        "sections": document(page).iter().map(|part| json!({"heading": part.heading, "markdown": part.text}))
            .collect::<Vec<_>>(),
        "not_applicable": page.not_applicable,
        "sdk": page.sdk,
        "snippets": snippets.collect::<Vec<_>>(),
        "notes": notes.iter().map(note_as_json).collect::<Vec<_>>(),
        "verified": json!({"date": verified().date, "runs": page.runs().collect::<Vec<_>>()}),
    })
}

/// The whole page: its fields, its text, then what people of this machine added.
pub(super) fn as_markdown(page: &Page, notes: &[Note]) -> String {
    let mut text = format!("# {}\n\n{}.\n\n", page.name, super::sentence(page.title));
    text.push_str("| | |\n| --- | --- |\n");
    for (name, value) in fields(page) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {name} | {value} |");
    }
    for part in document(page).into_iter().chain(note::part(notes, page)) {
        let _ = write!(text, "\n## {}\n\n{}\n", part.heading, part.text);
    }
    text
}

/// The fields above the text, as a person reads them.
pub(super) fn fields(page: &Page) -> Vec<(&'static str, String)> {
    let status = match status(page).as_str() {
        "none" => "none: the client stops before it sends, or no answer comes".to_owned(),
        status => status.to_owned(),
    };
    let mut fields = vec![
        ("Severity", word(page.severity).to_owned()),
        ("HTTP status", status),
        ("Difficulty", word(page.difficulty).to_owned()),
        ("Time to fix", page.time_to_fix.clone()),
    ];
    if page.runs().next().is_some() {
        fields.push(("Verified", verified().date.clone()));
    }
    fields
}

/// As wide as the terminal, but never so wide that lines are hard to follow.
fn width() -> usize {
    columns().map_or(80, |columns| columns.clamp(40, 100))
}
