//! Where the time goes: instructions, system calls and hot functions of each proxy.

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

/// Profiles nginx and every build of keywright under each workload, and prints what it finds.
pub(crate) async fn run(options: &Options, ground: Ground<'_>, builds: &[PathBuf]) -> Result<()> {
    let mut subjects: Vec<Subject<'_>> = builds.iter().map(|build| Subject { build: Some(build) }).collect();
    if options.contenders.iter().any(|name| name == "nginx") {
        subjects.insert(0, Subject { build: None });
    }
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

/// nginx, or a build of keywright.
#[derive(Clone, Copy, Debug)]
struct Subject<'b> {
    build: Option<&'b PathBuf>,
}

impl Subject<'_> {
    fn title(self) -> String {
        self.build.map_or("nginx".to_owned(), |build| build.display().to_string())
    }

    async fn start(self, ground: Ground<'_>, wrapper: &[String]) -> Result<Contender> {
        Contender::under(ground, "keywright", self.build, wrapper).await
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
    let each = (many.total - few.total) as f64 / (MANY - FEW) as f64;
    Ok(format!(
        "{each:.0} instructions a request outside the kernel, one request in flight; the hottest in a run of {MANY}:\n\
         ```\n{}\n```",
        many.functions
    ))
}

/// What callgrind counted in one run.
struct Counted {
    total: u64,
    functions: String,
}

async fn counted(subject: Subject<'_>, ground: Ground<'_>, workload: Workload, requests: u64) -> Result<Counted> {
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

/// Sums what every process of the group left behind; shows the functions of the busiest.
fn read_counts(folder: &std::path::Path) -> Result<Counted> {
    let entries = fs::read_dir(folder).map_err(Error::io("list what callgrind wrote"))?;
    let mut total = 0;
    let mut busiest = (0, PathBuf::new());
    for entry in entries.flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("totals: "));
        let count: u64 = lines.filter_map(|line| line.trim().parse::<u64>().ok()).sum();
        total += count;
        if count > busiest.0 {
            busiest = (count, entry.path());
        }
    }
    if total == 0 {
        return Err(Error::program("valgrind", "counted nothing"));
    }
    let output = Command::new("callgrind_annotate").arg(busiest.1).output();
    let text = output.map(|output| output.stdout).map_err(Error::io("run callgrind_annotate"))?;
    let text = String::from_utf8_lossy(&text);
    let functions = text.lines().filter(|line| line.contains('%')).take(FUNCTIONS);
    let functions = functions.map(|line| line.chars().take(140).collect::<String>());
    Ok(Counted { total, functions: functions.collect::<Vec<_>>().join("\n") })
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
