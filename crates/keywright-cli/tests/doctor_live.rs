//! `keywright doctor --live`: what providers say about keys, and why one says nothing.

mod common;

use common::servers::{Certificate, Server, closed_port};
use common::{Ended, Place, openai_key, upstream};
use keywright_emulator::{KeyState, SuspendReason};
use serde_json::Value;

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// Asks about one OpenAI key at this base URL, under these variables too.
fn ask(base_url: &str, more: &[(&str, &str)]) -> Ended {
    ask_within("300", base_url, more)
}

/// The same, for those who wait in vain.
fn ask_within(seconds: &str, base_url: &str, more: &[(&str, &str)]) -> Ended {
    let key = openai_key(1);
    let place = Place::new().env("OPENAI_API_KEY", &key).env("OPENAI_BASE_URL", base_url);
    let place = more.iter().fold(place, |place, (name, value)| place.env(name, value));
    place.run(&["doctor", "--live", "--timeout", seconds, "--json"]).hides(&key)
}

/// The finding of the network check with this cause: what it says, and its command.
#[track_caller]
fn network_finding(ended: &Ended, cause: &str) -> (String, String) {
    let report = report(ended);
    let checks = report["checks"].as_array().expect("checks");
    let network = checks.iter().find(|check| check["id"] == "network").expect("the check was made");
    let findings = network["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["cause"] == cause);
    let finding = finding.unwrap_or_else(|| panic!("no {cause} in {findings:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&finding["says"]), text(&finding["fix"]["command"]))
}

#[test]
fn each_state_of_a_key_is_told_apart_as_far_as_the_provider_tells_it() {
    let scopes = || vec!["model.request".to_owned()];
    let limited = || KeyState::RateLimited { after: 0, n: None, retry_after: None };
    let suspended = KeyState::Suspended;
    // Provider, state, exit code, outcome, cause of the diagnosis.
    let cases = [
        ("openai", KeyState::Valid, 0, "works", ""),
        ("openai", KeyState::Unknown, 1, "refused", "invalid_key"),
        ("openai", KeyState::Revoked, 1, "refused", "invalid_key"),
        ("openai", KeyState::Deactivated, 1, "refused", "account_deactivated"),
        ("openai", KeyState::OutOfCredit, 1, "refused", "quota_exhausted"),
        ("openai", KeyState::Restricted { scopes: scopes() }, 0, "works", ""),
        ("openai", KeyState::IpBlocked, 1, "refused", "ip_not_allowed"),
        ("openai", limited(), 0, "works", "rate_limit"),
        ("openai", KeyState::ServerError, 3, "no_verdict", "server_error"),
        ("openai", KeyState::CloseBeforeAnswer, 3, "no_verdict", "network"),
        ("fireworks", KeyState::Valid, 0, "works", ""),
        ("fireworks", KeyState::Revoked, 1, "refused", "invalid_key"),
        ("fireworks", suspended(SuspendReason::CreditDepleted), 1, "refused", "quota_exhausted"),
        ("fireworks", suspended(SuspendReason::FailedPayments), 1, "refused", "quota_exhausted"),
        ("fireworks", suspended(SuspendReason::BlockedByAbuseRule), 1, "refused", "account_suspended"),
        ("together", KeyState::Valid, 0, "works", ""),
        ("together", KeyState::Revoked, 1, "refused", "invalid_key"),
    ];
    let emulator = upstream();
    for (provider, state, code, outcome, cause) in cases {
        let key = keywright_emulator::sample_keys(provider, 1).remove(0);
        emulator.set_key(provider, &key, state.clone()).expect("a known state");
        let upper = provider.to_uppercase();
        let ended = Place::new()
            .env(&format!("{upper}_API_KEY"), &key)
            .env(&format!("{upper}_BASE_URL"), &emulator.base_url(provider))
            .run(&["doctor", provider, "--live", "--json"])
            .hides(&key);
        let report = report(&ended);
        let live = &report["credentials"][0]["live"][0];
        let told = (ended.code, live["outcome"].as_str(), report["diagnosis"]["cause"].as_str().unwrap_or(""));
        assert_eq!(told, (code, Some(outcome), cause), "{provider} {state:?}: {report}");
    }
}

#[test]
fn a_restricted_key_is_told_as_one() {
    let emulator = upstream();
    let key = openai_key(1);
    let state = KeyState::Restricted { scopes: vec!["model.request".to_owned()] };
    emulator.set_key("openai", &key, state).expect("a known state");
    Place::new()
        .env("OPENAI_API_KEY", &key)
        .env("OPENAI_BASE_URL", &emulator.base_url("openai"))
        .run(&["-v", "doctor", "openai", "--live"])
        .code(0)
        .out("live: works")
        .out("the key is restricted")
        .hides(&key);
}

#[test]
fn a_refusal_names_the_key_its_place_and_what_else_it_may_be() {
    let emulator = upstream();
    let key = openai_key(1);
    emulator.set_key("openai", &key, KeyState::Revoked).expect("a known state");
    let place = Place::new().env("OPENAI_BASE_URL", &emulator.base_url("openai"));
    let place = place.file(".env", &format!("OPENAI_API_KEY={key}\n"));
    let ended = place.run(&["doctor", "--live"]).code(1).hides(&key);
    let ended = ended.out("live: refused").out("error[invalid_key]").out("--> .env:1").out("401 `invalid_api_key`");
    assert!(!ended.stderr.contains('\r'), "progress is for terminals: {ended:?}");
    let report = report(&place.run(&["doctor", "--live", "--json"]));
    assert_eq!(report["diagnosis"]["evidence"][0]["witness"], "probe");
    let alternatives = report["diagnosis"]["alternatives"].as_array().expect("a list");
    assert!(alternatives.iter().any(|other| other["cause"] == "revoked_or_rotated"), "{report}");
}

#[test]
fn without_live_nothing_is_sent() {
    let emulator = upstream();
    let key = openai_key(1);
    let place = Place::new().env("OPENAI_API_KEY", &key).env("OPENAI_BASE_URL", &emulator.base_url("openai"));
    place.run(&["doctor"]).code(0);
    place.run(&["doctor", "network"]).code(0).out("--live");
    assert!(emulator.calls().is_empty(), "{:?}", emulator.calls());
    place.run(&["doctor", "--live"]).code(0).out("live: works");
    assert_eq!(emulator.calls().iter().map(|calls| calls.calls).sum::<u64>(), 1, "{:?}", emulator.calls());
    place.run(&["doctor", "--timeout", "3"]).code(2);
}

#[test]
fn the_way_to_a_provider_is_shown_by_one_key_which_is_told() {
    let emulator = upstream();
    let (one, two) = (openai_key(1), openai_key(2));
    emulator.set_key("openai", &one, KeyState::Revoked).expect("a known state");
    let place = Place::new().env("OPENAI_API_KEY", &one).env("OPENAI_API_KEY_2", &two);
    let place = place.env("OPENAI_BASE_URL", &emulator.base_url("openai"));
    let ended = place.run(&["doctor", "network", "--live"]).code(0).hides(&one).hides(&two);
    ended.out("1 key asked about at 1 host").out("OPENAI_API_KEY  live: refused");
    assert_eq!(emulator.calls().iter().map(|calls| calls.calls).sum::<u64>(), 1, "{:?}", emulator.calls());
    let report = report(&place.run(&["doctor", "network", "--live", "--json"]).code(0));
    assert_eq!(report["credentials"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(report["credentials"][0]["live"][0]["outcome"], "refused");
}

#[test]
fn a_key_is_asked_about_once_wherever_it_stands_and_at_each_place_it_goes_to() {
    let (shell, configured) = (upstream(), upstream());
    let key = openai_key(1);
    let config = format!(
        "[[provider]]\nid = \"openai\"\nkeys = [\"env://OPENAI_API_KEY\", \"file://{{}}/key\"]\nbase_url = \"{}\"\n",
        configured.base_url("openai")
    );
    let place = Place::new().env("OPENAI_API_KEY", &key).env("OPENAI_BASE_URL", &shell.base_url("openai"));
    let place = place.env("OPENAI_API_KEY_2", &key).file("key", &openai_key(2));
    let config = config.replace("{}", &place.path().display().to_string());
    let place = place.file("keywright.toml", &config);
    let ended = place.run(&["doctor", "openai", "--live", "--json"]).code(0).hides(&key);
    let calls = |of: &keywright_emulator::Emulator, number| {
        of.calls_of("openai", &openai_key(number)).iter().map(|calls| calls.calls).sum::<u64>()
    };
    assert_eq!((calls(&shell, 1), calls(&configured, 1)), (1, 1), "{ended:?}");
    assert_eq!((calls(&shell, 2), calls(&configured, 2)), (0, 1), "{ended:?}");
}

#[test]
fn an_organisation_that_is_not_the_keys_own_is_told_as_that() {
    let emulator = upstream();
    let base_url = emulator.base_url("openai");
    let ended = ask(&base_url, &[("OPENAI_ORG_ID", "org-someone-elses")]).code(1);
    let report = report(&ended);
    assert_eq!(report["diagnosis"]["cause"], "wrong_organization_or_project");
    assert!(report["diagnosis"]["fixes"][0]["command"].as_str().is_some_and(|run| run.contains("unset OPENAI_ORG_ID")));
}

#[test]
fn a_key_of_one_provider_is_not_sent_to_another() {
    let ended = ask("https://api.together.xyz/v1", &[]);
    let report = report(&ended);
    let live = &report["credentials"][0]["live"][0];
    assert_eq!((live["outcome"].as_str(), live["asked"].as_str()), (Some("not_asked"), None), "{report}");
    assert!(live["says"].as_str().is_some_and(|says| says.contains("Together AI")), "{report}");
}

#[test]
fn a_host_that_cannot_be_reached_says_at_which_step() {
    let port = closed_port();
    let refused = ask(&format!("http://127.0.0.1:{port}/v1"), &[]).code(3);
    let (says, command) = network_finding(&refused, "network");
    assert!(says.contains(&format!("nothing answers at port {port}")) && command.starts_with("curl"), "{says}");
    let (says, command) = network_finding(&ask("http://no-such-host.invalid/v1", &[]).code(3), "network");
    assert!(says.contains("`no-such-host.invalid` has no address") && command.starts_with("getent"), "{says}");
    let (says, _) = network_finding(&ask_within("1", &Server::silent().url(), &[]).code(3), "timeout");
    assert!(says.contains("the connection stands, and nothing comes"), "{says}");
    let (says, _) = network_finding(&ask_within("1", &Server::silent().secure_url(), &[]).code(3), "timeout");
    assert!(says.contains("no secure connection"), "{says}");
}

#[test]
fn a_certificate_that_is_refused_says_why() {
    let good = || Certificate::new("localhost", |_| {});
    let certificate = good();
    let server = Server::secure(&certificate);
    let (says, command) = network_finding(&ask(&server.secure_url(), &[]).code(3), "tls");
    assert!(says.contains("does not trust") && command.starts_with("openssl"), "{says} {command}");
    let authority = |of: &Certificate| of.authority().display().to_string();
    let other = good();
    let wrong = ask(&server.secure_url(), &[("SSL_CERT_FILE", &authority(&other))]).code(3);
    assert_eq!(network_finding(&wrong, "tls").1, "unset SSL_CERT_FILE");
    let trusted = ask(&server.secure_url(), &[("SSL_CERT_FILE", &authority(&certificate))]).code(0);
    assert_eq!(report(&trusted)["credentials"][0]["live"][0]["outcome"], "works");

    let expired = Certificate::new("localhost", |params| {
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    });
    let cases = [(expired, "ended"), (Certificate::new("portal.example", |_| {}), "it is for portal.example")];
    for (certificate, words) in cases {
        let server = Server::secure(&certificate);
        let ended = ask(&server.secure_url(), &[("SSL_CERT_FILE", &authority(&certificate))]).code(3);
        let (says, _) = network_finding(&ended, "tls");
        assert!(says.contains(words), "{says}");
    }
    let plain = Server::blunt("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let (says, _) = network_finding(&ask(&plain.secure_url(), &[]).code(3), "tls");
    assert!(says.contains("speaks no TLS"), "{says}");
}

#[test]
fn an_answer_of_somebody_else_is_not_taken_for_the_providers() {
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 14\r\nconnection: close\r\n\r\n<html>Login</h";
    let portal = Server::answering(page);
    let (says, command) = network_finding(&ask(&portal.url(), &[]).code(3), "proxy");
    assert!(says.contains("something on the way answered") && !command.is_empty(), "{says}");
    let elsewhere =
        "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (says, _) = network_finding(&ask(&Server::answering(elsewhere).url(), &[]).code(3), "wrong_base_url");
    assert!(says.contains("redirect"), "{says}");
    let nowhere =
        "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope";
    let (says, _) = network_finding(&ask(&Server::answering(nowhere).url(), &[]).code(3), "wrong_base_url");
    assert!(says.contains("there is no /v1/"), "{says}");
}

#[test]
fn a_clock_that_is_off_is_told_beside_the_verdict() {
    let models = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Tue, 01 Jan 2019 00:00:00 GMT\r\n\
                  content-length: 2\r\nconnection: close\r\n\r\n{}";
    let ended = ask(&Server::answering(models).url(), &[]).code(0);
    let (says, command) = network_finding(&ended, "tls");
    assert!(says.contains("days ahead of that of OpenAI") && command.contains("timedatectl"), "{says}");
    assert_eq!(report(&ended)["status"], "warn");
}

#[test]
fn a_proxy_is_gone_through_as_programs_do_and_sees_no_key() {
    let proxy = Server::answering("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    let address = format!("http://me:hunter2@{}", proxy.address);
    let ended = ask("https://api.example.com/v1", &[("HTTPS_PROXY", &address)]).code(3).hides("hunter2");
    let (says, command) = network_finding(&ended, "proxy");
    assert!(says.contains("wants a user name and a password") && says.contains("`HTTPS_PROXY`"), "{says}");
    assert!(command.starts_with("export HTTPS_PROXY="), "{command}");
    let heard = proxy.heard();
    assert!(heard.len() == 1 && heard[0].starts_with("CONNECT api.example.com:443 HTTP/1.1\r\n"), "{heard:?}");
    assert!(!heard[0].contains(&openai_key(1)), "the proxy got the key");

    let certificate = Certificate::new("localhost", |_| {});
    let server = Server::secure(&certificate);
    let trust = certificate.authority().display().to_string();
    let excepted = [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", "localhost"), ("SSL_CERT_FILE", trust.as_str())];
    let ended = ask(&server.secure_url(), &excepted).code(0);
    assert_eq!(report(&ended)["credentials"][0]["live"][0]["outcome"], "works");
    assert_eq!(proxy.heard().len(), 1, "NO_PROXY was not heard");

    let socks = format!("socks5://{}", proxy.address);
    let (says, _) = network_finding(&ask("https://api.example.com/v1", &[("ALL_PROXY", &socks)]).code(3), "proxy");
    assert!(says.contains("nothing was sent"), "{says}");
    assert_eq!(proxy.heard().len(), 1);
}

#[test]
fn what_keeps_programs_from_the_network_is_found_without_asking_anyone() {
    let place = Place::new().env("OPENAI_API_KEY", &openai_key(1));
    let broken = place.env("HTTPS_PROXY", "http://me:hunter2@proxy:port").env("SSL_CERT_FILE", "/nowhere/ca.pem");
    broken
        .run(&["doctor"])
        .code(1)
        .out("error[proxy]: the port in `HTTPS_PROXY`")
        .out("$ unset HTTPS_PROXY")
        .out("error[tls]: `SSL_CERT_FILE` names something that does not exist")
        .out("$ unset SSL_CERT_FILE")
        .hides("hunter2");
}
