//! Two waloy on one prefix, and a database that is not what it was: what an operator is told, word for word.

use super::{assert_is, command, database, finish, image, insert, signal, wait_until, waloy};

/// What was printed from `error:` on.
fn error(text: &str) -> String {
    text.split_once("error: ").map_or_else(|| text.to_owned(), |(_, error)| format!("error: {error}"))
}

/// Stopped in its sleep while another host takes over, and woken again: a real process, and real signals.
#[test]
fn a_process_that_wakes_after_a_takeover_is_told_and_damages_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = &dir.path().canonicalize().unwrap();
    let app = database(&dir.join("app.db"));
    let run = ["replicate", "app.db", "--to", "replica", "--sync-interval", "50ms"];
    let sleeper = command(dir, &run).spawn().unwrap();
    wait_until("the first generation", || dir.join("replica/latest").exists());
    insert(&app);
    wait_until("a segment", || {
        std::fs::read_dir(dir.join("replica")).unwrap().flatten().any(|it| it.path().join("wal/000000000000").exists())
    });
    signal(&sleeper, "-STOP");

    // The other host has a copy of the file, and knows nothing of the replica.
    std::fs::write(dir.join("other.db"), image(&app)).unwrap();
    let other = rusqlite::Connection::open(dir.join("other.db")).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    insert(&other);
    waloy(dir, &["replicate", "other.db", "--to", "replica", "--once", "-q"]).ok();
    insert(&app);
    signal(&sleeper, "-CONT");
    let ran = finish(sleeper);
    let id = std::fs::read_dir(dir.join("replica")).unwrap().flatten();
    let id = id.map(|it| it.file_name().into_string().unwrap()).find(|name| name.len() == 26).unwrap();
    let expected = format!(
        "error: another writer has taken over {}/replica/{id}/wal/000000000001 [replica.overtaken]
  hint:  one writer a prefix: stop the other one, or give this database a prefix of its own
  hint:  to take it back with a new generation:  waloy replicate app.db --on-conflict new-generation
  hint:  once the other one has stopped, to go on here instead, without what only it has:  mv ./app.db.waloy/state ./app.db.waloy/state.old
",
        dir.display()
    );
    assert_eq!((error(&ran.err), ran.code), (expected, Some(11)));
    waloy(dir, &["restore", "--to", "replica", "-o", "back.db"]).ok();
    assert_is(&dir.join("back.db"), &image(&other));

    // The command in the hint.
    waloy(dir, &["replicate", "app.db", "--on-conflict", "new-generation", "--once", "-q"]).ok();
    waloy(dir, &["restore", "--to", "replica", "-o", "again.db"]).ok();
    assert_is(&dir.join("again.db"), &image(&app));
    let listed = waloy(dir, &["generations", "--to", "replica", "--json"]).ok().json();
    assert_eq!(listed["generations"][1]["reason"], "overtaken", "{listed}");
    // And now the other one is told.
    insert(&other);
    let told = waloy(dir, &["replicate", "other.db", "--once", "-q"]);
    assert!(told.code == Some(11) && told.err.contains("[replica.overtaken]"), "{told:?}");
}

#[test]
fn a_database_that_is_another_one_now_is_refused_and_its_backup_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = &dir.path().canonicalize().unwrap();
    let app = database(&dir.join("app.db"));
    waloy(dir, &["replicate", "app.db", "--to", "replica", "--once", "-q"]).ok();
    let before = image(&app);
    drop(app);
    std::fs::remove_file(dir.join("app.db")).unwrap();
    let stranger = rusqlite::Connection::open(dir.join("app.db")).unwrap();
    let made = "PRAGMA journal_mode = WAL; CREATE TABLE u(y); INSERT INTO u VALUES (hex(randomblob(20000)))";
    stranger.execute_batch(made).unwrap();
    let refused = waloy(dir, &["replicate", "app.db", "--once", "-q"]);
    let expected = format!(
        "error: the database shares next to nothing with its backup in {}/replica: it was replaced [replica.replaced]
  hint:  the backup is as it was:  waloy restore app.db -o FILE
  hint:  if it is meant, begin a new generation, and keep the old one:  waloy replicate app.db --adopt
",
        dir.display()
    );
    assert_eq!((error(&refused.err), refused.code), (expected, Some(2)));
    waloy(dir, &["restore", "app.db", "-o", "back.db"]).ok();
    assert_is(&dir.join("back.db"), &before);
    waloy(dir, &["replicate", "app.db", "--adopt", "--once", "-q"]).ok();
    waloy(dir, &["restore", "app.db", "-o", "new.db"]).ok();
    assert_is(&dir.join("new.db"), &image(&stranger));
}
