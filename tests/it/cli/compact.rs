//! `waloy compact`, and what a restore says of what was merged.

use std::sync::Arc;

use waloy::compress::Compression;
use waloy::replica::{Name, Objects, Replica};
use waloy::storage::DirStore;

use super::{assert_is, waloy};
use crate::handmade::{Handmade, index};

/// A minute and a half of segments, a second apart, in a directory.
async fn replica(dir: &std::path::Path) -> (Replica, Handmade) {
    let made = Handmade::random(512, Compression::None, 21, 1, 90).await;
    let store = Replica::plain(Arc::new(DirStore::new(dir.join("replica"))));
    for (key, bytes) in made.objects().await {
        store.put(&key, bytes).await.unwrap();
    }
    (store, made)
}

#[tokio::test]
async fn it_plans_merges_and_then_has_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (store, made) = replica(dir.path()).await;
    let to = ["compact", "--to", "./replica", "--utc"];
    let planned = waloy(dir.path(), &[&to[..], &["-n"]].concat()).ok();
    let lines: Vec<&str> = planned.out.lines().collect();
    assert!(lines[0].starts_with("GENERATION"), "{planned:?}");
    assert!(lines[1].contains("1       2       60"), "{planned:?}");
    assert!(lines[2].starts_with("2 merged segments to make in "), "{planned:?}");
    let id = made.last().generation;
    assert!(Objects::list(&*store, id, None).await.unwrap().merged.is_empty());

    let json = waloy(dir.path(), &[&to[..], &["-n", "--json"]].concat()).ok().json();
    assert_eq!((&json["type"], &json["dry_run"]), (&"compact".into(), &true.into()));
    assert_eq!(json["merges"][0]["key"], format!("{id}/wal/000000000000-000000000029"));
    assert_eq!(json["merges"][1]["last_index"], 59);

    let done = waloy(dir.path(), &to).ok();
    assert!(done.out.contains("\nmerged     2 segments of "), "{done:?}");
    assert_eq!(Objects::list(&*store, id, None).await.unwrap().merged.len(), 2);
    assert_eq!(waloy(dir.path(), &to).ok().out, "nothing to merge\n");
    let json = waloy(dir.path(), &[&to[..], &["--json"]].concat()).ok().json();
    assert_eq!(json["merges"], serde_json::json!([]));
}

#[tokio::test]
async fn a_restore_to_a_merged_moment_says_which_point_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let (store, made) = replica(dir.path()).await;
    waloy(dir.path(), &["compact", "--to", "./replica"]).ok();
    let id = made.last().generation;
    for (at, _) in Objects::list(&*store, id, None).await.unwrap().segments.iter().filter(|(at, _)| at.get() < 60) {
        store.delete(&Name::Segment(id, *at).key()).await.unwrap();
    }
    let asked = made.states[41].at.rfc3339();
    let restore = ["restore", "--to", "./replica", "--utc", "--time", &asked, "-o", "old.db"];
    let planned = waloy(dir.path(), &[&restore[..], &["-n", "--json"]].concat()).ok().json();
    assert_eq!(planned["restored"]["index"], 29);
    assert_eq!(planned["merged"]["from"], made.states[30].at.rfc3339());
    assert_eq!(planned["merged"]["to"], made.states[60].at.rfc3339());
    let done = waloy(dir.path(), &restore).ok();
    assert!(done.err.contains("were merged: this is the nearest before the time asked for"), "{done:?}");
    assert_eq!(std::fs::read(dir.path().join("old.db")).unwrap(), **made.states[30].bytes);
    let inside = waloy(dir.path(), &["restore", "--to", "./replica", "--generation", "latest:40", "-o", "inside.db"]);
    assert_eq!(inside.code, Some(7));
    assert!(inside.err.contains("[restore.merged]") && inside.err.contains(&format!("{id}:29")), "{inside:?}");
}

#[tokio::test]
async fn a_restore_without_a_damaged_merged_segment_says_so_and_how_to_look_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_, made) = replica(dir.path()).await;
    waloy(dir.path(), &["compact", "--to", "./replica"]).ok();
    let key = Name::Merged(made.last().generation, index(0), index(29)).key();
    let path = dir.path().join("replica").join(&key);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let told = waloy(dir.path(), &["restore", "--to", "./replica", "-o", "new.db"]).ok();
    assert!(told.err.starts_with(&format!("warning: {key} is damaged: ")), "{told:?}");
    assert!(told.err.contains("; what it was merged from is restored instead\n  hint:  see everything "), "{told:?}");
    assert!(told.err.ends_with(" --read-data\n") && told.err.lines().count() == 2, "{told:?}");
    assert_is(&dir.path().join("new.db"), &made.last().bytes);
    let told = waloy(dir.path(), &["restore", "--to", "./replica", "-o", "json.db", "--json"]).ok();
    let warning: serde_json::Value = serde_json::from_str(&told.err).unwrap();
    assert_eq!((&warning["type"], &warning["code"]), (&"warning".into(), &"restore.merged_damaged".into()));
    let json = told.json();
    assert_eq!((&json["left_out"][0]["key"], &json["left_out"][0]["code"]), (&key.into(), &"object.damaged".into()));
    assert_is(&dir.path().join("json.db"), &made.last().bytes);
}

#[test]
fn where_there_is_no_backup_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("replica")).unwrap();
    let ran = waloy(dir.path(), &["compact", "--to", "./replica"]);
    assert_eq!(ran.code, Some(10));
    assert!(ran.err.contains("no backup at ") && ran.err.contains("[restore.no_backup]"), "{ran:?}");
}
