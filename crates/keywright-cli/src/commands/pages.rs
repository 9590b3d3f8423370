//! `keywright pages`: the error pages, in the terminal, as JSON, as Markdown and as a site.

mod export;
mod list;
mod note;
mod paint;
mod show;
mod site;

use std::io::IsTerminal;

use keywright_core::page::{Found, Page, find, pages};

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Read the error pages: one for each cause, and one for each exception as people search for it.
///
/// A page says what the failure means, how to see it, what causes it, what mends each cause, what a
/// program can do until then, and how to prevent it. Its broken and fixed programs were run with the
/// real SDK; the versions are on the page.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    List(list::List),
    Show(show::Show),
    Export(export::Export),
    Note(note::Args),
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.action {
        Action::List(list) => list::run(list, terminal),
        Action::Show(show) => show::run(show, terminal),
        Action::Export(export) => export::run(export, terminal),
        Action::Note(note) => note::run(note, terminal),
    }
}

/// Shows the page of a name.
pub(super) fn show(name: &str, json: bool, terminal: &Terminal) -> Result<Exit, CliError> {
    show::run(&show::Show::of(name, json), terminal)
}

/// Whether a name leads to one page.
pub(super) fn has(name: &str) -> bool {
    matches!(find(name), Found::Page(_))
}

/// The page of a name; when there is none, or more than one, a person is told.
fn page_of(name: &str, terminal: &Terminal) -> Option<&'static Page> {
    let (what, help) = match find(name) {
        Found::Page(page) => return Some(page),
        Found::Several(found) => {
            let names: Vec<&str> = found.iter().map(|page| page.name).collect();
            (format!("`{name}` has {} pages", names.len()), format!("name one: {}", names.join(", ")))
        }
        Found::Nothing => {
            let near = keywright::sources::near(name, names());
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            (format!("no page `{name}`"), format!("{near}`keywright pages list` names all"))
        }
    };
    terminal.tell(format_args!("{} {what}", paint(Role::Error, "error:")));
    terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
    None
}

/// Every name that leads to a page.
fn names() -> impl Iterator<Item = &'static str> {
    pages().flat_map(|page| [page.name].into_iter().chain(page.aliases.iter().map(String::as_str)))
}

/// `401`, `401 or 404`, or that the provider never saw it.
fn status(page: &Page) -> String {
    let numbers: Vec<String> = page.http_status.iter().map(u16::to_string).collect();
    match numbers.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// How wide the terminal is; `None` where nobody looks, or it does not say.
fn columns() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(stdout).ok()).flatten()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// A word of an enumeration, as it is written in JSON.
fn word(value: impl Into<&'static str>) -> &'static str {
    value.into()
}

/// A title as a sentence begins.
fn sentence(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
