//! The replicator against a live SQLite and a store.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use waloy::engine::{self, Event, Hooks, Options, Replicator};
use waloy::error::Kind;
use waloy::format::Reason;
use waloy::replica::{self, Replica};
use waloy::storage::{DirStore, MemoryStore};
use waloy::testing::faulty::{FaultyStore, When};

use crate::model;

/// A database in WAL mode with one table, and the application's connection to it.
pub(crate) fn application(path: &Path, page_size: u32) -> Connection {
    let app = Connection::open(path).unwrap();
    app.busy_timeout(Duration::from_secs(10)).unwrap();
    app.execute_batch(&format!(
        "PRAGMA page_size = {page_size}; PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB);"
    ))
    .unwrap();
    app
}

pub(crate) fn manual(db: &Path) -> Options {
    let mut options = Options::new(db);
    options.automatic = false;
    options
}

/// Hooks that keep the events.
pub(crate) fn listening() -> (Hooks, Arc<Mutex<Vec<Event>>>) {
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let listener = events.clone();
    let hooks = Hooks { events: Arc::new(move |event| listener.lock().unwrap().push(event)), ..Hooks::default() };
    (hooks, events)
}

fn reasons(events: &Mutex<Vec<Event>>) -> Vec<Reason> {
    let reason = |event: &Event| match event {
        Event::Generation { reason, .. } => Some(*reason),
        _ => None,
    };
    events.lock().unwrap().iter().filter_map(reason).collect()
}

/// Whoever gives the first one up after some time asks again, and was told that replication had ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_that_nobody_waited_for_is_answered_the_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    for fails in [false, true] {
        let store = Replica::plain(faulty.clone());
        let mut replicator = Replicator::start(manual(&db), store, Hooks::default()).await.unwrap();
        replicator.sync().await.unwrap();
        app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
        if fails {
            faulty.fail_nth(1, When::Before);
        }
        {
            // Asked, and given up before the answer.
            let mut asked = std::pin::pin!(replicator.shutdown());
            let waker = std::task::Waker::noop();
            assert!(asked.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let told = replicator.shutdown().await;
        match fails {
            false => assert_eq!(told.unwrap().commits, 1),
            true => assert_eq!(told.unwrap_err().kind(), Kind::Unavailable),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_where_the_backup_was_is_not_written_to_while_it_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (db, disk) = (dir.path().join("a.db"), dir.path().join("disk"));
    let _app = application(&db, 512);
    let replica = || Replica::plain(Arc::new(DirStore::new(&disk)));
    let run = async |options| -> Result<(), waloy::error::Error> {
        let mut replicator = Replicator::start(options, replica(), Hooks::default()).await?;
        replicator.sync().await?;
        replicator.shutdown().await.map(drop)
    };
    run(manual(&db)).await.unwrap();
    std::fs::rename(&disk, dir.path().join("unmounted")).unwrap();
    for mount_point in [false, true] {
        if mount_point {
            std::fs::create_dir(&disk).unwrap();
        }
        let gone = run(manual(&db)).await.unwrap_err();
        assert_eq!((gone.kind(), gone.code()), (Kind::Damaged, "replica.gone"));
    }
    assert_eq!(std::fs::read_dir(&disk).unwrap().count(), 0);
    std::fs::remove_dir(&disk).unwrap();
    std::fs::rename(dir.path().join("unmounted"), &disk).unwrap();
    run(manual(&db)).await.unwrap();
    std::fs::remove_dir_all(&disk).unwrap();
    let mut adopting = manual(&db);
    adopting.adopt = true;
    run(adopting).await.unwrap();
    run(manual(&db)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_synced_is_the_database() {
    for page_size in [512, 4096, 65_536] {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, page_size);
        let store = Replica::plain(Arc::new(MemoryStore::new()));
        let (hooks, events) = listening();
        let mut replicator = Replicator::start(manual(&db), store.clone(), hooks).await.unwrap();
        assert_eq!(replicator.sync().await.unwrap(), None, "the snapshot had it all");
        for round in 0..20 {
            app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
            if round % 7 == 3 {
                app.execute("DELETE FROM t WHERE id % 2 = 0", []).unwrap();
                app.execute_batch("VACUUM").unwrap();
            }
            let synced = replicator.sync().await.unwrap().expect("something was committed");
            assert!(synced.commits >= 1);
            assert_eq!(model::restore(&store).await, model::pages_of(&app), "round {round}");
        }
        assert_eq!(replicator.sync().await.unwrap(), None);
        let report = replicator.shutdown().await.unwrap();
        assert_eq!(report.pending, 0);
        assert_eq!(reasons(&events), [Reason::First]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_in_the_same_generation() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let (hooks, events) = listening();
    for round in 0..5 {
        let mut replicator = Replicator::start(manual(&db), store.clone(), hooks.clone()).await.unwrap();
        replicator.sync().await.unwrap();
        assert_eq!(model::restore(&store).await, model::pages_of(&app), "round {round}, after the start");
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
        replicator.sync().await.unwrap();
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
        if round % 2 == 0 {
            replicator.shutdown().await.unwrap();
            assert_eq!(model::restore(&store).await, model::pages_of(&app), "round {round}, after the end");
        } else {
            drop(replicator);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    }
    assert_eq!(reasons(&events), [Reason::First]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_asks_for_a_sync_through_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    // Longer than the address of a socket has room for.
    let db = dir.path().join("d".repeat(120)).join("a.db");
    std::fs::create_dir(db.parent().unwrap()).unwrap();
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let state = engine::default_state_dir(&db);
    assert_eq!(engine::control::request_sync(&state).await.unwrap(), None);
    let mut replicator = Replicator::start(manual(&db), store.clone(), Hooks::default()).await.unwrap();
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    app.execute("INSERT INTO t(x) VALUES (2)", []).unwrap();
    let first = engine::control::request_sync(&state).await.unwrap().unwrap();
    assert_eq!((first.index, first.commits), (None, 0), "the snapshot has it");
    app.execute("INSERT INTO t(x) VALUES (3)", []).unwrap();
    let second = engine::control::request_sync(&state).await.unwrap().unwrap();
    assert_eq!((second.index, second.commits), (Some(0), 1));
    assert_eq!(model::restore(&store).await, model::pages_of(&app));
    replicator.shutdown().await.unwrap();
    assert_eq!(engine::control::request_sync(&state).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_replicator_is_told_who_has_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let _app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let _first = Replicator::start(manual(&db), store.clone(), Hooks::default()).await.unwrap();
    let second = Replicator::start(manual(&db), store, Hooks::default()).await.unwrap_err();
    assert_eq!((second.kind(), second.code()), (Kind::Locked, "state.locked"));
    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_destination_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let _app = application(&db, 4096);
    let first = Replica::plain(Arc::new(MemoryStore::new()));
    let mut replicator = Replicator::start(manual(&db), first, Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    let other = Replica::plain(Arc::new(DirStore::new(dir.path().join("other"))));
    let refused = Replicator::start(manual(&db), other, Hooks::default()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Usage, "replica.other"));
    assert!(refused.to_string().contains("memory:") && refused.to_string().contains("other"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_uploaded_by_itself_and_soon() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut options = Options::new(&db);
    options.sync_interval = Duration::from_millis(100);
    let mut replicator = Replicator::start(options, store.clone(), Hooks::default()).await.unwrap();
    for round in 0..5 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
        let expected = model::pages_of(&app);
        for attempt in 0.. {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let generation = replicator.status().generation.is_some();
            if generation && model::restore(&store).await == expected {
                break;
            }
            assert!(attempt < 100, "round {round}");
        }
    }
    replicator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_larger_than_memory_becomes_one_segment() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut replicator = Replicator::start(manual(&db), store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    app.execute_batch("BEGIN").unwrap();
    for _ in 0..60 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(1000000))", []).unwrap();
    }
    app.execute_batch("COMMIT").unwrap();
    let synced = replicator.sync().await.unwrap().unwrap();
    assert_eq!((synced.index.get(), synced.commits), (0, 1));
    assert!(synced.wal_bytes > 60_000_000);
    assert!(model::restore(&store).await == model::pages_of(&app));
    app.execute("DELETE FROM t WHERE id > 3", []).unwrap();
    app.execute_batch("VACUUM").unwrap();
    assert_eq!(replicator.sync().await.unwrap().unwrap().index.get(), 1);
    assert!(model::restore(&store).await == model::pages_of(&app));
    replicator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_begins_under_writers_where_the_old_one_ends() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    for _ in 0..30 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(1000000))", []).unwrap();
    }
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut options = Options::new(&db);
    options.sync_interval = Duration::from_millis(20);
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(options, store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (db, stop) = (db.clone(), stop.clone());
        std::thread::spawn(move || {
            let app = Connection::open(&db).unwrap();
            app.busy_timeout(Duration::from_secs(10)).unwrap();
            while !stop.load(Ordering::Relaxed) {
                app.execute("UPDATE t SET x = randomblob(5000) WHERE id = (abs(random()) % 30) + 1", []).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    for _ in 0..5 {
        replicator.snapshot().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    replicator.shutdown().await.unwrap();
    let reasons = reasons(&events);
    assert!(reasons.len() >= 6 && reasons[0] == Reason::First, "{reasons:?}");
    assert!(model::restore(&store).await == model::pages_of(&app));
    let generations = replica::generations(&*store).await.unwrap();
    assert_eq!(generations.len(), reasons.len());
    for pair in generations.windows(2) {
        let (old, new) = (model::restore_generation(&store, pair[0]).await, model::snapshot(&store, pair[1]).await);
        assert!(old == new, "the old generation ends where the new one begins");
    }
}

/// The same session of an application, with a replicator that is told to fail once; returns how often the store was
/// asked.
///
/// `crash`: after the failure the replicator is dropped and another one started, as after `kill -9`; otherwise the same
/// one goes on.
async fn session_with_one_fault(n: u64, when: When, crash: bool) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let memory = Replica::plain(Arc::new(MemoryStore::new()));
    let faulty = Arc::new(FaultyStore::new(memory.store().clone()));
    let store = Replica::plain(faulty.clone());
    faulty.fail_nth(n, when);
    let (hooks, events) = listening();
    // A small budget, so that one of the segments does not fit into memory.
    let options = || {
        let mut options = manual(&db);
        options.memory_budget = 100_000;
        options
    };
    let mut replicator = None;
    let mut step = 0;
    while step < 8 {
        // Nothing is committed twice: a step that failed is tried again without writing.
        if replicator.is_none() {
            match Replicator::start(options(), store.clone(), hooks.clone()).await {
                Ok(started) => replicator = Some(started),
                // The one that was dropped has not ended yet.
                Err(error) if error.kind() == Kind::Locked => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
                    continue;
                }
            }
        }
        let outcome = match (&mut replicator, step) {
            (Some(replicator), 3) => replicator.snapshot().await,
            (Some(replicator), _) => replicator.sync().await.map(drop),
            (None, _) => unreachable!("it was started above"),
        };
        match outcome {
            Ok(()) => {
                assert!(model::restore(&memory).await == model::pages_of(&app), "n = {n}, {when:?}, step {step}");
                step += 1;
                let sql = format!("INSERT INTO t(x) VALUES (randomblob({}))", if step == 5 { 200_000 } else { 9000 });
                app.execute(&sql, []).unwrap();
                if step == 6 {
                    app.execute_batch("DELETE FROM t WHERE id > 2; VACUUM").unwrap();
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
                if crash {
                    replicator = None;
                }
            }
        }
    }
    if let Some(mut replicator) = replicator
        && let Err(error) = replicator.shutdown().await
    {
        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
        replicator = Replicator::start(options(), store.clone(), hooks.clone()).await.unwrap();
        replicator.shutdown().await.unwrap();
    }
    assert!(model::restore(&memory).await == model::pages_of(&app), "n = {n}, {when:?}, at the end");
    let lost = reasons(&events).iter().any(|reason| !matches!(reason, Reason::First | Reason::Requested));
    assert!(!lost, "n = {n}, {when:?}: a generation was begun without need: {:?}", reasons(&events));
    faulty.requests()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failed_request_loses_or_doubles_anything() {
    for crash in [false, true] {
        for when in [When::Before, When::After] {
            let mut n = 1;
            while session_with_one_fault(n, when, crash).await >= n {
                n += 1;
            }
            assert!(n > 20, "only {n} requests");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_refused_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    Connection::open(&db).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let memory = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let refused = Replicator::start(manual(&db), Replica::plain(memory.clone()), Hooks::default()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Database, "db.not_wal"));
    assert_eq!(memory.requests(), 0);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a.db"]);
    let mut converting = manual(&db);
    converting.set_wal = true;
    let mut replicator = Replicator::start(converting, Replica::plain(memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_database_asks_the_store_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let _app = application(&db, 4096);
    let counted = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut replicator =
        Replicator::start(Options::new(&db), Replica::plain(counted.clone()), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    let before = counted.requests();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(counted.requests(), before);
    replicator.shutdown().await.unwrap();
    assert_eq!(counted.requests(), before, "nothing was left to say");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_begins_by_itself_when_the_segments_outweigh_the_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(manual(&db), store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let mut rollovers = 0;
    for _ in 0..30 {
        app.execute("INSERT OR REPLACE INTO t(id, x) VALUES (1, randomblob(100000))", []).unwrap();
        replicator.sync().await.unwrap();
        rollovers += u32::from(replicator.rollover_if_due().await.unwrap());
    }
    // 3 MB of segments, and never less than 1 MiB between two snapshots.
    assert!((1..=2).contains(&rollovers), "{rollovers}");
    assert!(reasons(&events)[1..].iter().all(|reason| *reason == Reason::Outweighed), "{:?}", reasons(&events));
    assert_eq!(model::restore(&store).await, model::pages_of(&app));
    replicator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_begins_on_schedule_if_anything_changed() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let (hooks, events) = listening();
    let mut options = manual(&db);
    options.snapshot_interval = Some(Duration::from_millis(50));
    let mut replicator = Replicator::start(options, store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(!replicator.rollover_if_due().await.unwrap(), "nothing changed");
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    replicator.sync().await.unwrap();
    assert!(replicator.rollover_if_due().await.unwrap());
    assert!(!replicator.rollover_if_due().await.unwrap(), "it is too early for another");
    assert_eq!(reasons(&events), [Reason::First, Reason::Interval]);
    assert_eq!(model::restore(&store).await, model::pages_of(&app));
    replicator.shutdown().await.unwrap();
}

/// Two databases given one destination by mistake: the second must not become what a restore of the first gives back.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_does_not_take_the_place_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one.db"), dir.path().join("two.db"));
    let app = application(&one, 4096);
    for _ in 0..20 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    }
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut first = Replicator::start(manual(&one), store.clone(), Hooks::default()).await.unwrap();
    first.sync().await.unwrap();
    first.shutdown().await.unwrap();
    let other = application(&two, 4096);
    other.execute("INSERT INTO t(x) VALUES ('other')", []).unwrap();
    let refused = Replicator::start(manual(&two), store.clone(), Hooks::default()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Usage, "replica.another_database"));
    assert_eq!(model::restore(&store).await, model::pages_of(&app));
    // The same database whose state directory was lost is known by its pages.
    std::fs::remove_dir_all(engine::default_state_dir(&one)).unwrap();
    app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    let (hooks, events) = listening();
    let mut again = Replicator::start(manual(&one), store.clone(), hooks).await.unwrap();
    again.sync().await.unwrap();
    assert_eq!(reasons(&events), [], "and gone on with");
    assert_eq!(model::restore(&store).await, model::pages_of(&app));
    again.shutdown().await.unwrap();
}
