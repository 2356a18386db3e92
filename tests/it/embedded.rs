//! waloy inside of an application: the handle, the programs of the README's author, the examples, and what is left when
//! they are killed.

mod examples;
mod handle;
mod killed;
mod mission;

pub(crate) use killed::ten_writers;

use std::path::Path;

use rusqlite::Connection;
use waloy::{BackupConfig, Destination};

/// A database of an application, in WAL mode, with one table.
fn application(db: &Path) -> Connection {
    let app = Connection::open(db).unwrap();
    app.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000; PRAGMA wal_autocheckpoint = 0;
         CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT);",
    )
    .unwrap();
    app
}

fn insert(app: &Connection, name: &str) {
    app.execute("INSERT INTO items (name) VALUES (?1)", [name]).unwrap();
}

/// The names in a database that is whole.
fn names(db: &Path) -> Vec<String> {
    let restored = Connection::open(db).unwrap();
    let check: String = restored.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut statement = restored.prepare("SELECT name FROM items ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// `app.db` of a directory, backed up to `replica` in it.
fn config(dir: &Path) -> BackupConfig {
    BackupConfig {
        db_path: dir.join("app.db"),
        destination: Some(Destination::Directory(dir.join("replica"))),
        ..Default::default()
    }
}
