//! The type that does not print, and the two safe ways to speak of a key.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret value, wiped from memory when dropped.
///
/// It has no `Display`, `Serialize` or `Deref`, so printing one does not compile:
///
/// ```compile_fail
/// let key = keywright_core::Secret::new("sk-proj-1");
/// println!("{key}");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of a value that must not be shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The one way out. Searching for `expose()` lists every place that sees a secret.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the two values are equal, compared in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// The form that may be shown: see [`mask`].
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

/// Shows enough of a key to recognise it and too little to use it.
///
/// The public prefix (`sk-proj-`, `fw_`, `tgp_v1_` …), then `…`, then the last four
/// characters. A value shorter than 20 characters keeps only its first two
/// characters, and one shorter than 8 keeps none. Control characters never survive.
///
/// ```
/// assert_eq!(keywright_core::mask("fw_AAAAAAAAAAAAAAAAAAAAM6zr"), "fw_…M6zr");
/// assert_eq!(keywright_core::mask("short"), "…");
/// ```
pub fn mask(value: &str) -> String {
    let clean: Vec<char> = value.trim().chars().collect();
    let shown =
        |chars: &[char]| -> String { chars.iter().map(|c| if c.is_ascii_graphic() { *c } else { '?' }).collect() };
    match clean.len() {
        0..8 => "…".to_owned(),
        8..20 => format!("{}…", shown(&clean[..2])),
        length => {
            let prefix = public_prefix(&clean);
            let head = if prefix == 0 { 2 } else { prefix };
            format!("{}…{}", shown(&clean[..head]), shown(&clean[length - 4..]))
        }
    }
}

/// How many leading characters are the vendor's public prefix: up to the last `-` or `_`
/// within the first nine characters.
fn public_prefix(chars: &[char]) -> usize {
    chars.iter().take(LONGEST_PREFIX).rposition(|c| matches!(c, '-' | '_')).map_or(0, |at| at + 1)
}

/// Makes fingerprints under one random key, so that a fingerprint cannot be looked up elsewhere.
#[derive(Clone)]
pub struct Fingerprinter(Zeroizing<[u8; 32]>);

impl Fingerprinter {
    /// Takes the random key of this installation or of this process.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The fingerprint of a secret: HMAC-SHA-256, cut to 16 bytes.
    pub fn fingerprint(&self, secret: &Secret) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes a key of any length");
        mac.update(secret.expose().as_bytes());
        let full = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        Fingerprint(short)
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter(****)")
    }
}

/// Tells two keys apart without showing either. It is safe to print.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The bytes, for a ledger of the installation whose key made them.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Fingerprint {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The longest public prefix in the catalogue is `sk-or-v1-`; nine characters.
const LONGEST_PREFIX: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_prefix_and_tail_only() {
        let cases = [
            ("sk-proj-abcdefghijklmnopqrstuvwxyz1234", "sk-proj-…1234"),
            ("tgp_v1_abcdefghijklmnopqrstuvwxyz", "tgp_v1_…wxyz"),
            ("0123456789abcdef0123456789abcdef", "01…cdef"),
            ("hunter2hunter2", "hu…"),
            ("", "…"),
            ("\u{201c}sk-proj-abcdefghijklmnop1234\u{201d}", "?sk-proj-…234?"),
        ];
        for (value, masked) in cases {
            assert_eq!(mask(value), masked);
        }
    }

    #[test]
    fn a_mask_never_holds_a_control_character() {
        assert!(!mask("sk-\u{1b}[31mabcdefghijklmnopqrst\u{7}uv").contains(char::is_control));
    }

    #[test]
    fn fingerprints_agree_under_one_key_only() {
        let (one, two) = (Fingerprinter::new([1; 32]), Fingerprinter::new([2; 32]));
        let key = Secret::new("sk-1");
        assert_eq!(one.fingerprint(&key), one.fingerprint(&Secret::new("sk-1")));
        assert_ne!(one.fingerprint(&key), two.fingerprint(&key));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("sk-1")), "Secret(****)");
    }
}
