//! What an inspection finds.

use std::fmt;

use serde::Serialize;

use crate::cause::Cause;
use crate::diagnosis::{Confidence, Diagnosis, Fix, Witness};

/// One thing that is wrong, or strange. Its words never hold a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is, or would cause.
    pub cause: Cause,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, without showing the value.
    pub says: String,
    /// The index of the first character of the value concerned, counted from 0.
    pub at: Option<usize>,
    /// The character there, as Unicode names it: `U+200B ZERO WIDTH SPACE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_point: Option<String>,
    /// Where the value stands, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What to do first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// How the value becomes what was meant, where that is sure.
    #[serde(skip)]
    pub mend: Option<Mend>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; it works.
    Note,
    /// Strange; it may work.
    Warning,
    /// It cannot work.
    Error,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// In words a person can find: `environment variable OPENAI_API_KEY`, `.env`.
    pub source: String,
    /// The line, counted from 1, for places that have lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The character of the line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

/// A change of the value after which it is what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Drop what stands before the key, this many bytes, and behind that every character that no key has: white
    /// space, quotes, what cannot be seen.
    Clean(usize),
    /// Decode base64.
    Decode,
    /// Write the line of the file as every loader reads it alike; the value stays.
    WriteLine,
}

impl Finding {
    /// Something that cannot work.
    pub fn error(cause: Cause, says: impl Into<String>) -> Self {
        Self::new(cause, Severity::Error, says)
    }

    /// Something strange.
    pub fn warning(cause: Cause, says: impl Into<String>) -> Self {
        Self::new(cause, Severity::Warning, says)
    }

    /// Something worth knowing.
    pub fn note(cause: Cause, says: impl Into<String>) -> Self {
        Self::new(cause, Severity::Note, says)
    }

    fn new(cause: Cause, severity: Severity, says: impl Into<String>) -> Self {
        let says = says.into();
        Self { cause, severity, says, at: None, code_point: None, place: None, fix: None, mend: None }
    }

    /// Names the character concerned by its index.
    #[must_use]
    pub(crate) fn at(mut self, at: usize) -> Self {
        self.at = Some(at);
        self
    }

    /// Names the character itself.
    #[must_use]
    pub(crate) fn character(mut self, c: char) -> Self {
        self.code_point = Some(super::code_point(c));
        self
    }

    /// Says how the value is mended.
    #[must_use]
    pub(crate) fn mended_by(mut self, mend: Mend) -> Self {
        self.mend = Some(mend);
        self
    }

    /// Says what to do first.
    #[must_use]
    pub(crate) fn fixed_by(mut self, says: impl Into<String>, command: Option<String>) -> Self {
        self.fix = Some(Fix { says: says.into(), command });
        self
    }

    /// Says where it stands. The column of a value moves on to the character concerned.
    #[must_use]
    pub fn in_place(mut self, place: &Place) -> Self {
        let mut place = place.clone();
        if let (Some(column), Some(at)) = (&mut place.column, self.at) {
            *column += at;
        }
        self.place = Some(place);
        self
    }
}

impl Finding {
    /// The finding as a diagnosis of a provider's key: what was seen here, and all that mends it.
    pub fn diagnosis(&self, provider: &str) -> Diagnosis {
        let confidence = match self.severity {
            Severity::Error => Confidence::Certain,
            Severity::Warning => Confidence::Likely,
            Severity::Note => Confidence::Possible,
        };
        let place = self.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        let diagnosis = Diagnosis::new(provider, self.cause, confidence)
            .with_evidence(Witness::Environment, format!("{place}{}", self.says));
        match &self.fix {
            Some(fix) => diagnosis.mended_by(fix.clone()),
            None => diagnosis,
        }
    }
}

impl Place {
    /// A variable of the environment.
    pub fn variable(name: &str) -> Self {
        Self { source: format!("environment variable {name}"), line: None, column: None }
    }

    /// A file as a whole.
    pub fn file(path: impl Into<String>) -> Self {
        Self { source: path.into(), line: None, column: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}
