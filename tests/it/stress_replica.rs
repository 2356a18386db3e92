//! The same writers as in [`crate::stress`], and the whole way: replicated to a directory, restored at positions and
//! times throughout. Every restored file is the database after a commit, page for page.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use waloy::engine::{Event, Hooks, Options, Replicator};
use waloy::error::Kind;
use waloy::ids::GenerationId;
use waloy::replica;
use waloy::restore::{self, Output, Point, Target};
use waloy::storage::DirStore;
use waloy::units::Timestamp;

use crate::workload::{Copy, Oracle, Place, Rng};

/// States that can be restored: by their position, and by their time.
type Points = Arc<Mutex<Vec<(GenerationId, Point, Timestamp)>>>;

/// A replicator, and what it said of the states that can be restored.
struct Replica {
    place: Place,
    dir: PathBuf,
    store: replica::Replica,
    /// What it is sealed with.
    key: Option<replica::Key>,
    replicator: Option<Replicator>,
    points: Points,
    rng: Rng,
    copies: Vec<Copy>,
    longest: u64,
}

impl Replica {
    async fn new(dir: &Path, seed: u64, key: Option<replica::Key>) -> Replica {
        let place = Place::new(dir);
        let store: Arc<dyn waloy::storage::Store> = Arc::new(DirStore::new(dir.join("replica")));
        let points = Arc::default();
        let begun = start(&place, &replica::Replica::plain(store.clone()), &points, &key).await;
        let store = replica::Replica::with(store, key.as_ref()).await.unwrap();
        let (replicator, rng) = (Some(begun), Rng::new(seed));
        Replica { place, dir: dir.to_owned(), store, key, replicator, points, rng, copies: Vec::new(), longest: 0 }
    }

    fn replicator(&mut self) -> &mut Replicator {
        self.replicator.as_mut().unwrap()
    }

    fn look_at_the_log(&mut self) {
        let wal = waloy::db::beside(&self.place.database(), "-wal");
        self.longest = self.longest.max(std::fs::metadata(wal).unwrap().len());
    }

    async fn restore(&mut self, target: Target) -> &Copy {
        let what = format!("restore {} of {target:?}", self.copies.len());
        let path = self.dir.join(format!("restored-{}.db", self.copies.len()));
        let restored = restore::restore(&self.store, target, &Output::new(&path), &restore::Options::default()).await;
        restored.unwrap_or_else(|error| panic!("{what}: {error}"));
        self.copies.push(Copy::of(&path, what));
        std::fs::remove_file(path).unwrap();
        self.copies.last().unwrap()
    }

    /// The newest state, after a sync: what had been committed before must be in it.
    async fn restore_latest(&mut self) {
        let known = self.place.last_commit();
        self.replicator().sync().await.unwrap();
        let copy = self.restore(Target::Latest).await;
        assert!(copy.commit().0 >= known.0, "{known:?} was synced, and the copy ends with {:?}", copy.commit());
    }

    /// A state somewhere in the past, by its position or by its time.
    async fn restore_something(&mut self) {
        let (generation, point, at) = {
            let points = self.points.lock().unwrap();
            if points.is_empty() {
                return;
            }
            points[self.rng.below(points.len() as u64) as usize]
        };
        let by_time = self.rng.below(3) == 0;
        self.restore(if by_time { Target::Time(at) } else { Target::Generation(generation, Some(point)) }).await;
    }

    /// Ends the replicator, in one way or the other, and starts it anew.
    async fn restart(&mut self) {
        if self.rng.below(2) == 0 {
            self.replicator().shutdown().await.unwrap();
        }
        self.replicator = None;
        self.replicator = Some(start(&self.place, &self.store, &self.points, &self.key).await);
    }

    /// Compares every copy with the oracle, when all writers have ended. Says how many copies and commits there were.
    async fn prove(mut self) -> (usize, Oracle) {
        let oracle = Oracle::consult(&self.place);
        self.replicator().shutdown().await.unwrap();
        self.restore(Target::Latest).await;
        oracle.check_last(self.copies.last().unwrap());
        for _ in 0..20 {
            self.restore_something().await;
        }
        self.copies.iter().for_each(|copy| oracle.check(copy));
        (self.copies.len(), oracle)
    }
}

/// Starts a replicator that is in a hurry. One that was dropped may still be on its way out.
async fn start(place: &Place, store: &replica::Replica, points: &Points, key: &Option<replica::Key>) -> Replicator {
    let mut options = Options::new(place.database());
    options.sync_interval = Duration::from_millis(50);
    options.checkpoint_threshold = 1 << 20;
    options.key.clone_from(key);
    loop {
        match Replicator::start(options.clone(), store.clone(), listening(points)).await {
            Ok(replicator) => return replicator,
            Err(error) if error.kind() == Kind::Locked => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Hooks that keep what can be restored.
fn listening(points: &Points) -> Hooks {
    let points = points.clone();
    let listen = move |event| match event {
        Event::Synced(synced) => {
            points.lock().unwrap().push((synced.generation, Point::Index(synced.index), synced.at))
        }
        Event::Degraded { error, .. } => panic!("degraded: {error}"),
        _ => {}
    };
    Hooks { events: Arc::new(listen), ..Hooks::default() }
}

/// Two writers and the operator for some seconds; every restore, meanwhile and after, must be the database after a
/// commit.
async fn replicate(writers: [&str; 2], page_size: u32, seed: u64, key: Option<replica::Key>) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    place.create(page_size);
    let children = place.spawn_all(writers, seed);
    let sealed = key.is_some();
    let mut replica = Replica::new(dir.path(), seed, key).await;
    let (began, mut restarted) = (Instant::now(), Instant::now());
    while began.elapsed() < Duration::from_secs(8) {
        replica.restore_latest().await;
        replica.restore_something().await;
        replica.look_at_the_log();
        if restarted.elapsed() > Duration::from_millis(1500) {
            replica.restart().await;
            restarted = Instant::now();
        }
        let pause = replica.rng.below(100);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    place.stop(children);
    let longest = replica.longest;
    let (copies, oracle) = replica.prove().await;
    let commits = oracle.commits();
    assert!(longest < 64 << 20, "the log grew to {longest} bytes");
    // Some 200, and 80 where ciphers that are not optimized take their time; on a machine with much else to do a fifth.
    let least = if sealed { 12 } else { 24 };
    assert!(copies >= least && commits > 100, "{copies} copies, {commits} commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_with_automatic_checkpoints_are_restored_exactly() {
    replicate(["writer", "writer"], 4096, 500, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_without_checkpoints_are_restored_exactly_from_a_sealed_replica() {
    replicate(["writer without checkpoints"; 2], 1024, 600, Some(crate::sealed::key("correct horse"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_pad_their_commits_are_restored_exactly() {
    replicate(["writer without psow"; 2], 512, 700, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_killed_inside_their_commits_are_restored_exactly() {
    const KILLS: u32 = 300;
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    place.create(4096);
    let mut replica = Replica::new(dir.path(), 800, None).await;
    let killed = Arc::new(AtomicU32::new(0));
    let killer = {
        let (place, killed) = (Place::new(dir.path()), killed.clone());
        tokio::task::spawn_blocking(move || place.kill_writers(KILLS, &killed))
    };
    let mut restored = 0;
    while !killer.is_finished() {
        if killed.load(Ordering::Relaxed) / 10 > restored {
            restored += 1;
            replica.restore_latest().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    killer.await.unwrap();
    let (copies, oracle) = replica.prove().await;
    let (commits, torn) = (oracle.commits(), oracle.unfinished());
    assert!(copies >= 40 && commits > 150 && torn > 5, "{copies} copies, {commits} commits, {torn} cut off");
}
