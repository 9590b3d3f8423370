//! `keywright keys`: virtual keys for callers of the gateway.

use keywright_core::{Secret, token};
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Make virtual keys: what callers of `keywright serve` use instead of a provider's key.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Issue(Issue),
}

/// Make a virtual key, show it once, and print what goes into keywright.toml.
///
/// Only the SHA-256 of the key is for the configuration. The key itself is shown now and never
/// again: hand it to its caller, who uses it as the API key, with the gateway as base URL.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys issue team-a
  keywright keys issue ci --provider openai --json")]
struct Issue {
    /// Its name in logs and metrics.
    #[arg(value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,
    /// Allow only this provider; may be given more than once.
    #[arg(long = "provider", value_name = "ID", value_parser = super::provider_id)]
    providers: Vec<String>,
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let Action::Issue(issue) = &args.action;
    let key = new_token()?;
    let sha256 = token::digest_hex(key.expose());
    if issue.json {
        let shown = json!({
            "name": issue.name, "key": key.expose(), "sha256": sha256, "providers": issue.providers,
        });
        terminal.out_secret(&Secret::new(shown.to_string()))?;
        return Ok(Exit::Healthy);
    }
    terminal.tell("The key is shown only now; hand it to its caller:");
    terminal.out_secret(&key)?;
    terminal.tell("\nand this goes into keywright.toml:");
    // A JSON string is a TOML string too.
    terminal.out(format_args!("[[virtual_key]]\nname   = {}\nsha256 = \"{sha256}\"", json!(issue.name)))?;
    if !issue.providers.is_empty() {
        terminal.out(format_args!("providers = {}", json!(issue.providers)))?;
    }
    Ok(Exit::Healthy)
}

/// A fresh token from the operating system's generator.
pub(super) fn new_token() -> Result<Secret, CliError> {
    let mut random = [0; 25];
    getrandom::fill(&mut random).map_err(CliError::Random)?;
    Ok(token::issue(&random))
}
