//! `keywright explain`: what a trace, a log or an answer tells.

use std::io::Read;
use std::path::PathBuf;

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
    /// A file, `-` for standard input, or the name of a cause for its long form.
    #[arg(value_name = "FILE|CAUSE", default_value = "-")]
    file: PathBuf,
    /// Print one JSON object for programs instead of text for people.
    #[arg(long)]
    json: bool,
    /// Judge by the text alone; leave this machine's environment out.
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
    let mut bytes = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(&args.file).map_err(|source| CliError::Read { path: args.file.clone(), source })?;
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
    let _ = args.text_only;
    Ok(exit)
}
