//! The ring of keys, for the transports of Python's clients: they have the sockets, it has the rules.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use keywright::client::ring::{self as core, Call, Errand, Given, Head, Opening, Step, Verdict, now};
use keywright::sources::Reference;
use keywright_core::diagnosis::Diagnosis;
use keywright_core::{Secret, page};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::convert::to_python;
use crate::guarded::guarded;
use crate::told::tell;
use crate::{GUARD, spec};

/// The keys of one provider in this process.
#[pyclass(frozen, module = "keywright._native")]
pub(crate) struct Ring {
    opening: Opening,
    /// With the process that opened it: a fork has neither the threads nor, for sure, the locks of its parent.
    opened: Mutex<(u32, core::Ring)>,
    /// The keys that were sent; the redactor was told each, also those that came into a source later.
    told: Mutex<HashSet<String>>,
}

/// One request on its way over the keys.
#[pyclass(module = "keywright._native")]
pub(crate) struct Attempts {
    /// None when the request is over.
    request: Option<core::Attempts>,
    ring: core::Ring,
    errand: Option<Errand>,
    owner: Py<Ring>,
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
        let mut opening = core::Ring::opening(provider);
        if let Some(key) = key {
            let secret = Secret::new(key);
            guarded(|| GUARD.learn(&secret))?;
            opening = opening.key(Given::explicit(secret, "the argument `api_key`"));
        }
        for reference in &references {
            let parsed: Reference = reference
                .parse()
                .map_err(|error| PyValueError::new_err(GUARD.redact(&format!("`{reference}`: {error}"))))?;
            opening = opening.reference(parsed);
        }
        if !remember || key.is_some() && references.is_empty() {
            // What a program gives outright is nobody's to keep.
            opening = opening.without_memory();
        }
        match opened(py, &opening)? {
            Ok(ring) => {
                guarded(|| ring.secrets().iter().for_each(|secret| GUARD.learn(secret)))?;
                let opened = Mutex::new((std::process::id(), ring));
                Ok((Some(Self { opening, opened, told: Mutex::default() }), None))
            }
            Err(diagnosis) => Ok((None, Some(failure(py, *diagnosis)?))),
        }
    }

    /// Begin a request. `body` is empty when it is a stream.
    fn begin(slf: &Bound<'_, Self>, method: &str, path: &str, body: &[u8]) -> PyResult<Attempts> {
        let ring = slf.get().now(slf.py())?;
        let attempts = guarded(|| ring.begin(&Call { method, path, body }))?;
        Ok(Attempts { request: Some(attempts), ring, errand: None, owner: slf.clone().unbind() })
    }

    /// Write what the keys did to the history, and wait for it this many seconds at most.
    fn flush(&self, py: Python<'_>, patience: f64) -> PyResult<()> {
        let (process, ring) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if process != std::process::id() {
            return Ok(());
        }
        let patience = Duration::try_from_secs_f64(patience).unwrap_or_default();
        guarded(|| py.detach(|| ring.flush(patience)))
    }
}

impl Ring {
    /// The ring of this process.
    fn now(&self, py: Python<'_>) -> PyResult<core::Ring> {
        // Taken with the interpreter's lock held, and let go at once: a fork finds it free.
        let (process, ring) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if process == std::process::id() {
            return Ok(ring);
        }
        // The parent's thread may have been in SQLite when it forked, and would hold its locks for ever: a child remembers nothing.
        let ring = match opened(py, &self.opening.clone().without_memory())? {
            Ok(ring) => ring,
            Err(diagnosis) => return Err(PyRuntimeError::new_err(GUARD.tell(&diagnosis, "this process", false))),
        };
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = (std::process::id(), ring.clone());
        Ok(ring)
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
    /// What to do next: ("send", header, value), ("read",), ("wait", seconds), ("stop", why, words, seconds).
    fn step(&mut self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        let attempts = self.request.as_mut().ok_or_else(over)?;
        let step = guarded(|| attempts.next(now()))?;
        match step {
            Step::Send(lease) => {
                let value = lease.header.to_str().map_err(|_| PyRuntimeError::new_err("a key that no header takes"))?;
                self.owner.get().learn(lease.fingerprint.to_string(), value);
                tuple(py, ("send", lease.name, value))
            }
            Step::Read(errand) => {
                self.errand = Some(errand);
                tuple(py, ("read",))
            }
            Step::Wait(pause) => tuple(py, ("wait", pause.as_secs_f64())),
            Step::Stop(out) => {
                let (words, seconds) = (GUARD.redact(&out.message), out.retry_after.as_secs_f64().ceil());
                tuple(py, ("stop", failure(py, out.diagnosis)?, words, seconds))
            }
        }
    }

    /// Read the source of a key again, after a step that asked for it. It may wait for a server.
    fn read(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(errand) = self.errand.take() else {
            return Ok(());
        };
        let ring = self.ring.clone();
        let runtime = runtime()?;
        guarded(|| py.detach(|| runtime.block_on(ring.read(errand))))
    }

    /// Tell that an answer came, with all of its body that was read so far.
    ///
    /// Returns ("more", None), ("deliver", None), ("again", None) or ("fail", why).
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
    fn answered(
        &mut self,
        py: Python<'_>,
        status: u16,
        headers: Vec<(String, String)>,
        body: &[u8],
        ended: bool,
    ) -> PyResult<(&'static str, Option<Py<PyAny>>)> {
        let attempts = self.request.as_mut().ok_or_else(over)?;
        let head = Head::of(status, &map(&headers));
        Ok(match guarded(|| attempts.answered(&head, body, ended, now()))? {
            Verdict::MoreBody => ("more", None),
            Verdict::Deliver => ("deliver", None),
            Verdict::Again => ("again", None),
            Verdict::Fail(diagnosis) => ("fail", Some(failure(py, *diagnosis)?)),
        })
    }

    /// How often the request was sent.
    fn sent(&self) -> u32 {
        self.request.as_ref().map_or(0, core::Attempts::attempt)
    }

    /// End the request, and give back what it holds. A second call changes nothing.
    fn end(&mut self) {
        self.request = None;
        self.errand = None;
    }
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

fn opened(py: Python<'_>, opening: &Opening) -> PyResult<Result<core::Ring, Box<Diagnosis>>> {
    let opening = opening.clone();
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
