//! `keywright explain`: what a trace, a log or an answer tells.

use std::io::Read;
use std::path::{Path, PathBuf};

use keywright_core::diagnosis::Confidence;
use keywright_core::{Cause, Diagnosis, Verdict, Witness, text};
use serde::Serialize;

use crate::diagnosis;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Say why an LLM call failed, from a trace, a log or an answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file, or `-` for standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Print one JSON object for programs instead of text for people.
    #[arg(long)]
    json: bool,
    /// Judge by the text alone. It is all that is judged today; scripts that want it to stay so can say it.
    #[arg(long)]
    text_only: bool,
}

#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    first: Diagnosis,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Diagnosis>,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let bytes = read(&args.file)?;
    if bytes.len() as u64 == MOST_BYTES {
        terminal.tell(format_args!("keywright: only the first {} MiB are read", MOST_BYTES >> 20));
    }
    let mut found = text::explain(&bytes, &terminal.redactor());
    if found.is_empty() {
        found.push(
            Diagnosis::new("unknown", Cause::Other, Confidence::Possible)
                .with_evidence(Witness::Text, "nothing in the text tells of a failure that is known here"),
        );
    }
    let first = found.remove(0);
    let exit = if first.verdict == Verdict::Unrecognised { Exit::Unknown } else { Exit::Unhealthy };
    if args.json {
        terminal.out_json(&Explained { first, others: found })?;
        return Ok(exit);
    }
    diagnosis::tell(&first, &args.file.display().to_string(), terminal);
    for other in &found {
        diagnosis::tell(other, &args.file.display().to_string(), terminal);
    }
    Ok(exit)
}

/// The text, up to a limit: it may be a device that never ends.
fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::Read { path: file.to_owned(), source };
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().take(MOST_BYTES).read_to_end(&mut bytes)?;
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

/// A log is read from its beginning, and no further than this.
const MOST_BYTES: u64 = 64 << 20;
