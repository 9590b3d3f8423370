//! The ring of keys, for the transports of Python's clients: they have the sockets, it has the rules.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use keywright::client::ring::{self as core, Call, Errand, Given, Head, Opening, Step, Verdict, now};
use keywright::sources::Reference;
use keywright_core::all_out::{self, AllOut};
use keywright_core::diagnosis::Diagnosis;
use keywright_core::{ProviderSpec, Secret, page};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::convert::to_python;
use crate::guarded::guarded;
use crate::told::tell;
use crate::{GUARD, spec};

/// The keys of one provider in this process.
#[pyclass(frozen, module = "keywright._native")]
pub(crate) struct Ring {
    plan: Plan,
    opened: Mutex<Opened>,
    /// The keys that were sent; the redactor was told each, also those that came into a source later.
    told: Mutex<HashSet<String>>,
}

/// What a ring is opened from. A forked process opens its own anew: a thread of its parent may hold any lock for ever.
struct Plan {
    provider: &'static ProviderSpec,
    key: Option<Secret>,
    references: Vec<Reference>,
    remember: bool,
}

impl Plan {
    fn opening(&self) -> Opening {
        let mut opening = core::Ring::opening(self.provider);
        if let Some(key) = &self.key {
            opening = opening.key(Given::explicit(key.clone(), "the argument `api_key`"));
        }
        for reference in &self.references {
            opening = opening.reference(reference.clone());
        }
        if !self.remember || self.key.is_some() && self.references.is_empty() {
            // What a program gives outright is nobody's to keep.
            opening = opening.without_memory();
        }
        opening
    }
}

/// A ring, and the process that opened it.
struct Opened {
    process: u32,
    ring: Option<core::Ring>,
}

impl Opened {
    fn here(ring: core::Ring) -> Self {
        Self { process: std::process::id(), ring: Some(ring) }
    }

    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Opened {
    /// A fork has neither the threads nor, for sure, the locks of its parent: to end that one's ring would wait for both.
    fn drop(&mut self) {
        if !self.is_here() {
            mem::forget(self.ring.take());
        }
    }
}

/// One request on its way over the keys.
#[pyclass(module = "keywright._native")]
pub(crate) struct Attempts {
    request: Request,
    owner: Py<Ring>,
}

enum Request {
    Going {
        attempts: Box<core::Attempts>,
        ring: core::Ring,
        answer: Option<Arrived>,
    },
    /// This process has no key.
    Keyless(Box<Diagnosis>),
    Over,
}

/// An answer, as far as it was read.
struct Arrived {
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
impl Ring {
    /// Find the keys of a provider: this one, these references, or what is set on this machine.
    ///
    /// Returns the ring and None, or None and why there is no key that can work.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
    fn open(
        py: Python<'_>,
        provider: &str,
        key: Option<&str>,
        references: Vec<String>,
        remember: bool,
    ) -> PyResult<(Option<Self>, Option<Py<PyAny>>)> {
        let provider = spec(provider)?;
        let key = key.map(Secret::new);
        if let Some(key) = &key {
            guarded(|| GUARD.learn(key))?;
        }
        let parse = |written: &String| {
            let parsed = written.parse::<Reference>();
            parsed.map_err(|error| PyValueError::new_err(GUARD.redact(&format!("`{written}`: {error}"))))
        };
        let references = references.iter().map(parse).collect::<PyResult<_>>()?;
        let plan = Plan { provider, key, references, remember };
        match opened(py, plan.opening())? {
            Ok(ring) => {
                guarded(|| ring.secrets().iter().for_each(|secret| GUARD.learn(secret)))?;
                let opened = Mutex::new(Opened::here(ring));
                Ok((Some(Self { plan, opened, told: Mutex::default() }), None))
            }
            Err(diagnosis) => Ok((None, Some(failure(py, *diagnosis)?))),
        }
    }

    /// Begin a request. `body` is empty when it is a stream; one that is not `replayable` is sent once.
    fn begin(slf: &Bound<'_, Self>, method: &str, path: &str, body: &[u8], replayable: bool) -> PyResult<Attempts> {
        let request = match slf.get().now(slf.py())? {
            Ok(ring) => guarded(|| {
                let mut attempts = ring.begin(&Call { method, path, body });
                if !replayable {
                    attempts.only_once();
                }
                Request::Going { attempts: Box::new(attempts), ring, answer: None }
            })?,
            Err(diagnosis) => Request::Keyless(diagnosis),
        };
        Ok(Attempts { request, owner: slf.clone().unbind() })
    }

    /// Write what the keys did to the history, and wait for it this many seconds at most.
    fn flush(&self, py: Python<'_>, patience: f64) -> PyResult<()> {
        let Some(ring) = self.opened_here() else {
            return Ok(());
        };
        let patience = Duration::try_from_secs_f64(patience).unwrap_or_default();
        guarded(|| py.detach(|| ring.flush(patience)))
    }
}

impl Ring {
    /// The ring of this process, or why it has none.
    fn now(&self, py: Python<'_>) -> PyResult<Result<core::Ring, Box<Diagnosis>>> {
        if let Some(ring) = self.opened_here() {
            return Ok(Ok(ring));
        }
        // A thread of the parent may have been in SQLite, whose locks are the whole process's: a child remembers nothing.
        let opened = opened(py, self.plan.opening().without_memory())?;
        if let Ok(ring) = &opened {
            *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Opened::here(ring.clone());
        }
        Ok(opened)
    }

    fn opened_here(&self) -> Option<core::Ring> {
        // Taken with the interpreter's lock held, and let go at once: a fork finds it free.
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.is_here().then(|| opened.ring.clone()).flatten()
    }

    /// Tells the redactor a key that is about to be sent.
    fn learn(&self, fingerprint: String, header: &str) {
        let new = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint);
        if new {
            GUARD.learn(&Secret::new(header.strip_prefix("Bearer ").unwrap_or(header)));
        }
    }
}

#[pymethods]
impl Attempts {
    /// What to do next: ("send", header, value), ("read", reading), ("wait", seconds),
    /// ("stop", why, words, status, headers).
    fn step(&mut self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        let (attempts, ring) = match &mut self.request {
            Request::Going { attempts, ring, .. } => (attempts, ring),
            Request::Keyless(diagnosis) => return stop(py, keyless((**diagnosis).clone())),
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
            Step::Stop(out) => stop(py, *out),
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
    fn judged(&mut self, py: Python<'_>, ended: bool) -> PyResult<Py<PyTuple>> {
        let Request::Going { attempts, answer: Some(answer), .. } = &mut self.request else {
            return Err(over());
        };
        match guarded(|| attempts.answered(&answer.head, &answer.body, ended, now()))? {
            Verdict::MoreBody => tuple(py, ("more",)),
            Verdict::Deliver => tuple(py, ("deliver",)),
            Verdict::Again => tuple(py, ("again",)),
            Verdict::Fail(diagnosis) => {
                let body = guarded(|| GUARD.redact_bytes(&answer.body))?;
                let mut headers = scrubbed(&answer.headers)?;
                if attempts.attempt() > 1 {
                    // The ring has tried; the SDK's attempts on top would multiply.
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

/// No key is left: why, in words, and how an SDK is told.
fn stop(py: Python<'_>, out: AllOut) -> PyResult<Py<PyTuple>> {
    let reply = out.reply(all_out::Told::Holder);
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("retry-after", format!("{:.0}", reply.retry_after.as_secs_f64().ceil())),
        ("x-keywright-cause", out.cause().slug().to_owned()),
        (SHOULD_RETRY, reply.should_retry.to_string()),
    ];
    let words = guarded(|| GUARD.redact(&out.message))?;
    tuple(py, ("stop", failure(py, out.diagnosis)?, words, reply.status, headers))
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

/// Why a client failed: its page is the one of the exception that it raises.
pub(crate) fn failure(py: Python<'_>, mut diagnosis: Diagnosis) -> PyResult<Py<PyAny>> {
    if diagnosis.verdict == keywright_core::Verdict::Auth
        && let Some(page) = page::exception_page(&diagnosis.provider)
    {
        page.name.clone_into(&mut diagnosis.page);
    }
    let place = diagnosis.provider.clone();
    to_python(py, &guarded(|| tell(&diagnosis, &place))?)
}

fn opened(py: Python<'_>, opening: Opening) -> PyResult<Result<core::Ring, Box<Diagnosis>>> {
    guarded(|| py.detach(|| Ok(runtime()?.block_on(opening.open()))))?
}

fn runtime() -> PyResult<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| PyRuntimeError::new_err(format!("no runtime for the sources of keys: {error}")))
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
