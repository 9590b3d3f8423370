//! `cargo xtask bench start`: how much later a program starts under `keywright run` than under `env`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::error::{Error, Result};
use super::process::Scratch;
use super::statistics::Spread;
use super::{noise, optimise, report};

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    rounds: u32,
    binary: Option<PathBuf>,
    write: bool,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self { rounds: 40, binary: None, write: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Error::usage(format!("`{word}` needs a value")));
            match word.as_str() {
                "--rounds" => {
                    let text = value()?;
                    let rounds: u32 = text.parse().map_err(|_| Error::usage(format!("`{text}` is no number")))?;
                    options.rounds = rounds.max(1);
                }
                "--keywright" => options.binary = Some(PathBuf::from(value()?)),
                "--write" => options.write = true,
                _ => return Err(Error::usage(format!("unknown option `{word}`"))),
            }
        }
        Ok(options)
    }
}

/// One way to start a program.
struct Way {
    name: &'static str,
    before: &'static [&'static str],
}

/// The first is what the others are compared with.
const WAYS: [Way; 5] = [
    Way { name: "env", before: &[] },
    Way { name: "keywright run", before: &["run", "--config", "keywright.toml"] },
    Way { name: "keywright run --no-history", before: &["run", "--no-history", "--config", "keywright.toml"] },
    Way { name: "keywright run, no configuration", before: &["run"] },
    Way { name: "keywright run --direct", before: &["run", "--direct", "--no-history", "--config", "keywright.toml"] },
];

/// Runs the bench and prints its table.
pub(super) fn run(words: &[String]) -> Result<()> {
    let options = Options::parse(words)?;
    let keywright = options.binary.clone().map_or_else(optimise::keywright, Ok)?;
    let scratch = Scratch::new()?;
    lay_out(&scratch)?;
    let home = scratch.path("");
    let mut starts: Vec<Vec<f64>> = WAYS.iter().map(|_| Vec::new()).collect();
    let mut versions = Vec::new();
    for _ in 0..options.rounds {
        for (way, starts) in WAYS.iter().zip(&mut starts) {
            starts.push(until_the_child_runs(way, &keywright, &home)?);
        }
        versions.push(to_the_end(&keywright, &home)?);
    }
    let machine = format!("{}, {}, keywright {}", report::today(), noise::machine(), report::commit());
    let mut lines = vec![
        format!("{machine}; {} rounds.", options.rounds),
        String::new(),
        "| way | ms until the child runs, median (least–most) | beside env |".to_owned(),
        "|---|--:|--:|".to_owned(),
    ];
    lines.extend(WAYS.iter().zip(&starts).map(|(way, times)| row(way, times, &starts[0])));
    lines.push(String::new());
    lines.push(format!("`keywright --version`, from start to exit: {} ms.", Spread::cell(versions, 1)));
    let text = lines.join("\n");
    super::say(&text)?;
    if options.write { report::keep("start", &text) } else { Ok(()) }
}

fn row(way: &Way, times: &[f64], env: &[f64]) -> String {
    let beside = times.iter().zip(env).map(|(time, env)| time / env.max(0.01));
    format!("| {} | {} | {} |", way.name, Spread::cell(times.iter().copied(), 1), Spread::cell(beside, 1))
}

/// Three local places with a key each: the environment, a `.env` file, a file of its own.
fn lay_out(scratch: &Scratch) -> Result<()> {
    scratch.write("keywright.toml", CONFIGURATION)?;
    for (name, text) in [(".env", format!("FIREWORKS_API_KEY={FIREWORKS}\n")), ("together.key", TOGETHER.to_owned())] {
        let path = scratch.write(name, &text)?;
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, owner_only).map_err(Error::io("keep the key to its owner"))?;
    }
    Ok(())
}

/// Milliseconds from before `env` or `keywright` is started until its child tells the time.
///
/// The child is `date` for all, so that its own start counts for all.
fn until_the_child_runs(way: &Way, keywright: &Path, home: &Path) -> Result<f64> {
    let mut command = match way.before {
        [] => clean("env", home),
        before => {
            let mut command = clean(keywright, home);
            command.args(before).arg("--");
            command
        }
    };
    command.args(["date", "+%s%N"]).stderr(Stdio::null());
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let output = command.output().map_err(Error::io(format!("start {}", way.name)))?;
    let told: Option<u128> = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    let told = told.ok_or_else(|| Error::program(way.name, format!("its child told no time; {}", output.status)))?;
    Ok(told.saturating_sub(started.as_nanos()) as f64 / 1e6)
}

/// Milliseconds that `keywright --version` takes.
fn to_the_end(keywright: &Path, home: &Path) -> Result<f64> {
    let started = Instant::now();
    clean(keywright, home).arg("--version").output().map_err(Error::io("start keywright"))?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

/// A command that sees nothing of whoever measures: no keyring, no settings, no other keys.
fn clean(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.env("HOME", home).env("OPENAI_API_KEY", OPENAI).current_dir(home).stdin(Stdio::null());
    command
}

const CONFIGURATION: &str = r#"
[[provider]]
id = "openai"
keys = ["env://OPENAI_API_KEY"]
[[provider]]
id = "fireworks"
keys = ["dotenv://.env#FIREWORKS_API_KEY"]
[[provider]]
id = "together"
keys = ["file://together.key"]
"#;
/// Keys that nobody has, of the right shape.
const OPENAI: &str = "sk-proj-aaaaaaaaaaaaaaaaaaaaT3BlbkFJbbbbbbbbbbbbbbbbbbbb";
const FIREWORKS: &str = "fw_3ZQm7vT2xZ9aLk4RtY8bNc";
const TOGETHER: &str = "tgp_v1_Qm7vT2xZ9aLk4RtY8bNc3WdE5fGh6JpUQm7vT2xZ9aL";
