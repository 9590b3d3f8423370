//! The history of keys: which were seen here, when they last worked, since when they are refused.
//!
//! Keys are told apart by fingerprints under this installation's own random key. The ledger is bounded in rows and in age.

use std::time::Duration;

use keywright_core::{Bench, Cause, Diagnosis, Fingerprint, Fingerprinter, Secret};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Directory, Remembered, StateError, Store, Timestamp, identity, recall};

/// A key as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The provider's id.
    pub provider: String,
    /// Under this installation's key: see [`History::subject`].
    pub fingerprint: Fingerprint,
    /// The masked value.
    pub masked: String,
    /// Where it was found.
    pub reference: String,
}

impl Subject {
    pub(super) fn of(maker: &Fingerprinter, provider: &str, secret: &Secret, reference: impl Into<String>) -> Self {
        Self {
            provider: provider.to_owned(),
            fingerprint: maker.fingerprint(secret),
            masked: secret.masked(),
            reference: reference.into(),
        }
    }
}

/// Something that happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub subject: Subject,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

impl Event {
    /// Whether the key is not to serve again: what an account lacks may come back, a key that is refused does not.
    pub(super) fn ends_service(&self) -> bool {
        matches!(self.what, Happening::Bad { cause } if cause.bench() == Bench::Key)
    }
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Its source handed it out.
    Seen,
    /// The provider accepted it, and served so many requests since the last event; 0 for a probe.
    Good {
        /// Requests.
        served: u64,
    },
    /// The provider refuses it.
    Bad {
        /// Why.
        cause: Cause,
    },
}

/// What is known about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, and where it was found last.
    pub subject: Subject,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When anything was last noted about it.
    pub last_seen: Timestamp,
    /// When the provider last accepted it.
    pub last_good: Option<Timestamp>,
    /// Requests that it served.
    pub served: u64,
    /// Since when the provider refuses it.
    pub first_bad: Option<Timestamp>,
    /// What the refusal said.
    pub cause: Option<Cause>,
}

impl Entry {
    /// Why the provider refuses it, in the light of what it did before.
    pub fn diagnosed(&self) -> Option<Cause> {
        self.cause.map(|cause| if self.last_good.is_some() { cause.after_service() } else { cause })
    }

    /// Adds what is known to a diagnosis of this key, which the provider refuses now.
    #[must_use]
    pub fn witness(&self, diagnosis: Diagnosis, now: Timestamp) -> Diagnosis {
        match self.last_good {
            Some(good) => diagnosis.with_history(self.served, good.until(self.first_bad.unwrap_or(now))),
            None => diagnosis.with_no_service(self.first_seen.until(now)),
        }
    }
}

/// The ledger of this installation.
#[derive(Debug)]
pub struct History {
    pub(super) store: Store,
    fingerprinter: Fingerprinter,
}

impl History {
    /// Opens the ledger, and makes it where there is none.
    pub fn open(directory: &Directory) -> Result<Self, StateError> {
        Self::over(Store::open(directory)?)
    }

    /// Opens the ledger if there is one.
    pub fn open_existing(directory: &Directory) -> Result<Option<Self>, StateError> {
        Store::open_existing(directory)?.map(Self::over).transpose()
    }

    fn over(store: Store) -> Result<Self, StateError> {
        let fingerprinter = identity::fingerprinter(store.directory())?;
        Ok(Self { store, fingerprinter })
    }

    /// A key as the ledger knows it. The value itself goes nowhere.
    pub fn subject(&self, provider: &str, secret: &Secret, reference: impl Into<String>) -> Subject {
        Subject::of(&self.fingerprinter, provider, secret, reference)
    }

    /// Makes fingerprints under this installation's key.
    pub(super) const fn fingerprinter(&self) -> &Fingerprinter {
        &self.fingerprinter
    }

    /// What is known about a key of a provider.
    pub fn known(&mut self, provider: &str, secret: &Secret) -> Result<Option<Entry>, StateError> {
        let fingerprint = self.fingerprinter.fingerprint(secret);
        self.store.read(|transaction| {
            let sql = format!("{SELECT} WHERE provider = ?1 AND fingerprint = ?2");
            transaction.query_row(&sql, params![provider, fingerprint.bytes()], entry).optional()
        })
    }

    /// All keys, or those of one provider; what was noted last comes first.
    pub fn entries(&mut self, provider: Option<&str>) -> Result<Vec<Entry>, StateError> {
        self.store.read(|transaction| {
            let order = "ORDER BY last_seen DESC, provider, fingerprint";
            let mut found = transaction.prepare(&format!("{SELECT} WHERE ?1 IS NULL OR provider = ?1 {order}"))?;
            found.query_map([provider], entry)?.collect()
        })
    }

    /// What is remembered of keys that served, beside the keys themselves.
    pub fn remembered(&mut self) -> Result<Vec<Remembered>, StateError> {
        recall::all(&mut self.store)
    }

    /// Notes what happened, all or nothing. When it returns, the entries outlive the process.
    pub fn note(&mut self, events: &[Event], now: Timestamp) -> Result<(), StateError> {
        self.store.write(|transaction| {
            events.iter().try_for_each(|event| note(transaction, event))?;
            forget(transaction, now)
        })
    }
}

fn note(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<()> {
    let Subject { provider, fingerprint, masked, reference } = &event.subject;
    let (provider, key, at) = (provider.as_str(), fingerprint.bytes(), event.at);
    transaction.execute(SEEN, params![provider, key, masked, reference, at])?;
    match event.what {
        Happening::Seen => 0,
        Happening::Good { served } => {
            transaction.execute(GOOD, params![provider, key, at, i64::try_from(served).unwrap_or(i64::MAX)])?
        }
        Happening::Bad { cause } => transaction.execute(BAD, params![provider, key, at, cause.slug()])?,
    };
    if event.ends_service() {
        recall::forget(transaction, provider, fingerprint)?;
    }
    Ok(())
}

/// Keeps the ledger within its bounds.
fn forget(transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM history WHERE last_seen < ?1", [now.before(LONGEST_MEMORY)])?;
    let rows: i64 = transaction.query_row("SELECT count(*) FROM history", [], |row| row.get(0))?;
    if rows > MOST_KEYS {
        transaction.execute(
            "DELETE FROM history WHERE (provider, fingerprint) IN
                 (SELECT provider, fingerprint FROM history ORDER BY last_seen LIMIT ?1)",
            [rows - MOST_KEYS],
        )?;
    }
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let cause: Option<String> = row.get("cause")?;
    let served: i64 = row.get("served")?;
    Ok(Entry {
        subject: Subject {
            provider: row.get("provider")?,
            fingerprint: Fingerprint::from(row.get::<_, [u8; 16]>("fingerprint")?),
            masked: row.get("masked")?,
            reference: row.get("reference")?,
        },
        first_seen: row.get("first_seen")?,
        last_seen: row.get("last_seen")?,
        last_good: row.get("last_good")?,
        served: u64::try_from(served).unwrap_or(0),
        first_bad: row.get("first_bad")?,
        // A cause of a newer Keywright is still a refusal.
        cause: cause.map(|slug| Cause::from_slug(&slug).unwrap_or(Cause::Other)),
    })
}

const SELECT: &str = "SELECT provider, fingerprint, masked, reference, first_seen, last_seen, last_good, served, first_bad, \
     cause FROM history";
const SEEN: &str = "INSERT INTO history (provider, fingerprint, masked, reference, first_seen, last_seen) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?5) \
     ON CONFLICT DO UPDATE SET reference = excluded.reference, last_seen = max(last_seen, excluded.last_seen)";
/// A success from before the refusal does not lift it.
const GOOD: &str = "UPDATE history SET last_good = max(coalesce(last_good, 0), ?3), served = served + ?4, \
     cause = CASE WHEN first_bad >= ?3 THEN cause END, first_bad = CASE WHEN first_bad >= ?3 THEN first_bad END \
     WHERE provider = ?1 AND fingerprint = ?2";
const BAD: &str = "UPDATE history SET first_bad = coalesce(first_bad, ?3), cause = ?4 \
     WHERE provider = ?1 AND fingerprint = ?2";
/// More keys than one person or team has; each row is some 200 bytes.
const MOST_KEYS: i64 = 1_000;
/// Longer than any key should live.
const LONGEST_MEMORY: Duration = Duration::from_secs(400 * 86_400);

#[cfg(test)]
mod tests;
