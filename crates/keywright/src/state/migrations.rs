//! The tables, as they came to be: each migration runs once, in order.

use rusqlite::Transaction;

use super::StateError;
use super::store::Store;

/// Number `n` of this list takes the schema from `n - 1` to `n`. Append only.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_history.sql"),
    include_str!("migrations/0002_last_known_good.sql"),
    include_str!("migrations/0003_notes.sql"),
];

/// Brings the file up to the newest schema. Of several processes that start at one time, one does the work.
pub(super) fn migrate(store: &mut Store) -> Result<(), StateError> {
    let found = store.read(version)?;
    if found > newest() {
        return Err(StateError::Newer { path: store.path().to_owned(), found, known: newest() });
    }
    if found == newest() {
        return Ok(());
    }
    store.write(|transaction| {
        let found = version(transaction)?;
        let done = usize::try_from(found).unwrap_or(usize::MAX);
        for migration in MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", newest().max(found))
    })
}

/// The schema that this program knows.
pub(super) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

fn version(transaction: &Transaction<'_>) -> rusqlite::Result<u32> {
    transaction.pragma_query_value(None, "user_version", |row| row.get(0))
}
