//! Slots, data keys, the root key: changed while there is a backup, and cut short anywhere.

mod root;

use waloy::engine::{Hooks, Replicator};
use waloy::error::{Error as PublicError, Kind};
use waloy::ids::GenerationId;
use waloy::keys::{self, Condition, Error};
use waloy::replica;
use waloy::seal::{Epoch, KeyName, SecretKind, SlotId};
use waloy::storage::Put;
use waloy::units::Timestamp;

use super::*;
use crate::engine::application;
use crate::model;

const NOW: Timestamp = Timestamp(1_795_341_600_000);

/// A raw key: opens without Argon2.
fn raw(byte: u8) -> Key {
    Key::new(Secret::from_key_file(&[byte; 32]).unwrap())
}

fn public(error: impl Into<PublicError>) -> (Kind, &'static str) {
    let error = error.into();
    (error.kind(), error.code())
}

/// A replica of three generations, each with a data key of its own, and what each of them restores to.
struct Backup {
    store: MemoryStore,
    generations: Vec<(GenerationId, Vec<u8>)>,
}

impl Backup {
    async fn make(ours: &Key) -> Backup {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, 512);
        let (store, mut generations) = (MemoryStore::new(), Vec::new());
        let mut replicator = Replicator::start(manual(&db, ours), bare(&store), Hooks::default()).await.unwrap();
        for epoch in 1..=3 {
            if epoch > 1 {
                let rotated = keys::rotate(&unlock(&store, ours).await, NOW).await.unwrap();
                assert_eq!(rotated.epoch, Epoch(epoch));
                replicator.snapshot().await.unwrap();
            }
            for _ in 0..2 {
                app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
                replicator.sync().await.unwrap();
            }
            let generation = replica::generations(&store).await.unwrap().pop().unwrap();
            generations.push((generation, model::pages_of(&app)));
        }
        replicator.shutdown().await.unwrap();
        assert_eq!(generations.len(), 3);
        Backup { store, generations }
    }

    /// The same, to be changed.
    async fn copy(&self) -> MemoryStore {
        rollback::copy(&self.store).await
    }

    /// Everything restores from here with this key.
    async fn require_all(&self, store: &MemoryStore, key: &Key) {
        let replica = unlock(store, key).await;
        for (generation, pages) in &self.generations {
            assert!(model::restore_generation(&replica, *generation).await == *pages);
        }
    }
}

async fn unlock(memory: &MemoryStore, key: &Key) -> Replica {
    Replica::unlock(store(memory), key).await.unwrap()
}

async fn refused(memory: &MemoryStore, key: &Key) -> &'static str {
    Replica::unlock(store(memory), key).await.unwrap_err().code()
}

async fn slots(memory: &MemoryStore) -> Vec<SlotId> {
    keys::list(memory).await.unwrap().slots.iter().map(|slot| slot.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_added_changed_and_removed_and_the_last_one_stays() {
    let (first, second, third) = (key("correct horse"), key("battery staple"), raw(7));
    let backup = Backup::make(&first).await;
    let memory = &backup.store;
    let replica = unlock(memory, &first).await;

    let added = keys::add(&replica, &second, "ops \u{1b}[31m", NOW).await.unwrap();
    let listed = keys::list(memory).await.unwrap();
    assert_eq!((listed.slots.len(), listed.whole(), listed.data_keys.len()), (2, 2, 3));
    let shown = listed.slots.iter().find(|slot| slot.id == added.id).unwrap();
    assert_eq!((shown, shown.kind, shown.cost), (&added, Some(SecretKind::Passphrase), Some(CHEAP)));
    assert_eq!(
        (shown.label.as_str(), shown.created, &shown.condition),
        ("ops \u{1b}[31m", Some(NOW), &Condition::Whole)
    );
    for (at, data_key) in listed.data_keys.iter().enumerate() {
        let (created, id) = data_key.header.clone().unwrap();
        assert_eq!((data_key.epoch, created > Timestamp(0)), (Epoch(at as u32 + 1), true));
        assert_ne!(id.0, [0; 8]);
    }
    backup.require_all(memory, &second).await;
    backup.require_all(memory, &first).await;

    // The slot that opened goes, and takes its label along.
    let changed = keys::change(memory, &second, &third, None, NOW).await.unwrap();
    assert_eq!(changed.removed, std::slice::from_ref(&added));
    assert_eq!((changed.added.label.as_str(), changed.added.cost), ("ops \u{1b}[31m", None));
    assert_eq!(refused(memory, &second).await, "key.wrong");
    backup.require_all(memory, &third).await;

    let first_slot = slots(memory).await.into_iter().find(|id| *id != changed.added.id).unwrap();
    let removed = keys::remove(memory, first_slot, &third).await.unwrap();
    assert_eq!((removed.slot.id, removed.left), (first_slot, 1));
    assert_eq!(refused(memory, &first).await, "key.wrong");
    let last = keys::remove(memory, changed.added.id, &third).await.unwrap_err();
    assert_eq!(public(last), (Kind::Usage, "key.last_slot"));
    let none = keys::remove(memory, first_slot, &third).await.unwrap_err();
    assert_eq!(public(none), (Kind::BadKey, "key.no_slot"));
    backup.require_all(memory, &third).await;

    // What cannot be a slot leaves nothing behind.
    let replica = unlock(memory, &third).await;
    let kit = keys::export_recovery(&replica).unwrap();
    let kit = Key::new(Secret::from_key_file(kit.as_bytes()).unwrap());
    assert_eq!(public(keys::add(&replica, &kit, "", NOW).await.unwrap_err()), (Kind::Usage, "key.kit"));
    let long = keys::add(&replica, &first, &"x".repeat(33), NOW).await.unwrap_err();
    assert_eq!(public(long), (Kind::Usage, "key.label"));
    assert_eq!(slots(memory).await, [changed.added.id]);

    // A kit has no slot that could be removed.
    let by_kit = keys::change(memory, &kit, &first, Some("from paper"), NOW).await.unwrap();
    assert_eq!((by_kit.removed, by_kit.added.label.as_str()), (vec![], "from paper"));
    backup.require_all(memory, &first).await;
    backup.require_all(memory, &kit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_added_twice_is_gone_once_it_is_changed() {
    let (first, second) = (raw(1), raw(2));
    let backup = Backup::make(&first).await;
    let memory = &backup.store;
    keys::add(&unlock(memory, &first).await, &first, "again", NOW).await.unwrap();
    assert_eq!(
        public(keys::change(memory, &first, &first, None, NOW).await.unwrap_err()),
        (Kind::Usage, "key.not_new")
    );
    // Cut short after the new one was added; then it is repeated.
    let there = keys::add(&unlock(memory, &first).await, &second, "new", NOW).await.unwrap();
    let changed = keys::change(memory, &first, &second, None, NOW).await.unwrap();
    assert_eq!((changed.added.id, changed.removed.len()), (there.id, 2));
    assert_eq!(slots(memory).await, [there.id]);
    assert_eq!(refused(memory, &first).await, "key.wrong");
    backup.require_all(memory, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_slots_than_are_tried() {
    let backup = Backup::make(&raw(0)).await;
    let memory = &backup.store;
    let replica = unlock(memory, &raw(0)).await;
    for byte in 1..16 {
        keys::add(&replica, &raw(byte), "", NOW).await.unwrap();
    }
    assert_eq!(public(keys::add(&replica, &raw(16), "", NOW).await.unwrap_err()), (Kind::Usage, "key.too_many"));
    let changed = keys::change(memory, &raw(3), &raw(16), None, NOW).await.unwrap_err();
    assert_eq!(public(changed), (Kind::Usage, "key.too_many"));
    let root = keys::rotate_root(memory, &raw(3), &raw(16), "", NOW).await.unwrap_err();
    assert_eq!(public(root), (Kind::Usage, "key.too_many"));
    for byte in 0..16 {
        unlock(memory, &raw(byte)).await;
    }
    // Of another kind there is room.
    keys::add(&replica, &key("correct horse"), "", NOW).await.unwrap();
}

/// It knew the slot that it was opened with, and put it back for the one that had taken its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_replicator_puts_the_slots_back_that_were_there_last() {
    let dir = tempfile::tempdir().unwrap();
    let _app = application(&dir.path().join("a.db"), 512);
    let (memory, old, new) = (MemoryStore::new(), raw(1), raw(2));
    let options = manual(&dir.path().join("a.db"), &old);
    let mut replicator = Replicator::start(options, bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    let changed = keys::change(&memory, &old, &new, None, NOW).await.unwrap();
    replicator.snapshot().await.unwrap();
    assert_eq!(slots(&memory).await, [changed.added.id]);
    // One rots, or goes.
    let name = KeyName::Slot(changed.added.id).to_string();
    for rotten in [true, false] {
        match rotten {
            true => memory.put(&name, vec![0; 200].into()).await.unwrap(),
            false => memory.delete(&name).await.unwrap(),
        }
        replicator.snapshot().await.unwrap();
        assert_eq!(slots(&memory).await, [changed.added.id]);
        unlock(&memory, &new).await;
        assert_eq!(refused(&memory, &old).await, "key.wrong");
    }
    replicator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_slots_and_those_of_others_are_listed_and_do_not_count() {
    let ours = raw(1);
    let (backup, other) = (Backup::make(&ours).await, Backup::make(&raw(2)).await);
    let memory = &backup.store;
    let [only] = slots(memory).await[..] else { panic!("one slot") };
    let [foreign] = slots(&other.store).await[..] else { panic!("one slot") };
    let name = KeyName::Slot(foreign).to_string();
    let bytes = other.store.get(&name, 4096).await.unwrap();
    assert_eq!(memory.put_if_absent(&name, bytes).await.unwrap(), Put::Created);
    let damaged = KeyName::Slot(SlotId([9; 8])).to_string();
    assert_eq!(memory.put_if_absent(&damaged, vec![0; 200].into()).await.unwrap(), Put::Created);

    let listed = keys::list(memory).await.unwrap();
    let whole: Vec<SlotId> = listed.slots.iter().filter(|slot| slot.is_whole()).map(|slot| slot.id).collect();
    assert_eq!((listed.slots.len(), whole), (3, vec![only]));
    assert!(listed.slots.iter().any(|slot| matches!(slot.condition, Condition::OfAnother(_)) && slot.id == foreign));
    assert!(matches!(listed.slots[2].condition, Condition::Damaged(_)), "damaged ones are last");
    // Neither of them would open it.
    assert!(matches!(keys::remove(memory, only, &ours).await.unwrap_err(), Error::LastSlot { .. }));
    for id in [foreign, SlotId([9; 8])] {
        assert_eq!(keys::remove(memory, id, &ours).await.unwrap().left, 1);
    }
    backup.require_all(memory, &ours).await;

    let open = MemoryStore::new();
    assert_eq!(public(keys::list(&open).await.unwrap_err()), (Kind::NoBackup, "restore.no_backup"));
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("a.db"), 512);
    let options = crate::engine::manual(&dir.path().join("a.db"));
    let mut replicator = Replicator::start(options, bare(&open), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    drop(app);
    assert_eq!(public(keys::list(&open).await.unwrap_err()), (Kind::Usage, "key.not_encrypted"));
    assert_eq!(public(keys::rotate(&bare(&open), NOW).await.unwrap_err()), (Kind::Usage, "key.not_encrypted"));
    assert_eq!(public(keys::export_recovery(&bare(&open)).unwrap_err()), (Kind::Usage, "key.not_encrypted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_data_key_is_taken_by_a_replicator_that_runs_with_its_next_generation() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let (memory, ours) = (MemoryStore::new(), raw(3));
    let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    let sync = async |replicator: &Replicator| {
        app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
        replicator.sync().await.unwrap();
    };
    let epochs = async || {
        let survey = restore::survey(&bare(&memory)).await.unwrap();
        survey.generations.iter().map(|generation| generation.key_epoch).collect::<Vec<_>>()
    };
    sync(&replicator).await;
    // Of two at the same time both have the same one, or one has the next.
    let (one, other) = (unlock(&memory, &ours).await, unlock(&memory, &ours).await);
    let (one, other) = tokio::join!(keys::rotate(&one, NOW), keys::rotate(&other, NOW));
    let newest = one.unwrap().epoch.max(other.unwrap().epoch);
    sync(&replicator).await;
    assert_eq!(epochs().await, [Some(1)], "a generation has one data key");
    replicator.snapshot().await.unwrap();
    sync(&replicator).await;
    replicator.shutdown().await.unwrap();
    assert_eq!(epochs().await, [Some(1), Some(newest.0)]);
    let replica = unlock(&memory, &ours).await;
    assert!(model::restore(&replica).await == model::pages_of(&app));
}

/// Somebody tidied an old data key away that the generation at work was sealed with: what came after was acknowledged,
/// and nothing of it could be restored.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_data_key_of_its_generation_a_replicator_begins_another() {
    let (ours, dir, memory) = (raw(1), tempfile::tempdir().unwrap(), MemoryStore::new());
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    keys::rotate(&unlock(&memory, &ours).await, NOW).await.unwrap();
    // From now on the new one is known, and the generation is still one of the old one.
    let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    replicator.shutdown().await.unwrap();
    memory.delete(&KeyName::DataKey(Epoch::FIRST).to_string()).await.unwrap();
    app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    assert_eq!(replica::generations(&memory).await.unwrap().len(), 2);
    assert!(model::restore(&unlock(&memory, &ours).await).await == model::pages_of(&app));
}
