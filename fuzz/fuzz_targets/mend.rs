//! Any bytes are a dotenv file that `doctor --fix` may mend: only what has a mend changes, and one mending is enough.
#![no_main]

use keywright_core::Dotenv;
use keywright_core::inspect::mend::{Change, mend};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Half of all machines have some of the variables set elsewhere.
    let is_set = |name: &str| bytes.first().is_some_and(|first| first % 2 == 0) && name.starts_with('O');
    let Ok(mended) = mend(bytes, &is_set) else {
        return;
    };
    let text = mended.text.expose();
    let after = Dotenv::parse(text.as_bytes()).expect("what was written is read");
    let again = mend(text.as_bytes(), &is_set).expect("what was mended can be read again");
    assert!(again.changes.is_empty(), "mended twice: {:?}", again.changes);
    assert_eq!(again.text.expose(), text, "no change, and another text");
    if mended.changes.is_empty() {
        assert_eq!(text.as_bytes(), bytes, "no change is told, and the text is another one");
        return;
    }
    // Of a file whose encoding or line ends change, every line changes.
    if mended.changes.iter().any(|change| change.line.is_none()) {
        return;
    }
    let before = Dotenv::parse(bytes).expect("it was read");
    other_lines_stay(std::str::from_utf8(bytes).expect("it was read as it is"), text, &mended.changes);
    other_variables_stay(&before, &after, &mended.changes);
});

/// The change that begins at a line, counted from 1.
fn at(changes: &[Change], line: usize) -> Option<&Change> {
    changes.iter().find(|change| change.line == Some(line))
}

fn other_lines_stay(before: &str, after: &str, changes: &[Change]) {
    let before: Vec<&str> = before.split('\n').collect();
    let mut after = after.split('\n');
    let mut line = 0;
    while line < before.len() {
        match at(changes, line + 1) {
            Some(change) => {
                line += change.before.len();
                change.after.iter().for_each(|_| assert!(after.next().is_some(), "a line is missing"));
            }
            None => {
                assert_eq!(after.next(), Some(before[line]), "line {} was not to be mended", line + 1);
                line += 1;
            }
        }
    }
    assert_eq!(after.next(), None, "a line that nobody told of");
}

fn other_variables_stay(before: &Dotenv, after: &Dotenv, changes: &[Change]) {
    let mut read = after.entries.iter();
    for entry in &before.entries {
        let change = at(changes, entry.line);
        if change.is_some_and(|change| change.after.is_empty()) {
            let again = after.entries.iter().any(|other| stands_for(other.value.expose(), entry.value.expose()));
            assert!(again, "a value is lost");
            continue;
        }
        let now = read.next().expect("an assignment is lost");
        if change.is_none() {
            assert_eq!((&now.name, now.value.expose()), (&entry.name, entry.value.expose()));
        }
    }
    assert!(read.next().is_none(), "an assignment that nobody wrote");
}

/// Whether a value is another one after it was mended: characters were left out, or it was decoded.
fn stands_for(mended: &str, value: &str) -> bool {
    let mut rest = value.chars();
    let in_order = mended.chars().all(|c| rest.any(|other| other == c));
    let encoded = value.len() > mended.len()
        && value.trim_end_matches('=').chars().all(|c| c.is_ascii_alphanumeric() || "+/-_".contains(c));
    in_order || encoded
}
