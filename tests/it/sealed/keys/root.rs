//! Another root key.

use std::time::Duration;

use waloy::keys::RootRotated;
use waloy::storage::ErrorKind;
use waloy::testing::faulty::{Deletes, FaultyStore, When};

use super::*;
use crate::metered::Metered;

/// Nothing that was made then is of a change that is at work now.
const LONG_AGO: Timestamp = Timestamp(NOW.0 - 2 * 60 * 60 * 1000);

async fn rotate_root(memory: &MemoryStore, old: &Key, new: &Key) -> Result<RootRotated, Error> {
    keys::rotate_root(memory, old, new, "new", NOW).await
}

/// Nothing of before is left in use, and nothing is lost.
async fn require_rotated(backup: &Backup, memory: &MemoryStore, old: &Key, new: &Key) {
    backup.require_all(memory, new).await;
    assert_eq!(refused(memory, old).await, "key.wrong");
    let listed = keys::list(memory).await.unwrap();
    assert_eq!(listed.slots.len(), 1, "{listed:?}");
    assert!(listed.data_keys.len() > backup.generations.len(), "there is a new one: {listed:?}");
    assert!(listed.data_keys.iter().all(|data_key| data_key.header.is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_key_opens_all_that_was_there_and_the_old_one_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, old, new) = (MemoryStore::new(), key("correct horse"), key("battery staple"));
    let mut replicator = Replicator::start(manual(&db, &old), bare(&memory), Hooks::default()).await.unwrap();
    let insert = || app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    insert();
    replicator.sync().await.unwrap();
    let replica = unlock(&memory, &old).await;
    keys::add(&replica, &raw(1), "another", LONG_AGO).await.unwrap();
    let kit_of = |replica: &Replica| {
        Key::new(Secret::from_key_file(keys::export_recovery(replica).unwrap().as_bytes()).unwrap())
    };
    let (before, old_kit) = (rollback::copy(&memory).await, kit_of(&replica));

    let rotated = rotate_root(&memory, &old, &new).await.unwrap();
    assert_eq!((rotated.epoch, rotated.data_keys, rotated.removed.len()), (Epoch(2), 2, 2));
    assert_eq!((rotated.left, slots(&memory).await), (Vec::new(), vec![rotated.slot]));
    for (secret, code) in [(&old, "key.wrong"), (&raw(1), "key.wrong"), (&old_kit, "key.wrong")] {
        assert_eq!(refused(&memory, secret).await, code);
    }
    let kit = kit_of(&unlock(&memory, &new).await);
    for secret in [&new, &kit] {
        assert!(model::restore(&unlock(&memory, secret).await).await == model::pages_of(&app));
    }

    // Slots of before that somebody puts back lead to the old root key.
    for id in slots(&before).await {
        let name = KeyName::Slot(id).to_string();
        let _: Put = memory.put_if_absent(&name, before.get(&name, 4096).await.unwrap()).await.unwrap();
    }
    assert_eq!(refused(&memory, &old).await, "key.rotated");
    assert_eq!(public(keys::add(&replica, &raw(9), "", NOW).await.unwrap_err()), (Kind::BadKey, "key.rotated"));
    assert_eq!(public(keys::rotate(&replica, NOW).await.unwrap_err()), (Kind::BadKey, "key.rotated"));
    assert_eq!(slots(&memory).await.len(), 3, "what cannot open is not left behind");

    // Who runs goes on with its generation, and no further.
    insert();
    replicator.sync().await.unwrap();
    let stopped = replicator.snapshot().await.unwrap_err();
    assert_eq!((stopped.kind(), stopped.code()), (Kind::BadKey, "key.rotated"));
    let _ = replicator.shutdown().await;
    // Who is started with the new secret writes nothing more that the old data key opens.
    let objects = async || replica::Inventory::list(&memory).await.unwrap().generations;
    let before = objects().await;
    let mut again = Replicator::start(manual(&db, &new), bare(&memory), Hooks::default()).await.unwrap();
    insert();
    again.sync().await.unwrap();
    again.shutdown().await.unwrap();
    let replica = unlock(&memory, &new).await;
    assert!(model::restore(&replica).await == model::pages_of(&app));
    let epochs = restore::survey(&bare(&memory)).await.unwrap().generations;
    assert_eq!(epochs.iter().map(|it| it.key_epoch).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(objects().await[0], before[0]);
    // And that once.
    let mut again = Replicator::start(manual(&db, &new), bare(&memory), Hooks::default()).await.unwrap();
    insert();
    again.sync().await.unwrap();
    again.shutdown().await.unwrap();
    assert_eq!(objects().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replicator_that_runs_by_itself_ends_when_it_meets_another_root_key() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, old, new) = (MemoryStore::new(), raw(1), raw(2));
    let mut options = manual(&db, &old);
    (options.automatic, options.sync_interval) = (true, Duration::from_millis(10));
    options.snapshot_interval = Some(Duration::from_millis(10));
    let mut replicator = Replicator::start(options, bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    rotate_root(&memory, &old, &new).await.unwrap();
    app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), replicator.ended()).await.unwrap();
    assert_eq!((ended.kind(), ended.code()), (Kind::BadKey, "key.rotated"));
}

/// It can open what it has put, and would go on for as long as its generation lasts.
#[tokio::test]
async fn a_replicator_that_adds_segments_meets_another_root_key_within_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, old, new) = (MemoryStore::new(), raw(1), raw(2));
    let insert = || app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    let mut replicator = Replicator::start(manual(&db, &old), bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    rotate_root(&memory, &old, &new).await.unwrap();
    insert();
    replicator.sync().await.unwrap();

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3601)).await;
    tokio::time::resume();
    insert();
    let stopped = replicator.sync().await.unwrap_err();
    assert_eq!((stopped.kind(), stopped.code()), (Kind::BadKey, "key.rotated"));

    // What is committed is not given up for it: the last sync adds it to what the old data key opens already.
    replicator.shutdown().await.unwrap();
    assert_eq!(replica::generations(&memory).await.unwrap().len(), 1);
    assert!(model::restore(&unlock(&memory, &new).await).await == model::pages_of(&app));
}

/// What is to be read in between is true, or an error.
async fn never_wrong(backup: &Backup, memory: &MemoryStore, key: &Key) {
    let Ok(replica) = Replica::unlock(store(memory), key).await else { return };
    let dir = tempfile::tempdir().unwrap();
    for (at, (generation, pages)) in backup.generations.iter().enumerate() {
        let path = dir.path().join(format!("{at}.db"));
        let target = Target::Generation(*generation, None);
        let restored = restore::restore(&replica, target, &Output::new(&path), &restore::Options::default()).await;
        if restored.is_ok() {
            assert!(std::fs::read(&path).unwrap() == *pages);
        }
    }
}

/// After it was cut short, it is done with the next call.
async fn complete(memory: &MemoryStore, old: &Key, new: &Key) {
    match rotate_root(memory, old, new).await {
        Ok(done) => assert_eq!(done.left, Vec::new()),
        // All was done but for the last answer.
        Err(Error::NothingToFinish { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
}

/// Whichever slot is removed with whichever key in between, if it is: one of the old secrets completes it with the new one.
async fn nobody_is_locked_out_by_a_removal(memory: &MemoryStore, old: [&Key; 2], new: &Key) {
    for id in slots(memory).await {
        for key in [old[0], old[1], new] {
            let memory = rollback::copy(memory).await;
            if keys::remove(&memory, id, key).await.is_err() {
                continue;
            }
            let mut completed = Vec::new();
            for old in old {
                completed.push(rotate_root(&memory, old, new).await);
            }
            let done = |it: &Result<_, Error>| matches!(it, Ok(_) | Err(Error::NothingToFinish { .. }));
            assert!(completed.iter().any(done) && Replica::unlock(store(&memory), new).await.is_ok(), "{completed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_short_at_any_request_it_is_completed_with_both_secrets() {
    let (old, new) = (raw(1), raw(2));
    let backup = Backup::make(&old).await;
    keys::add(&unlock(&backup.store, &old).await, &raw(3), "another", LONG_AGO).await.unwrap();
    let mut cuts = 0;
    for when in [When::Before, When::After] {
        for n in 1.. {
            let memory = backup.copy().await;
            let faulty = FaultyStore::new(store(&memory));
            faulty.fail_nth(n, when);
            let done = keys::rotate_root(&faulty, &old, &new, "new", NOW).await;
            if faulty.pending() > 0 {
                assert!(done.is_ok());
                break;
            }
            let Err(Error::Replica(replica::Error::Store(error))) = done else { panic!("{done:?}") };
            assert_eq!(error.kind, ErrorKind::Unavailable);
            cuts += 1;
            never_wrong(&backup, &memory, &old).await;
            never_wrong(&backup, &memory, &new).await;
            nobody_is_locked_out_by_a_removal(&memory, [&old, &raw(3)], &new).await;
            complete(&memory, &old, &new).await;
            require_rotated(&backup, &memory, &old, &new).await;
        }
    }
    assert!(cuts > 60, "{cuts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_short_twice_it_is_completed_all_the_same() {
    let (old, new) = (raw(1), raw(2));
    let backup = Backup::make(&old).await;
    let mut cuts = 0;
    for first in (1..).step_by(2) {
        let memory = backup.copy().await;
        let faulty = FaultyStore::new(store(&memory));
        faulty.fail_nth(first, When::After);
        let _ = keys::rotate_root(&faulty, &old, &new, "new", NOW).await;
        if faulty.pending() > 0 {
            break;
        }
        for second in (1..).step_by(3) {
            let memory = rollback::copy(&memory).await;
            let faulty = FaultyStore::new(store(&memory));
            faulty.fail_nth(second, When::Before);
            let _ = keys::rotate_root(&faulty, &old, &new, "new", NOW).await;
            if faulty.pending() > 0 {
                break;
            }
            cuts += 1;
            complete(&memory, &old, &new).await;
            require_rotated(&backup, &memory, &old, &new).await;
        }
    }
    assert!(cuts > 100, "{cuts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_the_same_time_lose_nothing() {
    let (old, new) = (raw(1), raw(2));
    let backup = Backup::make(&old).await;
    // The second begins after so many requests of the first.
    for behind in 0..40 {
        let memory = backup.copy().await;
        let slow = || {
            let store = FaultyStore::new(store(&memory));
            store.set_delay(Duration::from_millis(1));
            store
        };
        let (one, other) = (slow(), slow());
        let later = async {
            while one.requests() < behind && one.requests() < 30 {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            keys::rotate_root(&other, &old, &new, "new", NOW).await
        };
        let (first, second) = tokio::join!(keys::rotate_root(&one, &old, &new, "new", NOW), later);
        never_wrong(&backup, &memory, &old).await;
        never_wrong(&backup, &memory, &new).await;
        if first.is_err() || second.is_err() {
            match rotate_root(&memory, &old, &new).await {
                Ok(_) | Err(Error::NothingToFinish { .. }) => {}
                Err(error) => panic!("{behind}: {first:?} {second:?}: {error:?}"),
            }
        }
        backup.require_all(&memory, &new).await;
    }
}

/// One has put its slot and has a data key in hand; another begins and is done; then the data key of the first is put.
#[tokio::test(flavor = "multi_thread")]
async fn the_young_slot_of_a_change_with_another_secret_stays() {
    let (old, slow, new) = (raw(1), raw(2), raw(3));
    let backup = Backup::make(&old).await;
    let memory = &backup.store;
    let theirs = backup.copy().await;
    let slot = keys::rotate_root(&theirs, &old, &slow, "slow", NOW).await.unwrap().slot;
    let take = async |name: KeyName| {
        let name = name.to_string();
        let _: () = memory.put(&name, theirs.get(&name, 4096).await.unwrap()).await.unwrap();
    };
    take(KeyName::Slot(slot)).await;
    let done = rotate_root(memory, &old, &new).await.unwrap();
    take(KeyName::DataKey(Epoch(1))).await;
    let [left] = &done.left[..] else { panic!("{done:?}") };
    assert_eq!(left.slot.id, slot);
    assert!(left.why.starts_with("it was made less than an hour ago"), "{left:?}");

    // The two secrets in hand complete it.
    rotate_root(memory, &slow, &new).await.unwrap();
    require_rotated(&backup, memory, &old, &new).await;
    assert_eq!(refused(memory, &slow).await, "key.wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_of_others_that_stayed_goes_with_a_later_change() {
    let (old, new, newer) = (raw(1), raw(2), raw(3));
    let backup = Backup::make(&old).await;
    let memory = &backup.store;
    keys::add(&unlock(memory, &old).await, &raw(4), "young", NOW).await.unwrap();
    assert_eq!(rotate_root(memory, &old, &new).await.unwrap().left.len(), 1);
    let later = Timestamp(NOW.0 + 60 * 60 * 1000 + 1);
    let done = keys::rotate_root(memory, &new, &newer, "newer", later).await.unwrap();
    assert_eq!((done.removed.len(), done.left), (2, Vec::new()));
    require_rotated(&backup, memory, &new, &newer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_key_that_somebody_makes_meanwhile_is_taken_along() {
    let (old, new) = (raw(1), raw(2));
    let backup = Backup::make(&old).await;
    for behind in 0..30 {
        let memory = backup.copy().await;
        let slow = FaultyStore::new(store(&memory));
        slow.set_delay(Duration::from_millis(1));
        let theirs = unlock(&memory, &old).await;
        let later = async {
            while slow.requests() < behind {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            keys::rotate(&theirs, NOW).await
        };
        let (done, _) = tokio::join!(keys::rotate_root(&slow, &old, &new, "new", NOW), later);
        done.unwrap();
        require_rotated(&backup, &memory, &old, &new).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_before_anything_is_written() {
    let (old, new, other) = (raw(1), raw(2), raw(3));
    let backup = Backup::make(&old).await;
    let memory = &backup.store;
    let replica = unlock(memory, &old).await;
    keys::add(&replica, &other, "another", LONG_AGO).await.unwrap();
    let kit = Key::new(Secret::from_key_file(keys::export_recovery(&replica).unwrap().as_bytes()).unwrap());
    let is_as_before = rollback::copy(memory).await;
    for (old, new, expected) in [
        (&old, &old, (Kind::Usage, "key.not_new")),
        (&old, &other, (Kind::Usage, "key.not_new")),
        (&old, &kit, (Kind::Usage, "key.kit")),
        (&raw(9), &new, (Kind::BadKey, "key.wrong")),
        (&key("not a slot's"), &new, (Kind::BadKey, "key.wrong")),
        // The old one was mistyped, and the new one is in use: nothing goes.
        (&raw(9), &other, (Kind::BadKey, "key.nothing_to_finish")),
    ] {
        assert_eq!(public(rotate_root(memory, old, new).await.unwrap_err()), expected);
        assert_eq!(dump(memory).await, dump(&is_as_before).await);
    }

    // Begun with one new secret, it is not completed with another.
    let faulty = FaultyStore::new(store(memory));
    let dk = KeyName::DataKey(Epoch(2)).to_string();
    let half = backup.copy().await;
    keys::rotate_root(&half, &old, &raw(4), "", NOW).await.unwrap();
    let _: () = memory.put(&dk, half.get(&dk, 4096).await.unwrap()).await.unwrap();
    let stray = keys::rotate_root(&faulty, &old, &new, "", NOW).await.unwrap_err();
    assert_eq!(public(stray), (Kind::Damaged, "key.stray_data_key"));
    let _: () = memory.put(&dk, is_as_before.get(&dk, 4096).await.unwrap()).await.unwrap();
    assert_eq!(dump(memory).await, dump(&is_as_before).await);

    // A recovery kit is as good as the secret of a slot.
    rotate_root(memory, &kit, &new).await.unwrap();
    require_rotated(&backup, memory, &old, &new).await;
    assert_eq!(refused(memory, &kit).await, "key.wrong");
    let again = rotate_root(memory, &old, &new).await.unwrap_err();
    assert_eq!(public(again), (Kind::BadKey, "key.nothing_to_finish"));
}

async fn dump(memory: &MemoryStore) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for meta in waloy::storage::list_all(memory, "", None).await.unwrap() {
        all.push((meta.key.clone(), memory.get(&meta.key, 1 << 30).await.unwrap().to_vec()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_cannot_be_deleted_are_told_and_open_nothing() {
    let (old, new) = (raw(1), raw(2));
    let backup = Backup::make(&old).await;
    for deletes in [Deletes::Refused, Deletes::Ignored] {
        let memory = backup.copy().await;
        let faulty = FaultyStore::new(store(&memory));
        faulty.set_deletes(deletes);
        let done = keys::rotate_root(&faulty, &old, &new, "new", NOW).await.unwrap();
        assert_eq!((done.removed.len(), done.left.len()), (0, 1));
        assert_eq!(refused(&memory, &old).await, "key.rotated");
        backup.require_all(&memory, &new).await;

        // Another secret that was added since then stays when it is run once more.
        keys::add(&unlock(&memory, &new).await, &raw(5), "since", Timestamp(NOW.0 + 1)).await.unwrap();
        complete(&memory, &old, &new).await;
        assert_eq!(refused(&memory, &old).await, "key.wrong");
        backup.require_all(&memory, &new).await;
        backup.require_all(&memory, &raw(5)).await;
    }
}

/// There a replicator looks whether its keys are those that are there, and puts them over others.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_kept_a_replicator_that_runs_undoes_neither_a_removal_nor_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, old, new) = (MemoryStore::new(), raw(1), raw(2));
    let replaces = Metered::new(store(&memory));
    replaces.without_conditions();
    let mut options = manual(&db, &old);
    options.rival_check = Duration::ZERO;
    let start = |options| Replicator::start(options, Replica::plain(replaces.clone()), Hooks::default());
    let mut replicator = start(options).await.unwrap();
    let insert = || app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    insert();
    replicator.sync().await.unwrap();

    let replica = unlock(&memory, &old).await;
    let [first] = slots(&memory).await[..] else { panic!("one slot") };
    let added = keys::add(&replica, &raw(3), "another", NOW).await.unwrap();
    keys::remove(&*replaces, first, &raw(3)).await.unwrap();
    insert();
    replicator.sync().await.unwrap();
    assert_eq!(slots(&memory).await, [added.id]);

    keys::rotate_root(&*replaces, &raw(3), &new, "new", NOW).await.unwrap();
    let pages = model::pages_of(&app);
    insert();
    let stopped = replicator.sync().await.unwrap_err();
    assert_eq!((stopped.kind(), stopped.code()), (Kind::BadKey, "key.rotated"));
    let _ = replicator.shutdown().await;
    assert_eq!(refused(&memory, &old).await, "key.wrong");
    assert!(model::restore(&unlock(&memory, &new).await).await == pages);

    let mut again = start(manual(&db, &new)).await.unwrap();
    again.sync().await.unwrap();
    again.shutdown().await.unwrap();
    assert!(model::restore(&unlock(&memory, &new).await).await == model::pages_of(&app));
}
