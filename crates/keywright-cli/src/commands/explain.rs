//! `keywright explain`: what a trace, a log or an answer tells.

mod here;
mod input;

use std::path::{Path, PathBuf};

use keywright_core::diagnosis::{Confidence, UNNAMED};
use keywright_core::text::{Found, Reader};
use keywright_core::{Cause, Diagnosis, Verdict, Witness};
use serde::Serialize;

pub(crate) use self::here::testify;
use super::pages;
use crate::diagnosis;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Say why an LLM call failed, from a trace, a log or an answer.
///
/// Paste anything: traces of any language, logs with colours and prefixes, HTTP dumps, bare messages, gigabytes of
/// them. The keys of this machine are the second witness: which of them was refused, where it stands, what hides it.
/// Nothing is sent anywhere; the text is masked before it is read, and no key in it is shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "\
Examples:
  keywright explain app.log
  python app.py 2>&1 | keywright explain
  keywright explain whitespace_or_newline    the long form of a cause",
    after_long_help = "\
Examples:
  keywright explain app.log
  python app.py 2>&1 | keywright explain
  journalctl -u app | keywright explain --json | jq .cause
  keywright explain whitespace_or_newline    the long form of a cause

Exit codes:
  0  nothing failed that is known here, or a page was shown
  1  a failure is explained
  2  the command line is wrong, or the text cannot be read
  3  something failed, and the text does not tell what"
)]
pub(crate) struct Args {
    /// A file, `-` for standard input, or the name of a cause for its long form.
    #[arg(value_name = "FILE|CAUSE", default_value = "-")]
    inputs: Vec<PathBuf>,
    /// Print one JSON object for programs instead of text for people.
    #[arg(long)]
    json: bool,
    /// Judge by the text alone; leave this machine's environment out.
    #[arg(long)]
    text_only: bool,
    /// Print the JSON Schema of what `--json` prints.
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// What `--json` prints: the first failure, and the others beside it. `explain --schema` describes it.
#[derive(Debug, Serialize)]
struct Explained {
    #[serde(flatten)]
    first: Diagnosis,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Diagnosis>,
}

/// A failure, and where it stands.
struct Told {
    place: String,
    diagnosis: Diagnosis,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    if args.schema {
        terminal.out_bytes(keywright_core::diagnosis::JSON_SCHEMA.as_bytes())?;
        return Ok(Exit::Healthy);
    }
    if let [only] = args.inputs.as_slice()
        && let Some(name) = only.to_str().filter(|name| pages::has(name) && !only.exists())
    {
        return pages::show(name, args.json, terminal);
    }
    let mut found = Vec::new();
    for input in &args.inputs {
        found.extend(read(input, terminal)?);
    }
    if !args.text_only && !found.is_empty() {
        let _hardened = crate::process::harden();
        here::testify(found.iter_mut().map(|(_, found)| found), terminal.shared_redactor())?;
    }
    let mut told: Vec<Told> = found.into_iter().map(|(name, found)| Told::new(found, &name)).collect();
    // What hides its cause comes last, whatever file it is from.
    told.sort_by_key(|told| told.diagnosis.verdict == Verdict::Unrecognised);
    if args.json {
        print_json(&told, terminal)?;
    } else {
        print_text(&told, terminal)?;
    }
    Ok(match told.first().map(|told| told.diagnosis.verdict) {
        None => Exit::Healthy,
        Some(Verdict::Unrecognised) => Exit::Unknown,
        Some(Verdict::Auth | Verdict::NotAuth) => Exit::Unhealthy,
    })
}

/// Everything that one input tells.
fn read(path: &Path, terminal: &Terminal) -> Result<Vec<(String, Found)>, CliError> {
    let redactor = terminal.redactor();
    let mut reader = Reader::new(&redactor);
    let name = input::each_chunk(path, |chunk| reader.push(chunk))?;
    Ok(reader.finish().into_iter().map(|found| (name.clone(), found)).collect())
}

impl Told {
    fn new(found: Found, name: &str) -> Self {
        let Found { line, again, left_out, mut diagnosis, .. } = found;
        if again > 0 {
            let times = match (again, left_out) {
                (1, false) => "again".to_owned(),
                (_, false) => format!("{again} more times"),
                (1, true) => "at least once more".to_owned(),
                (_, true) => format!("at least {again} more times"),
            };
            let says = format!("the same message stands {times} further down");
            diagnosis = diagnosis.with_evidence(Witness::Text, says);
        }
        Self { place: format!("{name}:{line}"), diagnosis }
    }

    /// The diagnosis, whose first evidence says where it stands.
    fn placed(&self) -> Diagnosis {
        let mut diagnosis = self.diagnosis.clone();
        if let Some(first) = diagnosis.evidence.first_mut() {
            first.says = format!("{}: {}", self.place, first.says);
        }
        diagnosis
    }
}

fn print_json(told: &[Told], terminal: &Terminal) -> Result<(), CliError> {
    let mut diagnoses = told.iter().map(Told::placed);
    let first = diagnoses.next().unwrap_or_else(nothing);
    Ok(terminal.out_json(&Explained { first, others: diagnoses.collect() })?)
}

fn print_text(told: &[Told], terminal: &Terminal) -> Result<(), CliError> {
    if told.is_empty() {
        terminal.out("keywright: nothing in the text tells of a failed call")?;
        let help = "paste the whole trace or log, or ask what is set up here: keywright doctor";
        return Ok(terminal.out(format_args!("  {} {help}", paint(Role::Pointer, "= help:")))?);
    }
    for (index, told) in told.iter().enumerate() {
        if index > 0 {
            terminal.out("")?;
        }
        for line in diagnosis::lines(&told.diagnosis, &told.place, terminal.verbose > 0) {
            terminal.out(line)?;
        }
        if told.diagnosis.verdict != Verdict::Unrecognised {
            terminal.out(diagnosis::page_line(&told.diagnosis))?;
        }
    }
    Ok(())
}

/// What is printed for a text that tells of no failure.
fn nothing() -> Diagnosis {
    Diagnosis::new(UNNAMED, Cause::Other, Confidence::Possible)
        .with_evidence(Witness::Text, "nothing in the text tells of a failed call")
}

#[cfg(test)]
mod tests;
