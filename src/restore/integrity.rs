//! What SQLite says of a restored database.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::output::blocking;
use super::{Error, Plan};

/// Problems that SQLite is asked for at most.
const PROBLEMS: u32 = 100;

/// Has SQLite check a restored file. It is only read.
pub(super) async fn prove(plan: &Plan, path: &Path, full: bool) -> Result<(), Error> {
    let (path, generation, point) = (path.to_owned(), plan.generation, plan.point);
    let problems = blocking(move || Ok(problems(&path, full))).await?;
    if problems.is_empty() { Ok(()) } else { Err(Error::Corrupt { generation, point, problems }) }
}

/// What `PRAGMA quick_check`, or `integrity_check` if it is to be full, says; nothing if SQLite is content.
pub(crate) fn problems(path: &Path, full: bool) -> Vec<String> {
    let pragma = if full { "integrity_check" } else { "quick_check" };
    let told = || -> rusqlite::Result<Vec<String>> {
        // Immutable: no lock, no `-wal` or `-shm` beside it.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri(path), flags)?;
        let mut statement = connection.prepare(&format!("PRAGMA {pragma}({PROBLEMS})"))?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    match told() {
        Ok(lines) => lines.into_iter().filter(|line| line != "ok").collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Source: <https://www.sqlite.org/uri.html>.
fn uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_in_wal_mode_is_looked_at_without_a_trace_whatever_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b?mode=rw#%41.db");
        let made = Connection::open(&path).unwrap();
        made.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
        made.close().unwrap();
        assert_eq!(problems(&path, true), [""; 0]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        assert!(!problems(&path, false).is_empty());
    }
}
