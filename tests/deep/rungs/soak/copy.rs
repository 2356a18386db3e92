//! What a restored file says of itself.

use std::path::Path;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::application::{SUM, link};

/// The commit that a copy stands for, once everything in it was found right.
pub(super) struct Copy {
    pub(super) i: i64,
    h: Vec<u8>,
}

impl Copy {
    pub(super) fn of(path: &Path) -> anyhow::Result<Copy> {
        let uri = format!("file:{}?immutable=1", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags)?;
        let check: String = connection.query_row("PRAGMA integrity_check(3)", [], |row| row.get(0))?;
        ensure!(check == "ok", "a restored file: {check}");
        let sum: i64 = connection.query_row("SELECT sum(balance) FROM bank", [], |row| row.get(0))?;
        ensure!(sum == SUM, "the accounts of a restored file have {sum} together");
        let mut rows = connection.prepare("SELECT i, payload, h FROM chain ORDER BY i")?;
        let mut rows = rows.query([])?;
        let mut last: Option<Copy> = None;
        while let Some(row) = rows.next()? {
            let (i, payload, h): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(last) = &last {
                ensure!(i == last.i + 1 && h == link(&last.h, &payload), "the chain of a restored file breaks at {i}");
            }
            last = Some(Copy { i, h });
        }
        last.context("a restored file without a commit")
    }

    /// The database has had this commit. It still has the row, unless the copy is very old.
    pub(super) fn is_of(&self, source: &Connection) -> anyhow::Result<()> {
        let sql = "SELECT h FROM chain WHERE i = ?1";
        let h: Option<Vec<u8>> = source.query_row(sql, [self.i], |row| row.get(0)).optional()?;
        ensure!(h.as_ref() == Some(&self.h), "commit {} of a restored file never was", self.i);
        Ok(())
    }
}
