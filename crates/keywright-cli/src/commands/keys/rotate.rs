//! `keywright keys rotate`: a new key in, proved, the old one out.

mod admin;
mod outcome;
#[cfg(test)]
mod tests;

use keywright::sources::{Found, Resolver};
use keywright::store::KeyStore;
use keywright_core::ring::Look;
use keywright_core::{ProviderSpec, Secret};
use serde_json::json;

use super::change::{Change, Replaced};
use super::noted::Noted;
use super::place::Where;
use super::{add, entered, failed, stored};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Replace a stored key: the new one is asked for, the provider is asked about it, and only then it takes the old one's place.
///
/// A key that the provider refuses changes nothing. If there is no verdict, because the network gives no answer, the old key
/// is kept as `previous` and serves when the new one is refused; `keywright keys test` drops it once the new key works. Until
/// then `previous` stays what it is: another key that nobody answers about is not stored.
///
/// With `--via-admin-api` nobody pastes anything: OpenAI and Fireworks AI make the new key and delete the old one. The plan is
/// shown and agreed to first. A step that fails leaves both keys as they are, and says what remains to be done by hand.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys rotate openai
  keywright keys rotate openai --name team-b < new-key.txt
  keywright keys rotate openai --via-admin-api --dry-run
  keywright keys rotate openai --via-admin-api --admin-key op://Private/OpenAI-admin/credential
  keywright keys rotate fireworks --via-admin-api --yes --json

Exit codes: 0 replaced and proved; 1 nothing changed, or a step failed, the report says which; 2 the command line is wrong; 3 replaced, no verdict.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
    /// Take off what was pasted around the key, without a question.
    #[arg(long, conflicts_with = "via_admin_api")]
    mend: bool,
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: admin::AdminArgs,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    failed::told(args.json, rotated(args, terminal).await, terminal)
}

async fn rotated(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let provider = args.place.provider()?;
    if args.admin.via_admin_api {
        return admin::run(args, provider, terminal).await;
    }
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    let old = stored::the_one(&args.place, provider, &store, &resolver, terminal).await?;
    let prompt =
        format!("Paste the new {} key in the place of {} (it stays hidden): ", provider.name, old.secret.masked());
    let new = add::inspected(provider, entered::key(&prompt).await?, args.mend, terminal).await?;
    if new.matches(&old.secret) {
        let help = provider.keys_url.as_ref().map(|page| format!("make a new one at {page}"));
        return Err(CliError::Unmet { message: "that is the key that is stored already".to_owned(), help });
    }
    let look = add::asked(provider, &new, &resolver, terminal).await?;
    let proved = look == Look::Works;
    let standing = Noted::existing(&resolver).standing(provider, &old.secret);
    let change = Change { provider, old: &old, standing, new: &new, proved, keep_old: false };
    let replaced = change.make(&store).await?;
    Noted::open(&resolver).note(provider, &new, &old.reference.to_string(), Some(look));
    tell(args, provider, (&old, &new), proved, &replaced, terminal)?;
    Ok(if proved { Exit::Healthy } else { Exit::Unknown })
}

fn tell(
    args: &Args,
    provider: &ProviderSpec,
    (old, new): (&Found, &Secret),
    proved: bool,
    replaced: &Replaced,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let (out, into) = (old.secret.masked(), new.masked());
    if args.json {
        terminal.out_json(&json!({
            "schema": 1, "provider": provider.id, "reference": old.reference.to_string(), "masked": into,
            "replaced": out, "proved": proved, "previous_kept": !proved || replaced.left.is_some(),
        }))?;
        return Ok(());
    }
    let word = if proved { paint(Role::Good, "[ok]") } else { paint(Role::Warning, "[warn]") };
    terminal.out(format_args!("{word} {into} took the place of {out} ({})", old.reference))?;
    if let Some(dropped) = &replaced.dropped {
        terminal.tell(format_args!("  {dropped} is stored no more"));
    }
    if let Some(remains) = replaced.remains(provider) {
        terminal.tell(format_args!("  next: {remains}"));
    }
    if proved {
        let page = provider.keys_url.as_deref().unwrap_or(&provider.name);
        terminal.tell(format_args!("  next: the old key still works until you revoke it at {page}"));
    } else {
        terminal.tell(format_args!(
            "  next: nobody answered about it; {} is kept as `previous` until `keywright keys test {}` works",
            replaced.previous, provider.id
        ));
    }
    Ok(())
}
