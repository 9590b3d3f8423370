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
    let (rings, revocations) = if options.quick { (3, 10) } else { (15, 50) };
    eprintln!("failure path: requests whose first key is dead, in {rings} rings");
    let first_key = first_key::measure(ground, build, remote, rings).await?;
    eprintln!("failure path: {revocations} revocations under load");
    remote.reset().await?;
    let under_load = under_load::measure(options, ground, build, remote, revocations).await?;
    Ok(Failure { first_key, under_load })
}
