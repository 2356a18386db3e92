//! Which point a moment is.

use std::sync::Arc;

use futures_util::FutureExt;
use waloy::ids::GenerationId;
use waloy::replica::{Latest, Name, Replica, write_latest};
use waloy::restore::{Absence, survey};
use waloy::storage::MemoryStore;
use waloy::units::Timestamp;

use super::*;
use crate::handmade::{BEGIN, State};
use crate::watched::Watched;

#[tokio::test]
async fn a_moment_is_the_newest_point_not_after_it_over_all_generations() {
    let made = Handmade::random(512, Compression::None, 5, 3, 6).await;
    for (place, state) in made.states.iter().enumerate() {
        for later in [0, 1, 999] {
            let report = expect(&made.replica, Target::Time(Timestamp(state.at.0 + later)), state).await;
            assert!(!report.plan.in_gap, "{place}");
        }
    }
    expect(&made.replica, Target::Time(Timestamp(i64::MAX)), made.last()).await;
}

/// Small segments are deleted once a merged one stands for them: one after the other, while somebody plans a restore.
#[tokio::test]
async fn segments_that_are_let_go_of_while_a_restore_is_planned_do_not_fail_it() {
    let mut made = Handmade::random(512, Compression::None, 6, 1, 7).await;
    made.merge(0, 5).await;
    let generation = made.last().generation;
    for order in 0..2 {
        for asked in &made.states {
            let mut keys: Vec<String> = (0..5).map(|at| Name::Segment(generation, index(at)).key()).collect();
            if order == 1 {
                keys.reverse();
            }
            let store = Replica::plain(Arc::new(Watched::new(&made.copy().await).vanishing(keys)));
            let (report, pages) =
                restore(&store, Target::Time(asked.at)).await.unwrap_or_else(|error| panic!("{error}"));
            let plan = &report.plan;
            let is_it = |state: &State| state.point == plan.point && state.at <= asked.at && *state.bytes == pages;
            assert!(made.states.iter().any(is_it), "{plan:?}");
        }
    }
}

/// Found in a listing that had nothing of a generation whose snapshot had been there a moment before.
#[tokio::test]
async fn a_generation_that_is_let_go_of_while_a_restore_is_planned_is_a_gap() {
    let made = Handmade::random(512, Compression::None, 6, 3, 3).await;
    let id = made.states[4].generation;
    let copy = made.copy().await;
    let (acting, keys) = (copy.clone(), made.objects().await.into_iter().map(|(key, _)| key));
    let going: Vec<String> = keys.filter(|key| key.starts_with(&id.to_string())).collect();
    let gone = move || going.iter().for_each(|key| acting.delete(key).now_or_never().unwrap().unwrap());
    let store = Replica::plain(Arc::new(Watched::new(&copy).after(Name::Snapshot(id).key(), gone)));
    let report = expect(&store, Target::Time(made.states[6].at), &made.states[3]).await;
    let gap = report.plan.gap.unwrap();
    assert_eq!((gap.from, gap.to, gap.why), (made.states[3].at, made.states[8].at, Absence::Deleted));
}

#[tokio::test]
async fn a_moment_before_everything_is_not_covered() {
    let made = Handmade::random(512, Compression::None, 5, 2, 2).await;
    for at in [i64::MIN, 0, BEGIN + 999] {
        let error = restore(&made.replica, Target::Time(Timestamp(at))).await.unwrap_err();
        assert!(matches!(error, Error::BeforeAll { earliest, .. } if earliest == made.states[0].at), "{error}");
        assert_eq!(public(error), (Kind::NotCovered, "restore.not_covered"));
    }
    let beyond = Target::Generation(made.last().generation, Some(Point::Index(index(2))));
    assert_eq!(public(restore(&made.replica, beyond).await.unwrap_err()), (Kind::NotCovered, "restore.not_covered"));
}

#[tokio::test]
async fn a_store_that_answers_and_has_nothing_has_no_backup() {
    let store = Replica::plain(Arc::new(MemoryStore::new()));
    let generation = GenerationId::new(Timestamp(1), [1; 10]);
    for target in [Target::Latest, Target::Time(Timestamp(1)), Target::Generation(generation, None)] {
        let error = restore(&store, target).await.unwrap_err();
        assert_eq!(public(error), (Kind::NoBackup, "restore.no_backup"));
    }
    // A generation that never got its snapshot, and keys that are not ours.
    store.put(&Name::Manifest(generation).key(), "x".into()).await.unwrap();
    store.put("README", "x".into()).await.unwrap();
    assert!(matches!(restore(&store, Target::Latest).await, Err(Error::NoBackup { .. })));
}

#[tokio::test]
async fn a_moment_at_which_nobody_watched_is_told() {
    let mut made = Handmade::new(512, Compression::None).await;
    made.begin(vec![1; 512]).await;
    let before = made.commit(vec![2; 512]).await;
    let gap = (Timestamp(before.at.0 + 100), Timestamp(before.at.0 + 900));
    made.segment(vec![3; 512], |summary| {
        summary.unobserved = Some(gap);
        summary.flags.catch_up = true;
    })
    .await;
    // What was committed in the gap is in the next segment and in none before, also at a moment between the two.
    for (later, in_gap) in [(0, false), (99, false), (100, true), (899, true), (999, true)] {
        let report = expect(&made.replica, Target::Time(Timestamp(before.at.0 + later)), &before).await;
        assert_eq!(report.plan.in_gap, in_gap, "{later}");
    }
    assert!(!expect(&made.replica, Target::Time(Timestamp(before.at.0 + 1000)), made.last()).await.plan.in_gap);
}

/// Asks strictly for the state of a moment in a gap; the gap and the states around it are those of the error.
async fn refused(store: &Replica, at: Timestamp, why: Absence, around: [&State; 2]) {
    let error = restore(store, Target::StrictTime(at)).await.unwrap_err();
    let Error::InGap { asked, around: between, .. } = &error else { panic!("{error}") };
    let restore::Around { gap, before, after } = &**between;
    assert_eq!((*asked, gap.why), (at, why));
    assert!(gap.from <= at && at < after.at, "{error}");
    let found = [before, after].map(|state| (state.generation, state.point, state.at));
    assert_eq!(found, around.map(|state| (state.generation, state.point, state.at)), "{error}");
    assert_eq!(public(error), (Kind::NotCovered, "restore.in_gap"));
}

#[tokio::test]
async fn asked_strictly_a_moment_in_a_gap_is_refused_with_the_states_around_it() {
    let mut made = Handmade::new(512, Compression::None).await;
    made.begin(vec![1; 512]).await;
    made.commit(vec![2; 512]).await;
    let unobserved = (Timestamp(made.now().0 + 100), Timestamp(made.now().0 + 900));
    made.segment(vec![3; 512], |summary| summary.unobserved = Some(unobserved)).await;
    made.segment(vec![4; 512], |summary| {
        summary.unobserved = Some((Timestamp(unobserved.0.0 + 1000), Timestamp(unobserved.1.0 + 1000)));
        summary.flags.outage = true;
    })
    .await;
    made.begin_apart(vec![5; 512]).await;
    made.begin(vec![6; 512]).await;
    let states = &made.states;
    for (place, why) in [(1, Absence::NotRunning), (2, Absence::Outage)] {
        let around = [&states[place], &states[place + 1]];
        for later in [100, 899, 900, 999] {
            refused(&made.replica, Timestamp(states[place].at.0 + later), why, around).await;
        }
        expect(&made.replica, Target::StrictTime(Timestamp(states[place].at.0 + 99)), &states[place]).await;
    }
    // Between two generations, from the end of the one on; where capture went on there is none.
    for later in [0, 500, 999] {
        let around = [&states[3], &states[4]];
        refused(&made.replica, Timestamp(states[3].at.0 + later), Absence::NotRunning, around).await;
        expect(&made.replica, Target::StrictTime(Timestamp(states[4].at.0 + later)), &states[4]).await;
    }
    // The list has the same ones, but for those that only a segment in the middle of a generation knows of.
    let listed = survey(&made.replica).await.unwrap().gaps;
    let known: Vec<(Timestamp, Absence)> = listed.iter().map(|gap| (gap.from, gap.why)).collect();
    let outage = (Timestamp(states[2].at.0 + 100), Absence::Outage);
    assert_eq!(known, [outage, (states[3].at, Absence::NotRunning)]);
    for target in [Target::StrictTime(Timestamp(i64::MAX)), Target::Latest] {
        assert_eq!(expect(&made.replica, target, made.last()).await.plan.gap, None);
    }
}

/// A writer publishes its manifest between the listing and the look at the manifests.
#[tokio::test]
async fn a_generation_that_grows_while_it_is_surveyed_is_whole() {
    for missing in [false, true] {
        let mut made = Handmade::random(512, Compression::None, 9, 1, 3).await;
        let copy = made.copy().await;
        for fill in [1, 2] {
            made.commit(vec![fill; 512]).await;
        }
        let (writing, new) = (copy.clone(), made.objects().await);
        let lost = Name::Segment(made.last().generation, index(3)).key();
        let new = new.into_iter().filter(move |(key, _)| !(missing && *key == lost));
        let write = move || new.for_each(|(key, bytes)| writing.put(&key, bytes).now_or_never().unwrap().unwrap());
        let store = Replica::plain(Arc::new(Watched::new(&copy).after(String::new(), write)));
        let surveyed = survey(&store).await.unwrap().generations.remove(0);
        let (state, problem) = (surveyed.state, surveyed.problem);
        assert_eq!((state == restore::State::Ok, problem.is_none()), (!missing, !missing), "{state:?} {problem:?}");
        assert_eq!(surveyed.last, Some(made.states[3].point));
    }
}

#[tokio::test]
async fn what_is_missing_at_or_before_the_target_is_never_passed_over() {
    let made = Handmade::random(512, Compression::None, 9, 2, 6).await;
    let second: Vec<&State> = made.states.iter().filter(|s| s.generation == made.last().generation).collect();
    let segment = |place: u64| Name::Segment(made.last().generation, index(place)).key();
    // In the middle: what is before it can be restored.
    let store = made.copy().await;
    store.delete(&segment(2)).await.unwrap();
    for (place, state) in second.iter().enumerate() {
        let by_time = restore(&store, Target::Time(state.at)).await;
        let by_name = restore(&store, Target::Generation(state.generation, Some(state.point))).await;
        // The state after segment 1 is the newest before segment 2, whose time nobody knows any more.
        assert_eq!(by_time.is_ok(), place < 2, "{place}");
        assert_eq!(by_name.is_ok(), place < 3, "{place}");
        for error in [by_time.err(), by_name.err()].into_iter().flatten() {
            assert!(error.to_string().contains(&segment(2)), "{error}");
            assert_eq!(public(error), (Kind::Damaged, "object.missing"));
        }
    }
    assert!(restore(&store, Target::Latest).await.is_err());
    // At the end: the manifest knows of it.
    let store = made.copy().await;
    store.delete(&segment(5)).await.unwrap();
    for target in [Target::Latest, Target::Time(made.last().at), Target::Generation(made.last().generation, None)] {
        let error = restore(&store, target).await.unwrap_err();
        assert!(error.to_string().contains(&segment(5)), "{error}");
    }
    expect(&store, Target::Time(second[3].at), second[3]).await;
    // The snapshot of the newest generation, and then all of it.
    let store = made.copy().await;
    let snapshot = Name::Snapshot(made.last().generation).key();
    store.delete(&snapshot).await.unwrap();
    for emptied in [false, true] {
        if emptied {
            for place in 0..6 {
                store.delete(&segment(place)).await.unwrap();
            }
            store.delete(&Name::Manifest(made.last().generation).key()).await.unwrap();
        }
        for target in [Target::Latest, Target::Time(made.last().at)] {
            let error = restore(&store, target).await.unwrap_err();
            assert!(error.to_string().contains(&snapshot), "{emptied} {target:?} {error}");
            assert_eq!(public(error), (Kind::Damaged, "object.missing"));
        }
        expect(&store, Target::Time(made.states[5].at), &made.states[5]).await;
    }
}

/// The manifest of an older generation is up to 256 segments behind, and for ever: the last of them were passed over
/// without a word, by whoever asked for a time between what was left and the next generation.
#[tokio::test]
async fn what_is_missing_at_the_end_of_an_older_generation_is_told_by_the_next_one() {
    let made = Handmade::random(512, Compression::None, 9, 2, 6).await;
    let (old, segment) = (made.states[0].generation, |place| Name::Segment(made.states[0].generation, index(place)));
    for left in 0..6 {
        let store = made.copy().await;
        store.delete(&Name::Manifest(old).key()).await.unwrap();
        for place in left..6 {
            store.delete(&segment(place).key()).await.unwrap();
        }
        let moments = made.states[left as usize + 1..7].iter().flat_map(|state| [state.at.0, state.at.0 + 999]);
        let asked = moments.flat_map(|at| [Target::Time(Timestamp(at)), Target::StrictTime(Timestamp(at))]);
        for target in asked.chain([Target::Generation(old, None)]) {
            let error = restore(&store, target).await.unwrap_err();
            assert!(error.to_string().contains(&segment(left).key()), "{left} {target:?} {error}");
            assert_eq!(public(error), (Kind::Damaged, "object.missing"));
        }
        for state in &made.states[..left as usize] {
            expect(&store, Target::Time(state.at), state).await;
        }
        let last = &made.states[left as usize];
        expect(&store, Target::Generation(old, Some(last.point)), last).await;
    }
    // One that cannot be read says nothing, and is not needed for what is before it.
    let store = made.copy().await;
    store.put(&Name::Snapshot(made.last().generation).key(), "garbage".into()).await.unwrap();
    expect(&store, Target::Generation(old, None), &made.states[6]).await;
}

#[tokio::test]
async fn an_older_generation_ends_where_its_last_merged_segment_does() {
    let mut made = Handmade::random(512, Compression::None, 9, 1, 6).await;
    let old = made.last().generation;
    made.merge(2, 5).await;
    made.begin_again(Vec::new()).await;
    for place in 2..6 {
        made.replica.delete(&Name::Segment(old, index(place)).key()).await.unwrap();
    }
    made.replica.delete(&Name::Manifest(old).key()).await.unwrap();
    let last = made.states[6].clone();
    for target in [Target::Time(Timestamp(last.at.0 + 999)), Target::StrictTime(last.at), Target::Generation(old, None)]
    {
        expect(&made.replica, target, &last).await;
    }
    made.replica.delete(&Name::Merged(old, index(2), index(5)).key()).await.unwrap();
    for target in [Target::Time(last.at), Target::Generation(old, None)] {
        let error = restore(&made.replica, target).await.unwrap_err();
        assert_eq!(public(error), (Kind::Damaged, "object.missing"));
    }
}

#[tokio::test]
async fn a_damaged_object_after_the_moment_does_not_matter() {
    let made = Handmade::random(512, Compression::None, 9, 1, 12).await;
    for damaged in 0..12 {
        let store = made.copy().await;
        let key = Name::Segment(made.last().generation, index(damaged)).key();
        store.put(&key, "not what it was".into()).await.unwrap();
        for (place, state) in made.states.iter().enumerate() {
            let restored = restore(&store, Target::Time(state.at)).await;
            match restored {
                Ok((_, bytes)) => assert!(bytes == **state.bytes && place as u64 <= damaged),
                // The state just before the damaged object cannot be told from that after it.
                Err(error) => {
                    assert!(place as u64 >= damaged, "{place} {damaged} {error}");
                    assert_eq!(public(error).0, Kind::Damaged);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_latest_that_lags_or_is_damaged_is_only_a_hint() {
    let made = Handmade::random(512, Compression::None, 9, 2, 2).await;
    let lagging = Latest { generation: made.states[0].generation, counter: 9 };
    write_latest(&made.replica, &lagging).await.unwrap();
    expect(&made.replica, Target::Latest, made.last()).await;
    made.replica.put("latest", "{}".into()).await.unwrap();
    expect(&made.replica, Target::Latest, made.last()).await;
    made.replica.delete("latest").await.unwrap();
    expect(&made.replica, Target::Latest, made.last()).await;
}
