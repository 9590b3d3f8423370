//! nginx as Debian ships it, set up to do the least of what keywright does: swap the key and relay.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use super::{Contender, Ground};
use crate::bench::error::Result;
use crate::bench::payload;
use crate::bench::process::{self, Program};

/// Starts nginx, under `wrapper` if there is one.
pub(super) async fn start(ground: Ground<'_>, wrapper: &[String]) -> Result<Contender> {
    let port = process::free_port()?;
    let config = ground.scratch.write("nginx.conf", &config(ground, port))?;
    let mut words = wrapper.iter().map(String::as_str).chain(["nginx"]);
    let mut command = Command::new(words.next().unwrap_or("nginx"));
    command.args(words).arg("-p").arg(ground.scratch.path("")).arg("-c").arg(config);
    command.args(["-e", "stderr"]);
    let mut program = Program::start("nginx", ground.scratch, ground.core, &command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    program.wait_for(address).await?;
    Ok(Contender {
        name: "nginx".to_owned(),
        address,
        path: "/openai/v1/chat/completions",
        bearer: "sk-the-client-sends-this-and-nginx-replaces-it".to_owned(),
        headers: ground.headers,
        program: Some(program),
    })
}

/// Buffers a request before it is sent on, as keywright does, and no answer; connections live for ever.
fn config(ground: Ground<'_>, port: u16) -> String {
    let (workers, upstream, key) = (ground.workers, ground.upstream, payload::upstream_key(0));
    format!(
        "daemon off;
user root;
worker_processes {workers};
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_body_buffer_size 256k;
    client_max_body_size 64m;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    upstream provider {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{port};
        location /openai/ {{
            proxy_pass http://provider/;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Authorization \"Bearer {key}\";
            proxy_buffering off;
        }}
    }}
}}
"
    )
}
