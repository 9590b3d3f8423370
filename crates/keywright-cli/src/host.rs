//! What a program that carries Keywright inside asks for: the answers of the commands, as values and in plain words.
//!
//! Nothing is printed, and the process stays as it is. All words are redacted.

use clap::Parser;
use keywright_core::text::{Found, Raised};
use keywright_core::{Diagnosis, Secret};
use serde_json::Value;

use crate::cli::Cli;
use crate::commands::{Command, doctor, explain};
use crate::diagnosis;
use crate::terminal::{SharedRedactor, Terminal};

/// Masks what has the shape of a key, and every key that it was given to keep.
#[derive(Debug, Default)]
pub struct Guard(SharedRedactor);

impl Guard {
    /// Masks this key from now on, in all its encodings.
    pub fn learn(&self, key: &Secret) {
        self.0.learn(&[key]);
    }

    /// The text without keys.
    pub fn redact(&self, text: &str) -> String {
        self.0.now().redact_str(text).into_owned()
    }

    /// The bytes without keys.
    pub fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.now().redact(bytes).into_owned()
    }

    /// What a text tells of failures, as `keywright explain` says it: the first one first. `here` adds what the
    /// variables and dotenv files of this machine tell.
    pub fn explain(&self, text: &[u8], here: bool) -> Vec<Diagnosis> {
        let mut found = keywright_core::text::explain(text, &self.0.now());
        if here {
            self.testify(found.iter_mut());
        }
        found.into_iter().map(|found| found.diagnosis).collect()
    }

    /// What an exception tells; `None` when nothing in it tells of a failed call.
    pub fn explain_raised(&self, raised: &Raised) -> Option<Found> {
        raised.explain(&self.0.now())
    }

    /// Adds what the variables and dotenv files of this machine tell about failures.
    pub fn testify<'f>(&self, found: impl Iterator<Item = &'f mut Found>) {
        let heard = explain::testify(found, &self.0);
        // One witness less; what the text tells stands.
        let _ = heard.inspect_err(|error| tracing::debug!(%error, "this machine was not asked"));
    }

    /// A diagnosis as a person reads it, about the thing at `place`: short, or with everything.
    pub fn tell(&self, diagnosis: &Diagnosis, place: &str, everything: bool) -> String {
        let mut lines = diagnosis::lines(diagnosis, place, everything);
        lines.push(diagnosis::page_line(diagnosis));
        self.plain(&lines.join("\n"))
    }

    /// What `keywright doctor` finds, with the arguments that it takes; what is wrong with them, in words, otherwise.
    pub fn doctor(&self, arguments: &[String]) -> Result<Doctored, String> {
        let line = ["keywright", "doctor"].into_iter().chain(arguments.iter().map(String::as_str));
        let parsed = Cli::try_parse_from(line).map_err(|error| self.plain(&error.render().to_string()))?;
        let Command::Doctor(args) = parsed.command else {
            return Err("these are no arguments of `doctor`".to_owned());
        };
        let terminal = Terminal::keeping(self.0.clone());
        match doctor::report(&args, &terminal) {
            Ok(Some((report, text))) => Ok(Doctored { report, text }),
            Ok(None) => Err(terminal.kept()),
            Err(error) => {
                error.report(&terminal);
                Err(terminal.kept())
            }
        }
    }

    fn plain(&self, painted: &str) -> String {
        self.redact(&anstream::adapter::strip_str(painted).to_string())
    }
}

/// What doctor found.
#[derive(Debug)]
pub struct Doctored {
    /// What `keywright doctor --json` prints.
    pub report: Value,
    /// What `keywright doctor` prints.
    pub text: String,
}
