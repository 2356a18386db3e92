//! A store that gives out what is older than it has.

use waloy::engine::{Hooks, Replicator};
use waloy::error::Kind;
use waloy::keys;
use waloy::restore::{Anchor, Options};
use waloy::storage::{MemoryStore, Put, list_all};
use waloy::units::Timestamp;
use waloy::verify::{self, Level};

use super::*;
use crate::engine::application;
use crate::model;

/// Everything that is there.
pub(super) async fn copy(memory: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::new();
    for meta in list_all(memory, "", None).await.unwrap() {
        let bytes = memory.get(&meta.key, 1 << 30).await.unwrap();
        assert_eq!(copy.put_if_absent(&meta.key, bytes).await.unwrap(), Put::Created);
    }
    copy
}

async fn found(replica: &Replica, anchor: Anchor) -> Vec<&'static str> {
    let options = verify::Options { anchor: Some(anchor), ..verify::Options::default() };
    let report = verify::verify(replica, Level::Default, &options).await.unwrap();
    report.findings.iter().filter(|finding| finding.code.starts_with("anchor.")).map(|finding| finding.code).collect()
}

async fn restored(replica: &Replica, anchor: Anchor) -> Result<Vec<u8>, &'static str> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored.db");
    let options = Options { anchor: Some(anchor), ..Options::default() };
    match restore::restore(replica, Target::Latest, &Output::new(&path), &options).await {
        Ok(_) => Ok(std::fs::read(path).unwrap()),
        Err(error) => Err(error.code()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_or_rolled_back_is_told_by_an_anchor_and_by_the_local_state() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let commit = || app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    let (memory, ours) = (MemoryStore::new(), key("correct horse"));
    let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    let sync = async |replicator: &Replicator| {
        commit();
        replicator.sync().await.unwrap();
    };
    replicator.sync().await.unwrap();
    sync(&replicator).await;
    let open = async |memory: &MemoryStore| Replica::unlock(store(memory), &ours).await.unwrap();
    let (yesterday, old) = (copy(&memory).await, Anchor::of(&open(&memory).await).await.unwrap());
    for _ in 0..3 {
        sync(&replicator).await;
    }
    let (now, anchor) = (copy(&memory).await, Anchor::of(&open(&memory).await).await.unwrap());
    assert_ne!(old, anchor);

    // What goes on from an anchor is what it was noted of, also in another generation.
    let replica = open(&memory).await;
    assert_eq!(found(&replica, anchor).await, [""; 0]);
    sync(&replicator).await;
    replicator.snapshot().await.unwrap();
    assert_eq!(found(&open(&memory).await, anchor).await, [""; 0]);
    assert!(restored(&replica, old).await.unwrap() == model::pages_of(&app));

    // All of it as it was yesterday, or the newest object held back: whole, true, and old.
    let held_back = copy(&now).await;
    let last = list_all(&held_back, "", None).await.unwrap().into_iter().rfind(|meta| meta.key.contains("/wal/"));
    held_back.delete(&last.unwrap().key).await.unwrap();
    for rolled_back in [&yesterday, &held_back] {
        let replica = open(rolled_back).await;
        assert_eq!(found(&replica, anchor).await, ["anchor.not_reached"]);
        assert_eq!(restored(&replica, anchor).await, Err("anchor.not_reached"));
        restored(&replica, old).await.ok();
    }
    assert_eq!(found(&open(&yesterday).await, old).await, [""; 0]);

    // Another replica under the same passphrase, of the same database.
    let (other, elsewhere) = (MemoryStore::new(), dir.path().join("elsewhere"));
    let mut options = manual(&db, &ours);
    options.state_dir = Some(elsewhere);
    replicator.shutdown().await.unwrap();
    let mut second = Replicator::start(options, bare(&other), Hooks::default()).await.unwrap();
    second.sync().await.unwrap();
    second.shutdown().await.unwrap();
    assert_eq!(found(&open(&other).await, anchor).await, ["anchor.another_replica"]);
    assert_eq!(restored(&open(&other).await, anchor).await, Err("anchor.another_replica"));

    // The replicator that wrote it knows without an anchor.
    let refused = Replicator::start(manual(&db, &ours), bare(&other), Hooks::default()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Damaged, "replica.rolled_back"));
    // Nothing is added to what was rolled back: a new generation has all.
    let before = waloy::replica::generations(&yesterday).await.unwrap().len();
    let mut again = Replicator::start(manual(&db, &ours), bare(&yesterday), Hooks::default()).await.unwrap();
    again.sync().await.unwrap();
    again.shutdown().await.unwrap();
    assert_eq!(waloy::replica::generations(&yesterday).await.unwrap().len(), before + 1);
    assert!(model::restore(&open(&yesterday).await).await == model::pages_of(&app));
}

/// Whoever can write to the bucket, and has no key, can put back what it had; nothing that an older data key seals is added.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_key_that_is_older_than_the_last_one_or_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, ours) = (MemoryStore::new(), key("correct horse"));
    let start = |memory: &MemoryStore| Replicator::start(manual(&db, &ours), bare(memory), Hooks::default());
    let mut replicator = start(&memory).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    let (yesterday, other) = (copy(&memory).await, copy(&memory).await);
    for memory in [&memory, &other] {
        let replica = Replica::unlock(store(memory), &ours).await.unwrap();
        keys::rotate(&replica, Timestamp(1_795_341_600_000)).await.unwrap();
    }
    let mut replicator = start(&memory).await.unwrap();
    app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();

    for (memory, message) in [(&yesterday, "is gone"), (&other, "is another one")] {
        let before = list_all(memory, "", None).await.unwrap();
        let refused = start(memory).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (Kind::Damaged, "replica.rolled_back"));
        assert!(refused.to_string().starts_with(&format!("data key 2 of memory: {message}")), "{refused}");
        assert_eq!(list_all(memory, "", None).await.unwrap(), before);
    }
    // Nothing of that counts against the replica that it belongs to.
    let mut replicator = start(&memory).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    let replica = Replica::unlock(store(&memory), &ours).await.unwrap();
    assert!(model::restore(&replica).await == model::pages_of(&app));
}
