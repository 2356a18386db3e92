//! The keys of a replica, changed from the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::secret::{at_a_terminal, private};
use super::{Ran, assert_is, database, image, waloy};

/// A replica that `a.key` opens, and more keys.
fn scene() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    for (byte, name) in (1..).zip(["a.key", "b.key", "c.key"]) {
        private(&dir.path().join(name), &[byte; 32]);
    }
    private(&dir.path().join("pass"), b"correct horse battery staple\n");
    let app = database(&dir.path().join("app.db"));
    waloy(dir.path(), &["replicate", "app.db", "--to", "replica", "--once", "--key-file", "a.key"]).ok();
    (dir, app)
}

/// `waloy key`, with the replica where it is.
fn key(dir: &Path, args: &[&str]) -> Ran {
    let ran = waloy(dir, &[&["key"], args].concat());
    for secret in ["correct horse", "\x01\x01\x01\x01", "\x02\x02\x02\x02"] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
    }
    ran
}

fn slots(dir: &Path) -> Vec<Value> {
    key(dir, &["list", "app.db", "--json"]).ok().json()["slots"].as_array().unwrap().clone()
}

#[track_caller]
fn assert_restores(dir: &Path, flags: &[&str], pages: &[u8]) {
    let path = dir.join("restored.db");
    waloy(dir, &[&["restore", "app.db", "-o", "restored.db", "--force"], flags].concat()).ok();
    assert_is(&path, pages);
    fs::remove_file(path).unwrap();
}

#[track_caller]
fn assert_refused(ran: &Ran, exit: i32, code: &str) {
    assert!(ran.code == Some(exit) && ran.err.contains(&format!("[{code}]\n")), "{code}: {ran:?}");
    assert!(ran.out.is_empty(), "{ran:?}");
}

#[test]
fn slots_are_listed_added_changed_and_removed() {
    let (scene, app) = scene();
    let (dir, pages) = (scene.path(), image(&app));
    let first = slots(dir)[0]["id"].as_str().unwrap().to_owned();

    let label = "ops\u{1b}[2J é";
    let add = ["add", "app.db", "--label", label, "--key-file", "a.key", "--new-passphrase-file", "pass"];
    let added = key(dir, &add).ok();
    assert!(added.err.contains("(ops\\u{1b}[2J é, passphrase, made ") && added.out.is_empty(), "{added:?}");
    assert_restores(dir, &["--passphrase-file", "pass"], &pages);
    let listed = key(dir, &["list", "app.db", "--passphrase-file", "pass"]).ok();
    let row = listed.out.lines().nth(2).unwrap();
    assert!(row.contains("  ops\\u{1b}[2J é  passphrase  ") && row.ends_with("  opened"), "{listed:?}");
    assert!(listed.out.contains("2 slots, 1 data key, ") && listed.err.is_empty(), "{listed:?}");
    let of_passphrase = &slots(dir)[1];
    assert_eq!((&of_passphrase["label"], &of_passphrase["state"]), (&label.into(), &"whole".into()));
    let cost = &of_passphrase["argon2"];
    assert_eq!((&cost["memory_kib"], &cost["passes"], &cost["lanes"]), (&65536.into(), &3.into(), &4.into()));

    // A key that opens nothing is no reason not to list.
    let listed = key(dir, &["list", "app.db", "--key-file", "c.key", "--json"]).ok();
    assert!(listed.json()["opened_by"].is_null() && listed.err.contains(r#""code":"key.wrong""#), "{listed:?}");

    let change = ["change", "app.db", "--passphrase-file", "pass", "--new-key-file", "b.key", "--json"];
    let changed = key(dir, &change).ok().json();
    assert_eq!((&changed["type"], &changed["removed"][0]["id"]), (&"key_change".into(), &of_passphrase["id"]));
    assert_eq!((&changed["added"]["label"], &changed["added"]["kind"]), (&label.into(), &"key".into()));
    assert_restores(dir, &["--key-file", "b.key"], &pages);
    assert_refused(&waloy(dir, &["verify", "app.db", "--passphrase-file", "pass"]), 12, "key.wrong");

    assert_refused(&key(dir, &["remove", &first, "app.db", "--key-file", "c.key"]), 12, "key.wrong");
    assert_refused(&key(dir, &["remove", &first, "app.db", "--key-file", "a.key"]), 12, "key.only_this");
    let removed = key(dir, &["remove", &first, "app.db", "--key-file", "b.key"]).ok();
    assert!(removed.err.contains(&format!("removed slot {first} (key, made ")), "{removed:?}");
    assert!(removed.err.contains("; 1 slot is left\n") && removed.err.contains("can still read it"), "{removed:?}");
    assert_refused(&waloy(dir, &["verify", "app.db", "--key-file", "a.key"]), 12, "key.wrong");
    let last = changed["added"]["id"].as_str().unwrap();
    assert_refused(&key(dir, &["remove", last, "app.db"]), 2, "key.last_slot");
    assert_refused(&key(dir, &["remove", &first, "app.db"]), 12, "key.no_slot");
    assert_refused(&key(dir, &["remove", "app.db", last]), 2, "usage.invalid_value");
    assert_restores(dir, &["--key-file", "b.key"], &pages);
}

#[test]
fn a_data_key_is_rotated_and_the_next_generation_has_it() {
    let (scene, app) = scene();
    let dir = scene.path();
    let rotated = key(dir, &["rotate", "app.db", "--key-file", "a.key"]).ok();
    assert!(rotated.err.starts_with("data key 2 is made: generations that begin from now on"), "{rotated:?}");
    let rotated = key(dir, &["rotate", "app.db", "--key-file", "a.key", "--json"]).ok().json();
    assert_eq!(
        (&rotated["type"], &rotated["root"], &rotated["epoch"]),
        (&"key_rotate".into(), &false.into(), &3.into())
    );
    waloy(dir, &["replicate", "app.db", "--once", "--snapshot", "--key-file", "a.key"]).ok();
    let generations = waloy(dir, &["generations", "app.db", "--json"]).ok().json();
    let epochs: Vec<&Value> =
        generations["generations"].as_array().unwrap().iter().map(|generation| &generation["key_epoch"]).collect();
    assert_eq!(epochs, [1, 3]);
    let data_keys = key(dir, &["list", "app.db", "--json"]).ok().json()["data_keys"].clone();
    assert_eq!((data_keys.as_array().unwrap().len(), &data_keys[2]["id"]), (3, &rotated["data_key"]));
    assert_restores(dir, &["--key-file", "a.key"], &image(&app));
}

#[test]
fn after_a_leak_the_root_key_changes_and_what_opened_before_opens_nothing() {
    let (scene, app) = scene();
    let (dir, pages) = (scene.path(), image(&app));
    key(dir, &["add", "app.db", "--label", "ops", "--key-file", "a.key", "--new-key-file", "b.key"]).ok();
    let export = key(dir, &["export-recovery", "app.db", "--key-file", "a.key", "-o", "old-kit.txt"]).ok();
    assert!(export.out.is_empty() && export.err.contains("for --key-file old-kit.txt\n"), "{export:?}");
    let mode = dir.join("old-kit.txt").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_restores(dir, &["--key-file", "old-kit.txt"], &pages);

    let root = ["rotate", "app.db", "--root", "--key-file", "a.key"];
    let new = |flags: &[&str]| key(dir, &[&root, flags].concat());
    // Nobody is asked, or disagrees, or the new one is none.
    assert_refused(&new(&["--new-passphrase-file", "pass"]), 2, "key.unconfirmed");
    let args = [&["key"], &root[..], &["--new-passphrase-file", "pass"]].concat();
    let (code, shown) = at_a_terminal(dir, &args, "n\n");
    assert!(code == Some(0) && shown.contains("change the root key? [y/N] "), "{shown}");
    assert!(shown.contains(" (ops, key, made ") && shown.contains("nothing was changed"), "{shown}");
    assert_refused(&new(&["--new-key-file", "b.key", "--yes"]), 2, "key.not_new");
    assert_refused(&new(&["--new-key-file", "old-kit.txt", "--yes"]), 2, "key.kit");
    assert_eq!(slots(dir).len(), 2);

    let done = new(&["--new-passphrase-file", "pass", "--label", "after the leak", "--yes"]).ok();
    assert!(done.err.contains("removed slot ") && done.err.contains("it opens 2 data keys\n"), "{done:?}");
    assert!(done.err.contains("stays readable with what has leaked\n"), "{done:?}");
    // One that was just made may be of another change: it stays, opens nothing, and may be removed.
    let young = slots(dir).into_iter().find(|slot| slot["label"] == "ops").unwrap();
    assert!(done.err.contains("is still there: it was made less than an hour ago"), "{done:?}");
    assert_refused(&waloy(dir, &["verify", "app.db", "--key-file", "b.key"]), 12, "key.rotated");
    key(dir, &["remove", young["id"].as_str().unwrap(), "app.db", "--passphrase-file", "pass"]).ok();
    let left = slots(dir);
    assert_eq!((left.len(), &left[0]["label"]), (1, &"after the leak".into()));
    assert_restores(dir, &["--passphrase-file", "pass"], &pages);
    for old in ["a.key", "b.key", "old-kit.txt"] {
        assert_refused(&waloy(dir, &["verify", "app.db", "--key-file", old]), 12, "key.wrong");
    }
    assert_refused(&new(&["--new-passphrase-file", "pass", "--yes"]), 12, "key.nothing_to_finish");

    key(dir, &["export-recovery", "app.db", "--passphrase-file", "pass", "-o", "kit.txt"]).ok();
    assert_restores(dir, &["--key-file", "kit.txt"], &pages);
    super::insert(&app);
    waloy(dir, &["replicate", "app.db", "--once", "--passphrase-file", "pass"]).ok();
    assert_restores(dir, &["--key-file", "kit.txt"], &image(&app));
}

#[test]
fn what_cannot_be_done_says_why() {
    let (scene, _app) = scene();
    let dir = scene.path();
    waloy(dir, &["replicate", "app.db", "--to", "open", "--state-dir", "other", "--once"]).ok();
    let long = "x".repeat(33);
    for (args, exit, code) in [
        (&["list", "--to", "nothing"][..], 10, "restore.no_backup"),
        (&["list", "--to", "open"], 2, "key.not_encrypted"),
        (&["rotate", "--to", "open", "--key-file", "a.key"], 2, "key.not_encrypted"),
        (&["add", "app.db"], 12, "key.missing"),
        (&["add", "app.db", "--encrypt", "off", "--key-file", "a.key"], 12, "key.missing"),
        (&["add", "app.db", "--key-file", "a.key"], 2, "usage.missing_argument"),
        (&["add", "app.db", "--key-file", "c.key", "--new-key-file", "b.key"], 12, "key.wrong"),
        (&["add", "app.db", "--key-file", "a.key", "--new-key-file", "no"], 2, "usage.secret_file"),
        (&["add", "app.db", "--key-file", "a.key", "--new-key-file", "b.key", "--label", &long], 2, "key.label"),
        (
            &["add", "app.db", "--key-file", "a.key", "--new-key-file", "b.key", "--new-passphrase-file", "pass"],
            2,
            "usage.conflict",
        ),
        (&["change", "app.db", "--passphrase-file", "-", "--new-passphrase-file", "-"], 2, "usage.two_secrets"),
        (&["rotate", "app.db", "--key-file", "a.key", "--label", "x"], 2, "usage.missing_argument"),
        (&["export-recovery", "app.db", "--key-file", "a.key"], 2, "key.no_terminal"),
        (&["export-recovery", "app.db", "--key-file", "a.key", "-o", "pass"], 6, "key.target_exists"),
    ] {
        assert_refused(&key(dir, args), exit, code);
    }
    let json = key(dir, &["export-recovery", "app.db", "--key-file", "a.key", "--json"]);
    assert!(json.code == Some(2) && json.err.contains(r#""code":"key.no_terminal""#), "{json:?}");
    assert_eq!(slots(dir).len(), 1);
}
