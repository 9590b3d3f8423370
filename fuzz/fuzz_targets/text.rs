//! Any bytes are a trace or a log: read whole and in pieces, without a panic, and no key of the text is in what is told.
#![no_main]

use keywright_core::inspect::Holder;
use keywright_core::text::witness::{Here, KeyHere, Seen, testify};
use keywright_core::text::{Reader, explain};
use keywright_core::{Redactor, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, u16, &[u8])| {
    let (place, cut, text) = input;
    // A key anywhere in the text must not come out of it.
    let (before, after) = text.split_at(usize::from(place).min(text.len()));
    let text = [before, KEY.as_bytes(), after].concat();
    let secret = Secret::new(KEY);
    let redactor = Redactor::new(&[&secret]);

    let mut whole = explain(&text, &redactor);
    let mut reader = Reader::new(&redactor);
    text.chunks(usize::from(cut).max(1)).for_each(|chunk| reader.push(chunk));
    let pieced = reader.finish();
    let causes = |found: &[keywright_core::text::Found]| -> Vec<_> {
        let mut causes: Vec<_> = found.iter().map(|found| (found.diagnosis.cause.slug(), found.line)).collect();
        causes.sort_unstable();
        causes
    };
    // UTF-16 is told from its first bytes; a piece may hold too few of them.
    if text.len() < 200_000 && usize::from(cut) > 4_096 {
        assert_eq!(causes(&whole), causes(&pieced), "pieces of {cut} are read otherwise");
    }

    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    let key = KeyHere {
        provider: "openai",
        name: "OPENAI_API_KEY",
        place: ".env:1".to_owned(),
        holder: Holder::Dotenv,
        secret: &secret,
        seen: Seen::InForce,
        findings: &[],
    };
    let here = Here { keys: vec![key], ..Here::default() };
    for found in &mut whole {
        assert!((1..=lines).contains(&found.line), "line {} of {lines}", found.line);
        testify(found, &here);
        let told = serde_json::to_string(&found.diagnosis).expect("a diagnosis is JSON");
        assert!(!told.contains(&KEY[9..24]), "the key is told: {told}");
        assert!(!told.contains('\u{1b}') && !found.diagnosis.fixes.is_empty(), "{told}");
    }
});

const KEY: &str = "sk-proj-Qm7vT2xZ9aLk4RtY8bNc3WdE5fGh6JpU";
