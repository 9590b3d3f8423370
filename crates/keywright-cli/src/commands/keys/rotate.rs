//! `keywright keys rotate`: a new key in, proved, the old one out.

mod admin;
mod outcome;
#[cfg(test)]
mod tests;

use keywright::sources::{Found, Reference, Resolver};
use keywright::store::{KeyStore, StoreError};
use keywright_core::ring::Look;
use keywright_core::{ProviderSpec, Secret};
use serde_json::json;

use super::noted::Noted;
use super::place::Where;
use super::{add, entered, stored};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Replace a stored key: the new one is asked for, the provider is asked about it, and only then it takes the old one's place.
///
/// A key that the provider refuses changes nothing. If there is no verdict, because the network gives no answer, the old key
/// is kept as `previous` and serves when the new one is refused; `keywright keys test` drops it once the new key works.
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
    let replaced = replace(&store, provider, &old, &new, look).await?;
    Noted::open(&resolver).note(provider, &new, &old.reference.to_string(), Some(look));
    let proved = look == Look::Works;
    tell(args, provider, (&old, &new), proved, &replaced, terminal)?;
    Ok(if proved { Exit::Healthy } else { Exit::Unknown })
}

/// The new key is stored in the place of the old one.
#[derive(Debug)]
pub(super) struct Replaced {
    /// Why the copy of the old key could not be taken out, where the new one makes it needless.
    left: Option<StoreError>,
}

impl Replaced {
    /// What is left to do in the store, in words.
    fn remains(&self, provider: &ProviderSpec) -> Option<String> {
        let why = self.left.as_ref()?;
        Some(format!(
            "the copy `previous` of the old key is still stored ({why}): `keywright keys test {}` drops it",
            provider.id
        ))
    }
}

/// At every moment one of the two is stored: the old key is copied before the new one takes its place. An error means
/// that the new one is not stored.
pub(super) async fn replace(
    store: &impl Writes,
    provider: &ProviderSpec,
    old: &Found,
    new: &Secret,
    look: Look,
) -> Result<Replaced, StoreError> {
    let previous = store.place_of_previous(provider, &old.reference)?;
    store.put(&previous, &old.secret).await?;
    store.put(&old.reference, new).await?;
    let left = if look == Look::Works { store.remove(&previous).await.err() } else { None };
    Ok(Replaced { left })
}

/// What a replacement asks of a store.
pub(super) trait Writes {
    fn place_of_previous(&self, provider: &ProviderSpec, reference: &Reference) -> Result<Reference, StoreError>;
    async fn put(&self, reference: &Reference, key: &Secret) -> Result<(), StoreError>;
    async fn remove(&self, reference: &Reference) -> Result<bool, StoreError>;
}

impl Writes for KeyStore {
    fn place_of_previous(&self, provider: &ProviderSpec, reference: &Reference) -> Result<Reference, StoreError> {
        Self::place_of_previous(self, provider, reference)
    }

    async fn put(&self, reference: &Reference, key: &Secret) -> Result<(), StoreError> {
        Self::put(self, reference, key).await
    }

    async fn remove(&self, reference: &Reference) -> Result<bool, StoreError> {
        Self::remove(self, reference).await
    }
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
    if let Some(remains) = replaced.remains(provider) {
        terminal.tell(format_args!("  next: {remains}"));
    }
    if proved {
        let page = provider.keys_url.as_deref().unwrap_or(&provider.name);
        terminal.tell(format_args!("  next: the old key still works until you revoke it at {page}"));
    } else {
        terminal.tell(format_args!(
            "  next: nobody answered about it; the old key is kept as `previous` until `keywright keys test {}` works",
            provider.id
        ));
    }
    Ok(())
}
