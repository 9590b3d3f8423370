//! `keywright keys add`: a key goes into the keyring or the vault, inspected on its way.

use keywright::sources::{Found, Reference, Resolver};
use keywright::store::KeyStore;
use keywright_core::inspect::{Finding, Severity};
use keywright_core::ring::Look;
use keywright_core::{ProviderSpec, Secret};
use serde_json::json;

use super::entered::{self, Entered};
use super::failed;
use super::live::{self, Candidate};
use super::noted::Noted;
use super::place::Where;
use crate::diagnosis;
use crate::error::CliError;
use crate::exit::Exit;
use crate::key_report::KeySeen;
use crate::terminal::{Role, Terminal, paint};

/// Store a key: it is asked for and stays hidden, or comes from standard input.
///
/// The key is looked at first: a placeholder or an empty value is not stored, and what a careless paste left around a key
/// is taken off if you agree. With `--live` the provider is asked, and a key that it refuses is not stored. The key never
/// stands on the command line, where the shell's history and every process list would have it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys add openai
  keywright keys add openai --name team-b --live
  keywright keys add fireworks --store age < key.txt
  op read op://Private/OpenAI/credential | keywright keys add openai

Exit codes: 0 stored; 1 not stored, the report says why; 2 the command line is wrong; 3 stored, and --live got no verdict.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
    /// Ask the provider first: one free request.
    #[arg(long)]
    live: bool,
    /// Take off what was pasted around the key, without a question.
    #[arg(long)]
    mend: bool,
    /// Replace the key that is stored there.
    #[arg(long)]
    force: bool,
    /// Close a new vault with a passphrase, which is asked for, in the place of a file that only you can read.
    #[arg(long)]
    passphrase: bool,
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    failed::told(args.json, stored(args, terminal).await, terminal)
}

async fn stored(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let provider = args.place.provider()?;
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    let reference = args.place.new_place(provider, &store).await?;
    let before = before(&store, &resolver, &reference, terminal).await?;
    if let Some(before) = before.as_ref().filter(|_| !args.force) {
        return Err(occupied(provider, before));
    }
    let entered = entered::key(&format!("Paste the {} key (it stays hidden): ", provider.name)).await?;
    let key = inspected(provider, entered, args.mend, terminal).await?;
    let look = if args.live { Some(asked(provider, &key, &resolver, terminal).await?) } else { None };
    if args.passphrase && before.is_none() && matches!(reference, Reference::Age { .. }) {
        new_passphrase(&store, &resolver, &reference, terminal).await?;
    }
    let stored = Stored { provider, key: &key, reference: &reference, look };
    stored.put(&store, &resolver, terminal).await?;
    stored.note(&resolver);
    let is_found = store.name_of(provider, &reference).is_some();
    tell(args, provider, &key, &reference, is_found, terminal)?;
    Ok(if look == Some(Look::Unknown) { Exit::Unknown } else { Exit::Healthy })
}

/// A key on its way into a store.
pub(super) struct Stored<'a> {
    pub(super) provider: &'static ProviderSpec,
    pub(super) key: &'a Secret,
    pub(super) reference: &'a Reference,
    /// What the provider said about it, if it was asked.
    pub(super) look: Option<Look>,
}

impl Stored<'_> {
    /// Stores it. A vault that wants a passphrase gets the one that a person types.
    pub(super) async fn put(&self, store: &KeyStore, resolver: &Resolver, terminal: &Terminal) -> Result<(), CliError> {
        let put = async |store: &KeyStore| store.put(self.reference, self.key).await;
        Ok(entered::with_passphrase(store, resolver, terminal, put).await?)
    }

    /// Notes in the history that it is here.
    pub(super) fn note(&self, resolver: &Resolver) {
        Noted::open(resolver).note(self.provider, self.key, &self.reference.to_string(), self.look);
    }
}

/// The key that is stored in a place now.
pub(super) async fn before(
    store: &KeyStore,
    resolver: &Resolver,
    reference: &Reference,
    terminal: &Terminal,
) -> Result<Option<Found>, CliError> {
    let found = entered::with_passphrase(store, resolver, terminal, async |store| store.look(reference).await).await?;
    if let Some(found) = &found {
        terminal.guard(&[&found.secret]);
    }
    Ok(found)
}

/// Looks at the key, and takes off what a careless paste left around it if that is agreed to.
pub(super) async fn inspected(
    provider: &ProviderSpec,
    entered: Entered,
    mend: bool,
    terminal: &Terminal,
) -> Result<Secret, CliError> {
    let Entered { key, place } = entered;
    terminal.guard(&[&key]);
    let seen = |key: &Secret| KeySeen::entered(provider, key, place);
    let looked_at = seen(&key);
    let mended = looked_at.findings.first().and_then(|finding| mended(finding, &key));
    let mended = mended.filter(|mended| !looked_at.usable() && seen(mended).usable());
    for finding in &looked_at.findings {
        // What can be taken off is no end.
        let worst = if mended.is_some() { Severity::Warning } else { Severity::Error };
        terminal.tell(diagnosis::finding_head(&Finding { severity: finding.severity.min(worst), ..finding.clone() }));
    }
    if looked_at.usable() {
        return Ok(key);
    }
    if let Some(mended) = mended {
        terminal.guard(&[&mended]);
        let agreed =
            mend || entered::yes(&format!("Store it without that, as {}?", mended.masked())).await? == Some(true);
        if agreed {
            terminal.tell(format_args!("keywright: that was taken off; the key is {}", mended.masked()));
            return Ok(mended);
        }
        return Err(refused(Some("`--mend` takes that off".to_owned())));
    }
    let from = provider.keys_url.as_ref().map(|page| format!(" from {page}")).unwrap_or_default();
    Err(refused(Some(format!("enter it again: the key of {}{from}, alone and on one line", provider.name))))
}

fn mended(finding: &Finding, key: &Secret) -> Option<Secret> {
    finding.mend.as_ref()?.apply(key.expose()).map(Secret::new)
}

fn refused(help: Option<String>) -> CliError {
    CliError::Unmet { message: "this cannot work as a key; nothing was stored".to_owned(), help }
}

/// What the provider says; a key that it refuses ends here.
pub(super) async fn asked(
    provider: &'static ProviderSpec,
    key: &Secret,
    resolver: &Resolver,
    terminal: &Terminal,
) -> Result<Look, CliError> {
    let mut seen = KeySeen::entered(provider, key, "the new key");
    let candidate = Candidate { provider, key, known: &seen.findings };
    let Some(answered) = live::ask(&[candidate], resolver, terminal).await.pop() else {
        return Ok(Look::Unknown);
    };
    let look = answered.look;
    seen.heard(answered);
    if !seen.usable() {
        seen.tell_findings(terminal);
        let message = format!("{} refuses {}; nothing was stored", provider.name, key.masked());
        return Err(CliError::Unmet { message, help: None });
    }
    Ok(look)
}

async fn new_passphrase(
    store: &KeyStore,
    resolver: &Resolver,
    reference: &Reference,
    terminal: &Terminal,
) -> Result<(), CliError> {
    if store.is_there(reference) {
        let help = Some("leave `--passphrase` out, or name another file with `--store age://FILE#FIELD`".to_owned());
        return Err(CliError::Usage { message: "the vault is there already, closed as it was made".to_owned(), help });
    }
    entered::new_passphrase(resolver, terminal).await
}

fn occupied(provider: &ProviderSpec, before: &Found) -> CliError {
    CliError::Usage {
        message: format!("{} is stored there already ({})", before.secret.masked(), before.place),
        help: Some(format!(
            "`keywright keys rotate {}` replaces it safely, `--name` stores one more beside it, `--force` overwrites it",
            provider.id
        )),
    }
}

fn tell(
    args: &Args,
    provider: &ProviderSpec,
    key: &Secret,
    reference: &Reference,
    is_found: bool,
    terminal: &Terminal,
) -> Result<(), CliError> {
    if args.json {
        terminal.out_json(&json!({
            "schema": 1, "provider": provider.id, "reference": reference.to_string(), "masked": key.masked(),
        }))?;
        return Ok(());
    }
    terminal.out(format_args!("{} stored {} of {}", paint(Role::Good, "[ok]"), key.masked(), provider.name))?;
    terminal.out(format_args!("     {reference}"))?;
    if is_found {
        terminal.tell("  next: `keywright run -- YOUR PROGRAM` finds it there, and keywright.toml takes the reference");
    } else {
        terminal.tell("  next: nothing looks there by itself; keywright.toml names it:");
        terminal.tell(format_args!("        [[provider]]\n        id = \"{}\"", provider.id));
        terminal.tell(format_args!("        keys = [\"{reference}\"]"));
    }
    Ok(())
}
