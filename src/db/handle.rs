//! The files of a database, through the handles that SQLite itself has open. The only unsafe code of the library.
//!
//! POSIX locks belong to the process: whoever opens and closes the database or its `-shm` with ordinary calls drops
//! every lock that SQLite holds on them in this process, also those of other connections, and the database may be
//! corrupted. waloy lives in such processes. So it reads the database and the WAL through `xRead` of an open
//! connection, and the wal-index through the mapping that SQLite made; it opens neither database nor wal-index by itself.
//! The WAL has no locks.

#![expect(unsafe_code, reason = "SQLite's own file handles are reached through its C interface")]

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use rusqlite::{Connection, ffi};

use crate::wal::INDEX_LEN;

/// A result code of SQLite other than `SQLITE_OK`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("SQLite result code {0}")]
pub struct Code(pub c_int);

impl Code {
    /// Somebody holds a lock, and may let go of it.
    pub(super) fn is_busy(self) -> bool {
        self.0 & 0xff == ffi::SQLITE_BUSY
    }
}

/// Where `nBackfillAttempted` is in the wal-index: `WalCkptInfo` in `wal.c`, since SQLite 3.11.
const ATTEMPTED_AT: usize = 128;

/// What `xShmMap` says of the wal-index.
pub(super) enum SharedMemory {
    /// The first bytes of it, as they were at one moment or while they changed, and the frames that the checkpoint begun last
    /// was to copy (`nBackfillAttempted`).
    Bytes([u8; INDEX_LEN], u32),
    /// There is none: the database is not in WAL mode, or `-shm` cannot be written.
    None,
}

/// A file that a connection has open. It lives no longer than the connection.
pub(super) struct File<'c> {
    file: *mut ffi::sqlite3_file,
    methods: &'c ffi::sqlite3_io_methods,
    connection: PhantomData<&'c Connection>,
}

/// The database file.
pub(super) fn database(connection: &Connection) -> Result<File<'_>, Code> {
    file(connection, ffi::SQLITE_FCNTL_FILE_POINTER)
}

/// The WAL; an error while the connection has none open.
pub(super) fn wal(connection: &Connection) -> Result<File<'_>, Code> {
    file(connection, ffi::SQLITE_FCNTL_JOURNAL_POINTER)
}

/// Whether the database file was renamed or deleted since it was opened.
pub(super) fn has_moved(connection: &Connection) -> Result<bool, Code> {
    let mut moved: c_int = 0;
    control(connection, ffi::SQLITE_FCNTL_HAS_MOVED, ptr::from_mut(&mut moved).cast())?;
    Ok(moved != 0)
}

/// Takes the connection's lookaside memory away: a pin needs none, and a thousand of them would keep 40 MB.
pub(super) fn drop_lookaside(connection: &Connection) -> Result<(), Code> {
    // SAFETY: the handle is open for the life of `connection`; LOOKASIDE takes a pointer and two ints, and a null
    // pointer with zero slots is documented to disable it.
    let code = unsafe {
        ffi::sqlite3_db_config(
            connection.handle(),
            ffi::SQLITE_DBCONFIG_LOOKASIDE,
            ptr::null_mut::<c_void>(),
            0 as c_int,
            0 as c_int,
        )
    };
    check(code)
}

/// Frees the pages that this connection has cached, and those of no other, unless it is in a transaction.
pub(super) fn drop_cache(connection: &Connection) {
    // It cannot fail on an open connection, and all that would be lost is some memory.
    let _ = control(connection, ffi::SQLITE_FCNTL_RESET_CACHE, ptr::null_mut());
}

/// How much memory a connection has of one kind, in bytes: one of `SQLITE_DBSTATUS_…`.
#[cfg(test)]
pub(super) fn memory(connection: &Connection, kind: c_int) -> c_int {
    let (mut now, mut most): (c_int, c_int) = (0, 0);
    // SAFETY: the handle is open for the life of `connection`, and both numbers are writable.
    let code = unsafe { ffi::sqlite3_db_status(connection.handle(), kind, &raw mut now, &raw mut most, 0) };
    check(code).expect("a kind that SQLite knows");
    now
}

fn check(code: c_int) -> Result<(), Code> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(Code(code)) }
}

fn control(connection: &Connection, operation: c_int, argument: *mut c_void) -> Result<(), Code> {
    // SAFETY: the handle is open, the name is a C string, and each caller passes the argument that its operation asks
    // for, alive during the call.
    check(unsafe { ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), operation, argument) })
}

fn file(connection: &Connection, which: c_int) -> Result<File<'_>, Code> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    control(connection, which, ptr::from_mut(&mut file).cast())?;
    if file.is_null() {
        return Err(Code(ffi::SQLITE_NOTFOUND));
    }
    // SAFETY: SQLite gave a pointer to a `sqlite3_file` of this connection. `pMethods` is null while the file is not
    // open, and otherwise points to a table that outlives the file.
    let methods = unsafe { (*file).pMethods.as_ref() }.ok_or(Code(ffi::SQLITE_NOTFOUND))?;
    Ok(File { file, methods, connection: PhantomData })
}

impl File<'_> {
    /// Reads from `offset`; what lies beyond the end of the file is zeros, and `false` says so.
    pub(super) fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<bool, Code> {
        let read = self.methods.xRead.ok_or(Code(ffi::SQLITE_NOTFOUND))?;
        let (Ok(len), Ok(offset)) = (c_int::try_from(into.len()), i64::try_from(offset)) else {
            return Err(Code(ffi::SQLITE_TOOBIG));
        };
        // SAFETY: the file is open, `into` has room for `len` bytes; xRead fills a short rest with zeros.
        match unsafe { read(self.file, into.as_mut_ptr().cast(), len, offset) } {
            ffi::SQLITE_OK => Ok(true),
            ffi::SQLITE_IOERR_SHORT_READ => Ok(false),
            code => Err(Code(code)),
        }
    }

    /// The length of the file in bytes.
    pub(super) fn len(&self) -> Result<u64, Code> {
        let size = self.methods.xFileSize.ok_or(Code(ffi::SQLITE_NOTFOUND))?;
        let mut bytes = 0i64;
        // SAFETY: the file is open and `bytes` is writable.
        check(unsafe { size(self.file, ptr::from_mut(&mut bytes).cast()) })?;
        Ok(bytes.max(0) as u64)
    }

    /// Makes what was written to the file durable.
    pub(super) fn sync(&self) -> Result<(), Code> {
        let sync = self.methods.xSync.ok_or(Code(ffi::SQLITE_NOTFOUND))?;
        // SAFETY: the file is open.
        check(unsafe { sync(self.file, ffi::SQLITE_SYNC_NORMAL) })
    }

    /// The first bytes of the wal-index, read from SQLite's own mapping of it; for the database file only.
    pub(super) fn shared_memory(&self) -> Result<SharedMemory, Code> {
        let Some(map) = self.methods.xShmMap.filter(|_| self.methods.iVersion >= 2) else {
            return Ok(SharedMemory::None);
        };
        let mut page: *mut c_void = ptr::null_mut();
        // SAFETY: the file is open; region 0 of 32 KiB is what SQLite maps itself, and `extend` = 0 asks for no
        // growth: the answer is a mapping that stays until the connection closes, or null.
        check(unsafe { map(self.file, 0, 32_768, 0, ptr::from_mut(&mut page).cast()) })?;
        if page.is_null() {
            return Ok(SharedMemory::None);
        }
        // SAFETY: the mapping is at least 32 KiB long and aligned to pages; other processes write to it at any time, so it
        // is read as atomics.
        let load = |at: usize| unsafe { (*page.cast::<AtomicU32>().add(at / 4)).load(Ordering::Relaxed) };
        let mut bytes = [0u8; INDEX_LEN];
        // As SQLite reads it: first copy, barrier, second copy; a writer writes the second first.
        fence(Ordering::SeqCst);
        for (at, word) in bytes.chunks_exact_mut(4).enumerate() {
            if at == 12 {
                fence(Ordering::SeqCst);
            }
            word.copy_from_slice(&load(4 * at).to_ne_bytes());
        }
        fence(Ordering::SeqCst);
        Ok(SharedMemory::Bytes(bytes, load(ATTEMPTED_AT)))
    }
}
