//! Replication as an operator runs it: several databases, a container's start, moving on from a trial, asking how it is.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::{assert_is, command, database, drain, finish, image, insert, signal, wait_until, waloy};

/// Replicates to a directory until `latest` is there.
fn replicate(dir: &Path, args: &[&str], replicas: &[&str]) -> std::process::Child {
    let mut all = vec!["replicate", "--sync-interval", "50ms"];
    all.extend(args);
    let child = command(dir, &all).spawn().unwrap();
    wait_until("the first generations", || replicas.iter().all(|replica| dir.join(replica).join("latest").exists()));
    child
}

#[test]
fn several_databases_are_replicated_by_one_process_each_to_its_own_place() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a.db", "b.db", "c.db"].map(|name| database(&dir.path().join(name)));
    let own = format!("c.db=file://{}", dir.path().join("apart").display());
    let child = replicate(
        dir.path(),
        &["a.db", "b.db", &own, "--to", "replicas/{db}", "--json"],
        &["replicas/a.db", "replicas/b.db", "apart"],
    );
    [&a, &b, &c].into_iter().for_each(insert);
    let synced = waloy(dir.path(), &["sync", "a.db", "b.db", "c.db", "--json"]).ok();
    let lines: Vec<Value> = synced.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{synced:?}");
    assert!(lines[2]["destination"].as_str().unwrap().ends_with("/apart"), "{synced:?}");
    let status = waloy(dir.path(), &["status", "a.db", "b.db", "c.db"]).ok();
    assert_eq!(status.out.matches("in sync").count(), 3, "{status:?}");
    assert!(status.out.lines().all(|line| line.split("  /").next().unwrap().len() <= 80), "{status:?}");
    signal(&child, "-TERM");
    let stopped = finish(child).ok();
    let stops = stopped.out.lines().filter(|line| line.contains("\"type\":\"stop\"")).count();
    assert_eq!(stops, 3, "{stopped:?}");
    for (name, app) in [("a.db", &a), ("b.db", &b), ("c.db", &c)] {
        waloy(dir.path(), &["restore", name, "-o", "restored.db"]).ok();
        assert_is(&dir.path().join("restored.db"), &image(app));
        std::fs::remove_file(dir.path().join("restored.db")).unwrap();
    }
}

#[test]
fn one_database_that_cannot_be_replicated_keeps_no_other_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    std::fs::write(dir.path().join("text.db"), "no database at all, and long enough to be one".repeat(50)).unwrap();
    let ran = waloy(dir.path(), &["replicate", "text.db", "app.db", "--once"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("text.db is not a SQLite database"), "{ran:?}");
    waloy(dir.path(), &["restore", "app.db", "-o", "copy.db"]).ok();
    assert_is(&dir.path().join("copy.db"), &image(&app));
    assert!(!dir.path().join("text.db.waloy").exists(), "nothing is left beside what is refused");

    // Nor does one that is not there.
    let ran = waloy(dir.path(), &["replicate", "app.db", "none.db", "--once"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("none.db does not exist") && ran.err.contains("--to none.db"), "{ran:?}");
    let both = waloy(dir.path(), &["status", "app.db", "none.db"]).ok();
    assert!(both.out.contains("stopped") && both.out.contains("never"), "{both:?}");

    let child = replicate(dir.path(), &["text.db", "app.db"], &["app.db.waloy/replica"]);
    insert(&app);
    // The replica was there before, and does not tell that this one listens.
    let socket = dir.path().join("app.db.waloy/state/socket");
    wait_until("the replicator", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    waloy(dir.path(), &["sync", "app.db"]).ok();
    signal(&child, "-TERM");
    assert_eq!(finish(child).code, Some(5));
}

#[test]
fn a_container_restores_its_database_or_begins_without_one_but_never_after_an_error() {
    let dir = tempfile::tempdir().unwrap();
    // The store says that there is none: it is waited for.
    let start = ["replicate", "app.db", "--to", "replica", "--restore-if-missing", "--sync-interval", "50ms"];
    let mut child = command(dir.path(), &start).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.contains("no backup there: waiting for the database"), "{line}");
    child.stderr = Some(told.into_inner());
    let mut app = database(&dir.path().join("app.db"));
    wait_until("the first generation", || dir.path().join("replica/latest").exists());
    insert(&app);
    waloy(dir.path(), &["sync", "app.db", "--to", "replica"]).ok();
    signal(&child, "-TERM");
    finish(child).ok();

    // The volume is gone: it comes back, and the application finds it.
    let expected = image(&app);
    drop(app);
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    std::fs::remove_dir_all(dir.path().join("app.db.waloy")).unwrap();
    let child = command(dir.path(), &start).spawn().unwrap();
    wait_until("the database", || dir.path().join("app.db").exists());
    assert_is(&dir.path().join("app.db"), &expected);
    app = rusqlite::Connection::open(dir.path().join("app.db")).unwrap();
    wait_until("replication", || waloy(dir.path(), &["status", "app.db", "--check"]).code == Some(0));
    insert(&app);
    waloy(dir.path(), &["sync", "app.db", "--to", "replica"]).ok();
    signal(&child, "-TERM");
    let stopped = finish(child).ok();
    assert!(stopped.err.contains("msg=restored db=app.db"), "{stopped:?}");
    waloy(dir.path(), &["restore", "app.db", "-o", "copy.db", "--to", "replica"]).ok();
    assert_is(&dir.path().join("copy.db"), &image(&app));

    // A replica that cannot be read is no reason to begin with nothing.
    drop(app);
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    for entry in std::fs::read_dir(dir.path().join("replica")).unwrap() {
        let snapshot = entry.unwrap().path().join("snapshot");
        if snapshot.exists() {
            std::fs::write(snapshot, "damaged").unwrap();
        }
    }
    let refused = finish(command(dir.path(), &start).spawn().unwrap());
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(!dir.path().join("app.db").exists());
    let unreachable = ["replicate", "app.db", "s3://bucket/app", "--restore-if-missing", "--retries", "1"];
    let mut unreachable = command(dir.path(), &unreachable);
    unreachable.env("WALOY_S3_ENDPOINT", "http://127.0.0.1:1").env("WALOY_S3_ACCESS_KEY", "a");
    let refused = finish(unreachable.env("WALOY_S3_SECRET_KEY", "b").spawn().unwrap());
    assert_eq!(refused.code, Some(9), "{refused:?}");
    assert!(!dir.path().join("app.db").exists());
}

/// What the warning about the same disk advises was refused: "this database is replicated to …, not to …".
#[test]
fn a_trial_beside_the_database_is_left_for_a_better_place_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    waloy(dir.path(), &["replicate", "app.db", "--once"]).ok();
    insert(&app);
    waloy(dir.path(), &["replicate", "app.db", "--once", "--to", "better"]).ok();
    assert!(dir.path().join("app.db.waloy/replica/latest").exists(), "the trial stays");
    insert(&app);
    waloy(dir.path(), &["replicate", "app.db", "--once"]).ok();
    let list = waloy(dir.path(), &["generations", "app.db", "--json"]).ok().json();
    assert!(list["source"].as_str().unwrap().ends_with("/better"), "{list}");
    assert_eq!(list["generations"].as_array().unwrap().len(), 1, "it went on there: {list}");
    waloy(dir.path(), &["restore", "app.db", "-o", "copy.db"]).ok();
    assert_is(&dir.path().join("copy.db"), &image(&app));

    let refused = waloy(dir.path(), &["replicate", "app.db", "--once", "--to", "third"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.err.contains("[replica.other]")
            && refused.err.contains("mv ./app.db.waloy/state ./app.db.waloy/state.old"),
        "{refused:?}"
    );
    assert!(!dir.path().join("third/latest").exists());
}

/// Restored elsewhere, and most of its few pages changed before waloy was started: it cannot know that it is the same.
#[test]
fn a_database_that_changed_much_since_its_restore_is_adopted_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    waloy(dir.path(), &["replicate", "app.db", "--once", "--to", "replica"]).ok();
    drop(app);
    waloy(dir.path(), &["restore", "--to", "replica", "-o", "new.db"]).ok();
    let app = rusqlite::Connection::open(dir.path().join("new.db")).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; UPDATE t SET text = hex(randomblob(40))").unwrap();
    let refused = waloy(dir.path(), &["replicate", "new.db", "--once", "--to", "replica"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("/replica --adopt\n"), "{refused:?}");
    waloy(dir.path(), &["replicate", "new.db", "--once", "--to", "replica", "--adopt"]).ok();
    let list = waloy(dir.path(), &["generations", "new.db", "--json"]).ok().json();
    assert_eq!(list["generations"][1]["reason"], "replaced", "{list}");
    waloy(dir.path(), &["restore", "new.db", "-o", "copy.db"]).ok();
    assert_is(&dir.path().join("copy.db"), &image(&app));
}

#[test]
fn a_snapshot_is_taken_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    waloy(dir.path(), &["replicate", "app.db", "--once"]).ok();
    insert(&app);
    waloy(dir.path(), &["replicate", "app.db", "--once", "--snapshot"]).ok();
    let generations = || {
        let list = waloy(dir.path(), &["generations", "app.db", "--json"]).ok().json();
        list["generations"].as_array().unwrap().clone()
    };
    let two = generations();
    assert_eq!(two.len(), 2);
    assert_eq!(two[1]["reason"], "requested");
    let child = command(dir.path(), &["replicate", "app.db", "--snapshot"]).spawn().unwrap();
    wait_until("the third generation", || generations().len() == 3);
    signal(&child, "-TERM");
    finish(child).ok();
    waloy(dir.path(), &["restore", "app.db", "-o", "copy.db"]).ok();
    assert_is(&dir.path().join("copy.db"), &image(&app));
}

#[test]
fn the_status_tells_whether_the_replica_follows() {
    let dir = tempfile::tempdir().unwrap();
    let status = |args: &[&str]| {
        let mut all = vec!["status", "app.db"];
        all.extend(args);
        waloy(dir.path(), &all)
    };
    assert_eq!(status(&["--check"]).code, Some(8));
    let app = database(&dir.path().join("app.db"));
    let never = status(&[]).ok();
    assert!(never.out.contains("never"), "{never:?}");
    let silent = status(&["--check"]);
    assert_eq!((silent.code, silent.out.as_str(), silent.err.as_str()), (Some(4), "", ""));

    let mut child = replicate(dir.path(), &["app.db"], &["app.db.waloy/replica"]);
    insert(&app);
    waloy(dir.path(), &["sync", "app.db"]).ok();
    status(&["--check"]).ok();
    let running = status(&["--json"]).ok().json();
    assert_eq!((&running["state"], &running["type"]), (&"in_sync".into(), &"status".into()), "{running}");
    assert_eq!((&running["commits"], &running["lag_seconds"]), (&1.into(), &0.0.into()), "{running}");
    assert_eq!(running["process"]["pid"], child.id(), "{running}");
    assert!(running["wal_bytes"].as_u64().unwrap() > 0, "{running}");
    let shown = status(&[]).ok();
    for part in ["in sync", "generation", "app.db.waloy/replica", "1 commit", &child.id().to_string()] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }

    // Stopped by a signal it does not answer; nobody waits for it for long.
    signal(&child, "-STOP");
    let stuck = status(&["--json"]).ok().json();
    assert_eq!(stuck["state"], "unresponsive", "{stuck}");
    signal(&child, "-CONT");

    let elsewhere = waloy(dir.path(), &["sync", "app.db", "--to", "elsewhere"]);
    assert_eq!(elsewhere.code, Some(2), "{elsewhere:?}");
    assert!(elsewhere.err.contains("[sync.other_destination]"), "{elsewhere:?}");

    child.kill().unwrap();
    drain(child.stdout.take());
    child.wait().unwrap();
    let stopped = status(&["--json"]).ok().json();
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    assert!(stopped["at"].is_string(), "{stopped}");
    drop(app);
    std::fs::remove_file(dir.path().join("app.db")).unwrap();
    let gone = status(&[]).ok();
    assert!(gone.err.contains("app.db does not exist") && gone.err.contains("waloy restore app.db"), "{gone:?}");
    assert_eq!(status(&["--check"]).code, Some(8));
}

/// The application has it open still, and goes on in it: a second one would know nothing of its commits and its locks.
#[test]
fn a_wal_index_that_was_removed_under_an_application_is_not_made_a_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    app.pragma_update(None, "wal_autocheckpoint", 50).unwrap();
    let args = ["app.db", "--checkpoint-threshold", "64KiB"];
    let child = replicate(dir.path(), &args, &["app.db.waloy/replica"]);
    insert(&app);
    waloy(dir.path(), &["sync", "app.db"]).ok();
    let shm = dir.path().join("app.db-shm");
    std::fs::remove_file(&shm).unwrap();
    // Beyond the time after which the files are asked whether they are the same, and over and over the threshold.
    for _ in 0..60 {
        (0..20).for_each(|_| insert(&app));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    waloy(dir.path(), &["sync", "app.db"]).ok();
    assert!(!shm.exists(), "there is one wal-index, and it has no name");
    signal(&child, "-TERM");
    let stopped = finish(child).ok();
    assert!(stopped.err.contains("app.db-shm was removed while the database is in use"), "{stopped:?}");
    let sound: String = app.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok", "the source");
    waloy(dir.path(), &["restore", "app.db", "-o", "copy.db"]).ok();
    assert_is(&dir.path().join("copy.db"), &image(&app));
}
