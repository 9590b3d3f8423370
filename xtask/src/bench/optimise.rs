//! Makes sure that what is timed, and what does the timing, is optimised.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::error::{Error, Result};
use super::process;

/// Continues in an optimised build of this program, unless this is one.
///
/// Generator and upstream share two cores with the contenders, so their own cost must be small. A release build
/// of xtask alone leaves everyone else's dev profile as it is, and optimises tokio and hyper as well.
pub(crate) fn ensure(args: &[String]) -> Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let program = build("xtask", "xtask")?;
    let failed = Command::new(&program).arg("bench").args(args).exec();
    Err(Error::io(format!("run {}", program.display()))(failed))
}

/// Builds the `keywright` binary as a user gets it.
///
/// Alone, so that no feature another package asks of a shared dependency changes it.
pub(crate) fn keywright() -> Result<PathBuf> {
    build("keywright-cli", "keywright")
}

fn build(package: &str, binary: &str) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", package])
        .current_dir(process::repository())
        .status()
        .map_err(Error::io("run cargo"))?;
    if !status.success() {
        return Err(Error::program("cargo", format!("did not build {package}: {status}")));
    }
    Ok(process::target_folder()?.join("release").join(binary))
}
