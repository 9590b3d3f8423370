//! `cargo xtask test`: installs what the tests need, runs all of them and counts them.

use crate::Failure;
use crate::docs;
use crate::environments;
use crate::pages as error_pages;
use crate::process::{TARGET, cargo, program, tee};
use crate::python_wheel;
use crate::report::Report;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A stage of the test run. The order of the list is the order of the run.
struct Stage {
    name: &'static str,
    about: &'static str,
    runs: Runs,
}

/// What a stage starts.
enum Runs {
    Cargo,
    PythonPackage { environment: &'static str, folder: &'static str },
    Pytest { environment: &'static str, folder: &'static str },
    Node,
    Pages,
    Book,
}

const STAGES: [Stage; 18] = [
    stage("rust", "unit, integration and documentation tests of every crate", Runs::Cargo),
    package("python-package", "the wheel, and the Python package in it", "openai-3", "tests/python"),
    package("python-openai-1", "keywright's clients on openai 1.109.1 (Python)", "openai-1", "tests/python_sdk"),
    package("python-openai-2", "keywright's clients on openai 2.54.0, and in IPython", "openai-2", "tests/python_sdk"),
    package("python-openai-3", "keywright's clients on openai 3.52.0 (Python)", "openai-3", "tests/python_sdk"),
    pytest("wire", "every form of credential header, byte by byte", "openai-3", "tests/wire"),
    pytest("sdk-openai-1", "openai 1.109.1 (Python)", "openai-1", "tests/sdk"),
    pytest("sdk-openai-3", "openai 3.52.0 (Python)", "openai-3", "tests/sdk"),
    pytest("sdk-together-2", "together 2.42.0 (Python)", "together-2", "tests/sdk"),
    pytest("sdk-together-3", "together 3.1.1 (Python)", "together-3", "tests/sdk"),
    pytest("sdk-fireworks-1", "fireworks-ai 1.2.30 (Python)", "fireworks-1", "tests/sdk"),
    stage("sdk-node", "openai and together-ai (npm), newest", Runs::Node),
    pytest("sources", "every source of keys on real parts: found, missed, rotated", "sources", "tests/sources"),
    stage("pages", "every program of the error pages, with the real SDKs", Runs::Pages),
    pytest("pages-site", "the exported pages in a browser", "browser", "tests/pages/test_site.py"),
    stage("docs", "the book: it builds, its links lead somewhere, its snippets run", Runs::Book),
    pytest("terminal", "a person at a pseudo-terminal is asked for a key", "openai-3", "tests/terminal"),
    pytest("canary", "a marked key through every command shows nowhere", "openai-3", "tests/canary"),
];

const fn stage(name: &'static str, about: &'static str, runs: Runs) -> Stage {
    Stage { name, about, runs }
}

const fn pytest(name: &'static str, about: &'static str, environment: &'static str, folder: &'static str) -> Stage {
    stage(name, about, Runs::Pytest { environment, folder })
}

const fn package(name: &'static str, about: &'static str, environment: &'static str, folder: &'static str) -> Stage {
    stage(name, about, Runs::PythonPackage { environment, folder })
}

/// Runs the chosen stages, all of them when none is named.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let chosen: Vec<&Stage> = match words.as_slice() {
        [] => STAGES.iter().collect(),
        ["--list"] => return Ok(list()),
        ["--only", names @ ..] if !names.is_empty() => choose(names)?,
        _ => return Err("usage: cargo xtask test [--only NAME…] [--list]".into()),
    };
    let mut report = Report::default();
    let is_package = |stage: &&Stage| matches!(stage.runs, Runs::PythonPackage { .. } | Runs::Book);
    let ready = report.step("environments", || install(&chosen))
        && report.step("build", build)
        && (!chosen.iter().any(is_package) || report.step("python-wheel", python_wheel::build));
    if ready {
        for stage in chosen {
            match stage.command() {
                Ok(mut command) => report.tests(stage.name, &mut command),
                Err(failure) => drop(report.step(stage.name, || Err(failure))),
            }
        }
    }
    Ok(report.finish())
}

fn list() -> ExitCode {
    for stage in &STAGES {
        println!("{:<18} {}", stage.name, stage.about);
    }
    ExitCode::SUCCESS
}

/// The stages that a name means: its own, or all whose names begin with it.
fn choose(names: &[&str]) -> Result<Vec<&'static Stage>, Failure> {
    let means = |stage: &Stage, name: &str| {
        stage.name == name || stage.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    };
    if let Some(unknown) = names.iter().find(|name| !STAGES.iter().any(|stage| means(stage, name))) {
        return Err(format!("no stage `{unknown}`; see `cargo xtask test --list`").into());
    }
    Ok(STAGES.iter().filter(|stage| names.iter().any(|name| means(stage, name))).collect())
}

fn install(stages: &[&Stage]) -> Result<(), Failure> {
    let mut pythons: Vec<_> = stages.iter().flat_map(|stage| stage.environments()).collect();
    pythons.sort_unstable();
    pythons.dedup();
    environments::python(&pythons)?;
    if stages.iter().any(|stage| matches!(stage.name, "sources" | "docs")) {
        environments::key_places()?;
    }
    if stages.iter().any(|stage| matches!(stage.runs, Runs::Book)) {
        environments::mdbook()?;
    }
    if stages.iter().any(|stage| stage.name == "pages-site") {
        environments::browser()?;
    }
    if stages.iter().any(|stage| matches!(stage.runs, Runs::Node | Runs::Pages)) {
        environments::node()?;
    }
    Ok(())
}

/// Builds libraries, programs and tests in one go: two commands would build some dependencies twice.
pub(crate) fn build() -> Result<(), Failure> {
    let ended = tee(&mut cargo(&["build", "--workspace", "--all-targets", "--locked"]))?;
    if ended.success { Ok(()) } else { Err("the workspace does not build".into()) }
}

impl Stage {
    /// The Python environments that have to be there.
    fn environments(&self) -> Vec<&'static str> {
        match self.runs {
            Runs::Pytest { environment, .. } => vec![environment],
            Runs::PythonPackage { environment, .. } => vec![environment, python_wheel::TOOLS],
            Runs::Pages => error_pages::ENVIRONMENTS.to_vec(),
            Runs::Book => BOOK_ENVIRONMENTS.to_vec(),
            Runs::Cargo | Runs::Node => Vec::new(),
        }
    }

    fn command(&self) -> Result<Command, Failure> {
        Ok(match self.runs {
            Runs::Cargo => cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]),
            Runs::PythonPackage { environment, folder } => {
                let mut command = pytest_on(environment, folder);
                python_wheel::offer(&mut command);
                command
            }
            Runs::Pytest { environment, folder } => pytest_on(environment, folder),
            Runs::Node => node_tests(),
            Runs::Book => return book(),
            Runs::Pages => pages(&[&PYTEST[..], &["tests/pages/test_snippets.py"]].concat()),
        })
    }
}

fn pytest_on(environment: &str, folder: &str) -> Command {
    python(environment, &[&PYTEST[..], &[folder]].concat())
}

const PYTEST: [&str; 6] = ["-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"];

/// The runner of the pages' programs; it starts the interpreters of all environments.
pub(crate) fn pages(arguments: &[&str]) -> Command {
    let mut command = python(PAGES_ENVIRONMENT, arguments);
    command.env("KEYWRIGHT_TEST_ENV", environments::home()).env("KEYWRIGHT_NODE_PACKAGES", environments::node_home());
    command
}

/// Builds the book; its tests find the programs that its snippets call in the environments.
fn book() -> Result<Command, Failure> {
    docs::build()?;
    let mut command = pytest_on(PAGES_ENVIRONMENT, "tests/docs");
    python_wheel::offer(&mut command);
    command.env("KEYWRIGHT_TEST_ENV", environments::home()).env("KEYWRIGHT_BOOK", docs::book());
    Ok(command)
}

/// The interpreter of an environment, told where the program under test is.
pub(crate) fn python(environment: &str, arguments: &[&str]) -> Command {
    let mut command = program(environments::interpreter(environment), arguments);
    command.env("KEYWRIGHT", keywright()).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The program under test.
fn keywright() -> PathBuf {
    TARGET.join("debug/keywright")
}

fn node_tests() -> Command {
    let mut command =
        program(environments::node_program(), &["--test", "--test-reporter=tap", "tests/sdk/node/scenarios.test.mjs"]);
    command.env("KEYWRIGHT", keywright()).env("KEYWRIGHT_NODE_PACKAGES", environments::node_home());
    command
}

/// What the snippets of the book run with: the newest OpenAI SDK, the Python package, the programs and servers of the sources.
const BOOK_ENVIRONMENTS: [&str; 3] = [PAGES_ENVIRONMENT, python_wheel::TOOLS, "sources"];

/// What runs the pages' programs needs nothing of its own; any environment with pytest serves.
const PAGES_ENVIRONMENT: &str = "openai-3";
