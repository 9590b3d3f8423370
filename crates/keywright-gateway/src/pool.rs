//! Connections to one provider, for one worker, and the sending of one request.

mod carrier;
mod idle;

use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use keywright::http::{ConnectError, Stream};

use crate::body::Outgoing;
use crate::headers;
use crate::live::Upstream;
use carrier::{Carrier, Seat};
use idle::{Dialing, Next};

pub(crate) use idle::Pool;

/// A connection in use. Dropped before the answer's end, it is closed, or its stream is reset; that is
/// how an upstream call is cancelled.
pub(crate) struct Lease {
    connection: Leased,
    upstream: Arc<Upstream>,
    worker: usize,
}

enum Leased {
    Http1(http1::SendRequest<Outgoing>),
    /// One of many on a connection; it frees its place when dropped.
    Http2(#[expect(dead_code, reason = "held for its drop")] Seat),
}

/// Why a request got no answer, and how far it came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// It never left.
    #[error(transparent)]
    NotSent(#[from] Arc<ConnectError>),
    /// It left, and the provider says that it did not look at it: it may be sent again.
    #[error("the provider closed the connection before it took the request")]
    NotTaken(#[source] hyper::Error),
    /// It left, and the connection ended without an answer: it may have run.
    #[error("the connection ended without an answer")]
    MayHaveRun(#[source] hyper::Error),
    /// It left, and no answer began in time: it may be running.
    #[error("no answer began within {0:?}")]
    TimedOut(Duration),
}

impl From<ConnectError> for SendError {
    fn from(error: ConnectError) -> Self {
        Self::NotSent(Arc::new(error))
    }
}

impl Lease {
    /// The answer is complete: the connection may serve the next request.
    pub(crate) fn give_back(self) {
        match self.connection {
            Leased::Http1(sender) => self.upstream.pools[self.worker].put_back(sender),
            Leased::Http2(_) => {}
        }
    }
}

type Answered = (Response<Incoming>, Lease);

/// A request that got no answer on one connection.
enum Unsent {
    /// It did not leave: another connection may take it.
    Untouched(Box<Request<Outgoing>>),
    Failed(SendError),
}

/// Sends one request and waits for the head of its answer.
pub(crate) async fn send(
    upstream: &Arc<Upstream>,
    worker: usize,
    mut request: Request<Outgoing>,
    first_byte: Duration,
) -> Result<Answered, SendError> {
    let send = Sending { upstream, worker, first_byte };
    if headers::is_upgrade(request.headers()) {
        return send.upgrade(request).await;
    }
    let pool = &upstream.pools[worker];
    loop {
        let sent = match pool.next(upstream.connector.may_speak_http2(&upstream.origin)) {
            Next::Http1(sender) => send.http1(sender, request).await,
            Next::Http2(seat) => send.http2(seat, request).await,
            Next::Wait(dialled) => {
                idle::outcome(dialled).await?;
                continue;
            }
            Next::Dial(dialing) => return send.anew(dialing, request).await,
        };
        match sent {
            // The connection closed before the request left: the next one, or a new one.
            Err(Unsent::Untouched(back)) => request = *back,
            Err(Unsent::Failed(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
    }
}

/// What stays the same while one request looks for its connection.
#[derive(Clone, Copy)]
struct Sending<'a> {
    upstream: &'a Arc<Upstream>,
    worker: usize,
    first_byte: Duration,
}

impl Sending<'_> {
    /// Sends on a new connection.
    async fn anew(self, dialing: Dialing<'_>, request: Request<Outgoing>) -> Result<Answered, SendError> {
        let sent = match self.dial(dialing).await? {
            Dialled::Http1(sender) => self.http1(sender, request).await,
            Dialled::Http2(seat) => self.http2(seat, request).await,
        };
        self.settled(sent)
    }

    /// Sends a request that asks for another protocol: only a connection of its own can become one.
    async fn upgrade(self, request: Request<Outgoing>) -> Result<Answered, SendError> {
        let stream = self.upstream.connector.connect_http1(&self.upstream.origin).await?;
        let sender = self.speak_http1(stream).await?;
        let sent = self.http1(sender, request).await;
        self.settled(sent)
    }

    /// A new connection that closes at once is one that could not be made.
    fn settled(self, sent: Result<Answered, Unsent>) -> Result<Answered, SendError> {
        sent.map_err(|unsent| match unsent {
            Unsent::Failed(error) => error,
            Unsent::Untouched(_) => self.refused(std::io::ErrorKind::ConnectionReset.into()).into(),
        })
    }

    /// Opens a connection and shares it, if it can be shared.
    async fn dial(self, dialing: Dialing<'_>) -> Result<Dialled, SendError> {
        let dialled = async {
            let stream = self.upstream.connector.connect(&self.upstream.origin).await?;
            if stream.speaks_http2() {
                let begun = Carrier::begin(stream, dialing.agreed()).await;
                let (carrier, seat) = begun.map_err(|source| self.not_http(source))?;
                dialing.carries_many(carrier);
                return Ok(Dialled::Http2(seat));
            }
            dialing.carries_one();
            Ok(Dialled::Http1(self.speak_http1(stream).await?))
        };
        match dialled.await {
            Ok(dialled) => Ok(dialled),
            Err(error) => Err(SendError::NotSent(dialing.failed(error))),
        }
    }

    async fn speak_http1(self, stream: Stream) -> Result<http1::SendRequest<Outgoing>, ConnectError> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|source| self.not_http(source))?;
        carrier::detach(connection.with_upgrades());
        Ok(sender)
    }

    async fn http1(
        self,
        mut sender: http1::SendRequest<Outgoing>,
        request: Request<Outgoing>,
    ) -> Result<Answered, Unsent> {
        match tokio::time::timeout(self.first_byte, sender.try_send_request(request)).await {
            Ok(Ok(response)) => Ok((response, self.lease(Leased::Http1(sender)))),
            Ok(Err(mut error)) => Err(match error.take_message() {
                Some(request) => Unsent::Untouched(Box::new(request)),
                None => Unsent::Failed(SendError::MayHaveRun(error.into_error())),
            }),
            Err(_) => Err(Unsent::Failed(SendError::TimedOut(self.first_byte))),
        }
    }

    async fn http2(self, mut seat: Seat, mut request: Request<Outgoing>) -> Result<Answered, Unsent> {
        self.absolute(&mut request);
        let sent = seat.send(request);
        match tokio::time::timeout(self.first_byte, sent).await {
            Ok(Ok(response)) => Ok((response, self.lease(Leased::Http2(seat)))),
            Ok(Err(mut error)) => Err(match error.take_message() {
                Some(mut request) => {
                    self.relative(&mut request);
                    Unsent::Untouched(Box::new(request))
                }
                None => Unsent::Failed(seat.failed(error.into_error())),
            }),
            Err(_) => Err(Unsent::Failed(SendError::TimedOut(self.first_byte))),
        }
    }

    fn lease(self, connection: Leased) -> Lease {
        Lease { connection, upstream: Arc::clone(self.upstream), worker: self.worker }
    }

    /// HTTP/2 names scheme and authority in the URI and has no `Host`.
    fn absolute(self, request: &mut Request<Outgoing>) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.upstream.origin.scheme());
        parts.authority = Some(self.upstream.origin.authority().clone());
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        request.headers_mut().remove(HOST);
    }

    /// The reverse: what comes back from one connection may go out on one of the other kind.
    fn relative(self, request: &mut Request<Outgoing>) {
        if let Some(path) = std::mem::take(request.uri_mut()).into_parts().path_and_query {
            *request.uri_mut() = path.into();
        }
        request.headers_mut().insert(HOST, self.upstream.host_header.clone());
    }

    fn not_http(self, source: hyper::Error) -> ConnectError {
        ConnectError::Http { host: self.upstream.origin.authority().to_string(), source }
    }

    fn refused(self, source: std::io::Error) -> ConnectError {
        let authority = self.upstream.origin.authority();
        ConnectError::Refused {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or_default(),
            source,
        }
    }
}

/// A connection that was just made.
enum Dialled {
    Http1(http1::SendRequest<Outgoing>),
    Http2(Seat),
}
