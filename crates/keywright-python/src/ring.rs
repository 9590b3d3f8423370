//! The ring of keys, for the transports of Python's clients: they have the sockets, it has the rules.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keywright::client::ring::{self as core, Call, Given, Opening};
use keywright::sources::Reference;
use keywright_core::diagnosis::Diagnosis;
use keywright_core::{ProviderSpec, Secret, page};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::attempts::{Attempts, Request};
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
    own_server: bool,
}

impl Plan {
    fn opening(&self) -> Opening {
        let mut opening = core::Ring::opening(self.provider).own_server(self.own_server);
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
        own_server: bool,
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
        let plan = Plan { provider, key, references, remember, own_server };
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
                attempts.never_waits();
                if !replayable {
                    attempts.only_once();
                }
                Request::Going { attempts: Box::new(attempts), ring, answer: None, refusal: None }
            })?,
            Err(diagnosis) => Request::Keyless(diagnosis),
        };
        Ok(Attempts::new(request, slf.clone().unbind()))
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
    pub(crate) fn learn(&self, fingerprint: String, header: &str) {
        let new = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint);
        if new {
            GUARD.learn(&Secret::new(header.strip_prefix("Bearer ").unwrap_or(header)));
        }
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

fn opened(py: Python<'_>, opening: Opening) -> PyResult<Result<core::Ring, Box<Diagnosis>>> {
    guarded(|| py.detach(|| Ok(runtime()?.block_on(opening.open()))))?
}

pub(crate) fn runtime() -> PyResult<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| PyRuntimeError::new_err(format!("no runtime for the sources of keys: {error}")))
}
