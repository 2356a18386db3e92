//! Whatever happens to a database between two runs: the next one goes on, at the cost of the pages that changed, and
//! what was before can still be restored.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use waloy::Kind;
use waloy::db::beside;
use waloy::engine::{self, Event, Hooks, Options, Replicator};
use waloy::format::Reason;
use waloy::replica::{Key, Replica};
use waloy::restore::{self, Output, Target};
use waloy::storage::{ErrorKind, MemoryStore, Store};
use waloy::testing::faulty::{FaultyStore, When};
use waloy::units::Timestamp;

use crate::engine::{application, listening, manual};
use crate::handmade::Rng;
use crate::metered::Metered;
use crate::model;

/// How the run before ends.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Clean,
    /// As `kill -9` leaves it: nothing more is uploaded or noted.
    Killed,
}

/// What happens then.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Meanwhile {
    Nothing,
    Written,
    Truncated,
    LastClose,
    Vacuum,
    PageSize,
    Version,
    Stranger,
    StateDeleted,
    StateDeletedAndWritten,
    AllDeletedAndRestored,
}

struct Scene {
    dir: tempfile::TempDir,
    store: Arc<Metered>,
    /// What the replica is sealed with.
    key: Option<Key>,
}

impl Scene {
    /// The store has these objects, and no others.
    async fn restore_objects(&self, objects: &[(String, bytes::Bytes)]) {
        for object in self.store.list("", None, waloy::storage::Depth::All).await.unwrap().objects {
            self.store.delete(&object.key).await.unwrap();
        }
        for (key, bytes) in objects {
            self.store.put(key, bytes.clone()).await.unwrap();
        }
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("a.db")
    }

    fn replica(&self) -> Replica {
        Replica::plain(self.store.clone())
    }

    fn options(&self) -> Options {
        let mut options = manual(&self.db());
        options.quiet = Duration::from_millis(30);
        options.sync_interval = Duration::from_millis(10);
        options.key = self.key.clone();
        options
    }

    /// The replica, to read.
    async fn opened(&self) -> Replica {
        Replica::with(self.store.clone(), self.key.as_ref()).await.unwrap()
    }

    async fn restored(&self, target: Target) -> Vec<u8> {
        let path = self.dir.path().join("restored.db");
        restore::restore(&self.opened().await, target, &Output::new(&path), &restore::Options::default())
            .await
            .unwrap();
        let pages = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        pages
    }
}

fn insert(app: &Connection, rows: u32) {
    for _ in 0..rows {
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    }
}

fn truncate(app: &Connection) {
    let busy: i64 = app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}

fn remove(db: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(db, suffix));
    }
}

/// The zstd-compressed size of the pages that are others than before.
fn difference(before: &[u8], after: &[u8]) -> u64 {
    let pages = after.chunks_exact(4096).enumerate();
    let changed = pages.filter(|(at, page)| before.get(at * 4096..(at + 1) * 4096) != Some(page));
    let changed: Vec<u8> = changed.flat_map(|(_, page)| page).copied().collect();
    zstd::bulk::compress(&changed, 3).unwrap().len() as u64
}

async fn happen(what: Meanwhile, scene: &Scene, app: Connection) -> Connection {
    let db = scene.db();
    match what {
        Meanwhile::Nothing => {}
        Meanwhile::Written => insert(&app, 3),
        Meanwhile::Truncated => {
            insert(&app, 3);
            truncate(&app);
            insert(&app, 2);
        }
        Meanwhile::LastClose => {
            insert(&app, 3);
            drop(app);
            assert!(!beside(&db, "-wal").exists());
            return Connection::open(db).unwrap();
        }
        Meanwhile::Vacuum => {
            app.execute_batch("DELETE FROM t WHERE id % 3 = 0; VACUUM").unwrap();
            truncate(&app);
        }
        Meanwhile::PageSize => {
            app.execute_batch(
                "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL",
            )
            .unwrap();
            insert(&app, 1);
        }
        Meanwhile::Version => {
            let copy = scene.dir.path().join("copy.db");
            app.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
            drop(app);
            let changed = Connection::open(&copy).unwrap();
            changed.execute_batch("PRAGMA journal_mode = WAL; UPDATE t SET x = randomblob(9000) WHERE id = 9").unwrap();
            drop(changed);
            remove(&db);
            std::fs::rename(copy, &db).unwrap();
            return Connection::open(db).unwrap();
        }
        Meanwhile::Stranger => {
            drop(app);
            remove(&db);
            let stranger = application(&db, 4096);
            stranger.execute_batch("CREATE TABLE other(y)").unwrap();
            insert(&stranger, 40);
            return stranger;
        }
        Meanwhile::StateDeleted | Meanwhile::StateDeletedAndWritten => {
            std::fs::remove_dir_all(engine::default_state_dir(&db)).unwrap();
            if what == Meanwhile::StateDeletedAndWritten {
                insert(&app, 2);
                truncate(&app);
                insert(&app, 2);
            }
        }
        Meanwhile::AllDeletedAndRestored => {
            drop(app);
            remove(&db);
            std::fs::remove_dir_all(engine::default_state_dir(&db)).unwrap();
            let options = restore::Options::default();
            restore::restore(&scene.replica(), Target::Latest, &Output::new(&db), &options).await.unwrap();
            return Connection::open(db).unwrap();
        }
    }
    app
}

async fn row(end: End, what: Meanwhile) {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene { dir, store: Metered::new(Arc::new(MemoryStore::new())), key: None };
    let app = application(&scene.db(), 4096);
    insert(&app, 150);
    let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    let first = model::pages_of(&app);
    insert(&app, 5);
    let synced = replicator.sync().await.unwrap().unwrap();
    let before = model::pages_of(&app);
    match end {
        End::Clean => drop(replicator.shutdown().await.unwrap()),
        End::Killed => {
            if what != Meanwhile::Nothing && what != Meanwhile::StateDeleted {
                insert(&app, 1);
            }
            replicator.release().await;
        }
    }
    let app = happen(what, &scene, app).await;
    scene.store.written();

    if what == Meanwhile::Stranger {
        let refused = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (Kind::Usage, "replica.replaced"));
        assert!(scene.restored(Target::Latest).await == before, "nothing was touched");
        scene.store.written();
    }
    let mut options = scene.options();
    options.adopt = what == Meanwhile::Stranger;
    let (hooks, events) = listening();
    let mut replicator = Replicator::start(options, scene.replica(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let after = model::pages_of(&app);
    let written = scene.store.written();
    assert!(scene.restored(Target::Latest).await == after, "{end:?} {what:?}: another database is restored");

    let generation = |event: &Event| match event {
        Event::Generation { reason, .. } => Some(*reason),
        _ => None,
    };
    let reasons: Vec<Reason> = events.lock().unwrap().iter().filter_map(generation).collect();
    match what {
        Meanwhile::Stranger => assert_eq!(reasons, [Reason::Replaced]),
        Meanwhile::PageSize => assert_eq!(reasons, [Reason::PageSize]),
        _ => {
            assert_eq!(reasons, [], "{end:?} {what:?}");
            // Without local state, it is tried once more whether the store keeps what is there: with the ids.
            let ids = waloy::replica::ReplicaIds::LEN as u64;
            let nothing =
                if matches!(what, Meanwhile::StateDeleted | Meanwhile::AllDeletedAndRestored) { ids } else { 0 };
            let difference = difference(&before, &after);
            let most = if after == before { nothing } else { difference * 13 / 10 + 32 * 1024 };
            assert!(written <= most, "{end:?} {what:?}: {written} bytes for {difference}");
        }
    }
    // Every point from before.
    assert!(scene.restored(Target::Time(synced.at)).await == before, "{end:?} {what:?}");
    let generation = synced.generation;
    assert!(scene.restored(Target::Generation(generation, Some(restore::Point::Snapshot))).await == first);
    // And it goes on.
    insert(&app, 1);
    replicator.sync().await.unwrap();
    assert!(scene.restored(Target::Latest).await == model::pages_of(&app));
    replicator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happened_meanwhile_costs_what_changed_and_loses_nothing() {
    use Meanwhile::*;
    for end in [End::Clean, End::Killed] {
        for what in [
            Nothing,
            Written,
            Truncated,
            LastClose,
            Vacuum,
            PageSize,
            Version,
            Stranger,
            StateDeleted,
            StateDeletedAndWritten,
            AllDeletedAndRestored,
        ] {
            row(end, what).await;
        }
    }
}

/// Restored to an earlier time, and replicated again: the difference goes up, and what was given up stays restorable.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_goes_on_in_the_same_generation() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene { dir, store: Metered::new(Arc::new(MemoryStore::new())), key: None };
    let app = application(&scene.db(), 4096);
    insert(&app, 150);
    let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    insert(&app, 2);
    let early = replicator.sync().await.unwrap().unwrap();
    let then = model::pages_of(&app);
    tokio::time::sleep(Duration::from_millis(5)).await;
    app.execute_batch("DELETE FROM t WHERE id > 20").unwrap();
    insert(&app, 10);
    let late = replicator.sync().await.unwrap().unwrap();
    let given_up = model::pages_of(&app);
    replicator.shutdown().await.unwrap();

    drop(app);
    remove(&scene.db());
    let target = Target::Time(early.at);
    let options = restore::Options { state_dir: Some(engine::default_state_dir(&scene.db())), ..Default::default() };
    restore::restore(&scene.replica(), target, &Output::new(scene.db()), &options).await.unwrap();
    let app = Connection::open(scene.db()).unwrap();
    scene.store.written();
    let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
    let again = replicator.sync().await.unwrap().unwrap();
    assert_eq!((again.generation, again.index.get()), (late.generation, late.index.get() + 1));
    let (written, difference) = (scene.store.written(), difference(&given_up, &then));
    assert!(written <= difference * 13 / 10 + 32 * 1024, "{written} bytes for {difference}");
    assert!(scene.restored(Target::Latest).await == then);
    assert!(scene.restored(Target::Time(late.at)).await == given_up, "the stretch that was given up");

    let name = waloy::replica::Name::Segment(again.generation, again.index);
    let size = scene.store.head(&name.key()).await.unwrap().size;
    let reader = waloy::replica::ObjectReader::open(&scene.replica(), name, size).await.unwrap();
    let summary = &reader.outline().summary;
    assert!(summary.flags.rewind && summary.flags.catch_up);
    assert!(summary.unobserved.is_some_and(|(from, _)| from == late.at));
    insert(&app, 1);
    replicator.sync().await.unwrap();
    assert!(scene.restored(Target::Latest).await == model::pages_of(&app));
    replicator.shutdown().await.unwrap();
    // The note is gone: the next difference is none of a restore.
    let note = engine::default_state_dir(&scene.db()).join("restored.json");
    assert!(!note.exists());
}

/// The application starts with an empty database while waloy runs: the backup is kept, and goes on when the right file
/// is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_in_the_place_of_a_full_one_is_not_backed_up_until_somebody_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene { dir, store: Metered::new(Arc::new(MemoryStore::new())), key: None };
    let app = application(&scene.db(), 4096);
    insert(&app, 150);
    let (hooks, events) = listening();
    let mut options = scene.options();
    options.automatic = true;
    let mut replicator = Replicator::start(options, scene.replica(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let full = model::pages_of(&app);
    truncate(&app);
    drop(app);
    let aside = scene.dir.path().join("aside.db");
    std::fs::rename(scene.db(), &aside).unwrap();
    remove(&scene.db());
    let empty = application(&scene.db(), 4096);
    insert(&empty, 1);
    let told = || {
        let events = events.lock().unwrap();
        events.iter().any(|event| matches!(event, Event::Degraded { error, .. } if error.contains("it was replaced")))
    };
    for _ in 0..1000 {
        if told() {
            break;
        }
        insert(&empty, 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = replicator.sync().await;
    }
    assert!(told(), "{:?}", events.lock().unwrap());
    assert!(scene.restored(Target::Latest).await == full);

    drop(empty);
    remove(&scene.db());
    std::fs::rename(aside, scene.db()).unwrap();
    let app = Connection::open(scene.db()).unwrap();
    insert(&app, 1);
    replicator.sync().await.unwrap();
    assert!(scene.restored(Target::Latest).await == model::pages_of(&app));
    assert_eq!(waloy::replica::generations(&*scene.store).await.unwrap().len(), 1);
    replicator.shutdown().await.unwrap();
}

/// Any sequence of runs, ends, faults and accidents, of a replica that is sealed in every other one: each run that gets through has the database in the replica, and
/// every state that was ever acknowledged stays restorable by its time.
async fn any_sequence(seed: u64, steps: u32) {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene {
        dir,
        store: Metered::new(Arc::new(MemoryStore::new())),
        key: seed.is_multiple_of(2).then(|| crate::sealed::key("correct horse")),
    };
    let faulty = Arc::new(FaultyStore::new(scene.store.clone()));
    let store = || Replica::plain(faulty.clone());
    let mut rng = Rng(seed * 2 + 1);
    let mut app = Some(application(&scene.db(), 4096));
    insert(app.as_ref().unwrap(), 40);
    let mut acknowledged: Vec<(Timestamp, Vec<u8>)> = Vec::new();
    let mut told = Vec::new();
    for step in 0..steps {
        let db = app.take().unwrap_or_else(|| Connection::open(scene.db()).unwrap());
        let mut say = |what: &str| told.push(format!("{step}: {what}"));
        let db = match rng.below(10) {
            0 => happen(Meanwhile::Truncated, &scene, db).await,
            1 => happen(Meanwhile::LastClose, &scene, db).await,
            2 => happen(Meanwhile::Vacuum, &scene, db).await,
            3 => happen(Meanwhile::Version, &scene, db).await,
            4 => {
                say("state deleted");
                let _ = std::fs::remove_dir_all(engine::default_state_dir(&scene.db()));
                db
            }
            5 if !acknowledged.is_empty() => {
                let at = acknowledged[rng.below(acknowledged.len() as u64) as usize].0;
                say("set back");
                drop(db);
                remove(&scene.db());
                let note = rng.below(2) == 0;
                let options = restore::Options {
                    state_dir: note.then(|| engine::default_state_dir(&scene.db())),
                    ..restore::Options::default()
                };
                let target = Target::Time(at);
                restore::restore(&scene.opened().await, target, &Output::new(scene.db()), &options).await.unwrap();
                Connection::open(scene.db()).unwrap()
            }
            6 => happen(Meanwhile::Nothing, &scene, db).await,
            _ => happen(Meanwhile::Written, &scene, db).await,
        };
        if rng.below(3) == 0 {
            let when = if rng.below(2) == 0 { When::Before } else { When::After };
            say("a fault");
            faulty.fail_nth_of_any(rng.below(12), when, ErrorKind::Unavailable);
        }
        let mut options = scene.options();
        // Set back far, or vacuumed with its state lost, it may look like another one.
        options.adopt = true;
        let run = async {
            let mut replicator = Replicator::start(options, store(), Hooks::default()).await?;
            for _ in 0..1 + rng.below(3) {
                if replicator.sync().await?.is_some() {
                    let at = replicator.status().at.unwrap();
                    acknowledged.push((at, model::pages_of(&db)));
                }
                match rng.below(6) {
                    0 => replicator.snapshot().await?,
                    1 => drop(replicator.checkpoint().await),
                    _ => {}
                }
                insert(&db, rng.below(3) as u32);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            match rng.below(2) {
                0 => drop(replicator.shutdown().await?),
                _ => replicator.release().await,
            }
            Ok::<_, waloy::Error>(())
        };
        let outcome = run.await;
        say(&format!("{outcome:?}"));
        faulty.clear();
        // Whatever failed: without faults it gets through, and has what is there.
        let mut options = scene.options();
        options.adopt = true;
        let mut replicator = match Replicator::start(options, store(), Hooks::default()).await {
            Ok(replicator) => replicator,
            Err(error) => panic!("seed {seed}: {error}\n{told:#?}"),
        };
        replicator.sync().await.unwrap();
        acknowledged.push((replicator.status().at.unwrap(), model::pages_of(&db)));
        assert!(scene.restored(Target::Latest).await == model::pages_of(&db), "seed {seed}\n{told:#?}");
        replicator.shutdown().await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        app = Some(db);
    }
    // Of several states at one time the newest is meant.
    for (place, (at, pages)) in acknowledged.iter().enumerate() {
        if acknowledged.get(place + 1).is_none_or(|next| next.0 > *at) {
            let restored = scene.restored(Target::Time(*at)).await;
            assert!(restored == *pages, "seed {seed}: state {place} of {}\n{told:#?}", acknowledged.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_accidents_loses_nothing_that_was_acknowledged() {
    let seeds: u64 = std::env::var("WALOY_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(8);
    let from: u64 = std::env::var("WALOY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in from..from + seeds {
        any_sequence(seed, 10).await;
    }
}

/// Set back over a `VACUUM`, or to when it was small, next to no page is what the replica has: waloy knows what it has
/// restored itself, here or on a host where nothing is left but the note.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_far_is_known_by_the_note_of_the_restore() {
    for lost in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let scene = Scene { dir, store: Metered::new(Arc::new(MemoryStore::new())), key: None };
        let app = application(&scene.db(), 4096);
        insert(&app, 5);
        let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
        replicator.sync().await.unwrap();
        insert(&app, 1);
        let early = replicator.sync().await.unwrap().unwrap();
        let then = model::pages_of(&app);
        insert(&app, 200);
        app.execute_batch("DELETE FROM t WHERE id < 100; CREATE TABLE later(y); VACUUM").unwrap();
        insert(&app, 50);
        replicator.sync().await.unwrap();
        replicator.shutdown().await.unwrap();
        drop(app);
        remove(&scene.db());
        let state_dir = engine::default_state_dir(&scene.db());
        if lost {
            std::fs::remove_dir_all(&state_dir).unwrap();
        }
        let (target, note) = (Target::Time(early.at), Some(state_dir));
        let options = restore::Options { state_dir: note, ..restore::Options::default() };
        restore::restore(&scene.replica(), target, &Output::new(scene.db()), &options).await.unwrap();
        let app = Connection::open(scene.db()).unwrap();
        let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
        replicator.sync().await.unwrap();
        assert_eq!(replicator.status().generation, Some(early.generation), "lost: {lost}");
        assert!(scene.restored(Target::Latest).await == then);
        insert(&app, 1);
        replicator.sync().await.unwrap();
        assert!(scene.restored(Target::Latest).await == model::pages_of(&app));
        replicator.shutdown().await.unwrap();
    }
}

/// The state is lost, and the backup damaged: what can be read of it still tells whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_replica_is_not_given_to_whoever_comes() {
    use waloy::replica::Name;
    for lost in ["snapshot", "first segment", "last segment"] {
        for stranger in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let scene = Scene { dir, store: Metered::new(Arc::new(MemoryStore::new())), key: None };
            let app = application(&scene.db(), 4096);
            insert(&app, 100);
            let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
            replicator.sync().await.unwrap();
            for _ in 0..3 {
                insert(&app, 1);
                replicator.sync().await.unwrap();
            }
            let generation = replicator.status().generation.unwrap();
            let last = replicator.status().index.unwrap();
            replicator.shutdown().await.unwrap();
            std::fs::remove_dir_all(engine::default_state_dir(&scene.db())).unwrap();
            let name = match lost {
                "snapshot" => Name::Snapshot(generation),
                "first segment" => Name::Segment(generation, waloy::units::SegmentIndex::ZERO),
                // Cut, not gone: without it the generation would only be shorter.
                _ => Name::Segment(generation, last),
            };
            match lost {
                "last segment" => scene.store.put(&name.key(), bytes::Bytes::from_static(b"cut")).await.unwrap(),
                _ => scene.store.delete(&name.key()).await.unwrap(),
            }
            let app = match stranger {
                false => app,
                true => {
                    drop(app);
                    remove(&scene.db());
                    let stranger = application(&scene.db(), 4096);
                    insert(&stranger, 2);
                    stranger
                }
            };
            let started = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await;
            let expected = match (lost, stranger) {
                ("snapshot", _) => Some("replica.cannot_tell"),
                (_, true) => Some("replica.another_database"),
                (_, false) => None,
            };
            let what = format!("{lost}, a stranger: {stranger}");
            let mut replicator = match (started, expected) {
                (Ok(replicator), None) => replicator,
                (Err(error), Some(code)) => {
                    assert_eq!(error.code(), code, "{what}");
                    let mut options = scene.options();
                    options.adopt = true;
                    Replicator::start(options, scene.replica(), Hooks::default()).await.unwrap()
                }
                (started, expected) => panic!("{what}: {expected:?}, {started:?}"),
            };
            replicator.sync().await.unwrap();
            assert!(scene.restored(Target::Latest).await == model::pages_of(&app), "{what}");
            assert_ne!(replicator.status().generation, Some(generation), "{what}");
            replicator.shutdown().await.unwrap();
        }
    }
}

/// A crash between the object and the hints that name it: the next run makes them good.
#[tokio::test(flavor = "multi_thread")]
async fn hints_that_were_never_written_are_made_good() {
    use waloy::testing::faulty::Operation;
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene { dir, store: Metered::new(Arc::new(MemoryStore::new())), key: None };
    let faulty = Arc::new(FaultyStore::new(scene.store.clone()));
    let app = application(&scene.db(), 4096);
    insert(&app, 10);
    let mut replicator =
        Replicator::start(scene.options(), Replica::plain(faulty.clone()), Hooks::default()).await.unwrap();
    let latest = async || waloy::replica::read_latest(&scene.replica()).await.unwrap().map(|latest| latest.generation);
    let manifest = async |of| waloy::replica::read_manifest(&scene.replica(), of).await.unwrap();
    // The first snapshot is there; as long as nothing else tells of it, nothing is acknowledged.
    faulty.fail_nth_of(Operation::Put, 1, When::Before, ErrorKind::Unavailable);
    assert_eq!(replicator.sync().await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!((latest().await, replicator.status().generation), (None, None));
    // Its manifest may be missing.
    faulty.fail_nth_of(Operation::Put, 2, When::Before, ErrorKind::Unavailable);
    replicator.sync().await.unwrap();
    let first = replicator.status().generation.unwrap();
    assert_eq!((latest().await, manifest(first).await.is_none()), (Some(first), true));
    // The hint at another one may be late. Both come in the same run, with the next segment.
    faulty.fail_nth_of(Operation::Put, 1, When::Before, ErrorKind::Unavailable);
    replicator.snapshot().await.unwrap();
    assert_eq!((latest().await, faulty.pending()), (Some(first), 0));
    insert(&app, 1);
    replicator.sync().await.unwrap();
    let generation = replicator.status().generation.unwrap();
    assert_eq!(latest().await, Some(generation));
    replicator.shutdown().await.unwrap();
    let manifest = manifest(generation).await.unwrap();
    assert_eq!((manifest.reason, manifest.segments.len()), (Reason::Requested, 1));
    // Or in the next one.
    scene.store.delete("latest").await.unwrap();
    let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
    assert_eq!(waloy::replica::read_latest(&scene.replica()).await.unwrap().unwrap().generation, generation);
    replicator.shutdown().await.unwrap();
}

/// The state is lost, and a byte of the replica is another one, wherever: a start loses nothing, goes on with nothing that
/// does not restore, and does not give the replica away.
#[tokio::test(flavor = "multi_thread")]
async fn one_changed_byte_of_a_replica_that_is_found_again_costs_a_generation_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene { dir, store: Metered::new(Arc::new(MemoryStore::new())), key: None };
    let app = application(&scene.db(), 4096);
    insert(&app, 100);
    let mut replicator = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await.unwrap();
    for _ in 0..4 {
        replicator.sync().await.unwrap();
        insert(&app, 1);
    }
    let generation = replicator.status().generation.unwrap();
    replicator.shutdown().await.unwrap();
    let listed = scene.store.list("", None, waloy::storage::Depth::All).await.unwrap();
    let mut objects = Vec::new();
    for object in listed.objects {
        objects.push((object.key.clone(), scene.store.get(&object.key, u64::MAX).await.unwrap()));
    }
    let (mut gone_on, mut anew, mut refused) = (0, 0, 0);
    let damaged = objects.iter().filter(|(key, _)| key.ends_with("snapshot") || key.contains("/wal/"));
    for (key, bytes) in damaged {
        let last = bytes.len() - 1;
        for at in [0, 9, 40, 100, 200, last / 4, last / 2, last - 300, last - 150, last - 60, last - 9, last] {
            let mut altered = bytes.to_vec();
            altered[at.min(last)] ^= 0x10;
            scene.restore_objects(&objects).await;
            scene.store.put(key, altered.into()).await.unwrap();
            std::fs::remove_dir_all(engine::default_state_dir(&scene.db())).unwrap();
            let what = format!("byte {at} of {key}");
            let started = Replicator::start(scene.options(), scene.replica(), Hooks::default()).await;
            let mut replicator = match started {
                Ok(replicator) => replicator,
                Err(error) => {
                    assert_eq!(error.code(), "replica.cannot_tell", "{what}: {error}");
                    refused += 1;
                    continue;
                }
            };
            replicator.sync().await.unwrap();
            if replicator.status().generation == Some(generation) {
                gone_on += 1;
            } else {
                anew += 1;
                assert!(scene.restored(Target::Latest).await == model::pages_of(&app), "{what}");
            }
            replicator.shutdown().await.unwrap();
        }
    }
    // Pages are not read at a start: that their bytes are damaged is for `verify` to find.
    assert!(gone_on > 0 && anew > 10 && refused > 0, "{gone_on} gone on with, {anew} anew, {refused} refused");
}
