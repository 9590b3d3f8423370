//! Bad input, from callers and from upstreams: a clear answer, no panic, and no neighbour is hurt.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{CHAT, STREAM, canned, key, local_settings, post, raw, stage};
use http::StatusCode;
use keywright_emulator::KeyState;
use keywright_gateway::{Config, Gateway, StartError, StartOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A gateway whose only provider answers with fixed bytes.
async fn before(answer: &'static [u8]) -> (Gateway, TempDir, tokio::sync::mpsc::Receiver<String>) {
    let (address, seen) = canned(answer).await;
    let (gateway, directory) = towards(address).await;
    (gateway, directory, seen)
}

async fn towards(address: SocketAddr) -> (Gateway, TempDir) {
    let limits = |config: &mut Config| {
        config.gateway.idle_timeout = Duration::from_millis(300);
        config.gateway.first_byte_timeout = Duration::from_millis(300);
        config.gateway.connect_timeout = Duration::from_millis(500);
    };
    common::towards(address, limits).await
}

async fn chat(gateway: &Gateway) -> common::Reply {
    post(gateway.addr(), "/openai/v1/chat/completions", &[], CHAT).await
}

#[tokio::test]
async fn an_unreachable_provider_is_a_502_that_says_so() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (gateway, _directory) = towards(gone).await;
    let reply = chat(&gateway).await;
    assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::BAD_GATEWAY, "network"));
    assert!(reply.text().contains(&gone.to_string()) && reply.text().contains("was not sent"), "{}", reply.text());
}

#[tokio::test]
async fn a_provider_that_closes_without_an_answer_is_not_asked_twice() {
    let (gateway, _directory, mut seen) = before(b"").await;
    let reply = chat(&gateway).await;
    assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::BAD_GATEWAY, "network"));
    assert!(reply.text().contains("may have run"), "{}", reply.text());
    seen.recv().await.expect("one request");
    assert!(seen.try_recv().is_err(), "a second request was sent");
}

#[tokio::test]
async fn a_provider_that_speaks_nonsense_is_a_502() {
    let (gateway, _directory, _seen) = before(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    assert_eq!(chat(&gateway).await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_provider_that_never_answers_is_a_504() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (gateway, _directory) = towards(listener.local_addr().expect("an address")).await;
    let reply = chat(&gateway).await;
    assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::GATEWAY_TIMEOUT, "timeout"));
}

#[tokio::test]
async fn a_provider_that_lies_about_lengths_breaks_the_answer_visibly() {
    let (gateway, _directory, _seen) =
        before(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nshort").await;
    let answer =
        raw(gateway.addr(), format!("GET /openai/v1/models HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.addr()).as_bytes())
            .await;
    assert!(answer.contains("content-length: 100") && answer.ends_with("short"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_broken_off_after_the_idle_limit() {
    let stage = stage()
        .provider("openai", &["one1"])
        .settings(|settings| settings.idle_timeout = Duration::from_millis(200))
        .start()
        .await;
    stage.set("openai", "one1", KeyState::NeverEnds);
    let request = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n{STREAM}",
        stage.gateway.addr(),
        STREAM.len()
    );
    let answer = raw(stage.gateway.addr(), request.as_bytes()).await;
    assert!(!answer.ends_with("0\r\n\r\n"), "a broken stream must not look whole: {answer}");
    stage.set("openai", "one1", KeyState::Valid);
    assert_eq!(stage.chat().await.status, StatusCode::OK, "the next request is not hurt");
}

#[tokio::test]
async fn a_split_head_is_refused_and_goes_no_further() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    let address = stage.gateway.addr();
    let cut = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer sk-1\n\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{CHAT}",
        CHAT.len()
    );
    let answer = raw(address, cut.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("split_request"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "the rest is not taken for a request: {answer}");
    assert_eq!(stage.calls("openai", "one1"), 0);
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    let address = stage.gateway.addr();
    let host = format!("Host: {address}\r\n");
    let requests = [
        "GARBAGE\r\n\r\n".to_owned(),
        format!("GET /openai/v1/models HTTP/1.1\r\n{host}Bad Header: x\r\n\r\n"),
        format!("POST /openai/v1/x HTTP/1.1\r\n{host}Content-Length: abc\r\n\r\n"),
        format!("POST /openai/v1/x HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        format!("POST /openai/v1/x HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!("GET /openai/v1/models HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n"),
    ];
    for request in requests {
        let answer = raw(address, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request}: {answer}");
    }
    assert_eq!(stage.calls("openai", "one1"), 0);
    assert_eq!(stage.chat().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_header_bomb_is_refused() {
    let stage =
        stage().provider("openai", &["one1"]).settings(|settings| settings.head_limit_bytes = 8_192).start().await;
    let address = stage.gateway.addr();
    let many = "X-A: b\r\n".repeat(500);
    let long = format!("X-Long: {}\r\n", "a".repeat(100_000));
    for bomb in [many, long] {
        let answer =
            raw(address, format!("GET /openai/v1/models HTTP/1.1\r\nHost: {address}\r\n{bomb}\r\n").as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(stage.chat().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    let address = stage.gateway.addr();
    let head = format!("POST /openai/v1/files HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", 1_u64 << 30);
    let answer = raw(address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body_limit_bytes"), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_cut_off() {
    let stage =
        stage().provider("openai", &["one1"]).settings(|settings| settings.body_limit_bytes = 100_000).start().await;
    let address = stage.gateway.addr();
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    stream
        .write_all(
            format!("POST /openai/v1/files HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
        )
        .await
        .expect("sent");
    let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
    for _ in 0..20 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = vec![0; 4_096];
    let read = stream.read(&mut answer).await.unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_large_body_streams_through_and_is_not_kept() {
    let stage = stage()
        .provider("openai", &["one1", "two2"])
        .settings(|settings| settings.replay_limit_bytes = 10_000)
        .start()
        .await;
    let body = format!(
        "{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}",
        "x".repeat(1_000_000)
    );
    assert_eq!(stage.post("/openai/v1/chat/completions", &body).await.status, StatusCode::OK);
    stage.set("openai", "one1", KeyState::Revoked);
    let refused = stage.post("/openai/v1/chat/completions", &body).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "it could be sent once only: {}", refused.text());
    assert_eq!(stage.post("/openai/v1/chat/completions", &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_kept_body_is_sent_again_whole() {
    let stage = stage().provider("openai", &["one1", "two2"]).start().await;
    stage.set("openai", "one1", KeyState::Revoked);
    let body = format!(
        "{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}",
        "x".repeat(5_000_000)
    );
    let reply = stage.post("/openai/v1/chat/completions", &body).await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "2"), "{}", reply.text());
}

#[tokio::test]
async fn a_slow_caller_is_let_go_and_hurts_nobody() {
    let stage = stage()
        .provider("openai", &["one1"])
        .settings(|settings| {
            settings.head_timeout = Duration::from_millis(200);
            settings.idle_timeout = Duration::from_millis(200);
        })
        .start()
        .await;
    let address = stage.gateway.addr();
    let half_a_head = raw(address, b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost:");
    let half_a_body =
        format!("POST /openai/v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000\r\n\r\n{{");
    let half_a_body = raw(address, half_a_body.as_bytes());
    let neighbour = stage.chat();
    let (head, body, neighbour) = tokio::join!(half_a_head, half_a_body, neighbour);
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.is_empty() || body.starts_with("HTTP/1.1 408"), "{body}");
    assert_eq!(neighbour.status, StatusCode::OK);
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_its_address() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    let mut config = Config { gateway: local_settings(), ..Config::default() };
    config.gateway.listen = stage.gateway.addr();
    let resolver = keywright::sources::Resolver::new(keywright::sources::Environment::default(), "/");
    let error = Gateway::start(config, resolver, StartOptions::default()).await.err().expect("an error");
    assert!(matches!(error, StartError::Listen { address, .. } if address == stage.gateway.addr()));
}

#[tokio::test]
async fn a_key_that_the_provider_echoes_is_scrubbed_in_every_encoding() {
    let secret = key("openai", "one1");
    let base64: &'static str = {
        use base64::Engine;
        Box::leak(
            base64::engine::general_purpose::STANDARD.encode(format!("{{\"key\":\"{secret}\"}}")).into_boxed_str(),
        )
    };
    let percent = secret.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    let body = format!(
        "{{\"error\":{{\"message\":\"No model at {secret} {base64} {percent}\",\"code\":\"model_not_found\"}}}}"
    );
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nx-echo: {secret}\r\nx-error-json: {base64}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let (gateway, _directory, _seen) = before(Box::leak(answer.into_bytes().into_boxed_slice())).await;
    let reply = chat(&gateway).await;
    let everything = format!("{:?} {}", reply.headers, reply.text());
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    for form in [secret.as_str(), &base64[20..80], percent.as_str()] {
        assert!(!everything.contains(form), "{everything}");
    }
}

#[tokio::test]
async fn a_compressed_refusal_is_understood() {
    use std::io::Write;
    let body = br#"{"error":{"message":"Incorrect API key provided: sk-p***1. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("in memory");
    let zipped = encoder.finish().expect("in memory");
    let mut answer = format!("HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", zipped.len()).into_bytes();
    answer.extend_from_slice(&zipped);
    let (gateway, _directory, _seen) = before(Box::leak(answer.into_boxed_slice())).await;
    let reply = chat(&gateway).await;
    assert_eq!(
        (reply.status, reply.header("x-keywright-cause")),
        (StatusCode::SERVICE_UNAVAILABLE, "invalid_key"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_shutdown_lets_open_requests_end() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    stage.set("openai", "one1", KeyState::Slow { delay: Duration::from_millis(20) });
    let address = stage.gateway.addr();
    let request = http::Request::post("/openai/v1/chat/completions")
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(bytes::Bytes::from_static(STREAM.as_bytes())))
        .expect("a request");
    let response = common::begin(address, request).await;
    let body = tokio::spawn(async move {
        http_body_util::BodyExt::collect(response.into_body()).await.expect("a whole stream").to_bytes()
    });
    assert!(stage.gateway.shutdown(Duration::from_secs(10)).await, "drained in time");
    assert!(body.await.expect("no panic").ends_with(b"data: [DONE]\n\n"));
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn line_feeds_in_a_body_are_not_taken_for_a_split_head() {
    let stage =
        stage().provider("openai", &["one1"]).settings(|settings| settings.replay_limit_bytes = 10).start().await;
    let address = stage.gateway.addr();
    let text = "x: y\r\nz\n\n".repeat(20_000);
    let body = format!("{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"a\"}}]}}{text}");
    let one = format!(
        "POST /openai/v1/files HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let two = format!("GET /openai/v1/models HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = raw(address, format!("{one}{two}").as_bytes()).await;
    assert!(!answer.contains("split_request"), "{answer}");
    assert!(answer.contains("\"object\": \"list\"") || answer.contains("HTTP/1.1 200"), "{answer}");
}
