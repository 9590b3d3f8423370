//! TLS on both sides: providers behind a company's own authority, and callers who demand encryption.

mod common;

use std::net::SocketAddr;

use bytes::Bytes;
use common::secure::{Authority, BOTH, HTTP1, Manner, Provider, openai};
use common::{CHAT, STREAM, post, raw, stage, start};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keywright::sources::{Environment, Resolver};
use keywright_core::token;
use keywright_gateway::config::TlsFiles;
use keywright_gateway::{Config, Gateway, StartError, StartOptions};

async fn chat(gateway: &Gateway) -> common::Reply {
    post(gateway.addr(), "/openai/v1/chat/completions", &[], CHAT).await
}

#[tokio::test]
async fn a_provider_of_the_companys_own_authority_is_reached_and_fails_over() {
    let provider = Provider::start(Manner { alpn: HTTP1, ..Manner::default() }, openai).await;
    let gateway = provider.gateway(&["dead1", "good2"], |_| {}).await;
    let reply = chat(&gateway).await;
    assert_eq!((reply.status, reply.header("x-keywright-attempts")), (StatusCode::OK, "2"), "{}", reply.text());
    assert_eq!(reply.json()["object"], "chat.completion");
    let reply = post(gateway.addr(), "/openai/v1/chat/completions", &[], STREAM).await;
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    let heard = provider.heard("/v1/chat/completions");
    let host = format!("localhost:{}", provider.address.port());
    assert!(heard.iter().all(|head| head.version == http::Version::HTTP_11 && head.headers["host"] == host.as_str()));
    assert!(heard.iter().all(|head| head.uri.authority().is_none()), "a path, not a proxy's URL");
}

#[tokio::test]
async fn a_probe_over_http1_asks_for_a_path() {
    let provider = Provider::start(Manner { alpn: HTTP1, ..Manner::default() }, openai).await;
    let gateway = provider.gateway(&["dead1"], |_| {}).await;
    assert_eq!(chat(&gateway).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let asked = provider.heard("/v1/models").remove(0);
    assert!(asked.uri.authority().is_none() && asked.headers.contains_key("host"), "{asked:?}");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_named_as_the_trouble() {
    let expired: fn(&mut rcgen::CertificateParams) = |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let manners = [
        (Manner { names: &["elsewhere.example"], ..Manner::default() }, true, "not valid for name"),
        (Manner { change: expired, ..Manner::default() }, true, "expired"),
        (Manner::default(), false, "UnknownIssuer"),
    ];
    for (manner, trusted, says) in manners {
        let provider = Provider::start(manner, openai).await;
        let untrust = |config: &mut Config| {
            if !trusted {
                config.providers[0].ca_certificate = None;
            }
        };
        let gateway = provider.gateway(&["good1"], untrust).await;
        let reply = chat(&gateway).await;
        assert_eq!((reply.status, reply.header("x-keywright-cause")), (StatusCode::BAD_GATEWAY, "tls"));
        let text = reply.text();
        assert!(text.contains("certificate") && text.contains(says), "{says}: {text}");
        assert!(text.contains("was not sent"), "{text}");
    }
}

#[tokio::test]
async fn trust_is_for_one_provider_only() {
    let provider = Provider::start(Manner::default(), openai).await;
    let other = |config: &mut Config| {
        let mut other = config.providers[0].clone();
        "together".clone_into(&mut other.id);
        other.ca_certificate = None;
        config.providers.push(other);
    };
    let gateway = provider.gateway(&["good1"], other).await;
    assert_eq!(chat(&gateway).await.status, StatusCode::OK);
    let reply = post(gateway.addr(), "/together/v1/chat/completions", &[], CHAT).await;
    assert_eq!(reply.header("x-keywright-cause"), "tls", "{}", reply.text());
}

#[tokio::test]
async fn a_file_of_certificates_that_cannot_be_used_stops_the_start_and_the_check() {
    let provider = Provider::start(Manner::default(), openai).await;
    let directory = tempfile::tempdir().expect("a directory");
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").expect("a file");
    for (path, says) in [(directory.path().join("missing.pem"), "cannot read"), (empty, "holds no")] {
        let config = provider.config(&["good1"], |config| config.providers[0].ca_certificate = Some(path.clone()));
        let resolver = Resolver::new(Environment::default(), "/");
        let error = Gateway::start(config, resolver, StartOptions::default()).await.err().expect("no start");
        assert!(matches!(&error, StartError::CaCertificate { id, .. } if id == "openai"), "{error:?}");
        assert!(
            error.to_string().contains(says) && error.to_string().contains(path.to_str().expect("text")),
            "{error}"
        );
        let text = format!("[[provider]]\nid = \"openai\"\nca_certificate = \"{}\"\n", path.display());
        assert!(Config::parse(&text).is_ok(), "files are not opened");
        let problem = Config::check(&text).expect_err("a problem").remove(0);
        assert_eq!(problem.line, Some(3));
        assert!(problem.message.contains(says), "{problem}");
    }
    let text = format!("[[provider]]\nid = \"openai\"\nca_certificate = \"{}\"\n", provider.authority.file().display());
    assert!(Config::check(&text).is_ok());
}

/// A gateway that demands TLS, in front of an emulator.
async fn encrypted(authority: &Authority) -> common::Stage {
    let (certificate, key) = authority.issue(&["localhost"], |_| {});
    let tls = TlsFiles { certificate, key };
    stage().provider("openai", &["one1"]).settings(|settings| settings.tls = Some(tls)).start().await
}

async fn over_http1(authority: &Authority, address: SocketAddr) -> StatusCode {
    let stream = authority.connect(address, HTTP1).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = Request::post("/openai/v1/chat/completions").header("host", "localhost");
    let response = sender.send_request(request.body(Full::new(Bytes::from(CHAT))).expect("a request")).await;
    let response = response.expect("an answer");
    let status = response.status();
    response.into_body().collect().await.expect("a whole body");
    status
}

#[tokio::test]
async fn callers_speak_http1_or_http2_over_tls() {
    let authority = Authority::new();
    let stage = encrypted(&authority).await;
    let address = stage.gateway.addr();
    assert_eq!(over_http1(&authority, address).await, StatusCode::OK);
    let stream = authority.connect(address, BOTH).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..150 {
        let mut sender = sender.clone();
        let body = if number % 2 == 0 { CHAT } else { STREAM };
        let request = Request::post(format!("https://localhost:{}/openai/v1/chat/completions", address.port()));
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        calls.spawn(async move {
            let response = sender.send_request(request).await.expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
            response.into_body().collect().await.expect("a whole body");
        });
    }
    calls.join_all().await;
}

#[tokio::test]
async fn a_caller_without_tls_hurts_nobody() {
    let authority = Authority::new();
    let stage = encrypted(&authority).await;
    let address = stage.gateway.addr();
    let request = format!("GET /openai/v1/models HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let answer = raw(address, request.as_bytes()).await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    assert_eq!(stage.calls("openai", "one1"), 0);
    assert_eq!(over_http1(&authority, address).await, StatusCode::OK);
}

#[tokio::test]
async fn tls_files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["localhost"], |_| {});
    let place = |name: &str| authority.directory.path().join(name);
    std::fs::write(place("empty.pem"), "").expect("a file");
    std::fs::write(place("other.key"), rcgen::KeyPair::generate().expect("a key").serialize_pem()).expect("a file");
    let pairs = [
        (place("missing.pem"), key.clone(), "missing.pem"),
        (certificate.clone(), place("missing.key"), "missing.key"),
        (place("empty.pem"), key.clone(), "empty.pem"),
        (certificate.clone(), place("empty.pem"), "empty.pem"),
        (key.clone(), certificate.clone(), "leaf.key"),
        (certificate.clone(), place("other.key"), "leaf.pem"),
    ];
    for (certificate, key, named) in pairs {
        let mut config = Config { gateway: common::local_settings(), ..Config::default() };
        config.gateway.tls = Some(TlsFiles { certificate: certificate.clone(), key: key.clone() });
        let resolver = Resolver::new(Environment::default(), "/");
        let error = Gateway::start(config, resolver, StartOptions::default()).await.err().expect("no start");
        let StartError::Tls { path, says } = &error else { panic!("{error:?}") };
        assert!(path.ends_with(named) && !says.is_empty(), "{named}: {error}");
        let text =
            format!("[gateway]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n", certificate.display(), key.display());
        let problem = Config::check(&text).expect_err("a problem").remove(0);
        assert!(problem.message.contains(named), "{problem}");
    }
}

#[tokio::test]
async fn beyond_loopback_a_virtual_key_and_tls_let_callers_in() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["localhost"], |_| {});
    let token = token::issue(&[7; 25]);
    let text = format!(
        "[gateway]\nlisten = \"0.0.0.0:0\"\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n\n[[virtual_key]]\nname = \"a\"\nsha256 = \"{}\"\n",
        certificate.display(),
        key.display(),
        token::digest_hex(token.expose()),
    );
    let config = Config::check(&text).expect("valid");
    let gateway = start(config, StartOptions::default()).await;
    assert!(gateway.addr().ip().is_unspecified());
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.addr().port()));
    let stream = authority.connect(address, HTTP1).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    for (bearer, status) in [(token.expose(), StatusCode::OK), ("sk-kwt-other", StatusCode::UNAUTHORIZED)] {
        let request = Request::get("/v1/models").header("host", "gateway.company.example");
        let request = request.header("authorization", format!("Bearer {bearer}")).body(Full::<Bytes>::default());
        let response = sender.send_request(request.expect("a request")).await.expect("an answer");
        assert_eq!(response.status(), status);
        response.into_body().collect().await.expect("a whole body");
    }
}
