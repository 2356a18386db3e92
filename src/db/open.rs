//! Opening connections to a database that belongs to somebody else.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::error::Error;
use super::handle;
use crate::planted;

/// SQLite 3.51.3: the oldest without the WAL-reset bug, <https://www.sqlite.org/wal.html#walresetbug>.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How a database is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Convert a database in another journal mode to WAL mode. The change is permanent.
    pub set_wal: bool,
    /// Open a database that belongs to another user, although `-wal` and `-shm` may then become ours.
    pub allow_other_user: bool,
}

/// Device and inode: what a file is, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileId(u64, u64);

impl FileId {
    pub(super) fn of(path: &Path) -> Option<FileId> {
        look(path).map(|(id, _)| id)
    }
}

/// Length and time of the last change in seconds and nanoseconds, by which a file that was written to is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Written(u64, i64, i64);

/// What is there under this name now.
pub(super) fn look(path: &Path) -> Option<(FileId, Written)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((FileId(meta.dev(), meta.ino()), Written(meta.len(), meta.mtime(), meta.mtime_nsec())))
}

/// The path with every link resolved: the WAL lies beside the file that a link points to.
///
/// # Errors
///
/// [`Error::Missing`], [`Error::Empty`] or [`Error::NotAFile`] if there is no database file to open.
pub fn resolve(path: &Path) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() {
        return Err(Error::NoPath);
    }
    let resolved = path.canonicalize().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Error::Missing(path.to_owned()),
        _ => Error::Unreachable { path: path.to_owned(), source },
    })?;
    let meta = std::fs::metadata(&resolved).map_err(|source| Error::Unreachable { path: path.to_owned(), source })?;
    match () {
        () if !meta.is_file() => Err(Error::NotAFile(path.to_owned())),
        () if meta.len() == 0 => Err(Error::Empty(path.to_owned())),
        () => Ok(resolved),
    }
}

/// The file that SQLite keeps beside a database: the path with `suffix` appended.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Refuses a SQLite that corrupts databases, and files that SQLite would make unusable for their owner.
pub(super) fn check(path: &Path, options: Options) -> Result<(), Error> {
    require_sqlite(rusqlite::version_number())?;
    let meta = std::fs::metadata(path).map_err(|source| Error::Unreachable { path: path.to_owned(), source })?;
    let user = rustix::process::geteuid();
    if !options.allow_other_user && !user.is_root() && user.as_raw() != meta.uid() {
        return Err(Error::Owner { path: path.to_owned(), owner: meta.uid(), user: user.as_raw() });
    }
    Ok(())
}

fn require_sqlite(version: i32) -> Result<(), Error> {
    if version < OLDEST_SQLITE { Err(Error::SqliteTooOld { found: rusqlite::version() }) } else { Ok(()) }
}

/// A connection that leaves no trace: no checkpoint of its own, not even the last one to close.
///
/// The path must be absolute, so that a name such as `file:x` is not taken for a URI.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let failed = || Error::sqlite("open the database", path);
    let connection = Connection::open_with_flags(path, flags).map_err(failed())?;
    connection.busy_timeout(Duration::from_secs(2)).map_err(failed())?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed())?;
    handle::drop_lookaside(&connection).map_err(Error::file("open the database"))?;
    // FULL: the checkpointer's setting decides how durable the application's data is once it left the WAL.
    let synchronous = if planted::is("a checkpoint syncs nothing") { "OFF" } else { "FULL" };
    connection
        .execute_batch(&format!(
            "PRAGMA mmap_size = 0; PRAGMA cache_size = 2; PRAGMA synchronous = {synchronous};
             PRAGMA wal_autocheckpoint = 0;"
        ))
        .map_err(|error| match failed()(error) {
            Error::NotADatabase(path) if is_noise(&connection) => Error::Encrypted(path),
            error => error,
        })?;
    if connection.is_readonly("main").map_err(failed())? {
        return Err(Error::read_only(path));
    }
    // Where each connection has a cache of its own, SQLite has taken a block of 20 pages for it before it was to be small
    // (`SQLITE_DEFAULT_PCACHE_INITSZ`). It gives an empty block back when the size is set, and takes none for two pages.
    handle::drop_cache(&connection);
    connection.execute_batch("PRAGMA cache_size = 2").map_err(failed())?;
    Ok(connection)
}

/// Whether the file is whole pages of bytes without any pattern, as extensions that encrypt leave it: the first page
/// has more or less every value of a byte. Texts have a hundred, and what compresses has a header.
fn is_noise(connection: &Connection) -> bool {
    let mut page = [0; 4096];
    let Ok(file) = handle::database(connection) else { return false };
    let whole_pages = file.len().is_ok_and(|len| len > 0 && len.is_multiple_of(4096));
    if !whole_pages || file.read_at(0, &mut page).is_err() {
        return false;
    }
    let mut seen = [false; 256];
    page.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() > 240
}

/// Makes sure that the database is in WAL mode, before any transaction: a pin on a database in another mode would lock
/// the application out of it.
pub(super) fn require_wal(connection: &Connection, path: &Path, options: Options) -> Result<(), Error> {
    let mode = |sql: &'static str, what: &'static str| {
        connection.query_row(sql, [], |row| row.get::<_, String>(0)).map_err(Error::sqlite(what, path))
    };
    let mut found = mode("PRAGMA journal_mode", "read the journal mode")?;
    if found != "wal" && options.set_wal {
        found = mode("PRAGMA journal_mode = WAL", "set the journal mode")?;
    }
    if found == "wal" { Ok(()) } else { Err(Error::NotWal { path: path.to_owned(), mode: found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_with_the_wal_reset_bug_is_refused_and_this_one_is_younger() {
        assert!(matches!(require_sqlite(3_051_002), Err(Error::SqliteTooOld { .. })));
        assert!(require_sqlite(3_051_003).is_ok());
        assert!(require_sqlite(rusqlite::version_number()).is_ok(), "{}", rusqlite::version());
    }
}
