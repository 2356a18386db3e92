//! Bugs that others have shipped, and prototypes of waloy had, where no other test tells of them. Each opens with its
//! story.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use waloy::compress::Compression;
use waloy::db::{self, Ignore, Live, Reclaimed, beside};
use waloy::engine::{Hooks, Options, Replicator};
use waloy::format::Manifest;
use waloy::replica::{self, Replica, read_manifest};
use waloy::restore::{self, Output, Target};
use waloy::storage::{ErrorKind, MemoryStore};
use waloy::testing::faulty::{FaultyStore, Operation, When};
use waloy::wal::{ByteOrder, FRAME_HEADER_LEN};

use crate::engine::{application, manual};
use crate::handmade::Handmade;
use crate::model;
use crate::pages::Model;

fn open(path: &Path) -> Live {
    Live::open(path, db::Options::default(), None, &mut Ignore).unwrap()
}

fn checkpoint(app: &Connection, mode: &str) -> (i64, i64, i64) {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    app.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], row).unwrap()
}

/// A writer is killed between the fsync of its commit frame and its publication in the wal-index: the frame is valid and
/// never was a commit. Whoever read the file to its last valid frame uploaded it, and the next writer overwrote it.
#[test]
fn a_commit_frame_that_the_wal_index_never_had_is_no_commit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = application(&path, 4096);
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    let end = live.position();
    // Page 1 once more, changed, as the last page of a transaction.
    let mut image = model.pages[&1].clone();
    image[4000] ^= 1;
    let mut frame = [1u32.to_be_bytes(), live.pages().to_be_bytes()].concat();
    let sum = end.checksum.update(ByteOrder::NATIVE, &frame).update(ByteOrder::NATIVE, &image);
    frame.extend_from_slice(&end.header[16..24]);
    frame.extend_from_slice(&[sum.0.to_be_bytes(), sum.1.to_be_bytes()].concat());
    frame.extend_from_slice(&image);
    let at = 32 + u64::from(end.frame.0) * (FRAME_HEADER_LEN as u64 + 4096);
    let wal = std::fs::File::options().write(true).open(beside(&path, "-wal")).unwrap();
    wal.write_all_at(&frame, at).unwrap();

    assert_eq!(live.advance(&mut model).unwrap().unwrap_or_default().frames, 0);
    assert_eq!(live.position(), end);
    model.assert_is(&mut live);
    // The next commit takes its place.
    app.execute("INSERT INTO t(x) VALUES (2)", []).unwrap();
    assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 1);
    model.assert_is(&mut live);
}

/// A log was taken for unchanged because its file was as long as before.
#[test]
fn a_log_written_anew_to_the_same_length_is_captured() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = application(&path, 4096);
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    for _ in 0..20 {
        assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
        let length = live.wal_len().unwrap();
        app.execute("UPDATE t SET x = randomblob(9000)", []).unwrap();
        assert_eq!(live.wal_len().unwrap(), length);
        assert!(live.advance(&mut model).unwrap().unwrap().restarted);
        model.assert_is(&mut live);
    }
}

/// A reader that begins on a wholly backfilled log reads the file alone, and does not keep the log from being started
/// over: the restart that followed was missed, with what was committed in it.
#[test]
fn attached_to_a_wholly_backfilled_log_the_restart_that_follows_is_seen() {
    for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let app = application(&path, 4096);
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
        assert_eq!(checkpoint(&app, mode).0, 0);
        let mut live = open(&path);
        let mut model = Model::of(&mut live);
        for _ in 0..5 {
            app.execute("UPDATE t SET x = randomblob(9000)", []).unwrap();
            assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 1, "{mode}");
            model.assert_is(&mut live);
            // Another one before anybody looks.
            checkpoint(&app, "PASSIVE");
            app.execute("UPDATE t SET x = randomblob(9000)", []).unwrap();
            checkpoint(&app, "PASSIVE");
            app.execute("UPDATE t SET x = randomblob(9000)", []).unwrap();
            assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 2, "{mode}");
            model.assert_is(&mut live);
        }
    }
}

/// A pin on a file that is no database in WAL mode is a shared lock: the application could not write to it any more, nor
/// make its database.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_in_wal_mode_is_not_locked_for_its_application() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    // With 0 bytes: it is waited for, and meanwhile the application makes its database in its own time.
    std::fs::write(&path, b"").unwrap();
    let mut options = manual(&path);
    options.wait_for_db = true;
    let starting = tokio::spawn(Replicator::start(options, store.clone(), Hooks::default()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let app = Connection::open(&path).unwrap();
    app.busy_timeout(Duration::ZERO).unwrap();
    app.execute_batch("PRAGMA locking_mode = NORMAL; BEGIN EXCLUSIVE; CREATE TABLE t(x); COMMIT").unwrap();
    app.execute_batch("BEGIN EXCLUSIVE; INSERT INTO t VALUES (1); COMMIT").unwrap();
    // It has become one in rollback-journal mode, and is refused: the application goes on as before.
    assert_eq!(starting.await.unwrap().unwrap_err().code(), "db.not_wal");
    for _ in 0..3 {
        Replicator::start(manual(&path), store.clone(), Hooks::default()).await.unwrap_err();
        app.execute_batch("BEGIN EXCLUSIVE; INSERT INTO t VALUES (1); COMMIT").unwrap();
    }
    let mode: String = app.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// The application's own TRUNCATE waits for every reader, also for one that reads the file alone: it waited its whole
/// busy timeout for the replicator, and then said that the database is busy.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_truncates_the_log_is_let_through() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = application(&path, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut replicator = Replicator::start(Options::new(&path), store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    for round in 0..4 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
        if round % 2 == 0 {
            replicator.checkpoint().await.unwrap();
        }
        assert_eq!(checkpoint(&app, "TRUNCATE").0, 0, "busy, though it had ten seconds");
        assert_eq!(std::fs::metadata(beside(&path, "-wal")).unwrap().len(), 0);
    }
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
}

/// The writers changed more between two rounds of the first snapshot than was sent in one: it never came to its end, or
/// the log grew until it did.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_snapshot_slower_than_the_writers_ends_and_the_log_stays_short() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = application(&path, 4096);
    for _ in 0..60 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(1000000))", []).unwrap();
    }
    let honest = Replica::plain(Arc::new(MemoryStore::new()));
    let faulty = Arc::new(FaultyStore::new(honest.store().clone()));
    // A megabyte in 100 ms; the writer changes one in 25.
    faulty.set_delay(Duration::from_millis(100));
    let mut replicator =
        Replicator::start(Options::new(&path), Replica::plain(faulty.clone()), Hooks::default()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (path, stop) = (path.clone(), stop.clone());
        std::thread::spawn(move || {
            let app = Connection::open(path).unwrap();
            app.busy_timeout(Duration::from_secs(5)).unwrap();
            app.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL").unwrap();
            for row in (1..=60).cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                app.execute("UPDATE t SET x = randomblob(1000000) WHERE id = ?1", [row]).unwrap();
                std::thread::sleep(Duration::from_millis(25));
            }
        })
    };
    let (mut longest, began) = (0, std::time::Instant::now());
    while replicator.status().snapshots == 0 {
        longest = longest.max(std::fs::metadata(beside(&path, "-wal")).unwrap().len());
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come to its end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    writing.join().unwrap();
    faulty.set_delay(Duration::ZERO);
    replicator.shutdown().await.unwrap();
    // A slow machine writes while it compresses what is left; without an end it was hundreds.
    assert!(longest < 160 << 20, "the log grew to {longest} bytes");
    assert!(model::restore(&honest).await == model::pages_of(&app));
}

/// Without a table there was nothing to read, and nothing was backed up.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_table_is_backed_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = Connection::open(&path).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; PRAGMA user_version = 7").unwrap();
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut replicator = Replicator::start(manual(&path), store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
    app.execute_batch("PRAGMA user_version = 8").unwrap();
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
}

/// Any error while the manifest was read was taken for "there are no segments", and the snapshot was handed out as the
/// latest state.
#[tokio::test]
async fn an_error_at_any_read_of_a_restore_never_gives_an_older_state() {
    let made = Handmade::random(512, Compression::None, 3, 2, 5).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored.db");
    for kind in [ErrorKind::Unavailable, ErrorKind::Denied, ErrorKind::NoBucket, ErrorKind::Other, ErrorKind::NotFound]
    {
        for n in 1.. {
            let faulty = Arc::new(FaultyStore::new(made.replica.store().clone()));
            faulty.fail_nth_of_any(n, When::Before, kind);
            let store = Replica::plain(faulty.clone());
            let restored =
                restore::restore(&store, Target::Latest, &Output::new(&path), &restore::Options::default()).await;
            if restored.is_ok() {
                assert!(std::fs::read(&path).unwrap() == **made.last().bytes, "request {n}, {kind:?}");
                std::fs::remove_file(&path).unwrap();
            } else {
                assert!(!path.exists());
            }
            if faulty.pending() > 0 {
                assert!(n > 8, "only {n} requests");
                break;
            }
        }
    }
}

/// The manifest was written again at each sync, and had every segment in it: after a day it was larger than everything
/// else that was sent.
#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_not_written_at_each_sync_and_does_not_grow_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("a.db"), 512);
    let honest = Replica::plain(Arc::new(MemoryStore::new()));
    let faulty = Arc::new(FaultyStore::new(honest.store().clone()));
    let mut replicator =
        Replicator::start(manual(&dir.path().join("a.db")), Replica::plain(faulty.clone()), Hooks::default())
            .await
            .unwrap();
    replicator.sync().await.unwrap();
    let before = faulty.requests_of(Operation::Put);
    for _ in 0..600 {
        app.execute("INSERT OR REPLACE INTO t(id, x) VALUES (1, randomblob(9))", []).unwrap();
        replicator.sync().await.unwrap();
    }
    let written = faulty.requests_of(Operation::Put) - before;
    assert!(written <= 600 / 100, "{written} times");
    let generation = replica::generations(&*honest).await.unwrap()[0];
    let manifest = read_manifest(&honest, generation).await.unwrap().unwrap();
    assert!(manifest.next_index >= 512 && manifest.segments.len() <= Manifest::LISTED);
    replicator.shutdown().await.unwrap();
}
