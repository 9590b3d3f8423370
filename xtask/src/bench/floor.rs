//! The least that a hyper proxy can do: read the request, look at `model` and `stream`, swap the key, relay.
//!
//! One thread, one idle list of connections, no rule, no limit, no timer and no second attempt. What it costs is the
//! price of the HTTP library; what Keywright costs more is the price of its features.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::error::{Error, Result};
use super::payload;
use super::upstream::parent_gone;

/// Serves on loopback until stdin closes; `args` are `--port N --upstream ADDRESS`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let usage = || Error::usage("floor takes `--port N --upstream ADDRESS`");
    let [port_word, port, upstream_word, upstream] = args else {
        return Err(usage());
    };
    if port_word != "--port" || upstream_word != "--upstream" {
        return Err(usage());
    }
    let port = port.parse().map_err(|_| usage())?;
    let proxy = Proxy {
        upstream: upstream.parse().map_err(|_| usage())?,
        host: HeaderValue::try_from(upstream).map_err(|_| usage())?,
        key: HeaderValue::try_from(format!("Bearer {}", payload::upstream_key(0))).map_err(|_| usage())?,
        idle: RefCell::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("start the floor's runtime"))?;
    LocalSet::new().block_on(&runtime, serve(port, Rc::new(proxy)))
}

struct Proxy {
    upstream: SocketAddr,
    host: HeaderValue,
    key: HeaderValue,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
}

/// What a request must tell a proxy that chooses by it.
#[derive(Deserialize)]
struct Wanted<'a> {
    #[serde(borrow)]
    model: std::borrow::Cow<'a, str>,
    #[serde(default)]
    stream: bool,
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn serve(port: u16, proxy: Rc<Proxy>) -> Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(Error::io(format!("listen on port {port}")))?;
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let proxy = Rc::clone(&proxy);
            let service = service_fn(move |request| answer(Rc::clone(&proxy), request));
            let serve = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(async move {
                let _ = serve.await;
            });
        }
    };
    tokio::select! {
        () = accept => Ok(()),
        () = parent_gone() => Ok(()),
    }
}

async fn answer(proxy: Rc<Proxy>, request: Request<Incoming>) -> std::result::Result<Answer, Infallible> {
    Ok(relay(&proxy, request).await.unwrap_or_else(|error| {
        let mut response = Response::new(Full::from(error).map_err(|never| match never {}).boxed());
        *response.status_mut() = hyper::StatusCode::BAD_GATEWAY;
        response
    }))
}

async fn relay(proxy: &Rc<Proxy>, request: Request<Incoming>) -> std::result::Result<Answer, String> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let wanted: Wanted<'_> = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    // Somebody must look at it, or the optimiser would leave the reading out.
    std::hint::black_box((wanted.model.len(), wanted.stream));
    if let Some(path) = parts.uri.path().strip_prefix("/openai") {
        parts.uri = path.parse().map_err(|_| "a strange path".to_owned())?;
    }
    parts.headers.insert(AUTHORIZATION, proxy.key.clone());
    parts.headers.insert(HOST, proxy.host.clone());
    let mut sender = proxy.sender().await.map_err(|error| error.to_string())?;
    let answer = sender.send_request(Request::from_parts(parts, Full::from(body))).await;
    let answer = answer.map_err(|error| error.to_string())?;
    // It takes the next request once this answer has been read; hyper holds one back until then.
    proxy.idle.borrow_mut().push(sender);
    Ok(answer.map(http_body_util::BodyExt::boxed))
}

impl Proxy {
    async fn sender(&self) -> std::result::Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
        let ready = {
            let mut idle = self.idle.borrow_mut();
            idle.retain(|sender| !sender.is_closed());
            let place = idle.iter().position(SendRequest::is_ready);
            place.map(|place| idle.swap_remove(place))
        };
        if let Some(sender) = ready {
            return Ok(sender);
        }
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}
