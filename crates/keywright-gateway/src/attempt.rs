//! Attempt: swap the header, send, read what came back, decide.
//!
//! The loop is dull on purpose; the decisions are core's. A request moves on only before its first
//! byte went down, and only when the answer says in so many words that nothing ran.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use keywright_core::Cause;
use keywright_core::pins::Pin;
use keywright_core::ring::{self, MOST_RESENT, Next, Sent, Want, speaks_to_caller};
use tokio::time::Instant;

use crate::answer::{Refusal, X_ATTEMPTS, X_CAUSE, X_KEY, X_ORIGIN, X_PATH, X_PROVIDER};
use crate::body::{BodyFailure, Outgoing, RequestBody};
use crate::choose::{Choice, choose};
use crate::clock;
use crate::headers::{self, CallerHeaders};
use crate::judge::{self, Judged};
use crate::last_failure::Failure;
use crate::live::Live;
use crate::plan::{Plan, Target, next_target};
use crate::pool::{self, SendError};
use crate::relay::{Down, RelayLimits};
use crate::settle::{self, InFlight, InUse};
use crate::shared::Shared;

/// One request on its way through its attempts.
pub(crate) struct Journey<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) live: &'a Live,
    pub(crate) worker: usize,
    pub(crate) parts: &'a Parts,
    pub(crate) headers: CallerHeaders,
    pub(crate) body: &'a RequestBody,
    pub(crate) began: Instant,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// Whether a short pause was waited for.
    pub(crate) waited: bool,
    /// Since when it waits for verdicts on keys: since it came, or since a person gave a key.
    pub(crate) patient_since: Instant,
}

/// An answer that was not relayed, kept in case nothing better comes.
struct Refused {
    bad: judge::Bad,
    used: Option<InUse>,
}

impl Refused {
    fn retry_after(&self) -> Option<Duration> {
        headers::retry_after(&self.bad.head.headers)
    }

    fn speaks_to_caller(&self) -> bool {
        speaks_to_caller(self.bad.classified.cause, self.bad.head.status.as_u16())
    }
}

/// How one target ended.
enum End {
    /// This goes down.
    Answer(Response<Down>),
    /// No key of this target is left; the last refusal may go down.
    Exhausted(Option<Box<Refused>>),
    /// No connection: another target may do.
    Unreachable(Refusal),
}

impl Journey<'_> {
    /// Tries the planned targets in order until one answers.
    pub(crate) async fn run(&mut self, plan: &Plan) -> Response<Down> {
        let mut last = None;
        for (index, target) in plan.targets.iter().enumerate() {
            let more = index + 1 < plan.targets.len();
            match self.target(target, plan.pin.as_ref(), !more).await {
                End::Answer(response) => return self.finish(response, target, plan),
                End::Unreachable(refusal) => {
                    tracing::warn!(provider = target.upstream.id, error = refusal.message, "no connection");
                    last = Some(refusal.response());
                }
                End::Exhausted(refused) => {
                    let goes_on =
                        more && refused.as_ref().is_none_or(|refused| next_target(refused.bad.classified.cause));
                    last = Some(self.exhausted(target, plan.pin.as_ref(), refused));
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        let target = plan.targets.last();
        let response = last.unwrap_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, Cause::WrongBaseUrl, "nothing is planned for this request").response()
        });
        match target {
            Some(target) => self.finish(response, target, plan),
            None => response,
        }
    }

    /// Tries the keys of one target. At the last one a person may be waited for.
    async fn target(&mut self, target: &Target, pin: Option<&Pin>, is_last: bool) -> End {
        let upstream = &target.upstream;
        if upstream.passes_through() {
            return self.pass_through(target).await;
        }
        let mut want = Want { project: pin.map(|pin| pin.project.clone()), ..Want::default() };
        let mut last = None;
        loop {
            let used = match self.choose(target, &want).await {
                None if is_last => self.park(target, &want).await,
                used => used,
            };
            let Some(used) = used else {
                return End::Exhausted(last);
            };
            let Some(judged) = self.send(target, Some(&used)).await else {
                return End::Exhausted(last);
            };
            let refused = match judged {
                Judged::Good(answer) => return End::Answer(self.served(target, &used, answer)),
                Judged::Broken(error) => return self.not_answered(target, &error),
                Judged::Bad(bad) => self.refused(target, used, bad),
            };
            match ring::next(refused.bad.classified.cause, refused.retry_after(), self.waited) {
                Next::Relay => return End::Answer(self.provider_error(*refused, target)),
                next => {
                    self.move_on(next, &mut want, &refused).await;
                    last = Some(refused);
                }
            }
        }
    }

    /// Sends one attempt and judges its answer; `None` when the body was given away and not kept.
    async fn send(&mut self, target: &Target, used: Option<&InUse>) -> Option<Judged> {
        let request = self.request(target, used)?;
        self.attempts += 1;
        if let Some(used) = used {
            used.key.counts.calls.fetch_add(1, Ordering::Relaxed);
        }
        let upstream = &target.upstream;
        let mut sent = pool::send(upstream, self.worker, request, self.first_byte()).await;
        for _ in 0..MOST_RESENT {
            // Not an attempt: nobody looked at it.
            let Some(request) =
                matches!(sent, Err(SendError::NotTaken(_))).then(|| self.request(target, used)).flatten()
            else {
                break;
            };
            sent = pool::send(upstream, self.worker, request, self.first_byte()).await;
        }
        Some(match sent {
            Ok((head, source)) => judge::judge(upstream, target.path.path(), head, source, self.idle()).await,
            Err(error) => Judged::Broken(error),
        })
    }

    /// A good answer: settled, and on its way down.
    fn served(&self, target: &Target, used: &InUse, answer: judge::Good) -> Response<Down> {
        let upstream = &target.upstream;
        settle::served(self.shared, upstream, used, clock::now());
        if self.attempts > 1 {
            upstream.traffic.failovers.fetch_add(1, Ordering::Relaxed);
        }
        self.relay(target, used, answer)
    }

    /// A refusal: settled, and kept in case nothing better comes.
    fn refused(&self, target: &Target, used: InUse, bad: judge::Bad) -> Box<Refused> {
        let refusal = settle::Refusal {
            status: bad.head.status.as_u16(),
            classified: &bad.classified,
            model: target.model.name(),
            retry_after: headers::retry_after(&bad.head.headers),
        };
        settle::refused(self.shared, &target.upstream, &used, &refusal);
        Box::new(Refused { bad, used: Some(used) })
    }

    /// Prepares the next attempt.
    async fn move_on(&mut self, next: Next, want: &mut Want, refused: &Refused) {
        if let Some(used) = &refused.used {
            want.after(next, used.value.fingerprint, used.key.account.as_deref());
        }
        if let Next::SameKeyAfter(pause) = next {
            self.waited = true;
            tokio::time::sleep(pause).await;
        }
    }

    /// The key of the next attempt. While a look is under way that may give one, waits for it.
    async fn choose(&self, target: &Target, want: &Want) -> Option<InUse> {
        let upstream = &target.upstream;
        if let Choice::Use(used) = choose(upstream, want, &target.model, clock::now()) {
            return Some(used);
        }
        let mut changes = upstream.changes.subscribe();
        loop {
            // Again after the subscription, so that no change is missed in between.
            match choose(upstream, want, &target.model, clock::now()) {
                Choice::Use(used) => return Some(used),
                Choice::None => return None,
                Choice::Deciding => {
                    let left = self.live.settings.confirm_timeout.saturating_sub(self.patient_since.elapsed());
                    if !matches!(tokio::time::timeout(left, changes.changed()).await, Ok(Ok(()))) {
                        return None;
                    }
                }
            }
        }
    }

    /// The caller's own credential goes up, and the provider's answer comes down with its cause named.
    async fn pass_through(&mut self, target: &Target) -> End {
        match self.send(target, None).await {
            None => End::Exhausted(None),
            Some(Judged::Broken(error)) => self.not_answered(target, &error),
            Some(Judged::Good(answer)) => {
                let open = InFlight::new(&target.upstream.traffic);
                End::Answer(answer.into_response(self.relay_limits(), open))
            }
            Some(Judged::Bad(bad)) => End::Answer(self.provider_error(Refused { bad, used: None }, target)),
        }
    }

    /// The request as it goes to the provider: one credential, and nothing that concerns this hop only.
    fn request(&mut self, target: &Target, used: Option<&InUse>) -> Option<Request<Outgoing>> {
        let body = match &target.body {
            Some(bytes) => Outgoing::Whole(Some(bytes.clone())),
            None => self.body.attempt()?,
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = target.path.clone().into();
        let upstream = &target.upstream;
        let mut headers: HeaderMap<HeaderValue> = headers::onward(self.headers.take(), upstream, used.is_none());
        headers.insert(HOST, upstream.host_header.clone());
        if let Some(used) = used {
            headers.insert(upstream.auth_name.clone(), used.value.header.clone());
        }
        for (name, value) in &upstream.fixed_headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        if let Some(bytes) = &target.body {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        *request.headers_mut() = headers;
        Some(request)
    }

    /// A good answer, on its way down.
    fn relay(&self, target: &Target, used: &InUse, answer: judge::Good) -> Response<Down> {
        let upstream = &target.upstream;
        if let Some(project) = used.key.project.as_deref()
            && self.parts.method == Method::POST
            && keywright_core::paths::is_stateful(&upstream.spec.paths, target.path.path())
        {
            for piece in answer.peeked().pieces() {
                self.shared.pins.learn_from(piece, project);
            }
        }
        let answer = answer.scrubbed(&self.shared.redactor.load());
        let mut response = answer.into_response(self.relay_limits(), InFlight::new(&upstream.traffic));
        response.headers_mut().insert(X_KEY, used.value.id_header.clone());
        response
    }

    /// A provider's refusal, as it goes down: scrubbed, with its cause named.
    fn provider_error(&self, refused: Refused, target: &Target) -> Response<Down> {
        let Refused { bad: judge::Bad { head, body, classified }, used } = refused;
        if used.is_some() && head.status == StatusCode::UNAUTHORIZED {
            return not_the_callers(target, classified.cause);
        }
        let redactor = self.shared.redactor.load();
        let status = head.status.as_u16();
        let wordless = body.is_empty() && head.status.is_client_error() && self.parts.method != Method::HEAD;
        let mut response = match explained(target, status, classified.cause).filter(|_| wordless) {
            Some(words) => judge::worded(head, &words, &redactor),
            None => judge::scrubbed(head, &body, &redactor),
        };
        let headers = response.headers_mut();
        headers.insert(X_ORIGIN, HeaderValue::from_static("provider"));
        headers.insert(X_CAUSE, HeaderValue::from_static(classified.cause.slug()));
        if let Some(used) = used {
            headers.insert(X_KEY, used.value.id_header.clone());
        }
        tracing::debug!(
            provider = target.upstream.id,
            cause = classified.cause.slug(),
            "the provider refused the request"
        );
        response.extensions_mut().insert(Failure::Answer { spec: target.upstream.spec, status, classified });
        response
    }

    /// No key is left at a target: the all-out answer, or the provider's own words where they say more.
    fn exhausted(&self, target: &Target, pin: Option<&Pin>, refused: Option<Box<Refused>>) -> Response<Down> {
        match refused {
            // A short rest, or a scope that no key has: the caller can act on the provider's own answer.
            Some(refused) if refused.speaks_to_caller() => self.provider_error(*refused, target),
            refused => {
                target.upstream.traffic.all_out.fetch_add(1, Ordering::Relaxed);
                let cause = refused.map(|refused| refused.bad.classified.cause);
                crate::all_out::refusal(&target.upstream, pin, target.model.name(), cause).response()
            }
        }
    }

    /// The request got no answer.
    fn not_answered(&self, target: &Target, error: &SendError) -> End {
        if let Some(failure) = self.body.failure() {
            return End::Answer(body_refusal(failure).response());
        }
        let place = target.upstream.origin.authority();
        let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
        let chain = sources.fold(error.to_string(), |chain, source| format!("{chain}: {source}"));
        let message = format!("no answer from {} at {place}: {chain}.", target.upstream.spec.name);
        let (status, cause) = match error {
            SendError::NotSent(error) => (StatusCode::BAD_GATEWAY, error.cause()),
            SendError::NotTaken(_) | SendError::MayHaveRun(_) => (StatusCode::BAD_GATEWAY, Cause::Network),
            SendError::TimedOut(_) => (StatusCode::GATEWAY_TIMEOUT, Cause::Timeout),
        };
        let sent = match error {
            SendError::NotSent(_) => Sent::Not,
            SendError::NotTaken(_) => Sent::NotTaken,
            SendError::MayHaveRun(_) | SendError::TimedOut(_) => Sent::MayHaveRun,
        };
        let refusal = Refusal::new(status, cause, message).help(sent.says());
        match sent {
            Sent::MayHaveRun if !target.upstream.double_billing => End::Answer(refusal.response()),
            Sent::Not | Sent::NotTaken | Sent::MayHaveRun => End::Unreachable(refusal),
        }
    }

    /// What every answer tells about itself.
    fn finish(&self, mut response: Response<Down>, target: &Target, plan: &Plan) -> Response<Down> {
        let status = response.status().as_u16();
        if let Some(failure) = response.extensions_mut().remove::<Failure>() {
            self.shared.last_failure.note(failure.of(target.upstream.spec), self.live);
        }
        let headers = response.headers_mut();
        headers.insert(X_PROVIDER, target.upstream.id_header.clone());
        headers.insert(X_ATTEMPTS, HeaderValue::from(self.attempts));
        if plan.mended
            && let Ok(path) = HeaderValue::try_from(target.path.path())
        {
            headers.insert(X_PATH, path);
        }
        target.upstream.traffic.answered(status, self.began.elapsed());
        response
    }

    fn first_byte(&self) -> Duration {
        self.live.settings.first_byte_timeout
    }

    fn idle(&self) -> Duration {
        self.live.settings.idle_timeout
    }

    fn relay_limits(&self) -> RelayLimits {
        let live = self.live;
        RelayLimits {
            began: Instant::now(),
            idle: live.settings.idle_timeout,
            deadline: self.began + live.settings.total_timeout,
        }
    }
}

/// A 401 that no other key mends. It is not the caller's key that was refused, so it must not read like it.
fn not_the_callers(target: &Target, cause: Cause) -> Response<Down> {
    said(target, "refused the gateway's request", StatusCode::BAD_GATEWAY, cause).response()
}

/// Words for a provider's refusal that has none of its own: an SDK shows its user nothing but the body.
fn explained(target: &Target, status: u16, cause: Cause) -> Option<Refusal> {
    let status = StatusCode::from_u16(status).ok().filter(|_| cause != Cause::Other)?;
    Some(said(target, &format!("answered {} with an empty body", status.as_u16()), status, cause))
}

/// What a provider did, why, and the first fix.
fn said(target: &Target, did: &str, status: StatusCode, cause: Cause) -> Refusal {
    let page = keywright_core::page::cause_page(cause);
    let message = format!("keywright: {} {did}: {} [{}]", target.upstream.spec.name, page.title, cause.slug());
    let refusal = Refusal::new(status, cause, message);
    let fix = keywright_core::page::fixes(cause, &target.upstream.id).into_iter().next();
    fix.map_or(refusal.clone(), |fix| refusal.help(format!("Fix: {}", fix.says)))
}

/// What the gateway answers when the caller's body did not arrive.
pub(crate) fn body_refusal(failure: BodyFailure) -> Refusal {
    let (status, code) = match failure {
        BodyFailure::TooLarge(_) | BodyFailure::NotKept => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        BodyFailure::Idle(_) => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
        BodyFailure::Broken => (StatusCode::BAD_REQUEST, "body_broken"),
    };
    let help = match failure {
        BodyFailure::TooLarge(_) => "Send less, or raise `gateway.body_limit_bytes`.",
        BodyFailure::NotKept => "Use the provider's own path instead of /v1, or raise `gateway.replay_limit_bytes`.",
        BodyFailure::Idle(_) => "Send it faster, or raise `gateway.idle_timeout_ms`.",
        BodyFailure::Broken => "Send the whole body.",
    };
    Refusal::new(status, Cause::BadRequest, format!("{failure}.")).code(code).help(help).close()
}
