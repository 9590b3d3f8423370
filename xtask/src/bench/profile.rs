//! Where the time goes: instructions, system calls and hot functions of each proxy.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::contender::{Contender, Ground};
use super::error::{Error, Result};
use super::load::{Connection, Load};
use super::options::Options;
use super::payload::Workload;
use super::process::Program;

/// Profiles the peers and every build of keywright under each workload, and prints what it finds.
pub(crate) async fn run(options: &Options, ground: Ground<'_>, builds: &[PathBuf]) -> Result<()> {
    let peers = options.contenders.iter().filter(|name| matches!(name.as_str(), "nginx" | "floor"));
    let mut subjects: Vec<Subject<'_>> = peers.map(|name| Subject { name, build: None }).collect();
    subjects.extend(builds.iter().map(|build| Subject { name: "keywright", build: Some(build) }));
    for subject in subjects {
        for &workload in &options.workloads {
            println!("## {}: {}\n", subject.title(), workload.title());
            let calls = system_calls(subject, options, ground, workload).await?;
            println!("{calls:.1} system calls a request with {} in flight\n", options.connections);
            println!("{}\n", hot_functions(subject, options, ground, workload).await?);
            println!("{}\n", instructions(subject, ground, workload).await?);
        }
    }
    Ok(())
}

/// A peer, or a build of keywright.
#[derive(Clone, Copy, Debug)]
struct Subject<'b> {
    name: &'b str,
    build: Option<&'b PathBuf>,
}

impl Subject<'_> {
    fn title(self) -> String {
        self.build.map_or(self.name.to_owned(), |build| build.display().to_string())
    }

    async fn start(self, ground: Ground<'_>, wrapper: &[String]) -> Result<Contender> {
        Contender::under(ground, self.name, self.build, wrapper).await
    }
}

/// System calls of the proxy for each good answer, counted by the kernel's tracepoint.
async fn system_calls(subject: Subject<'_>, options: &Options, ground: Ground<'_>, workload: Workload) -> Result<f64> {
    let output = ground.scratch.path("perf.csv");
    let mut perf = Command::new("perf");
    perf.args(["stat", "--field-separator", ",", "--event", "raw_syscalls:sys_enter", "--output"]);
    perf.arg(&output);
    let requests = under_perf(subject, options, ground, workload, perf).await?;
    let text = fs::read_to_string(&output).map_err(Error::io("read what perf counted"))?;
    let count = text.lines().find(|line| line.contains("sys_enter"));
    let count: Option<f64> = count.and_then(|line| line.split(',').next()?.parse().ok());
    let count = count.ok_or_else(|| Error::program("perf", "counted no system calls (is it allowed to?)"))?;
    Ok(count / requests as f64)
}

/// The functions, ours and the kernel's, that a sampling profiler meets most.
async fn hot_functions(
    subject: Subject<'_>,
    options: &Options,
    ground: Ground<'_>,
    workload: Workload,
) -> Result<String> {
    let data = ground.scratch.path("perf.data");
    let mut perf = Command::new("perf");
    perf.args(["record", "--quiet", "--event", "cpu-clock", "--freq", "4999", "--output"]).arg(&data);
    under_perf(subject, options, ground, workload, perf).await?;
    let output = Command::new("perf")
        .args(["report", "--stdio", "--quiet", "--sort", "symbol", "--input"])
        .arg(&data)
        .output()
        .map_err(Error::io("run perf report"))?;
    Ok(functions(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads lines such as `  9.53%  [k] tcp_ack  -  -`.
fn functions(report: &str) -> String {
    let mut kernel = 0.0;
    let mut top = Vec::new();
    for line in report.lines() {
        let Some((percent, rest)) = line.trim().split_once('%') else {
            continue;
        };
        let symbol = rest.trim_end_matches([' ', '-']).trim();
        if symbol.starts_with("[k]") {
            kernel += percent.parse::<f64>().unwrap_or(0.0);
        }
        if top.len() < FUNCTIONS {
            top.push(format!("{percent:>6} %  {symbol}"));
        }
    }
    format!("CPU samples by function, {kernel:.0} % in the kernel:\n```\n{}\n```", top.join("\n"))
}

/// Runs load against a fresh proxy that perf is attached to; gives the number of good answers perf saw.
async fn under_perf(
    subject: Subject<'_>,
    options: &Options,
    ground: Ground<'_>,
    workload: Workload,
    mut perf: Command,
) -> Result<u64> {
    let contender = subject.start(ground, &[]).await?;
    contender.prove(&[workload]).await?;
    let processes = contender.processes().ok_or_else(|| Error::program("perf", "has nothing to watch"))?;
    let ids: Vec<String> = processes.ids().iter().map(ToString::to_string).collect();
    let seconds = options.length.as_secs_f64().to_string();
    perf.args(["--pid", &ids.join(","), "--", "sleep", &seconds]);
    let load = Load::start(&contender.call(workload), options.connections, WARM_UP, options.length);
    tokio::time::sleep_until(load.starts.into()).await;
    let mut perf = Program::start("perf", ground.scratch, super::process::Core::Any, &perf)?;
    let tally = load.finish().await;
    perf.finish(PERF_LIMIT).await?;
    Ok(tally.latency.total())
}

/// Instructions of the proxy itself, without the kernel's, for one request; exact, and deaf to noise.
///
/// Two runs under callgrind differ by a known number of requests, which takes out start and end.
async fn instructions(subject: Subject<'_>, ground: Ground<'_>, workload: Workload) -> Result<String> {
    let few = counted(subject, ground, workload, FEW).await?;
    let many = counted(subject, ground, workload, MANY).await?;
    let between = (MANY - FEW) as f64;
    let each_of = |(name, count): (&String, &u64)| {
        let before = few.get(name).copied().unwrap_or(0);
        (count.saturating_sub(before) as f64 / between, name.clone())
    };
    let mut functions: Vec<(f64, String)> = many.iter().map(each_of).collect();
    functions.sort_by(|one, other| other.0.total_cmp(&one.0));
    let all: f64 = functions.iter().map(|(count, _)| count).sum();
    let top = functions.iter().take(FUNCTIONS).map(|(count, name)| format!("{count:9.0}  {name:.120}"));
    let top = top.collect::<Vec<_>>().join("\n");
    Ok(format!("{all:.0} instructions a request outside the kernel, one request in flight:\n```\n{top}\n```"))
}

/// Instructions by function.
type Counts = BTreeMap<String, u64>;

async fn counted(subject: Subject<'_>, ground: Ground<'_>, workload: Workload, requests: u64) -> Result<Counts> {
    let folder = ground.scratch.path(&format!("callgrind-{requests}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(Error::io("make a folder for callgrind"))?;
    let output = format!("--callgrind-out-file={}/%p", folder.display());
    let wrapper = ["valgrind", "--tool=callgrind", &output].map(str::to_owned);
    let contender = subject.start(ground, &wrapper).await?;
    let call = contender.call(workload);
    let mut connection = Connection::new(call.target);
    for _ in 0..requests {
        let outcome = connection.exchange(&call).await;
        outcome.map_err(|fault| contender.wrong(workload, &fault.to_string()))?;
    }
    drop(connection);
    contender.stop();
    read_counts(&folder)
}

/// Sums what every process of the group left behind.
fn read_counts(folder: &std::path::Path) -> Result<Counts> {
    let entries = fs::read_dir(folder).map_err(Error::io("list what callgrind wrote"))?;
    let mut counts = Counts::new();
    for entry in entries.flatten() {
        let output =
            Command::new("callgrind_annotate").args(["--auto=no", "--threshold=100"]).arg(entry.path()).output();
        let output = output.map_err(Error::io("run callgrind_annotate"))?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some((count, name)) = function(line) {
                *counts.entry(name.to_owned()).or_default() += count;
            }
        }
    }
    if counts.is_empty() { Err(Error::program("valgrind", "counted nothing")) } else { Ok(counts) }
}

/// Reads a line such as `18,924,000 (30.38%)  ???:ngx_hash_find [/usr/sbin/nginx]`.
fn function(line: &str) -> Option<(u64, &str)> {
    let (count, rest) = line.trim().split_once(" (")?;
    let (_, place) = rest.split_once("%)")?;
    let count = count.replace(',', "").parse().ok()?;
    // Without the file before the name and the program after it.
    let name = place.trim().split(" [").next()?;
    let name = name.find(':').map_or(name, |colon| &name[colon + 1..]);
    (name != "PROGRAM TOTALS").then_some((count, name))
}

/// Requests of the short run under callgrind.
const FEW: u64 = 200;
/// Requests of the long one.
const MANY: u64 = 1200;
/// Functions shown.
const FUNCTIONS: usize = 40;
/// Nothing counts before.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long perf may take to write what it found.
const PERF_LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::function;

    #[test]
    fn lines_of_callgrind_are_read() {
        let line = "18,924,000 (30.38%)  ???:http::header::map::HeaderMap<T>::get [/usr/sbin/x]";
        assert_eq!(function(line), Some((18_924_000, "http::header::map::HeaderMap<T>::get")));
        assert_eq!(function("62,286,690 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(function("Events recorded:  Ir"), None);
    }
}
