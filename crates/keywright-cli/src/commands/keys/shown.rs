//! Every key of this machine, and what is known about it.

use std::path::PathBuf;

use keywright::sources::{Asked, Found, Resolver, SourceError};
use keywright::state::{Entry, Timestamp};
use keywright::store::{KeyName, KeyStore, Kind, StoreError};
use keywright_core::ProviderSpec;
use keywright_core::diagnosis::spoken;
use keywright_core::ring::Look;
use serde_json::{Value, json};

use super::entered;
use super::live::{self, Candidate};
use super::noted::Noted;
use super::{replacing, unopened};
use crate::error::CliError;
use crate::exit::Exit;
use crate::key_report::{KeySeen, KeyState};
use crate::memory;
use crate::terminal::{Role, Terminal, paint};

/// One key.
pub(super) struct Row {
    pub(super) provider: &'static ProviderSpec,
    /// Its name and its store; `None` for a key of the environment or of a file.
    pub(super) stored: Option<(KeyName, Kind)>,
    pub(super) found: Found,
    pub(super) seen: KeySeen,
    entry: Option<Entry>,
    /// What the provider said, when it was asked.
    pub(super) look: Option<Look>,
    /// Whether it is stored and programs use another one, of the environment or of `.env`.
    rests: bool,
}

/// Every key, in the order of use.
pub(super) struct Rows {
    pub(super) keys: Vec<Row>,
    /// The stores that gave nothing, and why.
    asked: Vec<Asked>,
    /// Those of them that may hold keys.
    unopened: Vec<StoreError>,
}

impl Rows {
    /// Looks into the environment, into `.env` and into the stores.
    pub(super) async fn gather(
        providers: &[&'static ProviderSpec],
        store: &KeyStore,
        resolver: &Resolver,
        terminal: &Terminal,
    ) -> Self {
        // A vault that is not opened is told with the stores that gave nothing.
        let _ = entered::open_vault(store, resolver, terminal).await;
        let shelf = store.shelf(providers).await;
        let path = PathBuf::from(".env");
        let files = [(path.clone(), resolver.dotenv(&path).await)];
        let mut history = Noted::existing(resolver);
        let mut rows: Vec<Row> = Vec::new();
        for provider in providers {
            let lying = resolver.discover(provider, &files).found.into_iter().map(|found| (None, found));
            let stored = shelf.of(provider).map(|kept| (Some((kept.name.clone(), kept.kind)), kept.found.clone()));
            for (stored, found) in lying.chain(stored) {
                terminal.guard(&[&found.secret]);
                let seen = KeySeen::inspected(provider, &found);
                let entry = history.known(provider, &found.secret);
                rows.push(Row { provider, stored, found, seen, entry, look: None, rests: false });
            }
            let own = |row: &Row| row.provider.id == provider.id;
            let is_used = rows.iter().any(|row| own(row) && row.stored.is_none() && row.seen.usable());
            for row in rows.iter_mut().filter(|row| own(row)) {
                row.rests = is_used && row.stored.is_some();
                row.aim_fixes();
            }
        }
        Self { keys: rows, asked: shelf.asked, unopened: shelf.unopened.into_iter().map(|(_, why)| why).collect() }
    }

    /// Asks the providers about every key that may work.
    pub(super) async fn ask(&mut self, resolver: &Resolver, terminal: &Terminal) -> Result<(), CliError> {
        let usable: Vec<&mut Row> = self.keys.iter_mut().filter(|row| row.seen.usable()).collect();
        let candidate = |row: &&mut Row| (row.provider, row.found.secret.clone(), row.seen.findings.clone());
        let keys: Vec<_> = usable.iter().map(candidate).collect();
        let candidates = keys.iter().map(|(provider, key, known)| Candidate { provider, key, known });
        let answers = live::ask(&candidates.collect::<Vec<_>>(), resolver, terminal).await;
        let mut history = Noted::open(resolver);
        for (row, answered) in usable.into_iter().zip(answers) {
            row.look = Some(answered.look);
            row.seen.heard(answered);
            row.aim_fixes();
            history.note(row.provider, &row.found.secret, &row.found.reference.to_string(), row.look);
            row.entry = history.known(row.provider, &row.found.secret);
        }
        Ok(())
    }

    /// Lets the history speak about keys that nobody asks about now.
    pub(super) fn recall(&mut self) {
        for row in &mut self.keys {
            let refusal = row.entry.as_ref().and_then(|entry| memory::refusal(entry, row.provider));
            if let Some(finding) = refusal {
                row.seen.state = KeyState::Unusable;
                row.seen.findings.insert(0, finding);
                row.aim_fixes();
            }
        }
    }

    /// One line a key, then what is strange about it.
    pub(super) fn tell(&self, terminal: &Terminal) -> Result<(), CliError> {
        let widest = |text: &dyn Fn(&Row) -> usize| self.keys.iter().map(text).max().unwrap_or_default();
        let providers = widest(&|row| row.provider.id.len());
        let names = widest(&|row| row.name().len());
        let masks = widest(&|row| row.seen.shown().chars().count());
        let now = Timestamp::now();
        for row in &self.keys {
            let (provider, name, masked) = (&row.provider.id, row.name(), row.seen.shown());
            terminal.out(format_args!(
                "{} {provider:providers$}  {name:names$}  {masked:masks$}  {}",
                row.seen.badge(),
                row.found.place,
            ))?;
            terminal.out(format_args!("       {}", paint(Role::Faint, row.story(now))))?;
            row.seen.tell_findings(terminal);
        }
        Ok(())
    }

    /// Tells which stores gave nothing: those that may hold keys, and on request every one.
    pub(super) fn tell_unopened(&self, terminal: &Terminal) {
        for why in &self.unopened {
            unopened::tell(why, terminal);
        }
        // A machine without a keyring or a vault is as good as any other.
        let usual = |asked: &&Asked| matches!(asked.why, SourceError::NoKeyring | SourceError::NoFile);
        for asked in self.asked.iter().filter(usual).filter(|_| terminal.verbose > 0) {
            terminal.tell(format_args!("{} {}: {}", paint(Role::Faint, "note:"), asked.place, asked.why));
        }
    }

    /// Whether every place was looked into, and no key was there.
    pub(super) fn is_nowhere(&self) -> bool {
        self.keys.is_empty() && self.unopened.is_empty()
    }

    /// How a command ends that showed them.
    pub(super) fn exit(&self, exit: Exit) -> Exit {
        unopened::exit(self.unopened.len(), exit)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let asked = self.asked.iter().map(|asked| json!({"place": asked.place, "why": asked.why.to_string()}));
        json!({
            "schema": 1,
            "keys": self.keys.iter().map(Row::json).collect::<Vec<_>>(),
            "asked": asked.collect::<Vec<_>>(),
            "unopened": self.unopened.iter().map(unopened::json).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    fn name(&self) -> &str {
        self.stored.as_ref().map_or("-", |(name, _)| name.as_str())
    }

    /// What mends a key of a store is said about the store, not about a variable.
    fn aim_fixes(&mut self) {
        if let Some((name, _)) = &self.stored {
            replacing::aim(&mut self.seen, self.provider, &replacing::of_name(self.provider, name));
        }
    }

    /// What happened to it, as far as it is known.
    fn story(&self, now: Timestamp) -> String {
        let rests = self.rests.then(|| "not used while the environment or .env has a key".to_owned());
        let live = self.seen.live.as_ref().map(|said| format!("asked now: {}", said.told()));
        let Some(entry) = &self.entry else {
            let unused = live.unwrap_or_else(|| "not used yet".to_owned());
            return std::iter::once(unused).chain(rests).collect::<Vec<_>>().join("; ");
        };
        let ago = |at: Timestamp| format!("{} ago", spoken(at.until(now)));
        let refused = entry.first_bad.map(|at| {
            let cause = entry.diagnosed().map_or("other", keywright_core::Cause::slug);
            format!("refused since {} [{cause}]", ago(at))
        });
        let good =
            entry.last_good.map_or_else(|| "never worked yet".to_owned(), |at| format!("last worked {}", ago(at)));
        let seen = Some(format!("first seen {}", ago(entry.first_seen)));
        [live, refused, Some(good), seen, rests].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn json(&self) -> Value {
        let mut value = serde_json::to_value(&self.seen).unwrap_or_default();
        let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let entry = self.entry.as_ref();
        let more = json!({
            "name": self.stored.as_ref().map(|(name, _)| name.as_str()),
            "store": self.stored.as_ref().map(|(_, kind)| kind.id()),
            "first_seen": at(entry.map(|entry| entry.first_seen)),
            "last_good": at(entry.and_then(|entry| entry.last_good)),
            "first_bad": at(entry.and_then(|entry| entry.first_bad)),
            "cause": entry.and_then(Entry::diagnosed).map(keywright_core::Cause::slug),
        });
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        value
    }
}

/// How a command ends that asked the providers.
pub(super) fn exit_of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Exit {
    let mut exit = Exit::Healthy;
    for row in rows {
        match row.look {
            _ if !row.seen.usable() => return Exit::Unhealthy,
            Some(Look::Unknown) => exit = Exit::Unknown,
            _ => {}
        }
    }
    exit
}
