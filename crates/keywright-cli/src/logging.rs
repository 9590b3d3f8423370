//! Logs: to stderr, as text or JSON lines, through the redactor.

use std::io::{self, Write};

use keywright::state::Timestamp;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::terminal::SharedRedactor;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `filter` is the value of `KEYWRIGHT_LOG`, such as `debug` or `keywright_gateway=trace`.
pub(crate) fn start(format: LogFormat, filter: Option<&str>, level: &str, redactor: SharedRedactor) {
    let filter = EnvFilter::builder().parse_lossy(filter.unwrap_or(level));
    let writer = RedactedStderr(redactor);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A second start, in a test, keeps the first one.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// An event as a line among JSON logs, whose fields have no depth.
pub(crate) fn line(event: Value) -> Value {
    let mut line = json!({"timestamp": Timestamp::now().to_string(), "level": "INFO", "target": "keywright"});
    if let (Value::Object(line), Value::Object(event)) = (&mut line, event) {
        line.extend(event);
    }
    line
}

#[derive(Clone, Debug)]
struct RedactedStderr(SharedRedactor);

impl<'a> MakeWriter<'a> for RedactedStderr {
    type Writer = RedactedLine;

    fn make_writer(&'a self) -> RedactedLine {
        RedactedLine(self.0.clone())
    }
}

/// A line is written in one call, so no key is cut in two.
struct RedactedLine(SharedRedactor);

impl Write for RedactedLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&self.0.now().redact(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
