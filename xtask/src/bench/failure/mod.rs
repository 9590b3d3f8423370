//! The failure path: what a dead key costs one request, and what a revocation costs everyone.

mod first_key;
mod under_load;

use std::path::Path;

use serde::Serialize;

use super::contender::Ground;
use super::error::Result;
use super::options::Options;
use super::upstream::Remote;

pub(crate) use first_key::FirstKey;
pub(crate) use under_load::UnderLoad;

/// What the failure path costs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    /// One request at a time.
    pub(crate) first_key: FirstKey,
    /// Full load.
    pub(crate) under_load: UnderLoad,
}

/// Measures both, each with a fresh keywright and an upstream that has forgotten everything.
pub(crate) async fn measure(
    options: &Options,
    ground: Ground<'_>,
    build: &Path,
    remote: &mut Remote,
) -> Result<Failure> {
    let revocations = if options.quick { QUICK_REVOCATIONS } else { REVOCATIONS };
    eprintln!("failure path: {} requests whose first key is dead", 3 * revocations);
    remote.reset().await?;
    let first_key = first_key::measure(ground, build, remote, 3 * revocations).await?;
    eprintln!("failure path: {revocations} revocations under load");
    remote.reset().await?;
    let under_load = under_load::measure(options, ground, build, remote, revocations).await?;
    Ok(Failure { first_key, under_load })
}

/// Keys revoked under load in a full run.
const REVOCATIONS: usize = 50;
/// The same in a quick one.
const QUICK_REVOCATIONS: usize = 10;
