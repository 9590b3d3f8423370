//! A page as one document: its own text, what the last run found, and what it refers to, in a fixed order.

use std::fmt::Write as _;

use super::{Page, cause_page, fill_in, fixes};
use crate::cause::{Cause, Failover, Verdict};
use crate::diagnosis::Fix;

/// One heading of a page, and the Markdown below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// As it is shown; the same on every page.
    pub heading: &'static str,
    /// Markdown, without headings of the second level.
    pub text: String,
}

/// The whole page, in the order of `HEADINGS`. What does not apply says why.
pub fn document(page: &Page) -> Vec<Part> {
    HEADINGS.iter().filter_map(|heading| part(page, heading)).collect()
}

/// The headings of every page, in this order.
pub(super) const HEADINGS: [&str; 12] = [
    "Meaning",
    "Stack trace",
    "Quick fix",
    "Why it happens",
    "Detection",
    "Causes and fixes",
    "Broken code",
    "Fixed code",
    "Workaround",
    "Prevention",
    "Versions",
    "Neighbours",
];

fn part(page: &Page, heading: &'static str) -> Option<Part> {
    let text = match page.not_applicable.get(heading) {
        Some(reason) => format!("Not applicable: {reason}"),
        None => match heading {
            "Stack trace" => trace(page),
            "Quick fix" => quick_fix(page),
            "Causes and fixes" => causes_and_fixes(page),
            "Detection" => joined([own(page, heading), shared_detection(page)]),
            "Workaround" => joined([own(page, heading), Some(shared_workaround(page))]),
            "Versions" => joined([own(page, heading), runs(page)]),
            "Neighbours" => neighbours(page),
            _ => own(page, heading).unwrap_or_default(),
        },
    };
    (!text.is_empty()).then_some(Part { heading, text })
}

fn own(page: &Page, heading: &str) -> Option<String> {
    page.section(heading).map(|text| fill(page, text))
}

fn joined<const N: usize>(texts: [Option<String>; N]) -> String {
    texts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

/// What the broken program printed, and with which version.
fn trace(page: &Page) -> String {
    let Some(trace) = page.trace() else {
        return page.section("Stack trace").unwrap_or_default().to_owned();
    };
    format!(
        "Printed by the broken code below, with {}; keys are masked.\n\n```text\n{}\n```",
        trace.sdk,
        trace.text.trim_end()
    )
}

/// The first fix: the page's own, or that of its most frequent cause.
fn quick_fix(page: &Page) -> String {
    all_fixes(page).into_iter().next().map(|fix| said(&fix)).unwrap_or_default()
}

fn all_fixes(page: &Page) -> Vec<Fix> {
    let own = page.fixes.iter().map(|fix| Fix {
        says: fill_in(&fix.says, page.names_of(), None),
        command: fix.command.as_deref().map(|command| fill_in(command, page.names_of(), None)),
    });
    own.chain(page.causes.iter().flat_map(|cause| fixes(*cause, page.names_of()))).collect()
}

fn causes_and_fixes(page: &Page) -> String {
    let mut text = String::new();
    let own: Vec<Fix> = all_fixes(page).into_iter().take(page.fixes.len()).collect();
    listed(&mut text, &own);
    for cause in &page.causes {
        // Writing to a string cannot fail.
        let _ = write!(text, "### {}\n\n`{}`\n\n", sentence(cause_page(*cause).title), cause.slug());
        listed(&mut text, &fixes(*cause, page.names_of()));
    }
    text.trim_end().to_owned()
}

fn listed(text: &mut String, fixes: &[Fix]) {
    for (at, fix) in fixes.iter().enumerate() {
        let said = said(fix).replace('\n', "\n   ");
        let _ = write!(text, "{}. {}\n\n", at + 1, said.trim_end());
    }
}

fn said(fix: &Fix) -> String {
    match &fix.command {
        Some(command) => format!("{}\n\n```sh\n{command}\n```", fix.says),
        None => fix.says.clone(),
    }
}

/// A title as a heading begins.
fn sentence(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How to log presence and format of a key: for failures that are about one.
fn shared_detection(page: &Page) -> Option<String> {
    (page.verdict() == Verdict::Auth).then(|| fill(page, shared(page, PYTHON_DETECTION, NODE_DETECTION)))
}

/// What a program can do until a person has mended it, by what another attempt may use.
fn shared_workaround(page: &Page) -> String {
    let text = match page.failover() {
        Failover::OtherKey => shared(page, PYTHON_WORKAROUND, NODE_WORKAROUND),
        Failover::OtherAccount => include_str!("../../data/pages/shared/workaround-account.md"),
        Failover::Wait => include_str!("../../data/pages/shared/workaround-wait.md"),
        Failover::Stop => include_str!("../../data/pages/shared/workaround-stop.md"),
    };
    fill(page, text.trim())
}

fn shared(page: &Page, python: &'static str, node: &'static str) -> &'static str {
    let is_node = page.sdk.is_some_and(|sdk| sdk.language == "javascript");
    if is_node { node.trim() } else { python.trim() }
}

const PYTHON_DETECTION: &str = include_str!("../../data/pages/shared/detection.python.md");
const NODE_DETECTION: &str = include_str!("../../data/pages/shared/detection.javascript.md");
const PYTHON_WORKAROUND: &str = include_str!("../../data/pages/shared/workaround-key.python.md");
const NODE_WORKAROUND: &str = include_str!("../../data/pages/shared/workaround-key.javascript.md");

/// Fills in the names of the page's provider and SDK. The fence's second word is for machines.
fn fill(page: &Page, text: &str) -> String {
    let text = match page.sdk.or_else(|| super::sdk("openai")) {
        Some(sdk) => text
            .replace("{module}", &sdk.module)
            .replace("{client}", &sdk.client)
            .replace("{model}", &sdk.model)
            .replace("{package}", &sdk.package),
        None => text.to_owned(),
    };
    fill_in(&text, page.names_of(), None)
}

/// Each version that the snippets were run with, and what they did.
fn runs(page: &Page) -> Option<String> {
    let mut rows = page.runs().peekable();
    rows.peek()?;
    let mut text = format!("Run on {}:\n\n| SDK | program | result |\n| --- | --- | --- |\n", super::verified().date);
    for run in rows {
        let _ = writeln!(text, "| {} | {} | {} |", run.sdk, run.snippet, run.result);
    }
    Some(text.trim_end().to_owned())
}

/// Which page it is if not this one.
fn neighbours(page: &Page) -> String {
    let names: Vec<String> = page.related.iter().map(|name| format!("`{name}`")).collect();
    let related = (!names.is_empty()).then(|| format!("See also {}.", names.join(", ")));
    joined([own(page, "Neighbours"), related])
}

impl Page {
    /// The slugs of the causes that it is about.
    pub fn cause_slugs(&self) -> Vec<&'static str> {
        self.cause.iter().chain(&self.causes).copied().map(Cause::slug).collect()
    }

    /// Its first fix, with names filled in.
    pub fn quick_fix(&self) -> Option<Fix> {
        all_fixes(self).into_iter().next()
    }
}
