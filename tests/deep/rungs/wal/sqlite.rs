//! What a log holds, by SQLite.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};
use waloy::db::beside;
use waloy::wal::INDEX_LEN;

/// A database whose log is replaced again and again.
pub(super) struct Sqlite {
    pub(super) path: PathBuf,
    log: File,
    /// Open from the first recovery to the end. To close it would drop the locks that SQLite holds on the file, in
    /// this process, the only one.
    index: Option<File>,
}

/// What SQLite makes of a log.
pub(super) struct Answer {
    /// The beginning of the wal-index after the recovery.
    pub(super) index: [u8; INDEX_LEN],
    /// Whether a read transaction could begin.
    pub(super) read: rusqlite::Result<()>,
    pub(super) connection: Connection,
}

impl Sqlite {
    pub(super) fn new(path: &Path, database: &[u8]) -> std::io::Result<Sqlite> {
        std::fs::write(path, database)?;
        Ok(Sqlite { path: path.to_owned(), log: File::create(beside(path, "-wal"))?, index: None })
    }

    /// Opens the database with this log, which nobody has open: SQLite recovers it.
    pub(super) fn recover(&mut self, log: &[u8]) -> anyhow::Result<Answer> {
        self.log.set_len(log.len() as u64)?;
        self.log.write_all_at(log, 0)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // The files stay as they are when it is closed.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let read = connection.execute_batch("BEGIN");
        let read = read.and_then(|()| connection.query_row("PRAGMA schema_version", [], |_| Ok(())));
        if self.index.is_none() {
            self.index = File::open(beside(&self.path, "-shm")).ok();
        }
        let mut index = [0; INDEX_LEN];
        if let Some(file) = &self.index {
            // Where there was none it is short, and stays zeros.
            let _ = file.read_at(&mut index, 0)?;
        }
        Ok(Answer { index, read, connection })
    }
}

/// Every page of a database, as a reader sees it.
pub(super) fn pages(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    // A page of the schema that was changed is no reason not to read the others.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    connection.serialize("main").map(|data| data.to_vec())
}

/// SQLite draws the salts of its logs by chance: from a seed too.
pub(super) fn seed_randomness(seed: u64) {
    let seed = i32::try_from(seed % 0x7fff_fffe).unwrap_or(0) + 1;
    // SAFETY: this control takes an int and a connection, which may be null.
    #[expect(unsafe_code, reason = "no safe function seeds SQLite's generator")]
    let code = unsafe {
        ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, seed, std::ptr::null_mut::<ffi::sqlite3>())
    };
    assert_eq!(code, ffi::SQLITE_OK, "the generator takes a seed");
}
