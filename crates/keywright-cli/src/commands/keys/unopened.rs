//! Stores that may hold keys and that nobody could look into.

use keywright::store::StoreError;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Tells a person which store stays closed, why, and what opens it.
pub(super) fn tell(why: &StoreError, terminal: &Terminal) {
    terminal.tell(format_args!("{} {why}", paint(Role::Warning, "warning:")));
    if let Some(mend) = why.mend() {
        terminal.tell(format_args!("  {} {mend}", paint(Role::Pointer, "= help:")));
    }
}

/// The same for programs.
pub(super) fn json(why: &StoreError) -> Value {
    json!({"why": why.to_string(), "help": why.mend()})
}

/// How a command ends whose result may lack what such stores hold.
pub(super) fn exit(unopened: usize, exit: Exit) -> Exit {
    if unopened > 0 && exit == Exit::Healthy { Exit::Unknown } else { exit }
}
