//! `cargo xtask pages verify`: runs the programs of the error pages with the real SDKs, and records what they did.

use crate::Failure;
use crate::environments;
use crate::process::tee;
use crate::test;
use std::process::ExitCode;

/// What the programs of the pages are run with. The last one runs the runner too.
pub(crate) const ENVIRONMENTS: [&str; 5] = ["openai-1", "fireworks-1", "together-2", "together-3", "openai-3"];

/// Installs the SDKs, builds Keywright and runs the programs.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["verify", rest @ ..] = words.as_slice() else {
        return Err("usage: cargo xtask pages verify [--write] [PAGE…]".into());
    };
    environments::python(&ENVIRONMENTS)?;
    environments::node()?;
    test::build()?;
    let ended = tee(&mut test::pages(&[&["tests/pages/verify.py"], rest].concat()))?;
    Ok(if ended.success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
