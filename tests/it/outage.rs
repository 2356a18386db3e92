//! A store that is away, refuses, or comes back as another: the application goes on, limits hold, and afterwards
//! everything is there.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use waloy::Kind;
use waloy::engine::{Event, Hooks, Options, Replicator};
use waloy::format::Reason;
use waloy::replica::{self, Name, ObjectReader, Replica};
use waloy::restore::{self, Absence, Error, Target};
use waloy::storage::{Depth, DirStore, ErrorKind, MemoryStore, PartSize, Retry, S3Options, S3Store};
use waloy::testing::faulty::{FaultyStore, Operation, When};
use waloy::units::{SegmentIndex, Timestamp};

use crate::engine::{application, listening};
use crate::model;
use crate::s3_server::{S3Server, Trouble};

/// Waits for what the replicator does by itself.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(40), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Uploads by itself every 20 ms.
fn quick(db: &Path) -> Options {
    let mut options = Options::new(db);
    options.sync_interval = Duration::from_millis(20);
    options
}

fn insert(app: &Connection, bytes: u32) {
    app.execute("INSERT INTO t(x) VALUES (randomblob(?1))", [bytes]).unwrap();
}

async fn level(replicator: &Replicator) {
    until("the replica is level", || replicator.status().is_level() && replicator.status().degraded.is_none()).await;
}

fn count(events: &Mutex<Vec<Event>>, is: impl Fn(&Event) -> bool) -> usize {
    events.lock().unwrap().iter().filter(|event| is(event)).count()
}

fn retries(events: &Mutex<Vec<Event>>) -> usize {
    count(events, |event| matches!(event, Event::Retry { .. }))
}

/// Everything in the store, to the byte.
async fn objects(store: &Replica) -> Vec<(String, bytes::Bytes)> {
    let listed = store.list("", None, Depth::All).await.unwrap();
    assert_eq!(listed.next, None);
    let mut objects = Vec::new();
    for object in listed.objects {
        objects.push((object.key.clone(), store.get(&object.key, u64::MAX).await.unwrap()));
    }
    objects
}

/// A server with retries that end soon, so that the replicator is told.
async fn open(server: &S3Server) -> Replica {
    let part_size = PartSize { first: 5 << 20, ..PartSize::default() };
    let retry = Retry { tries: 3, first: Duration::from_millis(5), ..Retry::default() };
    let options = S3Options { part_size, retry, ..server.options() };
    let store = S3Store::open(&server.bucket, "app", &options).await.unwrap();
    Replica::plain(Arc::new(waloy::storage::Retrying::new(Arc::new(store), retry)))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_together_in_an_outage_goes_up_as_one_segment_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let honest = Replica::plain(Arc::new(MemoryStore::new()));
    let faulty = Arc::new(FaultyStore::new(honest.store().clone()));
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(quick(&db), Replica::plain(faulty.clone()), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    faulty.set_down(true);
    // The first one was sealed before it was known that the store is away.
    insert(&app, 9000);
    until("it fails", || retries(&events) > 0).await;
    for _ in 0..20 {
        insert(&app, 9000);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("it says that it is behind", || replicator.status().degraded.is_some()).await;
    faulty.set_down(false);
    level(&replicator).await;
    assert_eq!(count(&events, |event| matches!(event, Event::Degraded { .. })), 1);
    assert_eq!(count(&events, |event| matches!(event, Event::Recovered { .. })), 1);
    insert(&app, 9000);
    replicator.sync().await.unwrap();
    let status = replicator.status();
    assert_eq!(status.index.map(SegmentIndex::get), Some(2), "one before, one for the outage, one after");
    assert!(model::restore(&honest).await == model::pages_of(&app));
    replicator.shutdown().await.unwrap();

    let generation = status.generation.unwrap();
    let mut summaries = Vec::new();
    for index in 0..3 {
        let name = Name::Segment(generation, SegmentIndex::new(index).unwrap());
        let size = honest.head(&name.key()).await.unwrap().size;
        summaries.push(ObjectReader::open(&honest, name, size).await.unwrap().outline().summary.clone());
    }
    let [before, outage, after] = &summaries[..] else { unreachable!("three were read") };
    assert_eq!(outage.transactions, 20);
    assert_eq!([before, outage, after].map(|summary| summary.flags.outage), [false, true, false]);
    assert_eq!((before.unobserved, after.unobserved), (None, None));
    assert_eq!(outage.unobserved, Some((before.last_time, outage.last_time)));
    // Whoever asks for a moment of it is told.
    let moment = Timestamp(before.last_time.0 + 1);
    let planned = restore::plan(&honest, Target::Time(moment)).await.unwrap();
    assert_eq!(planned.gap.map(|gap| gap.why), Some(Absence::Outage));
    let refused = restore::plan(&honest, Target::StrictTime(moment)).await.unwrap_err();
    assert!(matches!(refused, Error::InGap { .. }), "{refused}");
    let listed = restore::survey(&honest).await.unwrap().gaps;
    assert!(listed.iter().any(|gap| Some(*gap) == planned.gap), "{listed:?}");
}

/// At each try the pages of a large segment were read, hashed and compressed, to find that they cannot be sent.
#[tokio::test(flavor = "multi_thread")]
async fn in_an_outage_nothing_is_made_that_cannot_be_sent() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let honest = Replica::plain(Arc::new(MemoryStore::new()));
    let faulty = Arc::new(FaultyStore::new(honest.store().clone()));
    let mut options = quick(&db);
    options.memory_budget = 100_000;
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(options, Replica::plain(faulty.clone()), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let uploads = faulty.requests_of(Operation::Upload);
    faulty.set_down(true);
    insert(&app, 9000);
    until("the first one fails", || retries(&events) > 0).await;
    (0..5).for_each(|_| insert(&app, 500_000));
    until("it is tried some more times", || retries(&events) > 3).await;
    assert_eq!(faulty.requests_of(Operation::Upload), uploads);
    faulty.set_down(false);
    level(&replicator).await;
    assert!(faulty.requests_of(Operation::Upload) > uploads);
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&honest).await == model::pages_of(&app));
}

/// A store that takes requests and does not answer them: until the last try of the first one had run out of time, which is
/// minutes, nobody said that the replica was behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_told_of_before_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(quick(&db), Replica::plain(faulty.clone()), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    faulty.set_delay(Duration::from_secs(3));
    insert(&app, 9000);
    until("it says that it is behind", || replicator.status().degraded.is_some()).await;
    assert!(!replicator.status().is_level());
    assert_eq!(replicator.status().degraded.unwrap().error, "the store has not answered for 1 s");
    faulty.set_delay(Duration::ZERO);
    level(&replicator).await;
    assert_eq!((retries(&events), count(&events, |event| matches!(event, Event::Recovered { .. }))), (0, 1));
    replicator.shutdown().await.unwrap();
}

/// Writes so many small transactions a second until it is stopped; says how many there were, and what went wrong.
fn writer(
    db: &Path,
    stop: &Arc<AtomicBool>,
    commits: &Arc<AtomicU32>,
) -> std::thread::JoinHandle<rusqlite::Result<()>> {
    let (db, stop, commits) = (db.to_owned(), stop.clone(), commits.clone());
    std::thread::spawn(move || {
        let app = Connection::open(&db)?;
        // As any application has it; longer than a checkpoint's last step.
        app.busy_timeout(Duration::from_secs(1))?;
        app.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")?;
        let began = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            app.execute("INSERT INTO t(x) VALUES (randomblob(3000))", [])?;
            let done = commits.fetch_add(1, Ordering::Relaxed) + 1;
            let due = Duration::from_millis(2) * done;
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        Ok(())
    })
}

fn bytes_in(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// The largest sizes seen while something lasts: of the WAL, and of the state directory.
async fn watch(db: &Path, duration: Duration) -> (u64, u64) {
    let (began, wal) = (Instant::now(), waloy::db::beside(db, "-wal"));
    let (mut largest, mut state) = (0, 0);
    while began.elapsed() < duration {
        largest = largest.max(std::fs::metadata(&wal).map_or(0, |meta| meta.len()));
        state = state.max(bytes_in(&waloy::engine::default_state_dir(db)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (largest, state)
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_an_outage_keeps_its_limits_and_the_application_gets_no_error() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = open(&server).await;
    let mut options = quick(&db);
    // So that a few seconds are a long outage.
    (options.memory_budget, options.checkpoint_threshold) = (1 << 20, 1 << 20);
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(options, store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writing = writer(&db, &stop, &commits);
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.be(Trouble::Gone);
    let before = commits.load(Ordering::Relaxed);
    let (wal, state) = watch(&db, Duration::from_secs(8)).await;
    let written = u64::from(commits.load(Ordering::Relaxed) - before) * 4096;
    assert!(written > 8 << 20, "only {written} bytes were written meanwhile");
    server.be_well();
    level(&replicator).await;
    stop.store(true, Ordering::Relaxed);
    writing.join().unwrap().expect("the application got no error");
    replicator.shutdown().await.unwrap();
    assert!(wal < 8 << 20, "the WAL grew to {wal} bytes");
    // A sealed segment, and two tables of page hashes.
    assert!(state < 8 << 20, "the state directory grew to {state} bytes");
    assert_eq!(count(&events, |event| matches!(event, Event::Degraded { .. })), 1);
    assert_eq!(
        count(&events, |event| matches!(event, Event::Generation { reason, .. } if *reason != Reason::Outweighed)),
        1
    );
    assert!(model::restore(&store).await == model::pages_of(&app));
}

/// Those whose snapshots wait for a store that is away kept their turns, and with as many as there are of these nobody else
/// got a snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_one_store_keeps_no_database_of_another_from_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let database = |name: String| {
        let db = dir.path().join(name);
        let app = application(&db, 4096);
        insert(&app, 3_000_000);
        (db, app)
    };
    let (mut waiting, mut away) = (Vec::new(), Vec::new());
    for n in 0..10 {
        let (db, app) = database(format!("{n}.db"));
        let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
        let replicator = Replicator::start(quick(&db), Replica::plain(faulty.clone()), Hooks::default()).await.unwrap();
        // The upload is begun, and comes to nothing from here on.
        faulty.set_down(true);
        waiting.push((replicator, app));
        away.push(faulty);
    }
    until("they wait", || waiting.iter().all(|(waits, _)| waits.status().degraded.is_some())).await;
    let (db, app) = database("other.db".into());
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut replicator = Replicator::start(quick(&db), store.clone(), Hooks::default()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), replicator.sync()).await.unwrap().unwrap();
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
    away.iter().for_each(|faulty| faulty.set_down(false));
    for (mut replicator, _) in waiting {
        replicator.shutdown().await.unwrap();
    }
}

/// An outage threw everything away that had been uploaded of a snapshot: a large database never got its first one.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_goes_on_where_an_outage_stopped_it() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    (0..30).for_each(|_| insert(&app, 1_000_000));
    let store = open(&server).await;
    let (hooks, events) = listening();
    let parts =
        || server.requests().iter().filter(|line| line.starts_with("PUT") && line.contains("partNumber=")).count();
    let replicator = Replicator::start(quick(&db), store.clone(), hooks);
    let (started, ()) = tokio::join!(replicator, until("the first part is on its way", || parts() > 0));
    let mut replicator = started.unwrap();
    server.be(Trouble::Gone);
    until("it is behind", || replicator.status().degraded.is_some()).await;
    // Capture does not stand still meanwhile: the WAL is started over again and again.
    for _ in 0..40 {
        app.execute("UPDATE t SET x = randomblob(1000000) WHERE id = (abs(random()) % 30) + 1", []).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let wal = std::fs::metadata(waloy::db::beside(&db, "-wal")).unwrap().len();
    assert!(wal < 24 << 20, "40 MB were written, and the WAL has {wal} bytes");
    assert_eq!(replicator.status().snapshots, 0);
    server.be_well();
    level(&replicator).await;
    assert!(retries(&events) > 0);
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
    let begun = server.requests().iter().filter(|line| line.starts_with("POST") && line.contains("?uploads")).count();
    assert_eq!((begun, server.parts()), (1, 0), "it is the upload that was begun before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_goes_on_after_an_error_at_any_of_its_writes() {
    for (kind, when) in [
        (ErrorKind::Unavailable, When::Before),
        (ErrorKind::Unavailable, When::After),
        (ErrorKind::Denied, When::Before),
        (ErrorKind::NoBucket, When::Before),
    ] {
        for n in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let db = dir.path().join("a.db");
            let app = application(&db, 4096);
            insert(&app, 3_000_000);
            let honest = Replica::plain(Arc::new(MemoryStore::new()));
            let faulty = Arc::new(FaultyStore::new(honest.store().clone()));
            faulty.fail_nth_of(Operation::Write, n, when, kind);
            let mut replicator =
                Replicator::start(quick(&db), Replica::plain(faulty.clone()), Hooks::default()).await.unwrap();
            until("there is a snapshot", || replicator.status().snapshots > 0).await;
            insert(&app, 5000);
            replicator.shutdown().await.unwrap();
            assert_eq!(faulty.requests_of(Operation::Upload), 1, "write {n}, {kind:?}, {when:?}");
            assert!(model::restore(&honest).await == model::pages_of(&app), "write {n}, {kind:?}, {when:?}");
            if faulty.pending() > 0 {
                assert!(n > 3, "only {n} writes");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_throttles_is_not_pressed_and_nothing_is_lost() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = open(&server).await;
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(quick(&db), store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    server.be(Trouble::Says(503, "SlowDown"));
    let before = server.requests().len();
    for _ in 0..30 {
        insert(&app, 9000);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (asked, failed) = (server.requests().len() - before, retries(&events));
    // Three tries, and then a pause that grows: half a second, then a second.
    assert!(failed >= 2 && asked <= 3 * (failed + 1) && asked < 20, "{asked} requests, {failed} failures");
    server.be_well();
    level(&replicator).await;
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_comes_back_is_gone_on_with_and_a_new_one_gets_everything() {
    for emptied in [false, true] {
        let server = S3Server::start();
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, 4096);
        insert(&app, 100_000);
        let store = open(&server).await;
        let (hooks, events) = listening();
        let mut replicator = Replicator::start(quick(&db), store.clone(), hooks).await.unwrap();
        replicator.sync().await.unwrap();
        let (bucket, away) = (server.directory(), server.directory().with_extension("away"));
        std::fs::rename(&bucket, &away).unwrap();
        insert(&app, 9000);
        until("it is behind", || replicator.status().degraded.is_some()).await;
        let error = replicator.status().degraded.unwrap().error;
        assert!(error.contains("no such bucket"), "{error}");
        insert(&app, 9000);
        match emptied {
            false => std::fs::rename(&away, &bucket).unwrap(),
            true => std::fs::create_dir(&bucket).unwrap(),
        }
        level(&replicator).await;
        insert(&app, 9000);
        replicator.shutdown().await.unwrap();
        assert!(model::restore(&store).await == model::pages_of(&app), "emptied: {emptied}");
        let begun = count(&events, |event| matches!(event, Event::Generation { .. }));
        assert_eq!((begun, replica::generations(&*store).await.unwrap().len()), (1 + usize::from(emptied), 1));
    }
}

/// A replicator that was started while the store was away waited for it, and meanwhile nobody checkpointed the WAL of an
/// application that leaves that to waloy.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_an_outage_keeps_the_wal_short_and_says_so() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    // Much of it stays as it is: otherwise a snapshot would cost no more than the difference.
    (0..20).for_each(|_| insert(&app, 1_000_000));
    let store = open(&server).await;
    let mut options = quick(&db);
    (options.memory_budget, options.checkpoint_threshold) = (1 << 20, 1 << 20);
    let mut replicator = Replicator::start(options.clone(), store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    // As by `kill -9`: nothing is said to the store.
    server.be(Trouble::Gone);
    replicator.shutdown().await.unwrap();
    drop(replicator);
    let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writing = writer(&db, &stop, &commits);
    let (hooks, events) = listening();
    let starting = tokio::spawn(Replicator::start(options, store.clone(), hooks));
    let (wal, _) = watch(&db, Duration::from_secs(6)).await;
    assert!(!starting.is_finished() && commits.load(Ordering::Relaxed) > 2000);
    assert!(wal < 8 << 20, "the WAL grew to {wal} bytes");
    assert_eq!(count(&events, |event| matches!(event, Event::Degraded { .. })), 1);
    server.be_well();
    let mut replicator = starting.await.unwrap().unwrap();
    level(&replicator).await;
    stop.store(true, Ordering::Relaxed);
    writing.join().unwrap().expect("the application got no error");
    replicator.shutdown().await.unwrap();
    assert_eq!(count(&events, |event| matches!(event, Event::Recovered { .. })), 1);
    assert!(model::restore(&store).await == model::pages_of(&app));
}

/// A replicator whose bucket is away, and where that is.
async fn behind(server: &S3Server, dir: &Path) -> (Connection, Replicator, std::path::PathBuf) {
    let bucket = server.directory();
    let db = dir.join("a.db");
    let app = application(&db, 4096);
    insert(&app, 100_000);
    let replicator = Replicator::start(quick(&db), open(server).await, Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    let away = bucket.with_extension("mine");
    std::fs::rename(&bucket, &away).unwrap();
    insert(&app, 9000);
    until("it is behind", || replicator.status().degraded.is_some()).await;
    (app, replicator, away)
}

/// What comes back under the name of the bucket is not what went: nothing is written there.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_comes_back_as_that_of_another_is_left_alone() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let (bucket, away) = (server.directory(), server.directory().with_extension("away"));
    let store = open(&server).await;
    let others = dir.path().join("others.db");
    let other = application(&others, 4096);
    insert(&other, 50_000);
    let mut replicator = Replicator::start(quick(&others), store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    std::fs::rename(&bucket, &away).unwrap();
    std::fs::create_dir(&bucket).unwrap();
    let (_app, mut replicator, _) = behind(&server, dir.path()).await;
    std::fs::rename(&away, &bucket).unwrap();
    let before = objects(&store).await;
    let refused = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match replicator.sync().await {
                Err(error) if error.kind() == Kind::Locked => return,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    refused.await.unwrap();
    let _ = replicator.shutdown().await;
    assert_eq!(objects(&store).await, before);
    assert!(model::restore(&store).await == model::pages_of(&other));
}

/// Without its ids nothing of it could be read, and nobody else has them any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_comes_back_without_its_ids_gets_them_from_the_replicator() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let store = open(&server).await;
    let (app, mut replicator, away) = behind(&server, dir.path()).await;
    std::fs::remove_file(away.join("app").join(replica::REPLICA)).unwrap();
    std::fs::rename(&away, server.directory()).unwrap();
    level(&replicator).await;
    insert(&app, 9000);
    replicator.shutdown().await.unwrap();
    assert!(model::restore(&store).await == model::pages_of(&app));
    assert_eq!(replica::generations(&*store).await.unwrap().len(), 1);
}

/// A directory that was taken away was made anew, and what came after it lay there without its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_goes_away_gets_everything_when_it_is_made_anew() {
    for replaced in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (db, root) = (dir.path().join("a.db"), dir.path().join("replica"));
        let app = application(&db, 4096);
        insert(&app, 100_000);
        let store = Replica::plain(Arc::new(DirStore::new(&root)));
        let (hooks, events) = listening();
        let mut replicator = Replicator::start(quick(&db), store.clone(), hooks).await.unwrap();
        replicator.sync().await.unwrap();
        std::fs::rename(&root, dir.path().join("away")).unwrap();
        if replaced {
            std::fs::create_dir(&root).unwrap();
        }
        insert(&app, 9000);
        until("there is a generation", || count(&events, |event| matches!(event, Event::Generation { .. })) > 1).await;
        level(&replicator).await;
        insert(&app, 9000);
        replicator.shutdown().await.unwrap();
        assert!(model::restore(&store).await == model::pages_of(&app), "replaced: {replaced}");
        assert_eq!(replica::generations(&*store).await.unwrap().len(), 1);
    }
}

/// Segments went on being put into a generation of which nothing was left, and could never be restored.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_under_a_replicator_is_noticed_at_the_next_look() {
    for all in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, 4096);
        insert(&app, 100_000);
        let store = Replica::plain(Arc::new(MemoryStore::new()));
        let mut options = quick(&db);
        options.rival_check = Duration::ZERO;
        let mut replicator = Replicator::start(options.clone(), store.clone(), Hooks::default()).await.unwrap();
        insert(&app, 9000);
        replicator.sync().await.unwrap();
        replicator.shutdown().await.unwrap();
        // In its first seconds a replica is looked at otherwise.
        let (hooks, events) = listening();
        let mut replicator = Replicator::start(options, store.clone(), hooks).await.unwrap();
        let generation = replica::generations(&*store).await.unwrap()[0];
        match all {
            true => {
                for (key, _) in objects(&store).await {
                    store.delete(&key).await.unwrap();
                }
            }
            false => store.delete(&Name::Snapshot(generation).key()).await.unwrap(),
        }
        insert(&app, 9000);
        until("there is a generation", || count(&events, |event| matches!(event, Event::Generation { .. })) > 0).await;
        level(&replicator).await;
        insert(&app, 9000);
        replicator.shutdown().await.unwrap();
        assert!(model::restore(&store).await == model::pages_of(&app), "all: {all}");
    }
}
