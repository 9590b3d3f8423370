//! JSON in the layouts that providers use: the bytes matter, because clients and proxies see them.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// No white space.
    Compact,
    /// Two spaces, no final newline.
    Two,
    /// Two spaces and a final newline.
    TwoLine,
    /// Four spaces and a final newline.
    FourLine,
}

/// Writes a value. Values that are written here have string keys only, so writing cannot fail.
pub(crate) fn bytes<T: Serialize + ?Sized>(value: &T, layout: Layout) -> Bytes {
    let mut out = Vec::with_capacity(512);
    let indent: &[u8] = match layout {
        Layout::Compact => {
            let _ = serde_json::to_writer(&mut out, value);
            return out.into();
        }
        Layout::Two | Layout::TwoLine => b"  ",
        Layout::FourLine => b"    ",
    };
    let formatter = PrettyFormatter::with_indent(indent);
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, formatter));
    if matches!(layout, Layout::TwoLine | Layout::FourLine) {
        out.push(b'\n');
    }
    out.into()
}

/// One server-sent event without a name.
pub(crate) fn event<T: Serialize>(value: &T) -> Bytes {
    let mut out = b"data: ".to_vec();
    let _ = serde_json::to_writer(&mut out, value);
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// One server-sent event with a name.
pub(crate) fn named_event<T: Serialize>(name: &str, value: &T) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let _ = serde_json::to_writer(&mut out, value);
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// The end of most streams.
pub(crate) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");
