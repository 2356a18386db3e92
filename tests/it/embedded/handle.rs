//! The handle: what it acknowledges, how callers share uploads, how it ends.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use waloy::storage::MemoryStore;
use waloy::testing::faulty::FaultyStore;
use waloy::{BackupConfig, BackupHandle, BackupManager, Destination, Kind};

use super::{application, config, copy_all, insert, names};
use crate::workload::Place;

const HOUR: Duration = Duration::from_secs(3600);

/// Waits for something that happens in the background.
async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within ten seconds");
}

#[test]
fn futures_and_handles_go_to_other_threads() {
    fn send<T: Send>(_: &T) {}
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<BackupHandle>();
    // Never called: that it compiles is the test.
    let _ = |config: BackupConfig, mut manager: BackupManager, handle: BackupHandle| {
        send(&BackupManager::restore_with_config(&config, "a"));
        send(&BackupManager::restore_to_time_with_config(&config, "a", 0));
        send(&BackupManager::restore(&config.s3, "a"));
        send(&BackupManager::restore_to_time(&config.s3, "a", 0));
        send(&BackupManager::new(config));
        send(&manager.sync_wal());
        send(&manager.maybe_snapshot());
        send(&manager.snapshot());
        send(&manager.checkpoint());
        send(&manager.shutdown());
        send(&handle.sync());
        send(&handle.snapshot());
        send(&handle.checkpoint());
        send(&handle.ended());
        send(&handle.shutdown());
    };
}

#[tokio::test(flavor = "current_thread")]
async fn a_handle_uploads_by_itself_and_is_asked_from_many_places_on_one_thread() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("app.db"));
    let config = BackupConfig { sync_interval: Duration::from_millis(20), ..config(dir.path()) };
    let backup = BackupManager::new(config.clone()).await.unwrap().spawn();
    insert(&app, "by itself");
    until("an upload that nobody asked for", || backup.status().segments > 0).await;
    insert(&app, "asked for");
    let position = backup.sync().await.unwrap();
    assert_eq!(backup.status().position, Some(position));
    assert_eq!(backup.sync().await.unwrap(), position, "nothing was committed since");
    tokio::time::sleep(Duration::from_millis(5)).await;
    insert(&app, "too late for the position");
    let report = backup.clone().shutdown().await.unwrap();
    assert_eq!((report.commits, report.pending), (3, 0));
    assert_eq!(backup.shutdown().await.unwrap(), report, "a second shutdown is the same end");
    assert_eq!(backup.sync().await.unwrap_err().code(), "engine.ended");

    let (all, then) = (dir.path().join("all.db"), dir.path().join("then.db"));
    BackupManager::restore_with_config(&config, &all).await.unwrap();
    assert_eq!(names(&all), ["by itself", "asked for", "too late for the position"]);
    BackupManager::restore_to_time_with_config(&config, &then, position.timestamp_ms).await.unwrap();
    assert_eq!(names(&then), ["by itself", "asked for"]);
    let refused = BackupManager::restore_with_config(&config, &then).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::TargetExists);
    let key = BackupConfig { encryption_key: Some("a passphrase".into()), ..config };
    let open = BackupManager::restore_with_config(&key, dir.path().join("sealed.db")).await.unwrap_err();
    assert_eq!((open.code(), open.kind()), ("object.not_encrypted", Kind::Damaged));
}

/// By a time limit of the application, or a `select!`.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_may_be_dropped_at_any_point_and_tried_again_at_once() {
    for pauses in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let app = application(&dir.path().join("app.db"));
        insert(&app, "a");
        let mut start = Box::pin(BackupManager::new(config(dir.path())));
        let mut left = pauses;
        let started = std::future::poll_fn(|context| match start.as_mut().poll(context) {
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
            Poll::Ready(started) => Poll::Ready(Some(started)),
        })
        .await;
        drop(start);
        let is_over = started.is_some();
        drop(started);
        let again = BackupManager::new(config(dir.path())).await;
        let mut again = again.unwrap_or_else(|error| panic!("dropped in pause {pauses}: {error}"));
        again.shutdown().await.unwrap();
        let restored = dir.path().join("restored.db");
        BackupManager::restore_with_config(&config(dir.path()), &restored).await.unwrap();
        assert_eq!(names(&restored), ["a"], "dropped in pause {pauses}");
        if is_over {
            return;
        }
    }
}

/// Ten writers who wait for each of their commits: in series it would be an upload a commit.
#[tokio::test(flavor = "multi_thread")]
async fn callers_of_sync_share_uploads() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let _app = application(&db);
    let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    let destination = Some(Destination::Store(Arc::new(store.clone())));
    let config = BackupConfig { destination, sync_interval: HOUR, ..config(dir.path()) };
    let backup = BackupManager::new(config.clone()).await.unwrap().spawn();
    store.set_delay(Duration::from_millis(50));
    let mut writers = JoinSet::new();
    for writer in 0..10 {
        let (db, backup) = (db.clone(), backup.clone());
        writers.spawn(async move {
            let app = application(&db);
            for commit in 0..8 {
                insert(&app, &format!("{writer}-{commit}"));
                backup.sync().await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let stats = backup.status();
    assert_eq!(stats.commits, 80);
    assert!(stats.segments < 40, "80 calls of ten writers were answered by {} uploads", stats.segments);
    let copy = dir.path().join("copy.db");
    store.set_delay(Duration::ZERO);
    BackupManager::restore_with_config(&config, &copy).await.unwrap();
    assert_eq!(names(&copy).len(), 80);
    backup.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_told_to_everybody_who_waits_and_made_good() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("app.db"));
    let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    let destination = Some(Destination::Store(Arc::new(store.clone())));
    let config = BackupConfig { destination, sync_interval: Duration::from_millis(1), ..config(dir.path()) };
    let backup = BackupManager::new(config.clone()).await.unwrap().spawn();
    store.set_down(true);
    insert(&app, "during the outage");
    let (one, other) = tokio::join!(backup.sync(), backup.sync());
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Unavailable);
    }
    until("being behind", || backup.status().behind.is_some()).await;
    let behind = backup.status().behind.unwrap();
    assert!(behind.since_ms > 0 && !behind.error.is_empty() && !backup.status().level);
    store.set_down(false);
    until("being level again", || backup.status().level && backup.status().behind.is_none()).await;
    backup.shutdown().await.unwrap();
    let copy = dir.path().join("copy.db");
    BackupManager::restore_with_config(&config, &copy).await.unwrap();
    assert_eq!(names(&copy), ["during the outage"]);
}

/// A manager driven by calls has nobody but its callers to try again: their failures count.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_whose_calls_fail_says_that_it_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("app.db"));
    let store = FaultyStore::new(Arc::new(MemoryStore::new()));
    let destination = Some(Destination::Store(Arc::new(store.clone())));
    let config = BackupConfig { destination, sync_interval: Duration::from_millis(1), ..config(dir.path()) };
    let mut backup = BackupManager::new(config).await.unwrap();
    store.set_down(true);
    insert(&app, "one");
    backup.sync_wal().await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(10)).await;
    backup.sync_wal().await.unwrap_err();
    assert!(backup.stats().behind.is_some());
    store.set_down(false);
    assert!(backup.sync_wal().await.unwrap());
    assert_eq!(backup.stats().behind, None);
    backup.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_another_writer_has_taken_over_ends_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (here, other) = (dir.path().join("here"), dir.path().join("clone"));
    std::fs::create_dir(&here).unwrap();
    let app = application(&here.join("app.db"));
    insert(&app, "on both machines");
    let backup = BackupManager::new(config(&here)).await.unwrap().spawn();
    let generation = backup.status().position.unwrap().generation;
    // A clone of the machine goes on in the same place.
    assert!(Place::new(&here).spawn("copier", 0).wait().unwrap().success());
    let clone = application(&other.join("app.db"));
    let mut manager = BackupManager::new(config(&other)).await.unwrap();
    assert_eq!(manager.generation(), Some(generation));
    insert(&clone, "on the other one");
    assert!(manager.sync_wal().await.unwrap());
    manager.shutdown().await.unwrap();
    copy_all(&other.join("replica"), &here.join("replica"));
    insert(&app, "too late");
    assert_eq!(backup.ended().await.unwrap_err().kind(), Kind::Locked);
    for error in [backup.sync().await.unwrap_err(), backup.shutdown().await.unwrap_err()] {
        assert_eq!((error.kind(), error.code()), (Kind::Locked, "replica.overtaken"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_handle_the_backup_ends_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("app.db"));
    let config = BackupConfig { sync_interval: HOUR, ..config(dir.path()) };
    let backup = BackupManager::new(config.clone()).await.unwrap().spawn();
    insert(&app, "one");
    let position = backup.sync().await.unwrap();
    let clone = backup.clone();
    drop(backup);
    insert(&app, "two");
    assert_eq!(clone.sync().await.unwrap().generation, position.generation, "a clone keeps it at work");
    insert(&app, "three");
    let second = BackupManager::new(config.clone()).await.unwrap_err();
    assert_eq!(second.kind(), Kind::Locked);
    drop(clone);
    let mut next = None;
    for _ in 0..500 {
        match BackupManager::new(config.clone()).await {
            Ok(manager) => {
                next = Some(manager);
                break;
            }
            Err(error) => assert_eq!(error.kind(), Kind::Locked),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut next = next.unwrap();
    assert_eq!(next.generation(), Some(position.generation));
    assert_eq!(next.stats().snapshots, 0, "it went on where the other ended");
    next.shutdown().await.unwrap();
    let copy = dir.path().join("copy.db");
    BackupManager::restore_with_config(&config, &copy).await.unwrap();
    assert_eq!(names(&copy), ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_of_a_manager_does_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let app = application(&db);
    let config = BackupConfig { snapshot_interval: Some(Duration::from_millis(1)), ..config(dir.path()) };
    let mut backup = BackupManager::new(config).await.unwrap();
    let first = backup.generation().unwrap();
    let stats = backup.stats();
    assert_eq!((stats.commits, stats.segments, stats.snapshots, stats.behind), (0, 0, 1, None));
    let begin = stats.position.unwrap();
    assert_eq!((begin.generation, begin.index), (first, None));
    assert_eq!(begin.to_string(), format!("{first}:snapshot"));
    assert!(!backup.maybe_snapshot().await.unwrap(), "nothing was changed");

    insert(&app, "one");
    assert!(backup.sync_wal().await.unwrap());
    let stats = backup.stats();
    let position = stats.position.unwrap();
    assert_eq!((position.generation, position.index), (first, Some(0)));
    assert_eq!(position.to_string(), format!("{first}:0"));
    assert!(position.timestamp_ms >= begin.timestamp_ms);
    assert_eq!((stats.commits, stats.segments, stats.snapshots), (1, 1, 1));
    assert!(stats.bytes > 0 && stats.level);

    let file = || std::fs::metadata(&db).unwrap().len();
    app.execute("INSERT INTO items (name) VALUES (hex(zeroblob(100000)))", []).unwrap();
    let before = file();
    assert!(backup.checkpoint().await.unwrap(), "nobody is in the way");
    assert!(file() > before, "the WAL is in the file");
    app.execute_batch("BEGIN; SELECT * FROM items").unwrap();
    let other = application(&db);
    insert(&other, "while somebody reads");
    assert!(!backup.checkpoint().await.unwrap(), "a reader is in the way");
    app.execute_batch("COMMIT").unwrap();

    assert!(backup.maybe_snapshot().await.unwrap(), "the interval is over, and something was changed");
    let second = backup.generation().unwrap();
    assert!(second > first);
    backup.snapshot().await.unwrap();
    assert!(backup.generation().unwrap() > second);
    assert_eq!(backup.stats().snapshots, 3);
    backup.shutdown().await.unwrap();
    assert_eq!(backup.sync_wal().await.unwrap_err().code(), "engine.ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_is_shared_behind_a_mutex_with_a_loop() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("app.db"));
    let config = config(dir.path());
    let manager = Arc::new(Mutex::new(BackupManager::new(config.clone()).await.unwrap()));
    let looping = manager.clone();
    let background = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let mut manager = looping.lock().await;
            let _ = manager.sync_wal().await;
            let _ = manager.maybe_snapshot().await;
        }
    });
    for round in 0..20 {
        insert(&app, &round.to_string());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    manager.lock().await.shutdown().await.unwrap();
    background.abort();
    let copy = dir.path().join("copy.db");
    BackupManager::restore_with_config(&config, &copy).await.unwrap();
    assert_eq!(names(&copy).len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_that_cannot_be_honoured_is_refused_by_its_name_before_anything_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let _app = application(&dir.path().join("app.db"));
    let sound = config(dir.path());
    for (field, config) in [
        ("retention_duration", BackupConfig { retention_duration: Some(Duration::ZERO), ..sound.clone() }),
        ("encryption_key", BackupConfig { encryption_key: Some("short".into()), ..sound.clone() }),
        ("sync_interval", BackupConfig { sync_interval: Duration::ZERO, ..sound.clone() }),
        ("snapshot_interval", BackupConfig { snapshot_interval: Some(Duration::ZERO), ..sound.clone() }),
        ("checkpoint_threshold_bytes", BackupConfig { checkpoint_threshold_bytes: 0, ..sound.clone() }),
    ] {
        let error = BackupManager::new(config).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{field}");
        assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
        assert_eq!(error.hints().len(), 1, "{field}");
    }
    let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(entries.into_iter().all(|name| name.to_str().unwrap().starts_with("app.db")), "no replica was begun");
    assert!(!dir.path().join("app.db.waloy").exists());
}
