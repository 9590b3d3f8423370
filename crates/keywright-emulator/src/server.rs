//! Accepts connections, finds the provider and the key, and sends what the provider answers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::body::{HangUp, Script};
use crate::json::{self, Layout};
use crate::key_state::KeyState;
use crate::key_table::Counter;
use crate::reply::Reply;
use crate::request::{self, Call, Credential};
use crate::shared::Shared;
use crate::{Provider, control, faults, fireworks, openai, together};

/// Accepts until it is dropped; connections end with it.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared), stop.clone()));
                }
                // Out of file descriptors, or the peer left already: neither ends the server.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, stop: watch::Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&shared), stop.clone()));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // No timeouts of our own: under a test's paused clock they would fire as soon as all is idle.
    builder.http1().header_read_timeout(None);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(1000);
    // An error here is a client that broke off or a fault that was asked for.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    stop: watch::Receiver<()>,
) -> Result<Response<Script>, HangUp> {
    let path = request.uri().path();
    let first = path.get(1..).unwrap_or_default().split('/').next().unwrap_or_default();
    if first == "_control" {
        return Ok(faults::respond(control::answer(request, &shared).await, None));
    }
    match first.parse::<Provider>() {
        Ok(provider) => provide(request, shared, provider, stop).await,
        Err(_) => Ok(faults::respond(lost(), None)),
    }
}

/// Answers as one provider, and counts it.
async fn provide(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    provider: Provider,
    stop: watch::Receiver<()>,
) -> Result<Response<Script>, HangUp> {
    let (parts, body) = request.into_parts();
    let credential = request::credential(&parts, provider);
    let (counter, grant) = match &credential {
        Credential::Key(key) => shared.keys.lookup(provider, key),
        Credential::Missing | Credential::Empty => (Counter::Keyless(provider), None),
    };
    let mut ids = shared.ids.request();
    let ray = ids.hex(16);
    let mut call = Call {
        settings: shared.settings(),
        now_ms: shared.clock.now_ms(),
        provider,
        parts,
        body: Some(body),
        credential,
        grant,
        ids,
        ray,
        shared,
    };
    let state = call.state();
    if state.as_deref() == Some(&KeyState::CloseBeforeAnswer) {
        call.shared.keys.count(&counter, (0, "closed"));
        return Err(HangUp);
    }
    if openai::realtime::wanted(&call) {
        let (response, answer) = openai::realtime::open(&mut call, stop);
        call.shared.keys.count(&counter, (response.status().as_u16(), answer));
        return Ok(response);
    }
    let reply = match provider {
        Provider::OpenAi => Box::pin(openai::answer(&mut call)).await,
        Provider::Fireworks => Box::pin(fireworks::answer(&mut call)).await,
        Provider::Together => Box::pin(together::answer(&mut call)).await,
    };
    drain(&mut call).await;
    call.shared.keys.count(&counter, (reply.status.as_u16(), reply.answer));
    Ok(faults::respond(reply, state.as_deref()))
}

/// Reads what is left of the body, so that closing does not reset a client that still writes. A client
/// that waits for `100 Continue` has sent nothing yet, and is spared the upload.
async fn drain(call: &mut Call) {
    if call.parts.headers.contains_key(http::header::EXPECT) {
        return;
    }
    let Some(mut body) = call.body.take() else {
        return;
    };
    while let Some(Ok(_)) = http_body_util::BodyExt::frame(&mut body).await {}
}

fn lost() -> Reply {
    let prefixes: Vec<&str> = Provider::ALL.iter().map(|provider| provider.id()).collect();
    let body = serde_json::json!({"error": {
        "message": "no provider here: begin the path with /openai, /fireworks or /together",
        "at": "path", "expected": prefixes,
    }});
    let mut reply = Reply::json(json::bytes(&body, Layout::TwoLine));
    reply.status = StatusCode::NOT_FOUND;
    reply.answer = "lost";
    reply
}

/// Binds the address.
pub(crate) async fn bind(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
