//! Objects of the replica itself: swapped, taken away, under other names, and as they were before.

use std::collections::BTreeSet;

use bytes::Bytes;
use waloy::ids::GenerationId;
use waloy::replica::Name;
use waloy::restore::Point;
use waloy::seal::{Epoch, KeyName, SlotId};
use waloy::units::{SegmentIndex, Timestamp};

use super::bucket::Changes;
use super::*;

fn index(index: u64) -> SegmentIndex {
    SegmentIndex::new(index).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_in_the_place_of_every_other() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    let names: Vec<&String> = vault.objects.keys().collect();
    assert!(names.len() >= 60, "{} objects", names.len());
    let put = |name: &String, as_name: &String| (as_name.clone(), Some(vault.objects[name].clone()));
    for &a in &names {
        for &b in names.iter().filter(|&&b| b != a) {
            bucket.forge(&format!("{b} as {a}"), vec![put(b, a)]).await;
        }
    }
    // Both ways round: neighbours, and those that are called alike in different generations.
    for (at, &a) in names.iter().enumerate() {
        let alike =
            |b: &&&String| b.split('/').nth(1) == a.split('/').nth(1) && b.split('/').nth(2) == a.split('/').nth(2);
        for &b in names[at + 1..].iter().take(1).chain(names[at + 1..].iter().filter(alike)) {
            bucket.forge(&format!("{a} and {b} exchanged"), vec![put(b, a), put(a, b)]).await;
        }
    }
    told("swaps", &bucket, 60 * 59);
    assert!(bucket.count.errors > 400 && bucket.count.true_states > 500, "{}", bucket.count);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_taken_away() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    let names: Vec<String> = vault.objects.keys().cloned().collect();
    for (at, a) in names.iter().enumerate() {
        bucket.attack(&format!("without {a}"), vec![(a.clone(), None)]).await;
        for b in names[at + 1..].iter().step_by(9) {
            bucket.attack(&format!("without {a} and {b}"), vec![(a.clone(), None), (b.clone(), None)]).await;
        }
    }
    let gone = |wanted: &dyn Fn(&str) -> bool| vault.names(wanted).into_iter().map(|name| (name, None)).collect();
    for generation in vault.generations() {
        let id = generation.to_string();
        bucket.attack(&format!("without {id}"), gone(&|name| name.starts_with(&id))).await;
        bucket
            .attack(&format!("without all before {id}"), gone(&|name| name.starts_with('0') && name[..26] < *id))
            .await;
        bucket
            .attack(&format!("without all after {id}"), gone(&|name| name.starts_with('0') && name[..26] > *id))
            .await;
        for from in 0..11 {
            let from = Name::Segment(generation, index(from)).key();
            let tail = |name: &str| name.starts_with(&id) && name.contains("/wal/") && name >= from.as_str();
            let what = format!("nothing of {id} from {from} on");
            bucket.attack(&what, gone(&tail)).await;
        }
    }
    for kind in ["/snapshot", "/manifest.json", "/wal/", "-", "keys/", "keys/dk", "keys/slot", "latest", "replica", ""]
    {
        bucket.attack(&format!("nothing with {kind}"), gone(&|name| name.contains(kind))).await;
    }
    told("deletions", &bucket, 300);
}

/// Names that an object could be given, besides those that are there.
fn new_names(vault: &Vault, name: &str) -> BTreeSet<String> {
    let generations = vault.generations();
    let (first, last) = (generations[0], *generations.last().unwrap());
    let newer = GenerationId::new(Timestamp(last.at().0 + 60_000), [7; 10]);
    let older = GenerationId::new(Timestamp(first.at().0 - 60_000), [7; 10]);
    let between = GenerationId::new(Timestamp(first.at().0 + 1), [7; 10]);
    let mut names: BTreeSet<String> = BTreeSet::new();
    for generation in [newer, older, between, last, first] {
        for place in [0, 8, 11, 12, 500, 999_999_999_999] {
            names.insert(Name::Segment(generation, index(place)).key());
        }
        for (a, b) in [(0, 1), (0, 10), (4, 9), (7, 11), (8, 12), (11, 11), (11, 14)] {
            names.insert(Name::Merged(generation, index(a), index(b)).key());
        }
        names.insert(Name::Snapshot(generation).key());
        names.insert(Name::Manifest(generation).key());
        // Not names of ours.
        names.insert(format!("{}/snapshot", generation.to_string().to_uppercase()));
        names.insert(format!("{generation}/wal/11"));
        names.insert(format!("{generation}/wal/000000000011-"));
        names.insert(format!("{generation}/snapshot/snapshot"));
        names.insert(format!("{generation}/confirmed"));
    }
    names.insert(KeyName::DataKey(Epoch(3)).to_string());
    names.insert(KeyName::DataKey(Epoch(u32::MAX)).to_string());
    names.insert(KeyName::Slot(SlotId([9; 8])).to_string());
    names.insert("keys/other".to_owned());
    names.insert(format!("{name}.bak"));
    names.retain(|name| !vault.objects.contains_key(name));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_under_new_names() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    for (at, (name, bytes)) in vault.objects.iter().enumerate() {
        for (n, new) in new_names(vault, name).into_iter().enumerate() {
            let copied = (new.clone(), Some(bytes.clone()));
            // One in twelve of each; together, all kinds under all kinds.
            match (at + n) % 24 {
                0 => drop(bucket.forge(&format!("{name} also as {new}"), vec![copied]).await),
                12 => drop(bucket.forge(&format!("{name} as {new}"), vec![copied, (name.clone(), None)]).await),
                _ => {}
            }
        }
    }
    // Whole generations under the id of another, there or not.
    let generations = vault.generations();
    let newer = GenerationId::new(Timestamp(generations[3].at().0 + 60_000), [7; 10]);
    for from in &generations {
        for to in generations.iter().chain([&newer]).filter(|&to| to != from) {
            let (from, to) = (from.to_string(), to.to_string());
            let copied = vault.objects.iter().filter(|(name, _)| name.starts_with(&from));
            let copied: Changes = copied.map(|(name, bytes)| (name.replace(&from, &to), Some(bytes.clone()))).collect();
            bucket.attack(&format!("{from} also as {to}"), copied.clone()).await;
            let gone = vault.names(|name| name.starts_with(&from)).into_iter().map(|name| (name, None));
            bucket.attack(&format!("{from} as {to}"), copied.into_iter().chain(gone).collect()).await;
        }
    }
    told("new names", &bucket, 350);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    let mut seen: BTreeSet<(String, Bytes)> = vault.objects.clone().into_iter().collect();
    for (time, earlier) in vault.earlier.iter().enumerate() {
        // One object as it was; all others as they are.
        for (name, bytes) in earlier {
            if seen.insert((name.clone(), bytes.clone())) {
                bucket.attack(&format!("{name} of time {time}"), vec![(name.clone(), Some(bytes.clone()))]).await;
            }
        }
        // The hints as they were.
        let hints = earlier.iter().filter(|(name, _)| *name == "latest" || name.ends_with("manifest.json"));
        let hints = hints.map(|(name, bytes)| (name.clone(), Some(bytes.clone()))).collect();
        bucket.attack(&format!("hints of time {time}"), hints).await;
        // Everything as it was: whole, and old. Nothing but an anchor tells.
        let (restored, _) = bucket.serve(&format!("all of time {time}"), earlier).await;
        assert!(restored, "what was whole is whole");
        // Everything as it was, but for the hints, or for the keys.
        let now = |wanted: fn(&str) -> bool| {
            let now = vault.objects.iter().filter(|(name, _)| wanted(name));
            now.map(|(name, bytes)| (name.clone(), bytes.clone())).collect::<Objects>()
        };
        let mixed = [earlier.clone(), now(|name| name == "latest" || name.ends_with("manifest.json"))];
        bucket.serve(&format!("all but hints of time {time}"), &mixed.into_iter().flatten().collect()).await;
        let mixed = [earlier.clone(), now(|name| name.starts_with("keys/"))];
        bucket.serve(&format!("all but keys of time {time}"), &mixed.into_iter().flatten().collect()).await;
    }
    told("older content", &bucket, 180);
    assert_ne!(vault.newest.1, Point::Snapshot);
}
