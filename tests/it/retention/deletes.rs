//! Stores that refuse to delete, or say that they did.

use std::sync::Arc;

use futures_util::FutureExt;
use waloy::replica::{Name, Replica};
use waloy::retention::{Error, Plan, enforce, execute};
use waloy::storage::ErrorKind;
use waloy::testing::faulty::{Deletes, FaultyStore, Operation, When};
use waloy::units::Timestamp;
use waloy::verify::{self, Level, Subset};

use super::*;
use crate::handmade::objects;
use crate::watched::Watched;

const NOW: Timestamp = Timestamp(BEGIN + 10_000 * DAY);

async fn faulty() -> (Handmade, FaultyStore, Replica) {
    let (made, _) = a_generation_a_day(6).await;
    let faulty = FaultyStore::new(Dated::of(&made, &made.replica));
    let store = Replica::plain(Arc::new(faulty.clone()));
    (made, faulty, store)
}

#[tokio::test]
async fn a_refused_delete_is_told_and_leaves_the_generation_whole() {
    let (made, faulty, store) = faulty().await;
    let before = objects(&*made.replica).await;
    faulty.set_deletes(Deletes::Refused);
    let report = enforce(&store, &policy(days(1), days(1)), NOW).await.unwrap();
    assert_eq!((report.generations, report.objects, report.freed_bytes), (0, 0, 0));
    assert!(!report.is_complete() && report.still_there.is_empty());
    // Three generations were to go: of each, the snapshot and the manifest were asked for, and no more.
    assert_eq!(report.refused_objects, 6);
    assert!(report.refused[0].key.ends_with("/snapshot") && report.refused[0].why == "refused, as ordered");
    assert!(objects(&*made.replica).await == before);
    let verified = verify::verify(&store, Level::ReadData(Subset::All), &at_the_end()).await.unwrap();
    assert!(verified.findings.is_empty(), "{verified:?}");
}

#[tokio::test]
async fn a_delete_that_was_only_said_to_be_done_is_found_out() {
    let (made, faulty, store) = faulty().await;
    let before = objects(&*made.replica).await;
    faulty.set_deletes(Deletes::Ignored);
    let report = enforce(&store, &policy(days(1), days(1)), NOW).await.unwrap();
    assert_eq!((report.generations, report.objects, report.refused_objects), (0, 0, 0));
    assert_eq!((report.still_there_objects, report.still_there.len()), (6, 6));
    assert!(objects(&*made.replica).await == before);
    // When it comes to its senses, the next run does what is left.
    faulty.set_deletes(Deletes::Done);
    let report = enforce(&store, &policy(days(1), days(1)), NOW).await.unwrap();
    assert_eq!((report.generations, report.objects, report.is_complete()), (3, 15, true));
}

#[tokio::test]
async fn a_store_that_fails_half_way_is_an_error_and_the_next_run_ends_it() {
    let (made, ..) = faulty().await;
    for n in 1..=6 {
        for when in [When::Before, When::After] {
            let copy = Replica::plain(Dated::of(&made, &made.copy().await));
            let faulty = FaultyStore::new(copy.store().clone());
            let store = Replica::plain(Arc::new(faulty.clone()));
            faulty.fail_nth_of(Operation::DeleteMany, n, when, ErrorKind::Unavailable);
            let error = enforce(&store, &policy(days(1), days(1)), NOW).await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            for state in made.states.iter().filter(|state| state.at.0 >= made.last().at.0 - DAY) {
                assert_eq!(planned(&made, &copy, state.at).await.unwrap().point, state.point, "{n} {when:?}");
            }
            let report = enforce(&store, &policy(days(1), days(1)), NOW).await.unwrap();
            assert!(report.is_complete());
            assert!(Plan::of(&store, &policy(days(1), days(1)), NOW).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn nothing_is_deleted_when_what_stays_does_not_verify() {
    let (made, _, _) = faulty().await;
    let stays = made.states[made.states.len() - 6].generation;
    let second = waloy::units::SegmentIndex::new(1).unwrap();
    let last = waloy::units::SegmentIndex::new(2).unwrap();
    for (name, says) in [
        (Name::Segment(stays, second), format!("{stays}/wal/000000000001 is missing")),
        (Name::Segment(stays, last), format!("the manifest of {stays} knows of more segments than are there")),
    ] {
        let copy = made.copy().await;
        copy.delete(&name.key()).await.unwrap();
        let dated = Dated::of(&made, &copy);
        let store = Replica::plain(dated.clone());
        let error = enforce(&store, &policy(days(1), days(1)), NOW).await.unwrap_err();
        let Error::Unverified { problems, .. } = &error else { panic!("{error}") };
        assert_eq!(problems, &[says]);
        let error = waloy::Error::from(error);
        assert_eq!((error.kind(), error.code()), (waloy::Kind::Damaged, "retention.unverified"));
        assert!(dated.deleted().is_empty());
    }
    // A snapshot that was cut off.
    let copy = made.copy().await;
    let bytes = copy.get(&Name::Snapshot(stays).key(), u64::MAX).await.unwrap();
    copy.put(&Name::Snapshot(stays).key(), bytes.slice(..bytes.len() - 9)).await.unwrap();
    let dated = Dated::of(&made, &copy);
    let store = Replica::plain(dated.clone());
    let plan = Plan::of(&store, &policy(days(1), days(1)), NOW).await.unwrap();
    assert!(matches!(execute(&store, &plan).await, Err(Error::Unverified { .. })));
    assert!(dated.deleted().is_empty());
}

/// A writer publishes its manifest between the listing and the look at the manifests.
#[tokio::test]
async fn what_comes_while_it_is_listed_does_not_keep_anything_from_being_deleted() {
    let (mut made, ids) = a_generation_a_day(6).await;
    let copy = made.copy().await;
    for fill in [1, 2] {
        made.commit(vec![fill; 512]).await;
    }
    let new = made.objects().await.into_iter().filter(|(key, _)| key.starts_with(&ids[5].to_string()));
    let (writing, new) = (copy.clone(), new.collect::<Vec<_>>());
    let write =
        move || new.into_iter().for_each(|(key, bytes)| writing.put(&key, bytes).now_or_never().unwrap().unwrap());
    let dated = Replica::plain(Dated::of(&made, &copy));
    let store = Replica::plain(Arc::new(Watched::new(&dated).after(String::new(), write)));
    let report = enforce(&store, &policy(days(1), days(1)), NOW).await.unwrap();
    assert_eq!((report.generations, report.is_complete()), (3, true));
    let latest = planned(&made, &store, made.last().at).await.unwrap();
    assert_eq!(latest.point, made.last().point);
}

#[tokio::test]
async fn what_goes_while_it_is_being_verified_is_no_damage() {
    let (made, ids) = a_generation_a_day(4).await;
    let going: Vec<String> = objects(&*made.replica)
        .await
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| key.starts_with(&ids[1].to_string()))
        .collect();
    let everything = Level::ReadData(Subset::All);
    for damage in [false, true] {
        let (copy, going) = (made.copy().await, going.clone());
        let acting = copy.clone();
        // Of a deletion that was begun, the snapshot and the manifest are gone first.
        let gone = move || {
            let going = going.iter().filter(|key| !damage || key.contains("/wal/"));
            going.for_each(|key| acting.delete(key).now_or_never().unwrap().unwrap());
        };
        let store = Replica::plain(Arc::new(Watched::new(&copy).at_snapshot(gone)));
        let report = verify::verify(&store, everything, &at_the_end()).await.unwrap();
        assert_eq!(report.ok(), !damage, "{report:?}");
    }
}
