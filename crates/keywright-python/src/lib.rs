//! Keywright for Python. This module converts types and decides nothing: every rule is in core.
//!
//! Locks are taken with the interpreter's own lock held and let go before that is: a fork finds none of them taken.

mod attempts;
mod convert;
mod facts;
mod guarded;
mod ring;
mod told;

use std::ffi::OsString;
use std::sync::LazyLock;

use keywright_cli::host::Guard;
use keywright_core::inspect::owner;
use keywright_core::text::{Raised, Reply};
use keywright_core::{Answer, Catalogue, Cause, ProviderSpec, Secret};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use strum::VariantArray;

use convert::{Text, to_python};
use guarded::guarded;
use told::{Told, tell};

/// Run a command line of Keywright, and return its exit code.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    guarded(|| py.detach(|| keywright_cli::run(arguments.clone())))
}

/// Say why a provider refused, from the status and the body that it sent.
#[pyfunction]
#[pyo3(signature = (provider, status, body, path = ""))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
fn classify(py: Python<'_>, provider: &str, status: i64, body: Text, path: &str) -> PyResult<Option<Py<PyAny>>> {
    let provider = spec(provider)?;
    let status = http_status(status)?;
    let diagnosis = guarded(|| {
        keywright_core::classify(provider, &Answer { status, path, body: body.as_ref() })
            .map(|classified| classified.diagnosis(provider, status))
    })?;
    diagnosis.map(|diagnosis| to_python(py, &tell(&diagnosis, &provider.name))).transpose()
}

/// Say what a text tells of failures: the first one first.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
fn explain(py: Python<'_>, text: Text, here: bool) -> PyResult<Py<PyAny>> {
    let found = guarded(|| GUARD.explain(text.as_ref(), here))?;
    let told: Vec<Told> = found.iter().map(|diagnosis| tell(diagnosis, "text")).collect();
    to_python(py, &told)
}

/// Say what an exception tells, from its chain and from what was answered.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "each is something that the exception knows")]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
fn explain_raised(
    py: Python<'_>,
    chain: Vec<(String, String)>,
    url: Option<String>,
    status: Option<i64>,
    headers: Vec<(String, String)>,
    body: Text,
    sdk: Option<String>,
    provider: Option<String>,
    place: &str,
    here: bool,
) -> PyResult<Option<Py<PyAny>>> {
    let status = status.map(http_status).transpose()?;
    let answer = status.map(|status| Reply { status, headers, body: body.as_ref().to_vec() });
    let raised = Raised { chain, url, answer, sdk, provider };
    let told = guarded(|| {
        let mut found = GUARD.explain_raised(&raised)?;
        if here {
            GUARD.testify(std::iter::once(&mut found));
        }
        let concerns_a_model = raised.concerns_a_model(&found.diagnosis);
        Some(Told { concerns_a_model, ..tell(&found.diagnosis, place) })
    })?;
    told.map(|told| to_python(py, &told)).transpose()
}

/// Inspect a value that should be a key, offline. The worst finding comes first.
#[pyfunction]
#[pyo3(signature = (value, provider = None))]
fn inspect(py: Python<'_>, value: &str, provider: Option<&str>) -> PyResult<Py<PyAny>> {
    let provider = provider.map(spec).transpose()?;
    let findings = guarded(|| {
        let provider = provider.or_else(|| owner::by_shape(value)).or_else(|| Catalogue::builtin().providers().first());
        provider.map(|provider| keywright_core::inspect::inspect(value, provider))
    })?;
    to_python(py, &findings.unwrap_or_default())
}

/// Say what is wrong with the keys of this machine, with the arguments of `keywright doctor`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
fn doctor(py: Python<'_>, arguments: Vec<String>) -> PyResult<(Py<PyAny>, String)> {
    let found = guarded(|| GUARD.doctor(&arguments))?;
    let found = found.map_err(PyValueError::new_err)?;
    Ok((to_python(py, &found.report)?, found.text))
}

/// Mask a key: its public prefix, "…" and its last four characters. Short values keep less, or nothing.
#[pyfunction]
fn mask(value: &str) -> String {
    keywright_core::mask(value)
}

/// Put masks in the place of every key in a text: of known kinds by their shape, and those that clients were given.
#[pyfunction]
fn redact(text: &str) -> PyResult<String> {
    guarded(|| GUARD.redact(text))
}

/// Mask this key from now on, whatever its shape.
#[pyfunction]
fn learn(key: &str) -> PyResult<()> {
    guarded(|| GUARD.learn(&Secret::new(key)))
}

/// Mask the keys of this machine's variables and dotenv files from now on, whatever their shape.
#[pyfunction]
fn learn_here() -> PyResult<()> {
    guarded(|| GUARD.testify(std::iter::empty()))
}

/// The stable names of all causes.
#[pyfunction]
fn causes() -> Vec<&'static str> {
    Cause::VARIANTS.iter().map(|cause| cause.slug()).collect()
}

/// The ids of the providers in the catalogue.
#[pyfunction]
fn providers() -> Vec<&'static str> {
    Catalogue::builtin().providers().iter().map(|provider| provider.id.as_str()).collect()
}

/// Say exactly why an LLM API key failed.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    keywright_cli::guard_panics();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("REPLAY_LIMIT", keywright_core::ring::REPLAY_LIMIT)?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(classify, module)?)?;
    module.add_function(wrap_pyfunction!(explain, module)?)?;
    module.add_function(wrap_pyfunction!(explain_raised, module)?)?;
    module.add_function(wrap_pyfunction!(inspect, module)?)?;
    module.add_function(wrap_pyfunction!(doctor, module)?)?;
    module.add_function(wrap_pyfunction!(mask, module)?)?;
    module.add_function(wrap_pyfunction!(redact, module)?)?;
    module.add_function(wrap_pyfunction!(learn, module)?)?;
    module.add_function(wrap_pyfunction!(learn_here, module)?)?;
    module.add_function(wrap_pyfunction!(facts::facts, module)?)?;
    module.add_class::<ring::Ring>()?;
    module.add_class::<attempts::Attempts>()?;
    module.add_class::<attempts::Reading>()?;
    module.add_function(wrap_pyfunction!(causes, module)?)?;
    module.add_function(wrap_pyfunction!(providers, module)?)
}

pub(crate) fn spec(provider: &str) -> PyResult<&'static ProviderSpec> {
    Catalogue::builtin()
        .provider(provider)
        .ok_or_else(|| PyValueError::new_err(GUARD.redact(&format!("no provider `{provider}` in the catalogue"))))
}

fn http_status(status: i64) -> PyResult<u16> {
    u16::try_from(status).map_err(|_| PyValueError::new_err(format!("{status} is no HTTP status")))
}

/// Masks keys by their shape, and those of the clients of this process.
static GUARD: LazyLock<Guard> = LazyLock::new(Guard::default);
