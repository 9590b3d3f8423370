//! `keywright keys test`: does each key work?

use keywright::sources::{Reference, Resolver};
use keywright::store::{KeyName, KeyStore, Kind};
use keywright_core::ProviderSpec;
use keywright_core::ring::Look;
use serde_json::json;

use super::live::{self, Candidate};
use super::noted::Noted;
use super::shown::{Row, Rows, exit_of};
use super::{place, replacing};
use crate::error::CliError;
use crate::exit::Exit;
use crate::key_report::{KeyReport, KeySeen};
use crate::terminal::{Role, Terminal, paint};

/// Ask the providers whether the keys work: one free request a key, to that provider alone.
///
/// Without a name, every key that programs here find is asked about. A key that was stored by `rotate` before anybody could
/// ask about it proves itself here; then the key before it is dropped.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys test
  keywright keys test openai
  keywright keys test age://team.age#openai --provider openai

Exit codes: 0 every key works; 1 one is refused, or there is none; 2 the command line is wrong; 3 no verdict on one, or
a store that may hold keys cannot be opened.")]
pub(super) struct Args {
    /// A provider, or a reference to one key.
    #[arg(value_name = "PROVIDER|REF")]
    what: Option<String>,
    /// Whose key the reference leads to, where that cannot be told from it.
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// Print one JSON object for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let resolver = Resolver::process();
    if let Some(text) = args.what.as_deref().filter(|text| text.contains("://")) {
        let reference = place::reference(text)?;
        let provider = match &args.provider {
            Some(id) => place::provider(id)?,
            None => owner(&reference)?,
        };
        return one(args, provider, &reference, &resolver, terminal).await;
    }
    let providers = place::providers(args.what.as_deref().or(args.provider.as_deref()))?;
    let store = KeyStore::of(&resolver);
    let mut rows = Rows::gather(&providers, &store, &resolver, terminal).await;
    rows.ask(&resolver, terminal).await?;
    if args.json {
        terminal.out_json(&rows.json())?;
    } else {
        rows.tell(terminal)?;
        rows.tell_unopened(terminal);
    }
    if rows.is_nowhere() {
        let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
        let of = if names.len() == 1 { format!(" of {}", names[0]) } else { String::new() };
        let help = Some("`keywright keys add` stores one; `keywright doctor` says where it looked".to_owned());
        return Err(CliError::Unmet { message: format!("no key{of} is here"), help });
    }
    drop_proven(&rows, &store, terminal).await?;
    Ok(rows.exit(exit_of(&rows.keys)))
}

/// One key, wherever it is.
async fn one(
    args: &Args,
    provider: &'static ProviderSpec,
    reference: &Reference,
    resolver: &Resolver,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (mut seen, look) = match resolver.resolve(reference).await {
        Ok(found) => {
            terminal.guard(&[&found.secret]);
            let mut seen = KeySeen::inspected(provider, &found);
            let mut look = None;
            if seen.usable() {
                let candidate = Candidate { provider, key: &found.secret, known: &seen.findings };
                for answered in live::ask(&[candidate], resolver, terminal).await {
                    look = Some(answered.look);
                    seen.heard(answered);
                }
                Noted::open(resolver).note(provider, &found.secret, &reference.to_string(), look);
            }
            (seen, look)
        }
        Err(miss) => (KeySeen::missing(&provider.id, &reference.to_string(), &miss), None),
    };
    let exit = match look {
        Some(Look::Unknown) => Exit::Unknown,
        _ if seen.usable() => Exit::Healthy,
        _ => Exit::Unhealthy,
    };
    if let Some(command) = replacing::of_place(provider, reference) {
        replacing::aim(&mut seen, provider, &command);
    }
    let report = KeyReport { keys: vec![seen] };
    if args.json {
        terminal.out_json(&json!({"schema": 1, "keys": report.keys}))?;
    } else {
        report.tell(terminal);
    }
    Ok(exit)
}

/// The provider that a reference names.
fn owner(reference: &Reference) -> Result<&'static ProviderSpec, CliError> {
    let catalogue = keywright_core::Catalogue::builtin();
    let by_variable = |name: &str| {
        let reads = |provider: &&ProviderSpec| provider.variables.iter().any(|variable| variable.name == name);
        catalogue.providers().iter().find(reads)
    };
    let owner = match reference {
        Reference::Env { name } | Reference::Dotenv { name, .. } => by_variable(name),
        Reference::Keyring { service, .. } => catalogue.provider(service),
        Reference::Age { field, .. } | Reference::Vault { field, .. } => {
            catalogue.provider(field.split('/').next().unwrap_or_default())
        }
        _ => None,
    };
    owner.ok_or_else(|| CliError::Usage {
        message: "the reference does not say whose key it leads to".to_owned(),
        help: Some("add `--provider openai`".to_owned()),
    })
}

/// A key that works has proved itself: the one that it replaced is dropped.
async fn drop_proven(rows: &Rows, store: &KeyStore, terminal: &Terminal) -> Result<(), CliError> {
    for row in &rows.keys {
        let Some((name, kind)) = row.stored.as_ref().filter(|_| row.look == Some(Look::Works)) else {
            continue;
        };
        let previous = rows.keys.iter().find(|other| is(other, row.provider, &name.previous(), *kind));
        if let Some(previous) = previous {
            store.remove(&previous.found.reference).await?;
            let masked = previous.found.secret.masked();
            terminal.tell(format_args!(
                "{} {} works, so the key before it ({masked}) was dropped; revoke it at {}",
                paint(Role::Good, "[ok]"),
                row.found.secret.masked(),
                row.provider.keys_url.as_deref().unwrap_or(&row.provider.name),
            ));
        }
    }
    Ok(())
}

fn is(row: &Row, provider: &ProviderSpec, name: &KeyName, kind: Kind) -> bool {
    row.provider.id == provider.id && row.stored.as_ref().is_some_and(|(n, k)| n == name && *k == kind)
}
