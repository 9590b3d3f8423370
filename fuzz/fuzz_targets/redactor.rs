//! A text in any pieces is redacted as it is in one, and no known key is left in it.
#![no_main]

use keywright_core::{Redactor, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, Vec<u8>)| {
    let (key, text, cuts) = input;
    let key: String = key.iter().map(|byte| char::from(33 + byte % 94)).collect();
    let secret = Secret::new(key.as_str());
    let redactor = Redactor::new(&[&secret]);
    let mut whole = text.clone();
    whole.extend_from_slice(key.as_bytes());
    whole.extend_from_slice(&text);
    let clean = redactor.redact(&whole);
    assert!(!redactor.finds_value(&clean), "a key is left");

    let mut stream = redactor.stream();
    let mut pieced = Vec::new();
    let mut rest = whole.as_slice();
    for cut in cuts {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(cut)));
        pieced.extend(stream.push(piece));
        rest = after;
    }
    pieced.extend(stream.push(rest));
    pieced.extend(stream.finish());
    assert!(!redactor.finds_value(&pieced), "a key is left in a stream");
});
