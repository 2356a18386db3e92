//! What each policy keeps and lets go of.

use std::sync::Arc;

use waloy::replica::{Name, Replica};
use waloy::restore::{Point, Target, restore};
use waloy::retention::{Deleted, Fate, Keep, Kept, Period, Plan, Policy, enforce};
use waloy::storage::MemoryStore;
use waloy::units::Timestamp;
use waloy::verify::{self, Level, Subset};

use super::*;
use crate::handmade::index;

/// Later than every clock.
const NOW: Timestamp = Timestamp(BEGIN + 10_000 * DAY);

#[tokio::test]
async fn every_moment_of_the_retention_and_the_grace_on_top_stays_covered() {
    let (made, ids) = a_generation_a_day(10).await;
    let dated = Dated::of(&made, &made.replica);
    let store = Replica::plain(dated.clone());
    // The newest object is three hours into the tenth day: its snapshot is what covers nothing older.
    let plan = Plan::of(&store, &policy(days(3), days(1)), NOW).await.unwrap();
    assert_eq!(plan.now, made.last().at);
    assert_eq!(gone(&plan), ids[..5], "the sixth covers the moment four days before");
    let fates: Vec<Fate> = plan.generations[5..].iter().map(|it| it.fate).collect();
    assert_eq!(fates[..4], [Fate::Kept(Kept::Retention); 4]);
    assert_eq!(fates[4], Fate::Kept(Kept::Latest));
    let report = enforce(&store, &policy(days(3), days(1)), NOW).await.unwrap();
    assert_eq!((report.generations, report.objects, report.is_complete()), (5, 25, true));
    assert_eq!(report.freed_bytes, plan.freed_bytes());
    let again = Plan::of(&store, &policy(days(3), days(1)), NOW).await.unwrap();
    assert!(again.is_empty());
    let everything = Level::ReadData(Subset::All);
    let verified = verify::verify(&store, everything, &at_the_end()).await.unwrap();
    assert!(verified.ok() && verified.findings.is_empty(), "{verified:?}");
    let dir = tempfile::tempdir().unwrap();
    let output = restore::Output::new(dir.path().join("oldest.db"));
    let at = made.last().at.0 - 4 * DAY;
    let restored = restore(&store, Target::Time(Timestamp(at)), &output, &restore::Options::default()).await.unwrap();
    assert_eq!(restored.plan.generation, ids[5]);
    assert_eq!(std::fs::read(dir.path().join("oldest.db")).unwrap(), *true_state(&made, Timestamp(at)).unwrap().bytes);
}

#[tokio::test]
async fn the_latest_generation_stays_however_old_and_so_do_as_many_as_were_asked_for() {
    let (made, ids) = a_generation_a_day(6).await;
    let dated = Dated::of(&made, &made.replica);
    dated.now_is(Timestamp(BEGIN + 1000 * DAY));
    let store = Replica::plain(dated);
    let nothing = policy(Duration::ZERO, Duration::ZERO);
    for (min_keep, left) in [(0, 1), (1, 1), (3, 3), (6, 6), (100, 6)] {
        let plan = Plan::of(&store, &Policy { min_keep, ..nothing.clone() }, NOW).await.unwrap();
        assert_eq!(gone(&plan), ids[..6 - left], "{min_keep}");
    }
    let forever = Plan::of(&store, &Policy::new(None), NOW).await.unwrap();
    assert!(forever.is_empty());
    assert_eq!(forever.generations[0].fate, Fate::Kept(Kept::Forever));
}

#[tokio::test]
async fn one_clock_that_is_wrong_deletes_nothing() {
    let (made, ids) = a_generation_a_day(6).await;
    let dated = Dated::of(&made, &made.replica);
    let store = Replica::plain(dated.clone());
    let policy = policy(days(30), days(1));
    // Ours is ten thousand days ahead.
    assert!(Plan::of(&store, &policy, NOW).await.unwrap().is_empty());
    // The store's is.
    dated.now_is(NOW);
    assert!(Plan::of(&store, &policy, made.last().at).await.unwrap().is_empty());
    // Both agree.
    assert_eq!(gone(&Plan::of(&store, &policy, NOW).await.unwrap()), ids[..5]);
}

#[tokio::test]
async fn beyond_the_retention_the_last_point_of_a_day_a_week_and_a_month_stays() {
    let (made, ids) = a_generation_a_day(70).await;
    let store = Replica::plain(Dated::of(&made, &made.replica));
    let keep = Keep { daily: 4, weekly: 3, monthly: 3 };
    let plan = Plan::of(&store, &Policy { keep, ..policy(days(1), Duration::ZERO) }, NOW).await.unwrap();
    let kept = |period| -> Vec<usize> {
        let kept = plan.generations.iter().enumerate().filter(|(_, it)| it.fate == Fate::Kept(Kept::Point(period)));
        kept.map(|(place, _)| place).collect()
    };
    // The days begin with Sunday, 22 November 2026; the last is Saturday, 30 January 2027.
    assert_eq!(kept(Period::Daily), [66, 67]);
    assert_eq!(kept(Period::Weekly), [56, 63]);
    assert_eq!(kept(Period::Monthly), [8, 39]);
    assert_eq!(plan.generations[69].fate, Fate::Kept(Kept::Latest));
    assert_eq!(plan.generations[68].fate, Fate::Kept(Kept::Retention));
    // A moment of a day that is gone is not answered with an older state without a word.
    enforce(&store, &Policy { keep, ..policy(days(1), Duration::ZERO) }, NOW).await.unwrap();
    let asked = Timestamp(BEGIN + 20 * DAY);
    let answer = restore::plan(&store, Target::Time(asked)).await.unwrap();
    let gap = answer.gap.unwrap();
    assert!(answer.in_gap && answer.generation == ids[8], "{answer:?}");
    let next = made.states.iter().find(|state| state.generation == ids[39]).unwrap();
    assert_eq!((gap.from, gap.to), (answer.at, next.at));
    let survey = restore::survey(&store).await.unwrap();
    assert!(survey.gaps.contains(&gap), "{:?}", survey.gaps);
    let known = |id| survey.generations.iter().any(|generation| generation.id == id);
    assert!(known(ids[8]) && !known(ids[9]));
}

/// Thirty-two segments a second apart, merged, and a few more an hour and a half later.
async fn merged() -> (Handmade, Arc<Dated>, Replica) {
    let mut made = Handmade::new(512, waloy::compress::Compression::None).await;
    let mut rng = crate::handmade::Rng(3);
    made.begin_again(rng.page(512)).await;
    for _ in 0..32 {
        made.commit(rng.page(512)).await;
    }
    made.merge(0, 31).await;
    made.wait(90 * MINUTE);
    for _ in 0..4 {
        made.commit(rng.page(512)).await;
    }
    let dated = Dated::of(&made, &made.replica);
    let store = Replica::plain(dated.clone());
    (made, dated, store)
}

#[tokio::test]
async fn small_segments_go_for_the_merged_one_when_they_are_older_than_the_grace() {
    let (made, _, store) = merged().await;
    let id = made.last().generation;
    let young = Plan::of(&store, &policy(days(30), hours(2)), NOW).await.unwrap();
    assert!(young.is_empty());
    let plan = Plan::of(&store, &policy(days(30), hours(1)), NOW).await.unwrap();
    let names: Vec<Name> = plan.deleted().map(|object| object.name).collect();
    assert_eq!(names, (0..32).map(|at| Name::Segment(id, index(at))).collect::<Vec<_>>());
    let by = Name::Merged(id, index(0), index(31));
    assert!(plan.deleted().all(|object| object.fate == Fate::Deleted(Deleted::Superseded(by))));
    enforce(&store, &policy(days(30), hours(1)), NOW).await.unwrap();
    for state in made.states.iter().filter(|state| state.point.index() > Some(index(30))) {
        assert_eq!(planned(&made, &store, state.at).await.unwrap().point, state.point);
    }
    let verified = verify::verify(&store, Level::ReadData(Subset::All), &at_the_end()).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified:?}");
}

#[tokio::test]
async fn a_merged_segment_that_is_damaged_or_has_just_come_stands_for_nothing() {
    let (made, dated, store) = merged().await;
    let policy = policy(days(30), hours(1));
    let name = Name::Merged(made.last().generation, index(0), index(31));
    dated.times.lock().unwrap().insert(name.key(), made.last().at);
    assert!(Plan::of(&store, &policy, NOW).await.unwrap().is_empty());
    dated.times.lock().unwrap().remove(&name.key());
    assert!(!Plan::of(&store, &policy, NOW).await.unwrap().is_empty());
    let mut bytes = made.replica.get(&name.key(), u64::MAX).await.unwrap().to_vec();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    made.replica.put(&name.key(), bytes.into()).await.unwrap();
    assert!(Plan::of(&store, &policy, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_merged_segment_over_a_longer_time_than_the_ladder_allows_stands_for_nothing_yet() {
    let mut made = Handmade::new(512, waloy::compress::Compression::None).await;
    let mut rng = crate::handmade::Rng(3);
    made.begin_again(rng.page(512)).await;
    for _ in 0..8 {
        made.wait(30 * SECOND);
        made.commit(rng.page(512)).await;
    }
    made.merge(0, 7).await;
    made.commit(rng.page(512)).await;
    let dated = Dated::of(&made, &made.replica);
    let store = Replica::plain(dated.clone());
    let policy = policy(days(30), hours(24));
    for (age, goes) in [(2 * DAY, 0), (7 * DAY - HOUR, 0), (7 * DAY + HOUR, 8)] {
        dated.now_is(Timestamp(made.last().at.0 + age));
        let plan = Plan::of(&store, &policy, NOW).await.unwrap();
        assert_eq!(plan.deleted().count(), goes, "after {age} ms");
    }
}

#[tokio::test]
async fn merged_segments_that_cross_keep_what_is_in_them_and_nothing_else() {
    let mut made = Handmade::new(512, waloy::compress::Compression::None).await;
    let mut rng = crate::handmade::Rng(3);
    made.begin_again(rng.page(512)).await;
    for _ in 0..24 {
        made.commit(rng.page(512)).await;
    }
    for (first, last) in [(0, 7), (8, 14), (12, 19)] {
        made.merge(first, last).await;
    }
    let dated = Dated::of(&made, &made.replica);
    dated.now_is(Timestamp(made.last().at.0 + 2 * DAY));
    let store = Replica::plain(dated);
    let report = enforce(&store, &policy(days(30), hours(24)), NOW).await.unwrap();
    assert_eq!((report.objects, report.is_complete()), (8, true));
    for state in made.states.iter().filter(|state| state.point.index() >= Some(index(7))) {
        assert_eq!(planned(&made, &store, state.at).await.unwrap().point, state.point);
    }
    assert!(Plan::of(&store, &policy(days(30), hours(24)), NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_newest_segment_of_the_latest_generation_stays_although_it_was_merged() {
    let mut made = Handmade::new(512, waloy::compress::Compression::None).await;
    let mut rng = crate::handmade::Rng(3);
    made.begin_again(rng.page(512)).await;
    for _ in 0..4 {
        made.commit(rng.page(512)).await;
    }
    made.merge(0, 3).await;
    let dated = Dated::of(&made, &made.replica);
    dated.now_is(Timestamp(made.last().at.0 + 2 * DAY));
    let store = Replica::plain(dated);
    let plan = Plan::of(&store, &policy(days(30), hours(24)), NOW).await.unwrap();
    assert_eq!(plan.deleted().count(), 3);
    assert!(plan.deleted().all(|object| object.name != Name::Segment(made.last().generation, index(3))));
}

#[tokio::test]
async fn a_store_without_modification_times_is_judged_by_the_times_in_ids_and_manifests() {
    let (made, ids) = a_generation_a_day(6).await;
    let now = made.last().at;
    let plan = Plan::of(&made.replica, &policy(days(2), days(1)), now).await.unwrap();
    assert_eq!(gone(&plan), ids[..2]);
}

#[tokio::test]
async fn where_nothing_was_ever_backed_up_there_is_no_backup() {
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let error = Plan::of(&store, &Policy::new(Some(days(1))), NOW).await.unwrap_err();
    assert_eq!(waloy::Error::from(error).kind(), waloy::Kind::NoBackup);
}

#[tokio::test]
async fn leftovers_go_when_they_are_asked_to_and_strangers_are_only_told() {
    let (made, ids) = a_generation_a_day(3).await;
    made.replica.put("notes.txt", "mine".into()).await.unwrap();
    made.replica.put(&format!("{}/wal/x", ids[1]), "whose?".into()).await.unwrap();
    made.replica.delete(&Name::Snapshot(ids[1]).key()).await.unwrap();
    let dated = Dated::of(&made, &made.replica);
    let store = Replica::plain(dated);
    let keeping = policy(days(30), hours(1));
    let plan = Plan::of(&store, &keeping, NOW).await.unwrap();
    assert!(plan.is_empty());
    assert_eq!(plan.generations[1].fate, Fate::Kept(Kept::Incomplete));
    assert_eq!(plan.unknown, [format!("{}/wal/x", ids[1]), "notes.txt".to_owned()]);
    let plan = Plan::of(&store, &Policy { orphans: true, ..keeping.clone() }, NOW).await.unwrap();
    assert_eq!(gone(&plan), [ids[1]]);
    assert_eq!(plan.generations[1].fate, Fate::Deleted(Deleted::Orphan));
    // Without its manifest it is what is left of a generation that was deleted.
    made.replica.delete(&Name::Manifest(ids[1]).key()).await.unwrap();
    let plan = Plan::of(&store, &keeping, NOW).await.unwrap();
    assert_eq!(plan.generations[1].fate, Fate::Deleted(Deleted::Remnant));
    let verified = verify::verify(&store, Level::Quick, &at_the_end()).await.unwrap();
    assert!(verified.ok() && verified.findings.len() == 1, "{verified:?}");
    enforce(&store, &keeping, NOW).await.unwrap();
    assert!(made.replica.get(&format!("{}/wal/x", ids[1]), 100).await.is_ok());
    let verified = verify::verify(&store, Level::Quick, &at_the_end()).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified:?}");
}

#[tokio::test]
async fn segments_of_the_newest_generation_without_its_snapshot_never_go() {
    let (made, ids) = a_generation_a_day(3).await;
    for name in [Name::Snapshot(ids[2]), Name::Manifest(ids[2])] {
        made.replica.delete(&name.key()).await.unwrap();
    }
    let dated = Dated::of(&made, &made.replica);
    dated.now_is(NOW);
    let store = Replica::plain(dated);
    let policy = Policy { orphans: true, ..policy(days(30), hours(1)) };
    let plan = Plan::of(&store, &policy, NOW).await.unwrap();
    assert_eq!(plan.generations[2].fate, Fate::Kept(Kept::Incomplete));
    assert_eq!(plan.generations[1].fate, Fate::Kept(Kept::Latest));
    let points = |plan: &Plan| plan.generations.iter().map(|it| it.points).collect::<Vec<_>>();
    assert_eq!(points(&plan), [4, 4, 3]);
    assert_eq!(planned(&made, &store, made.states[3].at).await.unwrap().point, Point::Index(index(2)));
}
