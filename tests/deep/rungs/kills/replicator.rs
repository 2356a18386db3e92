//! waloy, embedded in a process of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use waloy::compact::{Level, Levels};
use waloy::compress::Compression;
use waloy::engine::{Event, Hooks, Options, Replicator};
use waloy::replica::{Key, Replica};
use waloy::retention::Policy;
use waloy::seal::{Cost, Secret};
use waloy::storage::{DirStore, Store};
use waloy::testing::dice::Dice;
use waloy::testing::faulty::FaultyStore;

use crate::rungs::processes::{Place, last_commit};

/// States that were acknowledged: `i`, after a sync that began after commit `i`.
pub(super) const ACKED: &str = "acked";
/// Points of the replica: generation and index, as the events tell them.
pub(super) const POINTS: &str = "points";

/// How waloy is set up in a seed: the same for each of its processes.
pub(super) struct Setup {
    pub(super) key: Option<Key>,
    /// Small objects and old generations are let go of after a moment.
    pub(super) retention: bool,
    options: Options,
    delay: Duration,
}

impl Setup {
    pub(super) fn new(place: &Place, seed: u64) -> anyhow::Result<Setup> {
        let mut dice = Dice::new(seed ^ 0x5e7);
        let mut options = Options::new(place.database());
        let millis = Duration::from_millis;
        options.sync_interval = millis(*dice.pick(&[10, 50]));
        options.quiet = millis(100);
        options.checkpoint_threshold = *dice.pick(&[256 << 10, 1 << 20]);
        // Of a small one, pages are collected when they are uploaded.
        options.memory_budget = *dice.pick(&[64 << 10, 16 << 20]);
        options.snapshot_interval = *dice.pick(&[None, Some(millis(400)), Some(millis(1500))]);
        options.compression = *dice.pick(&[Compression::default(), Compression::None]);
        let level = |window, parts| Level { window: millis(window), parts };
        options.merge = Some(Levels::new([level(150, 4), level(600, 4)]));
        let retention = dice.one_in(2);
        if retention {
            options.retention = Some(Policy { grace: millis(500), ..Policy::new(Some(Duration::from_secs(1))) });
        }
        let key = if dice.one_in(3) {
            let cost = Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };
            Some(Key::new(Secret::from_passphrase(b"correct horse")?).with_cost(cost))
        } else {
            None
        };
        options.key.clone_from(&key);
        // With a slow store a kill more often comes between a request and its effect on the local state.
        let delay = millis(*dice.pick(&[0, 0, 3, 15]));
        Ok(Setup { key, retention, options, delay })
    }

    pub(super) fn store(place: &Place) -> Arc<dyn Store> {
        Arc::new(DirStore::new(place.path("replica")))
    }
}

/// Replicates until it is told to stop, and notes what was acknowledged.
pub(super) fn replicate(dir: &Path, seed: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(Place::new(dir), seed))
}

async fn run(place: Place, seed: u64) -> anyhow::Result<()> {
    let Setup { options, delay, .. } = Setup::new(&place, seed)?;
    let store = FaultyStore::new(Setup::store(&place));
    store.set_delay(delay);
    let notes = Place::new(&place.path(""));
    let listen = move |event| {
        if let Event::Synced(synced) = event {
            let noted = notes.note(POINTS, &format!("{} {}", synced.generation, synced.index.get()));
            noted.expect("a line is written");
        }
    };
    let hooks = Hooks { events: Arc::new(listen), ..Hooks::default() };
    let mut replicator = Replicator::start(options, Replica::plain(Arc::new(store)), hooks).await.context("start")?;
    let reader = place.open(true)?;
    place.say_ready()?;
    while !place.is_over("replicator") {
        let commit = last_commit(&reader)?;
        replicator.sync().await.context("sync")?;
        place.note(ACKED, &commit.0.to_string())?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    replicator.shutdown().await.context("shutdown")?;
    Ok(())
}
