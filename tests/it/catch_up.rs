//! What happened while nobody watched is found by comparing every page, and uploaded as one segment of the same
//! generation.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use waloy::engine::{Event, Hooks, Replicator, default_state_dir};
use waloy::replica::{self, Name, ObjectReader, Objects, Replica};
use waloy::state::{Acknowledged, StateDir};
use waloy::storage::{ErrorKind, MemoryStore};
use waloy::testing::faulty::{FaultyStore, Operation, When};

use crate::engine::{application, listening, manual};
use crate::model;

/// A database of 2 MB and more that is replicated, and nobody replicates it now.
struct Left {
    _dir: tempfile::TempDir,
    db: PathBuf,
    replica: Replica,
}

impl Left {
    async fn new(page_size: u32) -> (Left, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, page_size);
        for _ in 0..100 {
            app.execute("INSERT INTO t(x) VALUES (randomblob(20000))", []).unwrap();
        }
        let left = Left { _dir: dir, db, replica: Replica::plain(Arc::new(MemoryStore::new())) };
        let mut replicator = left.start(Hooks::default()).await;
        replicator.sync().await.unwrap();
        app.execute("INSERT INTO t(x) VALUES (randomblob(20000))", []).unwrap();
        replicator.sync().await.unwrap();
        replicator.shutdown().await.unwrap();
        (left, app)
    }

    async fn start(&self, hooks: Hooks) -> Replicator {
        Replicator::start(manual(&self.db), self.replica.clone(), hooks).await.unwrap()
    }

    fn open(&self) -> Connection {
        Connection::open(&self.db).unwrap()
    }

    /// Replicates again, and says what that took: the page counts of the comparison, the bytes sent.
    async fn again(&self) -> (Option<(u32, u32)>, u64) {
        let (hooks, events) = listening();
        let mut replicator = self.start(hooks).await;
        replicator.sync().await.unwrap();
        let report = replicator.shutdown().await.unwrap();
        assert_eq!(report.pending, 0);
        let events = events.lock().unwrap();
        let begun = events.iter().any(|event| matches!(event, Event::Generation { .. }));
        assert!(!begun, "it goes on in the same generation: {events:?}");
        (compared(&events), report.stored_bytes)
    }

    async fn segments(&self) -> Vec<(Name, u64)> {
        let generation = replica::generations(&*self.replica).await.unwrap().pop().unwrap();
        let objects = Objects::list(&*self.replica, generation, None).await.unwrap();
        objects.segments.iter().map(|&(index, size)| (Name::Segment(generation, index), size)).collect()
    }
}

fn compared(events: &[Event]) -> Option<(u32, u32)> {
    events.iter().find_map(|event| match event {
        Event::Compared { pages, differing, .. } => Some((*pages, *differing)),
        _ => None,
    })
}

/// Copies the WAL into the file, and has the next writer begin it anew.
fn restart_log(app: &Connection) {
    let busy: i64 = app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_nobody_watched_becomes_one_segment_of_the_same_generation() {
    for page_size in [512, 4096, 65_536] {
        let (left, app) = Left::new(page_size).await;
        let before = left.segments().await.len();
        restart_log(&app);
        app.execute("UPDATE t SET x = randomblob(20000) WHERE id = 7", []).unwrap();
        app.execute("INSERT INTO t(x) VALUES (randomblob(50000))", []).unwrap();
        let (compared, sent) = left.again().await;
        let (pages, differing) = compared.expect("the WAL did not hold the place");
        assert!(differing > 0 && differing < pages / 4, "{differing} of {pages} pages of {page_size}");
        assert!(sent < 400_000, "{sent} bytes");
        assert_eq!(model::restore(&left.replica).await, model::pages_of(&app));
        let segments = left.segments().await;
        assert_eq!(segments.len(), before + 1);
        let (name, size) = *segments.last().unwrap();
        let reader = ObjectReader::open(&left.replica, name, size).await.unwrap();
        let summary = &reader.outline().summary;
        assert!(summary.flags.catch_up);
        let (from, to) = summary.unobserved.expect("nobody watched for a while");
        assert!(from < to && to <= summary.last_time, "{from} {to} {}", summary.last_time);
        // And from here it goes on as ever.
        app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
        let (compared, _) = left.again().await;
        assert_eq!(compared, None);
        assert_eq!(model::restore(&left.replica).await, model::pages_of(&app));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_did_not_change_is_uploaded_by_nothing() {
    let (left, app) = Left::new(4096).await;
    let before = left.segments().await;
    // The last connection closes, and takes the WAL with it.
    drop(app);
    assert!(!left.db.with_file_name("a.db-wal").exists());
    let app = left.open();
    let rows: i64 = app.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 101);
    for _ in 0..2 {
        let (compared, sent) = left.again().await;
        assert_eq!((compared.map(|(_, differing)| differing), sent), (Some(0), 0));
    }
    assert_eq!(left.segments().await, before);
    // The noted place holds from the first frame on.
    let mut replicator = left.start(Hooks::default()).await;
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    assert!(replicator.sync().await.unwrap().is_some());
    replicator.shutdown().await.unwrap();
    let (compared, _) = left.again().await;
    assert_eq!(compared, None);
    assert_eq!(model::restore(&left.replica).await, model::pages_of(&app));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_shrank_grew_or_went_back_is_followed() {
    let (left, app) = Left::new(4096).await;
    let old: Vec<u8> = app.query_row("SELECT x FROM t WHERE id = 3", [], |row| row.get(0)).unwrap();
    app.execute("UPDATE t SET x = randomblob(20000) WHERE id = 3", []).unwrap();
    left.again().await;
    // It went back to what an earlier object has.
    app.execute("UPDATE t SET x = ?1 WHERE id = 3", [old]).unwrap();
    restart_log(&app);
    let (compared, _) = left.again().await;
    assert!(compared.expect("compared").1 >= 5);
    assert_eq!(model::restore(&left.replica).await, model::pages_of(&app));
    // Rows at the end go, and the file with them.
    app.execute_batch("DELETE FROM t WHERE id > 80; VACUUM").unwrap();
    restart_log(&app);
    let (hooks, _) = listening();
    let mut replicator = left.start(hooks).await;
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    assert_eq!(model::restore(&left.replica).await, model::pages_of(&app));
    // It grows again.
    for _ in 0..20 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(20000))", []).unwrap();
    }
    restart_log(&app);
    let (compared, _) = left.again().await;
    assert!(compared.expect("compared").1 >= 100);
    assert_eq!(model::restore(&left.replica).await, model::pages_of(&app));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_most_pages_differ_only_they_are_uploaded() {
    let (left, app) = Left::new(4096).await;
    app.execute_batch("UPDATE t SET x = randomblob(20000)").unwrap();
    restart_log(&app);
    let (compared, sent) = left.again().await;
    let (pages, differing) = compared.unwrap();
    assert!(differing > pages / 2, "{differing} of {pages} pages");
    assert!(sent < u64::from(differing) * 4096 * 11 / 10, "{sent} bytes for {differing} pages");
    assert_eq!(model::restore(&left.replica).await, model::pages_of(&app));
}

/// The application writes and checkpoints as fast as it can while its pages are compared and collected.
#[tokio::test(flavor = "multi_thread")]
async fn writers_at_work_do_not_disturb_the_comparison() {
    let (left, app) = Left::new(4096).await;
    restart_log(&app);
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(Mutex::new(app));
    let writer = {
        let (stop, written) = (stop.clone(), written.clone());
        std::thread::spawn(move || {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                let app = written.lock().unwrap();
                app.execute("UPDATE t SET x = randomblob(20000) WHERE id = 1 + abs(random() % 100)", []).unwrap();
                round += 1;
                if round % 20 == 0 {
                    let _: i64 = app.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(0)).unwrap();
                }
                drop(app);
                std::thread::sleep(Duration::from_micros(500));
            }
        })
    };
    for _ in 0..8 {
        let (hooks, events) = listening();
        let mut replicator = left.start(hooks).await;
        for _ in 0..3 {
            replicator.sync().await.unwrap();
            let app = written.lock().unwrap();
            let expected = model::pages_of(&app);
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(replicator.sync())).unwrap();
            let restored = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(model::restore(&left.replica))
            });
            assert!(restored == expected, "a page differs");
        }
        replicator.shutdown().await.unwrap();
        drop(replicator);
        let app = written.lock().unwrap();
        restart_log(&app);
        app.execute("UPDATE t SET x = randomblob(20000) WHERE id = 1", []).unwrap();
        drop(app);
        assert!(events.lock().unwrap().iter().any(|event| matches!(event, Event::Compared { .. })), "it was compared");
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

/// Whatever fails on the way, and whoever dies there: the next try has it all, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_is_interrupted_is_made_again() {
    for operation in [Operation::PutIfAbsent, Operation::List, Operation::Head] {
        for when in [When::Before, When::After] {
            let (left, app) = Left::new(4096).await;
            restart_log(&app);
            app.execute("UPDATE t SET x = randomblob(20000) WHERE id IN (5, 50)", []).unwrap();
            let faulty = Arc::new(FaultyStore::new(left.replica.store().clone()));
            faulty.fail_nth_of(operation, 0, when, ErrorKind::Unavailable);
            let store = Replica::plain(faulty);
            if let Ok(replicator) = Replicator::start(manual(&left.db), store, Hooks::default()).await {
                let _ = replicator.sync().await;
                // Dropped: as if the process had ended here.
                replicator.release().await;
            }
            left.again().await;
            assert_eq!(model::restore(&left.replica).await, model::pages_of(&app), "{operation:?} {when:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_under_the_replicator_is_followed() {
    let (left, app) = Left::new(4096).await;
    restart_log(&app);
    let (hooks, events) = listening();
    let mut options = manual(&left.db);
    options.automatic = true;
    options.sync_interval = Duration::from_millis(20);
    let mut replicator = Replicator::start(options, left.replica.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    // As `cp` and `mv` do it: a copy with one row changed takes the place of the file.
    drop(app);
    let copy = left.db.with_file_name("copy.db");
    replace_by_a_copy(&left.db, &copy);
    let app = left.open();
    replicator.sync().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    app.execute("INSERT INTO t(x) VALUES ('after')", []).unwrap();
    let restored = || async { model::restore(&left.replica).await == model::pages_of(&app) };
    for _ in 0..100 {
        let _ = replicator.sync().await;
        if restored().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(restored().await, "the file that is there now is what is restored");
    replicator.shutdown().await.unwrap();
    assert!(compared(&events.lock().unwrap()).is_some());
    assert_eq!(replica::generations(&*left.replica).await.unwrap().len(), 1);
}

/// `cp` over a database in use is no commit, and the log goes on behind it as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_overwritten_in_its_place_is_compared_with_the_replica() {
    let (left, app) = Left::new(4096).await;
    restart_log(&app);
    let (hooks, events) = listening();
    let mut options = manual(&left.db);
    options.automatic = true;
    options.sync_interval = Duration::from_millis(20);
    let mut replicator = Replicator::start(options, left.replica.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let restored = || async { model::restore(&left.replica).await };
    assert!(restored().await == model::pages_of(&app));
    app.execute("INSERT INTO t(x) VALUES ('before')", []).unwrap();
    replicator.sync().await.unwrap();
    let copied_frames: i64 = app.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2)).unwrap();
    assert!(copied_frames > 0);
    // A quiet moment in which the files were looked at.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(app);
    let copy = left.db.with_file_name("copy.db");
    copied(&left.db, &copy);
    let changed = Connection::open(&copy).unwrap();
    changed.execute_batch("UPDATE t SET x = zeroblob(10) WHERE id = 9; PRAGMA journal_mode = DELETE").unwrap();
    changed.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    drop(changed);
    copied(&copy, &left.db);

    let app = left.open();
    replicator.sync().await.unwrap();
    assert!(restored().await == model::pages_of(&app), "what was copied");
    app.execute("INSERT INTO t(x) VALUES ('after')", []).unwrap();
    replicator.sync().await.unwrap();
    assert!(restored().await == model::pages_of(&app), "and what came after it");
    replicator.shutdown().await.unwrap();
    assert!(compared(&events.lock().unwrap()).is_some());
    assert_eq!(replica::generations(&*left.replica).await.unwrap().len(), 1);
}

/// The place is forgotten also where an object was under way that has one of its own.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_place_in_the_log_is_forgotten_every_page_is_compared() {
    let (left, app) = Left::new(4096).await;
    app.execute("INSERT INTO t(x) VALUES ('under way')", []).unwrap();
    let faulty = Arc::new(FaultyStore::new(left.replica.store().clone()));
    let store = Replica::plain(faulty.clone());
    let replicator = Replicator::start(manual(&left.db), store, Hooks::default()).await.unwrap();
    faulty.fail_nth_of(Operation::PutIfAbsent, 0, When::After, ErrorKind::Unavailable);
    replicator.sync().await.unwrap_err();
    // As if the process had ended here.
    replicator.release().await;
    let state = StateDir::lock(&default_state_dir(&left.db), waloy::units::Timestamp(0)).unwrap();
    Acknowledged::forget_place(&state).unwrap();
    drop(state);
    assert!(left.again().await.0.is_some(), "what the WAL says is not believed");
    assert!(left.again().await.0.is_none(), "what was compared is");
    assert!(model::restore(&left.replica).await == model::pages_of(&app));
}

/// By another process: in this one, opening and closing the file would drop SQLite's locks.
fn copied(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").args([from, to]).status().unwrap();
    assert!(status.success());
}

/// As a deployment does it: `current` leads to the directory of the next release, into which the database was copied.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_pointed_at_a_copy_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two, current, next] = ["one", "two", "current", "next"].map(|name| dir.path().join(name));
    std::fs::create_dir(&one).unwrap();
    std::fs::create_dir(&two).unwrap();
    std::os::unix::fs::symlink(&one, &current).unwrap();
    let db = current.join("a.db");
    let app = application(&db, 4096);
    for _ in 0..100 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(20000))", []).unwrap();
    }
    let replica = Replica::plain(Arc::new(MemoryStore::new()));
    let mut replicator = Replicator::start(manual(&db), replica.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();

    app.execute("VACUUM INTO ?1", [two.join("a.db").to_str().unwrap()]).unwrap();
    let left = app;
    std::os::unix::fs::symlink(&two, &next).unwrap();
    std::fs::rename(&next, &current).unwrap();
    let app = Connection::open(&db).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; INSERT INTO t(x) VALUES ('in the next release')").unwrap();
    replicator.sync().await.unwrap();
    let restored = model::restore(&replica).await;
    assert!(restored == model::pages_of(&app), "the file that the path leads to is what counts");
    app.execute("INSERT INTO t(x) VALUES ('later')", []).unwrap();
    replicator.sync().await.unwrap();
    assert!(model::restore(&replica).await == model::pages_of(&app));
    replicator.shutdown().await.unwrap();
    assert_eq!(replica::generations(&*replica).await.unwrap().len(), 1, "it is the same database");
    drop(left);
}

fn replace_by_a_copy(db: &Path, copy: &Path) {
    let source = Connection::open(db).unwrap();
    source.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(source);
    let changed = Connection::open(copy).unwrap();
    changed.execute_batch("PRAGMA journal_mode = WAL; UPDATE t SET x = zeroblob(10) WHERE id = 9").unwrap();
    drop(changed);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(waloy::db::beside(db, suffix));
    }
    std::fs::rename(copy, db).unwrap();
}
