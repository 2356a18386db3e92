//! Whether a database that shares next to no page with its replica is the same database all the same.
//!
//! `VACUUM` moves nearly every page, and is no reason to stop. An application that starts with an empty database where
//! a full one had been is: its replica must not be taken for the old state of that one. Page 1 tells them apart. Its
//! header has the file change counter, the schema cookie and the application id (<https://sqlite.org/fileformat2.html>,
//! section 1.3), and what follows has the statements that created the tables.

use std::collections::BTreeSet;

use super::context::Context;
use super::error::Error;
use super::observer::Watched;
use crate::compress::Decompressor;
use crate::db::Room;
use crate::replica::{ObjectReader, Objects};
use crate::restore;
use crate::state::Acknowledged;
use crate::units::PageNo;

/// Where page 1 has them, big-endian.
const CHANGE_COUNTER: usize = 24;
const SCHEMA_COOKIE: usize = 40;
const APPLICATION_ID: usize = 68;

/// As much of a statement as is compared, at most: up to the name of a table.
const STATEMENT: usize = 120;

/// Whether the database, of which nearly every page differs, descends from what the replica holds.
pub(super) async fn descends(context: &Context, observer: &Watched, known: &Acknowledged) -> Result<bool, Error> {
    let now = observer.call(|observer| observer.read_run(1, 1, Room::default())).await??.images;
    match page_one(context, known).await {
        Ok(Some(then)) => Ok(follows(&then, known.pages, &now, observer.pages)),
        Ok(None) => Ok(false),
        Err(Error::Replica(error)) if error.is_damage() => {
            tracing::warn!(%error, "cannot read page 1 of the replica");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Page 1 as the replica has it.
async fn page_one(context: &Context, known: &Acknowledged) -> Result<Option<Vec<u8>>, Error> {
    let objects = Objects::list(&*context.replica, known.generation, None).await?;
    let names = restore::cover(&objects, objects.last().into()).unwrap_or_default();
    for (name, size) in names.into_iter().rev() {
        let reader = ObjectReader::open(&context.replica, name, size).await?;
        let header = reader.outline().header.clone();
        let mut found = None;
        for place in &reader.outline().index {
            for entry in reader.index(place).await? {
                // A page may occur several times: the last one counts.
                let at = entry.pages().position(|(page, _)| page == PageNo::FIRST);
                found = at.map(|at| (at, entry)).or(found);
            }
        }
        if let Some((at, entry)) = found {
            let record = reader.chunk(&entry).await?;
            let mut decompressor = Decompressor::default();
            let images = entry.open(&record, &header, &context.hasher, &mut decompressor);
            let images = images.map_err(|error| reader.damaged(error))?;
            let len = header.page_size.len();
            return Ok(images.get(at * len..(at + 1) * len).map(<[u8]>::to_vec));
        }
    }
    Ok(None)
}

/// Whether one page 1 may come from the other, with so many pages in the database each time.
fn follows(then: &[u8], pages_then: u32, now: &[u8], pages_now: u32) -> bool {
    if then == now {
        return true;
    }
    let at = |page: &[u8], at: usize| {
        page.get(at..at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    };
    let both = |place| Some((at(then, place)?, at(now, place)?));
    let (Some(counter), Some(cookie), Some(id)) = (both(CHANGE_COUNTER), both(SCHEMA_COOKIE), both(APPLICATION_ID))
    else {
        return false;
    };
    // `VACUUM` counts on both; `VACUUM INTO` begins the change counter anew, and is not much smaller than its source.
    let written_on = counter.1 > counter.0 && cookie.1 >= cookie.0;
    let copied = cookie.1 > cookie.0 && pages_now >= pages_then / 2;
    // A connection to a WAL that nobody writes beside it puts the same number each time. A database that is fresh is
    // smaller than one that was in use.
    let grown = counter.1 == counter.0 && cookie.1 >= cookie.0 && pages_now >= pages_then;
    id.0 == id.1 && (written_on || copied || grown) && shares_tables(&statements(then), &statements(now))
}

/// At least half of what the shorter of the two creates; a schema too long for page 1 says nothing.
fn shares_tables(then: &BTreeSet<&[u8]>, now: &BTreeSet<&[u8]>) -> bool {
    let fewest = then.len().min(now.len());
    then.intersection(now).count() * 2 >= fewest
}

/// The beginnings of the statements in a page of the schema: `CREATE TABLE name`.
fn statements(page: &[u8]) -> BTreeSet<&[u8]> {
    const CREATE: &[u8] = b"CREATE ";
    let begins = page.windows(CREATE.len()).enumerate().filter(|(_, window)| *window == CREATE);
    begins
        .map(|(at, _)| {
            let rest = &page[at..page.len().min(at + STATEMENT)];
            let end = rest.iter().position(|&byte| byte == b'(' || byte == b'\n').unwrap_or(rest.len());
            rest[..end].trim_ascii_end()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// Page 1 and the number of pages.
    fn page_one_of(path: &std::path::Path) -> (Vec<u8>, u32) {
        let bytes = std::fs::read(path).unwrap();
        (bytes[..4096].to_vec(), (bytes.len() / 4096) as u32)
    }

    fn database(path: &std::path::Path, table: &str, rows: u32) -> Connection {
        let app = Connection::open(path).unwrap();
        app.execute_batch(&format!("CREATE TABLE {table}(id INTEGER PRIMARY KEY, x BLOB)")).unwrap();
        for _ in 0..rows {
            app.execute(&format!("INSERT INTO {table}(x) VALUES (randomblob(3000))"), []).unwrap();
        }
        app
    }

    #[test]
    fn what_descends_from_a_database_is_known_by_page_1() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let app = database(&path("a.db"), "t", 100);
        let (then, pages) = page_one_of(&path("a.db"));
        let follows = |name: &str| {
            let (now, pages_now) = page_one_of(&path(name));
            follows(&then, pages, &now, pages_now)
        };
        assert!(follows("a.db"), "itself");
        app.execute("VACUUM INTO ?1", [path("copy.db").to_str().unwrap()]).unwrap();
        assert!(follows("copy.db"));
        app.execute_batch("UPDATE t SET x = randomblob(5000); VACUUM").unwrap();
        assert!(follows("a.db"), "vacuumed");
        app.execute_batch("CREATE TABLE u(y); DELETE FROM t; VACUUM").unwrap();
        assert!(follows("a.db"), "emptied by its application");

        drop(database(&path("fresh.db"), "t", 5));
        assert!(!follows("fresh.db"), "the same application, with an empty database");
        drop(database(&path("other.db"), "other", 500));
        assert!(!follows("other.db"), "another application");
        let marked = database(&path("marked.db"), "t", 500);
        assert!(follows("marked.db"), "nothing tells it from an older sister");
        marked.execute_batch("PRAGMA application_id = 7").unwrap();
        assert!(!follows("marked.db"));
    }

    /// A small database of one connection, each page of which was changed while waloy was down: the change counter had
    /// not moved, and it was taken for another one.
    #[test]
    fn a_change_counter_that_stands_still_is_no_sign_of_another_database() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let wal = |name: &str, rows: u32| {
            let app = Connection::open(path(name)).unwrap();
            app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB)").unwrap();
            let grow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                        INSERT INTO t(x) SELECT randomblob(3000) FROM n";
            app.execute(grow, [rows]).unwrap();
            app
        };
        let state = |app: &Connection, name: &str| {
            app.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            page_one_of(&path(name))
        };
        let app = wal("a.db", 5);
        let (then, pages) = state(&app, "a.db");
        app.execute_batch("UPDATE t SET x = randomblob(7000)").unwrap();
        let (now, pages_now) = state(&app, "a.db");
        assert_eq!(then[CHANGE_COUNTER..CHANGE_COUNTER + 4], now[CHANGE_COUNTER..CHANGE_COUNTER + 4]);
        assert!(follows(&then, pages, &now, pages_now));

        let (fresh, pages_fresh) = state(&wal("fresh.db", 1), "fresh.db");
        assert_eq!(then[CHANGE_COUNTER..CHANGE_COUNTER + 4], fresh[CHANGE_COUNTER..CHANGE_COUNTER + 4]);
        assert!(!follows(&then, pages, &fresh, pages_fresh), "the same application, with an emptier database");
    }
}
