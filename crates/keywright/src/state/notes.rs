//! Notes on the error pages, as they are kept on this machine.

use keywright_core::Redactor;
use keywright_core::page::{NoteSdk, NoteText};
use rusqlite::{Row, params};

use super::{StateError, Store, Timestamp};

/// A note that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its number, never given twice.
    pub id: i64,
    /// The page's name.
    pub page: String,
    /// What it says.
    pub text: NoteText,
    /// What it is about; `None` for every SDK.
    pub sdk: Option<NoteSdk>,
    /// When it was added.
    pub added: Timestamp,
}

/// Keeps a note, and gives its number.
pub fn add(
    store: &mut Store,
    page: &str,
    text: &NoteText,
    sdk: Option<&NoteSdk>,
    now: Timestamp,
) -> Result<i64, StateError> {
    let (name, version) = (sdk.map(|sdk| &sdk.name), sdk.and_then(|sdk| sdk.version.as_ref()));
    store.write(|transaction| {
        transaction.execute(ADD, params![page, text.as_str(), name, version, now])?;
        Ok(transaction.last_insert_rowid())
    })
}

/// All notes, or those of one page; the oldest first.
///
/// What another program wrote into the file and what could not be added is left out.
pub fn list(store: &mut Store, page: Option<&str>) -> Result<Vec<Note>, StateError> {
    let rows: Vec<Option<Note>> = store.read(|transaction| {
        let mut found = transaction.prepare(LIST)?;
        found.query_map([page], note)?.collect()
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// Removes a note; `false` if there is none of this number.
pub fn remove(store: &mut Store, id: i64) -> Result<bool, StateError> {
    store.write(|transaction| Ok(transaction.execute("DELETE FROM notes WHERE id = ?1", [id])? > 0))
}

fn note(row: &Row<'_>) -> rusqlite::Result<Option<Note>> {
    let text: String = row.get("text")?;
    let Ok(text) = NoteText::parse(text.as_bytes(), &Redactor::default()) else {
        return Ok(None);
    };
    let version: Option<String> = row.get("version")?;
    let name: Option<String> = row.get("sdk")?;
    let written = name.map(|name| version.map_or_else(|| name.clone(), |version| format!("{name}=={version}")));
    Ok(Some(Note {
        id: row.get("id")?,
        page: row.get("page")?,
        text,
        sdk: written.and_then(|written| NoteSdk::parse(&written, &Redactor::default()).ok()),
        added: row.get("added")?,
    }))
}

const ADD: &str = "INSERT INTO notes (page, text, sdk, version, added) VALUES (?1, ?2, ?3, ?4, ?5)";
const LIST: &str = "SELECT id, page, text, sdk, version, added FROM notes WHERE ?1 IS NULL OR page = ?1 ORDER BY id";

#[cfg(test)]
mod tests {
    use super::super::Directory;
    use super::*;

    fn text(words: &str) -> NoteText {
        NoteText::parse(words.as_bytes(), &Redactor::default()).expect("a note")
    }

    #[test]
    fn notes_outlive_the_process_and_numbers_are_not_given_twice() {
        let home = tempfile::tempdir().expect("a folder");
        let open = || Store::open(&Directory::at(home.path().join("state"))).expect("a store");
        let mut first = open();
        let sdk = NoteSdk::parse("@scope/name@1.40.0", &Redactor::default()).expect("an SDK");
        let one = add(&mut first, "openai.AuthenticationError", &text("one"), Some(&sdk), Timestamp(5)).expect("kept");
        let two = add(&mut first, "missing_key", &text("it's 'two'; DROP TABLE notes"), None, Timestamp(6));
        let two = two.expect("kept");
        drop(first);
        let mut second = open();
        let all = list(&mut second, None).expect("read");
        let expected = Note {
            id: one,
            page: "openai.AuthenticationError".to_owned(),
            text: text("one"),
            sdk: Some(sdk),
            added: Timestamp(5),
        };
        assert_eq!((all.len(), &all[0]), (2, &expected));
        assert_eq!(list(&mut second, Some("missing_key")).expect("read"), all[1..]);
        assert_eq!(remove(&mut second, two), Ok(true));
        assert_eq!(remove(&mut second, two), Ok(false));
        let three = add(&mut second, "missing_key", &text("three"), None, Timestamp(7)).expect("kept");
        assert!(three > two, "{three}");
    }

    #[test]
    fn what_another_program_wrote_reaches_nobody() {
        let home = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(&Directory::at(home.path().join("state"))).expect("a store");
        for hostile in ["\u{1b}]0;owned\u{7}", "", &"x".repeat(5_000)] {
            let written = store.write(|transaction| {
                transaction.execute(ADD, params!["missing_key", hostile, "<script>", "\u{1b}[2J", Timestamp(1)])
            });
            assert_eq!(written, Ok(1));
        }
        let written = store.write(|transaction| {
            transaction.execute(ADD, params!["missing_key", "fine", "<script>", "\u{1b}[2J", Timestamp(1)])
        });
        assert_eq!(written, Ok(1));
        let shown = list(&mut store, None).expect("read");
        assert_eq!((shown.len(), shown[0].text.as_str(), &shown[0].sdk), (1, "fine", &None));
    }
}
