//! Databases that are odd by their size.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use waloy::engine::{Event, Hooks, Options, Replicator};
use waloy::replica::Replica;
use waloy::restore::{self, Output, Target};
use waloy::storage::{DirStore, MemoryStore};
use waloy::testing::faulty::{FaultyStore, Operation};

use crate::engine::{application, listening, manual};
use crate::model;

/// Compares two files block by block, without holding either.
fn assert_same(a: &Path, b: &Path) {
    use std::io::Read;
    let (mut a, mut b) = (std::fs::File::open(a).unwrap(), std::fs::File::open(b).unwrap());
    assert_eq!(a.metadata().unwrap().len(), b.metadata().unwrap().len());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0;
    loop {
        let count = a.read(&mut left).unwrap();
        b.read_exact(&mut right[..count]).unwrap();
        assert!(left[..count] == right[..count], "the files differ between bytes {at} and {}", at + count);
        at += count;
        if count == 0 {
            return;
        }
    }
}

/// Replicates, restores, and compares with the file that SQLite leaves after a checkpoint.
async fn assert_round_trip(app: Connection, db: &Path, restored: &Path, store: Replica) {
    let mut replicator = Replicator::start(manual(db), store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    app.execute("INSERT INTO t(x) VALUES (randomblob(100000))", []).unwrap();
    replicator.shutdown().await.unwrap();
    restore::restore(&store, Target::Latest, &Output::new(restored), &restore::Options::default()).await.unwrap();
    // The last connection to close leaves everything in the file.
    app.close().unwrap();
    assert_same(db, restored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_beyond_the_lock_page_comes_back_page_for_page() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 65_536);
    app.execute_batch("PRAGMA synchronous = OFF").unwrap();
    // Repetitive, so that compressing it takes no time: 1.05 GiB in rows of 50 MB.
    for row in 0..22 {
        app.execute("INSERT INTO t(x) VALUES (CAST(replace(hex(zeroblob(25)), '0', ?1) AS BLOB))", [row]).unwrap();
        app.execute("UPDATE t SET x = zeroblob(50000000) WHERE id = last_insert_rowid()", []).unwrap();
    }
    let (pages, freelist): (u32, u32) = app
        .query_row("SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!(pages > 16_385 && freelist < 10, "{pages} pages, {freelist} free: the lock page is 16,385");
    let store = Replica::plain(Arc::new(DirStore::new(dir.path().join("replica"))));
    assert_round_trip(app, &db, &dir.path().join("restored.db"), store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wal_that_carries_everything_is_a_database_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    app.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    for _ in 0..300 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(40000))", []).unwrap();
    }
    assert!(std::fs::metadata(&db).unwrap().len() <= 4096, "nothing is in the file yet");
    let store = Replica::plain(Arc::new(DirStore::new(dir.path().join("replica"))));
    assert_round_trip(app, &db, &dir.path().join("restored.db"), store).await;
}

/// To copy a very large transaction into the database file takes as long as to upload it, and was done before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_very_large_transaction_is_on_its_way_before_its_checkpoint_unless_the_wal_grows_on() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    app.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    let faulty = FaultyStore::new(Arc::new(MemoryStore::new()));
    let store = Replica::plain(Arc::new(faulty.clone()));
    let mut options = Options::new(&db);
    options.sync_interval = Duration::from_millis(20);
    (options.memory_budget, options.checkpoint_threshold) = (100_000, 1 << 20);
    let (hooks, events) = listening();
    let checkpoints =
        || events.lock().unwrap().iter().filter(|event| matches!(event, Event::Checkpoint { .. })).count();
    let mut replicator = Replicator::start(options, store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let mut held = faulty.hold_nth_of(Operation::Write, 1);
    app.execute("INSERT INTO t(x) VALUES (randomblob(3000000))", []).unwrap();
    held.reached().await;
    // Time for some ticks.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(checkpoints(), 0);
    app.execute("INSERT INTO t(x) VALUES (randomblob(1500000))", []).unwrap();
    let began = Instant::now();
    while checkpoints() == 0 {
        assert!(began.elapsed() < Duration::from_secs(40), "the WAL grows, and nobody checkpoints");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(held);
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
}
