//! The random key of this installation, under which fingerprints are made.

use keywright_core::{Fingerprinter, Secret};

use super::{Directory, StateError, private};
use crate::hex::hex;

/// The fingerprinter of this installation; its key is made on first use.
pub(super) fn fingerprinter(directory: &Directory) -> Result<Fingerprinter, StateError> {
    let path = directory.file(FILE);
    let text = match private::read(&path)? {
        Some(text) => text,
        None => private::write_once(&path, &fresh_key()?)?,
    };
    parsed(text.expose()).map(Fingerprinter::new).ok_or(StateError::Damaged { path })
}

fn fresh_key() -> Result<Secret, StateError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| StateError::NoRandom)?;
    Ok(Secret::new(hex(&key)))
}

fn parsed(text: &str) -> Option<[u8; 32]> {
    let digits = text.trim_end().as_bytes();
    let mut key = [0; 32];
    if digits.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

const FILE: &str = "fingerprint.key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_a_damaged_one_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let directory = Directory::at(home.path().join("state"));
        directory.create().expect("made");
        let (one, two) = (fingerprinter(&directory), fingerprinter(&directory));
        let of = |made: Result<Fingerprinter, StateError>| made.expect("a key").fingerprint(&Secret::new("sk-1"));
        assert_eq!(of(one), of(two));
        for content in ["", "00", &"0g".repeat(32), &"é".repeat(32)] {
            std::fs::write(directory.file(FILE), content).expect("written");
            let refused = fingerprinter(&directory).expect_err("damaged");
            assert!(matches!(refused, StateError::Damaged { .. }), "{content}: {refused}");
        }
    }
}
