//! What can be wrong with a live database.

use std::path::{Path, PathBuf};

use super::handle::Code;
use crate::error::{Error as PublicError, Kind};
use crate::units::FrameNo;
use rustix::fs::Access;

use crate::wal::{FrameError, HeaderError, IndexError};

/// What is wrong with the database in front of us, or with what we know of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// No path at all.
    #[error("the path of the database is empty")]
    NoPath,
    /// A file of 0 bytes: no database yet.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// A directory, a socket …
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// Not written by SQLite.
    #[error("{} is not a SQLite database", .0.display())]
    NotADatabase(PathBuf),
    /// Pages without any pattern: most likely a database that an extension has encrypted.
    #[error("{} is not a SQLite database that can be read: it looks encrypted, as by SQLCipher", .0.display())]
    Encrypted(PathBuf),
    /// Rollback-journal mode.
    #[error("{} is in journal mode {mode}, not in WAL mode", path.display())]
    NotWal {
        /// The database.
        path: PathBuf,
        /// Its journal mode.
        mode: String,
    },
    /// Another connection holds it exclusively.
    #[error("{} is locked by another connection", .0.display())]
    Locked(PathBuf),
    /// It or its `-shm` cannot be written.
    #[error("{} cannot be written", .0.display())]
    ReadOnly(PathBuf),
    /// There is no `-wal` or `-shm`, and none can be made.
    #[error("cannot open {}: its directory cannot be written", .0.display())]
    Directory(PathBuf),
    /// Files that SQLite makes for us would not be the application's.
    #[error("{} belongs to user {owner}, and this process runs as user {user}", path.display())]
    Owner {
        /// The database.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        user: u32,
    },
    /// The SQLite linked into this process is too old.
    #[error("SQLite {found} has the WAL-reset bug; 3.51.3 or later is needed")]
    SqliteTooOld {
        /// The version linked in.
        found: &'static str,
    },
    /// The file or its WAL was renamed, deleted or replaced while it was open.
    #[error("{} was replaced or removed", .0.display())]
    Replaced(PathBuf),
    /// The database file changed, and no checkpoint had changed it.
    #[error("{} was written to by something else than SQLite", .0.display())]
    Overwritten(PathBuf),
    /// The log is not what the wal-index says it is.
    #[error("the WAL does not match the wal-index: {0}")]
    Mismatch(String),
    /// A frame that the wal-index counts is not one.
    #[error("the WAL is damaged: {0}")]
    Frame(#[from] FrameError),
    /// Commits passed by that were not captured.
    #[error("{missing} commits passed by uncaptured")]
    Lost {
        /// How many, at least.
        missing: u32,
    },
    /// The WAL no longer holds the place where capture should go on.
    #[error("the WAL no longer holds frame {0}, where capture would go on")]
    PositionLost(FrameNo),
    /// The header of the WAL cannot be read.
    #[error("cannot read the WAL's header: {0}")]
    Header(#[from] HeaderError),
    /// The wal-index did not settle.
    #[error("cannot read the wal-index: {0}")]
    Index(#[from] IndexError),
    /// The page size is not what it was.
    #[error("the page size changed")]
    PageSize,
    /// A statement failed.
    #[error("cannot {what}")]
    Sqlite {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// A call of the file layer failed.
    #[error("cannot {what}: {}", describe(*code))]
    File {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        code: Code,
    },
    /// A call of the operating system failed.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file cannot be reached.
    #[error("cannot look at {}", path.display())]
    Unreachable {
        /// The database.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Why a file that is there cannot be opened, if its permissions say so. No file is opened for that.
fn cannot_open(path: &Path) -> Option<Error> {
    let may = |path: &Path, access| rustix::fs::access(path, access).is_ok();
    if !may(path, Access::READ_OK | Access::WRITE_OK) {
        return Some(Error::ReadOnly(path.to_owned()));
    }
    let directory = path.parent()?;
    (!may(directory, Access::WRITE_OK | Access::EXEC_OK)).then(|| Error::Directory(path.to_owned()))
}

fn describe(code: Code) -> String {
    rusqlite::ffi::Error::new(code.0).to_string()
}

impl Error {
    /// What was held by another connection may be free a moment later; nothing is lost by waiting.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Locked(_) | Error::Index(_) => true,
            Error::File { code, .. } => code.is_busy() || code.0 & 0xff == rusqlite::ffi::SQLITE_IOERR,
            Error::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    rusqlite::ErrorCode::DatabaseBusy
                        | rusqlite::ErrorCode::DatabaseLocked
                        | rusqlite::ErrorCode::SystemIoFailure
                        | rusqlite::ErrorCode::CannotOpen
                        | rusqlite::ErrorCode::DiskFull
                        | rusqlite::ErrorCode::FileLockingProtocolFailed
                )
            ),
            _ => false,
        }
    }

    /// What was captured no longer joins what the database is now: only reading all of it again helps.
    pub fn is_loss(&self) -> bool {
        matches!(
            self,
            Error::Mismatch(_)
                | Error::Frame(_)
                | Error::Lost { .. }
                | Error::PositionLost(_)
                | Error::Header(_)
                | Error::PageSize
                | Error::Replaced(_)
                | Error::Overwritten(_)
        )
    }

    pub(super) fn sqlite(what: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Error {
        move |source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Error::NotADatabase(path.to_owned()),
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Error::Locked(path.to_owned())
            }
            Some(rusqlite::ErrorCode::ReadOnly) => Error::read_only(path),
            Some(rusqlite::ErrorCode::CannotOpen) => cannot_open(path).unwrap_or(Error::Sqlite { what, source }),
            _ => Error::Sqlite { what, source },
        }
    }

    pub(super) fn read_only(path: &Path) -> Error {
        cannot_open(path).unwrap_or_else(|| Error::ReadOnly(path.to_owned()))
    }

    pub(super) fn file(what: &'static str) -> impl Fn(Code) -> Error {
        move |code| Error::File { what, code }
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        let (code, hint) = match &error {
            Error::Missing(_) => {
                ("db.missing", "check the path; with --wait-for-db, replicate waits for the application to create it")
            }
            Error::Empty(_) => {
                ("db.empty", "the application has not created it yet; with --wait-for-db, replicate waits for it")
            }
            Error::NotAFile(_) => ("db.not_a_file", "give the path of the database file itself"),
            Error::NoPath => ("db.no_path", "is a variable empty or not set?"),
            Error::NotADatabase(_) => (
                "db.not_a_database",
                "give the file that the application opens; one encrypted by SQLCipher cannot be replicated",
            ),
            Error::Encrypted(_) => (
                "db.encrypted",
                "waloy reads pages as SQLite writes them: back up an encrypted database with the means of its extension",
            ),
            Error::NotWal { .. } => {
                ("db.not_wal", "replicate it with --set-wal, which converts it (PRAGMA journal_mode = WAL) for good")
            }
            Error::Locked(_) => (
                "db.locked",
                "an application with PRAGMA locking_mode = EXCLUSIVE cannot be replicated: set it to NORMAL",
            ),
            Error::ReadOnly(_) => {
                ("db.read_only", "run waloy as the application's user: it writes the -wal and -shm files")
            }
            Error::Directory(_) => (
                "db.directory_read_only",
                "run waloy as the application's user: SQLite makes a -wal and a -shm file beside the database",
            ),
            Error::Owner { .. } => ("db.owner", "run waloy as the application's user, or pass --allow-other-user"),
            Error::SqliteTooOld { .. } => {
                ("db.sqlite_too_old", "link libsqlite3-sys 0.37 or later with its bundled SQLite")
            }
            Error::Replaced(_) => ("db.replaced", "start again to take the new file's state"),
            Error::Overwritten(_) => (
                "db.overwritten",
                "run PRAGMA integrity_check; before a file is copied over a database, stop the application and waloy, and \
                 remove its -wal and -shm",
            ),
            Error::Mismatch(_) | Error::Frame(_) | Error::Header(_) => {
                ("db.wal_damaged", "check the disk, and run PRAGMA integrity_check")
            }
            Error::Lost { .. } | Error::PositionLost(_) => {
                ("db.position_lost", "every page is compared with the replica instead")
            }
            Error::PageSize => ("db.page_size", "a new generation takes the database whole"),
            Error::Index(_) => ("db.wal_index", "try again; if it stays so, restart the application"),
            Error::Sqlite { .. } => ("db.sqlite", ""),
            Error::Unreachable { .. } => ("db.io", "may this user pass through the directories above it?"),
            Error::File { .. } | Error::Io { .. } => ("db.io", ""),
        };
        let kind = if matches!(error, Error::NoPath) { Kind::Usage } else { Kind::Database };
        let public = PublicError::new(kind, code, error.to_string());
        let public = if hint.is_empty() { public } else { public.hint(hint) };
        match std::error::Error::source(&error) {
            Some(source) => public.because(source.to_string()),
            None => public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_on_a_full_disk_is_tried_again() {
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        let error = Error::Sqlite { what: "run a checkpoint", source: full };
        assert!(error.is_transient() && !error.is_loss());
    }
}
