//! A failure for programs: who asks for JSON gets JSON.

use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Prints why nothing was done as JSON, if that was asked for; people read the same on stderr.
pub(super) fn told(json: bool, ended: Result<Exit, CliError>, terminal: &Terminal) -> Result<Exit, CliError> {
    match &ended {
        Err(error) if json => {
            terminal.out_json(&json!({"schema": 1, "error": error.to_string(), "help": error.help()}))?;
        }
        _ => {}
    }
    ended
}
