//! A connection that holds, or can hold, a read transaction.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::error::Error;
use super::handle::{self, SharedMemory};
use super::open;
use crate::units::FrameNo;
use crate::wal::{Index, IndexError};

/// How often a wal-index that is being written is read again before it counts as torn.
const SETTLE_TRIES: u32 = 100;

/// One of the two connections that take turns in holding the WAL.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) connection: Connection,
}

impl Pin {
    /// Opens the connection and makes sure that it can hold the WAL: WAL mode, and a wal-index that can be read.
    ///
    /// If not, the connection is closed before this returns.
    pub(super) fn open(path: &Path, options: open::Options) -> Result<Pin, Error> {
        let connection = open::connect(path)?;
        open::require_wal(&connection, path, options)?;
        let pin = Pin { connection };
        pin.forget_schema(path)?;
        pin.hold(path)?;
        let index = pin.index();
        pin.release();
        index.map(|_| pin)
    }

    /// The settings made at its opening have read the schema, which is not asked for again, and would be in memory twice for
    /// each database, with as many tables as its application has. `RESET` has SQLite load it anew
    /// (<https://www.sqlite.org/pragma.html#pragma_writable_schema>): it frees it, and loads it when it is needed.
    fn forget_schema(&self, path: &Path) -> Result<(), Error> {
        let forgotten = self.connection.execute_batch("PRAGMA writable_schema = RESET");
        forgotten.map_err(Error::sqlite("open the database", path))
    }

    /// From now on it waits for no lock for longer than 100 ms: others are watched by the same thread.
    pub(super) fn is_impatient(&self, path: &Path) -> Result<(), Error> {
        let failed = Error::sqlite("limit the wait for locks", path);
        self.connection.busy_timeout(Duration::from_millis(100)).map_err(failed)
    }

    /// Begins a read transaction, which also makes SQLite repair a wal-index that a dead writer left torn.
    pub(super) fn hold(&self, path: &Path) -> Result<(), Error> {
        let failed = || Error::sqlite("begin a read transaction", path);
        self.connection.execute_batch("BEGIN").map_err(failed())?;
        // Reads the header of page 1 and no schema: the cheapest statement that takes a read mark.
        match self.connection.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0)) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.release();
                Err(failed()(error))
            }
        }
    }

    /// Ends the read transaction, and gives back the page that it has read. Nothing was written, so nothing can fail that
    /// matters.
    pub(super) fn release(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "cannot end a read transaction");
        }
        handle::drop_cache(&self.connection);
    }

    /// The wal-index at this moment, read again while it is being written.
    pub(super) fn index(&self) -> Result<Index, Error> {
        let file = handle::database(&self.connection).map_err(Error::file("reach the database file"))?;
        let mut last = IndexError::Torn;
        for attempt in 0..SETTLE_TRIES {
            match file.shared_memory().map_err(Error::file("map the wal-index"))? {
                SharedMemory::None => return Err(Error::Index(IndexError::Uninitialised)),
                SharedMemory::Bytes(bytes, _) => match Index::parse(&bytes) {
                    Ok(index) => return Ok(index),
                    Err(error) => last = error,
                },
            }
            if attempt > 3 {
                std::thread::yield_now();
            }
        }
        Err(Error::Index(last))
    }

    /// How much of which log was in the database file when nobody was copying any of it; `None` while somebody may be.
    pub(super) fn backfill(&self) -> Result<Option<Backfill>, Error> {
        let file = handle::database(&self.connection).map_err(Error::file("reach the database file"))?;
        let SharedMemory::Bytes(bytes, attempted) = file.shared_memory().map_err(Error::file("map the wal-index"))?
        else {
            return Ok(None);
        };
        let index = Index::parse(&bytes).ok().filter(|index| index.backfilled.0 == attempted);
        Ok(index.map(|index| Backfill { salts: index.salts, frames: index.backfilled }))
    }
}

/// How much of a log a checkpoint has copied into the database file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Backfill {
    salts: [u8; 8],
    /// The frames copied.
    pub(super) frames: FrameNo,
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_pin_keeps_no_schema_and_leaves_others_their_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let application = Connection::open(&path).unwrap();
        application.pragma_update(None, "journal_mode", "wal").unwrap();
        for n in 0..50 {
            application.execute_batch(&format!("CREATE TABLE t{n} (a, b); CREATE INDEX i{n} ON t{n} (a)")).unwrap();
        }
        let path = open::resolve(&path).unwrap();
        let schema = |connection: &Connection| handle::memory(connection, ffi::SQLITE_DBSTATUS_SCHEMA_USED);
        let all = schema(&open::connect(&path).unwrap());
        assert!(all > 10_000, "{all}");
        let pages = |connection: &Connection| handle::memory(connection, ffi::SQLITE_DBSTATUS_CACHE_USED);
        let before = pages(&application);
        let pin = Pin::open(&path, open::Options::default()).unwrap();
        for _ in 0..2 {
            pin.hold(&path).unwrap();
            pin.index().unwrap();
            pin.release();
            assert!(schema(&pin.connection) < 1000, "{} of {all}", schema(&pin.connection));
            // SQLite counts a page of working space as well.
            assert!(pages(&pin.connection) < 2 * 4096, "{}", pages(&pin.connection));
        }
        // Caches of other tests may take a few of them.
        assert!(before > 100_000 && pages(&application) > before / 2, "{before}, then {}", pages(&application));
    }
}
