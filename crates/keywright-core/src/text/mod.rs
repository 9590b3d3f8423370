//! Reads any text: a trace, a log, an answer. Text to observations, observations to diagnoses.
//!
//! [`explain`] does both. [`observe`] only sees and [`judge`] only decides, so that a rule is either a
//! fact about words or a decision over facts, never both.
//!
//! ```
//! let text = "openai.AuthenticationError: Error code: 401 - {'error': {'code': 'account_deactivated'}}";
//! let found = keywright_core::text::explain(text.as_bytes(), &keywright_core::Redactor::default());
//! assert_eq!(found[0].cause, keywright_core::Cause::AccountDeactivated);
//! ```

mod answers;
mod context;
mod decode;
mod echo;
mod finding;
mod headers;
mod judge;
mod literals;
mod observe;
mod patterns;
mod plain;
mod readers;
mod refine;
mod rules;

pub use decode::{Encoding, decode};
pub use judge::judge;
pub use observe::Observations;

use crate::diagnosis::Diagnosis;
use crate::redact::Redactor;

/// What a text tells of failures: the one that came first, then the others. Empty if it tells of none.
///
/// The text is redacted before anything else looks at it, and no diagnosis repeats it.
pub fn explain(bytes: &[u8], redactor: &Redactor) -> Vec<Diagnosis> {
    judge(&observe(bytes, 1, redactor))
}

/// Everything that a text shows. `first_line` is the number of its first line, for a piece of a longer text.
pub fn observe(bytes: &[u8], first_line: usize, redactor: &Redactor) -> Observations {
    let text = decode(bytes);
    // An ellipsis that was typed is a defect; the one that the redactor puts into a mask is not.
    let text = text.replace(MASKED_ELLIPSIS, TYPED_ELLIPSIS.encode_utf8(&mut [0; 4]));
    let text = redactor.redact_str(&text);
    observe::observe(&plain::Plain::of(&text, first_line))
}

/// What the redactor puts into a mask.
const MASKED_ELLIPSIS: char = '…';
/// What an ellipsis of the original is called meanwhile.
const TYPED_ELLIPSIS: char = '\u{f026}';
