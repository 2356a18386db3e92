//! The first start of a sealed replica: two at once, and cut short anywhere. And keys that go missing later.

use waloy::engine::{Hooks, Replicator};
use waloy::seal::{KeyName, argon2_runs};
use waloy::storage::{ErrorKind, list_all};
use waloy::testing::faulty::{FaultyStore, Operation, When};

use super::*;
use crate::engine::application;
use crate::metered::Metered;
use crate::model;

/// What is under `keys/`: slots, data keys.
async fn keys(memory: &MemoryStore) -> (usize, usize) {
    let listed = list_all(memory, KeyName::PREFIX, None).await.unwrap();
    let slots = listed.iter().filter(|meta| matches!(KeyName::parse(&meta.key), Some(KeyName::Slot(_)))).count();
    (slots, listed.len() - slots)
}

async fn everything(memory: &MemoryStore) -> Vec<(String, bytes::Bytes)> {
    let mut all = Vec::new();
    for meta in list_all(memory, "", None).await.unwrap() {
        all.push((meta.key.clone(), memory.get(&meta.key, 1 << 30).await.unwrap()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_was_cut_short_anywhere_is_taken_up() {
    let (ours, mut cut) = (key("correct horse"), 0);
    for when in [When::Before, When::After] {
        for n in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let db = dir.path().join("a.db");
            let app = application(&db, 512);
            let memory = MemoryStore::new();
            let faulty = FaultyStore::new(store(&memory));
            faulty.fail_nth_of_any(n, when, ErrorKind::Unavailable);
            let started =
                Replicator::start(manual(&db, &ours), Replica::plain(Arc::new(faulty.clone())), Hooks::default());
            let started = started.await;
            if faulty.pending() > 0 {
                assert!(started.is_ok());
                break;
            }
            cut += 1;
            if let Ok(started) = started {
                started.release().await;
            }
            let mut again = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
            again.sync().await.unwrap();
            again.shutdown().await.unwrap();
            assert_eq!(keys(&memory).await, (1, 1), "request {n}, {when:?}");
            let replica = Replica::unlock(store(&memory), &ours).await.unwrap();
            assert!(model::restore(&replica).await == model::pages_of(&app), "request {n}, {when:?}");
        }
    }
    assert!(cut > 20, "{cut} places");
}

/// A slot and nothing else: what a start leaves that is cut short before `replica`.
async fn begin_a_slot(db: &Path, state: &Path, memory: &MemoryStore, ours: &Key) {
    let slots = keys(memory).await.0 as u64;
    let faulty = FaultyStore::new(store(memory));
    faulty.fail_nth_of(Operation::PutIfAbsent, 2 - slots, When::Before, ErrorKind::Denied);
    let mut options = manual(db, ours);
    options.state_dir = Some(state.into());
    let started = Replicator::start(options, Replica::plain(Arc::new(faulty.clone())), Hooks::default()).await;
    if let Ok(started) = started {
        started.release().await;
    }
    assert_eq!((keys(memory).await, faulty.pending()), ((1, 0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slot_of_somebody_else_is_not_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, ours) = (MemoryStore::new(), key("correct horse"));
    begin_a_slot(&db, &dir.path().join("theirs"), &memory, &ours).await;
    let theirs = everything(&memory).await;

    let start = || Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default());
    let mut replicator = start().await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    assert_eq!(keys(&memory).await, (2, 1));
    let replica = Replica::unlock(store(&memory), &ours).await.unwrap();
    assert!(model::restore(&replica).await == model::pages_of(&app));
    start().await.unwrap().shutdown().await.unwrap();

    // Its root key opens nothing of it.
    let alone = MemoryStore::new();
    for (name, bytes) in everything(&memory).await {
        if theirs.iter().any(|(their, _)| *their == name) || !name.starts_with("keys/slot") {
            alone.put(&name, bytes).await.unwrap();
        }
    }
    assert_eq!(keys(&alone).await, (1, 1));
    assert_eq!(Replica::unlock(store(&alone), &ours).await.unwrap_err().code(), "key.rotated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_of_our_own_is_taken_up_beside_that_of_somebody_else_and_after_two_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let (db, state) = (dir.path().join("a.db"), dir.path().join("state"));
    let app = application(&db, 512);
    let (memory, others, ours) = (MemoryStore::new(), MemoryStore::new(), key("correct horse"));
    for _ in 0..2 {
        begin_a_slot(&db, &state, &memory, &ours).await;
    }
    begin_a_slot(&db, &dir.path().join("theirs"), &others, &ours).await;
    for (name, bytes) in everything(&others).await {
        memory.put(&name, bytes).await.unwrap();
    }
    let mut options = manual(&db, &ours);
    options.state_dir = Some(state);
    let mut replicator = Replicator::start(options, bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    assert_eq!(keys(&memory).await, (2, 1));
    let replica = Replica::unlock(store(&memory), &ours).await.unwrap();
    assert!(model::restore(&replica).await == model::pages_of(&app));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_begin_at_once_one_begins_and_no_slot_of_the_other_is_left() {
    for round in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let _app = application(&db, 512);
        let memory = MemoryStore::new();
        let delayed = FaultyStore::new(store(&memory));
        delayed.set_delay(std::time::Duration::from_micros(round * 100));
        let start = |name: &str| {
            let mut options = manual(&db, &key("correct horse"));
            options.state_dir = Some(dir.path().join(name));
            Replicator::start(options, Replica::plain(Arc::new(delayed.clone())), Hooks::default())
        };
        let (one, two) = tokio::join!(start("one"), start("two"));
        for started in [one, two] {
            started.unwrap().release().await;
        }
        assert_eq!(keys(&memory).await, (1, 1));
        Replica::unlock(store(&memory), &key("correct horse")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_begin_at_once_where_nothing_is_kept_what_was_synced_is_restored() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, 512);
        let memory = MemoryStore::new();
        let replaces = Metered::new(store(&memory));
        replaces.without_conditions();
        let start = |name: &str| {
            let mut options = manual(&db, &key("correct horse"));
            options.state_dir = Some(dir.path().join(name));
            Replicator::start(options, Replica::plain(replaces.clone()), Hooks::default())
        };
        let (one, two) = tokio::join!(start("one"), start("two"));
        let mut synced = false;
        // Who was overtaken ends with an error, and may begin again.
        for mut started in [one, two].into_iter().flatten() {
            synced |= started.sync().await.is_ok();
            started.shutdown().await.ok();
        }
        let replica = Replica::unlock(store(&memory), &key("correct horse")).await.unwrap();
        if synced {
            assert!(model::restore(&replica).await == model::pages_of(&app));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_went_missing_are_put_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, ours) = (MemoryStore::new(), key("correct horse"));
    let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    let before = everything(&memory).await;
    for (name, _) in before.iter().filter(|(name, _)| name.starts_with("keys/") || name == "replica") {
        memory.delete(name).await.unwrap();
    }
    assert!(Replica::unlock(store(&memory), &ours).await.unwrap().is_sealed(), "there is nothing to unlock");
    app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    replicator.snapshot().await.unwrap();
    for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("keys/")) {
        assert_eq!(memory.get(name, 4096).await.unwrap(), bytes);
        memory.put(name, bytes.slice(..50)).await.unwrap();
    }
    replicator.snapshot().await.unwrap();
    for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("keys/")) {
        assert_eq!(memory.get(name, 4096).await.unwrap(), bytes, "it was damaged");
    }
    replicator.shutdown().await.unwrap();
    let replica = Replica::unlock(store(&memory), &key("correct horse")).await.unwrap();
    assert!(model::restore(&replica).await == model::pages_of(&app));
}

/// In a process of its own, as others run Argon2 too.
#[test]
fn argon2_runs_once_a_process_whatever_the_number_of_objects() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["sealed::start::counts_argon2", "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

const ALONE: &str = "WALOY_TEST_ALONE";

/// Not a test of its own: what the one above starts.
#[test]
fn counts_argon2() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, 512);
        let (memory, ours) = (MemoryStore::new(), key("correct horse"));
        let before = argon2_runs();
        let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
        for _ in 0..100 {
            app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
            replicator.sync().await.unwrap();
        }
        replicator.snapshot().await.unwrap();
        replicator.shutdown().await.unwrap();
        assert_eq!(argon2_runs() - before, 1, "to make the slot, and then not again");
        let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
        replicator.shutdown().await.unwrap();
        assert_eq!(argon2_runs() - before, 1);
        let fresh = key("correct horse");
        let replica = Replica::unlock(store(&memory), &fresh).await.unwrap();
        restore(&replica, Target::Latest).await.unwrap();
        let replica = Replica::unlock(store(&memory), &fresh).await.unwrap();
        let options = waloy::verify::Options::default();
        let level = waloy::verify::Level::ReadData(waloy::verify::Subset::All);
        assert!(waloy::verify::verify(&replica, level, &options).await.unwrap().findings.is_empty());
        assert_eq!(argon2_runs() - before, 2, "once more for a secret that was given anew, and 100 objects");
    });
}
