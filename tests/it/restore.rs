//! Restore: what comes out is the state that was asked for, to the byte, or an error and nothing.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod damage;
mod large;
mod target;
mod time;

use std::path::Path;

use waloy::compress::Compression;
use waloy::error::{Error as PublicError, Kind};
use waloy::replica::Replica;
use waloy::restore::{self, Error, Options, Output, Point, Report, Target};

use super::handmade::{Handmade, State, index};

/// Restores into a directory of its own.
async fn restore(store: &Replica, target: Target) -> Result<(Report, Vec<u8>), Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored.db");
    let restored = restore::restore(store, target, &Output::new(&path), &Options::default()).await;
    let names = names(dir.path());
    match restored {
        Ok(report) => {
            assert_eq!(names, ["restored.db"]);
            Ok((report, std::fs::read(path).unwrap()))
        }
        Err(error) => {
            assert_eq!(names, [""; 0], "nothing is left behind: {error}");
            Err(error)
        }
    }
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Restores, and expects exactly this state.
async fn expect(store: &Replica, target: Target, state: &State) -> Report {
    let (report, bytes) = restore(store, target).await.unwrap();
    let plan = &report.plan;
    assert_eq!((plan.generation, plan.point, plan.at), (state.generation, state.point, state.at), "{target:?}");
    assert!(bytes == **state.bytes, "{target:?} gives another database");
    assert_eq!((report.checksum, plan.db_bytes()), (state.checksum, bytes.len() as u64));
    report
}

/// The kind and the code of an error at the public edge.
fn public(error: Error) -> (Kind, &'static str) {
    let error = PublicError::from(error);
    (error.kind(), error.code())
}

#[tokio::test]
async fn every_point_comes_back_page_for_page() {
    let compressions = [Compression::None, Compression::Lz4, Compression::Zstd(3)];
    for (page_size, compression) in [512, 4096, 65_536].into_iter().zip(compressions) {
        let made = Handmade::random(page_size, compression, 7, 2, 15).await;
        assert_eq!(made.states.len(), 32);
        for state in &made.states {
            let report = expect(&made.replica, Target::Generation(state.generation, Some(state.point)), state).await;
            let segments = state.point.index().map_or(0, |index| index.get() + 1);
            assert_eq!(report.plan.objects.len() as u64, segments + 1);
        }
        expect(&made.replica, Target::Latest, made.last()).await;
        expect(&made.replica, Target::Generation(made.states[0].generation, None), &made.states[15]).await;
    }
}

#[tokio::test]
async fn a_page_is_not_taken_from_behind_a_shorter_database() {
    let mut made = Handmade::new(512, Compression::None).await;
    let page = |fill: u8| vec![fill; 512];
    made.begin([page(1), page(2), page(3), page(4)].concat()).await;
    made.commit([page(1), page(2)].concat()).await;
    // A page that came back without being in a segment is no page of the snapshot's.
    let grown = made.segment([page(1), page(2), page(3)].concat(), |_| {}).await;
    expect(&made.replica, Target::Latest, &grown).await;
    let name = waloy::replica::Name::Segment(grown.generation, grown.point.index().unwrap());
    let header =
        waloy::replica::ObjectReader::open(&made.replica, name, made.replica.head(&name.key()).await.unwrap().size)
            .await
            .unwrap()
            .outline()
            .header
            .clone();
    made.write(name, &header, &[], &made.summary(&grown)).await;
    let error = restore(&made.replica, Target::Latest).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { missing: 1, .. }), "{error}");
    assert_eq!(public(error), (Kind::Damaged, "chain.incomplete"));
}

#[tokio::test]
async fn the_last_occurrence_of_a_page_in_an_object_counts() {
    let mut made = Handmade::new(512, Compression::Lz4).await;
    made.begin(vec![1; 512 * 4]).await;
    let state = made.commit([[2; 512], [1; 512], [3; 512], [3; 512]].concat()).await;
    let name = waloy::replica::Name::Segment(state.generation, index(0));
    let size = made.replica.head(&name.key()).await.unwrap().size;
    let header = waloy::replica::ObjectReader::open(&made.replica, name, size).await.unwrap().outline().header.clone();
    let early = made.pages(&[[8; 512], [1; 512], [9; 512], [8; 512]].concat(), |page| page != 1);
    let later = made.pages(&[[7; 512], [1; 512], [3; 512], [7; 512]].concat(), |page| page == 2);
    let last = made.pages(&[[2; 512], [1; 512], [0; 512], [3; 512]].concat(), |page| page == 0 || page == 3);
    made.write(name, &header, &[&early, &later, &last], &made.summary(&state)).await;
    expect(&made.replica, Target::Latest, &state).await;
}

#[tokio::test]
async fn merged_segments_stand_for_those_that_were_deleted() {
    let mut made = Handmade::random(512, Compression::Zstd(3), 11, 1, 20).await;
    made.merge(0, 7).await;
    made.merge(4, 11).await;
    made.merge(8, 15).await;
    let report = expect(&made.replica, Target::Latest, &made.states[20]).await;
    let keys: Vec<String> = report.plan.objects.iter().map(|object| object.name.key()[27..].to_owned()).collect();
    let expected = ["snapshot", "wal/000000000000-000000000007", "wal/000000000008-000000000015", "wal/000000000016"];
    assert_eq!(keys[..4], expected);
    assert_eq!(keys.len(), 7);
    let generation = made.states[0].generation;
    for deleted in [8, 9, 10, 12, 13, 14] {
        made.replica.delete(&waloy::replica::Name::Segment(generation, index(deleted)).key()).await.unwrap();
    }
    for (place, state) in made.states[1..].iter().enumerate() {
        let target = Target::Generation(generation, Some(Point::Index(index(place as u64))));
        match place {
            8..=10 | 12..=14 => {
                let error = restore(&made.replica, target).await.unwrap_err();
                let before = if place < 11 { 7 } else { 11 };
                assert!(
                    matches!(error, Error::Merged { before: Point::Index(at), .. } if at == index(before)),
                    "{place}: {error}"
                );
                assert_eq!(public(error), (Kind::NotCovered, "restore.merged"));
                expect(&made.replica, Target::Time(state.at), &made.states[before as usize + 1]).await;
            }
            _ => drop(expect(&made.replica, target, state).await),
        }
    }
}

#[tokio::test]
async fn a_generation_is_found_by_any_unique_beginning_in_any_case() {
    let made = Handmade::random(512, Compression::None, 3, 2, 1).await;
    let (first, second) = (made.states[0].generation, made.last().generation);
    let shared = (0..26).find(|&n| first.to_string().as_bytes()[n] != second.to_string().as_bytes()[n]).unwrap();
    let unique = &second.to_string().to_uppercase()[..=shared];
    assert_eq!(restore::resolve_generation(&*made.replica, unique).await.unwrap(), second);
    let error = restore::resolve_generation(&*made.replica, &unique[..shared]).await.unwrap_err();
    assert_eq!(public(error), (Kind::Usage, "restore.ambiguous_generation"));
    let error = restore::resolve_generation(&*made.replica, "zz").await.unwrap_err();
    assert_eq!(public(error), (Kind::NotCovered, "restore.no_such_generation"));
}

#[tokio::test]
async fn a_plan_can_be_printed_as_json() {
    let made = Handmade::random(4096, Compression::None, 3, 1, 2).await;
    let plan = restore::plan(&made.replica, Target::Latest).await.unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["index"], 1);
    assert_eq!(json["page_size"], 4096);
    assert_eq!(json["at"], "2026-11-22T10:00:03.000Z");
    assert_eq!(json["objects"].as_array().unwrap().len(), 3);
    assert!(json["objects"][0]["key"].as_str().unwrap().ends_with("/snapshot"));
}
