//! One question over HTTP, and its answer: for probes, vaults and other places that are asked now and then.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::http::{ConnectError, Connector, Origin};

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It holds bytes that no header can carry.
    #[error("it holds characters that no header can carry")]
    Unsendable,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Up to 256 KiB of it.
    pub(crate) body: Bytes,
}

/// The same as [`whole_exchange`], for those whom status and body tell enough.
pub(crate) async fn exchange(
    connector: &Connector,
    origin: &Origin,
    request: Request<Full<Bytes>>,
    limit: Duration,
) -> Result<(u16, Bytes), ExchangeError> {
    let reply = whole_exchange(connector, origin, request, limit).await?;
    Ok((reply.status, reply.body))
}

/// Sends one request on a connection of its own and reads the answer.
/// Redirects are not followed: what the request carries is for this place only. The URI must be absolute.
pub(crate) async fn whole_exchange(
    connector: &Connector,
    origin: &Origin,
    request: Request<Full<Bytes>>,
    limit: Duration,
) -> Result<Reply, ExchangeError> {
    tokio::time::timeout(limit, ask(connector, origin, request)).await.unwrap_or(Err(ExchangeError::TimedOut(limit)))
}

async fn ask(
    connector: &Connector,
    origin: &Origin,
    mut request: Request<Full<Bytes>>,
) -> Result<Reply, ExchangeError> {
    let stream = connector.connect(origin).await?;
    let http2 = stream.speaks_http2();
    let io = TokioIo::new(stream);
    if http2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        return converse(connection, sender.send_request(request)).await;
    }
    // HTTP/2 names the host in the URI, HTTP/1.1 in a header.
    let path = request.uri().path_and_query().cloned().ok_or(ExchangeError::Unsendable)?;
    *request.uri_mut() = path.into();
    let host = HeaderValue::try_from(origin.authority().as_str()).map_err(|_| ExchangeError::Unsendable)?;
    request.headers_mut().insert(http::header::HOST, host);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    converse(connection, sender.send_request(request)).await
}

/// Drives a connection for as long as one exchange takes.
async fn converse(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    response: impl Future<Output = Result<Response<Incoming>, hyper::Error>>,
) -> Result<Reply, ExchangeError> {
    let exchange = async {
        let (head, body) = response.await?.into_parts();
        // A body that is cut or too long still tells by its status.
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}

/// No answer that matters is longer.
const LONGEST_ANSWER: usize = 256 * 1024;
