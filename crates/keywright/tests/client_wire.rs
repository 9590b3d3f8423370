//! What the Rust client does on the wire, told by a server that misbehaves: nothing runs twice, keys go to one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keywright::client::{Client, Error};
use keywright::sources::{Environment, Resolver};
use keywright_core::Cause;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};

const GOOD: &str =
    r#"{"id":"chatcmpl-1","model":"m","choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#;

/// What the server does with a request that it has read whole.
#[derive(Clone, Copy)]
enum Then {
    /// Answers, and keeps the connection.
    Answer,
    /// Answers the first one, and closes the connection when it has read the second.
    CloseAtSecond,
    /// Closes the connection.
    Close,
    /// Sends the head and half of the body.
    Half,
    /// Begins a stream and waits for the end of the connection.
    Stream,
    /// Sends elsewhere.
    Redirect,
}

struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
    /// Requests that were read whole.
    requests: Arc<AtomicUsize>,
    /// Told when a caller closed its connection.
    closed: Receiver<()>,
}

async fn server(then: Then) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (tell, closed) = channel(16);
    let (counter, accepted) = (Arc::clone(&requests), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, then, Arc::clone(&counter), tell.clone()));
        }
    });
    Server { url, connections, requests, closed }
}

async fn serve(mut stream: TcpStream, then: Then, requests: Arc<AtomicUsize>, closed: Sender<()>) {
    while read(&mut stream).await {
        let nth = requests.fetch_add(1, Ordering::SeqCst);
        let json = |length: usize| {
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
        };
        let answer = match then {
            Then::Answer => format!("{}{GOOD}", json(GOOD.len())),
            Then::CloseAtSecond if nth == 0 => format!("{}{GOOD}", json(GOOD.len())),
            Then::CloseAtSecond | Then::Close => return,
            Then::Half => format!("{}{}", json(GOOD.len()), &GOOD[..GOOD.len() / 2]),
            Then::Stream => {
                let event = r#"data: {"choices":[{"delta":{"content":"Hel"}}]}"#;
                format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{event}\n\n")
            }
            Then::Redirect => {
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/v1/elsewhere\r\ncontent-length: 0\r\n\r\n"
                    .to_owned()
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || matches!(then, Then::Half) {
            return;
        }
    }
    let _ = closed.try_send(());
}

/// Reads one request; false when the caller closed the connection.
async fn read(stream: &mut TcpStream) -> bool {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => text.extend_from_slice(&piece[..length]),
        }
        let whole = String::from_utf8_lossy(&text).to_ascii_lowercase();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
            if body.len() >= length {
                return true;
            }
        }
    }
}

fn client(url: &str) -> Client {
    client_with(url, Vec::new())
}

fn client_with(url: &str, variables: Vec<(String, String)>) -> Client {
    let key = |tail: &str| format!("sk-proj-{}T3BlbkFJ{}{tail}", "k3Yq8Zt5Wm".repeat(7), "k3Yq8Zt5Wm".repeat(6));
    let nothing = Resolver::new(Environment::given(variables), "/nonexistent");
    let builder = Client::builder("openai").expect("known").resolver(nothing).without_memory().base_url(url);
    builder.key(key("AAAA")).key(key("BBBB")).build().expect("a client")
}

#[tokio::test]
async fn a_request_that_may_have_run_is_sent_once() {
    for then in [Then::Close, Then::Half] {
        let server = server(then).await;
        let Err(Error::Failed(failure)) = client(&server.url).generate("Hello").await else { panic!("no answer came") };
        assert_eq!(failure.diagnosis.cause, Cause::Network);
        assert!(failure.diagnosis.evidence[0].says.contains("may have run"), "{failure:?}");
        assert_eq!(server.requests.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_kept_connection_that_ends_under_a_request_does_not_send_it_twice() {
    let server = server(Then::CloseAtSecond).await;
    let client = client(&server.url);
    assert_eq!(client.generate("Hello").await.expect("text"), "Hello");
    let error = client.generate("Hello").await.expect_err("the connection ended");
    assert_eq!(error.diagnosis().map(|diagnosis| diagnosis.cause), Some(Cause::Network), "{error}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = server(Then::Answer).await;
    let client = client(&server.url);
    for _ in 0..3 {
        client.generate("Hello").await.expect("text");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_that_is_dropped_ends_at_the_provider() {
    let mut server = server(Then::Stream).await;
    let mut stream = client(&server.url).generate_stream("Hello").await.expect("a stream");
    assert_eq!(stream.next().await.expect("a piece").expect("text"), "Hel");
    drop(stream);
    server.closed.recv().await.expect("the provider sees the end of the connection");
}

#[tokio::test]
async fn a_redirect_takes_no_key_elsewhere() {
    let server = server(Then::Redirect).await;
    assert!(matches!(client(&server.url).generate("Hello").await, Err(Error::Unreadable(_))));
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

/// Takes one connection, reads what comes first, answers with this, and gives what it read.
async fn once(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.expect("what it says");
        let _ = stream.write_all(answer.as_bytes()).await;
        String::from_utf8_lossy(&piece[..length]).into_owned()
    });
    (port, heard)
}

#[tokio::test]
async fn the_proxy_of_this_machine_is_gone_through_and_gets_no_key() {
    let (port, heard) = once("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let proxy = ("HTTPS_PROXY".to_owned(), format!("http://127.0.0.1:{port}"));
    let client = client_with("https://api.example.com/v1", vec![proxy]);
    let error = client.generate("Hello").await.expect_err("the proxy refused");
    assert_eq!(error.diagnosis().map(|diagnosis| diagnosis.cause), Some(Cause::Proxy), "{error}");
    let heard = heard.await.expect("a request");
    assert!(heard.starts_with("CONNECT api.example.com:443 ") && !heard.contains("sk-proj"), "{heard}");
}

#[tokio::test]
async fn a_proxy_that_is_not_spoken_with_is_gone_past() {
    let (port, heard) = once("").await;
    // Whoever is asked for a connection to port 9 is no proxy: nobody listens there.
    let socks = ("ALL_PROXY".to_owned(), "socks5://127.0.0.1:9".to_owned());
    let client = client_with(&format!("https://127.0.0.1:{port}/v1"), vec![socks]);
    client.generate("Hello").await.expect_err("no certificate");
    assert!(heard.await.expect("a connection").starts_with('\u{16}'), "a greeting of TLS");
}
