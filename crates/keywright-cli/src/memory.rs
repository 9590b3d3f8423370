//! The state of this installation, as the commands open it.

use keywright::sources::Environment;
use keywright::state::{Directory, Memory, StateError};

use crate::terminal::{Role, Terminal, paint};

/// Opens the state for a program that runs. A state that cannot be used is told, and stops nothing.
pub(crate) fn open(environment: &Environment, terminal: &Terminal) -> Option<Memory> {
    let opened = Directory::of(environment).and_then(|directory| Memory::start(&directory));
    opened.inspect_err(|error| tell(error, terminal)).ok()
}

fn tell(error: &StateError, terminal: &Terminal) {
    // A service without a home has none by intent.
    if matches!(error, StateError::NoHome) {
        tracing::debug!(%error, "nothing is remembered");
        return;
    }
    let head = paint(Role::Warning, "warning:");
    terminal.tell(format_args!("{head} nothing is remembered of the keys: {error}"));
    if let Some(help) = error.help() {
        terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
    }
}
