//! `cargo xtask bench explain`: `keywright explain` beside ripgrep with the same literals, on long logs and a small trace.

mod log;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{Error, Result};
use super::process::Scratch;
use super::statistics::Spread;
use super::{noise, optimise, report};
use log::Log;
use run::Ran;

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    mebibytes: u64,
    rounds: u32,
    binary: Option<PathBuf>,
    write: bool,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self { mebibytes: 1_024, rounds: 5, binary: None, write: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Error::usage(format!("`{word}` needs a value")));
            let number =
                |text: &String| text.parse::<u32>().map_err(|_| Error::usage(format!("`{text}` is no number")));
            match word.as_str() {
                "--mib" => options.mebibytes = u64::from(number(value()?)?).max(1),
                "--rounds" => options.rounds = number(value()?)?.max(1),
                "--keywright" => options.binary = Some(PathBuf::from(value()?)),
                "--write" => options.write = true,
                _ => return Err(Error::usage(format!("unknown option `{word}`"))),
            }
        }
        Ok(options)
    }
}

/// One program on one input.
struct Contender {
    name: &'static str,
    command: Box<dyn Fn(&Path) -> Command>,
}

/// Runs the bench and prints its tables.
pub(super) fn run(words: &[String]) -> Result<()> {
    let options = Options::parse(words)?;
    let keywright = options.binary.clone().map_or_else(optimise::keywright, Ok)?;
    let scratch = Scratch::new()?;
    let literals = scratch.write("literals.txt", &keywright_core::text::anchors().join("\n"))?;
    let contenders = contenders(keywright, literals);
    let machine = format!("{}, {}, keywright {}", report::today(), noise::machine(), report::commit());
    let mut lines = vec![format!("{machine}; {} rounds.", options.rounds), String::new()];
    lines.extend(long_logs(&options, &contenders, &scratch)?);
    lines.push(String::new());
    lines.extend(small_trace(&options, &contenders, &scratch)?);
    let text = lines.join("\n");
    super::say(&text)?;
    if options.write { report::keep("explain", &text) } else { Ok(()) }
}

fn contenders(keywright: PathBuf, literals: PathBuf) -> [Contender; 3] {
    let explain = move |file: &Path| {
        let mut command = Command::new(&keywright);
        command.args(["explain", "--text-only"]).arg(file);
        command
    };
    let rg = move |file: &Path| {
        let mut command = Command::new("rg");
        command.args(["--threads", "1", "--no-config", "--text", "--count", "--fixed-strings", "--file"]);
        command.arg(&literals).arg(file);
        command
    };
    let cat = |file: &Path| {
        let mut command = Command::new("cat");
        command.arg(file);
        command
    };
    [
        Contender { name: "keywright explain", command: Box::new(explain) },
        Contender { name: "rg, same literals", command: Box::new(rg) },
        Contender { name: "cat", command: Box::new(cat) },
    ]
}

fn long_logs(options: &Options, contenders: &[Contender], scratch: &Scratch) -> Result<Vec<String>> {
    let mut lines = vec![
        format!("Logs of {} MiB, read from the page cache; one core each.", options.mebibytes),
        String::new(),
        "| log | program | MB/s of CPU time | CPU s | wall s | peak RSS MiB | CPU beside rg |".to_owned(),
        "|---|---|--:|--:|--:|--:|--:|".to_owned(),
    ];
    for log in Log::ALL {
        let file = scratch.path("long.log");
        log.write(&file, options.mebibytes << 20)?;
        // The first reader brings the file into the cache.
        run::run((contenders[2].command)(&file))?;
        let mut all: Vec<Vec<Ran>> = contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.rounds {
            for (contender, rans) in contenders.iter().zip(&mut all) {
                rans.push(run::run((contender.command)(&file))?);
            }
        }
        let bytes = fs::metadata(&file).map_err(Error::io("look at the log"))?.len();
        for (contender, rans) in contenders.iter().zip(&all) {
            lines.push(long_row(log, contender.name, rans, &all[1], bytes));
        }
    }
    Ok(lines)
}

fn long_row(log: Log, name: &str, rans: &[Ran], rg: &[Ran], bytes: u64) -> String {
    let speed = Spread::cell(rans.iter().map(|ran| bytes as f64 / 1e6 / ran.cpu.max(0.01)), 0);
    let beside = Spread::cell(rans.iter().zip(rg).map(|(ran, rg)| ran.cpu / rg.cpu.max(0.01)), 2);
    let middle = |value: fn(&Ran) -> f64| super::statistics::median(rans.iter().map(value));
    let peak = rans.iter().map(|ran| ran.peak_kib).max().unwrap_or_default() as f64 / 1_024.0;
    format!(
        "| {} | {name} | {speed} | {:.2} | {:.2} | {peak:.0} | {beside} |",
        log.name(),
        middle(|ran| ran.cpu),
        middle(|ran| ran.wall),
    )
}

fn small_trace(options: &Options, contenders: &[Contender], scratch: &Scratch) -> Result<Vec<String>> {
    let file = scratch.write("small.txt", log::TRACE)?;
    let mut all: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds * 10 {
        for (contender, times) in contenders.iter().zip(&mut all) {
            times.push(run::run((contender.command)(&file))?.wall * 1_000.0);
        }
    }
    let mut lines = vec![
        format!("One trace of {} bytes, from start to exit, {} times.", log::TRACE.len(), options.rounds * 10),
        String::new(),
        "| program | ms, median (least–most) |".to_owned(),
        "|---|--:|".to_owned(),
    ];
    let rows = contenders.iter().zip(all);
    lines.extend(rows.map(|(contender, times)| format!("| {} | {} |", contender.name, Spread::cell(times, 1))));
    Ok(lines)
}
