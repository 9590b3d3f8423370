//! Any bytes are a dotenv file: lines stay in range, and no finding about a value repeats it.
#![no_main]

use keywright_core::{Catalogue, Dotenv, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = Dotenv::parse(bytes) else {
        return;
    };
    // A lone CR ends a line too.
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for found in &file.findings {
        assert!((1..=lines).contains(&found.line), "line {} of {lines}", found.line);
    }
    let providers = Catalogue::builtin().providers();
    for entry in &file.entries {
        assert!((1..=lines).contains(&entry.line), "line {} of {lines}", entry.line);
        let value = entry.value.expose();
        for provider in providers.iter().take(3) {
            for finding in inspect::inspect(value, provider) {
                // What is missing at the end is missing after the last character.
                assert!(finding.at.is_none_or(|at| at <= value.chars().count()), "{finding:?}");
                // Names of variables may be said, and up to 60 characters of what was pasted before a key.
                assert!(value.len() < 64 || !finding.says.contains(value), "a finding repeats the value");
            }
        }
    }
});
