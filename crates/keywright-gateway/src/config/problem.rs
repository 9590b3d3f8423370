//! What is wrong with a configuration, with its place and what to do.

use std::fmt;

use keywright::sources::near;

/// One problem of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ConfigProblem {
    /// The problem that the TOML reader met.
    pub(crate) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
        let help = near_name(&message);
        Self::at(text, error.span().map(|span| span.start), message, help)
    }

    /// A problem at a byte of the text.
    pub(crate) fn at(text: &str, offset: Option<usize>, message: impl Into<String>, help: Option<String>) -> Self {
        let place = offset.and_then(|offset| text.get(..offset)).map(|before| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            (line, column)
        });
        Self {
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message: message.into(),
            help,
        }
    }
}

/// For "unknown field `x`, expected one of `a`, `b`": the expected name that is nearest.
fn near_name(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2);
    let wrong = names.next().filter(|_| message.starts_with("unknown "))?;
    let near = near(wrong, names)?;
    Some(format!("did you mean `{near}`?"))
}
