//! Encrypted replicas, as a person meets them.

use std::path::Path;

use super::{Ran, assert_is, database, image, insert, waloy};

/// A directory with a database, a key file of 32 bytes, and another one; key files cost no time.
fn scene() -> (tempfile::TempDir, rusqlite::Connection) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["key", "other"] {
        waloy(dir.path(), &["key", "generate", "--raw", "-o", name, "-q"]).ok();
    }
    let app = database(&dir.path().join("app.db"));
    (dir, app)
}

const KEY: [&str; 2] = ["--key-file", "key"];

fn with(dir: &Path, key: &[&str], args: &[&str]) -> Ran {
    waloy(dir, &[args, key].concat())
}

#[track_caller]
fn fails(ran: &Ran, exit: i32, code: &str, says: &str) {
    assert!(ran.code == Some(exit) && ran.err.contains(&format!("[{code}]")), "{ran:?}");
    assert!(ran.err.contains(says), "{says}: {ran:?}");
}

#[test]
fn every_command_opens_what_replicate_has_sealed() {
    let (dir, app) = scene();
    let dir = dir.path();
    let began = with(dir, &KEY, &["replicate", "app.db", "--to", "replica", "--once", "--json"]).ok();
    assert!(began.err.contains("\"code\":\"key.keep\"") && began.out.contains("\"encrypted\":true"), "{began:?}");
    for _ in 0..3 {
        insert(&app);
        let again = with(dir, &KEY, &["replicate", "app.db", "--once"]).ok();
        assert!(!again.err.contains("loses the backup"), "said once: {again:?}");
    }
    let expected = image(&app);
    let restored = with(dir, &KEY, &["restore", "app.db", "-o", "r.db", "--json"]).ok().json();
    assert_eq!(restored["encrypted"], true);
    assert_is(&dir.join("r.db"), &expected);
    let generations = with(dir, &KEY, &["generations", "app.db", "--json"]).ok().json();
    assert_eq!(
        (generations["encrypted"].as_bool(), generations["generations"][0]["key_epoch"].as_u64()),
        (Some(true), Some(1))
    );
    for args in [
        &["verify", "app.db", "--read-data"][..],
        &["verify", "app.db", "--restore=full"],
        &["inspect", "app.db", "--objects"],
        &["inspect", "app.db", "--raw", "latest"],
        &["inspect", "app.db", "--raw", "replica"],
        &["compact", "app.db"],
        &["prune", "app.db", "--yes"],
        &["sync", "app.db"],
    ] {
        with(dir, &KEY, args).ok();
    }
    // On another machine, from nothing but the replica and its key.
    with(dir, &KEY, &["restore", "--to", "replica", "-o", "elsewhere.db"]).ok();
    assert_is(&dir.join("elsewhere.db"), &expected);
}

#[test]
fn a_wrong_key_or_none_is_told_and_nothing_is_written_in_the_clear() {
    let (dir, _app) = scene();
    let dir = dir.path();
    with(dir, &KEY, &["replicate", "app.db", "--to", "replica", "--once", "-q"]).ok();
    for args in [&["restore", "app.db", "-o", "r.db"][..], &["verify", "app.db"], &["replicate", "app.db", "--once"]] {
        fails(&with(dir, &["--key-file", "other"], args), 12, "key.wrong", "wrong key file for ");
        fails(&with(dir, &[], args), 12, "key.missing", "--passphrase-file FILE");
        fails(&with(dir, &["--encrypt", "off"], args), 12, "key.missing", "");
        fails(
            &with(dir, &["--key-slot", "0000000000000000", KEY[0], KEY[1]], args),
            12,
            "key.no_slot",
            "0000000000000000",
        );
    }
    let elsewhere = with(dir, &[], &["replicate", "app.db", "--to", "elsewhere", "--once"]);
    fails(&elsewhere, 12, "key.missing", "is encrypted, and no key is configured");
    assert!(!dir.join("elsewhere").exists() && !dir.join("r.db").exists());

    let outer = with(dir, &[], &["generations", "app.db"]).ok();
    assert!(outer.out.contains("DATA KEY") && outer.out.contains("encrypted"), "{outer:?}");
    assert!(outer.err.contains("no key is given"), "{outer:?}");
    let outer = with(dir, &[], &["generations", "app.db", "--json"]).ok().json();
    assert_eq!(outer["generations"][0]["state"], "sealed");
    fails(&with(dir, &[], &["generations", "app.db", "--min-coverage", "1h"]), 12, "key.missing", "only its key tells");
    let outer = with(dir, &[], &["inspect", "app.db", "--raw", "snapshot"]).ok();
    assert!(outer.out.contains("\"suite\": \"Cobblestone-256\""), "{outer:?}");
}

/// It said that there was nothing to delete.
#[test]
fn nothing_is_let_go_of_without_the_key_and_that_is_told() {
    let (dir, _app) = scene();
    let dir = dir.path();
    with(dir, &KEY, &["replicate", "app.db", "--to", "replica", "--once", "-q"]).ok();
    fails(&waloy(dir, &["prune", "--to", "replica", "--yes"]), 12, "key.missing", "is encrypted");
    with(dir, &KEY, &["prune", "--to", "replica", "--yes"]).ok();
}

#[test]
fn a_forgery_in_the_clear_is_not_restored_where_the_state_knows_better() {
    let (dir, app) = scene();
    let dir = dir.path();
    with(dir, &KEY, &["replicate", "app.db", "--to", "replica", "--once", "-q"]).ok();
    // Somebody puts another database in its place, whole and in the clear, and no key is configured.
    drop(database(&dir.join("forged.db")));
    std::fs::remove_dir_all(dir.join("replica")).unwrap();
    waloy(dir, &["replicate", "forged.db", "--to", "replica", "--once", "-q"]).ok();
    for args in [&["restore", "app.db", "-o", "r.db"][..], &["verify", "app.db"], &["replicate", "app.db", "--once"]] {
        fails(&waloy(dir, args), 12, "key.missing", "--passphrase-file FILE");
    }
    drop(app);
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        std::fs::remove_file(dir.join(name)).ok();
    }
    let args = ["replicate", "app.db", "--once", "--restore-if-missing"];
    fails(&waloy(dir, &args), 12, "key.missing", "--passphrase-file FILE");
    assert!(!dir.join("app.db").exists() && !dir.join("r.db").exists());
    // Said, it is done; and with the key the forgery is none.
    fails(&with(dir, &KEY, &["restore", "app.db", "-o", "r.db"]), 3, "object.not_encrypted", "is not encrypted");
    waloy(dir, &["restore", "app.db", "-o", "r.db", "--encrypt", "off"]).ok();
}

#[test]
fn damaged_and_missing_slots_are_told_apart_from_a_wrong_key() {
    let (dir, _app) = scene();
    let dir = dir.path();
    with(dir, &KEY, &["replicate", "app.db", "--to", "replica", "--once", "-q"]).ok();
    let keys = dir.join("replica/keys");
    let slot = std::fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path());
    let slot = slot.into_iter().find(|path| path.to_string_lossy().contains("slot-")).unwrap();
    let whole = std::fs::read(&slot).unwrap();
    let restore = || with(dir, &KEY, &["restore", "--to", "replica", "-o", "r.db"]);
    for (at, exit, code, says) in [
        (0, 3, "object.damaged", "not a key slot of waloy"),
        (150, 3, "object.damaged", "key slot damaged: its checksum is another one"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&slot, bytes).unwrap();
        fails(&restore(), exit, code, says);
    }
    std::fs::write(&slot, &whole[..100]).unwrap();
    fails(&restore(), 3, "object.truncated", "has only 100 bytes");
    std::fs::remove_file(&slot).unwrap();
    fails(&restore(), 12, "key.no_slot", "open it with the recovery kit");
    std::fs::write(&slot, whole).unwrap();
    restore().ok();
    std::fs::remove_file(keys.join("dk-00000001")).unwrap();
    fails(
        &with(dir, &KEY, &["restore", "--to", "replica", "-o", "s.db"]),
        3,
        "key.no_data_key",
        "no data key of epoch 1",
    );
}

#[test]
fn encryption_is_turned_on_by_the_command_that_is_told() {
    let (dir, app) = scene();
    let dir = dir.path();
    waloy(dir, &["replicate", "app.db", "--to", "replica", "--once", "-q"]).ok();
    let refused = with(dir, &KEY, &["replicate", "app.db", "--once"]);
    fails(&refused, 2, "replica.not_encrypted", "stays readable by anyone who can read it there");
    let line = refused.err.lines().find_map(|line| line.strip_prefix("  hint:  mv ")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_waloy")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let done = std::process::Command::new("sh")
        .args(["-c", &format!("mv {line} --once -q")])
        .env("PATH", path)
        .current_dir(dir)
        .status()
        .unwrap();
    assert!(done.success(), "{line}");
    with(dir, &KEY, &["restore", "--to", "replica-sealed", "-o", "r.db"]).ok();
    assert_is(&dir.join("r.db"), &image(&app));
    waloy(dir, &["restore", "--to", "replica", "-o", "open.db"]).ok();
    fails(
        &with(dir, &KEY, &["restore", "--to", "replica", "-o", "s.db"]),
        3,
        "object.not_encrypted",
        "is not encrypted",
    );
}

#[test]
fn an_anchor_is_noted_and_held_to() {
    let (dir, app) = scene();
    let dir = dir.path();
    let replicate = || {
        insert(&app);
        with(dir, &KEY, &["replicate", "app.db", "--to", "replica", "--once", "-q"]).ok();
    };
    replicate();
    let yesterday = dir.join("yesterday");
    assert!(
        std::process::Command::new("cp")
            .arg("-r")
            .args(["replica", "yesterday"])
            .current_dir(dir)
            .status()
            .unwrap()
            .success()
    );
    replicate();
    let anchor = with(dir, &KEY, &["inspect", "app.db", "--anchor"]).ok().out;
    assert!(anchor.starts_with("waloy-anchor:1:") && anchor.lines().count() == 1, "{anchor}");
    std::fs::write(dir.join("anchors.txt"), &anchor).unwrap();
    replicate();
    for given in ["anchors.txt", anchor.trim()] {
        with(dir, &KEY, &["verify", "--to", "replica", "--anchor", given]).ok();
        with(dir, &KEY, &["restore", "--to", "replica", "-n", "-o", "r.db", "--anchor", given]).ok();
        let rolled_back = with(dir, &KEY, &["verify", "--to", "yesterday", "--anchor", given]);
        assert!(
            rolled_back.code == Some(3) && rolled_back.err.contains("the replica ends with the snapshot of"),
            "{rolled_back:?}"
        );
        let refused = with(dir, &KEY, &["restore", "--to", "yesterday", "-o", "r.db", "--anchor", given]);
        fails(&refused, 3, "anchor.not_reached", "held back, or was rolled back");
    }
    std::fs::remove_dir_all(&yesterday).unwrap();
    std::fs::create_dir(&yesterday).unwrap();
    let args = ["restore", "--to", "yesterday", "-o", "r.db", "--anchor", "anchors.txt", "--if-backup-exists"];
    // All of it is held back: that is not the same as that there was never one.
    fails(&with(dir, &KEY, &args), 3, "object.missing", "replica is missing");
    assert!(!dir.join("r.db").exists());
    fails(&with(dir, &KEY, &["verify", "--to", "replica", "--anchor", "no-file"]), 2, "usage.invalid_value", "no-file");
}
