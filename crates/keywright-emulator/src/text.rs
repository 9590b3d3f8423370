//! The words that emulated models say.

/// How many pieces an answer has when the request does not say.
pub(crate) const USUAL_PIECES: u64 = 8;
/// The most pieces an answer can have.
const MOST_PIECES: u64 = 4096;

/// The answer, cut into the pieces a stream sends.
pub(crate) fn pieces(wanted: Option<u64>) -> Vec<&'static str> {
    let count = wanted.unwrap_or(USUAL_PIECES).clamp(1, MOST_PIECES);
    let rest = REST.iter().cycle();
    let count = usize::try_from(count).unwrap_or(1);
    FIRST.iter().chain(rest).take(count).copied().collect()
}

/// A rough token count: four bytes a token.
pub(crate) const fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

const FIRST: [&str; 8] = ["Hello", "!", " This", " is", " the", " Keywright", " emulator", "."];
const REST: [&str; 6] = [" No", " model", " was", " asked", " today", "."];
