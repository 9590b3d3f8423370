//! UTF-16, which Windows editors and PowerShell's `>` write.

use crate::secret::Secret;

/// A byte-order mark, or ASCII with a NUL beside each of its first letters.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [a, b, c, d, ..] => [(a, b), (c, d)].iter().all(|(x, y)| (**x == 0) != (**y == 0)),
        _ => false,
    }
}

/// The text, without its byte-order mark. `None` when the bytes are no UTF-16.
pub(crate) fn decode(bytes: &[u8]) -> Option<Secret> {
    let big_endian = match bytes {
        [0xff, 0xfe, ..] => false,
        [first, second, ..] => (*first, *second) == (0xfe, 0xff) || *first == 0,
        _ => return None,
    };
    let unit = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    Some(Secret::new(text.strip_prefix('\u{feff}').unwrap_or(&text)))
}
