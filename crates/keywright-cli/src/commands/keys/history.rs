//! `keywright keys history`: what is known about each key that was seen here.

use keywright::sources::Environment;
use keywright::state::{Directory, Entry, History, Timestamp};
use keywright_core::diagnosis::spoken;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Show when each key was first seen here, when it last worked, and since when it is refused.
///
/// `keywright serve` and `keywright run` write it, and the diagnosis reads it: a key that worked until
/// an hour ago was revoked, not mistyped. The keys themselves are not in it, only their masks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright keys history
  keywright keys history openai --json

It is kept in ~/.local/share/keywright, or in the folder that KEYWRIGHT_STATE_DIR names.")]
pub(super) struct Args {
    /// Only this provider.
    #[arg(value_name = "PROVIDER", value_parser = crate::commands::provider_id)]
    provider: Option<String>,
    /// Print one JSON object for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let directory = Directory::of(&Environment::process())?;
    let entries = match History::open_existing(&directory)? {
        Some(mut history) => history.entries(args.provider.as_deref())?,
        None => Vec::new(),
    };
    if args.json {
        terminal.out_json(&Shown { schema: 1, keys: entries.iter().map(Row::of).collect() })?;
    } else if entries.is_empty() {
        terminal.tell("keywright: no key was seen here yet; `keywright run` and `keywright serve` note what they meet");
    } else {
        table(&entries, Timestamp::now(), terminal)?;
    }
    Ok(Exit::Healthy)
}

fn table(entries: &[Entry], now: Timestamp, terminal: &Terminal) -> Result<(), CliError> {
    let widest = |text: fn(&Entry) -> &str| entries.iter().map(|entry| text(entry).chars().count()).max().unwrap_or(0);
    let providers = widest(|entry| &entry.subject.provider);
    let masks = widest(|entry| &entry.subject.masked);
    for entry in entries {
        let (provider, masked) = (&entry.subject.provider, &entry.subject.masked);
        let (sign, story) = story(entry, now);
        terminal.out(format_args!("{sign} {provider:providers$}  {masked:masks$}  {story}"))?;
        let place = format!("{}, first seen {} ago", entry.subject.reference, spoken(entry.first_seen.until(now)));
        terminal.out(format_args!("  {:providers$}  {:masks$}  {}", "", "", paint(Role::Faint, place)))?;
    }
    Ok(())
}

/// How it stands, in a sign and in words.
fn story(entry: &Entry, now: Timestamp) -> (String, String) {
    let ago = |at: Timestamp| spoken(at.until(now));
    let served = match entry.served {
        0 => String::new(),
        1 => " (1 request)".to_owned(),
        many => format!(" ({many} requests)"),
    };
    match (entry.first_bad, entry.last_good) {
        (Some(bad), good) => {
            let cause = entry.diagnosed().map_or("other", keywright_core::Cause::slug);
            let before = good.map_or_else(
                || "never worked here".to_owned(),
                |good| format!("worked until {} before that{served}", spoken(good.until(bad))),
            );
            (paint(Role::Error, "refused"), format!("for {} [{cause}]; {before}", ago(bad)))
        }
        (None, Some(good)) => (paint(Role::Good, "good   "), format!("last worked {} ago{served}", ago(good))),
        (None, None) => (paint(Role::Faint, "seen   "), "not used yet".to_owned()),
    }
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    schema: u32,
    keys: Vec<Row<'a>>,
}

/// An entry for programs. Times are RFC 3339.
#[derive(Debug, Serialize)]
struct Row<'a> {
    provider: &'a str,
    key: &'a str,
    fingerprint: String,
    reference: &'a str,
    first_seen: String,
    last_seen: String,
    last_good: Option<String>,
    served: u64,
    first_bad: Option<String>,
    cause: Option<&'static str>,
}

impl<'a> Row<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            provider: &entry.subject.provider,
            key: &entry.subject.masked,
            fingerprint: entry.subject.fingerprint.to_string(),
            reference: &entry.subject.reference,
            first_seen: entry.first_seen.to_string(),
            last_seen: entry.last_seen.to_string(),
            last_good: entry.last_good.map(|at| at.to_string()),
            served: entry.served,
            first_bad: entry.first_bad.map(|at| at.to_string()),
            cause: entry.diagnosed().map(keywright_core::Cause::slug),
        }
    }
}
