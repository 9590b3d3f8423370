//! A bare hyper proxy: what the HTTP library costs before anybody adds a feature.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use super::{Contender, Ground};
use crate::bench::error::{Error, Result};
use crate::bench::process::{self, Program};

/// Starts it; it has one thread whatever `--workers` says.
pub(super) async fn start(ground: Ground<'_>, wrapper: &[String]) -> Result<Contender> {
    let port = process::free_port()?;
    let own = std::env::current_exe().map_err(Error::io("find our own program"))?;
    let own = own.display().to_string();
    let mut words = wrapper.iter().map(String::as_str).chain([own.as_str()]);
    let mut command = Command::new(words.next().unwrap_or(&own));
    command.args(words).args(["bench", "floor", "--port", &port.to_string()]);
    command.args(["--upstream", &ground.upstream.to_string()]);
    let mut program = Program::start("floor", ground.scratch, ground.core, &command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    program.wait_for(address).await?;
    Ok(Contender {
        name: "bare hyper".to_owned(),
        address,
        path: "/openai/v1/chat/completions",
        bearer: "sk-the-client-sends-this-and-the-proxy-replaces-it".to_owned(),
        headers: ground.headers,
        program: Some(program),
    })
}
