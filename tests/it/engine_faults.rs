//! Faults in the middle of the replicator's work, each named after what went wrong once.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use waloy::backup::{BackupConfig, BackupManager, Destination};
use waloy::engine::{self, Event, Hooks, Options, Replicator};
use waloy::error::Kind;
use waloy::format::ReplicaIds;
use waloy::ids::ReplicaId;
use waloy::progress::{Phase, Progress};
use waloy::replica::{self, Name, Replica};
use waloy::restore::{self, Output, Target};
use waloy::state::StateDir;
use waloy::storage::{DirStore, ErrorKind, MemoryStore, Meta, list_all};
use waloy::testing::faulty::{FaultyStore, Operation, When};
use waloy::units::{SegmentIndex, Timestamp};

use crate::clock::Dial;
use crate::engine::{application, listening, manual};
use crate::model;

/// A database with rows of a megabyte, and a store that does what it is told.
struct Scene {
    dir: tempfile::TempDir,
    app: Connection,
    faulty: Arc<FaultyStore>,
    replica: Replica,
    /// The store without its faults.
    honest: Replica,
}

impl Scene {
    fn new(megabytes: u32) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let app = application(&dir.path().join("a.db"), 4096);
        let honest = Replica::plain(Arc::new(MemoryStore::new()));
        let faulty = Arc::new(FaultyStore::new(honest.store().clone()));
        let scene = Scene { dir, app, replica: Replica::plain(faulty.clone()), faulty, honest };
        (0..megabytes).for_each(|_| scene.insert(1_000_000));
        scene
    }

    fn insert(&self, bytes: u32) {
        self.app.execute("INSERT INTO t(x) VALUES (randomblob(?1))", [bytes]).unwrap();
    }

    fn db(&self) -> std::path::PathBuf {
        self.dir.path().join("a.db")
    }

    async fn start(&self) -> Replicator {
        self.start_with(manual(&self.db()), Hooks::default()).await
    }

    async fn start_with(&self, options: Options, hooks: Hooks) -> Replicator {
        Replicator::start(options, self.replica.clone(), hooks).await.unwrap()
    }

    /// What a restore gives is the database as the application sees it, proven by its checksum too.
    async fn prove(&self) {
        let path = self.dir.path().join("restored.db");
        restore::restore(&self.honest, Target::Latest, &Output::new(&path), &restore::Options::default())
            .await
            .unwrap();
        let restored = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(restored == model::pages_of(&self.app), "the restored database is another one");
    }
}

fn state_file(db: &Path, name: &str) -> std::path::PathBuf {
    engine::default_state_dir(db).join(name)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The table of page hashes of the snapshot and that of the segment were made in one file: each spoiled the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_too_large_for_memory_during_a_snapshot_spoils_neither() {
    let scene = Scene::new(12);
    let mut options = manual(&scene.db());
    options.memory_budget = 100_000;
    let mut replicator = scene.start_with(options, Hooks::default()).await;
    replicator.sync().await.unwrap();
    scene.faulty.set_delay(Duration::from_millis(20));
    let (begun, synced) = tokio::join!(replicator.snapshot(), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        scene.app.execute("UPDATE t SET x = randomblob(1000000) WHERE id < 4", []).unwrap();
        replicator.sync().await
    });
    assert_eq!(synced.unwrap().unwrap().index.get(), 0, "the segment came while the snapshot was made");
    begun.unwrap();
    scene.faulty.set_delay(Duration::ZERO);
    scene.prove().await;
    let generations = replica::generations(&*scene.honest).await.unwrap();
    assert_eq!(generations.len(), 2);
    let old = model::restore_generation(&scene.honest, generations[0]).await;
    assert!(old == model::pages_of(&scene.app), "the old generation ends where the new one begins");
    scene.app.execute("UPDATE t SET x = randomblob(1000000) WHERE id > 9", []).unwrap();
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// The session was dropped under the snapshot that used it: the replicator panicked.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_that_fails_during_a_snapshot_does_not_end_the_replicator() {
    let scene = Scene::new(8);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    scene.faulty.set_delay(Duration::from_millis(20));
    let (blocked, aside) = (state_file(&scene.db(), "position.json"), state_file(&scene.db(), "aside"));
    let (begun, synced) = tokio::join!(replicator.snapshot(), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        std::fs::rename(&blocked, &aside).unwrap();
        std::fs::create_dir(&blocked).unwrap();
        scene.insert(9000);
        replicator.sync().await
    });
    assert_eq!((begun.unwrap_err().code(), synced.unwrap_err().code()), ("engine.interrupted", "state.io"));
    std::fs::remove_dir(&blocked).unwrap();
    std::fs::rename(&aside, &blocked).unwrap();
    scene.faulty.set_delay(Duration::ZERO);
    scene.insert(9000);
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// The batch was taken, could not be sealed, and was gone: the next segment was as if it had never been.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_could_not_be_sealed_are_not_lost() {
    const TODAY: i64 = 1_800_000_000_000;
    let scene = Scene::new(1);
    let clock = Arc::new(Dial(AtomicI64::new(TODAY)));
    let hooks = Hooks { clock: clock.clone(), ..Hooks::default() };
    let mut replicator = scene.start_with(manual(&scene.db()), hooks).await;
    replicator.sync().await.unwrap();
    clock.0.store(i64::MAX / 2, Ordering::Relaxed);
    scene.insert(9000);
    replicator.sync().await.unwrap_err();
    clock.0.store(TODAY + 1, Ordering::Relaxed);
    scene.app.execute_batch("CREATE TABLE later(x); INSERT INTO later VALUES (1)").unwrap();
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// The store took the snapshot and refused to say so. The generation before was gone on with, behind the back of every
/// restore, which takes the newest generation.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_visible_after_all_is_gone_on_with() {
    for when in [When::Before, When::After] {
        for kind in [ErrorKind::Denied, ErrorKind::Other] {
            let scene = Scene::new(1);
            let mut replicator = scene.start().await;
            replicator.sync().await.unwrap();
            scene.faulty.fail_nth_of(Operation::Finish, 1, when, kind);
            replicator.snapshot().await.unwrap_err();
            scene.insert(9000);
            replicator.sync().await.unwrap();
            scene.prove().await;
            replicator.shutdown().await.unwrap();
            // Refused for want of rights, the upload is kept and finished with new ones.
            let begun = if when == When::Before && kind == ErrorKind::Other { 1 } else { 2 };
            assert_eq!(replica::generations(&*scene.honest).await.unwrap().len(), begun);
        }
    }
}

/// A directory that could not be synced after the object had its name: what is visible then is not durable yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_to_be_ours_is_made_durable_before_it_counts() {
    let scene = Scene::new(1);
    let replicator = scene.start().await;
    replicator.sync().await.unwrap();
    scene.insert(9000);
    scene.faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::After, ErrorKind::Local);
    scene.faulty.fail_nth_of(Operation::MakeDurable, 1, When::Before, ErrorKind::Local);
    replicator.sync().await.unwrap_err();
    while let Err(error) = replicator.sync().await {
        assert_eq!(error.kind(), Kind::Database, "{error}");
    }
    assert_eq!((scene.faulty.requests_of(Operation::MakeDurable), scene.faulty.pending()), (2, 0));
    scene.prove().await;

    // Also where another process finds it: it settles what was under way, and notes what is there.
    scene.insert(9000);
    scene.faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::After, ErrorKind::Local);
    replicator.sync().await.unwrap_err();
    replicator.release().await;
    let mut again = scene.start().await;
    again.sync().await.unwrap();
    assert_eq!((scene.faulty.requests_of(Operation::MakeDurable), scene.faulty.pending()), (4, 0));
    again.shutdown().await.unwrap();
    scene.prove().await;
}

/// New ids were claimed over old generations, of which nothing could be read from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_its_ids_is_left_as_it_is() {
    let scene = Scene::new(1);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    let ids = scene.honest.get(replica::REPLICA, 4096).await.unwrap();
    scene.honest.delete(replica::REPLICA).await.unwrap();
    for _ in 0..2 {
        let refused =
            Replicator::start(manual(&scene.db()), scene.replica.clone(), Hooks::default()).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (Kind::Damaged, "object.missing"));
    }
    scene.honest.put(replica::REPLICA, ids).await.unwrap();
    scene.insert(9000);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// Requests on the socket were answered one after the other, and the first one never came to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_keeps_nobody_from_the_socket() {
    let scene = Scene::new(1);
    let mut replicator = scene.start().await;
    let _silent = std::os::unix::net::UnixStream::connect(state_file(&scene.db(), "socket")).unwrap();
    let state = engine::default_state_dir(&scene.db());
    let asked = tokio::time::timeout(Duration::from_secs(10), engine::control::request_sync(&state)).await;
    assert!(asked.unwrap().unwrap().is_some());
    replicator.shutdown().await.unwrap();
}

/// Two machines in turn on one prefix: the first came back and went on in its old generation, which no restore looks at.
#[tokio::test(flavor = "multi_thread")]
async fn a_younger_generation_of_another_writer_is_not_passed_over() {
    let scene = Scene::new(1);
    let mut first = scene.start().await;
    first.sync().await.unwrap();
    first.shutdown().await.unwrap();
    let other = tempfile::tempdir().unwrap();
    // The other machine has a copy of the database.
    let db = other.path().join("b.db");
    scene.app.execute("VACUUM INTO ?1", [db.to_str().unwrap()]).unwrap();
    let copy = Connection::open(&db).unwrap();
    copy.execute_batch("PRAGMA journal_mode = WAL; INSERT INTO t(x) VALUES (1)").unwrap();
    let mut second = Replicator::start(manual(&db), scene.replica.clone(), Hooks::default()).await.unwrap();
    second.sync().await.unwrap();
    second.shutdown().await.unwrap();
    scene.insert(9000);
    let refused = Replicator::start(manual(&scene.db()), scene.replica.clone(), Hooks::default()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Locked, "replica.overtaken"));
}

/// A power loss took what was noted of a new generation: it was never gone back to.
#[tokio::test(flavor = "multi_thread")]
async fn a_younger_generation_of_our_own_is_gone_on_with() {
    let scene = Scene::new(1);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    let position = state_file(&scene.db(), "position.json");
    let before = std::fs::read(&position).unwrap();
    replicator.snapshot().await.unwrap();
    scene.insert(9000);
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    std::fs::write(&position, before).unwrap();
    scene.insert(9000);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
    assert_eq!(replica::generations(&*scene.honest).await.unwrap().len(), 2);
}

/// Segments were added to a generation that nothing can be restored from.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_whose_objects_are_gone_is_begun_anew() {
    for snapshot in [true, false] {
        let scene = Scene::new(1);
        let mut replicator = scene.start().await;
        replicator.sync().await.unwrap();
        scene.insert(9000);
        let last = replicator.sync().await.unwrap().unwrap();
        replicator.shutdown().await.unwrap();
        let lost = if snapshot { Name::Snapshot(last.generation) } else { Name::Segment(last.generation, last.index) };
        scene.honest.delete(&lost.key()).await.unwrap();
        scene.insert(9000);
        let mut replicator = scene.start().await;
        replicator.sync().await.unwrap();
        scene.prove().await;
        replicator.shutdown().await.unwrap();
    }
}

/// The replica was emptied while nobody ran: a segment that was under way became its first object.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_goes_with_a_replica_that_was_emptied() {
    for is_sealed in [false, true] {
        let scene = Scene::new(1);
        let start = async || {
            let mut options = manual(&scene.db());
            options.key = is_sealed.then(|| crate::sealed::key("correct horse"));
            scene.start_with(options, Hooks::default()).await
        };
        let replicator = start().await;
        replicator.sync().await.unwrap();
        scene.insert(9000);
        scene.faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::Before, ErrorKind::Unavailable);
        replicator.sync().await.unwrap_err();
        drop(replicator);
        assert!(state_file(&scene.db(), "intent").exists());
        for meta in list_all(&*scene.honest, "", None).await.unwrap() {
            scene.honest.delete(&meta.key).await.unwrap();
        }

        let mut replicator = start().await;
        let keys = |objects: Vec<Meta>| objects.into_iter().map(|meta| meta.key).filter(|key| key.contains("/wal/"));
        assert_eq!(keys(list_all(&*scene.honest, "", None).await.unwrap()).count(), 0, "sealed: {is_sealed}");
        // What was known of the one before does not count against the one that it has begun.
        drop(replicator);
        replicator = start().await;
        replicator.sync().await.unwrap();
        replicator.shutdown().await.unwrap();
        let generations = replica::generations(&*scene.honest).await.unwrap();
        assert_eq!(generations.len(), 1, "sealed: {is_sealed}");
    }
}

/// Somebody deleted the ids of a replica under its writer: all that was acknowledged from then on could be read by nobody.
#[tokio::test]
async fn ids_that_somebody_deletes_are_put_back() {
    let scene = Scene::new(1);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    let ids = scene.honest.get(replica::REPLICA, 4096).await.unwrap();
    for by_a_snapshot in [true, false] {
        scene.honest.delete(replica::REPLICA).await.unwrap();
        scene.insert(9000);
        if by_a_snapshot {
            replicator.snapshot().await.unwrap();
        } else {
            later(Duration::from_secs(3601)).await;
            replicator.sync().await.unwrap();
        }
        assert_eq!(scene.honest.get(replica::REPLICA, 4096).await.unwrap(), ids);
        scene.prove().await;
    }
    // Also if the store fails first, and it is only asked whether it is back.
    scene.honest.delete(replica::REPLICA).await.unwrap();
    scene.insert(9000);
    scene.faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::Before, ErrorKind::Unavailable);
    replicator.sync().await.unwrap_err();
    let _ = replicator.sync().await;
    scene.insert(9000);
    replicator.snapshot().await.unwrap();
    scene.prove().await;
    // Those of another replica are left alone, and told.
    let others = ReplicaIds { replica: ReplicaId([7; 16]), ..ReplicaIds::parse(&ids).unwrap() };
    scene.honest.put(replica::REPLICA, others.encode().into()).await.unwrap();
    let overtaken = replicator.snapshot().await.unwrap_err();
    assert_eq!((overtaken.kind(), overtaken.code()), (Kind::Locked, "replica.overtaken"));
    let _ = replicator.shutdown().await;
}

/// So much later, by the clock of the runtime.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Everything was deleted, and before that was seen a segment was put: for want of ids the replicator was refused from then
/// on, and so was every later one.
#[tokio::test]
async fn a_bucket_that_is_emptied_between_two_looks_gets_everything_anew() {
    for is_sealed in [false, true] {
        for restarted in [false, true] {
            let scene = Scene::new(1);
            let key = is_sealed.then(|| crate::sealed::key("correct horse"));
            let start = async || {
                let mut options = manual(&scene.db());
                options.key.clone_from(&key);
                scene.start_with(options, Hooks::default()).await
            };
            let mut replicator = start().await;
            replicator.sync().await.unwrap();
            // The first seconds of a generation are over.
            later(Duration::from_secs(3600)).await;
            scene.insert(9000);
            replicator.sync().await.unwrap();
            for meta in list_all(&*scene.honest, "", None).await.unwrap() {
                scene.honest.delete(&meta.key).await.unwrap();
            }
            scene.insert(9000);
            replicator.sync().await.unwrap();
            scene.insert(9000);
            if restarted {
                replicator.release().await;
                replicator = start().await;
            } else {
                later(Duration::from_secs(61)).await;
                let lost = replicator.sync().await.unwrap_err();
                assert_eq!(lost.code(), "replica.lost", "sealed: {is_sealed}");
            }
            replicator.sync().await.unwrap();
            replicator.shutdown().await.unwrap();
            let replica = Replica::with(scene.honest.store().clone(), key.as_ref()).await.unwrap();
            let restored = model::restore(&replica).await;
            assert!(restored == model::pages_of(&scene.app), "sealed: {is_sealed}, restarted: {restarted}");
        }
    }
}

/// Killed while it puts the keys of a sealed replica into a bucket that is new, a replicator was refused for ever after: the
/// data key that it then made was not the one it had noted.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_put_back_in_part_are_begun_anew() {
    // A slot, the ids, a data key.
    for n in 1..=3 {
        let scene = Scene::new(1);
        let key = crate::sealed::key("correct horse");
        let start = async || {
            let mut options = manual(&scene.db());
            options.key = Some(key.clone());
            scene.start_with(options, Hooks::default()).await
        };
        let mut replicator = start().await;
        replicator.sync().await.unwrap();
        // A generation that is fresh is looked at before each segment.
        replicator.shutdown().await.unwrap();
        let replicator = start().await;
        for meta in list_all(&*scene.honest, "", None).await.unwrap() {
            scene.honest.delete(&meta.key).await.unwrap();
        }
        // And one more segment came before that was seen.
        scene.insert(9000);
        replicator.sync().await.unwrap();
        scene.insert(9000);
        scene.faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::Before, ErrorKind::NoBucket);
        replicator.sync().await.unwrap_err();
        scene.faulty.fail_nth_of(Operation::PutIfAbsent, n, When::Before, ErrorKind::Unavailable);
        replicator.sync().await.unwrap_err();
        drop(replicator);
        let mut replicator = start().await;
        replicator.sync().await.unwrap();
        replicator.shutdown().await.unwrap();
        let replica = Replica::with(scene.honest.store().clone(), Some(&key)).await.unwrap();
        assert!(model::restore(&replica).await == model::pages_of(&scene.app), "write {n}");
    }
}

/// The store was set back while nobody ran, and the segment that was under way was put behind the hole.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_is_not_put_behind_a_hole() {
    let scene = Scene::new(1);
    let replicator = scene.start().await;
    replicator.sync().await.unwrap();
    let mut put = Vec::new();
    for _ in 0..3 {
        scene.insert(9000);
        put.push(replicator.sync().await.unwrap().unwrap());
    }
    scene.insert(9000);
    scene.faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::Before, ErrorKind::Unavailable);
    replicator.sync().await.unwrap_err();
    drop(replicator);
    for synced in &put[1..] {
        scene.honest.delete(&Name::Segment(synced.generation, synced.index).key()).await.unwrap();
    }
    let mut replicator = scene.start().await;
    let objects = replica::Objects::list(&*scene.honest, put[0].generation, None).await.unwrap();
    assert_eq!(objects.last(), Some(put[0].index));
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// Whose replica was found is closed to its writer before a new generation begins; after a second start it no longer was.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_found_is_closed_to_others_whenever_a_generation_begins() {
    let scene = Scene::new(1);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    std::fs::remove_dir_all(engine::default_state_dir(&scene.db())).unwrap();
    let mut options = manual(&scene.db());
    options.quiet = Duration::from_millis(50);
    scene.start_with(options.clone(), Hooks::default()).await.release().await;
    let mut replicator = scene.start_with(options, Hooks::default()).await;
    let generation = replica::generations(&*scene.honest).await.unwrap()[0];
    replicator.snapshot().await.unwrap();
    replicator.shutdown().await.unwrap();
    let objects = replica::Objects::list(&*scene.honest, generation, None).await.unwrap();
    assert_eq!(objects.last(), SegmentIndex::new(0), "an empty segment");
}

/// A replica that had been moved was still known at its old place, and it was there that a replicator went on which was not
/// told where.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_moved_is_known_where_it_is() {
    let scene = Scene::new(1);
    let (old, new) = (scene.dir.path().join("old"), scene.dir.path().join("new"));
    for place in [&old, &new] {
        if place == &new {
            std::fs::rename(&old, &new).unwrap();
        }
        let replica = Replica::plain(Arc::new(DirStore::new(place)));
        let mut replicator = Replicator::start(manual(&scene.db()), replica, Hooks::default()).await.unwrap();
        replicator.sync().await.unwrap();
        replicator.shutdown().await.unwrap();
        let noted = std::fs::read_to_string(state_file(&scene.db(), "position.json")).unwrap();
        assert!(noted.contains(place.to_str().unwrap()), "{noted}");
    }
}

/// The first snapshot was given up, and then made again from its beginning, before the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_during_the_first_snapshot_waits_for_it() {
    let scene = Scene::new(8);
    let mut replicator = scene.start_with(Options::new(scene.db()), Hooks::default()).await;
    scene.faulty.set_delay(Duration::from_millis(20));
    until("the snapshot begins", || scene.faulty.requests_of(Operation::Write) > 2).await;
    replicator.shutdown().await.unwrap();
    assert_eq!(scene.faulty.requests_of(Operation::Upload), 1);
    scene.prove().await;
}

/// A replicator that was dropped went on to the end of its snapshot, and nobody else could have the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_replicator_dropped_during_a_snapshot_lets_go_of_the_database() {
    let scene = Scene::new(8);
    let replicator = scene.start_with(Options::new(scene.db()), Hooks::default()).await;
    scene.faulty.set_delay(Duration::from_millis(500));
    until("the snapshot begins", || scene.faulty.requests_of(Operation::Write) > 0).await;
    drop(replicator);
    let began = Instant::now();
    until("the lock is free", || StateDir::owner(&engine::default_state_dir(&scene.db())).is_none()).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// Nobody said that the replica was level again when it was a request that had brought it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_was_asked_for_ends_the_trouble() {
    let scene = Scene::new(1);
    let (hooks, events) = listening();
    let mut options = Options::new(scene.db());
    options.sync_interval = Duration::from_millis(20);
    let mut replicator = scene.start_with(options, hooks).await;
    replicator.sync().await.unwrap();
    scene.faulty.set_down(true);
    scene.insert(9000);
    until("it says that it is behind", || replicator.status().degraded.is_some()).await;
    scene.faulty.set_down(false);
    replicator.sync().await.unwrap();
    until("it says that it is level", || replicator.status().degraded.is_none()).await;
    let recovered = |event: &Event| matches!(event, Event::Recovered { .. });
    assert!(events.lock().unwrap().iter().any(recovered));
    replicator.shutdown().await.unwrap();
}

/// Giving a snapshot up forgot the intent of a segment whose fate was open.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_given_up_leaves_the_intent_of_a_segment() {
    let scene = Scene::new(8);
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    scene.faulty.set_delay(Duration::from_millis(20));
    let (begun, ()) = tokio::join!(replicator.snapshot(), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        scene.insert(9000);
        // It is put and not answered; and when it is to be put again, before anything else of the snapshot is sent, neither.
        scene.faulty.fail_nth_of(Operation::PutIfAbsent, 1, When::After, ErrorKind::Unavailable);
        scene.faulty.fail_nth_of(Operation::PutIfAbsent, 2, When::Before, ErrorKind::Unavailable);
        replicator.sync().await.unwrap_err();
    });
    assert_eq!(begun.unwrap_err().kind(), Kind::Unavailable);
    assert!(std::fs::read(state_file(&scene.db(), "intent")).unwrap()[0] != 0);
    scene.faulty.set_delay(Duration::ZERO);
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// A segment that was put while a snapshot was made took the place of its intent: after `kill -9` nobody knew of the
/// upload any more, and its parts were paid for ever after.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_noted_again_after_a_segment_in_its_middle() {
    let scene = Scene::new(20);
    let mut options = Options::new(scene.db());
    options.sync_interval = Duration::from_millis(1);
    let mut replicator = scene.start_with(options, Hooks::default()).await;
    replicator.sync().await.unwrap();
    scene.faulty.set_delay(Duration::from_millis(30));
    let (begun, ()) = tokio::join!(replicator.snapshot(), async {
        until("the snapshot begins", || scene.faulty.requests_of(Operation::Upload) > 1).await;
        for _ in 0..3 {
            let segments = replicator.status().segments;
            scene.insert(9000);
            until("a segment is put", || replicator.status().segments > segments).await;
            let noted = || std::fs::read(state_file(&scene.db(), "intent")).unwrap_or_default();
            let is_snapshot = |intent: &[u8]| String::from_utf8_lossy(intent).contains("\"index\":null");
            until("the upload is noted", || is_snapshot(&noted()) && replicator.status().snapshots == 1).await;
        }
    });
    begun.unwrap();
    scene.faulty.set_delay(Duration::ZERO);
    replicator.shutdown().await.unwrap();
    scene.prove().await;
}

#[derive(Debug, Default)]
struct Balance(AtomicUsize);

impl Progress for Balance {
    fn begin(&self, _phase: Phase, _total: Option<u64>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The last bytes of a snapshot could not be sent: what it had begun was never ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_fails_at_any_write_ends_what_it_began() {
    let scene = Scene::new(2);
    let progress = Arc::new(Balance::default());
    let hooks = Hooks { progress: progress.clone(), ..Hooks::default() };
    let mut replicator = scene.start_with(manual(&scene.db()), hooks).await;
    replicator.sync().await.unwrap();
    for n in 1.. {
        scene.faulty.fail_nth_of(Operation::Write, n, When::Before, ErrorKind::Unavailable);
        let outcome = replicator.snapshot().await;
        assert_eq!(progress.0.load(Ordering::Relaxed), 0, "write {n}");
        if outcome.is_ok() {
            assert!(n > 2, "only {n} writes");
            break;
        }
    }
    scene.faulty.clear();
    scene.insert(9000);
    replicator.sync().await.unwrap();
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// A manager that could not begin left the database locked for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_cannot_begin_leaves_nothing_locked() {
    let scene = Scene::new(1);
    for _ in 0..10 {
        scene.faulty.fail_nth_of(Operation::Upload, 1, When::Before, ErrorKind::Unavailable);
        let destination = Some(Destination::Store(scene.replica.store().clone()));
        let config = BackupConfig { db_path: scene.db(), destination, ..BackupConfig::default() };
        assert_eq!(BackupManager::new(config).await.unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(StateDir::owner(&engine::default_state_dir(&scene.db())), None);
    }
}

/// The file was replaced by rename, taken away, and emptied, one after the other: it is told, and goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_taken_up_again_when_it_is_back() {
    let mut scene = Scene::new(1);
    let (hooks, events) = listening();
    let mut options = Options::new(scene.db());
    options.sync_interval = Duration::from_millis(20);
    options.adopt = true;
    let mut replicator = scene.start_with(options, hooks).await;
    replicator.sync().await.unwrap();
    for emptied in [false, true] {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(waloy::db::beside(&scene.db(), suffix));
        }
        if emptied {
            std::fs::write(scene.db(), b"").unwrap();
        }
        let retried = |events: &Mutex<Vec<Event>>| {
            events.lock().unwrap().iter().filter(|event| matches!(event, Event::Retry { .. })).count()
        };
        let before = retried(&events);
        until("it says so", || retried(&events) > before + 1).await;
        assert!(retried(&events) < before + 10);
        scene.app = application(&scene.db(), 4096);
        scene.insert(5000);
        let objects = replicator.status().report.objects;
        until("it is taken up", || replicator.status().report.objects > objects).await;
        replicator.sync().await.unwrap();
        scene.prove().await;
    }
    replicator.shutdown().await.unwrap();
}

/// A snapshot, a segment that does not fit into memory meanwhile, and one failed request somewhere in the two. Returns
/// how often the store was asked.
async fn snapshot_with_one_fault(n: u64, when: When, kind: ErrorKind, crash: bool) -> u64 {
    let scene = Scene::new(2);
    let options = || {
        let mut options = manual(&scene.db());
        options.memory_budget = 100_000;
        options
    };
    let mut replicator = scene.start_with(options(), Hooks::default()).await;
    replicator.sync().await.unwrap();
    let before = scene.faulty.requests();
    scene.faulty.set_delay(Duration::from_millis(3));
    scene.faulty.fail_nth_of_any(n, when, kind);
    let outcome = tokio::join!(replicator.snapshot(), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        scene.app.execute("UPDATE t SET x = randomblob(1000000) WHERE id = 1", []).unwrap();
        replicator.sync().await
    });
    scene.faulty.set_delay(Duration::ZERO);
    let asked = scene.faulty.requests() - before;
    if crash && (outcome.0.is_err() || outcome.1.is_err()) {
        replicator.release().await;
        replicator = scene.start_with(options(), Hooks::default()).await;
    }
    scene.app.execute_batch("DELETE FROM t WHERE id = 2; VACUUM; CREATE TABLE later(x)").unwrap();
    for attempt in 0.. {
        match replicator.sync().await {
            Ok(_) => break,
            Err(error) => assert!(attempt < 3, "n = {n}, {when:?}, {kind:?}: {error}"),
        }
    }
    scene.prove().await;
    replicator.shutdown().await.unwrap();
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failed_request_during_a_snapshot_loses_or_doubles_anything() {
    // Each in turn at every third request.
    let crashes = [(When::Before, false), (When::Before, true), (When::After, false), (When::After, true)];
    for (at, (when, crash)) in crashes.into_iter().enumerate() {
        for kind in [ErrorKind::Unavailable, ErrorKind::Other] {
            let mut n = 1 + at as u64 % 3;
            while snapshot_with_one_fault(n, when, kind, crash).await >= n {
                n += 3;
            }
            assert!(n > 12, "only {n} requests");
        }
    }
}

/// Nothing fits into memory, and every frame is one too many for the WAL.
#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_limits_only_make_it_slower() {
    for page_size in [512, 65_536] {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, page_size);
        let store = Replica::plain(Arc::new(MemoryStore::new()));
        let mut options = Options::new(&db);
        (options.memory_budget, options.checkpoint_threshold, options.sync_interval) = (0, 0, Duration::ZERO);
        let mut replicator = Replicator::start(options, store.clone(), Hooks::default()).await.unwrap();
        for round in 0..20 {
            app.execute("INSERT INTO t(x) VALUES (randomblob(70000))", []).unwrap();
            if round % 6 == 2 {
                app.execute_batch("DELETE FROM t WHERE id % 2 = 0; VACUUM").unwrap();
                replicator.snapshot().await.unwrap();
            }
            replicator.sync().await.unwrap();
            assert!(model::restore(&store).await == model::pages_of(&app), "round {round}");
        }
        replicator.shutdown().await.unwrap();
    }
}

/// The format refuses a time before the one it follows: a clock that goes back must not make replication stop.
#[tokio::test(flavor = "multi_thread")]
async fn times_never_go_back_whatever_the_clock_does() {
    const DAY: i64 = 86_400_000;
    let scene = Scene::new(1);
    let clock = Arc::new(Dial(AtomicI64::new(1_800_000_000_000)));
    let hooks = Hooks { clock: clock.clone(), ..Hooks::default() };
    let mut replicator = scene.start_with(manual(&scene.db()), hooks).await;
    let mut last = Timestamp(i64::MIN);
    for (round, now) in [20_000 * DAY, 19_999 * DAY, 0, -1, 30_000 * DAY, 20_000 * DAY].into_iter().enumerate() {
        clock.0.store(now, Ordering::Relaxed);
        scene.insert(9000);
        if round % 2 == 1 {
            replicator.snapshot().await.unwrap();
        }
        scene.insert(9000);
        replicator.sync().await.unwrap();
        let at = replicator.status().at.unwrap();
        assert!(at >= last, "{at:?} after {last:?}");
        last = at;
        scene.prove().await;
    }
    replicator.shutdown().await.unwrap();
}

/// Every look failed, and nobody was told: of a database that had been level, not even that it was behind.
#[tokio::test(flavor = "multi_thread")]
async fn that_nothing_can_be_captured_is_told() {
    let scene = Scene::new(1);
    let (hooks, events) = listening();
    let mut options = Options::new(scene.db());
    (options.sync_interval, options.merge) = (Duration::from_millis(20), None);
    let mut replicator = scene.start_with(options, hooks).await;
    replicator.sync().await.unwrap();
    replicator.checkpoint().await.unwrap();
    // Not closed before the end: that would drop the locks of the connections in this process.
    let file = std::fs::OpenOptions::new().read(true).write(true).open(scene.db()).unwrap();
    let mut magic = [0; 16];
    file.read_exact_at(&mut magic, 0).unwrap();
    file.write_all_at(&[7; 16], 0).unwrap();
    // Page 1 stays as it is.
    scene.app.execute("UPDATE t SET x = zeroblob(1000000)", []).unwrap();
    let retried = || events.lock().unwrap().iter().filter(|event| matches!(event, Event::Retry { .. })).count();
    until("it is told", || retried() > 0 && replicator.status().degraded.is_some()).await;
    let error = replicator.status().degraded.unwrap().error;
    assert!(error.contains("not a SQLite database") || error.contains("not a database"), "{error}");
    file.write_all_at(&magic, 0).unwrap();
    // SQLite keeps page 1 as it has read it until something is committed.
    scene.app.execute("UPDATE t SET x = zeroblob(999999)", []).unwrap();
    until("it is well", || replicator.status().degraded.is_none() && replicator.status().is_level()).await;
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}

/// A state directory that cannot be written kept nobody from filling the disk with the WAL.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_state_directory_fails_the_wal_is_kept_short() {
    let scene = Scene::new(1);
    scene.app.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    let mut options = Options::new(scene.db());
    (options.sync_interval, options.checkpoint_threshold) = (Duration::from_millis(20), 1 << 20);
    let mut replicator = scene.start_with(options, Hooks::default()).await;
    replicator.sync().await.unwrap();
    let blocked = state_file(&scene.db(), "hashes.log");
    std::fs::create_dir(&blocked).unwrap();
    for _ in 0..80 {
        scene.insert(500_000);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let wal = std::fs::metadata(waloy::db::beside(&scene.db(), "-wal")).unwrap().len();
    assert!(wal < 20 << 20, "40 MB were written, and the WAL has {wal} bytes");
    assert!(replicator.status().degraded.is_some());
    std::fs::remove_dir(&blocked).unwrap();
    until("it is well", || replicator.status().degraded.is_none() && replicator.status().is_level()).await;
    scene.prove().await;
    replicator.shutdown().await.unwrap();
}
