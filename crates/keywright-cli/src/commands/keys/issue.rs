//! `keywright keys issue`: a virtual key for a caller of the gateway.

use keywright_core::{Secret, token};
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Make a virtual key, show it once, and print what goes into keywright.toml.
///
/// Only the SHA-256 of the key is for the configuration. The key itself is shown now and never
/// again: hand it to its caller, who uses it as the API key, with the gateway as base URL.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys issue team-a
  keywright keys issue ci --provider openai --json")]
pub(super) struct Args {
    /// Its name in logs and metrics.
    #[arg(value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,
    /// Allow only this provider; may be given more than once.
    #[arg(long = "provider", value_name = "ID", value_parser = crate::commands::provider_id)]
    providers: Vec<String>,
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let key = super::new_token()?;
    let sha256 = token::digest_hex(key.expose());
    if args.json {
        let shown = json!({
            "name": args.name, "key": key.expose(), "sha256": sha256, "providers": args.providers,
        });
        terminal.out_secret(&Secret::new(shown.to_string()))?;
        return Ok(Exit::Healthy);
    }
    terminal.tell("The key is shown only now; hand it to its caller:");
    terminal.out_secret(&key)?;
    terminal.tell("\nand this goes into keywright.toml:");
    // A JSON string is a TOML string too.
    terminal.out(format_args!("[[virtual_key]]\nname   = {}\nsha256 = \"{sha256}\"", json!(args.name)))?;
    if !args.providers.is_empty() {
        terminal.out(format_args!("providers = {}", json!(args.providers)))?;
    }
    Ok(Exit::Healthy)
}
