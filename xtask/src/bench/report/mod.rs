//! The result: as Markdown for people, as JSON for programs, and in `bench/README.md` to stay.

mod markdown;
mod rows;

use std::fs;
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

use super::error::{Error, Result};
use super::failure::Failure;
use super::options::{Format, Options};
use super::process;
use super::rounds::Sample;

/// Everything one run found out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// When it started, UTC.
    pub(crate) date: String,
    /// Cores, processor, kernel.
    pub(crate) machine: String,
    /// The commit of this tree, with a mark if it has changes.
    pub(crate) commit: String,
    /// nginx's own words.
    pub(crate) nginx: String,
    /// How it was run, in words.
    pub(crate) setting: String,
    /// Every measurement.
    pub(crate) samples: Vec<Sample>,
    /// The failure path.
    pub(crate) failure: Option<Failure>,
}

impl Report {
    /// A report with nothing measured yet.
    pub(crate) fn new(options: &Options, machine: String) -> Self {
        Self {
            date: today(),
            machine,
            commit: commit(),
            nginx: said("nginx", &["-v"]).replace("nginx version: ", ""),
            setting: setting(options),
            samples: Vec::new(),
            failure: None,
        }
    }
}

/// Prints the report, and keeps it if the options say so.
pub(crate) fn show(report: &Report, options: &Options) -> Result<()> {
    let tables = markdown::render(report);
    if options.format == Format::Json {
        println!("{:#}", json(report)?);
    } else {
        println!("{tables}");
    }
    if options.write { keep("gateway", &tables) } else { Ok(()) }
}

/// Everything measured, and the ratios.
fn json(report: &Report) -> Result<Value> {
    let cannot = |error: serde_json::Error| Error::io("write JSON")(error.into());
    let mut value = serde_json::to_value(report).map_err(cannot)?;
    let ratios = rows::ratios(&rows::rows(&report.samples));
    value["ratios"] = serde_json::to_value(ratios).map_err(cannot)?;
    Ok(value)
}

/// Replaces what stands between the marks of a bench in `bench/README.md`.
pub(crate) fn keep(bench: &str, tables: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {bench}: begin -->"), format!("<!-- {bench}: end -->"));
    let path = process::repository().join("bench/README.md");
    let text = fs::read_to_string(&path).map_err(Error::io("read bench/README.md"))?;
    let marked =
        text.split_once(&begin).and_then(|(before, rest)| rest.split_once(&end).map(|(_, after)| (before, after)));
    let Some((before, after)) = marked else {
        return Err(Error::program("bench/README.md", format!("lacks `{begin}` or `{end}`")));
    };
    let text = format!("{before}{begin}\n{tables}\n{end}{after}");
    fs::write(&path, text).map_err(Error::io("write bench/README.md"))
}

fn setting(options: &Options) -> String {
    let seconds = options.length.as_secs_f64();
    let place = options.place.words();
    format!(
        "{} rounds of {seconds} s ({} s with one request in flight), {} worker(s), `{}` headers, {place}",
        options.rounds,
        seconds / 2.0,
        options.workers,
        options.headers.name(),
    )
}

/// Now, as a heading says it.
pub(crate) fn today() -> String {
    said("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])
}

/// What was measured.
pub(crate) fn commit() -> String {
    said("git", &["describe", "--always", "--dirty"])
}

/// What a program prints, on one line; empty if it cannot be run.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(process::repository()).output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().replace('\n', " ")
}
