//! keywright with everything on: a virtual key, a ring of keys, replay buffer, peek and metrics.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use keywright_core::token;

use super::{Contender, Ground};
use crate::bench::error::Result;
use crate::bench::payload;
use crate::bench::process::{self, Program};

/// How many upstream keys a keywright holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys(pub(crate) usize);

impl Keys {
    /// The ring of the speed tables.
    pub(crate) fn ring() -> Self {
        Self(3)
    }
}

/// Starts one build of keywright, under `wrapper` if there is one.
pub(super) async fn start(
    ground: Ground<'_>,
    name: &str,
    build: &Path,
    keys: Keys,
    wrapper: &[String],
) -> Result<Contender> {
    let port = process::free_port()?;
    let file = name.replace(' ', "-");
    let config = ground.scratch.write(&format!("{file}.toml"), &config(ground, port, keys))?;
    let mut command = match wrapper.split_first() {
        None => Command::new(build),
        Some((program, rest)) => {
            let mut command = Command::new(program);
            command.args(rest).arg(build);
            command
        }
    };
    command.args(["serve", "--config"]).arg(config);
    // State, if it keeps any, goes to the scratch folder.
    command.env("HOME", ground.scratch.path(""));
    for n in 0..keys.0 {
        command.env(variable(n), payload::upstream_key(n));
    }
    let mut program = Program::start(&file, ground.scratch, ground.core, &command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    program.wait_for(address).await?;
    Ok(Contender {
        name: name.to_owned(),
        address,
        path: "/openai/v1/chat/completions",
        bearer: virtual_key(),
        headers: ground.headers,
        program: Some(program),
    })
}

fn config(ground: Ground<'_>, port: u16, keys: Keys) -> String {
    let references: Vec<String> = (0..keys.0).map(|n| format!("\"env://{}\"", variable(n))).collect();
    format!(
        "[gateway]
listen = \"127.0.0.1:{port}\"
workers = {workers}

[[provider]]
id = \"openai\"
base_url = \"http://{upstream}\"
keys = [{references}]

[[virtual_key]]
name = \"bench\"
sha256 = \"{sha256}\"
",
        workers = ground.workers,
        upstream = ground.upstream,
        references = references.join(", "),
        sha256 = token::digest_hex(&virtual_key()),
    )
}

fn variable(n: usize) -> String {
    format!("BENCH_KEY_{n:03}")
}

/// What clients send.
fn virtual_key() -> String {
    token::issue(&[7; 25]).expose().to_owned()
}
