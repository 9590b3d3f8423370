//! One request from its head to its answer: admit → plan → attempt → relay, and settle on the way.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use keywright_core::Cause;
use tokio::time::Instant;

use crate::admit::{self, admit};
use crate::answer::{Refusal, json_response, text_response};
use crate::attempt::{Journey, body_refusal};
use crate::body::{BodyLimits, RequestBody};
use crate::headers::{self, CallerHeaders};
use crate::last_failure::Failure;
use crate::live::Live;
use crate::plan::{self, Door, door};
use crate::relay::Down;
use crate::shared::Shared;
use crate::wire::HeadWatch;
use crate::{metrics, upgrade};

/// Answers one request. It cannot fail: every failure is an answer.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    worker: usize,
    request: Request<Incoming>,
    watch: &HeadWatch,
) -> Response<Down> {
    let http1 = request.version() < Version::HTTP_2;
    if http1 && watch.is_split() {
        let says = "a line feed inside a header cut this request in two.";
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, Cause::WhitespaceOrNewline, says)
            .code("split_request")
            .help("Look for a newline in the value of one of its headers; a key that was read from a file often ends in one.")
            .close();
        return refused(shared, &refusal);
    }
    // Where a body follows, the next head is expected once the body is read.
    let watch = http1.then_some(watch);
    if request.body().is_end_stream() {
        expect_head(watch);
    }
    let answer = match own_page(shared, &request) {
        Some(page) => Ok(page),
        None => relay(shared, worker, request, watch).await,
    };
    answer.unwrap_or_else(|refusal| refused(shared, &refusal))
}

fn expect_head(watch: Option<&HeadWatch>) {
    if let Some(watch) = watch {
        watch.expect_head();
    }
}

fn refused(shared: &Shared, refusal: &Refusal) -> Response<Down> {
    shared.refused.fetch_add(1, Ordering::Relaxed);
    // A path or a model that the caller sent may stand in it, and a key may stand in those by mistake.
    let redactor = shared.redactor.load();
    let message = redactor.redact_str(&refusal.message).into_owned();
    let help = refusal.help.as_ref().map(|help| redactor.redact_str(help).into_owned());
    let refusal = Refusal { message, help, ..refusal.clone() };
    tracing::debug!(status = refusal.status.as_u16(), code = refusal.code, message = refusal.message, "refused");
    let response = refusal.response();
    if let Some(failure) = response.extensions().get::<Failure>() {
        shared.last_failure.note(failure.clone(), &shared.live.load());
    }
    response
}

/// A provider's request.
async fn relay(
    shared: &Arc<Shared>,
    worker: usize,
    mut request: Request<Incoming>,
    watch: Option<&HeadWatch>,
) -> Result<Response<Down>, Refusal> {
    let began = Instant::now();
    let live = shared.live.load_full();
    let upgraded = headers::is_upgrade(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, incoming) = request.into_parts();
    let admitted = admit(&parts, &live)?;
    let door = door(&live, parts.uri.path())?;
    if let Door::Mirror(upstream, _) = &door {
        // Before the body is read: a caller out of scope must not send it in vain.
        if !admitted.caller.providers.is_empty() {
            admit::check_scope(&admitted.caller, &upstream.id, admitted.caller.models.first().map(String::as_str))?;
        }
    } else if let Some(models) = model_list(&live, &parts) {
        return Ok(models);
    }
    let body = RequestBody::begin(incoming, body_limits(shared, &live)).await.map_err(body_refusal)?;
    if body.is_read_out() {
        expect_head(watch);
    }
    let plan = plan::plan(shared, &live, &admitted, &parts, &door, &body).await?;
    if let Some(target) = plan.targets.first() {
        target.upstream.traffic.requests.fetch_add(1, Ordering::Relaxed);
    }
    let headers = CallerHeaders::new(std::mem::take(&mut parts.headers));
    let mut journey = Journey {
        shared,
        live: &live,
        worker,
        parts: &parts,
        headers,
        body: &body,
        began,
        attempts: 0,
        waited: false,
        patient_since: began,
    };
    let response = journey.run(&plan).await;
    if body.is_read_out() {
        expect_head(watch);
    }
    Ok(match upgraded {
        Some(upgraded) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            upgrade::join(shared, response, upgraded)
        }
        _ => response,
    })
}

fn body_limits(shared: &Shared, live: &Live) -> BodyLimits {
    BodyLimits {
        most_bytes: live.settings.body_limit_bytes,
        replay_bytes: live.settings.replay_limit_bytes,
        idle: live.settings.idle_timeout,
        budget: Arc::clone(&shared.budget),
    }
}

/// The pages of the gateway itself.
fn own_page(shared: &Shared, request: &Request<Incoming>) -> Option<Response<Down>> {
    let page = match request.uri().path() {
        "/healthz" => text_response(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
        "/readyz" => ready(shared),
        "/metrics" => return metrics_page(shared, request),
        "/" => text_response(StatusCode::OK, "text/plain; charset=utf-8", front_page(&shared.live.load())),
        _ => return None,
    };
    Some(if matches!(*request.method(), Method::GET | Method::HEAD) {
        page
    } else {
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Cause::BadRequest, "this page is read with GET.")
            .code("method_not_allowed")
            .response()
    })
}

/// Metrics hold no key, but they tell of accounts: on an open address only the admin listener gives them.
fn metrics_page(shared: &Shared, request: &Request<Incoming>) -> Option<Response<Down>> {
    let live = shared.live.load();
    if !live.settings.listen.ip().is_loopback() {
        return None;
    }
    let (parts, ()) = Request::get(request.uri().clone()).body(()).ok()?.into_parts();
    let mut parts = parts;
    parts.headers = request.headers().clone();
    // The Host check holds here too; the virtual key does not: a scraper on this machine has none.
    if let Err(refusal) = admit::check_host(&parts, &live) {
        return Some(refusal.response());
    }
    Some(text_response(StatusCode::OK, metrics::CONTENT_TYPE, metrics::page(shared)))
}

/// Ready while it does not drain and some provider can be called.
pub(crate) fn ready(shared: &Shared) -> Response<Down> {
    let live = shared.live.load();
    let now = crate::clock::now();
    let out: Vec<&str> = live
        .upstreams
        .iter()
        .filter(|upstream| !upstream.passes_through())
        .filter(|upstream| {
            upstream.ring().iter().all(|key| matches!(key.standing(now), keywright_core::ring::Standing::Out(_)))
        })
        .map(|upstream| upstream.id.as_str())
        .collect();
    let draining = *shared.draining.borrow();
    let ready = !draining && (live.upstreams.is_empty() || out.len() < live.upstreams.len());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, &serde_json::json!({"ready": ready, "draining": draining, "providers_without_key": out}))
}

fn front_page(live: &Live) -> String {
    let mut text = String::from("Keywright gateway. Point an SDK's base URL at one of these:\n");
    for upstream in &live.upstreams {
        let sdk_base = &upstream.spec.http.sdk_base;
        let _ = writeln!(text, "  http://{}/{}{sdk_base}", live.settings.listen, upstream.id);
    }
    let _ = writeln!(text, "  http://{}/v1   with \"model\": \"provider/model\"", live.settings.listen);
    text
}

/// `GET /v1/models` at the unified door: the routes, as models.
fn model_list(live: &Live, parts: &Parts) -> Option<Response<Down>> {
    let asked = parts.method == Method::GET && parts.uri.path().trim_end_matches('/') == "/v1/models";
    if !asked || live.upstreams.len() == 1 {
        return None;
    }
    let models: Vec<_> = live
        .routes
        .keys()
        .map(|model| serde_json::json!({"id": model, "object": "model", "created": 0, "owned_by": "keywright"}))
        .collect();
    Some(json_response(StatusCode::OK, &serde_json::json!({"object": "list", "data": models})))
}

/// The pages of the admin listener.
pub(crate) fn admin_page(shared: &Shared, request: &Request<Incoming>) -> Response<Down> {
    match request.uri().path() {
        "/healthz" => text_response(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned()),
        "/readyz" => ready(shared),
        "/metrics" => text_response(StatusCode::OK, metrics::CONTENT_TYPE, metrics::page(shared)),
        _ => Refusal::new(
            StatusCode::NOT_FOUND,
            Cause::BadRequest,
            "the admin listener has /healthz, /readyz and /metrics.",
        )
        .code("unknown_path")
        .response(),
    }
}
