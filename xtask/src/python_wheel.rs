//! The wheel of the Python package: built once a run, installed beside the tests.

use crate::Failure;
use crate::environments::interpreter;
use crate::process::{ROOT, TARGET, must, program};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Builds the wheel as a release does, from the profile that everything else here was built with, and installs it into
/// a folder that any interpreter can be pointed at.
pub(crate) fn build() -> Result<(), Failure> {
    let (wheels, site) = (wheels(), site());
    for folder in [&wheels, &site] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    let manifest = ROOT.join("crates/keywright-python/Cargo.toml");
    let maturin = interpreter(TOOLS).with_file_name("maturin");
    must(
        program(maturin, &["build", "--profile", "dev", "--strip", "--locked", "--quiet", "--compatibility", "linux"])
            .args(["--manifest-path".into(), manifest.into_os_string(), "--out".into(), wheels.into_os_string()]),
    )?;
    let arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target"];
    must(program(interpreter(TOOLS), &arguments).args([site.into_os_string(), wheel()?.into_os_string()]))
}

/// Lets a test import the package, and tells it where the wheel and the tools are.
pub(crate) fn offer(command: &mut Command) {
    command.env("PYTHONPATH", site()).env("KEYWRIGHT_PYTHON_TOOLS", interpreter(TOOLS));
    if let Ok(wheel) = wheel() {
        command.env("KEYWRIGHT_WHEEL", wheel);
    }
}

/// The one wheel that was built.
fn wheel() -> Result<PathBuf, Failure> {
    let wheel = fs::read_dir(wheels())?.next().ok_or("no wheel was built")??;
    Ok(wheel.path())
}

fn wheels() -> PathBuf {
    TARGET.join("python-package/wheels")
}

fn site() -> PathBuf {
    TARGET.join("python-package/site")
}

/// The environment with what builds and checks the package.
pub(crate) const TOOLS: &str = "python-tools";
