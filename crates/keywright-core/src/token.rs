//! Virtual keys and run tokens: what Keywright itself hands out.
//!
//! A token is `sk-kwt-`, then 40 characters that carry 200 random bits, then 6 that check them. The
//! checksum tells a mistyped token from an unknown one without a lookup. Only the SHA-256 is stored.

use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// The beginning of every token. Clients that insist on `sk-` accept it.
pub const TOKEN_PREFIX: &str = "sk-kwt-";

/// What is wrong with a token, judged by its shape alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not made by Keywright.
    #[error("does not start with `{TOKEN_PREFIX}`")]
    Foreign,
    /// Its length is wrong.
    #[error("has {found} characters after `{TOKEN_PREFIX}` where {TOKEN_BODY} are expected")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// A character was changed.
    #[error("has a wrong checksum: a character was changed or lost")]
    Checksum,
}

/// Makes a token from 25 random bytes.
pub fn issue(random: &[u8; 25]) -> Secret {
    let mut token = String::with_capacity(TOKEN_PREFIX.len() + TOKEN_BODY);
    token.push_str(TOKEN_PREFIX);
    encode(random, &mut token);
    let check = checksum(token.as_bytes());
    token.push_str(&check);
    Secret::new(token)
}

/// Judges a token by its shape: prefix, length, checksum.
pub fn check(token: &str) -> Result<(), TokenError> {
    let body = token.strip_prefix(TOKEN_PREFIX).ok_or(TokenError::Foreign)?;
    if body.len() != TOKEN_BODY {
        return Err(TokenError::Length { found: body.chars().count() });
    }
    let (payload, check) = token.as_bytes().split_at(token.len() - CHECK_CHARS);
    if checksum(payload).as_bytes() == check { Ok(()) } else { Err(TokenError::Checksum) }
}

/// The form in which a token is stored: SHA-256.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The same as 64 lower-case hex digits, for a configuration file.
pub fn digest_hex(token: &str) -> String {
    digest(token).iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn checksum(payload: &[u8]) -> String {
    let hash = Sha256::digest(payload);
    let mut check = String::with_capacity(8);
    encode(&hash[..5], &mut check);
    check.truncate(CHECK_CHARS);
    check
}

/// Base 32 of whole groups of five bytes.
fn encode(bytes: &[u8], out: &mut String) {
    for group in bytes.chunks_exact(5) {
        let number = group.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        for place in (0..8).rev() {
            let digit = usize::try_from((number >> (place * 5)) & 31).unwrap_or(0);
            out.push(char::from(ALPHABET[digit]));
        }
    }
}

/// No letter that reads like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CHECK_CHARS: usize = 6;
/// Characters after the prefix: 40 of payload, 6 of checksum.
pub const TOKEN_BODY: usize = 46;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_checks_itself() {
        let token = issue(&[7; 25]);
        assert_eq!(check(token.expose()), Ok(()));
        assert_eq!(token.expose().len(), TOKEN_PREFIX.len() + TOKEN_BODY);
    }

    #[test]
    fn one_wrong_character_is_found() {
        let token = issue(&[7; 25]);
        for at in TOKEN_PREFIX.len()..token.expose().len() {
            let mut bytes = token.expose().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(check(&changed), Err(TokenError::Checksum), "at {at}");
        }
    }

    #[test]
    fn a_short_token_and_a_foreign_one_are_told_apart() {
        assert_eq!(check("sk-kwt-abc"), Err(TokenError::Length { found: 3 }));
        assert_eq!(check("sk-proj-abc"), Err(TokenError::Foreign));
        assert_eq!(check("sk-kwt-\u{e9}\u{e9}"), Err(TokenError::Length { found: 2 }));
    }
}
