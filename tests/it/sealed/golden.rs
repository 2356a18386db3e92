//! A replica that the program of an earlier commit wrote, in `tests/golden/sealed_v1`: every later version reads it.
//!
//! Two generations, each with a data key of its own; segments and a merged one; a slot for a passphrase, one for a raw
//! key; and its recovery kit. What is left behind by a later version of the format goes beside it, never in its place.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use waloy::engine::Hooks;
use waloy::keys;
use waloy::seal::Epoch;
use waloy::storage::{DirStore, list_all};
use waloy::verify::{self, Level, Subset};

use super::*;

/// Of the database, as the program that wrote it restored it.
const LATEST: &str = "3602b4ecc148170fb7be97ff1c68b462bab42bbc6ee5926ca523c20e27f43db8";

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sealed_v1").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

/// A copy of it, that nothing here can change.
async fn memory() -> MemoryStore {
    let (memory, dir) = (MemoryStore::new(), DirStore::new(golden("replica")));
    for meta in list_all(&dir, "", None).await.unwrap() {
        memory.put(&meta.key, dir.get(&meta.key, 1 << 20).await.unwrap()).await.unwrap();
    }
    memory
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_program_has_sealed_is_opened_by_each_of_its_keys() {
    let memory = memory().await;
    let passphrase = Secret::from_passphrase_file(&read("pass")).unwrap();
    let keys =
        [passphrase, Secret::from_key_file(&read("key")).unwrap(), Secret::from_key_file(&read("kit.txt")).unwrap()];
    for secret in keys {
        let kind = secret.kind();
        let replica = Replica::unlock(store(&memory), &Key::new(secret)).await.unwrap();
        let (report, bytes) = restore(&replica, Target::Latest).await.unwrap();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((digest.as_str(), bytes.len()), (LATEST, 3072), "{kind}");
        assert_eq!(report.plan.objects.len(), 2, "the snapshot and the merged segment");
        for generation in waloy::replica::generations(&memory).await.unwrap() {
            restore(&replica, Target::Generation(generation, None)).await.unwrap();
        }
        let all = verify::verify(&replica, Level::ReadData(Subset::All), &verify::Options::default()).await.unwrap();
        assert_eq!((all.findings, all.objects_checked), (Vec::new(), 26), "{kind}");
    }
    let listed = keys::list(&memory).await.unwrap();
    let mut labels: Vec<&str> = listed.slots.iter().map(|slot| slot.label.as_str()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["", "golden"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_program_has_sealed_is_gone_on_with_under_the_newest_data_key() {
    let (memory, dir) = (memory().await, tempfile::tempdir().unwrap());
    let secret = Key::new(Secret::from_key_file(&read("key")).unwrap());
    let replica = Replica::unlock(store(&memory), &secret).await.unwrap();
    let db = dir.path().join("a.db");
    std::fs::write(&db, restore(&replica, Target::Latest).await.unwrap().1).unwrap();
    let app = rusqlite::Connection::open(&db).unwrap();
    app.execute("INSERT INTO t(x) VALUES ('later')", []).unwrap();
    let mut options = manual(&db, &secret);
    options.quiet = std::time::Duration::ZERO;
    let mut replicator = waloy::engine::Replicator::start(options, bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    assert_eq!(waloy::replica::generations(&memory).await.unwrap().len(), 2, "it went on");
    let replica = Replica::unlock(store(&memory), &secret).await.unwrap();
    assert!(restore(&replica, Target::Latest).await.unwrap().1 == crate::model::pages_of(&app));
    let newest = memory.list("", None, waloy::storage::Depth::All).await.unwrap();
    let newest = newest.objects.into_iter().rfind(|meta| meta.key.ends_with("/wal/000000000012")).unwrap();
    let head = memory.get_range(&newest.key, 0..12).await.unwrap();
    assert_eq!(head[8..12], Epoch(2).0.to_be_bytes());
}
