//! The last known good keys: encrypted, bounded in age, for the time when a source gives nothing that works.

use std::time::Duration;

use keywright_core::{Fingerprint, Secret};
use rusqlite::{OptionalExtension, Transaction, params};

use super::history::Subject;
use super::seal::{KeptIn, Seal};
use super::{StateError, Store, Timestamp};

/// Which key is meant: the same reference means another key in another folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scope: String,
    pub(super) provider: String,
    pub(super) reference: String,
}

/// A value that served, and when it last did so while its source handed it out.
#[derive(Clone, Debug)]
pub struct LastKnownGood {
    /// The value.
    pub secret: Secret,
    /// When it last served.
    pub last_good: Timestamp,
}

/// What is remembered of a value, for people: not the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The folder in which it is used.
    pub scope: String,
    /// The provider's id.
    pub provider: String,
    /// Where it was found.
    pub reference: String,
    /// Its mask.
    pub masked: String,
    /// When it last served while its source handed it out.
    pub last_good: Timestamp,
    /// Since when it serves in the place of what its source gives.
    pub stands_in: Option<Timestamp>,
}

/// Keeps a value that served, in the place of the one that did so before.
pub(super) fn remember(
    store: &mut Store,
    seal: &Seal,
    place: &Place,
    subject: &Subject,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), StateError> {
    let Place { scope, provider, reference } = place;
    if KeptIn::of(reference) == KeptIn::Keyring
        && let Some(sealed) = sealed(store, place)?
        && seal.open_outside(&sealed)?.is_none()
    {
        // An earlier version closed it for what is in the same keyring: it is closed anew.
        return put(store, seal, place, subject, secret, now);
    }
    let known = store.write(|transaction| {
        let same = "scope = ?1 AND provider = ?2 AND reference = ?3 AND fingerprint = ?4";
        let sql = format!("UPDATE last_known_good SET last_good = max(last_good, ?5), stands_in = NULL WHERE {same}");
        transaction.execute(&sql, params![scope, provider, reference, subject.fingerprint.bytes(), now])
    })?;
    if known > 0 {
        return Ok(());
    }
    put(store, seal, place, subject, secret, now)
}

fn put(
    store: &mut Store,
    seal: &Seal,
    place: &Place,
    subject: &Subject,
    secret: &Secret,
    now: Timestamp,
) -> Result<(), StateError> {
    let Place { scope, provider, reference } = place;
    // It may wait for a keyring: not while the file is held.
    let sealed = seal.close(KeptIn::of(reference), secret)?;
    store.write(|transaction| {
        let sql = "INSERT OR REPLACE INTO last_known_good VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)";
        let row = params![scope, provider, reference, subject.fingerprint.bytes(), subject.masked, sealed, now];
        transaction.execute(sql, row)?;
        forget_old(transaction, now)
    })
}

fn sealed(store: &mut Store, place: &Place) -> Result<Option<Vec<u8>>, StateError> {
    recall(store, place, Timestamp(0)).map(|row| row.map(|(sealed, _)| sealed))
}

/// The value that served last, still encrypted, and when that was, if it is not too long ago.
pub(super) fn recall(
    store: &mut Store,
    place: &Place,
    since: Timestamp,
) -> Result<Option<(Vec<u8>, Timestamp)>, StateError> {
    let Place { scope, provider, reference } = place;
    store.read(|transaction| {
        let sql = "SELECT sealed, last_good FROM last_known_good
                   WHERE scope = ?1 AND provider = ?2 AND reference = ?3 AND last_good >= ?4";
        let row = params![scope, provider, reference, since];
        transaction.query_row(sql, row, |row| Ok((row.get(0)?, row.get(1)?))).optional()
    })
}

/// Notes that a value begins to stand in, or that it does so no more.
pub(super) fn note_stand_in(store: &mut Store, place: &Place, since: Option<Timestamp>) -> Result<(), StateError> {
    store.write(|transaction| {
        let Place { scope, provider, reference } = place;
        let sql = "UPDATE last_known_good SET stands_in = ?4 WHERE scope = ?1 AND provider = ?2 AND reference = ?3";
        transaction.execute(sql, params![scope, provider, reference, since]).map(drop)
    })
}

/// Everything that is remembered.
pub(super) fn all(store: &mut Store) -> Result<Vec<Remembered>, StateError> {
    store.read(|transaction| {
        let mut rows = transaction.prepare(
            "SELECT scope, provider, reference, masked, last_good, stands_in FROM last_known_good
             ORDER BY provider, reference, scope",
        )?;
        let remembered = rows.query_map([], |row| {
            Ok(Remembered {
                scope: row.get(0)?,
                provider: row.get(1)?,
                reference: row.get(2)?,
                masked: row.get(3)?,
                last_good: row.get(4)?,
                stands_in: row.get(5)?,
            })
        })?;
        remembered.collect()
    })
}

/// Forgets a value that the provider refuses, and nothing else.
pub(super) fn forget_value(store: &mut Store, subject: &Subject) -> Result<(), StateError> {
    store.write(|transaction| forget(transaction, &subject.provider, &subject.fingerprint))
}

/// Forgets a value that the provider refuses.
pub(super) fn forget(transaction: &Transaction<'_>, provider: &str, value: &Fingerprint) -> rusqlite::Result<()> {
    let sql = "DELETE FROM last_known_good WHERE provider = ?1 AND fingerprint = ?2";
    transaction.execute(sql, params![provider, value.bytes()]).map(drop)
}

/// Whatever the settings say, nothing is kept for longer.
fn forget_old(transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM last_known_good WHERE last_good < ?1", [now.before(LONGEST)])?;
    let sql = "DELETE FROM last_known_good WHERE (scope, provider, reference) IN (
                   SELECT scope, provider, reference FROM last_known_good ORDER BY last_good DESC LIMIT -1 OFFSET ?1)";
    transaction.execute(sql, [MOST]).map(drop)
}

/// For how long a value is kept unless somebody says otherwise.
pub const USUAL: Duration = Duration::from_secs(7 * 86_400);
/// The longest time for which a value is kept.
pub const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// Values that are kept; each is some 400 bytes.
const MOST: i64 = 200;

#[cfg(test)]
mod tests;
