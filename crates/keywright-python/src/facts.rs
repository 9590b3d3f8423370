//! What a client has to know of its provider.

use keywright::http::Origin;
use keywright::sources::Environment;
use keywright_core::{Catalogue, page};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;

use crate::convert::to_python;
use crate::spec;

#[derive(Serialize)]
struct Facts<'a> {
    id: &'a str,
    name: &'a str,
    base_url: String,
    model: Option<&'a str>,
    /// Whether the base URL leads to a provider of the catalogue.
    is_catalogued: bool,
}

/// What a client has to know of a provider: its id and name, the base URL for an SDK, the model for calls that name none.
///
/// A base URL that is given, or set in the variables that its clients read, counts before the provider's own; it may
/// or may not end in the usual path. A provider is also found by the base URL that leads to it.
#[pyfunction]
#[pyo3(signature = (provider, base_url = None))]
pub(crate) fn facts(py: Python<'_>, provider: &str, base_url: Option<&str>) -> PyResult<Py<PyAny>> {
    let named = spec(provider)?;
    let http = &named.http;
    let origin = Origin::of_client(named, base_url, &Environment::process());
    let origin = origin.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let host = Catalogue::builtin().provider_of_host(origin.host());
    let owner = host.unwrap_or(named);
    let facts = Facts {
        id: &owner.id,
        name: &owner.name,
        base_url: format!("{origin}{}", http.sdk_base),
        model: page::sdk(&owner.id).map(|sdk| sdk.model.as_str()),
        is_catalogued: host.is_some(),
    };
    to_python(py, &facts)
}
