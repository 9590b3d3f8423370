use std::convert::Infallible;
use std::task::Waker;

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::*;

/// A body that arrives as it is written to the other end.
async fn arriving(bytes: &[u8]) -> (tokio::io::DuplexStream, Incoming) {
    let (mut caller, gateway) = tokio::io::duplex(65_536);
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let service = service_fn(move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                sender.send(request.into_body()).await.expect("a test");
                std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
            }
        });
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(gateway), service).await
    });
    caller.write_all(bytes).await.expect("written");
    (caller, receiver.recv().await.expect("a body"))
}

fn limits() -> BodyLimits {
    let budget = Arc::new(Budget::new(1_024));
    BodyLimits { most_bytes: 1_024, replay_bytes: 1_024, idle: Duration::from_secs(60), budget }
}

fn poll(outgoing: &mut Outgoing) -> Poll<Option<Result<Bytes, BodyFailure>>> {
    let polled = Pin::new(outgoing).poll_frame(&mut Context::from_waker(Waker::noop()));
    polled.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
}

#[tokio::test]
async fn a_refused_attempt_takes_no_news_from_the_one_that_goes_on() {
    let (mut caller, incoming) = arriving(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\none").await;
    let body = RequestBody::begin(incoming, limits()).await.expect("a body");
    let (mut refused, mut going_on) = (body.attempt().expect("the first"), body.attempt().expect("another"));
    assert_eq!(poll(&mut going_on), Poll::Ready(Some(Ok(Bytes::from_static(b"one")))));
    let rest = tokio::spawn(async move { going_on.collect().await.expect("a whole body").to_bytes() });
    tokio::task::yield_now().await;
    assert_eq!(poll(&mut refused), Poll::Ready(Some(Err(BodyFailure::Broken))));
    caller.write_all(b"two").await.expect("written");
    let rest = tokio::time::timeout(Duration::from_secs(10), rest).await.expect("in time").expect("no panic");
    assert_eq!(rest, "two");
    assert_eq!(body.failure(), None, "the caller's body did arrive");
}

#[tokio::test]
async fn a_body_that_was_not_kept_is_played_once() {
    let (_caller, incoming) = arriving(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nthree").await;
    let body = RequestBody::begin(incoming, BodyLimits { replay_bytes: 2, ..limits() }).await.expect("a body");
    let mut first = body.attempt().expect("the first");
    assert_eq!(poll(&mut first), Poll::Ready(Some(Ok(Bytes::from_static(b"three")))));
    assert!(body.attempt().is_none());
}
