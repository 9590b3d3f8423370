//! The site: one HTML file a page, an index with a search, and nothing from elsewhere.

use std::borrow::Cow;

use keywright::state::notes::Note;
use keywright_core::Catalogue;
use keywright_core::page::{Page, document, pages};
use minijinja::{AutoEscape, Environment, Value, context};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::export::File;
use super::list::{GROUPS, group};
use super::show::fields;
use super::{note, sentence, status, word};
use crate::error::CliError;

/// All files of the site.
pub(super) fn files(notes: &[Note]) -> Result<Vec<File>, CliError> {
    let environment = templates()?;
    let mut files = vec![
        asset("style.css", include_str!("site/style.css")),
        asset("search.js", include_str!("site/search.js")),
        asset("index.html", &render(&environment, "index.html", &index())?),
    ];
    for page in pages() {
        files.push(asset(&file_name(page.name), &render(&environment, "page.html", &values(page, notes))?));
    }
    Ok(files)
}

fn asset(name: &str, text: &str) -> File {
    File { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn templates() -> Result<Environment<'static>, CliError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_template("base.html", include_str!("site/base.html"))?;
    environment.add_template("index.html", include_str!("site/index.html"))?;
    environment.add_template("page.html", include_str!("site/page.html"))?;
    Ok(environment)
}

fn render(environment: &Environment<'_>, name: &str, values: &Value) -> Result<String, CliError> {
    Ok(environment.get_template(name)?.render(values)?)
}

fn index() -> Value {
    let groups: Vec<Value> = GROUPS
        .iter()
        .map(|heading| {
            let rows: Vec<Value> = pages().filter(|page| group(page) == *heading).map(row).collect();
            context! { heading, rows }
        })
        .collect();
    context! { title => "Error pages", groups, count => pages().count() }
}

fn row(page: &Page) -> Value {
    context! {
        name => breakable(page.name),
        file => file_name(page.name),
        title => sentence(page.title),
        status => status(page),
        severity => word(page.severity),
        words => search_words(page),
    }
}

/// What the search looks through: names, the first paragraph, and what programs print.
fn search_words(page: &Page) -> String {
    let parts = document(page);
    let said = parts.iter().filter(|part| matches!(part.heading, "Meaning" | "Why it happens")).map(|part| &part.text);
    let text: Vec<&str> = [page.name, page.title]
        .into_iter()
        .chain(page.aliases.iter().map(String::as_str))
        .chain(page.cause_slugs())
        .chain(said.map(String::as_str))
        .collect();
    text.join(" ").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn values(page: &Page, notes: &[Note]) -> Value {
    let sections: Vec<Value> = document(page)
        .into_iter()
        .chain(note::part(notes, page))
        .map(|part| {
            let id = part.heading.to_lowercase().replace(' ', "-");
            context! { heading => part.heading, id, html => Value::from_safe_string(to_html(&part.text, page.name)) }
        })
        .collect();
    let fields: Vec<Value> = fields(page).into_iter().map(|(name, value)| context! { name, value }).collect();
    context! {
        title => page.name, name => breakable(page.name), says => sentence(page.title),
        severity => word(page.severity), fields, sections,
    }
}

/// The file of a page. Names are our own: letters, digits, `.`, `_` and `-`.
fn file_name(page: &str) -> String {
    format!("{page}.html")
}

/// A page's name that a narrow window breaks where a reader would.
fn breakable(name: &str) -> Value {
    Value::from_safe_string(name.replace('.', ".<wbr>").replace('_', "_<wbr>"))
}

/// Markdown as HTML. HTML in it is shown as text; another page's name in code becomes a link, and so does a
/// provider's own address.
pub(super) fn to_html(markdown: &str, own_page: &str) -> String {
    let mut in_code = false;
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).flat_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
        Event::Start(Tag::CodeBlock(kind)) => {
            in_code = true;
            vec![Event::Start(Tag::CodeBlock(plain_language(kind)))]
        }
        Event::End(TagEnd::CodeBlock) => {
            in_code = false;
            vec![Event::End(TagEnd::CodeBlock)]
        }
        Event::Code(text) if *text != *own_page => vec![linked(text)],
        Event::Text(text) if !in_code => with_addresses(&text),
        other => vec![other],
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    // Wide programs scroll in a box of their own; a box that scrolls must be reachable by keyboard.
    out.replace("<pre>", "<pre tabindex=\"0\">")
        .replace("<table>", "<div class=\"wide\" tabindex=\"0\"><table>")
        .replace("</table>", "</table></div>")
}

/// The first word behind the fence; the second one is for machines.
fn plain_language(kind: CodeBlockKind<'_>) -> CodeBlockKind<'_> {
    match kind {
        CodeBlockKind::Fenced(words) => {
            let language = words.split(' ').next().unwrap_or_default().to_owned();
            CodeBlockKind::Fenced(CowStr::from(language))
        }
        CodeBlockKind::Indented => CodeBlockKind::Indented,
    }
}

/// Text whose addresses are links, if they are in the catalogue. Other addresses stay text: a note may hold any.
fn with_addresses(text: &str) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("https://") {
        let (before, from) = rest.split_at(at);
        let end = from.find(char::is_whitespace).unwrap_or(from.len());
        let address = from[..end].trim_end_matches(['.', ',', ';', ':', ')']);
        events.push(Event::Text(before.to_owned().into()));
        events.push(if is_catalogued(address) {
            Event::InlineHtml(format!("<a href=\"{address}\" rel=\"noreferrer\">{address}</a>").into())
        } else {
            Event::Text(address.to_owned().into())
        });
        rest = &from[address.len()..];
    }
    events.push(Event::Text(rest.to_owned().into()));
    events
}

fn is_catalogued(address: &str) -> bool {
    let providers = Catalogue::builtin().providers().iter();
    providers.flat_map(|provider| [&provider.keys_url, &provider.billing_url]).flatten().any(|known| known == address)
}

/// A page's name leads to the page.
fn linked(text: CowStr<'_>) -> Event<'_> {
    match pages().find(|page| page.name == &*text) {
        Some(page) => {
            let file: Cow<'_, str> = file_name(page.name).into();
            Event::InlineHtml(format!("<a href=\"{file}\"><code>{}</code></a>", page.name).into())
        }
        None => Event::Code(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_in_markdown_is_text() {
        let shown = to_html("a <script>alert(1)</script> b\n\n<img src=x onerror=alert(1)>\n", "missing_key");
        assert!(!shown.contains("<script") && !shown.contains("<img"), "{shown}");
        assert!(shown.contains("&lt;script&gt;"), "{shown}");
    }

    #[test]
    fn a_name_in_code_leads_to_its_page() {
        let shown = to_html("see `missing_key` and `OPENAI_API_KEY`, not `empty_key`", "empty_key");
        assert!(shown.contains("<a href=\"missing_key.html\"><code>missing_key</code></a>"), "{shown}");
        assert!(shown.contains(" <code>OPENAI_API_KEY</code>") && shown.contains(" <code>empty_key</code>"), "{shown}");
    }

    #[test]
    fn only_a_providers_own_address_is_a_link() {
        let shown =
            to_html("at https://platform.openai.com/api-keys, or https://example.com/\"x. `https://a`", "other");
        let link = "at <a href=\"https://platform.openai.com/api-keys\" rel=\"noreferrer\">";
        assert!(shown.contains(link) && shown.contains("</a>, or https://example.com/"), "{shown}");
        assert_eq!(shown.matches("<a ").count(), 1, "{shown}");
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for file in files(&[]).expect("a site") {
            let text = String::from_utf8(file.bytes).expect("text");
            for foreign in ["src=\"http", "<link rel=\"stylesheet\" href=\"http", "@import", "url("] {
                assert!(!text.contains(foreign), "{}: {foreign}", file.name);
            }
        }
    }
}
