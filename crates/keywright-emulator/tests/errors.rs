//! Refusals, byte for byte and header for header.

#![allow(clippy::unwrap_used, reason = "helpers are tests too")]

mod common;

use common::{chat, chat_body, chat_path, delete, emulator, get, key, post, put, request, send};
use http_body_util::Full;
use keywright_emulator::{KeySpec, KeyState, SuspendReason};
use serde_json::json;

#[tokio::test]
async fn a_bad_openai_key_reads_differently_on_each_router() {
    let emulator = emulator().await;
    let chat = chat(&emulator, "openai", "bad apiKey").await;
    assert_eq!(chat.status, 401);
    assert_eq!(chat.body.len(), 260);
    assert_eq!(chat.header("content-type"), "application/json; charset=utf-8");
    assert!(chat.text().starts_with("{\n    \"error\": {\n        \"message\": \"Incorrect"));
    assert!(chat.text().ends_with("\"code\": \"invalid_api_key\"\n    }\n}\n"));
    assert_eq!(chat.header("www-authenticate"), "");
    assert_eq!(chat.header("openai-version"), "");
    assert!(chat.header("x-request-id").starts_with("req_"));

    for path in ["/openai/v1/models", "/openai/v1/files"] {
        let core = get(&emulator, path, "bad apiKey").await;
        assert_eq!(core.body.len(), 239, "{path}");
        assert_eq!(core.header("content-type"), "application/json");
        assert_eq!(core.header("www-authenticate"), "Bearer realm=\"OpenAI API\"");
        assert_eq!(core.header("openai-version"), "2020-10-01");
    }
    let responses = post(&emulator, "/openai/v1/responses", "bad apiKey", &json!({})).await;
    assert_eq!(responses.body.len(), 239);
    assert_eq!(responses.header("access-control-expose-headers"), "X-Request-ID, CF-Ray, CF-Ray");
}

#[tokio::test]
async fn a_stream_refused_is_plain_json() {
    let emulator = emulator().await;
    let answer = post(&emulator, chat_path("openai"), "bad apiKey", &chat_body(true)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (401, 260));
}

#[tokio::test]
async fn a_missing_key_reads_differently_on_each_route() {
    let emulator = emulator().await;
    let answer = chat(&emulator, "openai", "").await;
    assert!(answer.text().contains("You didn't provide an API key."));
    let answer = post(&emulator, "/openai/v1/responses", "", &json!({})).await;
    assert!(answer.text().contains("Missing bearer or basic authentication in header"));
    let answer = chat(&emulator, "together", "").await;
    assert_eq!(answer.json()["error"]["code"], "missing_api_key");
    assert!(answer.json().get("id").is_none());
    let answer = chat(&emulator, "fireworks", "").await;
    assert_eq!(answer.json()["error"]["code"], "UNAUTHORIZED");
}

#[tokio::test]
async fn together_writes_its_two_bodies() {
    let emulator = emulator().await;
    let answer = chat(&emulator, "together", "nonsense").await;
    assert_eq!(answer.body.len(), 265);
    assert!(answer.header("etag").starts_with("W/\"109-"));
    assert_eq!(answer.header("x-api-received"), "2026-11-21T00:00:00.000Z");
    assert_eq!(answer.header("vary"), "accept-encoding");
    let models = get(&emulator, "/together/v1/models", "nonsense").await;
    assert_eq!(models.text(), r#"{"error":{"message":"Unauthorized"}}"#);
    assert!(models.header("etag").starts_with('"'));
    assert_eq!(models.header("x-api-received"), "");
}

#[tokio::test]
async fn revoked_expired_and_unknown_are_the_same_bytes() {
    for provider in ["openai", "fireworks", "together"] {
        let mut seen = Vec::new();
        for state in [KeyState::Unknown, KeyState::Revoked, KeyState::Expired] {
            let emulator = emulator().await;
            let key = key(provider);
            emulator.set_key(provider, &key, state).unwrap();
            let answer = chat(&emulator, provider, &key).await;
            seen.push((answer.status, answer.headers, answer.body));
        }
        assert_eq!(seen[0], seen[1], "{provider}");
        assert_eq!(seen[0], seen[2], "{provider}");
    }
}

#[tokio::test]
async fn every_state_has_its_status() {
    use KeyState as K;
    let blocked = K::ModelBlocked { models: Vec::new() };
    let bare = K::Restricted { scopes: Vec::new() };
    let limited = K::RateLimited { after: 0, n: None, retry_after: None };
    let cases = [
        (K::Deactivated, [401, 412, 403]),
        (K::OutOfCredit, [429, 412, 402]),
        (K::SpendLimitedOrg, [429, 412, 402]),
        (K::SpendLimitedProject, [429, 402, 402]),
        (bare, [401, 403, 403]),
        (blocked, [403, 404, 404]),
        (K::WrongProject, [401, 403, 403]),
        (K::IpBlocked, [401, 403, 403]),
        (K::RegionBlocked, [403, 403, 403]),
        (limited, [429, 429, 429]),
        (K::Suspended(SuspendReason::CreditDepleted), [429, 412, 403]),
        (K::ServerError, [500, 500, 500]),
        (K::Overloaded, [503, 503, 503]),
    ];
    let emulator = emulator().await;
    for (state, statuses) in cases {
        for (provider, status) in ["openai", "fireworks", "together"].into_iter().zip(statuses) {
            emulator.set_key(provider, &key(provider), state.clone()).unwrap();
            let answer = chat(&emulator, provider, &key(provider)).await;
            assert_eq!(answer.status.as_u16(), status, "{provider} {state:?}");
            emulator.set_key(provider, &key(provider), K::Valid).unwrap();
            assert_eq!(chat(&emulator, provider, &key(provider)).await.status, 200);
        }
    }
}

#[tokio::test]
async fn every_answer_given_is_in_the_table() {
    let emulator = emulator().await;
    for provider in ["openai", "fireworks", "together"] {
        let key = key(provider);
        for name in KeyState::names() {
            let options = match *name {
                "suspended" => r#", "reason": "failed_payments""#,
                "slow" => r#", "ms": 0"#,
                "never_ends" | "close_before_answer" | "cut_stream" | "lying_length" => continue,
                _ => "",
            };
            let body = format!(r#"{{"state": "{name}"{options}}}"#);
            let set = put(&emulator, &format!("/_control/keys/{provider}/{key}"), &body).await;
            if set.status == 200 {
                chat(&emulator, provider, &key).await;
            }
        }
        chat(&emulator, provider, "").await;
        get(&emulator, &format!("/{provider}/nowhere"), &key).await;
    }
    for row in emulator.calls() {
        let known = keywright_emulator::mark_of(row.answer).is_some() || row.answer == "ok";
        assert!(known, "{row:?}");
    }
}

#[tokio::test]
async fn scopes_are_checked_route_by_route() {
    let emulator = emulator().await;
    let key = key("openai");
    let state = KeyState::Restricted { scopes: vec!["model.request".into()] };
    emulator.set_key("openai", &key, state).unwrap();
    assert_eq!(chat(&emulator, "openai", &key).await.status, 200);
    let models = get(&emulator, "/openai/v1/models", &key).await;
    assert_eq!(models.status, 403);
    assert!(models.text().contains("Missing scopes: api.model.read."));
    let responses = post(&emulator, "/openai/v1/responses", &key, &json!({})).await;
    assert_eq!(responses.status, 401);
}

#[tokio::test]
async fn organisation_and_project_headers_must_match_the_key() {
    let emulator = emulator().await;
    let key = key("openai");
    let spec = KeySpec::valid().project("proj_a").organization("org-a");
    emulator.set_key("openai", &key, spec).unwrap();
    for (name, value, code) in [
        ("openai-organization", "org-b", "mismatched_organization"),
        ("openai-organization", "acme", "invalid_organization"),
        ("openai-project", "proj_b", "mismatched_project"),
    ] {
        let request = request("GET", "/openai/v1/models", &key).header(name, value);
        let answer = send(&emulator, request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"]["code"], code);
    }
    let good = request("GET", "/openai/v1/models", &key)
        .header("openai-project", "proj_a")
        .header("openai-organization", "org-a");
    let answer = send(&emulator, good.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("openai-project"), "proj_a");
}

#[tokio::test]
async fn odd_requests_are_refused_in_the_providers_own_way() {
    let emulator = emulator().await;
    for provider in ["openai", "fireworks", "together"] {
        let key = key(provider);
        for body in ["", "nonsense", "[]", "{}", "null", "{\"model\": 5}", "{\"model\": \"m\"}", "\u{0}"] {
            let request = request("POST", chat_path(provider), &key);
            let answer = send(&emulator, request.body(Full::from(body)).unwrap()).await;
            assert_eq!(answer.status, 400, "{provider} {body:?}");
            assert!(answer.json()["error"]["message"].is_string());
        }
        for path in ["/", "/v1/nothing", "/v1/v1/chat/completions", "/chat/completions"] {
            let path = format!("/{provider}{path}");
            assert_eq!(post(&emulator, &path, &key, &json!({})).await.status, 404, "{path}");
        }
    }
    let path = "/openai/chat/completions";
    let answer = post(&emulator, path, &key("openai"), &json!({})).await;
    assert_eq!(answer.json()["error"]["message"], "Invalid URL (POST /chat/completions)");
    assert_eq!(delete(&emulator, "/nobody/v1/models", "x").await.status, 404);
}

#[tokio::test]
async fn a_malformed_model_has_the_recorded_length() {
    let emulator = emulator().await;
    let key = key("openai");
    let body = json!({"model": "bad model", "messages": [], "prompt": "x"});
    let answer = post(&emulator, chat_path("openai"), &key, &body).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (400, 149));
    let answer = post(&emulator, "/openai/v1/images/generations", &key, &body).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (400, 169));
}

#[tokio::test]
async fn a_rate_limit_ends_after_its_refusals() {
    let emulator = emulator().await;
    let key = key("openai");
    let path = format!("/_control/keys/openai/{key}");
    put(&emulator, &path, r#"{"state": "rate_limited", "after": 1, "n": 2, "retry_after": 1.5}"#).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = chat(&emulator, "openai", &key).await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), "2");
            assert_eq!(answer.header("retry-after-ms"), "1500");
        }
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [200, 429, 429, 200, 200]);
}

#[tokio::test]
async fn a_flaky_key_fails_once() {
    let emulator = emulator().await;
    let key = key("openai");
    emulator.set_key("openai", &key, KeyState::Flaky).unwrap();
    let first = chat(&emulator, "openai", &key).await;
    assert_eq!(first.status, 401);
    assert!(first.json()["error"]["code"].is_null());
    assert_eq!(chat(&emulator, "openai", &key).await.status, 200);
}

#[tokio::test]
async fn fireworks_speaks_of_suspension_in_two_places() {
    let emulator = emulator().await;
    let key = key("fireworks");
    let spec = KeySpec::from(KeyState::Suspended(SuspendReason::FailedPayments)).account("acme");
    emulator.set_key("fireworks", &key, spec).unwrap();
    let answer = chat(&emulator, "fireworks", &key).await;
    assert_eq!(answer.status, 412);
    assert!(answer.text().contains("Account acme is suspended"));
    let accounts = get(&emulator, "/fireworks/v1/accounts", &key).await;
    assert_eq!(accounts.status, 200);
    assert_eq!(accounts.json()["accounts"][0]["suspendState"], "FAILED_PAYMENTS");
    let bad = get(&emulator, "/fireworks/v1/accounts", "fw_bad").await;
    assert_eq!(bad.json()["code"], 16);
}
