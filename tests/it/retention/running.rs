//! Retention beside everything else: a writer, a replicator that enforces it by itself, and restores.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use waloy::engine::{Event, Options, Replicator};
use waloy::replica::{Replica, generations};
use waloy::restore::{self, Output, Target, restore};
use waloy::retention::Policy;
use waloy::storage::DirStore;
use waloy::units::Timestamp;
use waloy::verify::{self, Level, Subset};
use waloy::{BackupConfig, BackupManager, Destination};

use crate::engine::{application, listening, manual};

fn now() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

/// Commits without a pause: row n of `t` is commit n.
fn writer(db: &Path, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<i64>> {
    let app = application(db, 4096);
    std::thread::spawn(move || {
        let mut times = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            app.execute("INSERT INTO t (x) VALUES (randomblob(300))", []).unwrap();
            times.push(now());
            if times.len() % 8 == 0 {
                app.execute("DELETE FROM t WHERE id < (SELECT max(id) FROM t) - 50", []).unwrap();
                app.execute("INSERT INTO t (x) VALUES (randomblob(300))", []).unwrap();
                times.push(now());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        times
    })
}

/// The commit that a restored database ends with; it is whole.
fn last_commit(db: &Path) -> i64 {
    let restored = Connection::open(db).unwrap();
    let check: String = restored.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let (first, last, rows): (i64, i64, i64) = restored
        .query_row("SELECT ifnull(min(id), 1), ifnull(max(id), 0), count(*) FROM t", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(last - first + 1, rows, "no commit is missing between the first and the last");
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_beside_a_retention_of_seconds_never_fail_and_are_true() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let store = Replica::plain(Arc::new(DirStore::new(dir.path().join("replica"))));
    let stop = Arc::new(AtomicBool::new(false));
    let writing = writer(&db, stop.clone());
    let (hooks, events) = listening();
    let mut options = Options::new(&db);
    options.sync_interval = Duration::from_millis(100);
    options.snapshot_interval = Some(Duration::from_secs(1));
    let grace = Duration::from_secs(1);
    options.retention = Some(Policy { grace, ..Policy::new(Some(Duration::from_secs(6))) });
    let mut replicator = Replicator::start(options, store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let began = now();
    let ended = Arc::new(AtomicI64::new(0));
    let restoring = (0..4).map(|who| {
        let (store, ended, dir) = (store.clone(), ended.clone(), dir.path().to_owned());
        tokio::spawn(async move {
            let mut restored = Vec::new();
            for round in 0.. {
                if ended.load(Ordering::Relaxed) > 0 {
                    return restored;
                }
                // Some seconds within the retention, so that a slow machine does not leave it on the way.
                let asked = began.max(now() - (who * 1000 + round * 37 % 1000));
                let target = if round % 5 == 0 { Target::Latest } else { Target::Time(Timestamp(asked)) };
                let path = dir.join(format!("{who}-{round}.db"));
                let done = restore(&store, target, &Output::new(&path), &restore::Options::default()).await;
                let done = done.unwrap_or_else(|error| panic!("{target:?} in round {round}: {error}"));
                restored.push((target, done.plan.at, last_commit(&path)));
                std::fs::remove_file(&path).unwrap();
            }
            unreachable!("the rounds have no end")
        })
    });
    let restoring: Vec<_> = restoring.collect();
    tokio::time::sleep(Duration::from_secs(12)).await;
    ended.store(1, Ordering::Relaxed);
    let mut restored = Vec::new();
    for each in restoring {
        restored.extend(each.await.unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    let times = writing.join().unwrap();
    replicator.shutdown().await.unwrap();
    assert!(restored.len() > 20, "{}", restored.len());
    for (target, at, last) in restored {
        if let Target::Time(asked) = target {
            assert!(at <= asked && last > 0);
            // Committed, and so counted, before the time that the state was given.
            assert!(times[last as usize - 1] <= at.0 + 1000, "{asked}: commit {last}");
        }
    }
    let pruned = |event: &Event| if let Event::Pruned(report) = event { Some(report.clone()) } else { None };
    let reports: Vec<_> = events.lock().unwrap().iter().filter_map(pruned).collect();
    assert!(reports.iter().all(|report| report.is_complete()), "{reports:?}");
    assert!(reports.iter().map(|report| report.generations).sum::<u64>() >= 2, "{reports:?}");
    let everything = Level::ReadData(Subset::All);
    let verified = verify::verify(&store, everything, &verify::Options::default()).await.unwrap();
    assert!(verified.ok(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replicator_that_is_driven_by_calls_lets_go_of_nothing_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(DirStore::new(dir.path().join("replica"))));
    let mut options = manual(&db);
    options.retention = Some(Policy { grace: Duration::ZERO, ..Policy::new(Some(Duration::ZERO)) });
    let mut replicator = Replicator::start(options, store.clone(), Default::default()).await.unwrap();
    for _ in 0..3 {
        app.execute("INSERT INTO t (x) VALUES (1)", []).unwrap();
        replicator.snapshot().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(generations(&*store).await.unwrap().len(), 3);
    let report = replicator.enforce_retention().await.unwrap().unwrap();
    assert_eq!((report.generations, report.is_complete()), (2, true));
    assert_eq!(generations(&*store).await.unwrap().len(), 1);
    app.execute("INSERT INTO t (x) VALUES (2)", []).unwrap();
    replicator.shutdown().await.unwrap();
    let output = dir.path().join("restored.db");
    restore(&store, Target::Latest, &Output::new(&output), &restore::Options::default()).await.unwrap();
    let rows: i64 =
        Connection::open(&output).unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_application_a_duration_is_enforced_when_it_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let _app = application(&db, 4096);
    let config = BackupConfig {
        db_path: db,
        destination: Some(Destination::Directory(dir.path().join("replica"))),
        ..BackupConfig::default()
    };
    for retention_duration in [None, Some(Duration::from_secs(30 * 86_400))] {
        let mut backup = BackupManager::new(BackupConfig { retention_duration, ..config.clone() }).await.unwrap();
        backup.snapshot().await.unwrap();
        let report = backup.enforce_retention().await.unwrap();
        assert_eq!((report.objects, report.generations, report.is_complete()), (0, 0, true));
        backup.shutdown().await.unwrap();
    }
}
