//! The replicator merges from the live database: what a merged segment leads to is what its segments led to.

mod day;
mod store;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use waloy::clock::Clock;
use waloy::compact::{Level, Levels};
use waloy::db::Reclaimed;
use waloy::engine::{Event, Hooks, Options, Replicator};
use waloy::format::Outline;
use waloy::ids::GenerationId;
use waloy::replica::{self, Name, ObjectReader, Objects, Replica};
use waloy::restore::{self, Output, Point, Target};
use waloy::storage::MemoryStore;
use waloy::testing::faulty::{FaultyStore, Operation};
use waloy::units::{SegmentIndex, Timestamp};
use waloy::verify::{self, Level as Depth, Subset};

use self::store::Logged;
use crate::engine::{application, manual};
use crate::model;

/// A clock that is set by hand.
#[derive(Clone, Debug)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn new() -> Hand {
        Hand(Arc::new(AtomicI64::new(1_795_341_600_000)))
    }

    fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

fn hooks(clock: &Hand) -> Hooks {
    Hooks { clock: Arc::new(clock.clone()), ..Hooks::default() }
}

fn levels(levels: [(u64, u32); 3]) -> Option<Levels> {
    Some(Levels::new(levels.map(|(ms, parts)| Level { window: Duration::from_millis(ms), parts })))
}

fn with(merge: Option<Levels>, mut options: Options) -> Options {
    options.merge = merge;
    options
}

async fn restored(store: &Replica, target: Target) -> (restore::Report, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored.db");
    let report = restore::restore(store, target, &Output::new(&path), &restore::Options::default()).await.unwrap();
    (report, std::fs::read(path).unwrap())
}

async fn prove(store: &Replica) {
    let report = verify::verify(store, Depth::ReadData(Subset::All), &verify::Options::default()).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

async fn newest(store: &Replica) -> GenerationId {
    replica::generations(&**store).await.unwrap().pop().unwrap()
}

async fn objects(store: &Replica) -> Objects {
    Objects::list(&**store, newest(store).await, None).await.unwrap()
}

async fn outline(store: &Replica, name: Name) -> Outline {
    let size = store.head(&name.key()).await.unwrap().size;
    ObjectReader::open(store, name, size).await.unwrap().outline().clone()
}

/// Waits until what is on its way has been put: merging holds up no sync, and a test has to wait for it.
async fn settled(store: &Replica, merged: usize) {
    for _ in 0..500 {
        if objects(store).await.merged.len() >= merged {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{merged} merged segments did not come");
}

/// The state that each segment led to, made from segments alone.
async fn by_segments(store: &Replica, objects: &Objects, last: SegmentIndex) -> Vec<u8> {
    let only = Replica::plain(Arc::new(MemoryStore::new()));
    let mut keys = vec![replica::REPLICA.to_owned(), Name::Snapshot(objects.generation).key()];
    keys.extend(
        objects
            .segments
            .iter()
            .filter(|&&(at, _)| at <= last)
            .map(|&(at, _)| Name::Segment(objects.generation, at).key()),
    );
    for key in keys {
        only.put(&key, store.get(&key, u64::MAX).await.unwrap()).await.unwrap();
    }
    model::restore(&only).await
}

/// Every merged segment leads to what its segments led to, and only what is merged is left.
async fn compare_and_thin(store: &Replica) -> Objects {
    let (all, unreached) = compare_and_thin_some(store).await;
    assert_eq!(unreached, 0);
    all
}

/// The same where time passes as it will: a merge that came late, after that of a longer range, may end where nothing else
/// leads to its beginning. Says how many.
async fn compare_and_thin_some(store: &Replica) -> (Objects, usize) {
    let all = objects(store).await;
    let generation = all.generation;
    let mut expected = BTreeMap::new();
    for &(_, last, _) in &all.merged {
        expected.insert(last, by_segments(store, &all, last).await);
    }
    for (&last, pages) in &expected {
        let target = Target::Generation(generation, Some(Point::Index(last)));
        assert!(restored(store, target).await.1 == *pages, "beside its segments: {last}");
    }
    let covered = |at: SegmentIndex| all.merged.iter().any(|&(first, last, _)| first <= at && at <= last);
    for &(at, _) in all.segments.iter().filter(|&&(at, _)| covered(at)) {
        store.delete(&Name::Segment(generation, at).key()).await.unwrap();
    }
    let mut unreached = 0;
    for (&last, pages) in &expected {
        let target = Target::Generation(generation, Some(Point::Index(last)));
        match restore::plan(store, target).await {
            Err(restore::Error::Merged { .. }) => unreached += 1,
            _ => assert!(restored(store, target).await.1 == *pages, "in the place of its segments: {last}"),
        }
    }
    assert!(expected.is_empty() || unreached < expected.len());
    prove(store).await;
    (all, unreached)
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_segments_lead_where_their_segments_led() {
    for page_size in [512, 4096, 65_536] {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, page_size);
        let store = Replica::plain(Arc::new(MemoryStore::new()));
        let clock = Hand::new();
        let options = with(levels([(4000, 4), (12_000, 3), (36_000, 3)]), manual(&db));
        let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
        replicator.sync().await.unwrap();
        let mut expected = BTreeMap::new();
        for round in 0..60 {
            clock.advance(1000);
            app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
            if round % 7 == 3 {
                app.execute("DELETE FROM t WHERE id % 2 = 0", []).unwrap();
            }
            if round % 13 == 5 {
                app.execute_batch("VACUUM").unwrap();
            }
            let synced = replicator.sync().await.unwrap().unwrap();
            expected.insert(synced.index, model::pages_of(&app));
            // The object is put beside replication; here it is to be there before the next one is due.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        replicator.shutdown().await.unwrap();
        for (&index, pages) in &expected {
            let target = Target::Generation(newest(&store).await, Some(Point::Index(index)));
            assert!(restored(&store, target).await.1 == *pages, "{index}");
        }
        let all = compare_and_thin(&store).await;
        let lengths: Vec<u64> = all.merged.iter().map(|&(first, last, _)| last.get() - first.get() + 1).collect();
        assert!(lengths.contains(&4) && lengths.iter().any(|&length| length > 24), "{lengths:?}");
        let (report, pages) = restored(&store, Target::Latest).await;
        assert!(pages == model::pages_of(&app));
        assert!(report.plan.objects.len() < 15, "{}", report.plan.objects.len());
    }
}

/// Pages were read for a merged segment while they were written, and it had them as they were at no commit of its chain.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_written_during_a_merge_has_in_it_the_image_of_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    app.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
        INSERT INTO t(x) SELECT randomblob(3000) FROM n",
    )
    .unwrap();
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let mut options = with(levels([(150, 1000), (600, 1000), (1800, 1000)]), Options::new(&db));
    options.sync_interval = Duration::from_millis(20);
    options.checkpoint_threshold = 1 << 20;
    let mut replicator = Replicator::start(options, store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let writer = std::thread::spawn(move || {
        let mut round = 0;
        while !stopped.load(Ordering::SeqCst) {
            app.execute("UPDATE t SET x = randomblob(3000) WHERE id % 700 = ?1", [round % 700]).unwrap();
            std::thread::sleep(Duration::from_millis(3));
            if round % 300 == 150 {
                app.execute("DELETE FROM t WHERE id % 100 = 3", []).unwrap();
                app.execute_batch("VACUUM").unwrap();
            }
            round += 1;
        }
        app
    });
    // A busy machine merges seldom.
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        if objects(&store).await.merged.len() >= 3 {
            break;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let app = writer.join().unwrap();
    replicator.shutdown().await.unwrap();
    let (all, _) = compare_and_thin_some(&store).await;
    assert!(all.merged.len() >= 3, "{} merges", all.merged.len());
    assert!(restored(&store, Target::Latest).await.1 == model::pages_of(&app));
}

/// A merged segment was there, and its last segment was not: a restore found a state that the chain did not have.
#[tokio::test(flavor = "multi_thread")]
async fn a_merged_segment_is_put_after_its_last_segment_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let logged = Logged::new();
    let store = Replica::plain(Arc::new(logged.clone()));
    let clock = Hand::new();
    let options = with(levels([(3000, 3), (9000, 3), (27_000, 3)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    for round in 0..30 {
        clock.advance(1000);
        // Something is always committed that no segment has yet: the range's last segment is closed for the merge.
        app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
        let (_, written) = tokio::join!(replicator.sync(), async {
            app.execute("UPDATE t SET x = randomblob(2000) WHERE id = 1", []).unwrap()
        });
        assert_eq!(written, 1, "{round}");
    }
    replicator.shutdown().await.unwrap();
    let log = logged.log();
    let merged: Vec<(usize, Name)> = log
        .iter()
        .enumerate()
        .filter_map(|(place, entry)| Some((place, Name::parse(entry.strip_prefix("put ")?)?)))
        .filter(|(_, name)| matches!(name, Name::Merged(..)))
        .collect();
    assert!(merged.len() >= 3, "{log:?}");
    for (place, name) in merged {
        let Name::Merged(generation, _, last) = name else { unreachable!() };
        let segment = format!("put {}", Name::Segment(generation, last));
        assert!(log[..place].contains(&segment), "{name} before its last segment");
        assert!(log[place..].contains(&format!("get {name}")), "{name} was not read back");
    }
    assert!(!log.iter().any(|entry| entry.starts_with("delete")), "merging deletes nothing");
    compare_and_thin(&store).await;
}

/// A merged segment got the time at which it was made: its points seemed to be from then.
#[tokio::test(flavor = "multi_thread")]
async fn a_merged_segment_has_the_times_of_its_range() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    let mut times = Vec::new();
    for _ in 0..4 {
        clock.advance(1500);
        app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
        times.push(replicator.sync().await.unwrap().unwrap().at);
        clock.advance(7000);
    }
    settled(&store, 1).await;
    replicator.shutdown().await.unwrap();
    let generation = newest(&store).await;
    let index = |at| SegmentIndex::new(at).unwrap();
    let merged = outline(&store, Name::Merged(generation, index(0), index(3))).await;
    let (first, last) = (
        outline(&store, Name::Segment(generation, index(0))).await,
        outline(&store, Name::Segment(generation, index(3))).await,
    );
    assert_eq!(merged.header.first_time, first.header.first_time);
    assert_eq!(merged.summary.last_time, last.summary.last_time);
    assert_eq!(merged.summary.wal, last.summary.wal);
    assert_eq!(merged.summary.transactions, 4);
    assert_eq!(merged.summary.transactions_since_snapshot, last.summary.transactions_since_snapshot);
    let told: Vec<Timestamp> = merged.times.unwrap().points.iter().map(|point| point.1).collect();
    assert_eq!(told, times);
}

/// Changes a byte in a page of the database file that has nothing but this byte, behind the back of SQLite. By other
/// processes: in this one, closing the file would end SQLite's locks on it.
fn rot(db: &Path, filled_with: u8) {
    let file = Command::new("cat").arg(db).output().unwrap().stdout;
    let is_filled = |page: &[u8]| page[4..].iter().all(|&byte| byte == filled_with);
    let page = file.chunks_exact(4096).position(is_filled).unwrap();
    let mut write = Command::new("dd");
    write.args(["bs=1", "conv=notrunc", "status=none"]).arg(format!("seek={}", page * 4096 + 2000));
    let mut write = write.arg(format!("of={}", db.display())).stdin(Stdio::piped()).spawn().unwrap();
    write.stdin.take().unwrap().write_all(&[!filled_with]).unwrap();
    assert!(write.wait().unwrap().success());
}

/// A page that had rotted in the database file went into a merged segment with the hash of what was read. Nothing could
/// tell it from a true one: restores took it in the place of the segments, and failed by the checksum of the whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_has_rotted_in_the_database_file_gets_into_no_merged_segment() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    let write = async |sql: &str, blob: Vec<u8>| {
        clock.advance(1000);
        app.execute(sql, [blob]).unwrap();
        replicator.sync().await.unwrap().unwrap();
    };
    let (insert, update) = ("INSERT INTO t(x) VALUES (?1)", "UPDATE t SET x = ?1 WHERE id = 1");
    write(insert, vec![0x5a; 20_000]).await;
    // The file has it, and the WAL is started over by the next commit.
    assert_eq!(replicator.checkpoint().await.unwrap(), Reclaimed::All);
    rot(&db, 0x5a);
    for _ in 0..3 {
        write(insert, vec![1; 100]).await;
    }
    // Asked for something else, the replicator answers when it has done with the merge.
    replicator.checkpoint().await.unwrap();
    // Written again, the page is as it should be.
    write(update, vec![0xa5; 20_000]).await;
    for _ in 0..3 {
        write(insert, vec![1; 100]).await;
    }
    settled(&store, 1).await;
    replicator.shutdown().await.unwrap();
    let all = objects(&store).await;
    let ranges: Vec<(u64, u64)> = all.merged.iter().map(|&(first, last, _)| (first.get(), last.get())).collect();
    assert_eq!(ranges, [(4, 7)], "its segments stay as they are, and the next ones are merged");
    for &(at, _) in &all.segments {
        let target = Target::Generation(all.generation, Some(Point::Index(at)));
        assert!(restored(&store, target).await.1 == by_segments(&store, &all, at).await, "{at}");
    }
    compare_and_thin(&store).await;
}

/// A range that should have closed long ago was merged from what the database was by then: its points were lost at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_has_left_behind_is_not_merged_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let clock = Hand::new();
    let mut replicator = Replicator::start(manual(&db), store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    let write = async || {
        app.execute("INSERT INTO t(x) VALUES (randomblob(5000))", []).unwrap();
        replicator.sync().await.unwrap().unwrap();
    };
    for _ in 0..5 {
        clock.advance(1000);
        write().await;
    }
    // Nobody syncs for twenty minutes.
    clock.advance(1_200_000);
    for _ in 0..40 {
        clock.advance(1000);
        write().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    settled(&store, 1).await;
    replicator.shutdown().await.unwrap();
    let merged: Vec<u64> = objects(&store).await.merged.iter().map(|&(first, ..)| first.get()).collect();
    assert_eq!(merged, [5], "the first five segments are left to `compact`");
    let options = waloy::compact::Options::default();
    let plan = waloy::compact::plan(&store, &options).await.unwrap();
    assert_eq!((plan.merges[0].first.get(), plan.merges[0].last.get()), (0, 4));
    waloy::compact::compact(&store, &plan, &options).await.unwrap();
    compare_and_thin(&store).await;
}

/// The manifest was written with each segment, and became longer each time.
#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_does_not_grow_without_end_and_is_not_written_at_each_sync() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    let logged = Logged::new();
    let store = Replica::plain(Arc::new(logged.clone()));
    let clock = Hand::new();
    let options = with(levels([(10_000, 10), (50_000, 5), (200_000, 4)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    for round in 0..1200 {
        clock.advance(1000);
        app.execute("INSERT OR REPLACE INTO t(id, x) VALUES (?1, 7)", [round % 10]).unwrap();
        replicator.sync().await.unwrap();
    }
    replicator.shutdown().await.unwrap();
    let generation = newest(&store).await;
    let key = Name::Manifest(generation).key();
    let written = logged.log().iter().filter(|entry| **entry == format!("put {key}")).count();
    assert!(written <= 7, "{written} times for 1200 segments");
    let manifest = replica::read_manifest(&store, generation).await.unwrap().unwrap();
    let longest = manifest.merged.iter().map(|merged| merged.last.get() - merged.first.get() + 1).max();
    assert!(longest >= Some(150), "{longest:?}");
    assert!(manifest.merged.len() < 40, "what a longer one stands for is not listed: {}", manifest.merged.len());
    assert!(manifest.segments.len() <= 1024);
    for merged in &manifest.merged {
        let name = Name::Merged(generation, merged.first, merged.last);
        assert_eq!(outline(&store, name).await.digest, merged.digest);
        assert_eq!(store.head(&name.key()).await.unwrap().size, merged.bytes);
    }
    logged.clear();
    assert!(restored(&store, Target::Latest).await.1 == model::pages_of(&app));
    let lists = logged.log().iter().filter(|entry| entry.starts_with("list")).count();
    assert!(lists <= 3, "{lists}");
}

/// A merged segment that came late got into the manifest of the generation that had begun meanwhile, in which the same
/// indices are other segments: restores looked for what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_merged_segment_that_comes_late_is_not_listed_in_the_next_generation() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let logged = Logged::new();
    let store = Replica::plain(Arc::new(logged.clone()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    let write = async || {
        clock.advance(1000);
        app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
        replicator.sync().await.unwrap().unwrap();
    };
    let held = logged.hold_up().await;
    for _ in 0..4 {
        write().await;
    }
    let before = newest(&store).await;
    clock.advance(1000);
    replicator.snapshot().await.unwrap();
    for _ in 0..5 {
        write().await;
    }
    // Asked for something else, the replicator has seen that it is still on its way.
    replicator.checkpoint().await.unwrap();
    drop(held);
    replicator.shutdown().await.unwrap();
    let late = Objects::list(&*store, before, None).await.unwrap();
    assert_eq!(late.merged.len(), 1, "it is where it belongs");
    let manifest = replica::read_manifest(&store, newest(&store).await).await.unwrap().unwrap();
    assert_eq!((manifest.generation == before, manifest.next_index, manifest.merged.len()), (false, 5, 0));
    prove(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_fails_holds_up_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let logged = Logged::new();
    logged.refuse(|key| key.contains('-'));
    let store = Replica::plain(Arc::new(logged.clone()));
    let clock = Hand::new();
    let options = with(levels([(3000, 3), (9000, 3), (27_000, 3)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    for _ in 0..20 {
        clock.advance(1000);
        app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
        // The merge before may have taken it along.
        replicator.sync().await.unwrap();
    }
    assert_eq!(replicator.status().degraded, None);
    replicator.shutdown().await.unwrap();
    assert!(objects(&store).await.merged.is_empty());
    assert!(restored(&store, Target::Latest).await.1 == model::pages_of(&app));
}

/// A merged segment that did not read back was told, and stayed: every restore took it in the place of its segments.
#[tokio::test(flavor = "multi_thread")]
async fn a_merged_segment_that_the_store_has_damaged_is_taken_away_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let logged = Logged::new();
    logged.spoil(|key| key.contains('-'));
    let store = Replica::plain(Arc::new(logged.clone()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    for _ in 0..4 {
        clock.advance(1000);
        app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
        replicator.sync().await.unwrap().unwrap();
    }
    // Asked for something else, the replicator answers when it has done with the merge.
    replicator.checkpoint().await.unwrap();
    replicator.shutdown().await.unwrap();
    let index = |at| SegmentIndex::new(at).unwrap();
    let name = Name::Merged(newest(&store).await, index(0), index(3));
    let done: Vec<String> = logged.log().into_iter().filter(|entry| entry.ends_with(&name.key())).collect();
    assert_eq!((&done[0], done.last().unwrap()), (&format!("put {name}"), &format!("delete {name}")));
    assert!(restored(&store, Target::Latest).await.1 == model::pages_of(&app));
    prove(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_damaged_on_its_way_costs_no_merged_segment() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let faulty = FaultyStore::new(Arc::new(MemoryStore::new()));
    let store = Replica::plain(Arc::new(faulty.clone()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    // Nothing is read in parts but what was merged.
    faulty.flip_nth_of(Operation::GetRange, 1, 300, 4);
    for _ in 0..4 {
        clock.advance(1000);
        app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
        replicator.sync().await.unwrap().unwrap();
    }
    replicator.checkpoint().await.unwrap();
    replicator.shutdown().await.unwrap();
    assert_eq!((faulty.pending(), faulty.requests_of(Operation::Delete)), (0, 0));
    let manifest = replica::read_manifest(&store, newest(&store).await).await.unwrap().unwrap();
    assert_eq!(manifest.merged.len(), 1, "it is there, and counted on");
    compare_and_thin(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_merged_segment_under_the_name_stays() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    let index = |at| SegmentIndex::new(at).unwrap();
    let mut there = None;
    for round in 0..8 {
        clock.advance(1000);
        app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
        if round == 3 {
            // Somebody else was faster, and put what is whole and not ours.
            let name = Name::Merged(newest(&store).await, index(0), index(3));
            let before = Name::Segment(newest(&store).await, index(0));
            let bytes = store.get(&before.key(), u64::MAX).await.unwrap();
            store.put(&name.key(), bytes.clone()).await.unwrap();
            there = Some((name, bytes));
        }
        replicator.sync().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    replicator.shutdown().await.unwrap();
    let (name, bytes) = there.unwrap();
    assert_eq!(store.get(&name.key(), u64::MAX).await.unwrap(), bytes);
    assert_eq!(model::restore(&store).await, model::pages_of(&app));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_database_is_merged_once_and_then_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let logged = Logged::new();
    let store = Replica::plain(Arc::new(logged.clone()));
    let mut options = with(levels([(400, 100), (800, 100), (1200, 100)]), Options::new(&db));
    options.sync_interval = Duration::from_millis(20);
    let mut replicator = Replicator::start(options, store.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    for _ in 0..3 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
        // Or it went by itself.
        replicator.sync().await.unwrap();
    }
    settled(&store, 1).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    logged.clear();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(logged.log(), [""; 0]);
    assert_eq!(objects(&store).await.merged.len(), 1);
    replicator.shutdown().await.unwrap();
    compare_and_thin(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_too_large_for_memory_is_merged_too() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let clock = Hand::new();
    let mut options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    options.memory_budget = 100_000;
    let events: Arc<std::sync::Mutex<Vec<Event>>> = Arc::default();
    let listener = events.clone();
    let hooks = Hooks { events: Arc::new(move |event| listener.lock().unwrap().push(event)), ..hooks(&clock) };
    let mut replicator = Replicator::start(options, store.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    for round in 0..4 {
        clock.advance(1000);
        let blob = if round % 2 == 0 { 400_000 } else { 1000 };
        app.execute("INSERT INTO t(x) VALUES (randomblob(?1))", [blob]).unwrap();
        replicator.sync().await.unwrap().unwrap();
    }
    settled(&store, 1).await;
    replicator.shutdown().await.unwrap();
    compare_and_thin(&store).await;
    assert!(restored(&store, Target::Latest).await.1 == model::pages_of(&app));
    assert!(!events.lock().unwrap().iter().any(|event| matches!(event, Event::Retry { .. })));
}

/// The newest segment was merged with those before it, and taken away: the next start took that for a loss, and sent the
/// whole database again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_though_the_newest_segment_was_merged_and_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let logged = Logged::new();
    let store = Replica::plain(Arc::new(logged.clone()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 100), (600_000, 100)]), manual(&db));
    for round in 0..3 {
        let mut replicator = Replicator::start(options.clone(), store.clone(), hooks(&clock)).await.unwrap();
        logged.clear();
        replicator.sync().await.unwrap();
        if round > 0 {
            assert!(!logged.log().iter().any(|entry| entry.starts_with("put ")), "{:?}", logged.log());
        }
        for _ in 0..4 {
            clock.advance(1000);
            app.execute("INSERT INTO t(x) VALUES (randomblob(2000))", []).unwrap();
            replicator.sync().await.unwrap().unwrap();
        }
        settled(&store, round + 1).await;
        replicator.shutdown().await.unwrap();
        thin(&store).await;
    }
    assert_eq!(replica::generations(&*store).await.unwrap().len(), 1);
    assert!(restored(&store, Target::Latest).await.1 == model::pages_of(&app));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_with_the_ranges_that_were_open() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let clock = Hand::new();
    let options = with(levels([(60_000, 4), (600_000, 3), (6_000_000, 100)]), manual(&db));
    let write = |round: i64| {
        clock.advance(1000);
        app.execute("INSERT OR REPLACE INTO t(id, x) VALUES (?1, randomblob(2000))", [round % 5]).unwrap();
    };
    let mut replicator = Replicator::start(options.clone(), store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    for round in 0..24 {
        write(round);
        replicator.sync().await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        if round % 6 == 5 {
            replicator.shutdown().await.unwrap();
            replicator = Replicator::start(options.clone(), store.clone(), hooks(&clock)).await.unwrap();
        }
    }
    replicator.shutdown().await.unwrap();
    let all = objects(&store).await;
    let ranges: Vec<(u64, u64)> = all.merged.iter().map(|&(first, last, _)| (first.get(), last.get())).collect();
    // Without it, the second range would begin where the second session did, and nothing would join the two.
    assert!(ranges.contains(&(0, 3)) && ranges.iter().any(|&(first, last)| first == 4 && last > 5), "{ranges:?}");
    assert!(ranges.iter().any(|&(first, last)| first == 0 && last > 8), "{ranges:?}");
    compare_and_thin(&store).await;
    assert!(restored(&store, Target::Latest).await.1 == model::pages_of(&app));
}

/// Takes every segment away that was merged.
async fn thin(store: &Replica) {
    let all = objects(store).await;
    for &(at, _) in &all.segments {
        assert!(all.merged.iter().any(|&(first, last, _)| first <= at && at <= last), "{at} was not merged");
        store.delete(&Name::Segment(all.generation, at).key()).await.unwrap();
    }
}

fn rows(app: &Connection, sql: &str) -> i64 {
    app.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_can_be_turned_off() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let options = with(None, manual(&db));
    let mut replicator = Replicator::start(options, store.clone(), Hooks::default()).await.unwrap();
    for _ in 0..40 {
        app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
        replicator.sync().await.unwrap();
    }
    replicator.shutdown().await.unwrap();
    assert_eq!(rows(&app, "SELECT count(*) FROM t"), 40);
    assert!(objects(&store).await.merged.is_empty());
}
