//! The error pages: one a cause (`data/causes`), one an exception as people search for it (`data/pages`).
//!
//! A fix is worded once, on the page of its cause. Pages of exceptions refer to causes; what many pages
//! would say alike stands in `data/pages/shared`.

mod files;
mod find;
mod front;
mod note;
mod render;
mod sdk;
mod text;
mod verified;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

pub use self::find::{Found, find};
pub use self::front::{Difficulty, Other, PageFix, Scene, Severity};
pub use self::note::{NoteError, NoteSdk, NoteText};
pub use self::render::{Part, document};
pub use self::sdk::{Sdk, sdk, sdks};
pub use self::text::Snippet;
pub use self::verified::{Run, Trace, Verified, verified};

use crate::catalogue::Catalogue;
use crate::cause::{Cause, Failover, Verdict};
use crate::diagnosis::Fix;

/// One page.
#[derive(Debug)]
pub struct Page {
    /// A cause's slug, or an exception's full name.
    pub name: &'static str,
    /// The cause that it is the page of; `None` for an exception's.
    pub cause: Option<Cause>,
    /// What happened, in one line.
    pub title: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What providers answer; empty when the client stops before it sends.
    pub http_status: Vec<u16>,
    /// How hard it is to mend.
    pub difficulty: Difficulty,
    /// How long a person needs, in words.
    pub time_to_fix: String,
    /// Other names that people look for.
    pub aliases: Vec<String>,
    /// An exception's provider, as a catalogue id.
    pub provider: Option<String>,
    /// The causes behind an exception, most frequent first.
    pub causes: Vec<Cause>,
    /// Pages to read next.
    pub related: Vec<String>,
    /// What to do, in order; placeholders as in `{keys_url}`.
    pub fixes: &'static [PageFix],
    /// The SDK of the snippets.
    pub sdk: Option<&'static Sdk>,
    /// How each snippet is run, by its name.
    pub scenes: BTreeMap<String, Scene>,
    /// Headings that this page leaves out on purpose, each with the reason.
    pub not_applicable: BTreeMap<String, String>,
    /// The long form, Markdown.
    pub body: &'static str,
}

/// All pages: exceptions first, then causes.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    EXCEPTION_PAGES.iter().chain(CAUSE_PAGES.0.iter())
}

/// The page of a cause.
pub fn cause_page(cause: Cause) -> &'static Page {
    let (pages, places) = &*CAUSE_PAGES;
    &pages[places[&cause]]
}

/// The page of the exception that a provider's client raises when a key fails.
pub fn exception_page(provider: &str) -> Option<&'static Page> {
    EXCEPTION_PAGES.iter().find(|page| page.provider.as_deref() == Some(provider) && page.verdict() == Verdict::Auth)
}

/// The fixes of a cause, with this provider's addresses and names filled in.
pub fn fixes(cause: Cause, provider: &str) -> Vec<Fix> {
    filled(cause, provider, None)
}

/// The first fix of a cause for a key that stands, or should stand, in this variable and not in the provider's usual one.
pub fn fix_of_variable(cause: Cause, provider: &str, variable: &str) -> Option<Fix> {
    filled(cause, provider, Some(variable)).into_iter().next()
}

fn filled(cause: Cause, provider: &str, variable: Option<&str>) -> Vec<Fix> {
    let fill = |text: &String| fill_in(text, provider, variable);
    // A command that names the provider's variable is nonsense where no provider is known.
    let known = variable.is_some() || Catalogue::builtin().provider(provider).is_some();
    let fits = |command: &str| known || !command.contains('{');
    cause_page(cause)
        .fixes
        .iter()
        .map(|fix| Fix {
            says: fill(&fix.says),
            command: fix.command.as_ref().filter(|command| fits(command)).map(fill),
        })
        .collect()
}

impl Page {
    /// The text below one of the page's own headings.
    pub fn section(&self, heading: &str) -> Option<&'static str> {
        text::section(self.body, heading)
    }

    /// The programs on it, those that it shares with other pages among them.
    pub fn snippets(&self) -> Vec<Snippet> {
        document(self).iter().flat_map(|part| text::snippets(&part.text)).collect()
    }

    /// Whether it is about keys; a look-alike's page is not.
    pub fn verdict(&self) -> Verdict {
        let cause = self.cause.or_else(|| self.causes.first().copied());
        cause.map_or(Verdict::Unrecognised, Cause::verdict)
    }

    /// What another attempt may use.
    fn failover(&self) -> Failover {
        let cause = self.cause.or_else(|| self.causes.first().copied());
        cause.map_or(Failover::Stop, Cause::failover)
    }

    /// The rows of the last run of its snippets.
    pub fn runs(&self) -> impl Iterator<Item = &'static Run> {
        let name = self.name;
        verified().runs.iter().filter(move |run| run.page == name)
    }

    /// What its broken program printed.
    pub fn trace(&self) -> Option<&'static Trace> {
        verified().traces.iter().find(|trace| trace.page == self.name)
    }

    /// The provider whose names fill the placeholders; a cause has to take one as its example.
    fn names_of(&self) -> &str {
        self.provider.as_deref().or_else(|| self.sdk.map(|sdk| sdk.provider.as_str())).unwrap_or("openai")
    }
}

/// Fills in a provider's names; another variable than its usual one where one is given.
fn fill_in(text: &str, provider: &str, variable: Option<&str>) -> String {
    let spec = Catalogue::builtin().provider(provider);
    let keys_url = spec.and_then(|spec| spec.keys_url.as_deref()).unwrap_or("the provider's dashboard");
    let billing_url = spec.and_then(|spec| spec.billing_url.as_deref()).unwrap_or("the provider's billing page");
    let name = spec.map_or("the provider", |spec| spec.name.as_str());
    let usual = || spec.and_then(|spec| spec.key_variable());
    let variable = variable.or_else(usual).unwrap_or("the key's variable");
    text.replace("{keys_url}", keys_url)
        .replace("{billing_url}", billing_url)
        .replace("{provider}", name)
        .replace("{provider_id}", provider)
        .replace("{variable}", variable)
}

/// The pages of causes, and the place of each.
static CAUSE_PAGES: LazyLock<(Vec<Page>, HashMap<Cause, usize>)> = LazyLock::new(|| {
    let parse = |(slug, text)| {
        let cause = Cause::from_slug(slug).expect("a test compares slugs and files");
        parse(slug, text, Some(cause))
    };
    let pages: Vec<Page> = files::CAUSES.iter().copied().map(parse).collect();
    let places = pages.iter().enumerate().filter_map(|(at, page)| Some((page.cause?, at))).collect();
    (pages, places)
});

static EXCEPTION_PAGES: LazyLock<Vec<Page>> =
    LazyLock::new(|| files::EXCEPTIONS.iter().map(|(name, text)| parse(name, text, None)).collect());

/// Reads a built-in page, which a test has read before. Called once a page; what it leaks lives as long as the process.
fn parse(name: &'static str, text: &'static str, cause: Option<Cause>) -> Page {
    let (mut front, body) = text::split(text).unwrap_or_else(|error| panic!("page `{name}`: {error}"));
    front.http_status.sort_unstable();
    let (sdk, scenes) = front.code.map_or_else(Default::default, |code| (Some(code.sdk), code.scenes));
    Page {
        name,
        cause,
        title: Box::leak(front.title.into_boxed_str()),
        severity: front.severity,
        http_status: front.http_status,
        difficulty: front.difficulty,
        time_to_fix: front.time_to_fix,
        aliases: front.aliases,
        provider: front.provider,
        causes: front.causes.iter().map(|slug| known_cause(name, slug)).collect(),
        related: front.related,
        fixes: Box::leak(front.fixes.into_boxed_slice()),
        sdk: sdk.and_then(|name| self::sdk::sdk(&name)),
        scenes,
        not_applicable: front.not_applicable,
        body,
    }
}

fn known_cause(page: &str, slug: &str) -> Cause {
    Cause::from_slug(slug).unwrap_or_else(|| panic!("page `{page}`: no cause `{slug}`"))
}

#[cfg(test)]
mod tests;
