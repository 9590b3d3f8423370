//! The command line of `cargo xtask bench gateway`.

use std::path::PathBuf;
use std::time::Duration;

use super::error::{Error, Result};
use super::payload::{Headers, Workload};
use super::process::Place;

/// What `cargo xtask bench help` prints.
pub(crate) const HELP: &str = "\
cargo xtask bench gateway [options]    compare direct, nginx and keywright
cargo xtask bench explain [options]    compare keywright explain and ripgrep: --mib N, --rounds N,
                                       --keywright PATH, --write
cargo xtask bench start [options]      compare keywright run and env: --rounds N, --keywright PATH, --write
cargo xtask bench rotation [options]   rotate keys under load: --rotations N, --requests N (at least),
                                       --connections N, --keywright PATH, --write
cargo xtask bench upstream --port N    only the mock upstream, until stdin closes
cargo xtask bench floor --port N --upstream ADDRESS
                                       only the bare hyper proxy, until stdin closes

Options of bench gateway:
  --rounds N           rounds, each with every contender and workload (5)
  --seconds S          length of one measurement (5)
  --quick              2 rounds of 1 s, and a short failure path
  --connections N      requests in flight in the loaded rows (32)
  --workers N          worker threads of keywright, worker processes of nginx (1)
  --only A,B           contenders: direct, nginx, floor (a bare hyper proxy), keywright
  --workloads A,B      small, prompt, sse, paced
  --headers sdk|plain  what openai-python and OpenAI send (sdk), or the bare minimum
  --place one|split|free  everyone on the last core (one); generator and upstream on the first
                       and proxies on the last (split); wherever the kernel likes (free)
  --keywright PATH     this binary instead of a fresh release build; repeat it to compare builds
  --no-failure         leave out the failure path
  --only-failure       nothing but the failure path
  --profile            instructions, syscalls and hot functions instead of speed
  --json               print everything measured as JSON
  --write              keep the tables in bench/README.md";

/// What a run does.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How often everything is repeated.
    pub(crate) rounds: u32,
    /// Length of one measurement.
    pub(crate) length: Duration,
    /// Requests in flight in the loaded rows.
    pub(crate) connections: usize,
    /// Worker threads of keywright and worker processes of nginx.
    pub(crate) workers: u32,
    /// Who takes part, in order.
    pub(crate) contenders: Vec<String>,
    /// What they are asked.
    pub(crate) workloads: Vec<Workload>,
    /// How many headers requests and answers carry.
    pub(crate) headers: Headers,
    /// Who runs on which core.
    pub(crate) place: Place,
    /// Binaries to compare; empty means the release build of this tree.
    pub(crate) binaries: Vec<PathBuf>,
    /// What is measured.
    pub(crate) measure: Measure,
    /// Whether a short run is enough.
    pub(crate) quick: bool,
    /// How the result is printed.
    pub(crate) format: Format,
    /// Whether `bench/README.md` keeps the result.
    pub(crate) write: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Speed and the failure path.
    Everything,
    /// Speed only.
    Speed,
    /// The failure path only.
    Failure,
    /// Where the time goes, instead of how much of it.
    Profile,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Tables.
    Markdown,
    /// Everything measured.
    Json,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 5,
            length: Duration::from_secs(5),
            connections: 32,
            workers: 1,
            contenders: CONTENDERS.map(str::to_owned).to_vec(),
            workloads: Workload::ALL.to_vec(),
            headers: Headers::Sdk,
            place: Place::One,
            binaries: Vec::new(),
            measure: Measure::Everything,
            quick: false,
            format: Format::Markdown,
            write: false,
        }
    }
}

impl Options {
    /// Reads the words after `bench gateway`.
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if options.switch(word) {
                continue;
            }
            let Some(value) = words.next() else {
                return Err(Error::usage(format!("unknown option, or no value for `{word}`")));
            };
            options.set(word, value)?;
        }
        Ok(options)
    }

    /// Whether keywright takes part.
    pub(crate) fn has_keywright(&self) -> bool {
        self.contenders.iter().any(|name| name == "keywright")
    }

    /// Applies an option without a value; false if `word` is not one.
    fn switch(&mut self, word: &str) -> bool {
        match word {
            "--quick" => {
                self.quick = true;
                self.rounds = 2;
                self.length = Duration::from_secs(1);
            }
            "--no-failure" => self.measure = Measure::Speed,
            "--only-failure" => self.measure = Measure::Failure,
            "--profile" => self.measure = Measure::Profile,
            "--json" => self.format = Format::Json,
            "--write" => self.write = true,
            _ => return false,
        }
        true
    }

    fn set(&mut self, word: &str, value: &str) -> Result<()> {
        match word {
            "--rounds" => self.rounds = number(word, value)?,
            "--seconds" => self.length = seconds(word, value)?,
            "--connections" => self.connections = number(word, value)?,
            "--workers" => self.workers = number(word, value)?,
            "--headers" => self.headers = Headers::parse(value)?,
            "--place" => self.place = Place::parse(value)?,
            "--keywright" => self.binaries.push(PathBuf::from(value)),
            "--only" => self.contenders = list(value, contender)?,
            "--workloads" => self.workloads = list(value, Workload::parse)?,
            _ => return Err(Error::usage(format!("unknown option `{word}`"))),
        }
        Ok(())
    }
}

fn list<T>(value: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    value.split(',').map(|part| parse(part.trim())).collect()
}

fn contender(name: &str) -> Result<String> {
    if CONTENDERS.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(Error::usage(format!("unknown contender `{name}`")))
}

/// A whole number from 1.
fn number<T: std::str::FromStr + PartialOrd + From<u8>>(word: &str, value: &str) -> Result<T> {
    match value.parse::<T>() {
        Ok(number) if number >= T::from(1) => Ok(number),
        _ => Err(Error::usage(format!("`{word}` wants a whole number from 1, not `{value}`"))),
    }
}

fn seconds(word: &str, value: &str) -> Result<Duration> {
    let bad = || Error::usage(format!("`{word}` wants seconds from 0.1 to 600, not `{value}`"));
    let seconds: f64 = value.parse().map_err(|_| bad())?;
    if (0.1..=600.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(bad()) }
}

/// Everyone who can take part, in the order of the tables.
const CONTENDERS: [&str; 4] = ["direct", "nginx", "floor", "keywright"];
