//! `cargo xtask conformance`: the SDKs' own suites, directly and through the gateway.
//!
//! `tests/conformance/run.py` does the comparing; this file brings it what it needs.

use crate::Failure;
use crate::environments;
use crate::process::{must, program};
use crate::report::Report;
use crate::test;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A suite, from its published package.
struct Suite {
    name: &'static str,
    environment: &'static str,
    package: &'static str,
    version: &'static str,
}

const SUITES: [Suite; 1] =
    [Suite { name: "openai", environment: "conformance-openai", package: "openai", version: "2.54.0" }];

/// Runs the named suites, all of them when none is named, and compares.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let chosen: Vec<&Suite> = match words.as_slice() {
        [] => SUITES.iter().collect(),
        ["--list"] => return Ok(list()),
        ["--only", names @ ..] if !names.is_empty() => choose(names)?,
        _ => return Err("usage: cargo xtask conformance [--only NAME…] [--list]".into()),
    };
    let names: Vec<_> = chosen.iter().map(|suite| suite.environment).collect();
    let mut report = Report::default();
    let ready = report.step("environments", || environments::python(&names)) && report.step("build", test::build);
    for suite in chosen.into_iter().filter(|_| ready) {
        match suite.command() {
            Ok(mut command) => report.tests(suite.name, &mut command),
            Err(failure) => {
                report.step(suite.name, || Err(failure));
            }
        }
    }
    Ok(report.finish())
}

fn list() -> ExitCode {
    for suite in &SUITES {
        println!("{:<18} {} {}", suite.name, suite.package, suite.version);
    }
    ExitCode::SUCCESS
}

fn choose(names: &[&str]) -> Result<Vec<&'static Suite>, Failure> {
    let known = |name: &&&str| SUITES.iter().all(|suite| suite.name != **name);
    if let Some(unknown) = names.iter().find(known) {
        return Err(format!("no suite `{unknown}`; see `cargo xtask conformance --list`").into());
    }
    Ok(SUITES.iter().filter(|suite| names.contains(&suite.name)).collect())
}

impl Suite {
    /// The comparison, with the sources in place.
    fn command(&self) -> Result<Command, Failure> {
        let sources = self.sources()?;
        let mut command = test::python(self.environment, &["tests/conformance/run.py", self.name]);
        command.arg(sources);
        Ok(command)
    }

    /// The unpacked source distribution: wheels carry no tests.
    fn sources(&self) -> Result<PathBuf, Failure> {
        let Self { package, version, .. } = self;
        let folder = environments::home().join("sources");
        let unpacked = folder.join(format!("{package}-{version}"));
        if unpacked.exists() {
            return Ok(unpacked);
        }
        fs::create_dir_all(&folder)?;
        let wanted = format!("{package}=={version}");
        // The build back end is in the environment already; a second, isolated one would take a minute.
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"];
        let mut pip = program(environments::interpreter(self.environment), &download);
        must(pip.args(["--no-build-isolation", &wanted]).current_dir(&folder))?;
        must(program("tar", &["xzf", &format!("{package}-{version}.tar.gz")]).current_dir(&folder))?;
        Ok(unpacked)
    }
}
