//! Reads any text: a trace, a log, an answer. Text to observations, observations to diagnoses.
//!
//! [`explain`] does both. [`observe`] only sees and [`judge`] only decides, so that a rule is either a
//! fact about words or a decision over facts, never both.
//!
//! ```
//! let text = "openai.AuthenticationError: Error code: 401 - {'error': {'code': 'account_deactivated'}}";
//! let found = keywright_core::text::explain(text.as_bytes(), &keywright_core::Redactor::default());
//! assert_eq!(found[0].diagnosis.cause, keywright_core::Cause::AccountDeactivated);
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
mod raised;
mod readers;
mod refine;
mod rules;
mod scan;
pub mod witness;

pub use decode::{Encoding, decode};
pub use echo::{is_echo_of, is_echo_of_another};
pub use judge::judge;
pub use observe::Observations;
pub use raised::{Raised, Reply};
pub use scan::{Reader, anchors};

use crate::diagnosis::Diagnosis;
use crate::redact::Redactor;

/// A failure that a text tells of, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The line that tells most of it, from 1.
    pub line: usize,
    /// How many more times the text says the same.
    pub again: usize,
    /// Whether parts of a long text that look the same were left out, so that [`again`](Self::again) is a lower bound.
    pub left_out: bool,
    /// What lets it be compared with the keys of a machine.
    pub clues: Clues,
    /// What it means.
    pub diagnosis: Diagnosis,
}

/// What a text shows of the key, of its variable and of who refused it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// The provider's echo of the key, with its middle masked.
    pub echo: Option<String>,
    /// The variable that the text names.
    pub variable: Option<String>,
    /// The id of the provider whose words these are.
    pub answered_by: Option<&'static str>,
    /// The character of the key that could not be sent.
    pub unsendable: Option<Unsendable>,
}

/// A character that an HTTP library could not send, and where in the key it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsendable {
    /// Its index in the key, from 0.
    pub at: usize,
    /// The character.
    pub character: char,
}

impl Found {
    fn is_same_as(&self, other: &Self) -> bool {
        let (one, two) = (&self.diagnosis, &other.diagnosis);
        one.cause == two.cause && (one.provider == two.provider || one.is_unnamed() || two.is_unnamed())
    }
}

/// What a text tells of failures: the one that came first, then the others. Empty if it tells of none.
///
/// The text is redacted before anything else looks at it, and no diagnosis repeats it. [`Reader`] does the
/// same for texts of any length.
pub fn explain(bytes: &[u8], redactor: &Redactor) -> Vec<Found> {
    explain_from(bytes, 1, redactor)
}

fn explain_from(bytes: &[u8], first_line: usize, redactor: &Redactor) -> Vec<Found> {
    judge(&observe(bytes, first_line, redactor))
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
