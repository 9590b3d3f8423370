//! A page's text: front matter, headings and snippets.

use super::front::FrontMatter;

/// Splits `+++` front matter from the body.
pub(super) fn split(text: &'static str) -> Result<(FrontMatter, &'static str), toml::de::Error> {
    let (front, body) = text.strip_prefix("+++\n").and_then(|text| text.split_once("\n+++\n")).unwrap_or_default();
    Ok((toml::from_str(front)?, body.trim()))
}

/// The text below one heading of the second level; nothing when there is no such heading.
pub(super) fn section<'a>(body: &'a str, heading: &str) -> Option<&'a str> {
    sections(body).find(|(name, _)| *name == heading).map(|(_, text)| text)
}

/// Headings of the second level, each with the text below it.
pub(super) fn sections(body: &str) -> impl Iterator<Item = (&str, &str)> {
    let starts: Vec<usize> = heading_starts(body).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([body.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| {
        let (heading, text) = body[start..end].split_once('\n').unwrap_or((&body[start..end], ""));
        (heading[HEADING.len()..].trim(), text.trim())
    })
}

/// Where headings begin; a line of a snippet is none.
fn heading_starts(body: &str) -> impl Iterator<Item = usize> {
    let mut fenced = false;
    let mut at = 0;
    body.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        if line.starts_with(FENCE) {
            fenced = !fenced;
        }
        (!fenced && line.starts_with(HEADING)).then_some(start)
    })
}

/// A program on a page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Snippet {
    /// The first word behind the fence.
    pub language: String,
    /// The second word behind the fence; it names the scene.
    pub name: String,
    /// The program.
    pub program: String,
}

/// The fenced programs that have a name.
pub(super) fn snippets(body: &str) -> Vec<Snippet> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(start) = fence(rest) {
        let (words, after) = rest[start + FENCE.len()..].split_once('\n').unwrap_or_default();
        let Some(end) = fence(after) else { break };
        if let Some((language, name)) = words.trim().split_once(' ') {
            found.push(Snippet {
                language: language.to_owned(),
                name: name.to_owned(),
                program: after[..end].to_owned(),
            });
        }
        rest = after[end..].split_once('\n').map_or("", |(_, rest)| rest);
    }
    found
}

/// Where the next fence begins a line.
fn fence(text: &str) -> Option<usize> {
    if text.starts_with(FENCE) { Some(0) } else { text.find("\n```").map(|at| at + 1) }
}

const FENCE: &str = "```";
const HEADING: &str = "## ";

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "## One\n\ntext\n\n```python broken\n## no heading\n```\n\n```text\nno program\n```\n\n## Two\n\n```sh fixed\ntrue\n```";

    #[test]
    fn headings_inside_snippets_do_not_count() {
        let headings: Vec<&str> = sections(BODY).map(|(heading, _)| heading).collect();
        assert_eq!(headings, ["One", "Two"]);
        assert!(section(BODY, "One").is_some_and(|text| text.starts_with("text") && text.ends_with("```")));
        assert_eq!(section(BODY, "Three"), None);
    }

    #[test]
    fn a_snippet_is_a_fence_with_a_name() {
        let found = snippets(BODY);
        assert_eq!(found.len(), 2);
        let words = |at: usize| [&found[at].language, &found[at].name, &found[at].program].map(String::as_str);
        assert_eq!(words(0), ["python", "broken", "## no heading\n"]);
        assert_eq!(words(1), ["sh", "fixed", "true\n"]);
    }
}
