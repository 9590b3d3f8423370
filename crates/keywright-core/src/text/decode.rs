//! Bytes to text: byte-order marks, UTF-16, and what is no text at all.

use std::borrow::Cow;

/// What the bytes of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or something that is read as if it were.
    Utf8,
    /// UTF-16, little end first: PowerShell's `>` writes it.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// Not text.
    Binary,
}

impl Encoding {
    /// Judges by the beginning of an input.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0xff, 0xfe, ..] => return Self::Utf16Le,
            [0xfe, 0xff, ..] => return Self::Utf16Be,
            _ => {}
        }
        let start = &start[..start.len().min(LOOKED_AT)];
        let zeros = |odd: usize| start.iter().enumerate().filter(|(at, byte)| at % 2 == odd && **byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        let half = start.len() / 2;
        if half >= 2 && odd * 10 >= half * 7 && even * 10 < half {
            return Self::Utf16Le;
        }
        if half >= 2 && even * 10 >= half * 7 && odd * 10 < half {
            return Self::Utf16Be;
        }
        let controls = start.iter().filter(|byte| matches!(byte, 0..=6 | 0xe..=0x1a | 0x1c..=0x1f)).count();
        if (even + odd) * 100 > start.len() || controls * 20 > start.len() { Self::Binary } else { Self::Utf8 }
    }
}

/// The text of an input. Bytes that are no text become U+FFFD.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let unit: fn([u8; 2]) -> u16 = match Encoding::of(bytes) {
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
        Encoding::Utf8 | Encoding::Binary => return String::from_utf8_lossy(bytes),
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    Cow::Owned(String::from_utf16_lossy(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>()))
}

const LOOKED_AT: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_read() {
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        let text = "Error code: 401";
        assert_eq!(decode(text.as_bytes()), text);
        assert_eq!(decode(&utf16(text, u16::to_le_bytes)), text);
        assert_eq!(decode(&utf16(text, u16::to_be_bytes)), text);
        assert!(decode(&utf16("\u{feff}Error", u16::to_le_bytes)).ends_with("Error"));
        assert_eq!(decode(b"Error\xff code"), "Error\u{fffd} code");
    }

    #[test]
    fn what_is_no_text_is_known() {
        assert_eq!(Encoding::of(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0"), Encoding::Binary);
        assert_eq!(Encoding::of(b""), Encoding::Utf8);
        assert_eq!(Encoding::of("前几天还能用".as_bytes()), Encoding::Utf8);
    }
}
