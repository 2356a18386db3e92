//! Nothing of pages, passphrases and keys gets anywhere: not into an object or its name, a file of the state directory, a
//! line of the log, an error, or what is printed of a value.
//!
//! Pages and keys are all canaries: no 16 bytes of any of them in a row, with 8 distinct ones among them. The same is done
//! without a key: then they are found in objects and state files, or this would prove nothing.
#![expect(clippy::print_stdout, reason = "how much was looked at")]

mod program;
mod scan;
mod stage;

use std::process::Command;

use scan::Secrets;
use stage::Stage;
use waloy::compress::Compression;
use waloy::seal::Secret;

use super::*;

const CHILD: &str = "WALOY_TEST_CANARY";
pub(super) const PASSPHRASE: &str = "Tq8#Zk2!Vw6$Lc1%Xn9&Rb4*";
pub(super) const RAW_KEY: &[u8; 32] = b"\x91raw-KEY\x02of*marker\xfeBYTES^7Jq!zW3";

/// In a process of its own, whose log is kept.
#[test]
fn nothing_of_pages_and_keys_is_seen_anywhere() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["sealed::canary::in_a_process_of_its_own", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
    let lines: Vec<&str> = said.lines().filter_map(|line| line.find("canary: ").map(|at| &line[at..])).collect();
    lines.iter().for_each(|line| println!("{line}"));
    assert_eq!(lines.len(), 5, "{said}");
}

fn raw_key() -> Key {
    Key::new(Secret::from_key_file(RAW_KEY).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_process_of_its_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let log = stage::keep_log();
    let runs = [
        ("passphrase, not compressed", Some(key(PASSPHRASE)), Compression::None, true),
        ("passphrase, zstd", Some(key(PASSPHRASE)), Compression::Zstd(3), false),
        ("raw key, lz4", Some(raw_key()), Compression::Lz4, false),
        ("in the clear, not compressed", None, Compression::None, true),
        ("in the clear, zstd", None, Compression::Zstd(3), false),
    ];
    for (what, key, compression, large) in runs {
        log.lock().unwrap().clear();
        let stage = Stage::play(key.clone(), compression, large).await;
        let Stage { mut observed, secrets, .. } = stage;
        observed.add("the log", std::mem::take(&mut *log.lock().unwrap()));
        let lengths: Vec<String> = ["object", "name", "state", "spool", "the log", "error", "value"]
            .map(|what| format!("{what} {}", observed.len_of(what)))
            .into();
        let found = secrets.found_in(&observed);
        println!("canary: {what}: looked at bytes: {}; {} findings", lengths.join(", "), found.len());
        for (what, least) in [("object", 100_000), ("name", 500), ("state", 10_000), ("the log", 1000), ("value", 5000)]
        {
            assert!(observed.len_of(what) > least, "{what} {}", observed.len_of(what));
        }
        assert!(!large || observed.len_of("spool") > 8 << 20, "no spool was seen on the disk");
        match key {
            Some(_) => assert!(found.is_empty(), "{what}: {found:?}"),
            None => {
                // What is compressed has little of a page in a row.
                let places: &[&str] = if large { &["object", "state", "spool"] } else { &["object"] };
                for place in places {
                    let seen = found.iter().any(|(secret, at)| secret.starts_with("page") && at.starts_with(place));
                    assert!(seen, "{what}: pages are not seen in {place}: {found:?}");
                }
            }
        }
    }
}

/// Secrets of whoever has opened this replica, to look for.
async fn keys_of(memory: &MemoryStore, key: &Key) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.key("the passphrase", PASSPHRASE.as_bytes());
    secrets.key("the raw key", RAW_KEY);
    stage::add_keys(&mut secrets, memory, key).await;
    secrets
}
