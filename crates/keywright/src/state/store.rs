//! The database file: opened privately, brought up to date, safe under concurrent processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{Directory, StateError, migrations, private};

/// An open connection to the state. One thread uses it at a time; each thread or process may have its own.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    directory: Directory,
    path: PathBuf,
}

impl Store {
    /// Opens the state, and makes it where there is none.
    pub fn open(directory: &Directory) -> Result<Self, StateError> {
        directory.create()?;
        let path = directory.file(FILE);
        // SQLite would make it with the permissions that the umask leaves; its side files take over those of this one.
        private::touch(&path)?;
        Self::connect(directory, path)
    }

    /// Opens the state if there is one: to look at it is no reason to make it.
    pub fn open_existing(directory: &Directory) -> Result<Option<Self>, StateError> {
        let path = directory.file(FILE);
        match path.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) => {
                private::check_mode(directory.path())?;
                Self::connect(directory, path).map(Some)
            }
            Err(error) => Err(StateError::of_io(&path, &error)),
        }
    }

    /// The folder it is in.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads, from one consistent moment.
    pub(super) fn read<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        self.transaction(TransactionBehavior::Deferred, work)
    }

    /// Writes, all or nothing. When it returns, what was written outlives the process.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        self.transaction(TransactionBehavior::Immediate, work)
    }

    pub(super) fn transaction<T>(
        &mut self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let done = self.connection.transaction_with_behavior(behavior).and_then(|transaction| {
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        done.map_err(|error| StateError::of_sqlite(&self.path, &error))
    }

    fn connect(directory: &Directory, path: PathBuf) -> Result<Self, StateError> {
        private::check_mode(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)
            .and_then(|mut connection| connection.busy_handler(Some(wait)).map(|()| connection))
            .map_err(|error| StateError::of_sqlite(&path, &error))?;
        let mut store = Self { connection, directory: directory.clone(), path };
        store.use_write_ahead_log()?;
        migrations::migrate(&mut store)?;
        Ok(store)
    }

    /// Readers and a writer do not wait for each other. A commit is on the disk before it is acknowledged.
    fn use_write_ahead_log(&mut self) -> Result<(), StateError> {
        let mode: String =
            self.ask(|connection| connection.pragma_query_value(None, "journal_mode", |row| row.get(0)))?;
        if mode != "wal" {
            // SQLite does not wait for another process here, so that one process at a time changes it.
            let _held = self.directory.lock()?;
            self.ask(|connection| connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())))?;
        }
        self.ask(|connection| connection.pragma_update(None, "synchronous", "full"))
    }

    fn ask<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        work(&self.connection).map_err(|error| StateError::of_sqlite(&self.path, &error))
    }
}

/// Waits a moment for another process's write. SQLite's own waits grow to a tenth of a second, and between two busy writers
/// a third would hardly ever get its turn.
#[expect(clippy::disallowed_methods, reason = "SQLite has no event to wait for")]
fn wait(waited: i32) -> bool {
    std::thread::sleep(NAP);
    waited < MOST_NAPS
}

const FILE: &str = "state.db";
const NAP: Duration = Duration::from_millis(1);
/// Some ten seconds; then the writer is not busy but stuck.
const MOST_NAPS: i32 = 8_000;

#[cfg(test)]
mod tests;
