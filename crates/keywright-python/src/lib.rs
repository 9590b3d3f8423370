//! Keywright for Python. This module converts types and decides nothing: every rule is in core.

use keywright_core::{Answer, Catalogue, classify};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Says why a provider refused, from the status and the body it sent.
///
/// Returns the diagnosis as `keywright explain --json` prints it, or `None` where the answer is no
/// failure. `path` is the request's path at the provider; some rules hold for some routes only.
#[pyfunction]
#[pyo3(signature = (provider, status, body, path = ""))]
fn diagnose(py: Python<'_>, provider: &str, status: u16, body: &[u8], path: &str) -> PyResult<Option<Py<PyAny>>> {
    let spec = Catalogue::builtin()
        .provider(provider)
        .ok_or_else(|| PyValueError::new_err(format!("no provider `{provider}` in the catalogue")))?;
    let Some(classified) = classify(spec, &Answer { status, path, body }) else {
        return Ok(None);
    };
    let text = serde_json::to_string(&classified.diagnosis(spec, status))
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    let json = py.import("json")?;
    Ok(Some(json.call_method1("loads", (text,))?.unbind()))
}

/// The ids of the providers in the catalogue.
#[pyfunction]
fn providers() -> Vec<&'static str> {
    Catalogue::builtin().providers().iter().map(|provider| provider.id.as_str()).collect()
}

/// Says exactly why an LLM API key failed.
#[pymodule]
fn keywright(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(diagnose, module)?)?;
    module.add_function(wrap_pyfunction!(providers, module)?)
}
