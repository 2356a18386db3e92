//! `waloy prune`: what it shows, whom it asks, what it does.

use std::path::Path;
use std::process::Stdio;

use super::{Ran, command, database, finish, insert, waloy};

/// A replica in `replica` with so many generations; their ids, oldest first.
fn generations(dir: &Path, number: usize) -> Vec<String> {
    let app = database(&dir.join("app.db"));
    for _ in 0..number {
        waloy(dir, &["replicate", "app.db", "--once", "--snapshot", "--to", "replica", "-q"]).ok();
        insert(&app);
        waloy(dir, &["replicate", "app.db", "--once", "--to", "replica", "-q"]).ok();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    ids(dir)
}

fn ids(dir: &Path) -> Vec<String> {
    let listed = waloy(dir, &["generations", "app.db", "--json"]).ok().json();
    listed["generations"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

const NOTHING: [&str; 4] = ["--retention", "0s", "--grace", "0s"];

fn prune(dir: &Path, more: &[&str]) -> Ran {
    waloy(dir, &[&["prune", "app.db"], &NOTHING[..], more].concat())
}

#[test]
fn a_plan_is_shown_and_nothing_is_deleted_before_somebody_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let before = generations(dir.path(), 3);
    let shown = prune(dir.path(), &["-n"]).ok();
    let lines: Vec<&str> = shown.out.lines().collect();
    assert_eq!(lines.len(), 5, "{shown:?}");
    assert!(lines[0].starts_with("GENERATION") && lines[0].contains("STORED") && lines[0].ends_with("FATE"));
    assert!(lines[1].ends_with("GOES: expired") && lines[2].ends_with("GOES: expired"), "{shown:?}");
    assert!(lines[3].ends_with("kept: latest") && lines[4].starts_with("restorable afterwards: "), "{shown:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{shown:?}");
    assert!(shown.err.starts_with("would delete 6 objects, ") && shown.err.ends_with("; nothing was deleted\n"));
    let asked = prune(dir.path(), &[]);
    assert_eq!(asked.code, Some(2));
    assert!(asked.err.contains(": nobody is there to be asked [prune.unconfirmed]\n"), "{asked:?}");
    assert!(asked.err.contains("waloy prune app.db --yes"), "{asked:?}");
    assert_eq!(ids(dir.path()), before);
}

#[test]
fn what_was_agreed_to_is_deleted_and_the_rest_can_be_restored() {
    let dir = tempfile::tempdir().unwrap();
    let before = generations(dir.path(), 3);
    let kept = prune(dir.path(), &["--min-keep", "2", "--yes"]).ok();
    assert!(kept.err.starts_with("deleted 3 objects and 1 generation, "), "{kept:?}");
    assert_eq!(ids(dir.path()), before[1..]);
    let done = prune(dir.path(), &["-y", "--json"]).ok().json();
    assert_eq!((&done["type"], &done["delete_objects"]), (&"prune".into(), &3.into()));
    assert_eq!(done["deleted"]["objects"], 3);
    assert_eq!(done["deleted"]["freed_bytes"], done["free_bytes"]);
    let fates: Vec<(&str, &str)> = done["generations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["fate"].as_str().unwrap(), it["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(fates, [("deleted", "expired"), ("kept", "latest")]);
    assert_eq!(ids(dir.path()), before[2..]);
    waloy(dir.path(), &["verify", "app.db", "--read-data"]).ok();
    let nothing = prune(dir.path(), &[]).ok();
    assert_eq!(nothing.err, "nothing to delete\n");
    waloy(dir.path(), &["restore", "app.db", "-o", "restored.db", "-q"]).ok();
}

#[test]
fn by_default_a_month_and_a_day_of_grace_stay() {
    let dir = tempfile::tempdir().unwrap();
    generations(dir.path(), 2);
    let ran = waloy(dir.path(), &["prune", "app.db"]).ok();
    assert_eq!(ran.err, "nothing to delete\n");
    assert_eq!(ran.out.matches("kept: retention").count(), 1, "{ran:?}");
    let off = waloy(dir.path(), &["prune", "app.db", "--retention", "off", "--grace", "0s"]).ok();
    assert_eq!(off.out.matches("kept: forever").count(), 1, "{off:?}");
}

#[test]
fn what_does_not_verify_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ids = generations(dir.path(), 2);
    std::fs::remove_file(dir.path().join("replica").join(&ids[1]).join("wal/000000000000")).unwrap();
    let refused = prune(dir.path(), &["--yes"]);
    assert_eq!(refused.code, Some(3));
    let (first, hints) = refused.err.split_once('\n').unwrap();
    assert!(first.ends_with(" does not verify; nothing was deleted [retention.unverified]"), "{refused:?}");
    assert!(hints.contains("knows of more segments than are there"), "{refused:?}");
    assert!(hints.contains("waloy verify app.db --read-data"), "{refused:?}");
    assert!(dir.path().join("replica").join(&ids[0]).join("snapshot").exists());
}

#[test]
fn nobody_confirms_a_replacement_that_was_none() {
    let dir = tempfile::tempdir().unwrap();
    let ids = generations(dir.path(), 2);
    let refused = waloy(dir.path(), &["prune", "app.db", "--confirm-replacement", &ids[1], "--yes"]);
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.err,
        format!(
            "error: generation {} did not replace another database: it was begun as `requested` \
             [retention.not_replaced]\n",
            ids[1]
        )
    );
    let none = waloy(dir.path(), &["prune", "app.db", "--confirm-replacement", "7zzz", "--yes"]);
    assert_eq!(none.code, Some(7));
    // A retention that stands in the environment is no contradiction.
    let mut asked = command(dir.path(), &["prune", "app.db", "--confirm-replacement", "7zzz", "--yes"]);
    assert_eq!(finish(asked.env("WALOY_RETENTION", "14d").spawn().unwrap()).code, Some(7));
}

#[test]
fn a_database_that_was_adopted_leaves_the_one_before_until_it_is_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let first = generations(dir.path(), 1);
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    std::fs::remove_dir_all(dir.path().join("app.db.waloy")).unwrap();
    let app = database(&dir.path().join("app.db"));
    let adopt = ["replicate", "app.db", "--once", "--adopt", "--to", "replica", "-q"];
    waloy(dir.path(), &adopt).ok();
    insert(&app);
    waloy(dir.path(), &["replicate", "app.db", "--once", "--snapshot", "--to", "replica", "-q"]).ok();
    let all = ids(dir.path());
    assert_eq!((all.len(), &all[0]), (3, &first[0]));
    let kept = prune(dir.path(), &["--yes"]).ok();
    assert!(kept.out.contains("kept: replaced\n") && kept.out.contains("kept: a replacement\n"), "{kept:?}");
    let again = kept.out.lines().find(|line| line.contains("--confirm-replacement")).unwrap();
    let given = again.trim().rsplit(' ').next().unwrap();
    assert_eq!(ids(dir.path()), all);
    let look = waloy(dir.path(), &["prune", "app.db", "--confirm-replacement", given, "-n"]).ok();
    assert!(look.err.ends_with("; nothing was confirmed\n"), "{look:?}");
    let unasked = waloy(dir.path(), &["prune", "app.db", "--confirm-replacement", given]);
    assert_eq!(unasked.code, Some(2));
    let done = waloy(dir.path(), &["prune", "app.db", "--confirm-replacement", given, "--yes"]).ok();
    assert!(done.err.starts_with("confirmed: "), "{done:?}");
    prune(dir.path(), &["--yes"]).ok();
    assert_eq!(ids(dir.path()), all[2..]);
}

#[test]
fn points_that_are_no_points_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = command(dir.path(), &["prune", "app.db", "--keep", "hourly=3"]);
    let ran = finish(child.stdin(Stdio::null()).spawn().unwrap());
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("`hourly=3` is not like daily=90 or weekly=8 or monthly=24"), "{ran:?}");
}
