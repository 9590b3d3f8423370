//! Any bytes are a provider's answer: it is read, judged and told without a panic, and in words of ours.
#![no_main]

use keywright_core::{Answer, Catalogue, classify_failure};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, &str, &[u8])| {
    let (provider, status, path, body) = input;
    let providers = Catalogue::builtin().providers();
    let provider = &providers[usize::from(provider) % providers.len()];
    let answer = Answer { status: status % 1000, path, body };
    let found = classify_failure(provider, &answer);
    let diagnosis = found.diagnosis(provider, answer.status);
    assert!(!diagnosis.fixes.is_empty(), "{} has no fix", diagnosis.cause.slug());
    assert!(diagnosis.evidence.iter().all(|evidence| evidence.says.len() < 400), "evidence goes on and on");
});
