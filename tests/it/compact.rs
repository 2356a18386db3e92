//! Merging from the store: what a merged segment leads to is what its segments led to, and no point is lost before its
//! time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use waloy::compact::{self, Error, Level, Levels, Options, Plan, Report};
use waloy::compress::Compression;
use waloy::error::{Error as PublicError, Kind};
use waloy::format::{Flags, Outline};
use waloy::replica::{Name, ObjectReader, Objects, Replica, chain};
use waloy::restore::{self, Output, Point, Target};
use waloy::storage::{ErrorKind, MemoryStore};
use waloy::testing::faulty::{FaultyStore, Operation, When};
use waloy::units::{SegmentIndex, Timestamp};
use waloy::verify::{self, Level as Depth, Subset};

use crate::handmade::{self, Handmade, State, index};

/// Ranges close after 4 s or 4 segments, 12 s or 3 of those, 24 s or 2 of those; handmade segments are a second apart.
fn small() -> Options {
    let level = |seconds, parts| Level { window: Duration::from_secs(seconds), parts };
    Options { levels: Levels::new([level(4, 4), level(12, 3), level(24, 2)]), ..Options::default() }
}

async fn compacted(store: &Replica, options: &Options) -> (Plan, Report) {
    let plan = compact::plan(store, options).await.unwrap();
    let report = compact::compact(store, &plan, options).await.unwrap();
    (plan, report)
}

async fn restored(store: &Replica, target: Target) -> Result<(restore::Report, Vec<u8>), restore::Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored.db");
    let report = restore::restore(store, target, &Output::new(&path), &restore::Options::default()).await?;
    Ok((report, std::fs::read(path).unwrap()))
}

async fn expect(store: &Replica, target: Target, state: &State) -> restore::Report {
    let (report, bytes) = restored(store, target).await.unwrap();
    assert_eq!((report.plan.point, report.plan.at), (state.point, state.at), "{target:?}");
    assert!(bytes == **state.bytes, "{target:?} gives another database");
    report
}

async fn outline(store: &Replica, name: Name) -> Outline {
    let size = store.head(&name.key()).await.unwrap().size;
    ObjectReader::open(store, name, size).await.unwrap().outline().clone()
}

async fn prove(store: &Replica) {
    let report = verify::verify(store, Depth::ReadData(Subset::All), &verify::Options::default()).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// Takes away every segment and merged segment that lies within a longer one, as retention does.
async fn only_the_outermost(store: &Replica, made: &Handmade) -> Objects {
    let generation = made.last().generation;
    let objects = Objects::list(&**store, generation, None).await.unwrap();
    let ranges: Vec<(SegmentIndex, SegmentIndex)> = objects.merged.iter().map(|&(a, b, _)| (a, b)).collect();
    let covered = |first, last| ranges.iter().any(|&(a, b)| a <= first && last <= b && (a, b) != (first, last));
    for (name, _) in objects.names() {
        let superseded = match name {
            Name::Segment(_, at) => covered(at, at),
            Name::Merged(_, first, last) => covered(first, last),
            _ => false,
        };
        if superseded {
            store.delete(&name.key()).await.unwrap();
        }
    }
    Objects::list(&**store, generation, None).await.unwrap()
}

fn state_at(made: &Handmade, point: Point) -> &State {
    let generation = made.last().generation;
    made.states.iter().find(|state| (state.generation, state.point) == (generation, point)).unwrap()
}

#[tokio::test]
async fn every_point_is_the_same_before_and_after_and_those_that_are_left_stay_so() {
    for (page_size, compression, seed) in
        [(512, Compression::None, 3), (4096, Compression::Lz4, 4), (65_536, Compression::Zstd(3), 5)]
    {
        let made = Handmade::random(page_size, compression, seed, 1, 60).await;
        let store = made.copy().await;
        let (plan, report) = compacted(&store, &small()).await;
        assert_eq!((report.merged.len(), report.skipped), (plan.merges.len(), 0));
        for state in &made.states {
            expect(&store, Target::Generation(state.generation, Some(state.point)), state).await;
            let at = expect(&store, Target::Time(state.at), state).await;
            assert_eq!(at.plan.merged, None);
        }
        prove(&store).await;
        let left = only_the_outermost(&store, &made).await;
        assert_eq!(
            left.merged.iter().map(|&(a, b, _)| (a.get(), b.get())).collect::<Vec<_>>()[..2],
            [(0, 23), (24, 47)]
        );
        prove(&store).await;
        let ends: Vec<Point> =
            left.merged.iter().map(|&(_, last, _)| Point::Index(last)).chain([Point::Snapshot]).collect();
        for point in ends {
            let state = state_at(&made, point);
            expect(&store, Target::Generation(state.generation, Some(point)), state).await;
        }
        expect(&store, Target::Latest, made.last()).await;
    }
}

#[tokio::test]
async fn a_time_inside_a_merged_range_gives_the_nearest_point_before_it_and_names_it() {
    let made = Handmade::random(512, Compression::None, 9, 1, 60).await;
    let store = made.copy().await;
    compacted(&store, &small()).await;
    only_the_outermost(&store, &made).await;
    let (end, next) = (state_at(&made, Point::Index(index(23))), state_at(&made, Point::Index(index(47))));
    for inside in [24, 30, 46] {
        let asked = Timestamp(state_at(&made, Point::Index(index(inside))).at.0 + 1);
        let report = expect(&store, Target::Time(asked), end).await;
        let merged = report.plan.merged.unwrap();
        assert_eq!((merged.from, merged.to), (end.at, next.at));
    }
    // Before the first transaction that was merged, there was nothing else.
    let report = expect(&store, Target::Time(Timestamp(end.at.0 + 1)), end).await;
    assert_eq!(report.plan.merged, None);
    let inside = Target::Generation(made.last().generation, Some(Point::Index(index(30))));
    let error = restored(&store, inside).await.unwrap_err();
    let before = Point::Index(index(23));
    assert!(matches!(error, restore::Error::Merged { before: found, .. } if found == before), "{error}");
    assert_eq!(PublicError::from(error).kind(), Kind::NotCovered);
}

#[tokio::test]
async fn a_deletion_that_ended_half_way_leaves_every_time_an_answer() {
    let made = Handmade::random(512, Compression::None, 10, 1, 30).await;
    let store = made.copy().await;
    compacted(&store, &small()).await;
    let generation = made.last().generation;
    let objects = Objects::list(&*store, generation, None).await.unwrap();
    for &(first, last, _) in objects.merged.iter().filter(|&&(first, last, _)| (first.get(), last.get()) != (0, 23)) {
        store.delete(&Name::Merged(generation, first, last).key()).await.unwrap();
    }
    for gone in [3, 4, 9] {
        store.delete(&Name::Segment(generation, index(gone)).key()).await.unwrap();
        for state in made.states.iter().filter(|state| state.generation == generation) {
            let (report, bytes) = restored(&store, Target::Time(state.at)).await.unwrap();
            let found = state_at(&made, report.plan.point);
            assert!(bytes == **found.bytes && found.at <= state.at, "{:?}", state.point);
            assert_eq!(report.plan.merged.is_none(), found.point == state.point);
        }
    }
}

#[tokio::test]
async fn a_merged_segment_says_what_its_range_was() {
    let mut made = Handmade::new(512, Compression::None).await;
    made.begin(vec![1; 512 * 4]).await;
    let gap = (Timestamp(handmade::BEGIN + 2500), Timestamp(handmade::BEGIN + 2900));
    for round in 0..8u8 {
        made.segment(vec![round; 512 * 4], |summary| {
            summary.wal_bytes = 100;
            if round == 1 {
                summary.unobserved = Some(gap);
                summary.flags.catch_up = true;
            }
        })
        .await;
    }
    let store = made.copy().await;
    let (plan, _) = compacted(&store, &small()).await;
    let name = plan.merges[0].name;
    let Name::Merged(generation, first, last) = name else { panic!("{name}") };
    assert_eq!((first, last), (index(0), index(3)));
    let merged = outline(&store, name).await;
    let (one, end) = (
        outline(&store, Name::Segment(generation, first)).await,
        outline(&store, Name::Segment(generation, last)).await,
    );
    let (header, summary) = (&merged.header, &merged.summary);
    assert_eq!((header.first_time, header.checksum_before), (one.header.first_time, one.header.checksum_before));
    assert_eq!((header.predecessor, header.writer), (one.header.predecessor, end.header.writer));
    assert_eq!((summary.last_time, summary.checksum_after), (end.summary.last_time, end.summary.checksum_after));
    assert_eq!(summary.joins, Some(end.digest));
    assert_eq!((summary.transactions, summary.wal_bytes), (4, 400));
    assert_eq!(summary.transactions_since_snapshot, end.summary.transactions_since_snapshot);
    assert_eq!((summary.flags, summary.unobserved), (Flags { catch_up: true, ..Flags::default() }, Some(gap)));
    assert_eq!(merged.images, 4, "each page once");
    let times = merged.times.unwrap();
    let second = |at: i64| Timestamp(handmade::BEGIN + 1000 * at);
    assert_eq!(times.level, 1);
    assert_eq!(times.points, (0..4).map(|at| (index(at), second(at as i64 + 2))).collect::<Vec<_>>());
    let after = outline(&store, Name::Segment(generation, index(4))).await;
    assert_eq!(chain::breaks(&chain::Link::of(&outline(&store, name).await), &chain::Link::of(&after)), []);
}

#[tokio::test]
async fn a_page_beyond_a_later_end_is_left_out_even_if_the_database_grew_again() {
    let mut made = Handmade::new(512, Compression::None).await;
    let pages = |fills: &[u8]| -> Vec<u8> { fills.iter().flat_map(|&fill| [fill; 512]).collect() };
    made.begin(pages(&[1, 1, 1])).await;
    for fills in [&[1, 1, 1, 9][..], &[1, 1], &[1, 1, 5], &[2, 1, 5], &[2, 1, 5, 7]] {
        made.commit(pages(fills)).await;
    }
    let store = made.copy().await;
    let (plan, _) = compacted(&store, &small()).await;
    assert_eq!(outline(&store, plan.merges[0].name).await.images, 2, "pages 1 and 3");
    only_the_outermost(&store, &made).await;
    expect(&store, Target::Latest, made.last()).await;
}

#[tokio::test]
async fn what_is_planned_again_is_nothing() {
    let made = Handmade::random(512, Compression::None, 11, 2, 50).await;
    let store = made.copy().await;
    let (first, _) = compacted(&store, &small()).await;
    assert!(!first.is_empty());
    let (second, report) = compacted(&store, &small()).await;
    assert!(second.is_empty() && report.merged.is_empty(), "{second:?}");
    only_the_outermost(&store, &made).await;
    assert!(compacted(&store, &small()).await.0.is_empty());
}

#[tokio::test]
async fn where_there_is_no_backup_there_is_nothing_to_merge() {
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let error = compact::plan(&store, &small()).await.unwrap_err();
    assert_eq!(PublicError::from(error).kind(), Kind::NoBackup);
}

#[tokio::test]
async fn behind_a_hole_and_over_damage_nothing_is_merged() {
    let made = Handmade::random(512, Compression::None, 12, 1, 30).await;
    let generation = made.last().generation;
    let store = made.copy().await;
    store.delete(&Name::Segment(generation, index(10)).key()).await.unwrap();
    let (plan, _) = compacted(&store, &small()).await;
    assert!(plan.merges.iter().all(|merge| merge.last.get() < 10), "{plan:?}");
    // One bit of a page: merging would make it the newest image for good.
    let store = made.copy().await;
    let key = Name::Segment(generation, index(2)).key();
    let mut bytes = store.get(&key, u64::MAX).await.unwrap().to_vec();
    bytes[200] ^= 1;
    store.put(&key, Bytes::from(bytes)).await.unwrap();
    let plan = compact::plan(&store, &small()).await.unwrap();
    let error = compact::compact(&store, &plan, &small()).await.unwrap_err();
    assert_eq!(PublicError::from(error).kind(), Kind::Damaged);
    assert!(Objects::list(&*store, generation, None).await.unwrap().merged.is_empty());
}

#[tokio::test]
async fn objects_that_do_not_join_are_not_merged() {
    let made = Handmade::random(512, Compression::None, 13, 1, 8).await;
    let other = Handmade::random(512, Compression::None, 14, 1, 8).await;
    let (store, generation) = (made.copy().await, made.last().generation);
    assert_eq!(generation, other.last().generation);
    let key = Name::Segment(generation, index(2)).key();
    store.put(&key, other.replica.get(&key, u64::MAX).await.unwrap()).await.unwrap();
    let plan = compact::plan(&store, &small()).await.unwrap();
    let error = compact::compact(&store, &plan, &small()).await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error}");
}

#[tokio::test]
async fn what_is_there_under_the_name_is_never_replaced() {
    let made = Handmade::random(512, Compression::None, 15, 1, 8).await;
    let store = made.copy().await;
    let plan = compact::plan(&store, &small()).await.unwrap();
    // Another program merges the same range in its own way meanwhile.
    let other = made.copy().await;
    let options = Options { levels: Levels::new([small().levels.get()[0]; 1]), ..small() };
    let mut theirs = compact::plan(&other, &options).await.unwrap();
    theirs.merges.truncate(1);
    theirs.merges[0].points.remove(0);
    compact::compact(&other, &theirs, &options).await.unwrap();
    let key = plan.merges[0].name.key();
    let there = other.get(&key, u64::MAX).await.unwrap();
    store.put(&key, there.clone()).await.unwrap();
    let plan = Plan { merges: plan.merges[..1].to_vec(), ..plan };
    let report = compact::compact(&store, &plan, &small()).await.unwrap();
    assert_eq!((report.merged.len(), report.skipped), (0, 1));
    assert_eq!(store.get(&key, u64::MAX).await.unwrap(), there);
    prove(&store).await;
}

#[tokio::test]
async fn a_merged_segment_that_reads_back_damaged_twice_is_taken_away_and_one_that_cannot_be_read_stays() {
    let made = Handmade::random(512, Compression::None, 16, 1, 8).await;
    let plan = compact::plan(&made.replica, &small()).await.unwrap();
    let plan = Plan { merges: plan.merges[..1].to_vec(), ..plan };
    let reads = {
        let counting = FaultyStore::new(made.copy().await.store().clone());
        let store = Replica::plain(Arc::new(counting.clone()));
        compact::compact(&store, &plan, &small()).await.unwrap();
        counting.requests_of(Operation::GetRange)
    };
    let merged = async |store: &Replica| {
        let listed = Objects::list(&**store, made.last().generation, None).await.unwrap().merged;
        listed.iter().map(|&(first, last, _)| (first, last)).collect::<Vec<_>>()
    };
    let planned = [(plan.merges[0].first, plan.merges[0].last)];
    // The last read is that of what was written. The flipped bit is in the middle: in a page.
    let faulty = FaultyStore::new(made.copy().await.store().clone());
    faulty.flip_nth_of(Operation::GetRange, reads, 300, 4);
    faulty.flip_nth_of(Operation::GetRange, reads + 1, 300, 4);
    let store = Replica::plain(Arc::new(faulty.clone()));
    let error = compact::compact(&store, &plan, &small()).await.unwrap_err();
    assert_eq!((faulty.pending(), PublicError::from(error).kind()), (0, Kind::Damaged));
    assert!(merged(&store).await.is_empty(), "no restore takes it for its segments");
    expect(&store, Target::Latest, made.last()).await;

    // Once, it may have been the answer.
    let faulty = FaultyStore::new(made.copy().await.store().clone());
    faulty.flip_nth_of(Operation::GetRange, reads, 300, 4);
    let store = Replica::plain(Arc::new(faulty.clone()));
    compact::compact(&store, &plan, &small()).await.unwrap();
    assert_eq!((faulty.pending(), merged(&store).await), (0, planned.to_vec()));

    // A store that does not answer says nothing of what it has.
    let faulty = FaultyStore::new(made.copy().await.store().clone());
    faulty.flip_nth_of(Operation::GetRange, reads, 300, 4);
    faulty.fail_nth_of(Operation::GetRange, reads + 1, When::Before, ErrorKind::Unavailable);
    let store = Replica::plain(Arc::new(faulty.clone()));
    let error = compact::compact(&store, &plan, &small()).await.unwrap_err();
    assert_eq!((faulty.pending(), PublicError::from(error).kind()), (0, Kind::Unavailable));
    assert_eq!(merged(&store).await, planned);
    prove(&store).await;
}

#[tokio::test]
async fn any_request_that_fails_leaves_a_whole_replica_and_the_next_run_goes_on() {
    let made = Handmade::random(512, Compression::None, 17, 1, 14).await;
    let total = {
        let counting = FaultyStore::new(made.copy().await.store().clone());
        let store = Replica::plain(Arc::new(counting.clone()));
        compacted(&store, &small()).await;
        counting.requests()
    };
    for when in [When::Before, When::After] {
        for nth in 1..=total {
            let faulty = FaultyStore::new(made.copy().await.store().clone());
            let store = Replica::plain(Arc::new(faulty.clone()));
            faulty.fail_nth_of_any(nth, when, ErrorKind::Unavailable);
            let plan = compact::plan(&store, &small()).await;
            if let Ok(plan) = plan {
                let _ = compact::compact(&store, &plan, &small()).await;
            }
            assert_eq!(faulty.pending(), 0);
            prove(&store).await;
            compacted(&store, &small()).await;
            expect(&store, Target::Latest, made.last()).await;
            assert!(compact::plan(&store, &small()).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn a_range_larger_than_memory_may_hold_is_streamed() {
    let mut made = Handmade::new(65_536, Compression::None).await;
    let mut rng = handmade::Rng(5);
    let mut pages: Vec<Vec<u8>> = (0..400).map(|_| rng.page(65_536)).collect();
    made.begin(pages.concat()).await;
    for round in 0..5 {
        for page in pages.iter_mut().skip(round * 70).take(100) {
            *page = rng.page(65_536);
        }
        made.commit(pages.concat()).await;
    }
    let store = made.copy().await;
    let (plan, report) = compacted(&store, &small()).await;
    assert_eq!(plan.merges.len(), 1);
    assert!(report.stored_bytes > 16 << 20, "{}", report.stored_bytes);
    only_the_outermost(&store, &made).await;
    prove(&store).await;
    expect(&store, Target::Latest, made.last()).await;
}
