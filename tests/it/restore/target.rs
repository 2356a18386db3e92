//! The file that is restored to: untouched before all is well, never over another one, never beside stale files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;
use std::sync::Arc;
use tempfile::TempDir;
use waloy::replica::Replica;
use waloy::restore::Existing;
use waloy::storage::Store;

use super::*;
use crate::handmade::pages_of;
use crate::watched::Watched;

/// A replica of a database that SQLite made: the newest state has two rows.
async fn real() -> Handmade {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    let app = Connection::open(&path).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES ('first')").unwrap();
    let mut made = Handmade::new(4096, Compression::Zstd(3)).await;
    made.begin(pages_of(&app)).await;
    app.execute_batch("INSERT INTO t VALUES ('second')").unwrap();
    made.commit(pages_of(&app)).await;
    made
}

fn rows(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT x FROM t ORDER BY rowid").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A database with a row in its file and one in its WAL only, as after a crash.
fn crashed(path: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live.db");
    let app = Connection::open(&live).unwrap();
    app.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES ('old'); PRAGMA wal_checkpoint",
    )
    .unwrap();
    app.execute_batch("INSERT INTO t VALUES ('only in the WAL')").unwrap();
    for side in ["", "-wal", "-shm"] {
        let from = format!("{}{side}", live.display());
        fs::copy(from, format!("{}{side}", path.display())).unwrap();
    }
}

fn force(path: &Path) -> Output {
    Output { existing: Existing::PutAside, ..Output::new(path) }
}

async fn restore_to(made: &Handmade, output: &Output) -> Result<Report, Error> {
    restore::restore(&made.replica, Target::Latest, output, &Options::default()).await
}

fn place() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    (dir, path)
}

#[tokio::test]
async fn the_restored_file_is_for_its_owner_only_and_sqlite_opens_it() {
    let (made, (dir, path)) = (real().await, place());
    let report = restore_to(&made, &Output::new(&path)).await.unwrap();
    assert_eq!(report.kept, None);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(dir.path()), ["app.db"]);
    assert_eq!(rows(&path), ["first", "second"]);
}

#[tokio::test]
async fn an_existing_target_is_refused_and_untouched() {
    let (made, (dir, path)) = (real().await, place());
    fs::write(&path, "precious").unwrap();
    let error = restore_to(&made, &Output::new(&path)).await.unwrap_err();
    let error = PublicError::from(error);
    assert_eq!((error.kind(), error.code()), (Kind::TargetExists, "restore.target_exists"));
    assert!(error.hints().iter().any(|hint| hint.contains("--force")), "{:?}", error.hints());
    assert!(error.hints().iter().any(|hint| hint.contains("app.restored.db")), "{:?}", error.hints());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert_eq!(names(dir.path()), ["app.db"]);
    // A link that leads nowhere is something, too.
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    assert!(matches!(restore_to(&made, &Output::new(&link)).await, Err(Error::TargetExists(_))));
}

#[tokio::test]
async fn stale_files_beside_the_target_are_moved_away() {
    let (made, (dir, path)) = (real().await, place());
    // The WAL and the journal of a database that is gone, which SQLite would play back into any under its name.
    crashed(&path);
    fs::remove_file(&path).unwrap();
    fs::write(format!("{}-journal", path.display()), "a journal").unwrap();
    restore_to(&made, &Output::new(&path)).await.unwrap();
    assert_eq!(rows(&path), ["first", "second"]);
    let names = names(dir.path());
    for side in ["-wal", "-shm", "-journal"] {
        let moved = |name: &&String| name.starts_with("app.db.pre-restore-") && name.ends_with(side);
        assert_eq!(names.iter().filter(moved).count(), 1, "{side}: {names:?}");
    }
}

#[tokio::test]
async fn a_replaced_database_is_kept_with_what_was_only_in_its_wal() {
    let (made, (dir, path)) = (real().await, place());
    crashed(&path);
    let report = restore_to(&made, &force(&path)).await.unwrap();
    assert_eq!(rows(&path), ["first", "second"]);
    let kept = report.kept.unwrap();
    let name = kept.file_name().unwrap().to_str().unwrap().to_owned();
    let stamp = name.strip_prefix("app.db.pre-restore-").unwrap();
    assert!(stamp.len() == 16 && stamp.ends_with('Z') && stamp.as_bytes()[8] == b'T', "{stamp}");
    assert_eq!(names(dir.path()), ["app.db".to_owned(), name.clone()]);
    // The file alone has everything.
    let alone = dir.path().join("alone.db");
    fs::copy(&kept, &alone).unwrap();
    assert_eq!(rows(&alone), ["old", "only in the WAL"]);
    // Again within the same second: no kept file is lost.
    restore_to(&made, &force(&path)).await.unwrap();
    assert_eq!(names(dir.path()).iter().filter(|name| name.contains("pre-restore")).count(), 2);
}

#[tokio::test]
async fn a_restore_that_fails_leaves_the_old_database_to_the_byte() {
    let (made, (dir, path)) = (real().await, place());
    crashed(&path);
    let all = || names(dir.path()).into_iter().map(|name| (fs::read(dir.path().join(&name)).unwrap(), name));
    let before: Vec<_> = all().collect();
    assert_eq!(before.len(), 3);
    let key = waloy::replica::Name::Snapshot(made.last().generation).key();
    let mut damaged = made.replica.get(&key, u64::MAX).await.unwrap().to_vec();
    damaged[300] ^= 1;
    made.replica.put(&key, damaged.into()).await.unwrap();
    assert_eq!(public(restore_to(&made, &force(&path)).await.unwrap_err()).0, Kind::Damaged);
    assert!(all().eq(before));
    assert_eq!(rows(&path), ["old", "only in the WAL"]);
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_kept_as_it_is() {
    let (made, (_dir, path)) = (real().await, place());
    fs::write(&path, "not a database at all, but long enough to have a header of its own".repeat(20)).unwrap();
    let report = restore_to(&made, &force(&path)).await.unwrap();
    assert!(fs::read_to_string(report.kept.unwrap()).unwrap().starts_with("not a database"));
    assert_eq!(rows(&path), ["first", "second"]);
}

#[tokio::test]
async fn a_database_in_use_is_refused_even_by_force() {
    for mode in ["WAL", "DELETE"] {
        let (made, (dir, path)) = (real().await, place());
        let app = Connection::open(&path).unwrap();
        app.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t(x); INSERT INTO t VALUES ('app')"))
            .unwrap();
        if mode == "DELETE" {
            app.execute_batch("BEGIN; SELECT * FROM t").unwrap();
        }
        let before = names(dir.path());
        let error = restore_to(&made, &force(&path)).await.unwrap_err();
        assert_eq!(public(error), (Kind::TargetExists, "restore.target_in_use"), "{mode}");
        assert_eq!(names(dir.path()), before);
        if mode == "DELETE" {
            app.execute_batch("COMMIT").unwrap();
        }
        app.execute_batch("INSERT INTO t VALUES ('goes on')").unwrap();
        assert_eq!(rows(&path), ["app", "goes on"]);
    }
}

#[tokio::test]
async fn a_link_to_a_database_stays_a_link() {
    let (made, (dir, path)) = (real().await, place());
    let link = dir.path().join("link.db");
    crashed(&path);
    std::os::unix::fs::symlink(&path, &link).unwrap();
    restore_to(&made, &force(&link)).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(rows(&path), ["first", "second"]);
}

#[tokio::test]
async fn a_directory_or_a_missing_one_is_refused() {
    let (made, (dir, _)) = (real().await, place());
    for output in [Output::new(dir.path()), force(dir.path())] {
        assert_eq!(public(restore_to(&made, &output).await.unwrap_err()), (Kind::Usage, "restore.no_target"));
    }
    let error = restore_to(&made, &force(Path::new("/dev/null"))).await.unwrap_err();
    assert_eq!(public(error), (Kind::Usage, "restore.no_target"));
    let error = restore_to(&made, &Output::new(dir.path().join("no/such.db"))).await.unwrap_err();
    assert_eq!(public(error), (Kind::Database, "restore.io"));
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_is_not_overwritten() {
    let (made, (dir, path)) = (real().await, place());
    let appears = path.clone();
    let act = move || fs::write(appears, "somebody else's").unwrap();
    let store = Replica::plain(Arc::new(Watched::new(&made.replica).at_snapshot(act)));
    let error = restore::restore(&store, Target::Latest, &Output::new(&path), &Options::default()).await.unwrap_err();
    assert_eq!(public(error), (Kind::TargetExists, "restore.target_exists"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
    assert_eq!(names(dir.path()), ["app.db"]);
}

#[tokio::test]
async fn a_restore_that_is_given_up_leaves_nothing() {
    let (made, (dir, path)) = (real().await, place());
    let store = Replica::plain(Arc::new(Watched::new(&made.replica).hanging()));
    let output = Output::new(&path);
    let options = Options::default();
    let given_up = tokio::time::timeout(
        std::time::Duration::from_millis(200),
        restore::restore(&store, Target::Latest, &output, &options),
    );
    assert!(given_up.await.is_err());
    assert_eq!(names(dir.path()), [""; 0]);
}

#[tokio::test]
async fn an_object_that_was_replaced_meanwhile_is_planned_again() {
    // Merging puts one object in place of several while they are read.
    let mut made = Handmade::random(512, Compression::None, 31, 1, 4).await;
    let generation = made.last().generation;
    let small: Vec<String> = (0..4).map(|at| waloy::replica::Name::Segment(generation, index(at)).key()).collect();
    let merged = waloy::replica::Name::Merged(generation, index(0), index(3)).key();
    made.merge(0, 3).await;
    let bytes = made.replica.get(&merged, u64::MAX).await.unwrap();
    made.replica.delete(&merged).await.unwrap();
    let (memory, runtime) = (made.memory.clone(), tokio::runtime::Handle::current());
    let act = move || {
        drop(runtime.spawn(async move {
            memory.put(&merged, bytes).await.unwrap();
            for key in small {
                memory.delete(&key).await.unwrap();
            }
        }));
    };
    let store = Replica::plain(Arc::new(Watched::new(&made.replica).at_snapshot(act)));
    expect(&store, Target::Latest, made.last()).await;
}
