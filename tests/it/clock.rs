//! A clock that jumps: times never go back, within a generation and from one to the next, and a restore by time gives
//! the newest state of that time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
use waloy::clock::Clock;
use waloy::engine::{self, Hooks, Replicator};
use waloy::replica::{self, Name, Replica};
use waloy::restore::{self, Options, Output, Target};
use waloy::storage::MemoryStore;
use waloy::testing::faulty::{FaultyStore, Operation};
use waloy::units::{SegmentIndex, Timestamp};

use crate::engine::{application, manual};
use crate::model;

const HOUR: i64 = 3_600_000;
const TODAY: i64 = 1_800_000_000_000;

/// A clock that is turned by hand, in milliseconds.
#[derive(Debug)]
pub(crate) struct Dial(pub(crate) AtomicI64);

impl Clock for Dial {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

struct Scene {
    dir: tempfile::TempDir,
    app: Connection,
    clock: Arc<Dial>,
    store: Replica,
    /// Every state that was uploaded, with the time that it was given.
    states: Vec<(Timestamp, Vec<u8>)>,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let app = application(&dir.path().join("a.db"), 512);
        let clock = Arc::new(Dial(AtomicI64::new(TODAY)));
        Scene { dir, app, clock, store: Replica::plain(Arc::new(MemoryStore::new())), states: Vec::new() }
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("a.db")
    }

    async fn start(&self) -> Replicator {
        let hooks = Hooks { clock: self.clock.clone(), ..Hooks::default() };
        let mut options = manual(&self.db());
        // A replica that cannot be read to its end does not tell whose it is.
        options.adopt = true;
        Replicator::start(options, self.store.clone(), hooks).await.unwrap()
    }

    /// Three states, a second of the clock apart.
    async fn write(&mut self, replicator: &Replicator) {
        for _ in 0..3 {
            self.clock.0.fetch_add(1000, Ordering::Relaxed);
            self.app.execute("INSERT INTO t(x) VALUES (randomblob(700))", []).unwrap();
            replicator.sync().await.unwrap();
            self.states.push((replicator.status().at.unwrap(), model::pages_of(&self.app)));
        }
    }

    /// The state that a restore to a moment gives.
    async fn at(&self, moment: Timestamp) -> Vec<u8> {
        let path = self.dir.path().join("restored.db");
        restore::restore(&self.store, Target::Time(moment), &Output::new(&path), &Options::default()).await.unwrap();
        let restored = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        restored
    }

    async fn prove(&self, what: &str) {
        for pair in self.states.windows(2) {
            assert!(pair[0].0 <= pair[1].0, "{what}: {} after {}", pair[1].0, pair[0].0);
        }
        for (place, (at, _)) in self.states.iter().enumerate() {
            let (_, newest) = self.states.iter().rfind(|state| state.0 == *at).unwrap();
            assert!(self.at(*at).await == *newest, "{what}: state {place} at {at}");
            let before = self.states.iter().rfind(|state| state.0 < *at);
            if let Some((_, before)) = before {
                assert!(self.at(Timestamp(at.0 - 1)).await == *before, "{what}: before state {place} at {at}");
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Restart {
    No,
    Clean,
    StateLost,
    /// The state is lost, and a segment of the replica: what is before and behind the hole is as it was.
    ReplicaBroken,
}

/// Three states, the jump, a restart perhaps; then a new generation, and the clock goes right in the middle of it.
async fn session_with_a_jump(to: i64, restart: Restart, what: &str) {
    let mut scene = Scene::new();
    let mut replicator = scene.start().await;
    replicator.sync().await.unwrap();
    scene.states.push((replicator.status().at.unwrap(), model::pages_of(&scene.app)));
    scene.write(&replicator).await;
    scene.clock.0.store(to, Ordering::Relaxed);
    if restart != Restart::No {
        let generation = replicator.status().generation.unwrap();
        replicator.shutdown().await.unwrap();
        drop(replicator);
        if restart != Restart::Clean {
            std::fs::remove_dir_all(engine::default_state_dir(&scene.db())).unwrap();
        }
        if restart == Restart::ReplicaBroken {
            scene.store.delete(&Name::Segment(generation, SegmentIndex::ZERO).key()).await.unwrap();
            scene.states.clear();
        }
        replicator = scene.start().await;
    }
    if restart != Restart::ReplicaBroken {
        scene.write(&replicator).await;
    }
    replicator.snapshot().await.unwrap();
    scene.states.push((replicator.status().at.unwrap(), model::pages_of(&scene.app)));
    scene.write(&replicator).await;
    scene.clock.0.store(TODAY + 2 * HOUR, Ordering::Relaxed);
    scene.write(&replicator).await;
    replicator.shutdown().await.unwrap();
    assert!(scene.states[0].0 >= Timestamp(TODAY), "{what}: {}", scene.states[0].0);
    scene.prove(what).await;
    let generations = replica::generations(&*scene.store).await.unwrap();
    assert!(generations.is_sorted() && generations.len() >= 2, "{what}");
}

#[tokio::test]
async fn whatever_the_clock_does_times_only_rise_and_lead_to_their_states() {
    let jumps = [
        ("an hour ahead", TODAY + HOUR),
        ("an hour back", TODAY - HOUR),
        ("a day back", TODAY - 24 * HOUR),
        ("1970", 0),
        ("2038", 2_147_483_648_000),
    ];
    let restarts = [Restart::No, Restart::Clean, Restart::StateLost, Restart::ReplicaBroken];
    // A host that lost its state watches the prefix for some seconds: all at the same time.
    let sessions = jumps.iter().flat_map(|&(name, to)| {
        restarts.map(|restart| async move { session_with_a_jump(to, restart, &format!("{name}, {restart:?}")).await })
    });
    futures_util::future::join_all(sessions).await;
}

/// The clock that never goes back stands still while a machine is suspended: nobody looked for what another writer had put
/// meanwhile, merged, and let go of, so that its names were free again.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_suspension_it_is_looked_for_other_writers() {
    let scene = Scene::new();
    let faulty = Arc::new(FaultyStore::new(scene.store.store().clone()));
    let insert = || scene.app.execute("INSERT INTO t(x) VALUES (randomblob(900))", []).unwrap();
    let start = || {
        let hooks = Hooks { clock: scene.clock.clone(), ..Hooks::default() };
        let mut options = manual(&scene.db());
        options.merge = None;
        Replicator::start(options, Replica::plain(faulty.clone()), hooks)
    };
    let mut replicator = start().await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    // In its first seconds a replica is looked at before each segment.
    let mut replicator = start().await.unwrap();
    for (passed, looked) in [(0, false), (30_000, false), (61_000, true), (0, false), (-HOUR, true)] {
        scene.clock.0.fetch_add(passed, Ordering::Relaxed);
        let before = faulty.requests_of(Operation::List);
        insert();
        replicator.sync().await.unwrap();
        assert_eq!(faulty.requests_of(Operation::List) > before, looked, "after {passed} ms");
    }
    replicator.shutdown().await.unwrap();
}
