//! The boundary that no panic crosses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Runs `work`. A panic in it becomes an exception, without its words: they may hold anything.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    // What was half done is dropped with the panic; what is shared lies behind locks that survive poison.
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| PyRuntimeError::new_err(BUG))
}

const BUG: &str = "keywright failed; this is a bug in keywright, not in your program or your keys";
