//! One app's connection: plain HTTP, as an SDK speaks it, and a strict reading of every answer.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use keywright_core::Secret;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::stage::App;

/// A connection that is kept alive from request to request.
pub(super) struct Client {
    address: SocketAddr,
    token: Secret,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// How an answer is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object.
    Json,
    /// Server-sent events.
    Events,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) attempts: u32,
    pub(super) body: Bytes,
}

/// Why a request counts as lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// HTTP failed.
    #[error("the answer broke off: {0}")]
    Http(#[from] hyper::Error),
    /// The request could not be made.
    #[error("the request could not be made: {0}")]
    Request(#[from] http::Error),
    /// The status says so.
    #[error("status {0}")]
    Status(u16),
    /// The body is not what was asked for.
    #[error("{0}")]
    Body(&'static str),
}

impl Client {
    pub(super) const fn new(address: SocketAddr, token: Secret) -> Self {
        Self { address, token, sender: None }
    }

    /// Sends one chat completion and reads its answer whole.
    pub(super) async fn chat(&mut self, app: App, form: Form) -> Result<Reply, Lost> {
        let response = self.send(app, form).await?;
        let status = response.status().as_u16();
        let attempts = response.headers().get("x-keywright-attempts");
        let attempts = attempts.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Reply { status, attempts, body })
    }

    /// The same, and anything but a whole good answer is a lost request.
    pub(super) async fn served(&mut self, app: App, form: Form) -> Result<Reply, Lost> {
        let reply = self.chat(app, form).await?;
        match (reply.status, form) {
            (200, Form::Json) if reply.text().is_none() => Err(Lost::Body("the answer holds no completion")),
            (200, Form::Events) if !reply.body.ends_with(b"data: [DONE]\n\n") => {
                Err(Lost::Body("the stream has no end"))
            }
            (200, _) => Ok(reply),
            (status, _) => Err(Lost::Status(status)),
        }
    }

    async fn send(&mut self, app: App, form: Form) -> Result<Response<Incoming>, Lost> {
        let request = self.request(app, form)?;
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => connect(self.address).await?,
        };
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        self.sender = Some(sender);
        Ok(response)
    }

    fn request(&self, app: App, form: Form) -> Result<Request<Full<Bytes>>, http::Error> {
        let body = json!({
            "model": app.model,
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": form == Form::Events,
        });
        Request::post(app.path)
            .header(http::header::HOST, self.address.to_string())
            .header(http::header::AUTHORIZATION, format!("Bearer {}", self.token.expose()))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
    }
}

impl Reply {
    /// The completion's text.
    pub(super) fn text(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.pointer("/choices/0/message/content")?.as_str()?.to_owned())
    }

    /// An error's sentence.
    pub(super) fn error(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.pointer("/error/message")?.as_str()?.to_owned())
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Lost> {
    let stream = TcpStream::connect(address).await?;
    // Requests are small and answers wait for them; a failure here costs only time.
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // What matters of its end is seen by the request that it breaks.
        let _ = connection.await;
    });
    Ok(sender)
}
