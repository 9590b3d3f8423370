//! Each cause has its words once, on its page: no source says them a second time.

use std::path::{Path, PathBuf};

use keywright_core::page::pages;

#[test]
fn no_source_repeats_the_words_of_a_page() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for folder in std::fs::read_dir(crates).expect("the crates").flatten() {
        collect(&folder.path().join("src"), &mut sources);
    }
    assert!(sources.len() > 100, "{}", sources.len());
    let mut repeated = Vec::new();
    for source in &sources {
        let text = code(&std::fs::read_to_string(source).expect("readable"));
        for page in pages() {
            let words = page.fixes.iter().map(|fix| fix.says.as_str()).chain([page.title]);
            let found = words.filter(|words| text.contains(&words.trim_end_matches('.').to_lowercase()));
            repeated.extend(found.map(|words| format!("{}: `{words}` of `{}`", source.display(), page.name)));
        }
    }
    assert!(repeated.is_empty(), "{repeated:#?}");
}

/// The code in lower case: without notes, and with strings that go over several lines in one.
fn code(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.map(|line| line.strip_suffix('\\').unwrap_or(line)).collect::<String>().to_lowercase()
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
