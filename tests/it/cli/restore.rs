//! `waloy restore`: where the database goes, what is checked, what becomes of what was there.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;
use waloy::compress::Compression;
use waloy::storage::{S3Store, Store};
use waloy::{BackupConfig, BackupManager, Destination};

use super::{assert_is, command, database, drain, finish, image, insert, signal, wait_until, waloy};
use crate::handmade::Handmade;
use crate::s3_server::S3Server;

/// What was backed up to `replica`, where `app.db` leads to by itself.
pub(super) struct Replicated {
    pub(super) app: Connection,
    /// The id of its one generation.
    pub(super) id: String,
    /// The database as it was in the snapshot and after each of three segments.
    pub(super) images: Vec<Vec<u8>>,
}

/// A database with a replica of one snapshot and three segments.
pub(super) fn replicated(dir: &Path) -> Replicated {
    let app = database(&dir.join("app.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = BackupConfig {
            db_path: dir.join("app.db"),
            destination: Some(Destination::Directory(dir.join("replica"))),
            ..BackupConfig::default()
        };
        let mut backup = BackupManager::new(config).await.unwrap();
        let mut images = vec![image(&app)];
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(3));
            insert(&app);
            assert!(backup.sync_wal().await.unwrap());
            images.push(image(&app));
        }
        let id = backup.generation().unwrap().to_string();
        backup.shutdown().await.unwrap();
        Replicated { app, id, images }
    })
}

/// The names in a directory that tell of a restore.
pub(super) fn traces(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("waloy-tmp") || name.contains("pre-restore")).collect()
}

/// The two were taken for one, and what is older was never read.
#[test]
fn everything_is_read_and_the_latest_state_restored_in_one_verify() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let args = ["verify", "app.db", "--to", "replica", "--read-data=all", "--restore=full", "--json"];
    waloy(dir.path(), &["replicate", "app.db", "--to", "replica", "--once", "--snapshot", "-q"]).ok();
    let both = waloy(dir.path(), &args).ok().json();
    let told = [&both["level"], &both["subset"], &both["check"]];
    assert_eq!(told, ["restore", "all", "full"], "{both}");
    let segment = dir.path().join("replica").join(&it.id).join("wal/000000000001");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    waloy(dir.path(), &["verify", "app.db", "--to", "replica", "--restore=full"]).ok();
    assert_eq!(waloy(dir.path(), &args).code, Some(3));
}

#[test]
fn a_restore_tells_what_was_asked_for_what_it_is_and_where_it_went() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let told = waloy(dir.path(), &["restore", "app.db", "--time", "0s", "ago", "-o", "a.db", "--check", "full"]).ok();
    let lines: Vec<&str> = told.out.lines().collect();
    let short = format!("{}…{}", &it.id[..6], &it.id[22..]).to_uppercase();
    assert!(lines[0].starts_with("requested  20") && lines[0].ends_with("  (0s ago)"), "{told:?}");
    let point = format!("  generation {short}:2");
    assert!(lines[1].starts_with("restoring  20") && lines[1].ends_with(&point), "{told:?}");
    assert_eq!(lines[2], "           (the last upload before that time)");
    assert!(lines[3].starts_with("from       snapshot ") && lines[3].contains(" + 3 segments "), "{told:?}");
    assert!(lines[4].starts_with("verified   ") && lines[4].ends_with("the replicator's, integrity_check ok"));
    assert!(lines[5].starts_with("restored   a.db  ") && lines.len() == 6 && told.err.is_empty(), "{told:?}");
    assert_is(&dir.path().join("a.db"), &it.images[3]);
    let quiet = waloy(dir.path(), &["restore", "app.db", "-q", "-o", "b.db"]).ok();
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    assert_is(&dir.path().join("b.db"), &it.images[3]);
}

#[test]
fn a_database_and_the_url_of_its_replica_are_taken_in_either_order() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let url = format!("file://{}", dir.path().join("replica").display());
    for args in [["restore", "new.db", &url], ["restore", &url, "new.db"]] {
        waloy(dir.path(), &args).ok();
        assert_is(&dir.path().join("new.db"), &it.images[3]);
        std::fs::remove_file(dir.path().join("new.db")).unwrap();
    }
    // The commands in hints name the replica, too.
    let exists = waloy(dir.path(), &["restore", "app.db", &url]);
    assert_eq!(exists.code, Some(6));
    let hint = format!("waloy restore app.db --to {} -o app.restored.db", dir.path().join("replica").display());
    assert!(exists.err.contains(&hint), "{exists:?}");
}

#[test]
fn standard_output_gets_a_proven_database_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let scratch = dir.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let to_file = |name: &str, args: &[&str]| {
        let file = std::fs::File::create(dir.path().join(name)).unwrap();
        let mut command = command(dir.path(), &[&["restore", "app.db", "-o", "-"], args].concat());
        let ran = finish(command.env("TMPDIR", &scratch).stdout(file).spawn().unwrap());
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "nothing is left behind");
        ran
    };
    let ran = to_file("out.db", &["--check", "quick"]).ok();
    assert_is(&dir.path().join("out.db"), &it.images[3]);
    assert!(ran.err.contains("restored   standard output  "), "{ran:?}");
    let ran = to_file("json.db", &["--json"]).ok();
    assert_is(&dir.path().join("json.db"), &it.images[3]);
    let json: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((json["type"].as_str(), json["output"].as_str()), (Some("restore"), Some("-")));
    assert_eq!(to_file("mode.db", &["--mode", "640"]).code, Some(2));

    let snapshot = dir.path().join("replica").join(&it.id).join("snapshot");
    let mut bytes = std::fs::read(&snapshot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&snapshot, bytes).unwrap();
    assert_eq!(to_file("none.db", &[]).code, Some(3));
    assert_eq!(std::fs::metadata(dir.path().join("none.db")).unwrap().len(), 0, "not a byte before it is proven");
}

#[test]
fn a_plan_is_told_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let plan = waloy(dir.path(), &["restore", "app.db", "-n", "-o", "new.db", "--generation", "latest:1"]).ok();
    assert!(plan.out.contains(" generation ") && plan.out.contains(":1\n           (as requested)"), "{plan:?}");
    assert!(plan.out.ends_with("; nothing was written (--dry-run)\n"), "{plan:?}");
    let json = waloy(dir.path(), &["restore", "app.db", "--dry-run", "-o", "new.db", "--json"]).ok().json();
    assert_eq!((json["type"].as_str(), json["restored"]["index"].as_u64()), (Some("restore_plan"), Some(2)));
    assert_eq!(json["objects"][0]["key"], format!("{}/snapshot", it.id));
    assert_eq!(json["objects"].as_array().unwrap().len(), 4);
    assert!(!dir.path().join("new.db").exists() && traces(dir.path()).is_empty());
    std::fs::write(dir.path().join("empty.db"), "").unwrap();
    waloy(dir.path(), &["restore", "app.db", "-n", "-o", "empty.db", "--force"]).ok();
    assert_eq!(std::fs::metadata(dir.path().join("empty.db")).unwrap().len(), 0);
    // What would be refused is refused.
    assert_eq!(waloy(dir.path(), &["restore", "app.db", "-n"]).code, Some(6));
}

#[test]
fn before_an_application_starts_what_is_there_stays_and_no_backup_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let start = |args: &[&str]| waloy(dir.path(), &[&["restore", "--if-missing", "--if-backup-exists"], args].concat());
    let there = start(&["app.db"]).ok();
    assert_eq!(there.out, "app.db exists: nothing to restore\n");
    assert_eq!(start(&["app.db", "--json"]).ok().json()["skipped"], "restore.target_exists");
    assert!(traces(dir.path()).is_empty());
    let never = start(&["never.db"]).ok();
    let place = dir.path().canonicalize().unwrap().join("never.db.waloy/replica");
    assert_eq!(never.out, format!("no backup of never.db at {}: nothing to restore\n", place.display()));
    assert_eq!(start(&["never.db", "--json"]).ok().json()["skipped"], "restore.no_backup");
    start(&["new.db", "--to", "replica"]).ok();
    assert_is(&dir.path().join("new.db"), &it.images[3]);

    // A store that does not answer has not said that there is none.
    let mut silent = command(
        dir.path(),
        &["restore", "x.db", "s3://b/x", "--if-backup-exists", "--endpoint", "http://127.0.0.1:9", "--retries", "1"],
    );
    silent.env("WALOY_S3_ACCESS_KEY", "a").env("WALOY_S3_SECRET_KEY", "b").env("AWS_REGION", "us-east-1");
    let silent = finish(silent.spawn().unwrap());
    assert_eq!(silent.code, Some(9), "{silent:?}");
}

#[test]
fn an_old_database_is_kept_or_deleted_and_its_mode_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let path = dir.path().join("app.db");
    drop(it.app);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let forced = waloy(dir.path(), &["restore", "app.db", "--force"]).ok();
    let kept = traces(dir.path());
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(forced.out.ends_with(&format!("kept       the old database, as {}\n", kept[0])), "{forced:?}");
    assert_eq!(mode(), 0o640);
    let discarded = waloy(dir.path(), &["restore", "app.db", "--force", "--discard-old", "--mode", "0604"]).ok();
    assert!(discarded.out.ends_with("deleted    the old database\n"), "{discarded:?}");
    assert_eq!((traces(dir.path()), mode()), (kept, 0o604));
    assert_is(&path, &it.images[3]);

    let uid = std::fs::metadata(&path).unwrap().uid().to_string();
    waloy(dir.path(), &["restore", "app.db", "-o", "mine.db", "--owner", &uid]).ok();
    let nobody = waloy(dir.path(), &["restore", "app.db", "-o", "theirs.db", "--owner", "no-such-user"]);
    assert_eq!(
        (nobody.code, nobody.err.as_str()),
        (
            Some(2),
            "error: no user `no-such-user` on this machine [usage.owner]\n  \
             hint:  write USER, USER:GROUP or :GROUP, or their numbers, as in 1000:1000\n"
        )
    );
}

#[test]
fn stale_files_of_sqlite_beside_the_target_are_moved_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let stale = |name: &str| std::fs::write(dir.path().join(name), "a WAL of another database").unwrap();
    stale("new.db-wal");
    let told = waloy(dir.path(), &["restore", "app.db", "-o", "new.db"]).ok();
    let moved = traces(dir.path());
    assert!(moved.len() == 1 && moved[0].ends_with("-wal"), "{moved:?}");
    assert!(told.out.ends_with(&format!("moved      a stale file of SQLite, to {}\n", moved[0])), "{told:?}");
    stale("other.db-journal");
    let json = waloy(dir.path(), &["restore", "app.db", "-o", "other.db", "--json"]).ok().json();
    let moved = json["moved_aside"].as_array().unwrap();
    assert!(moved.len() == 1 && moved[0].as_str().unwrap().ends_with("-journal"), "{json}");
    assert_is(&dir.path().join("other.db"), &it.images[3]);
}

#[test]
fn a_database_that_was_corrupt_when_it_was_replicated_is_found_before_it_is_put_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    app.execute_batch(
        "CREATE TABLE u (a); PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 't') WHERE name = 'u';",
    )
    .unwrap();
    waloy(dir.path(), &["replicate", "app.db", "--once", "--to", "replica", "-q"]).ok();
    for check in ["quick", "full"] {
        let ran = waloy(dir.path(), &["restore", "app.db", "-o", "out.db", "--check", check]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.err.contains(":snapshot is a corrupt database: ") && ran.err.contains("[database.corrupt]"));
        assert!(ran.err.contains("`--check checksum` restores it all the same"), "{ran:?}");
        assert!(!dir.path().join("out.db").exists() && traces(dir.path()).is_empty());
    }
    waloy(dir.path(), &["restore", "app.db", "-o", "out.db"]).ok();
    assert_is(&dir.path().join("out.db"), &image(&app));
}

#[test]
fn a_database_that_is_being_replicated_is_not_replaced_even_if_its_file_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let child = command(dir.path(), &["replicate", "app.db"]).spawn().unwrap();
    wait_until("the first generation", || dir.path().join("app.db.waloy/replica/latest").exists());
    for gone in [false, true] {
        if gone {
            std::fs::remove_file(dir.path().join("app.db")).unwrap();
        }
        let ran = waloy(dir.path(), &["restore", "app.db", "--force"]);
        assert_eq!(ran.code, Some(6), "{ran:?}");
        let first = format!("error: app.db is being replicated by process {} on ", child.id());
        assert!(ran.err.starts_with(&first) && ran.err.contains(" [restore.target_in_use]\n"), "{ran:?}");
        assert!(ran.err.contains(&format!("stop it first:  kill {}\n", child.id())), "{ran:?}");
        assert!(ran.err.contains("waloy restore app.db -o app.restored.db"), "{ran:?}");
    }
    signal(&child, "-TERM");
    let _ = finish(child);
    drop(app);
}

/// An idle connection in a rollback journal mode holds no lock, and a deleted file can still be written to.
#[test]
#[cfg(target_os = "linux")]
fn a_program_that_holds_no_lock_keeps_its_database_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let other = dir.path().join("other.db");
    let app = Connection::open(&other).unwrap();
    app.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    let restore = |args: &[&str]| waloy(dir.path(), &[&["restore", "app.db", "-o", "other.db"], args].concat());
    let forced = restore(&["--force"]);
    assert_eq!((forced.code, traces(dir.path())), (Some(6), vec![]), "{forced:?}");
    assert!(forced.err.contains(&format!("is in use by process {} [", std::process::id())), "{forced:?}");
    std::fs::remove_file(&other).unwrap();
    assert_eq!(restore(&[]).code, Some(6));
    drop(app);
    restore(&[]).ok();
    assert_is(&other, &it.images[3]);
}

#[test]
fn an_interrupted_restore_leaves_the_old_database_and_no_temporary_file() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let start = |args: &[&str]| {
        let mut command = command(dir.path(), args);
        command.env("WALOY_S3_ENDPOINT", &server.endpoint).env("WALOY_S3_REGION", "us-east-1");
        command.env("WALOY_S3_ACCESS_KEY", &server.access_key).env("WALOY_S3_SECRET_KEY", &server.secret_key);
        command.spawn().unwrap()
    };
    let child = start(&["replicate", "app.db", "s3://bucket/app"]);
    wait_until("the first generation", || server.directory().join("app/latest").exists());
    insert(&app);
    wait_until("a segment", || server.requests().iter().any(|it| it.starts_with("PUT ") && it.contains("/wal/")));
    signal(&child, "-TERM");
    finish(child).ok();
    drop(app);
    let before = std::fs::read(dir.path().join("app.db")).unwrap();

    // The plan needs the newest segment; the snapshot is read when the temporary file is there.
    server.hang("/snapshot");
    for (asked, code) in [("-INT", 130), ("-TERM", 143)] {
        let child = start(&["restore", "app.db", "s3://bucket/app", "--force"]);
        wait_until("a temporary file", || !traces(dir.path()).is_empty());
        signal(&child, asked);
        let ran = finish(child);
        assert_eq!((ran.code, ran.err.as_str()), (Some(code), "interrupted\n"), "{ran:?}");
        assert_eq!(traces(dir.path()), [""; 0]);
        assert_is(&dir.path().join("app.db"), &before);
    }
}

/// Retention lets go of small segments while a restore reads them: what is planned again may be an older state.
#[tokio::test]
async fn another_state_than_was_shown_at_first_is_shown_with_its_warnings() {
    let (server, dir) = (S3Server::start(), tempfile::tempdir().unwrap());
    let mut made = Handmade::random(512, Compression::None, 21, 1, 4).await;
    made.merge(0, 3).await;
    let store = S3Store::open(&server.bucket, "app", &server.options()).await.unwrap();
    for (key, bytes) in made.objects().await {
        store.put(&key, bytes).await.unwrap();
    }
    let segments = server.directory().join(format!("app/{}/wal", made.last().generation));
    let going = [0, 1, 2].map(|place| segments.join(format!("{place:012}")));
    // The plan needs the times of the others alone.
    server.before("/wal/000000000000", move || going.iter().for_each(|path| std::fs::remove_file(path).unwrap()));
    let asked = made.states[3].at.rfc3339();
    let mut command = command(dir.path(), &["restore", "s3://bucket/app", "--time", &asked, "-o", "old.db"]);
    command.env("WALOY_S3_ENDPOINT", &server.endpoint).env("WALOY_S3_REGION", "us-east-1");
    command.env("WALOY_S3_ACCESS_KEY", &server.access_key).env("WALOY_S3_SECRET_KEY", &server.secret_key);
    let told = finish(command.spawn().unwrap()).ok();
    assert_is(&dir.path().join("old.db"), &made.states[0].bytes);
    let lines: Vec<&str> = told.out.lines().filter(|line| line.contains("  generation ")).collect();
    assert!(lines[0].starts_with("restoring  20") && lines[0].contains(":2"), "{told:?}");
    assert!(lines[1].starts_with("instead    20") && lines[1].contains(":snapshot") && lines.len() == 2, "{told:?}");
    assert!(told.err.starts_with("warning: the states between 20"), "{told:?}");
    assert!(told.err.ends_with(" were merged: this is the nearest before the time asked for\n"), "{told:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    // More than a pipe holds, so that writing it waits for a reader.
    app.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
         INSERT INTO t (text) SELECT hex(randomblob(20000)) FROM n;",
    )
    .unwrap();
    waloy(dir.path(), &["replicate", "app.db", "--once", "--to", "replica", "-q"]).ok();
    let mut child = command(dir.path(), &["restore", "app.db", "-o", "-"]).stderr(Stdio::null()).spawn().unwrap();
    let mut magic = [0; 16];
    child.stdout.as_mut().unwrap().read_exact(&mut magic).unwrap();
    assert_eq!(&magic, b"SQLite format 3\0");
    signal(&child, "-INT");
    // The first one waits for what is being written; the code tells which ended it.
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "-TERM");
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(143));
    drop(child.stdout.take());
    let mut alone = command(dir.path(), &["restore", "app.db", "-o", "-"]).spawn().unwrap();
    let err = alone.stderr.take();
    drop(alone.stdout.take());
    assert_eq!(alone.wait().unwrap().code(), Some(0), "a reader that went away has read enough: {}", drain(err));
}

/// An older copy of the replica, or somebody with a key to the bucket: nothing in it says that it had more.
#[test]
fn a_replica_that_ends_before_what_this_machine_backed_up_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let generation = dir.path().join("replica").join(&it.id);
    let whole = waloy(dir.path(), &["restore", "app.db", "-o", "whole.db"]).ok();
    assert!(whole.err.is_empty(), "{whole:?}");
    std::fs::remove_file(generation.join("wal/000000000002")).unwrap();
    std::fs::remove_file(generation.join("manifest.json")).unwrap();
    let behind = waloy(dir.path(), &["restore", "app.db", "-o", "behind.db"]).ok();
    assert!(behind.err.starts_with("warning: the replica ends before 20"), "{behind:?}");
    let rest = ", up to which app.db was backed up from this machine\n  \
                hint:  see what is missing:  waloy verify app.db\n";
    assert!(behind.err.ends_with(rest), "{behind:?}");
    assert_is(&dir.path().join("behind.db"), &it.images[2]);
}
