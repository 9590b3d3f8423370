//! `keywright pages note`: what people add to the pages, kept on this machine.

use std::io::Read;

use keywright::sources::Environment;
use keywright::state::notes::{self, Note};
use keywright::state::{Directory, StateError, Store, Timestamp};
use keywright_core::page::{NoteSdk, NoteText, Page, Part};
use serde_json::{Value, json};

use super::page_of;
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Add notes to pages: what a version does differently, what helped here.
///
/// Notes are plain text. They are kept on this machine, in ~/.local/share/keywright or the folder that
/// KEYWRIGHT_STATE_DIR names, shown with the page and exported with the site.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright pages note add openai.AuthenticationError --sdk openai@1.40.0 'this version says so too when the project is archived'
  keywright pages note list
  keywright pages note remove 3")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Add a note to a page.
    Add(Add),
    /// List the notes, all or those of one page.
    List(List),
    /// Remove notes by their numbers.
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// A page's name, such as `openai.AuthenticationError` or `missing_key`.
    #[arg(value_name = "PAGE")]
    page: String,
    /// What others should know, up to 4,000 bytes; `-` reads it from standard input.
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: String,
    /// The SDK that it is about, and its version, such as `openai@1.40.0`.
    #[arg(long, value_name = "NAME[@VERSION]")]
    sdk: Option<String>,
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this page's notes.
    #[arg(value_name = "PAGE")]
    page: Option<String>,
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Remove {
    /// The numbers that `keywright pages note list` shows.
    #[arg(value_name = "NUMBER", required = true)]
    ids: Vec<i64>,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.action {
        Action::Add(args) => add(args, terminal),
        Action::List(args) => list(args, terminal),
        Action::Remove(args) => remove(args, terminal),
    }
}

fn add(args: &Add, terminal: &Terminal) -> Result<Exit, CliError> {
    let Some(page) = page_of(&args.page, terminal) else {
        return Ok(Exit::Usage);
    };
    let bytes = if args.text == "-" { standard_input()? } else { args.text.clone().into_bytes() };
    let redactor = terminal.redactor();
    let text = NoteText::parse(&bytes, &redactor)?;
    let sdk = args.sdk.as_deref().map(|sdk| NoteSdk::parse(sdk, &redactor)).transpose()?;
    let mut store = Store::open(&Directory::of(&Environment::process())?)?;
    let now = Timestamp::now();
    let id = notes::add(&mut store, page.name, &text, sdk.as_ref(), now)?;
    if args.json {
        let note = Note { id, page: page.name.to_owned(), text, sdk, added: now };
        terminal.out_json(&json!({"schema": 1, "note": as_json(&note)}))?;
    } else {
        terminal.out(format_args!("note {id} stands on `{}` now", page.name))?;
    }
    Ok(Exit::Healthy)
}

/// What fits a note, and a little more, so that too much is seen as too much.
fn standard_input() -> Result<Vec<u8>, CliError> {
    let limit = u64::try_from(2 * NoteText::LIMIT_BYTES + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|source| CliError::Read { path: "-".into(), source, absent: None })?;
    Ok(bytes)
}

fn list(args: &List, terminal: &Terminal) -> Result<Exit, CliError> {
    let page = match args.page.as_deref() {
        Some(name) => match page_of(name, terminal) {
            Some(page) => Some(page.name),
            None => return Ok(Exit::Usage),
        },
        None => None,
    };
    let notes = kept(page)?;
    if args.json {
        terminal.out_json(&json!({"schema": 1, "notes": notes.iter().map(as_json).collect::<Vec<_>>()}))?;
    } else if notes.is_empty() {
        terminal.tell("keywright: no note is kept here; `keywright pages note add PAGE TEXT` adds one");
    }
    for note in notes.iter().filter(|_| !args.json) {
        let number = paint(Role::Pointer, format_args!("{:>3}", note.id));
        terminal.out(format_args!("{number}  {}  {}", note.page, paint(Role::Faint, about(note))))?;
        for line in note.text.as_str().lines() {
            terminal.out(format_args!("     {line}"))?;
        }
    }
    Ok(Exit::Healthy)
}

fn remove(args: &Remove, terminal: &Terminal) -> Result<Exit, CliError> {
    let directory = Directory::of(&Environment::process())?;
    let mut store = Store::open_existing(&directory)?;
    let mut removed = 0;
    for id in &args.ids {
        let found = store.as_mut().map_or(Ok(false), |store| notes::remove(store, *id))?;
        removed += usize::from(found);
        if !found {
            terminal.tell(format_args!("{} there is no note {id}", paint(Role::Error, "error:")));
            let help = "`keywright pages note list` shows the numbers";
            terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
        }
    }
    terminal.tell(format_args!("removed {}", count(removed, "note")));
    Ok(if removed == args.ids.len() { Exit::Healthy } else { Exit::Usage })
}

/// The notes of this machine, all or those of one page.
fn kept(page: Option<&str>) -> Result<Vec<Note>, StateError> {
    match Store::open_existing(&Directory::of(&Environment::process())?)? {
        Some(mut store) => notes::list(&mut store, page),
        None => Ok(Vec::new()),
    }
}

/// The same for whoever can do without: where they cannot be read, a person is told, and there are none.
pub(super) fn kept_or_none(page: Option<&str>, terminal: &Terminal) -> Vec<Note> {
    match kept(page) {
        Ok(notes) => notes,
        // Where nothing can be kept there is nothing to miss.
        Err(StateError::NoHome) => Vec::new(),
        Err(error) => {
            terminal.tell(format_args!("{} notes are left out: {error}", paint(Role::Warning, "warning:")));
            Vec::new()
        }
    }
}

/// The notes of a page, as the last part of it.
pub(super) fn part(notes: &[Note], page: &Page) -> Option<Part> {
    let own = notes.iter().filter(|note| note.page == page.name);
    let notes: Vec<String> = own
        .map(|note| format!("### Note {}: {}\n\n{}", note.id, escaped(&about(note)), note.text.markdown()))
        .collect();
    let intro = "Added by people on this machine; Keywright did not check them.";
    (!notes.is_empty()).then(|| Part { heading: "Notes", text: format!("{intro}\n\n{}", notes.join("\n\n")) })
}

/// What a note is about, and its day.
fn about(note: &Note) -> String {
    let day: String = note.added.to_string().chars().take_while(|c| *c != 'T').collect();
    note.sdk.as_ref().map_or_else(|| day.clone(), |sdk| format!("{sdk}, {day}"))
}

/// The name of a package may hold an underscore, which means something in Markdown.
fn escaped(text: &str) -> String {
    text.replace('_', "\\_").replace('*', "\\*")
}

/// A note for programs.
pub(super) fn as_json(note: &Note) -> Value {
    json!({
        "id": note.id,
        "page": note.page,
        "text": note.text.as_str(),
        "sdk": note.sdk.as_ref().map(|sdk| &sdk.name),
        "version": note.sdk.as_ref().and_then(|sdk| sdk.version.as_ref()),
        "added": note.added.to_string(),
    })
}
