//! A provider that answers at once: one thread, hyper, no delay; answers by bearer key.
//!
//! `PUT /_bench/keys/{key}/revoked` (or `valid`), `GET /_bench/calls` and `POST /_bench/reset` steer it.

mod answer;
mod keys;
mod remote;
mod service;

use std::cell::RefCell;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::error::{Error, Result};
use super::payload::Headers;
use service::Upstream;

pub(crate) use keys::{Calls, KeyCalls};
pub(crate) use remote::Remote;

/// Serves on loopback until stdin closes; `args` are `--port N` (0 picks one) and `--headers sdk|plain`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (port, headers) = parse(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start the upstream's runtime"))?;
    LocalSet::new().block_on(&runtime, serve(port, headers))
}

fn parse(args: &[String]) -> Result<(u16, Headers)> {
    let mut port = 0;
    let mut headers = Headers::Sdk;
    for pair in args.chunks(2) {
        match pair {
            [word, value] if word == "--port" => {
                port = value.parse().map_err(|_| Error::usage("`--port` wants a port number"))?;
            }
            [word, value] if word == "--headers" => headers = Headers::parse(value)?,
            _ => {
                return Err(Error::usage("upstream takes `--port N` and `--headers sdk|plain`"));
            }
        }
    }
    Ok((port, headers))
}

async fn serve(port: u16, headers: Headers) -> Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(Error::io(format!("listen on port {port}")))?;
    let address = listener.local_addr().map_err(Error::io("read our own address"))?;
    println!("{address}");
    let upstream = Rc::new(RefCell::new(Upstream::new(headers)));
    tokio::select! {
        () = accept(&listener, &upstream) => Ok(()),
        () = parent_gone() => Ok(()),
    }
}

async fn accept(listener: &TcpListener, upstream: &Rc<RefCell<Upstream>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // Without this every answer after the first waits for a delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let upstream = Rc::clone(upstream);
        let serve = http1::Builder::new().serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| service::answer(Rc::clone(&upstream), request)),
        );
        // A broken connection is the other side's business: the generator counts errors.
        tokio::task::spawn_local(async move {
            let _ = serve.await;
        });
    }
}

/// Ends when the other end of stdin is gone, so that no upstream outlives its bench.
pub(crate) async fn parent_gone() {
    let (gone, wait) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        let _ = gone.send(());
    });
    let _ = wait.await;
}
