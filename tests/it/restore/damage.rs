//! Damage: an error, or the very same database.

use std::collections::BTreeSet;

use bytes::Bytes;
use waloy::replica::{Name, ObjectReader, Replica};
use waloy::units::Timestamp;

use super::*;
use crate::handmade::{Rng, one_bit_changed, store_of};

/// What a restore of the newest state gives from these objects is an error, or the newest state.
async fn same_or_error(made: &Handmade, objects: Vec<(String, Bytes)>, what: &str) -> bool {
    let store = store_of(objects).await;
    match restore(&store, Target::Latest).await {
        Ok((report, bytes)) => {
            assert!(bytes == **made.last().bytes, "{what}: another database");
            assert_eq!(report.plan.at, made.last().at, "{what}");
            true
        }
        Err(error) => {
            assert_eq!(public(error).0, Kind::Damaged, "{what}");
            false
        }
    }
}

#[tokio::test]
async fn one_changed_byte_anywhere_is_an_error_or_does_not_matter() {
    let made = Handmade::random(512, Compression::Zstd(3), 21, 2, 4).await;
    let objects = made.objects().await;
    let (mut rng, mut same) = (Rng(0xdead_beef), 0);
    for _ in 0..2500 {
        let (changed, _, what) = one_bit_changed(&objects, &mut rng);
        same += usize::from(same_or_error(&made, changed, &what).await);
    }
    assert!(same > 100 && same < 2000, "{same} did not matter");
}

#[tokio::test]
async fn a_cut_at_any_length_is_an_error_or_does_not_matter() {
    let made = Handmade::random(512, Compression::Lz4, 22, 2, 4).await;
    let objects = made.objects().await;
    let mut rng = Rng(0xcafe);
    for round in 0..600 {
        let mut cut = objects.clone();
        let (key, bytes) = &mut cut[round % objects.len()];
        let len = rng.below(bytes.len() as u64) as usize;
        *bytes = bytes.slice(..len);
        let what = format!("{key} cut at {len}");
        same_or_error(&made, cut, &what).await;
    }
}

#[tokio::test]
async fn an_object_under_another_name_or_missing_is_an_error_or_does_not_matter() {
    let made = Handmade::random(512, Compression::None, 23, 2, 5).await;
    let objects = made.objects().await;
    for a in 0..objects.len() {
        for b in 0..objects.len() {
            if a == b {
                let mut fewer = objects.clone();
                let (key, _) = fewer.remove(a);
                same_or_error(&made, fewer, &format!("without {key}")).await;
                continue;
            }
            let mut copied = objects.clone();
            copied[a].1 = objects[b].1.clone();
            same_or_error(&made, copied.clone(), &format!("{} is {}", objects[a].0, objects[b].0)).await;
            copied[b].1 = objects[a].1.clone();
            same_or_error(&made, copied, &format!("{} and {} swapped", objects[a].0, objects[b].0)).await;
        }
    }
}

#[tokio::test]
async fn objects_of_another_history_do_not_join() {
    // The same ids, times and sizes, other pages.
    let made = Handmade::random(512, Compression::None, 24, 1, 6).await;
    let other = Handmade::random(512, Compression::None, 25, 1, 6).await;
    let (ours, theirs) = (made.objects().await, other.objects().await);
    for place in 0..ours.len() {
        let mut mixed = ours.clone();
        assert_eq!(mixed[place].0, theirs[place].0);
        mixed[place] = theirs[place].clone();
        let key = &theirs[place].0;
        let needed = key.contains("/wal/") || key.ends_with("/snapshot");
        let same = same_or_error(&made, mixed, key).await;
        assert_eq!(same, !needed, "{key}");
    }
}

#[tokio::test]
async fn an_encrypted_replica_asks_for_its_key() {
    let made = Handmade::random(512, Compression::None, 26, 1, 1).await;
    let mut sealed = b"WLO1\x02\x06\0\0\0\0\0\0".to_vec();
    sealed.extend(crc32c::crc32c(&sealed).to_be_bytes());
    sealed.resize(400, 2);
    made.replica.put("replica", sealed.into()).await.unwrap();
    assert_eq!(public(restore(&made.replica, Target::Latest).await.unwrap_err()), (Kind::BadKey, "key.missing"));
}

#[tokio::test]
async fn whole_objects_that_are_not_the_replicated_database_fail_its_checksum() {
    let mut made = Handmade::random(512, Compression::None, 27, 1, 2).await;
    made.segment(vec![5; 512 * 3], |summary| summary.checksum_after.0 ^= 1).await;
    let error = restore(&made.replica, Target::Latest).await.unwrap_err();
    assert_eq!(public(error), (Kind::Damaged, "chain.checksum"));
    // The next one goes on from the right one, and does not join.
    made.commit(vec![6; 512 * 3]).await;
    let error = restore(&made.replica, Target::Latest).await.unwrap_err();
    assert_eq!(public(error), (Kind::Damaged, "chain.broken"));
}

#[tokio::test]
async fn an_object_is_opened_under_its_own_name_only() {
    let mut made = Handmade::random(512, Compression::None, 28, 2, 4).await;
    made.merge(0, 1).await;
    made.merge(1, 2).await;
    let names: Vec<Name> = made.objects().await.iter().filter_map(|(key, _)| Name::parse(key)).collect();
    let names: Vec<Name> = names.into_iter().filter(|name| !matches!(name, Name::Manifest(_))).collect();
    for &name in &names {
        for &other in &names {
            let bytes = made.replica.get(&other.key(), u64::MAX).await.unwrap();
            let size = bytes.len() as u64;
            let store = store_of([(name.key(), bytes)]).await;
            let opened = ObjectReader::open(&store, name, size).await;
            assert_eq!(opened.is_ok(), name == other, "{other} as {name}");
            let error = opened.err();
            assert!(error.is_none_or(|error| error.is_damage()));
        }
    }
}

/// Where a bit of an object is changed.
#[derive(Clone, Copy, Debug)]
enum Where {
    /// In its outline: met when it is opened.
    Outline,
    /// In its first chunk: met when pages are read.
    Chunk,
}

async fn change(store: &Replica, name: Name, place: Where) {
    let mut bytes = store.get(&name.key(), u64::MAX).await.unwrap().to_vec();
    let at = match place {
        Where::Outline => bytes.len() - 40,
        Where::Chunk => 16 + 160 + 40,
    };
    bytes[at] ^= 1;
    store.put(&name.key(), bytes.into()).await.unwrap();
}

/// A generation in which each segment has a page of its own, and merged ones over its first eight.
async fn merged(segments: u8) -> (Handmade, [Name; 3]) {
    let mut made = Handmade::new(512, Compression::None).await;
    let mut pages = vec![0; 512 * 12];
    made.begin(pages.clone()).await;
    for segment in 0..segments {
        pages[usize::from(segment) * 512..][..512].fill(segment + 1);
        made.commit(pages.clone()).await;
    }
    for (first, last) in [(0, 3), (4, 7), (0, 7)] {
        made.merge(first, last).await;
    }
    let name = |first, last| Name::Merged(made.last().generation, index(first), index(last));
    let names = [name(0, 7), name(0, 3), name(4, 7)];
    (made, names)
}

#[tokio::test]
async fn a_damaged_merged_segment_is_left_out_where_others_lead_to_the_same_point() {
    for place in [Where::Outline, Where::Chunk] {
        let (made, names) = merged(9).await;
        let (id, end) = (made.last().generation, &made.states[8]);
        assert_eq!(expect(&made.replica, Target::Latest, made.last()).await.plan.left_out, []);
        for damaged in 1..=names.len() {
            change(&made.replica, names[damaged - 1], place).await;
            for (target, state) in [
                (Target::Latest, made.last()),
                (Target::Time(end.at), end),
                (Target::StrictTime(Timestamp(end.at.0 + 999)), end),
                (Target::Generation(id, Some(end.point)), end),
            ] {
                let left_out = expect(&made.replica, target, state).await.plan.left_out;
                let found: BTreeSet<Name> = left_out.iter().map(|it| it.name).collect();
                let expected: BTreeSet<Name> = names[..damaged].iter().copied().collect();
                assert_eq!(found, expected, "{place:?} {target:?}");
                assert!(left_out.iter().all(|it| it.code == "object.damaged"), "{left_out:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_merged_segment_of_another_history_is_left_out_as_well() {
    let mut made = Handmade::random(512, Compression::None, 24, 1, 9).await;
    let mut other = Handmade::random(512, Compression::None, 25, 1, 9).await;
    for made in [&mut made, &mut other] {
        made.merge(0, 3).await;
        made.merge(4, 7).await;
    }
    let id = made.last().generation;
    let name = Name::Merged(id, index(4), index(7));
    let bytes = other.replica.get(&name.key(), u64::MAX).await.unwrap();
    made.replica.put(&name.key(), bytes).await.unwrap();
    let end = &made.states[8];
    for (target, state) in [(Target::Latest, made.last()), (Target::Generation(id, Some(end.point)), end)] {
        let report = expect(&made.replica, target, state).await;
        let [left_out] = &report.plan.left_out[..] else { panic!("{:?}", report.plan.left_out) };
        assert_eq!((left_out.name, left_out.code), (name, "chain.broken"), "{target:?}");
    }
}

#[tokio::test]
async fn a_damaged_merged_segment_that_nothing_stands_for_is_an_error_and_no_older_state() {
    let (mut made, names) = merged(8).await;
    let (id, end) = (made.last().generation, made.last().clone());
    made.begin_again(Vec::new()).await;
    made.replica.delete(&Name::Manifest(id).key()).await.unwrap();
    made.replica.delete(&names[0].key()).await.unwrap();
    for place in 4..8 {
        made.replica.delete(&Name::Segment(id, index(place)).key()).await.unwrap();
    }
    let targets = [
        Target::Time(end.at),
        Target::Time(Timestamp(end.at.0 + 999)),
        Target::Generation(id, None),
        Target::Generation(id, Some(end.point)),
    ];
    for target in targets {
        expect(&made.replica, target, &end).await;
    }
    change(&made.replica, names[2], Where::Outline).await;
    for target in targets {
        let error = restore(&made.replica, target).await.unwrap_err();
        assert!(error.to_string().contains(&names[2].key()), "{target:?}: {error}");
        assert_eq!(public(error), (Kind::Damaged, "object.damaged"));
    }
    // What is before it does without it.
    expect(&made.replica, Target::Generation(id, Some(made.states[4].point)), &made.states[4]).await;
}
