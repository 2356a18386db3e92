//! The library's face, as an application uses it: over S3, and over a directory.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use waloy::{BackupConfig, BackupManager, CompressionAlgorithm, Destination, Kind, S3Config};

use crate::s3_server::S3Server;

fn application(db: &Path) -> Connection {
    let app = Connection::open(db).unwrap();
    app.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000; PRAGMA wal_autocheckpoint = 0;
         CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT);",
    )
    .unwrap();
    app
}

fn names(db: &Path) -> Vec<String> {
    let restored = Connection::open(db).unwrap();
    let mut statement = restored.prepare("SELECT name FROM items ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn now_ms() -> i64 {
    waloy::clock::system().now().0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_backs_up_to_s3_and_gets_every_state_back() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let app = application(&db);
    let s3 = S3Config {
        endpoint: server.endpoint.clone(),
        region: "us-east-1".into(),
        bucket: server.bucket.clone(),
        access_key: server.access_key.clone(),
        secret_key: server.secret_key.clone(),
        prefix: "backups/myapp".into(),
    };
    let config = BackupConfig {
        db_path: db.clone(),
        s3: s3.clone(),
        sync_interval: Duration::from_secs(1),
        compression: CompressionAlgorithm::Lz4,
        ..Default::default()
    };
    let mut backup = BackupManager::new(config).await.unwrap();
    let generation = backup.generation().unwrap();
    app.execute("INSERT INTO items (name) VALUES (?1)", ["hello"]).unwrap();
    assert!(backup.sync_wal().await.unwrap());
    assert!(!backup.sync_wal().await.unwrap(), "nothing was committed since");
    assert!(!backup.maybe_snapshot().await.unwrap(), "nothing is due");
    let before = now_ms();
    tokio::time::sleep(Duration::from_millis(20)).await;
    app.execute("DELETE FROM items", []).unwrap();
    app.execute("INSERT INTO items (name) VALUES (?1)", ["again"]).unwrap();
    let report = backup.shutdown().await.unwrap();
    assert_eq!((report.commits, report.pending), (3, 0));
    assert_eq!(backup.sync_wal().await.unwrap_err().code(), "engine.ended");

    let (latest, past) = (dir.path().join("latest.db"), dir.path().join("past.db"));
    let restored = BackupManager::restore(&s3, &latest).await.unwrap();
    assert_eq!(restored.plan.generation, generation);
    assert_eq!(names(&latest), ["again"]);
    BackupManager::restore_to_time(&s3, &past, before).await.unwrap();
    assert_eq!(names(&past), ["hello"]);
    let refused = BackupManager::restore(&s3, &past).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::TargetExists);
    let early = BackupManager::restore_to_time(&s3, dir.path().join("early.db"), 1_000).await.unwrap_err();
    assert_eq!(early.kind(), Kind::NotCovered);
}

/// One thread is enough, and the futures may go to others.
#[tokio::test(flavor = "current_thread")]
async fn a_manager_works_on_one_thread_and_its_futures_are_send() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let app = application(&db);
    let destination = Some(Destination::Directory(dir.path().join("replica")));
    let config = BackupConfig { db_path: db.clone(), destination, ..Default::default() };
    let mut backup = assert_send(BackupManager::new(config)).await.unwrap();
    app.execute("INSERT INTO items (name) VALUES ('one')", []).unwrap();
    // A call that is dropped half way is finished all the same.
    drop(tokio::time::timeout(Duration::ZERO, assert_send(backup.sync_wal())).await);
    app.execute("INSERT INTO items (name) VALUES ('two')", []).unwrap();
    assert_send(backup.sync_wal()).await.unwrap();
    assert_send(backup.maybe_snapshot()).await.unwrap();
    assert_eq!(assert_send(backup.shutdown()).await.unwrap().commits, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_makes_no_sense_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let _app = application(&db);
    let none = BackupManager::new(BackupConfig { db_path: db.clone(), ..Default::default() }).await.unwrap_err();
    assert_eq!((none.kind(), none.code(), none.hints().len()), (Kind::Usage, "config.destination", 1));
    let s3 = S3Config { bucket: "b".into(), access_key: "only".into(), ..Default::default() };
    let half = BackupManager::new(BackupConfig { db_path: db, s3, ..Default::default() }).await.unwrap_err();
    assert_eq!((half.kind(), half.code()), (Kind::Usage, "config.keys"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_restored_before_it_is_backed_up() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let config = || BackupConfig {
        db_path: db.clone(),
        destination: Some(Destination::Directory(dir.path().join("backup"))),
        auto_restore: true,
        ..Default::default()
    };
    // There is neither a database nor a backup: the application has to make one first.
    let error = BackupManager::new(config()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Database, "db.missing"));
    assert!(error.hints().iter().any(|hint| hint.contains("make the database")), "{:?}", error.hints());
    assert!(!db.exists());

    let app = application(&db);
    app.execute("INSERT INTO items (name) VALUES ('one')", []).unwrap();
    let mut backup = BackupManager::new(config()).await.unwrap();
    let generation = backup.generation();
    backup.shutdown().await.unwrap();
    drop(app);
    // The disk is new; only the backup is left.
    std::fs::remove_file(&db).unwrap();
    std::fs::remove_dir_all(waloy::db::beside(&db, ".waloy")).unwrap();
    let mut backup = BackupManager::new(config()).await.unwrap();
    assert_eq!(names(&db), ["one"]);
    assert_eq!((backup.generation(), backup.stats().snapshots), (generation, 0), "it goes on where it was");
    let app = application(&db);
    app.execute("INSERT INTO items (name) VALUES ('two')", []).unwrap();
    assert!(backup.sync_wal().await.unwrap());
    backup.shutdown().await.unwrap();
    // An older state of the backup is no reason to begin with that.
    drop(app);
    let backup_dir = dir.path().join("backup");
    std::fs::remove_file(&db).unwrap();
    let whole = dir.path().join("whole");
    std::fs::rename(&backup_dir, &whole).unwrap();
    let error = BackupManager::new(config()).await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.hints().len()), (Kind::Damaged, "restore.ends_early", 2));
    std::fs::rename(&whole, &backup_dir).unwrap();
    let wal = backup_dir.join(generation.unwrap().to_string()).join("wal");
    let newest = std::fs::read_dir(&wal).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    std::fs::rename(&newest, dir.path().join("newest")).unwrap();
    // What nothing in the replica misses; the state directory does.
    let manifest = wal.with_file_name("manifest.json");
    let kept = std::fs::read(&manifest).unwrap();
    std::fs::remove_file(&manifest).unwrap();
    assert_eq!(BackupManager::new(config()).await.unwrap_err().code(), "restore.ends_early");
    assert!(!db.exists());
    std::fs::rename(dir.path().join("newest"), &newest).unwrap();
    std::fs::write(&manifest, kept).unwrap();
    BackupManager::new(config()).await.unwrap().shutdown().await.unwrap();
    assert_eq!(names(&db), ["one", "two"]);
    let app = application(&db);
    // One that is there is left alone, and a backup that cannot be read is no reason to begin with nothing.
    let mut backup = BackupManager::new(config()).await.unwrap();
    assert_eq!(names(&db), ["one", "two"]);
    backup.shutdown().await.unwrap();
    drop(app);
    std::fs::remove_file(&db).unwrap();
    std::fs::remove_file(dir.path().join("backup/replica")).unwrap();
    let error = BackupManager::new(config()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Damaged, "object.missing"));
    assert!(!db.exists());
}
