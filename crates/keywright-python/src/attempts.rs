//! One request on its way over the keys: the transports ask here before and after each attempt.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use keywright::client::ring::{self as core, Errand, Head, Step, Verdict, now};
use keywright_core::Verdict as CoreVerdict;
use keywright_core::all_out::{self, AllOut};
use keywright_core::diagnosis::Diagnosis;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use serde_json::{Map, Value, json};

use crate::GUARD;
use crate::guarded::guarded;
use crate::ring::{Ring, failure, runtime};

/// One request on its way over the keys.
#[pyclass(module = "keywright._native")]
pub(crate) struct Attempts {
    request: Request,
    owner: Py<Ring>,
}

pub(crate) enum Request {
    Going {
        attempts: Box<core::Attempts>,
        ring: core::Ring,
        answer: Option<Arrived>,
        /// The refusal before: what the provider said is told when no other key is left.
        refusal: Option<Arrived>,
    },
    /// This process has no key.
    Keyless(Box<Diagnosis>),
    Over,
}

/// An answer, as far as it was read.
pub(crate) struct Arrived {
    head: Head,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The source of a key is to be read.
#[pyclass(frozen, module = "keywright._native")]
pub(crate) struct Reading {
    ring: core::Ring,
    errand: Mutex<Option<Errand>>,
}

#[pymethods]
impl Attempts {
    /// What to do next: ("send", header, value), ("read", reading), ("wait", seconds), ("stop", why, status, headers, body).
    fn step(&mut self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        let (attempts, ring, refusal) = match &mut self.request {
            Request::Going { attempts, ring, refusal, .. } => (attempts, ring, refusal),
            Request::Keyless(diagnosis) => return stop(py, keyless((**diagnosis).clone()), None),
            Request::Over => return Err(over()),
        };
        let step = guarded(|| attempts.next(now()))?;
        match step {
            Step::Send(lease) => {
                let value = lease.header.to_str().map_err(|_| PyRuntimeError::new_err("a key that no header takes"))?;
                self.owner.get().learn(lease.fingerprint.to_string(), value);
                tuple(py, ("send", lease.name, value))
            }
            Step::Read(errand) => tuple(py, ("read", Reading { ring: ring.clone(), errand: Mutex::new(Some(errand)) })),
            Step::Wait(pause) => tuple(py, ("wait", pause.as_secs_f64())),
            Step::Stop(out) => {
                let alike = attempts.last_refusal().is_some_and(|last| last.verdict() == out.cause().verdict());
                stop(py, *out, refusal.take().filter(|_| alike))
            }
        }
    }

    /// Tell that an answer came: its head. Returns what `piece` does.
    fn answered(&mut self, py: Python<'_>, status: u16, headers: Vec<(String, String)>) -> PyResult<Py<PyTuple>> {
        let Request::Going { answer, .. } = &mut self.request else {
            return Err(over());
        };
        let head = Head::of(status, &map(&headers));
        *answer = Some(Arrived { head, headers, body: Vec::new() });
        self.judged(py, false)
    }

    /// Tell the next piece of the answer's body, or None at its end.
    ///
    /// Returns ("more",), ("deliver",), ("again",), or ("fail", why, headers, body): these hold no key.
    fn piece(&mut self, py: Python<'_>, piece: Option<&[u8]>) -> PyResult<Py<PyTuple>> {
        let Request::Going { answer: Some(answer), .. } = &mut self.request else {
            return Err(over());
        };
        answer.body.extend_from_slice(piece.unwrap_or_default());
        self.judged(py, piece.is_none())
    }

    /// End the request, and give back what it holds. A second call changes nothing.
    fn end(&mut self) {
        self.request = Request::Over;
    }
}

impl Attempts {
    pub(crate) const fn new(request: Request, owner: Py<Ring>) -> Self {
        Self { request, owner }
    }

    fn judged(&mut self, py: Python<'_>, ended: bool) -> PyResult<Py<PyTuple>> {
        let Request::Going { attempts, answer: arrived, refusal, .. } = &mut self.request else {
            return Err(over());
        };
        let Some(answer) = arrived else {
            return Err(over());
        };
        match guarded(|| attempts.answered(&answer.head, &answer.body, ended, now()))? {
            Verdict::MoreBody => tuple(py, ("more",)),
            Verdict::Deliver => tuple(py, ("deliver",)),
            Verdict::Again => {
                *refusal = arrived.take();
                tuple(py, ("again",))
            }
            Verdict::Fail(diagnosis) => {
                let body = guarded(|| GUARD.redact_bytes(&answer.body))?;
                let mut headers = scrubbed(&answer.headers)?;
                if !attempts.may_be_retried() {
                    headers.retain(|(name, _)| !name.eq_ignore_ascii_case(SHOULD_RETRY));
                    headers.push((SHOULD_RETRY.to_owned(), "false".to_owned()));
                }
                tuple(py, ("fail", failure(py, *diagnosis)?, headers, PyBytes::new(py, &body)))
            }
        }
    }
}

#[pymethods]
impl Reading {
    /// Read the source. It may wait for a server, in a thread that nobody waits for any more.
    fn read(&self, py: Python<'_>) -> PyResult<()> {
        let errand = self.errand.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(errand) = errand else {
            return Ok(());
        };
        let runtime = runtime()?;
        guarded(|| py.detach(|| runtime.block_on(self.ring.read(errand))))
    }
}

/// No key is left: why, and how an SDK is told, with what the provider said last to this request.
fn stop(py: Python<'_>, out: AllOut, refusal: Option<Arrived>) -> PyResult<Py<PyTuple>> {
    let reply = out.reply(all_out::Told::Holder);
    let cause = out.cause();
    let mut headers = refusal.as_ref().map_or_else(|| Ok(Vec::new()), |refusal| scrubbed(&refusal.headers))?;
    headers.retain(|(name, _)| {
        ![RETRY_AFTER.as_str(), RETRY_AFTER_MS, CONTENT_TYPE.as_str(), SHOULD_RETRY]
            .contains(&name.to_ascii_lowercase().as_str())
    });
    let own = [
        (CONTENT_TYPE.as_str(), "application/json".to_owned()),
        (RETRY_AFTER.as_str(), format!("{:.0}", reply.retry_after.as_secs_f64().ceil())),
        ("x-keywright-cause", cause.slug().to_owned()),
        (SHOULD_RETRY, reply.should_retry.to_string()),
    ];
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let status = match (&refusal, cause.verdict()) {
        (Some(refusal), verdict) if verdict != CoreVerdict::Auth && refusal.head.status >= 400 => refusal.head.status,
        _ => reply.status,
    };
    let error = refusal.map(|refusal| error_of(&refusal.body)).unwrap_or_default();
    let body = json!({"error": {
        "message": out.message,
        "type": error.get("type").cloned().unwrap_or_else(|| "keywright".into()),
        "param": error.get("param"),
        "code": error.get("code").cloned().unwrap_or_else(|| cause.slug().into()),
    }});
    let body = guarded(|| GUARD.redact(&body.to_string()))?;
    tuple(py, ("stop", failure(py, out.diagnosis)?, status, headers, PyBytes::new(py, body.as_bytes())))
}

/// What an error in OpenAI's shape says; nothing for any other.
fn error_of(body: &[u8]) -> Map<String, Value> {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    match parsed.and_then(|mut whole| whole.get_mut("error").map(Value::take)) {
        Some(Value::Object(error)) => error,
        _ => Map::new(),
    }
}

/// A process whose ring does not open.
fn keyless(diagnosis: Diagnosis) -> AllOut {
    let seen = diagnosis.evidence.first().map_or(String::new(), |seen| format!(": {}", seen.says));
    let message = format!("{}{seen}", diagnosis.title());
    AllOut { message, diagnosis, retry_after: Duration::ZERO, rests: false }
}

/// Headers for a body that is decoded and whole, without keys.
fn scrubbed(headers: &[(String, String)]) -> PyResult<Vec<(String, String)>> {
    let of_the_transfer = [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING];
    let kept =
        headers.iter().filter(|(name, _)| !of_the_transfer.iter().any(|it| name.eq_ignore_ascii_case(it.as_str())));
    guarded(|| kept.map(|(name, value)| (name.clone(), GUARD.redact(value))).collect())
}

fn map(headers: &[(String, String)]) -> HeaderMap {
    let parsed = headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
    });
    parsed.collect()
}

fn tuple<'py, T>(py: Python<'py>, values: T) -> PyResult<Py<PyTuple>>
where
    T: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
{
    Ok(values.into_pyobject(py)?.unbind())
}

fn over() -> PyErr {
    PyRuntimeError::new_err("this request is over")
}

/// The header by which an SDK is told whether to try again.
const SHOULD_RETRY: &str = "x-should-retry";
const RETRY_AFTER_MS: &str = "retry-after-ms";
