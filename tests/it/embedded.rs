//! waloy inside of an application: the handle, the programs of the README's author, the examples, and what is left when
//! they are killed.

mod examples;
mod handle;
mod killed;
mod mission;
mod sealed;

pub(crate) use killed::ten_writers;

use std::path::Path;

use rusqlite::Connection;
use waloy::{BackupConfig, Destination};

use crate::workload::Place;

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

/// In a process of its own: to open and close a database with ordinary calls drops the locks of every connection to it.
pub(crate) fn copy_to_clone(place: &Place) {
    let dir = place.database().parent().unwrap().to_owned();
    let clone = dir.with_file_name("clone");
    std::fs::create_dir(&clone).unwrap();
    copy_all(&dir, &clone);
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy_all(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
