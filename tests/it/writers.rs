//! Two writers on one prefix: one goes on, the other one is told, and whatever was acknowledged can be restored. On
//! stores that keep what is there when told to, and on those that do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use waloy::Kind;
use waloy::engine::{Event, Hooks, OnConflict, Options, Replicator, Synced};
use waloy::format::Reason;
use waloy::replica::{Key, Replica};
use waloy::restore::{self, Output, Point, Target};
use waloy::storage::MemoryStore;
use waloy::testing::faulty::{FaultyStore, Operation};

use crate::clock::Dial;
use crate::engine::{application, listening, manual};
use crate::metered::Metered;
use crate::model;

/// Whether the store keeps what is there when told to, and whether the replica is sealed.
const KINDS: [(bool, bool); 4] = [(true, false), (false, false), (true, true), (false, true)];

/// A prefix, and what each acknowledgement stood for.
struct Prefix {
    dir: tempfile::TempDir,
    store: Arc<Metered>,
    conditional: bool,
    /// What the replica is sealed with.
    key: Option<Key>,
    acknowledged: Vec<(Synced, Vec<u8>)>,
}

/// One machine with its copy of the database.
struct Host {
    db: PathBuf,
    app: Connection,
    replicator: Replicator,
}

impl Prefix {
    /// Of a bucket of which another database has found out that it replaces what is there.
    fn known_to_replace(sealed: bool) -> Prefix {
        let prefix = Prefix::new((false, sealed));
        prefix.store.known_to_replace();
        prefix
    }

    fn new((conditional, sealed): (bool, bool)) -> Prefix {
        let store = Metered::new(Arc::new(MemoryStore::new()));
        if !conditional {
            store.without_conditions();
        }
        let key = sealed.then(|| crate::sealed::key("correct horse"));
        Prefix { dir: tempfile::tempdir().unwrap(), store, conditional, key, acknowledged: Vec::new() }
    }

    fn replica(&self) -> Replica {
        Replica::plain(self.store.clone())
    }

    fn options(&self, db: &Path) -> Options {
        let mut options = manual(db);
        options.quiet = Duration::from_millis(60);
        options.sync_interval = Duration::from_millis(20);
        // One of the two protections at a time: the closed generation, or the look at the hint.
        options.key.clone_from(&self.key);
        options.rival_check = if self.conditional { Duration::from_secs(3600) } else { Duration::ZERO };
        options
    }

    /// To read.
    async fn opened(&self) -> Replica {
        Replica::with(self.store.clone(), self.key.as_ref()).await.unwrap()
    }

    async fn first(&mut self) -> Host {
        let db = self.dir.path().join("one.db");
        let app = application(&db, 4096);
        for _ in 0..40 {
            insert(&app);
        }
        let replicator = Replicator::start(self.options(&db), self.replica(), Hooks::default()).await.unwrap();
        replicator.sync().await.unwrap();
        let mut host = Host { db, app, replicator };
        self.sync(&mut host).await;
        host
    }

    /// A copy of the file, as it is on another machine.
    fn copy(&self, host: &Host, name: &str) -> (PathBuf, Connection) {
        let db = self.dir.path().join(name);
        host.app.execute("VACUUM INTO ?1", [db.to_str().unwrap()]).unwrap();
        let bytes = host.app.serialize("main").unwrap().to_vec();
        std::fs::write(&db, bytes).unwrap();
        let app = Connection::open(&db).unwrap();
        app.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        (db, app)
    }

    /// Commits, and has it acknowledged.
    async fn sync(&mut self, host: &mut Host) {
        insert(&host.app);
        let synced = host.replicator.sync().await.unwrap().expect("something was committed");
        self.acknowledged.push((synced, model::pages_of(&host.app)));
    }

    /// A database that begins here, and has two syncs acknowledged. What a replicator that cannot begin says is what an
    /// operator reads.
    fn begin(
        &self,
        name: &str,
        store: Replica,
        hooks: Hooks,
    ) -> impl Future<Output = waloy::Result<Host>> + Send + 'static {
        let db = self.dir.path().join(name);
        let app = application(&db, 4096);
        (0..20).for_each(|_| insert(&app));
        let options = self.options(&db);
        async move {
            let replicator = Replicator::start(options, store, hooks).await?;
            replicator.sync().await?;
            insert(&app);
            replicator.sync().await?;
            Ok(Host { db, app, replicator })
        }
    }

    /// One goes on, and is what a restore gives; who cannot, or can no longer, is told so: the one whose generation is
    /// older by its next upload, at the latest.
    async fn one_is_left(&self, hosts: [waloy::Result<Host>; 2], what: &str) {
        let mut left = Vec::new();
        for host in hosts {
            let synced = match host {
                Ok(host) => {
                    insert(&host.app);
                    host.replicator.sync().await.map(|_| host)
                }
                Err(error) => {
                    let expected = ["replica.overtaken", "replica.another_database", "replica.busy"];
                    // Sealed by somebody who has begun in the same moment, with keys of its own.
                    let is_sealed = self.key.is_some() && !self.conditional;
                    let foreign = is_sealed && ["replica.cannot_tell", "object.forged"].contains(&error.code());
                    assert!(foreign || expected.contains(&error.code()), "{what}: {error} {:?}", error.causes());
                    continue;
                }
            };
            match synced {
                Ok(host) => left.push(host),
                Err(error) => assert_eq!(error.code(), "replica.overtaken", "{what}: {error}"),
            }
        }
        assert_eq!(left.len(), 1, "{what}");
        assert!(self.restored(Target::Latest).await == model::pages_of(&left[0].app), "{what}");
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

    /// Everything that was acknowledged is there, and the newest of a writer is what a restore gives.
    async fn prove(&self, newest: &Host) {
        for (synced, pages) in &self.acknowledged {
            let target = Target::Generation(synced.generation, Some(Point::Index(synced.index)));
            assert!(self.restored(target).await == *pages, "{synced:?}");
        }
        assert!(self.restored(Target::Latest).await == model::pages_of(&newest.app), "the newest");
    }
}

fn insert(app: &Connection) {
    app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
}

/// It is told that another one has the prefix, and does not go on whatever it tries.
async fn is_overtaken(host: &mut Host) {
    for _ in 0..2 {
        insert(&host.app);
        let error = host.replicator.sync().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Locked, "replica.overtaken"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_knows_nothing_of_a_prefix_in_use_is_refused() {
    for kind in KINDS {
        let mut prefix = Prefix::new(kind);
        let mut one = prefix.first().await;
        let (db, _app) = prefix.copy(&one, "two.db");
        let error = refused_meanwhile(&prefix, &db, &mut one).await;
        assert_eq!((error.kind(), error.code()), (Kind::Locked, "replica.busy"), "{error}");
        prefix.sync(&mut one).await;
        prefix.prove(&one).await;
    }
}

/// Starts a second one while the first one writes without a pause worth the name.
async fn refused_meanwhile(prefix: &Prefix, db: &Path, one: &mut Host) -> waloy::Error {
    let mut options = prefix.options(db);
    // Longer than a sync takes on a machine that is busy with all the other tests.
    options.quiet = Duration::from_secs(3);
    let starting = Replicator::start(options, prefix.replica(), Hooks::default());
    let writing = async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            prefix_insert(one).await;
        }
    };
    let refused = tokio::select! {
        started = starting => started.unwrap_err(),
        () = writing => unreachable!("it writes for ever"),
    };
    // The sync that was cut short goes on, and would take the next commit with it.
    one.replicator.sync().await.unwrap();
    refused
}

async fn prefix_insert(host: &mut Host) {
    insert(&host.app);
    host.replicator.sync().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_takes_over_goes_on_in_the_same_generation_and_the_first_one_is_told() {
    for kind in KINDS {
        let mut prefix = Prefix::new(kind);
        let mut one = prefix.first().await;
        let (db, app) = prefix.copy(&one, "two.db");
        // The first one is idle: nothing tells that it is still there.
        let (hooks, events) = listening();
        let replicator = Replicator::start(prefix.options(&db), prefix.replica(), hooks).await.unwrap();
        let mut two = Host { db, app, replicator };
        prefix.sync(&mut two).await;
        prefix.sync(&mut two).await;
        assert!(!events.lock().unwrap().iter().any(|event| matches!(event, Event::Generation { .. })));
        is_overtaken(&mut one).await;
        prefix.sync(&mut two).await;
        prefix.prove(&two).await;
        // Started again, it is told at once.
        one.replicator.release().await;
        let again = Replicator::start(prefix.options(&one.db), prefix.replica(), Hooks::default()).await;
        assert_eq!(again.unwrap_err().code(), "replica.overtaken");
        prefix.prove(&two).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_one_state_directory_do_not_overwrite_each_other() {
    for kind in KINDS {
        let mut prefix = Prefix::new(kind);
        let mut one = prefix.first().await;
        one.replicator.shutdown().await.unwrap();
        let (db, app) = prefix.copy(&one, "two.db");
        let (from, to) = (waloy::engine::default_state_dir(&one.db), waloy::engine::default_state_dir(&db));
        std::fs::create_dir_all(&to).unwrap();
        for file in ["position.json", "position-kept.json", "hashes", "writer"] {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
        let start = |db: &Path| Replicator::start(prefix.options(db), prefix.replica(), Hooks::default());
        one.replicator = start(&one.db).await.unwrap();
        let mut two = Host { replicator: start(&db).await.unwrap(), db, app };
        prefix.sync(&mut two).await;
        is_overtaken(&mut one).await;
        prefix.sync(&mut two).await;
        prefix.prove(&two).await;
    }
}

/// Asleep while another one took the prefix over with a new generation, as `SIGSTOP` does it.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_wakes_after_a_takeover_damages_nothing() {
    for kind in KINDS {
        for on_conflict in [OnConflict::Stop, OnConflict::NewGeneration] {
            let mut prefix = Prefix::new(kind);
            let mut one = prefix.first().await;
            one.replicator.shutdown().await.unwrap();
            let mut options = prefix.options(&one.db);
            options.on_conflict = on_conflict;
            let (hooks, events) = listening();
            one.replicator = Replicator::start(options, prefix.replica(), hooks).await.unwrap();
            prefix.sync(&mut one).await;

            let (db, app) = prefix.copy(&one, "two.db");
            let replicator = Replicator::start(prefix.options(&db), prefix.replica(), Hooks::default()).await.unwrap();
            let mut two = Host { db, app, replicator };
            two.replicator.snapshot().await.unwrap();
            prefix.sync(&mut two).await;

            if on_conflict == OnConflict::Stop {
                is_overtaken(&mut one).await;
                prefix.sync(&mut two).await;
                prefix.prove(&two).await;
                continue;
            }
            insert(&one.app);
            let error = one.replicator.sync().await.unwrap_err();
            assert_eq!(error.code(), "replica.overtaken");
            one.replicator.sync().await.unwrap();
            let generation = |event: &Event| match event {
                Event::Generation { reason, .. } => Some(*reason),
                _ => None,
            };
            let reasons: Vec<Reason> = events.lock().unwrap().iter().filter_map(generation).collect();
            assert_eq!(reasons, [Reason::Overtaken]);
            prefix.sync(&mut one).await;
            prefix.prove(&one).await;
            // Now the other one is told.
            is_overtaken(&mut two).await;
            // Two that both take it back would do so for ever: once more within the hour, and it ends, started again too.
            let (db, app) = prefix.copy(&two, "three.db");
            let mut options = prefix.options(&db);
            options.adopt = true;
            let mut three = Host {
                replicator: Replicator::start(options, prefix.replica(), Hooks::default()).await.unwrap(),
                db,
                app,
            };
            three.replicator.snapshot().await.unwrap();
            prefix.sync(&mut three).await;
            is_overtaken(&mut one).await;
            prefix.prove(&three).await;
            one.replicator.release().await;
            let mut options = prefix.options(&one.db);
            options.on_conflict = on_conflict;
            let again = Replicator::start(options, prefix.replica(), Hooks::default()).await;
            assert_eq!(again.unwrap_err().code(), "replica.overtaken");
            prefix.prove(&three).await;
        }
    }
}

/// By itself, too: the task takes the prefix back, or ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_replicator_that_nobody_asks_ends_or_takes_the_prefix_back() {
    for on_conflict in [OnConflict::Stop, OnConflict::NewGeneration] {
        let mut prefix = Prefix::new((true, false));
        let mut one = prefix.first().await;
        one.replicator.shutdown().await.unwrap();
        let mut options = prefix.options(&one.db);
        (options.automatic, options.on_conflict) = (true, on_conflict);
        one.replicator = Replicator::start(options, prefix.replica(), Hooks::default()).await.unwrap();
        let (db, app) = prefix.copy(&one, "two.db");
        let replicator = Replicator::start(prefix.options(&db), prefix.replica(), Hooks::default()).await.unwrap();
        let mut two = Host { db, app, replicator };
        prefix.sync(&mut two).await;
        insert(&one.app);
        match on_conflict {
            OnConflict::Stop => {
                let end = tokio::time::timeout(Duration::from_secs(20), one.replicator.ended()).await.unwrap();
                assert_eq!(end.code(), "replica.overtaken");
                prefix.sync(&mut two).await;
                prefix.prove(&two).await;
            }
            OnConflict::NewGeneration => {
                for _ in 0..1000 {
                    if one.replicator.status().snapshots > 0 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                one.replicator.sync().await.unwrap();
                prefix.prove(&one).await;
            }
        }
    }
}

/// Two databases that begin on one empty prefix in the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_databases_that_begin_together_one_goes_on_and_the_other_is_told() {
    for round in 0..20 {
        let sealed = round % 4 < 2;
        let prefix = match round % 8 {
            1 | 3 => Prefix::known_to_replace(sealed),
            other => Prefix::new((other % 2 == 0, sealed)),
        };
        let begin = |name| tokio::spawn(prefix.begin(name, prefix.replica(), Hooks::default()));
        let (one, two) = tokio::join!(begin("one.db"), begin("two.db"));
        prefix.one_is_left([one.unwrap(), two.unwrap()], &format!("round {round}")).await;
    }
}

/// Wherever one is held up that begins on an empty prefix, while another one begins and has commits acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_databases_of_which_one_is_held_up_as_it_begins_one_goes_on_and_the_other_is_told() {
    // What is known of a store without conditions spares a request, and nothing else.
    for (conditional, sealed) in KINDS {
        let mut held_at = 0;
        loop {
            let prefix = match conditional || sealed {
                true => Prefix::new((conditional, sealed)),
                false => Prefix::known_to_replace(sealed),
            };
            let slow = Arc::new(FaultyStore::new(prefix.store.clone()));
            let mut held = slow.hold_nth(held_at + 1);
            let mut one = tokio::spawn(prefix.begin("one.db", Replica::plain(slow), Hooks::default()));
            tokio::select! {
                biased;
                () = held.reached() => held_at += 1,
                _ = &mut one => break,
            }
            let two = prefix.begin("two.db", prefix.replica(), Hooks::default()).await;
            drop(held);
            let what = format!("conditional: {conditional}, sealed: {sealed}, held at request {held_at}");
            prefix.one_is_left([one.await.unwrap(), two], &what).await;
        }
        assert!(held_at > 10, "{held_at}");
    }
}

/// Of two first generations the younger one counts: also if its writer dies before anything tells of it but a listing.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_the_older_of_two_that_begin_together_is_told_when_the_younger_one_has_died() {
    let prefix = Prefix::new((true, false));
    let begin = |name, at| {
        let clock = Arc::new(Dial(AtomicI64::new(at)));
        let faulty = Arc::new(FaultyStore::new(prefix.store.clone()));
        let held = faulty.hold_nth_of(Operation::Finish, 1);
        let hooks = Hooks { clock: clock.clone(), ..Hooks::default() };
        (tokio::spawn(prefix.begin(name, Replica::plain(faulty.clone()), hooks)), held, faulty, clock)
    };
    let (older, mut at_its_snapshot, _, clock) = begin("one.db", 1_800_000_000_000);
    at_its_snapshot.reached().await;
    let (younger, mut as_well, dying, _) = begin("two.db", 1_800_000_000_005);
    as_well.reached().await;
    drop(at_its_snapshot);
    let mut older = older.await.unwrap().unwrap();
    dying.set_down(true);
    drop(as_well);
    assert_eq!(younger.await.unwrap().err().map(|error| error.kind()), Some(Kind::Unavailable));
    // Long enough by either clock for a listing.
    clock.0.fetch_add(36_001_000, Ordering::Relaxed);
    is_overtaken(&mut older).await;
}

/// The older of two puts its ids over those of the younger one, which arrive when the younger one has commits acknowledged
/// and writes nothing any more: a restore needs the ids that were there.
#[tokio::test(flavor = "multi_thread")]
async fn ids_that_arrive_late_do_not_stay_in_the_place_of_those_of_a_younger_generation() {
    let prefix = Prefix::new((false, false));
    let begin = |name, at, holds: [(Operation, u64); 2]| {
        let hooks = Hooks { clock: Arc::new(Dial(AtomicI64::new(at))), ..Hooks::default() };
        let store = Arc::new(FaultyStore::new(prefix.store.clone()));
        let [first, second] = holds.map(|(operation, n)| store.hold_nth_of(operation, n));
        (tokio::spawn(prefix.begin(name, Replica::plain(store), hooks)), first, second)
    };
    // The younger one has seen nobody when it is about to put its ids.
    let holds = [(Operation::PutIfAbsent, 1), (Operation::Finish, 1)];
    let (younger, mut at_its_ids, mut at_its_snapshot) = begin("two.db", 1_800_000_000_005, holds);
    at_its_ids.reached().await;
    // The first put of the older one is the hint at its generation.
    let (older, mut at_the_snapshot, mut at_the_ids) =
        begin("one.db", 1_800_000_000_000, [(Operation::Finish, 1), (Operation::Put, 2)]);
    at_the_snapshot.reached().await;
    drop(at_its_ids);
    at_its_snapshot.reached().await;
    drop(at_the_snapshot);
    at_the_ids.reached().await;
    drop(at_its_snapshot);
    let younger = younger.await.unwrap().unwrap();
    drop(at_the_ids);
    assert_eq!(older.await.unwrap().err().map(|error| error.code()), Some("replica.overtaken"));
    assert!(prefix.restored(Target::Latest).await == model::pages_of(&younger.app));
}

/// It is refused as long as the other one writes, however often it is started: nothing is noted before that is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_state_directory_at_work_is_refused_again_and_again() {
    let mut prefix = Prefix::new((true, false));
    let mut one = prefix.first().await;
    // A clone of the machine, taken while it runs.
    let (db, _app) = prefix.copy(&one, "two.db");
    let (from, to) = (waloy::engine::default_state_dir(&one.db), waloy::engine::default_state_dir(&db));
    std::fs::create_dir_all(&to).unwrap();
    for file in ["position.json", "position-kept.json", "hashes", "writer"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    for _ in 0..3 {
        prefix_insert(&mut one).await;
        let error = refused_meanwhile(&prefix, &db, &mut one).await;
        assert_eq!((error.kind(), error.code()), (Kind::Locked, "replica.busy"), "{error}");
    }
    prefix.sync(&mut one).await;
    prefix.prove(&one).await;
}
