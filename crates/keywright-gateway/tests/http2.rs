//! Providers that speak HTTP/2: many requests on one connection, and none is lost with it.

mod common;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::secure::{Answer, COMPLETION, HTTP1, Manner, Provider, Tls, is_dead, openai, refusal, whole};
use common::{CHAT, begin, post};
use futures_util::future::BoxFuture;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keywright_gateway::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Barrier, Semaphore};

async fn chat(gateway: &Gateway) -> common::Reply {
    post(gateway.addr(), "/openai/v1/chat/completions", &[], CHAT).await
}

/// Sends requests at one time and expects each to be answered.
async fn at_one_time(gateway: &Gateway, count: usize) {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..count {
        let address = gateway.addr();
        calls.spawn(async move { post(address, "/openai/v1/chat/completions", &[], CHAT).await });
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while let Some(reply) = tokio::time::timeout_at(deadline, calls.join_next()).await.expect("in time") {
        let reply = reply.expect("no panic");
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    static ALL: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(100));
    fn together(request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            ALL.wait().await;
            openai(request).await
        })
    }
    let provider = Provider::start(Manner::default(), together).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    at_one_time(&gateway, 100).await;
    assert_eq!(provider.connections(), 1);
    let place = format!("localhost:{}", provider.address.port());
    for head in provider.heard("/v1/chat/completions") {
        assert_eq!(head.version, Version::HTTP_2);
        assert_eq!(head.uri.authority().map(http::uri::Authority::as_str), Some(place.as_str()));
        assert_eq!((head.uri.scheme_str(), head.headers.contains_key("host")), (Some("https"), false));
        assert!(!head.headers.contains_key("connection") && head.headers.contains_key("content-length"));
    }
}

#[tokio::test]
async fn more_requests_than_a_connection_takes_open_another_one() {
    static ALL: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(250));
    fn together(request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            ALL.wait().await;
            openai(request).await
        })
    }
    let provider = Provider::start(Manner { most_streams: 100, ..Manner::default() }, together).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    for _ in 0..3 {
        at_one_time(&gateway, 250).await;
        assert_eq!(provider.connections(), 3);
    }
}

#[tokio::test]
async fn a_provider_that_takes_few_requests_at_one_time_is_sent_no_more() {
    let provider = Provider::start(Manner { most_streams: 4, ..Manner::default() }, openai).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    // The first of them leave before the provider has told its limit; what it refuses is sent again.
    for _ in 0..5 {
        at_one_time(&gateway, 90).await;
    }
}

#[tokio::test]
async fn a_dead_key_fails_over_on_the_same_connection() {
    let provider = Provider::start(Manner::default(), openai).await;
    let gateway = provider.gateway(&["dead1", "good2"], |_| {}).await;
    let reply = chat(&gateway).await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "2"), "{}", reply.text());
    at_one_time(&gateway, 50).await;
    let probed = provider.heard("/v1/models");
    assert!(probed.iter().all(|head| head.version == Version::HTTP_2 && !head.headers.contains_key("host")));
    assert!(provider.connections() <= 1 + probed.len(), "one, and one for each probe: {}", provider.connections());
}

#[tokio::test]
async fn a_connection_that_closed_between_requests_loses_none() {
    let provider = Provider::start(Manner::default(), openai).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    for round in 0..20_u8 {
        assert_eq!(chat(&gateway).await.status, StatusCode::OK, "round {round}");
        // Goodbye, or cut: the next request leaves before or after that is noticed.
        provider.close.send_replace(1 + round % 2);
        if round % 4 > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(provider.connections() > 10, "{}", provider.connections());
}

#[tokio::test]
async fn a_provider_that_says_goodbye_finishes_what_it_began() {
    static HELD: Semaphore = Semaphore::const_new(0);
    static OPEN: Semaphore = Semaphore::const_new(0);
    fn held(request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            if request.headers().contains_key("x-hold") {
                OPEN.add_permits(1);
                let _held = HELD.acquire().await;
            }
            openai(request).await
        })
    }
    let provider = Provider::start(Manner::default(), held).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    let address = gateway.addr();
    let first =
        tokio::spawn(async move { post(address, "/openai/v1/chat/completions", &[("x-hold", "1")], CHAT).await });
    let _open = OPEN.acquire().await.expect("open");
    provider.close.send_replace(1);
    for _ in 0..20 {
        let reply = chat(&gateway).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
    assert_eq!(provider.connections(), 2);
    HELD.add_permits(1);
    assert_eq!(first.await.expect("no panic").status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_the_provider_did_not_take_is_sent_again() {
    /// Reads one request, and closes as if it had not looked at it.
    fn closes(mut stream: Tls) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.expect("SETTINGS");
            let mut buffer = vec![0; 65_536];
            let mut seen = Vec::new();
            while !seen.windows(4).any(|window| window == b"gpt-") {
                let read = stream.read(&mut buffer).await.expect("a request");
                seen.extend_from_slice(&buffer[..read]);
            }
            // GOAWAY, no error, and no stream was the last one.
            stream.write_all(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0").await.expect("GOAWAY");
            let _ = stream.shutdown().await;
        })
    }
    /// Refuses every stream.
    fn refuses(stream: Tls) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
        })
    }
    for takes in [(|number| (number == 1).then_some(closes as fn(Tls) -> _)) as fn(usize) -> _, |number| {
        (number == 1).then_some(refuses as fn(Tls) -> _)
    }] {
        let provider = Provider::start(Manner { takes, ..Manner::default() }, openai).await;
        let gateway = provider.gateway(&["good1"], |_| {}).await;
        let reply = chat(&gateway).await;
        assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "1"), "{}", reply.text());
        assert_eq!(provider.connections(), 2);
    }
}

#[tokio::test]
async fn a_request_that_may_have_run_is_not_sent_again() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    static OPEN: Semaphore = Semaphore::const_new(0);
    fn never(_: Request<Incoming>) -> Answer {
        Box::pin(async move {
            SEEN.fetch_add(1, Ordering::SeqCst);
            OPEN.add_permits(1);
            std::future::pending().await
        })
    }
    let provider = Provider::start(Manner::default(), never).await;
    let gateway = provider.gateway(&["good1", "good2"], |_| {}).await;
    let address = gateway.addr();
    let call = tokio::spawn(async move { post(address, "/openai/v1/chat/completions", &[], CHAT).await });
    let _open = OPEN.acquire().await.expect("open");
    provider.close.send_replace(2);
    let reply = call.await.expect("no panic");
    assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::BAD_GATEWAY, "network"));
    assert!(reply.text().contains("may have run"), "{}", reply.text());
    assert_eq!(SEEN.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_provider_that_is_down_is_dialled_once_for_all_who_wait() {
    let provider = Provider::start(Manner { names: &["elsewhere.example"], ..Manner::default() }, openai).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let address = gateway.addr();
        calls.spawn(async move { post(address, "/openai/v1/chat/completions", &[], CHAT).await });
    }
    for reply in calls.join_all().await {
        assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::BAD_GATEWAY, "tls"));
    }
}

/// Tells how much arrived; a dead key is refused at once, while its body still arrives.
fn counts(request: Request<Incoming>) -> Answer {
    Box::pin(async move {
        let dead = is_dead(&request);
        let mut body = request.into_body();
        if dead {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                while let Some(Ok(_)) = body.frame().await {}
            });
            return refusal();
        }
        let mut sum = 0;
        while let Some(Ok(frame)) = body.frame().await {
            sum += frame.into_data().map_or(0, |data| data.len());
        }
        whole("application/json", format!("{{\"bytes\":{sum}}}"))
    })
}

/// Uploads a body over HTTP/1.1, its last pieces one by one, and reads the answer to the end.
async fn upload(gateway: &Gateway, pieces: usize, slow: usize) -> String {
    let mut stream = tokio::net::TcpStream::connect(gateway.addr()).await.expect("a connection");
    let piece = vec![b'x'; 64 * 1024];
    let head = format!(
        "POST /openai/v1/files HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        pieces * piece.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    for number in 0..pieces {
        if pieces - number <= slow {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stream.write_all(&piece).await.expect("sent");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn a_body_larger_than_every_window_goes_up_whole() {
    let provider = Provider::start(Manner::default(), counts).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    let answer = upload(&gateway, 320, 0).await;
    assert!(answer.contains(&format!("{{\"bytes\":{}}}", 320 * 65_536)), "{answer}");
}

#[tokio::test]
async fn a_body_that_still_arrives_when_its_key_is_refused_goes_up_whole_with_the_next() {
    // The refused attempt must not take the news that a piece arrived from the one that serves.
    for manner in [Manner::default(), Manner { alpn: HTTP1, ..Manner::default() }] {
        let provider = Provider::start(manner, counts).await;
        for slow in [0, 20, 60] {
            let gateway = provider.gateway(&["dead1", "good2"], |_| {}).await;
            let upload = upload(&gateway, 60, slow);
            let answer = tokio::time::timeout(Duration::from_secs(10), upload).await.expect("in time");
            assert!(answer.contains(&format!("{{\"bytes\":{}}}", 60 * 65_536)), "{slow} slow: {answer}");
        }
    }
}

#[tokio::test]
async fn callers_who_do_not_read_stop_nobody_else() {
    fn large(request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            if request.uri().path().starts_with("/v1/files/") {
                return whole("application/octet-stream", vec![b'x'; 64 * 1024 * 1024]);
            }
            openai(request).await
        })
    }
    let provider = Provider::start(Manner::default(), large).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    let mut unread = Vec::new();
    for number in 0..12 {
        let request = Request::get(format!("/openai/v1/files/file-{number}/content")).body(Full::<Bytes>::default());
        unread.push(begin(gateway.addr(), request.expect("a request")).await);
    }
    // Time enough for every window to fill.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let reply = tokio::time::timeout(Duration::from_secs(10), chat(&gateway)).await.expect("in time");
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(provider.connections(), 1);
    drop(unread);
}

#[tokio::test]
async fn uploads_that_stand_still_stop_nobody_on_the_same_connection() {
    fn unread(request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            if request.uri().path() == "/v1/files" {
                std::future::pending::<()>().await;
            }
            openai(request).await
        })
    }
    // Over HTTP/1.1, so that only the caller's connection is shared.
    let provider = Provider::start(Manner { alpn: HTTP1, ..Manner::default() }, unread).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    let stream = tokio::net::TcpStream::connect(gateway.addr()).await.expect("a connection");
    let (executor, io) = (TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.expect("HTTP/2");
    tokio::spawn(connection);
    let send = |path: &str, body: Bytes| {
        let uri = format!("http://{}/openai/v1/{path}", gateway.addr());
        let request = Request::post(uri).body(Full::new(body)).expect("a request");
        sender.clone().send_request(request)
    };
    // More than all sockets on the way hold.
    let file = Bytes::from(vec![b'x'; 24 * 1024 * 1024]);
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..8 {
        uploads.spawn(send("files", file.clone()));
    }
    let heard = async {
        while provider.heard("/v1/files").len() < 8 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), heard).await.expect("the uploads begin");
    // Time enough for every window to fill.
    tokio::time::sleep(Duration::from_millis(500)).await;
    // More than a stream's window, so that it needs room in the connection's as well.
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(600_000));
    let answer = tokio::time::timeout(Duration::from_secs(10), send("chat/completions", body.into())).await;
    assert_eq!(answer.expect("in time").expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_caller_who_leaves_ends_its_request_and_no_other() {
    static LEFT: Semaphore = Semaphore::const_new(0);
    static OPEN: Semaphore = Semaphore::const_new(0);
    struct Told;
    impl Drop for Told {
        fn drop(&mut self) {
            LEFT.add_permits(1);
        }
    }
    fn waits(request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            if request.headers().contains_key("x-wait") {
                let _told = Told;
                OPEN.add_permits(1);
                return std::future::pending().await;
            }
            openai(request).await
        })
    }
    let provider = Provider::start(Manner::default(), waits).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    let address = gateway.addr();
    let call =
        tokio::spawn(async move { post(address, "/openai/v1/chat/completions", &[("x-wait", "1")], CHAT).await });
    let _open = OPEN.acquire().await.expect("open");
    call.abort();
    let left = tokio::time::timeout(Duration::from_secs(10), LEFT.acquire()).await;
    left.expect("the provider hears of it").expect("open").forget();
    assert_eq!(chat(&gateway).await.status, StatusCode::OK);
    assert_eq!(provider.connections(), 1);
}

#[tokio::test]
async fn a_websocket_goes_over_http1_where_http2_is_spoken_too() {
    fn echoes(mut request: Request<Incoming>) -> Answer {
        Box::pin(async move {
            if !request.headers().contains_key("upgrade") {
                return openai(request).await;
            }
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = hyper_util::rt::TokioIo::new(upgraded.await.expect("an upgrade"));
                let mut four = [0; 4];
                stream.read_exact(&mut four).await.expect("four bytes");
                stream.write_all(&four).await.expect("sent");
            });
            let mut response = whole("text/plain", COMPLETION).map(|_| Full::<Bytes>::default().boxed());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("upgrade", "websocket".parse().expect("a value"));
            response.headers_mut().insert("connection", "upgrade".parse().expect("a value"));
            response
        })
    }
    let provider = Provider::start(Manner::default(), echoes).await;
    let gateway = provider.gateway(&["good1"], |_| {}).await;
    assert_eq!(chat(&gateway).await.status, StatusCode::OK);
    let request = Request::get("/openai/v1/realtime?model=gpt-realtime")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Full::<Bytes>::default());
    let stream = tokio::net::TcpStream::connect(gateway.addr()).await.expect("a connection");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
    tokio::spawn(connection.with_upgrades());
    let mut request = request.expect("a request");
    request.headers_mut().insert("host", "localhost".parse().expect("a value"));
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.expect("an upgrade"));
    stream.write_all(b"ping").await.expect("sent");
    let mut four = [0; 4];
    stream.read_exact(&mut four).await.expect("an echo");
    assert_eq!(&four, b"ping");
    let heard = provider.heard("/v1/realtime");
    assert!(heard.len() == 1 && heard[0].version == Version::HTTP_11 && heard[0].uri.authority().is_none());
}
