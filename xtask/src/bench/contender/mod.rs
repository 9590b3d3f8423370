//! Who is compared: no proxy at all, nginx, a bare hyper proxy, and one or more builds of keywright.

mod direct;
mod floor;
mod keywright;
mod nginx;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::error::{Error, Result};
use super::load::{Call, Connection};
use super::options::Options;
use super::payload::{self, Headers, Workload};
use super::process::{Core, Program, Scratch};
use super::upstream::Remote;
use super::usage::Processes;

pub(crate) use keywright::Keys;

/// Something that answers chat requests.
#[derive(Debug)]
pub(crate) struct Contender {
    /// Its name in tables.
    pub(crate) name: String,
    address: SocketAddr,
    path: &'static str,
    bearer: String,
    headers: Headers,
    program: Option<Program>,
}

/// What every contender needs to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    /// Where files go.
    pub(crate) scratch: &'a Scratch,
    /// Where requests go.
    pub(crate) upstream: SocketAddr,
    /// Worker threads or processes.
    pub(crate) workers: u32,
    /// Which headers requests carry.
    pub(crate) headers: Headers,
    /// Where proxies run.
    pub(crate) core: Core,
}

impl Contender {
    /// Starts everyone the options ask for, in their order.
    pub(crate) async fn all(options: &Options, ground: Ground<'_>, builds: &[PathBuf]) -> Result<Vec<Self>> {
        let mut contenders = Vec::new();
        for name in &options.contenders {
            match name.as_str() {
                "direct" => contenders.push(direct::contender(ground)),
                "nginx" => contenders.push(nginx::start(ground, &[]).await?),
                "floor" => contenders.push(floor::start(ground, &[]).await?),
                _ => contenders.extend(Self::keywrights(ground, builds).await?),
            }
        }
        Ok(contenders)
    }

    /// Starts keywright with `keys` upstream keys.
    pub(crate) async fn keywright(ground: Ground<'_>, build: &std::path::Path, keys: Keys) -> Result<Self> {
        keywright::start(ground, "keywright", build, keys, &[]).await
    }

    /// Starts nginx, the floor or a keywright under another program, such as valgrind.
    pub(crate) async fn under(
        ground: Ground<'_>,
        name: &str,
        build: Option<&PathBuf>,
        wrapper: &[String],
    ) -> Result<Self> {
        match (build, name) {
            (Some(build), name) => keywright::start(ground, name, build, Keys::ring(), wrapper).await,
            (None, "floor") => floor::start(ground, wrapper).await,
            (None, _) => nginx::start(ground, wrapper).await,
        }
    }

    async fn keywrights(ground: Ground<'_>, builds: &[PathBuf]) -> Result<Vec<Self>> {
        let mut started = Vec::new();
        for (place, build) in builds.iter().enumerate() {
            let name = if place == 0 { "keywright".to_owned() } else { format!("keywright {}", place + 1) };
            started.push(keywright::start(ground, &name, build, Keys::ring(), &[]).await?);
        }
        Ok(started)
    }

    /// The request this contender gets for a workload.
    pub(crate) fn call(&self, workload: Workload) -> Call {
        Call {
            target: self.address,
            request: payload::request(workload, self.headers, self.path, &self.bearer),
            answer: Some(workload.answer()),
        }
    }

    /// Fails unless one request of each workload is answered byte by byte as the upstream does.
    pub(crate) async fn prove(&self, workloads: &[Workload]) -> Result<()> {
        for &workload in workloads {
            let outcome = Connection::new(self.address).exchange(&self.call(workload)).await;
            if let Err(fault) = outcome {
                return Err(self.wrong(workload, &fault.to_string()));
            }
        }
        Ok(())
    }

    /// An error about its answers.
    pub(crate) fn wrong(&self, workload: Workload, fault: &str) -> Error {
        let log = self.program.as_ref().map(|program| program.trouble(String::new()).to_string());
        Error::Answer {
            contender: self.name.clone(),
            workload: workload.title().to_owned(),
            fault: format!("{fault}\n{}", log.unwrap_or_default()),
        }
    }

    /// Its processes; `None` for direct.
    pub(crate) fn processes(&self) -> Option<Processes> {
        self.program.as_ref().map(|program| Processes::of_group(program.group()))
    }

    /// Ends it in good order, with time to write what it has to write.
    pub(crate) fn stop(mut self) {
        if let Some(program) = &mut self.program {
            program.stop(std::time::Duration::from_secs(20));
        }
    }
}

/// Starts the mock upstream in a process of its own.
pub(crate) async fn start_upstream(scratch: &Scratch, headers: Headers, core: Core) -> Result<(Program, Remote)> {
    let port = super::process::free_port()?;
    let own = std::env::current_exe().map_err(Error::io("find our own program"))?;
    let mut command = std::process::Command::new(own);
    command.args(["bench", "upstream", "--headers", headers.name(), "--port", &port.to_string()]);
    let mut program = Program::start("upstream", scratch, core, &command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    program.wait_for(address).await?;
    Ok((program, Remote::new(address)))
}
