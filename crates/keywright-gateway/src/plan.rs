//! Plan: which provider and path a request means, and what it needs of a key.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::request::Parts;
use http::uri::PathAndQuery;
use keywright_core::paths::upstream_path;
use keywright_core::pins::Pin;
use keywright_core::{Cause, Failover};

use crate::admit::{self, Admitted, short};
use crate::answer::Refusal;
use crate::attempt::body_refusal;
use crate::body::RequestBody;
use crate::config::PathPolicy;
use crate::live::{Live, Upstream};
use crate::model::{self, Model, Named};
use crate::shared::Shared;

/// What a request means.
pub(crate) struct Plan {
    /// Where it may go, in order.
    pub(crate) targets: Vec<Target>,
    /// The project that owns the server-side object that the request names.
    pub(crate) pin: Option<Pin>,
    /// The path was mended: tell the caller.
    pub(crate) mended: bool,
}

/// One place where a request may go.
pub(crate) struct Target {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) path: PathAndQuery,
    /// The model that the request asks for there.
    pub(crate) model: Model,
    /// The body for this target, when the model's name had to be changed in it.
    pub(crate) body: Option<Bytes>,
}

/// The door a request came through.
pub(crate) enum Door<'a> {
    /// `/{provider}/…`: the provider's own paths.
    Mirror(&'a Arc<Upstream>, &'a str),
    /// `/v1/…`: the model names the provider.
    Unified(&'a str),
}

/// Finds the door.
pub(crate) fn door<'a>(live: &'a Live, path: &'a str) -> Result<Door<'a>, Refusal> {
    let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    if first == "v1" {
        return Ok(Door::Unified(rest));
    }
    live.upstream(first).map(|upstream| Door::Mirror(upstream, rest)).ok_or_else(|| unknown_door(live, first))
}

fn unknown_door(live: &Live, first: &str) -> Refusal {
    let doors: Vec<String> = live.upstreams.iter().map(|upstream| format!("/{}", upstream.id)).collect();
    let message = match keywright_core::Catalogue::builtin().provider(first) {
        Some(known) => format!("{} is not configured in this gateway.", known.name),
        None => format!("the path begins with `/{}`, which is no door of this gateway.", short(first)),
    };
    let help = format!(
        "Paths begin with {} or /v1.",
        if doors.is_empty() { "a configured provider".to_owned() } else { doors.join(", ") }
    );
    Refusal::new(StatusCode::NOT_FOUND, Cause::WrongBaseUrl, message).code("unknown_path").help(help)
}

/// Plans a request.
pub(crate) async fn plan(
    shared: &Shared,
    live: &Live,
    admitted: &Admitted,
    parts: &Parts,
    door: &Door<'_>,
    body: &RequestBody,
) -> Result<Plan, Refusal> {
    match door {
        Door::Mirror(upstream, rest) => mirror(shared, admitted, parts, upstream, rest, body).await,
        Door::Unified(rest) => unified(shared, live, admitted, parts, rest, body).await,
    }
}

async fn mirror(
    shared: &Shared,
    admitted: &Admitted,
    parts: &Parts,
    upstream: &Arc<Upstream>,
    rest: &str,
    body: &RequestBody,
) -> Result<Plan, Refusal> {
    let model = if admitted.caller.models.is_empty() {
        admit::check_scope(&admitted.caller, &upstream.id, None)?;
        Model::in_body(parts, body)
    } else {
        let named = model::named(parts, body).await.map_err(body_refusal)?;
        admit::check_scope(&admitted.caller, &upstream.id, named.as_ref().map(|named| named.model.as_str()))?;
        named.map_or_else(|| Model::in_body(parts, body), |named| Model::known(named.model))
    };
    let (path, mended) = target_path(upstream, rest, parts.uri.query())?;
    let pin = pin(shared, upstream, path.path(), body);
    let target = Target { upstream: Arc::clone(upstream), path, model, body: None };
    Ok(Plan { targets: vec![target], pin, mended })
}

/// At the unified door the model names the provider.
async fn unified(
    shared: &Shared,
    live: &Live,
    admitted: &Admitted,
    parts: &Parts,
    rest: &str,
    body: &RequestBody,
) -> Result<Plan, Refusal> {
    let Some(mut named) = model::named(parts, body).await.map_err(body_refusal)? else {
        return sole_provider(shared, live, admitted, parts, rest, body).await;
    };
    if matches!(shared.redactor.load().redact_str(&named.model), Cow::Owned(_)) {
        // The provider would repeat it in its answer and in its logs.
        let says = "a key stands in the request's `model`.";
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, Cause::BadRequest, says).code("key_in_model");
        return Err(refusal.help("Put the name of a model there, and the key into the Authorization header."));
    }
    let Some(wanted) = wanted(live, &named.model) else {
        if live.upstreams.len() == 1 {
            return sole_provider(shared, live, admitted, parts, rest, body).await;
        }
        return Err(unknown_model(live, &named.model));
    };
    // The rest of the body is needed too: the model's name changes in it.
    while body.read_more().await.map_err(body_refusal)? {}
    named.head = body.so_far();
    let mut plan = Plan { targets: Vec::with_capacity(wanted.len()), pin: None, mended: false };
    for (id, name) in wanted {
        let Some(upstream) = live.upstream(&id) else {
            continue;
        };
        match admit::check_scope(&admitted.caller, &id, Some(&name)) {
            Err(refusal) if plan.targets.is_empty() => return Err(refusal),
            Err(_) => continue,
            Ok(()) => {}
        }
        let (path, _) = target_path(upstream, rest, parts.uri.query())?;
        plan.pin = plan.pin.or_else(|| pin(shared, upstream, path.path(), body));
        let body = Some(renamed(&named, &name));
        plan.targets.push(Target { upstream: Arc::clone(upstream), path, model: Model::known(name), body });
    }
    if plan.pin.is_some() {
        // Another provider does not know the object.
        plan.targets.truncate(1);
    }
    Ok(plan)
}

/// Where a model's name leads: a route, or `provider/model`.
fn wanted(live: &Live, model: &str) -> Option<Vec<(String, String)>> {
    live.routes.get(model).cloned().or_else(|| {
        let (id, name) = model.split_once('/')?;
        live.upstream(id).map(|upstream| vec![(upstream.id.clone(), name.to_owned())])
    })
}

/// With one provider there is nothing to name.
async fn sole_provider(
    shared: &Shared,
    live: &Live,
    admitted: &Admitted,
    parts: &Parts,
    rest: &str,
    body: &RequestBody,
) -> Result<Plan, Refusal> {
    match live.upstreams.as_slice() {
        [upstream] => mirror(shared, admitted, parts, upstream, rest, body).await,
        _ => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            Cause::BadRequest,
            "at /v1 the request's `model` names the provider, and this request has none.",
        )
        .code("no_model")
        .help("Send `\"model\": \"provider/model\"`, or use the provider's own path, such as /openai/v1.")),
    }
}

fn unknown_model(live: &Live, model: &str) -> Refusal {
    let providers: Vec<&str> = live.upstreams.iter().map(|upstream| upstream.id.as_str()).collect();
    let example = providers.first().copied().unwrap_or("openai");
    let message = format!(
        "the model `{}` is no route of this gateway and names none of its providers ({}).",
        short(model),
        providers.join(", ")
    );
    Refusal::new(StatusCode::NOT_FOUND, Cause::ModelNotFound, message)
        .help(format!("At /v1 ask for `{example}/{}`, or add a [[route]].", short(model)))
}

/// The body with another model in it; every other byte stays.
fn renamed(named: &Named, model: &str) -> Bytes {
    let (body, range) = (&named.head, &named.range);
    let name = serde_json::Value::from(model).to_string();
    let mut out = BytesMut::with_capacity(body.len() + name.len());
    out.extend_from_slice(&body[..range.start]);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&body[range.end..]);
    out.freeze()
}

/// The path at the provider, and whether it was mended.
fn target_path(upstream: &Upstream, rest: &str, query: Option<&str>) -> Result<(PathAndQuery, bool), Refusal> {
    let path = match upstream.paths {
        PathPolicy::Mend => upstream_path(&upstream.spec.paths, rest),
        PathPolicy::Verbatim => format!("/{rest}"),
    };
    let mended = path.strip_prefix('/') != Some(rest);
    let mut full = match upstream.origin.prefix() {
        "" => path,
        prefix => format!("{prefix}{path}"),
    };
    if let Some(query) = query {
        let query = without_key(query);
        if !query.is_empty() {
            full.push('?');
            full.push_str(&query);
        }
    }
    let full = PathAndQuery::try_from(full).map_err(|_| {
        Refusal::new(StatusCode::BAD_REQUEST, Cause::BadRequest, "the path cannot be sent on").code("bad_path")
    })?;
    Ok((full, mended))
}

/// A query without the credential that `?key=` carries.
fn without_key(query: &str) -> Cow<'_, str> {
    if !query.contains("key=") {
        return Cow::Borrowed(query);
    }
    Cow::Owned(query.split('&').filter(|pair| !pair.starts_with("key=")).collect::<Vec<_>>().join("&"))
}

/// The project that owns the object which the path or the body names, where several projects are configured.
fn pin(shared: &Shared, upstream: &Upstream, path: &str, body: &RequestBody) -> Option<Pin> {
    let labelled = upstream.keys.iter().any(|key| key.project.is_some());
    labelled.then(|| shared.pins.pin(&upstream.spec.paths, path, &body.so_far())).flatten()
}

/// Whether a refusal at one target lets the next target try: only what is about the key or the account.
pub(crate) fn next_target(cause: Cause) -> bool {
    matches!(cause.failover(), Failover::OtherKey | Failover::OtherAccount | Failover::Wait)
}
