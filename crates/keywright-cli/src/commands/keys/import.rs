//! `keywright keys import`: keys that lie in a file go into the store.

use std::path::{Path, PathBuf};

use keywright::sources::{Reference, Resolver};
use keywright::store::{KeyName, KeyStore, Kind};
use keywright_core::inspect::owner;
use keywright_core::provider::VariableRole;
use keywright_core::{Catalogue, Dotenv, ProviderSpec, Secret};
use serde_json::{Value, json};

use super::entered;
use super::noted::Noted;
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::key_report::KeySeen;
use crate::terminal::{Role, Terminal, paint};

/// Take the keys of a file into the store: a `.env` file, `llm`'s keys.json, or any flat JSON object.
///
/// Shows what it would do; `--yes` does it. The file stays as it is. What cannot be a key, and what is stored already, is left
/// out and told. A key is recognised by its variable's name, by the provider's name (as `llm` has it), or by its shape.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys import .env                     what would be stored
  keywright keys import .env --yes
  keywright keys import \"$(llm keys path)\" --yes

Exit codes: 0; 1 there is no key to store in it; 2 the file cannot be read.")]
pub(super) struct Args {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Do it.
    #[arg(long)]
    yes: bool,
    /// `keyring` or `age` (the vault); by default the keyring if there is one.
    #[arg(long, value_name = "STORE", value_parser = ["keyring", "age"])]
    store: Option<String>,
    /// Print one JSON object for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let resolver = Resolver::process();
    let store = KeyStore::of(&resolver);
    let kind = match args.store.as_deref() {
        Some("keyring") => Kind::Keyring,
        Some(_) => Kind::Age,
        None => store.preferred().await,
    };
    let mut offers = Vec::new();
    for (line, name, value) in entries(&args.file, terminal)? {
        terminal.guard(&[&value]);
        if let Some((provider, key_name)) = owner_of(&name, &value) {
            let reference = store.reference(kind, provider, &key_name)?;
            let place = line.map_or_else(|| name.clone(), |line| format!("{}:{line}", args.file.display()));
            offers.push(Offer::of(provider, reference, place, value, &offers));
        }
    }
    for offer in offers.iter_mut().filter(|offer| offer.left_out.is_none()) {
        let reference = &offer.reference;
        let there = entered::with_passphrase(&store, &resolver, terminal, async |store| store.look(reference).await);
        if let Some(there) = there.await? {
            let same = there.secret.matches(&offer.key);
            offer.left_out = Some(if same { "it is stored already" } else { ANOTHER }.to_owned());
        }
    }
    if args.yes {
        let mut history = Noted::open(&resolver);
        for offer in offers.iter_mut().filter(|offer| offer.left_out.is_none()) {
            store.put(&offer.reference, &offer.key).await?;
            offer.stored = true;
            history.note(offer.provider, &offer.key, &offer.reference.to_string(), None);
        }
    }
    tell(args, &offers, terminal)
}

/// A key of the file, and what becomes of it.
struct Offer {
    provider: &'static ProviderSpec,
    reference: Reference,
    place: String,
    key: Secret,
    /// Why it is not stored.
    left_out: Option<String>,
    stored: bool,
}

impl Offer {
    fn of(provider: &'static ProviderSpec, reference: Reference, place: String, key: Secret, before: &[Self]) -> Self {
        let seen = KeySeen::entered(provider, &key, &place);
        let unusable = || seen.findings.first().map_or_else(String::new, |finding| finding.says.clone());
        let twice = before.iter().any(|other| other.left_out.is_none() && other.reference == reference);
        let left_out = if !seen.usable() {
            Some(unusable())
        } else if twice {
            Some("another line has that name already".to_owned())
        } else {
            None
        };
        Self { provider, reference, place, key, left_out, stored: false }
    }
}

type Line = (Option<usize>, String, Secret);

/// Line, name and value of everything in the file.
fn entries(file: &Path, terminal: &Terminal) -> Result<Vec<Line>, CliError> {
    let absent = Some("check the path: a `.env` file, or a JSON object of keys");
    let unreadable = |source| CliError::Read { path: file.to_owned(), source, absent };
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > LARGEST_BYTES {
        let source = std::io::Error::other("not a regular file, or far too large for keys");
        return Err(unreadable(source));
    }
    let text = std::fs::read(file).map_err(unreadable)?;
    if text.trim_ascii_start().starts_with(b"{") {
        return from_json(file, &text);
    }
    let parsed = Dotenv::parse(&text).map_err(|why| CliError::EnvFile { path: file.to_owned(), why: why.into() })?;
    drop(String::from_utf8(text).map(Secret::new));
    terminal.guard(&parsed.entries.iter().map(|entry| &entry.value).collect::<Vec<_>>());
    let last =
        parsed.entries.iter().filter(|entry| parsed.last(&entry.name).is_some_and(|last| last.line == entry.line));
    Ok(last.map(|entry| (Some(entry.line), entry.name.clone(), entry.value.clone())).collect())
}

/// The members of an object that are texts, as `llm` and others write them.
fn from_json(file: &Path, text: &[u8]) -> Result<Vec<Line>, CliError> {
    let parsed: Result<serde_json::Map<String, Value>, _> = serde_json::from_slice(text);
    let members = parsed.map_err(|error| {
        let why = keywright::sources::SourceError::NotJson { line: error.line(), column: error.column() };
        CliError::EnvFile { path: file.to_owned(), why }
    })?;
    let texts = members.into_iter().filter_map(|(name, value)| match value {
        Value::String(value) => Some((None, name, Secret::new(value))),
        _ => None,
    });
    Ok(texts.collect())
}

/// Whose key it is, and its name among the keys of that provider.
fn owner_of(name: &str, value: &Secret) -> Option<(&'static ProviderSpec, KeyName)> {
    // `llm` names a key by its provider.
    if let Some(provider) = Catalogue::builtin().provider(name) {
        return Some((provider, KeyName::default()));
    }
    let provider = owner::of_key(name, value.expose())?;
    // An admin key manages an organization; no program calls a model with it.
    if provider.variables_of(VariableRole::AdminKey).any(|variable| variable.name == name) {
        return None;
    }
    let official = provider.key_variable().unwrap_or_default();
    if let Some(sibling) = owner::sibling_names(official).find(|sibling| sibling == name) {
        let end = sibling.strip_prefix(official)?.trim_start_matches('_').to_ascii_lowercase();
        return Some((provider, end.parse().ok()?));
    }
    if owner::by_name(name).is_some() || owner::meant_name(name).is_some() {
        return Some((provider, KeyName::default()));
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    Some((provider, name.chars().map(plain).collect::<String>().parse().unwrap_or_default()))
}

fn tell(args: &Args, offers: &[Offer], terminal: &Terminal) -> Result<Exit, CliError> {
    let good = offers.iter().filter(|offer| offer.left_out.is_none()).count();
    if args.json {
        let keys: Vec<Value> = offers
            .iter()
            .map(|offer| {
                json!({
                    "provider": offer.provider.id, "place": offer.place, "masked": offer.key.masked(),
                    "reference": offer.reference.to_string(), "stored": offer.stored, "left_out": offer.left_out,
                })
            })
            .collect();
        terminal.out_json(&json!({"schema": 1, "dry_run": !args.yes, "keys": keys}))?;
    } else {
        for offer in offers {
            let (sign, what) = match &offer.left_out {
                Some(why) => (paint(Role::Faint, "[skip]"), why.clone()),
                None => (paint(Role::Good, "[ok]  "), format!("-> {}", offer.reference)),
            };
            let (provider, masked) = (&offer.provider.id, offer.key.masked());
            terminal.out(format_args!("{sign} {provider}  {masked}  {}  {what}", offer.place))?;
        }
        match (good, args.yes) {
            (0, _) => {}
            (_, false) => terminal.tell(format_args!("  next: `--yes` stores {}", count(good, "key"))),
            (_, true) => terminal.tell(format_args!(
                "  next: {} stored; take them out of `{}` when nothing else reads it",
                count(good, "key"),
                args.file.display()
            )),
        }
    }
    if good > 0 || offers.iter().any(|offer| offer.left_out.as_deref() == Some("it is stored already")) {
        return Ok(Exit::Healthy);
    }
    if let Some(offer) = offers.iter().find(|offer| offer.left_out.as_deref() == Some(ANOTHER)) {
        let (file, id) = (args.file.display(), &offer.provider.id);
        return Err(CliError::Unmet {
            message: format!("nothing of `{file}` is stored: another key is stored under that name"),
            help: Some(format!(
                "`keywright keys rotate {id}` puts this one in its place, `keywright keys add {id} --name NAME` beside it"
            )),
        });
    }
    let message = format!("`{}` holds no key to store", args.file.display());
    let help = Some(
        "keys are recognised by the names of their variables, such as OPENAI_API_KEY, and by their shape".to_owned(),
    );
    Err(CliError::Unmet { message, help })
}

/// Why a key is left out whose place is taken.
const ANOTHER: &str = "another key is stored there";
/// A file of keys has a few kilobytes.
const LARGEST_BYTES: u64 = 1024 * 1024;
