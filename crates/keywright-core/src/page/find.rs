//! Finding a page by any name that people have for it.

use super::{Page, pages};

/// What a name leads to.
#[derive(Debug)]
pub enum Found {
    /// This page.
    Page(&'static Page),
    /// Several, such as all that end in `AuthenticationError`.
    Several(Vec<&'static Page>),
    /// None.
    Nothing,
}

/// The page of this name: its own name, another name of it, or the last word of an exception's name.
pub fn find(name: &str) -> Found {
    let name = name.trim();
    // The name itself counts more than what it is called elsewhere, and that more than its last word.
    let ways: [fn(&Page, &str) -> bool; 4] = [
        |page, name| page.name == name,
        |page, name| alike(page.name, name),
        |page, name| page.aliases.iter().any(|alias| alike(alias, name)),
        |page, name| page.cause.is_none() && page.name.rsplit('.').next().is_some_and(|last| alike(last, name)),
    ];
    for way in ways {
        let found: Vec<&'static Page> = pages().filter(|page| way(page, name)).collect();
        match found.as_slice() {
            [] => {}
            [page] => return Found::Page(page),
            _ => return Found::Several(found),
        }
    }
    Found::Nothing
}

/// Whether two names differ in case, or in `-` for `_`, at most.
fn alike(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).all(|(left, right)| {
            let fold = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
            fold(left) == fold(right)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(name: &str) -> &'static str {
        match find(name) {
            Found::Page(page) => page.name,
            Found::Several(_) => "several",
            Found::Nothing => "nothing",
        }
    }

    #[test]
    fn every_name_of_a_page_leads_to_it() {
        for page in pages() {
            assert_eq!(name_of(page.name), page.name);
            for alias in &page.aliases {
                assert_eq!(name_of(alias), page.name, "{alias}");
            }
        }
    }

    #[test]
    fn spelling_is_forgiven_and_guessing_is_not_done() {
        assert_eq!(name_of("whitespace-or-newline"), "whitespace_or_newline");
        assert_eq!(name_of("OPENAI.authenticationerror"), "openai.AuthenticationError");
        assert_eq!(name_of("AuthenticationError"), "several");
        assert_eq!(name_of("AuthenticationErro"), "nothing");
        assert_eq!(name_of(""), "nothing");
    }
}
