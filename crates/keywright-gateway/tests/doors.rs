//! Who may come in, through which door, and what goes onward.

mod common;

use common::{CHAT, canned, get, key, local_settings, post, raw, stage};
use http::StatusCode;
use keywright_core::{Secret, token};
use keywright_gateway::{Config, PathPolicy, ProviderSettings, RouteSettings, StartOptions, VirtualKeySettings};

fn virtual_key(name: &str, token: &Secret) -> VirtualKeySettings {
    VirtualKeySettings {
        name: name.to_owned(),
        sha256: token::digest(token.expose()),
        providers: Vec::new(),
        models: Vec::new(),
        expires_at: None,
        requests_per_minute: None,
    }
}

fn token() -> Secret {
    token::issue(&[7; 25])
}

#[tokio::test]
async fn every_sdks_way_of_building_paths_is_served() {
    let stage = stage()
        .provider("openai", &["one1"])
        .provider("fireworks", &["one1"])
        .provider("together", &["one1"])
        .start()
        .await;
    let paths = [
        "/openai/v1/chat/completions",
        "/openai/chat/completions",
        "/openai/v1/v1/chat/completions",
        "/fireworks/inference/v1/chat/completions",
        "/fireworks/v1/chat/completions",
        "/fireworks/inference/v1/v1/chat/completions",
        "/fireworks/chat/completions",
        "/together/v1/chat/completions",
        "/together/chat/completions",
        "/together/v1/v1/chat/completions",
    ];
    for path in paths {
        let reply = stage.post(path, CHAT).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
    }
    let mended = stage.post("/openai/v1/v1/chat/completions", CHAT).await;
    assert!(mended.header("x-keywright-path").ends_with("/v1/chat/completions"));
    let accounts = get(stage.gateway.addr(), "/fireworks/v1/accounts", &[]).await;
    assert_eq!(accounts.status, StatusCode::OK);
}

#[tokio::test]
async fn the_unified_door_takes_provider_and_model_or_a_route() {
    let stage = stage()
        .provider("openai", &["one1"])
        .provider("together", &["one1"])
        .config(|config| {
            let to = vec![
                ("openai".to_owned(), "gpt-4o-mini".to_owned()),
                ("together".to_owned(), "meta-llama/Llama-3.3-70B-Instruct-Turbo".to_owned()),
            ];
            config.routes.push(RouteSettings { model: "fast".to_owned(), to });
        })
        .start()
        .await;
    let ask = |model: &str| CHAT.replace("gpt-4o-mini", model);
    let named = stage.post("/v1/chat/completions", &ask("together/meta-llama/Llama-3.3-70B-Instruct-Turbo")).await;
    assert_eq!((named.status, named.header("x-keywright-provider")), (StatusCode::OK, "together"), "{}", named.text());
    assert_eq!(named.json()["model"], "meta-llama/Llama-3.3-70B-Instruct-Turbo");
    let routed = stage.post("/v1/chat/completions", &ask("fast")).await;
    assert_eq!((routed.status, routed.header("x-keywright-provider")), (StatusCode::OK, "openai"));
    stage.set("openai", "one1", keywright_emulator::KeyState::Revoked);
    let crossed = stage.post("/v1/chat/completions", &ask("fast")).await;
    assert_eq!(
        (crossed.status, crossed.header("x-keywright-provider")),
        (StatusCode::OK, "together"),
        "{}",
        crossed.text()
    );
    let unknown = stage.post("/v1/chat/completions", &ask("gpt-4o-mini")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.text().contains("openai/gpt-4o-mini"), "{}", unknown.text());
    let none = stage.post("/v1/chat/completions", "{\"messages\":[]}").await;
    assert_eq!((none.status, none.json()["error"]["code"].as_str()), (StatusCode::BAD_REQUEST, Some("no_model")));
    let models = get(stage.gateway.addr(), "/v1/models", &[]).await;
    assert_eq!(models.json()["data"][0]["id"], "fast");
}

#[tokio::test]
async fn with_one_provider_the_unified_door_needs_no_name() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    assert_eq!(stage.post("/v1/chat/completions", CHAT).await.status, StatusCode::OK);
    assert_eq!(get(stage.gateway.addr(), "/v1/models", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_path_that_is_no_door_says_which_are() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    let reply = stage.post("/anthropic/v1/messages", "{}").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert!(
        reply.text().contains("Anthropic is not configured") && reply.text().contains("/openai"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn verbatim_paths_go_upstream_as_they_came() {
    let (address, mut seen) = canned(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
    let mut provider = ProviderSettings::new("openai", []);
    provider.base_url = Some(format!("http://{address}"));
    provider.paths = PathPolicy::Verbatim;
    let config = Config { gateway: local_settings(), providers: vec![provider], ..Config::default() };
    let gateway = common::start(config, StartOptions::default()).await;
    get(gateway.addr(), "/openai/models/a%2Fb?x=1&y=%20", &[]).await;
    assert!(seen.recv().await.expect("a request").starts_with("GET /models/a%2Fb?x=1&y=%20 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_virtual_key_is_taken_from_every_carrier_and_forgiven_its_dirt() {
    let stage = stage()
        .provider("openai", &["one1"])
        .config(|config| config.virtual_keys.push(virtual_key("team", &token())))
        .start()
        .await;
    let address = stage.gateway.addr();
    let token = token();
    let clean = token.expose();
    let carriers = [
        ("authorization", format!("Bearer {clean}")),
        ("authorization", format!("bearer   {clean}  ")),
        ("authorization", format!("Bearer \"{clean}\"")),
        ("authorization", format!("Bearer Bearer {clean}")),
        ("authorization", clean.to_owned()),
        ("x-api-key", clean.to_owned()),
        ("api-key", clean.to_owned()),
        ("x-goog-api-key", clean.to_owned()),
    ];
    for (name, value) in carriers {
        let reply = post(address, "/openai/v1/chat/completions", &[(name, &value)], CHAT).await;
        assert_eq!(reply.status, StatusCode::OK, "{name}: {}", reply.text());
    }
    for dirt in [&b"\xa0"[..], "\u{200b}".as_bytes(), "\u{201c}".as_bytes(), "\u{feff}".as_bytes()] {
        let mut request = format!("POST /openai/v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\nAuthorization: Bearer {clean}", CHAT.len()).into_bytes();
        request.extend_from_slice(dirt);
        request.extend_from_slice(format!("\r\n\r\n{CHAT}").as_bytes());
        let answer = raw_bytes(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{dirt:?}: {answer}");
    }
}

async fn raw_bytes(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    raw(address, bytes).await
}

#[tokio::test]
async fn a_wrong_virtual_key_is_refused_in_words() {
    let stage = stage()
        .provider("openai", &["one1"])
        .config(|config| config.virtual_keys.push(virtual_key("team", &token())))
        .start()
        .await;
    let other = token::issue(&[9; 25]);
    let mistyped = token().expose().replace("sk-kwt-0", "sk-kwt-1");
    let cases = [
        (None, "no virtual key was sent"),
        (Some("Bearer".to_owned()), "an empty key"),
        (Some("Bearer undefined".to_owned()), "`undefined`"),
        (Some("Bearer None".to_owned()), "`None`"),
        (Some(format!("Bearer {}", key("openai", "one1"))), "sk-proj-…one1 is not a virtual key"),
        (Some(format!("Bearer {}", other.expose())), "not known here"),
        (Some(format!("Bearer {mistyped}")), "mistyped"),
    ];
    for (value, says) in cases {
        let headers: Vec<(&str, &str)> = value.iter().map(|value| ("authorization", value.as_str())).collect();
        let reply = post(stage.gateway.addr(), "/openai/v1/chat/completions", &headers, CHAT).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{says}");
        assert_eq!(
            (reply.header("x-keywright-origin"), reply.header("x-keywright-cause")),
            ("gateway", "gateway_virtual_key_problem")
        );
        let message = reply.json()["error"]["message"].as_str().expect("a message").to_lowercase();
        assert!(message.contains(&says.to_lowercase()), "{message}");
        assert!(!reply.text().contains(&key("openai", "one1")));
    }
    assert_eq!(stage.calls("openai", "one1"), 0);
}

#[tokio::test]
async fn a_virtual_keys_scope_holds() {
    let mut scoped = virtual_key("scoped", &token());
    scoped.providers = vec!["together".to_owned()];
    let mut modelled = virtual_key("modelled", &token::issue(&[1; 25]));
    modelled.models = vec!["gpt-4o-mini".to_owned()];
    let mut expired = virtual_key("expired", &token::issue(&[2; 25]));
    expired.expires_at = Some(1);
    let mut slow = virtual_key("slow", &token::issue(&[3; 25]));
    slow.requests_per_minute = Some(6);
    let keys = vec![scoped, modelled, expired, slow];
    let stage = stage().provider("openai", &["one1"]).config(move |config| config.virtual_keys = keys).start().await;
    let ask = async |seed: u8, body: &str| {
        let bearer = format!("Bearer {}", token::issue(&[seed; 25]).expose());
        post(stage.gateway.addr(), "/openai/v1/chat/completions", &[("authorization", &bearer)], body).await
    };
    assert_eq!(ask(7, CHAT).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(1, CHAT).await.status, StatusCode::OK);
    assert_eq!(ask(1, &CHAT.replace("4o-mini", "4.1")).await.status, StatusCode::FORBIDDEN);
    assert!(ask(2, CHAT).await.text().contains("has expired"));
    assert_eq!(ask(3, CHAT).await.status, StatusCode::OK);
    let limited = ask(3, CHAT).await;
    assert_eq!((limited.status, limited.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "10"));
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    for path in ["/openai/v1/models", "/metrics"] {
        let reply = get(stage.gateway.addr(), path, &[("host", "evil.example")]).await;
        assert_eq!(reply.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
    assert_eq!(get(stage.gateway.addr(), "/openai/v1/models", &[("host", "localhost:1")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_what_belongs_to_the_provider_goes_onward() {
    let (address, mut seen) = canned(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close, x-hop\r\nx-hop: 1\r\nx-request-id: r1\r\n\r\n{}",
    )
    .await;
    let (gateway, _directory) = common::towards(address, |config| {
        config.providers[0].base_url = Some(format!("http://{address}/base"));
    })
    .await;
    let headers = [
        ("authorization", "Bearer mine"),
        ("x-api-key", "mine"),
        ("api-key", "mine"),
        ("x-goog-api-key", "mine"),
        ("openai-organization", "org-mine"),
        ("openai-project", "proj_mine"),
        ("connection", "x-private, keep-alive"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic mine"),
        ("idempotency-key", "i1"),
        ("x-stainless-lang", "python"),
    ];
    let reply = get(gateway.addr(), "/openai/v1/models?key=mine&limit=2", &headers).await;
    let sent = seen.recv().await.expect("a request").to_lowercase();
    assert!(sent.starts_with("get /base/v1/models?limit=2 http/1.1"), "{sent}");
    assert!(
        sent.contains(&format!("authorization: bearer {}", key("openai", "one1").to_lowercase()))
            && !sent.contains("mine"),
        "{sent}"
    );
    assert!(sent.contains("idempotency-key: i1") && sent.contains("x-stainless-lang: python"));
    assert!(!sent.contains("x-private") && !sent.contains("te: trailers"), "{sent}");
    assert_eq!((reply.header("x-request-id"), reply.header("x-hop")), ("r1", ""));
}

#[tokio::test]
async fn http2_comes_in_and_health_is_told() {
    let stage = stage()
        .provider("openai", &["one1"])
        .settings(|settings| settings.admin = Some("127.0.0.1:0".parse().expect("an address")))
        .start()
        .await;
    let address = stage.gateway.addr();
    let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}/openai/v1/chat/completions"))
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(bytes::Bytes::from_static(CHAT.as_bytes())))
        .expect("a request");
    assert_eq!(sender.send_request(request).await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(get(address, "/healthz", &[]).await.text(), "ok\n");
    assert_eq!(get(address, "/readyz", &[]).await.status, StatusCode::OK);
    let metrics = get(stage.gateway.admin_addr().expect("an admin listener"), "/metrics", &[]).await.text();
    assert!(metrics.contains("keywright_requests_total{provider=\"openai\"} 1"), "{metrics}");
    assert!(metrics.contains("keywright_key_served_total") && !metrics.contains("sk-proj"), "{metrics}");
}

#[tokio::test]
async fn a_websocket_is_joined_with_the_real_key() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = stage().provider("openai", &["one1"]).start().await;
    let address = stage.gateway.addr();
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "GET /openai/v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: realtime, openai-insecure-api-key.anything\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("session.created") {
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.expect("an event");
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
    }
    let head = String::from_utf8_lossy(&answer);
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let stage = stage().provider("openai", &["one1"]).start().await;
    for origin in ["https://evil.example", "null"] {
        let headers = [("origin", origin), ("content-type", "text/plain")];
        let reply = post(stage.gateway.addr(), "/openai/v1/chat/completions", &headers, CHAT).await;
        assert_eq!((reply.status, stage.calls("openai", "one1")), (StatusCode::FORBIDDEN, 0), "{origin}");
    }
    let own = [("origin", "http://localhost:3000")];
    assert_eq!(post(stage.gateway.addr(), "/openai/v1/chat/completions", &own, CHAT).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_401_that_is_not_about_the_callers_key_is_not_a_401() {
    let body = r#"{"error":{"message":"Attempted to access resource with incorrect regional hostname. Please make your request to us.api.openai.com","type":"invalid_request_error","param":null,"code":"incorrect_hostname"},"status":401}"#;
    let answer = format!(
        "HTTP/1.0 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (address, _seen) = canned(Box::leak(answer.into_bytes().into_boxed_slice())).await;
    let (gateway, _directory) = common::towards(address, |_| {}).await;
    let reply = post(gateway.addr(), "/openai/v1/chat/completions", &[], CHAT).await;
    assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::BAD_GATEWAY, "wrong_base_url"));
    assert!(reply.text().contains("Fix: "), "{}", reply.text());
}

#[tokio::test]
async fn a_key_in_an_error_of_a_good_status_goes_no_further() {
    let secret = key("openai", "one1");
    let body = format!("data: {{\"error\":{{\"message\":\"no model for {secret}\",\"code\":\"server_error\"}}}}\n\n");
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}");
    let (address, _seen) = canned(Box::leak(answer.into_bytes().into_boxed_slice())).await;
    let (gateway, _directory) = common::towards(address, |_| {}).await;
    let reply = post(gateway.addr(), "/openai/v1/chat/completions", &[], common::STREAM).await;
    assert!(reply.text().contains("sk-proj-…one1") && !reply.text().contains(&secret), "{}", reply.text());
}
