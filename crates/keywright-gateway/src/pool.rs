//! Connections to one provider, for one worker, and the sending of one request.

mod carrier;
mod idle;
mod line;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use keywright::http::{ConnectError, Stream};

use crate::body::Outgoing;
use crate::headers;
use crate::live::Upstream;
use carrier::{Carrier, Seat};
use idle::{Dialing, Next};
use line::{Line, Unanswered};

pub(crate) use idle::Pool;

/// The body of an answer, and the connection that it arrives on. Dropped before its end, the connection
/// is closed, or its stream is reset; that is how an upstream call is cancelled.
pub(crate) struct Source {
    incoming: Incoming,
    connection: Leased,
    upstream: Arc<Upstream>,
    worker: usize,
}

enum Leased {
    Http1(Line),
    /// One of many on a connection; it frees its place when dropped.
    Http2(#[expect(dead_code, reason = "held for its drop")] Seat),
    /// The answer is complete: the connection serves somebody else.
    GivenBack,
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

impl Source {
    /// The next piece of the body. At its end the connection is given back to the pool.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if polled.is_pending()
            && let Leased::Http1(line) = &mut self.connection
        {
            line.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match &polled {
            Poll::Ready(None) => self.give_back(cx),
            Poll::Ready(Some(Ok(_))) if self.incoming.is_end_stream() => self.give_back(cx),
            Poll::Ready(Some(Err(_))) => self.connection = Leased::GivenBack,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    /// Whether the body has ended.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// How much of the body is still to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// Lets the connection go on by itself, as another protocol.
    pub(crate) fn detach(&mut self) {
        if let Leased::Http1(line) = std::mem::replace(&mut self.connection, Leased::GivenBack) {
            line.detach();
        }
    }

    fn give_back(&mut self, cx: &mut Context<'_>) {
        if let Leased::Http1(mut line) = std::mem::replace(&mut self.connection, Leased::GivenBack) {
            // The end of the body is read; one more step makes the connection ready for a request.
            line.drive(cx);
            self.upstream.pools[self.worker].put_back(line);
        }
    }
}

type Answered = (http::response::Parts, Source);

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
    let sending = Sending { upstream, worker, first_byte };
    if headers::is_upgrade(request.headers()) {
        return sending.upgrade(request).await;
    }
    let pool = &upstream.pools[worker];
    loop {
        let answer = match pool.next(upstream.connector.may_speak_http2(&upstream.origin)) {
            Next::Http1(line) => sending.http1(line, request).await,
            Next::Http2(seat) => sending.http2(seat, request).await,
            Next::Wait(dialled) => {
                idle::outcome(dialled).await?;
                continue;
            }
            Next::Dial(dialing) => return sending.anew(dialing, request).await,
        };
        match answer {
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
        let answer = match self.dial(dialing).await? {
            Dialled::Http1(line) => self.http1(line, request).await,
            Dialled::Http2(seat) => self.http2(seat, request).await,
        };
        self.settled(answer)
    }

    /// Sends a request that asks for another protocol: only a connection of its own can become one.
    async fn upgrade(self, request: Request<Outgoing>) -> Result<Answered, SendError> {
        let stream = self.upstream.connector.connect_http1(&self.upstream.origin).await?;
        let line = self.speak_http1(stream).await?;
        let answer = self.http1(line, request).await;
        self.settled(answer)
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

    async fn speak_http1(self, stream: Stream) -> Result<Line, ConnectError> {
        Line::begin(stream).await.map_err(|source| self.not_http(source))
    }

    async fn http1(self, mut line: Line, request: Request<Outgoing>) -> Result<Answered, Unsent> {
        match line.send(request, self.first_byte).await {
            Ok(response) => Ok(self.answered(response, Leased::Http1(line))),
            Err(Unanswered::Failed(mut error)) => Err(match error.take_message() {
                Some(request) => Unsent::Untouched(Box::new(request)),
                None => Unsent::Failed(SendError::MayHaveRun(error.into_error())),
            }),
            Err(Unanswered::TimedOut) => Err(Unsent::Failed(SendError::TimedOut(self.first_byte))),
        }
    }

    async fn http2(self, mut seat: Seat, mut request: Request<Outgoing>) -> Result<Answered, Unsent> {
        self.absolute(&mut request);
        let answer = tokio::time::timeout(self.first_byte, seat.send(request)).await;
        match answer {
            Ok(Ok(response)) => Ok(self.answered(response, Leased::Http2(seat))),
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

    fn answered(self, response: Response<Incoming>, connection: Leased) -> Answered {
        let (head, incoming) = response.into_parts();
        (head, Source { incoming, connection, upstream: Arc::clone(self.upstream), worker: self.worker })
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
    Http1(Line),
    Http2(Seat),
}
