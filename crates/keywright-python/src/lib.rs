//! Keywright for Python. This module converts types and decides nothing: every rule is in core.

mod convert;

use std::borrow::Cow;
use std::sync::LazyLock;

use keywright_core::{Answer, Catalogue, Cause, ProviderSpec, Redactor};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use strum::VariantArray;

use convert::{Text, to_python};

/// Say why a provider refused, from the status and the body that it sent.
///
/// `provider` is a catalogue id such as "openai". `path` is the request's path at the provider; some
/// rules hold for some routes only. The result has the shape of `keywright explain --json`; it is `None`
/// when the answer is no failure. It holds no key, even where the body did.
#[pyfunction]
#[pyo3(signature = (provider, status, body, path = ""))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
fn classify(py: Python<'_>, provider: &str, status: i64, body: Text, path: &str) -> PyResult<Option<Py<PyAny>>> {
    let provider = spec(provider)?;
    let status = u16::try_from(status).map_err(|_| PyValueError::new_err(format!("{status} is no HTTP status")))?;
    let diagnosis = keywright_core::classify(provider, &Answer { status, path, body: body.as_ref() })
        .map(|classified| classified.diagnosis(provider, status));
    diagnosis.map(|diagnosis| to_python(py, &diagnosis)).transpose()
}

/// Inspect a value that should be a key of a provider, offline. The worst finding comes first.
///
/// Each finding is a dict with `cause`, `severity` ("error" or "warning"), `says`, which does not show the
/// value, and `at`, the index of the first character concerned or `None`.
#[pyfunction]
fn inspect(py: Python<'_>, value: &str, provider: &str) -> PyResult<Py<PyAny>> {
    to_python(py, &keywright_core::inspect::inspect(value, spec(provider)?))
}

/// Mask a key: its public prefix, "…" and its last four characters. Short values keep less, or nothing.
#[pyfunction]
fn mask(value: &str) -> String {
    keywright_core::mask(value)
}

/// Put masks in the place of everything in a text that has the shape of a known kind of key.
#[pyfunction]
fn redact<'t>(py: Python<'_>, text: &'t str) -> Cow<'t, str> {
    py.detach(|| REDACTOR.redact_str(text))
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
fn keywright(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(classify, module)?)?;
    module.add_function(wrap_pyfunction!(inspect, module)?)?;
    module.add_function(wrap_pyfunction!(mask, module)?)?;
    module.add_function(wrap_pyfunction!(redact, module)?)?;
    module.add_function(wrap_pyfunction!(causes, module)?)?;
    module.add_function(wrap_pyfunction!(providers, module)?)
}

fn spec(provider: &str) -> PyResult<&'static ProviderSpec> {
    Catalogue::builtin()
        .provider(provider)
        .ok_or_else(|| PyValueError::new_err(format!("no provider `{provider}` in the catalogue")))
}

/// Knows shapes only: no key is ever given to this module to keep.
static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::default);
