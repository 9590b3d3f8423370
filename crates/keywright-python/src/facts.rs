//! What a client has to know of its provider.

use keywright::http::Origin;
use keywright::sources::Environment;
use keywright_core::provider::{VariableRole, VariableStanding};
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
}

/// What a client has to know of a provider: its id and name, the base URL for an SDK, the model for calls that name none.
///
/// A base URL that is given, or set in the variables of the provider's SDKs, counts before the provider's own; it may
/// or may not end in the usual path. A provider is also found by the base URL that leads to it.
#[pyfunction]
#[pyo3(signature = (provider, base_url = None))]
pub(crate) fn facts(py: Python<'_>, provider: &str, base_url: Option<&str>) -> PyResult<Py<PyAny>> {
    let named = spec(provider)?;
    let http = &named.http;
    let mut variables =
        named.variables_of(VariableRole::BaseUrl).filter(|it| it.standing == VariableStanding::Official);
    let set = variables.find_map(|it| Environment::process().text(&it.name)).filter(|url| !url.trim().is_empty());
    let url = base_url.map(str::to_owned).or(set).unwrap_or_else(|| http.origin.clone());
    let origin = Origin::parse(&url, &http.sdk_base).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let owner = Catalogue::builtin().provider_of_host(origin.host()).unwrap_or(named);
    let facts = Facts {
        id: &owner.id,
        name: &owner.name,
        base_url: format!("{origin}{}", http.sdk_base),
        model: page::sdk(&owner.id).map(|sdk| sdk.model.as_str()),
    };
    to_python(py, &facts)
}
