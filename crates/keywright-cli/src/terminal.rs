//! The only way to stdout and stderr: coloured where a person looks, redacted everywhere.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anstream::stream::{AsLockedWrite, RawStream};
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use keywright_core::{Redactor, Secret};
use serde::Serialize;

use crate::logging::LogFormat;

/// When to use colour. `NO_COLOR` turns `auto` off; the flag wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text means. Meaning is never in the colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It works.
    Good,
    /// It may work.
    Warning,
    /// It cannot work.
    Error,
    /// Where it is, or what to do.
    Pointer,
    /// Less important than the rest.
    Faint,
}

/// Text in the colour of its role; plain text where colours are off.
pub(crate) fn paint(role: Role, text: impl fmt::Display) -> String {
    let color = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
    let style = match role {
        Role::Good => color(AnsiColor::Green),
        Role::Warning => color(AnsiColor::Yellow),
        Role::Error => color(AnsiColor::Red),
        Role::Pointer => color(AnsiColor::Cyan),
        Role::Faint => Style::new().dimmed(),
    };
    format!("{style}{text}{style:#}")
}

/// The redactor that everything printed and logged goes through; it learns keys while we run.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedRedactor(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    secrets: Vec<Secret>,
    redactor: Arc<Redactor>,
}

impl SharedRedactor {
    /// Adds to what is known. Keys of catalogued shapes are masked even before.
    pub(crate) fn learn(&self, secrets: &[&Secret]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = secrets.iter().filter(|new| !known.secrets.iter().any(|old| old.matches(new)));
        let new: Vec<Secret> = new.map(|secret| Secret::clone(secret)).collect();
        known.secrets.extend(new);
        known.redactor = Arc::new(Redactor::new(&known.secrets.iter().collect::<Vec<_>>()));
    }

    /// The redactor as it is now.
    pub(crate) fn now(&self) -> Arc<Redactor> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).redactor)
    }
}

/// stdout for data, stderr for people.
#[derive(Debug)]
pub(crate) struct Terminal {
    choice: ColorChoice,
    /// Takes what would be printed, where the process has an output of its own.
    kept: Option<Mutex<Vec<u8>>>,
    redactor: SharedRedactor,
    /// How many `-v` were given.
    pub(crate) verbose: u8,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
}

impl Terminal {
    pub(crate) fn new(color: Color, verbose: u8, log_format: LogFormat, redactor: SharedRedactor) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { choice, kept: None, redactor, verbose, log_format }
    }

    /// One that prints nothing and keeps it: [`kept`](Self::kept).
    pub(crate) fn keeping(redactor: SharedRedactor) -> Self {
        Self { kept: Some(Mutex::default()), ..Self::new(Color::Never, 0, LogFormat::Text, redactor) }
    }

    /// What was kept so far, without colours.
    pub(crate) fn kept(&self) -> String {
        let kept = self.kept.as_ref().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).clone());
        String::from_utf8_lossy(&kept.unwrap_or_default()).into_owned()
    }

    /// Masks these keys, in all their encodings, in everything printed and logged from now on.
    pub(crate) fn guard(&self, secrets: &[&Secret]) {
        self.redactor.learn(secrets);
    }

    /// The redactor that learns, for who sees keys and prints nothing.
    pub(crate) const fn shared_redactor(&self) -> &SharedRedactor {
        &self.redactor
    }

    /// The redactor, to share with the child's streams.
    pub(crate) fn redactor(&self) -> Arc<Redactor> {
        self.redactor.now()
    }

    /// Prints a line of data.
    pub(crate) fn out(&self, line: impl fmt::Display) -> io::Result<()> {
        self.write(io::stdout(), self.redacted(&line).as_bytes())
    }

    /// Prints one JSON value as one line of data.
    pub(crate) fn out_json(&self, value: &impl Serialize) -> io::Result<()> {
        self.out(serde_json::to_string(value)?)
    }

    /// Prints a line of data that is meant to hold a secret: a token that is shown once.
    pub(crate) fn out_secret(&self, secret: &Secret) -> io::Result<()> {
        self.write(io::stdout(), format!("{}\n", secret.expose()).as_bytes())
    }

    /// Prints bytes as they are: generated text that holds nothing of the user's.
    pub(crate) fn out_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(io::stdout(), bytes)
    }

    /// Tells a person something. A closed stderr is nobody's failure.
    pub(crate) fn tell(&self, line: impl fmt::Display) {
        let _ = self.write(io::stderr(), self.redacted(&line).as_bytes());
    }

    /// The same at a terminal of its own, wherever stderr leads.
    pub(crate) fn tell_at(&self, terminal: &File, line: impl fmt::Display) {
        if let Ok(terminal) = terminal.try_clone() {
            let _ = self.write(terminal, self.redacted(&line).as_bytes());
        }
    }

    /// Shows a person how far the work is, on one line that the next call replaces; `None` clears it. Nothing where no
    /// person looks.
    pub(crate) fn progress(&self, line: Option<&str>) {
        let mut stderr = io::stderr().lock();
        if self.kept.is_none() && stderr.is_terminal() {
            let line = self.redactor.now().redact_str(line.unwrap_or_default()).into_owned();
            let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
        }
    }

    fn redacted(&self, line: &impl fmt::Display) -> String {
        let text = format!("{line}\n");
        self.redactor.now().redact_str(&text).into_owned()
    }

    fn write<S: RawStream + AsLockedWrite>(&self, stream: S, bytes: &[u8]) -> io::Result<()> {
        if let Some(kept) = &self.kept {
            let plain = anstream::adapter::strip_bytes(bytes).into_vec();
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend(plain);
            return Ok(());
        }
        let mut stream = AutoStream::new(stream, self.choice);
        stream.write_all(bytes)?;
        stream.flush()
    }
}
