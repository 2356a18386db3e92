//! A bucket in which anything was done to a good replica, and what a restore would do with it.

use std::sync::Arc;

use bytes::Bytes;
use waloy::ids::GenerationId;
use waloy::replica::{Name, Objects, Replica};
use waloy::restore::{Plan, Point, Target, plan};
use waloy::seal::ENVELOPE_LEN;
use waloy::storage::{MemoryStore, Store};
use waloy::units::{SegmentIndex, Timestamp};

use super::input::{Input, now};
use super::{documents, sign};

const ID: &str = "01m81b5h803meht78x3meht78x";
const OBJECTS: [(&str, &[u8]); 7] = [
    ("replica", golden!("none/replica")),
    ("latest", golden!("none/latest")),
    ("01m81b5h803meht78x3meht78x/manifest.json", golden!("none/01m81b5h803meht78x3meht78x/manifest.json")),
    ("01m81b5h803meht78x3meht78x/snapshot", golden!("none/01m81b5h803meht78x3meht78x/snapshot")),
    ("01m81b5h803meht78x3meht78x/wal/000000000000", golden!("none/01m81b5h803meht78x3meht78x/wal/000000000000")),
    ("01m81b5h803meht78x3meht78x/wal/000000000001", golden!("none/01m81b5h803meht78x3meht78x/wal/000000000001")),
    (
        "01m81b5h803meht78x3meht78x/wal/000000000000-000000000001",
        golden!("none/01m81b5h803meht78x3meht78x/wal/000000000000-000000000001"),
    ),
];

/// More changes than that leave nothing of the replica.
const CHANGES: usize = 8;

pub(super) fn run(input: &[u8]) {
    let mut input = Input(input);
    let mut objects: Vec<(String, Vec<u8>)> =
        OBJECTS.iter().map(|&(key, bytes)| (key.to_owned(), bytes.to_vec())).collect();
    let moment = Timestamp(1_795_341_500_000 + i64::from(input.u16()) * 100);
    let mut forged = false;
    for _ in 0..CHANGES {
        if input.is_empty() || objects.is_empty() {
            break;
        }
        forged |= change(&mut input, &mut objects);
    }
    now(async {
        let store = MemoryStore::new();
        for (key, bytes) in objects {
            let _ = store.put(&key, Bytes::from(bytes)).await;
        }
        let replica = Replica::plain(Arc::new(store.clone()));
        let id: GenerationId = ID.parse().expect("an id");
        let one = Some(Point::Index(SegmentIndex::ZERO));
        for target in [
            Target::Latest,
            Target::Time(moment),
            Target::StrictTime(moment),
            Target::Generation(id, None),
            Target::Generation(id, one),
            Target::Generation(id, Some(Point::Snapshot)),
        ] {
            if let Ok(plan) = plan(&replica, target).await {
                check(&store, target, &plan, forged).await;
            }
        }
    });
}

/// Whether what was changed was signed again.
fn change(input: &mut Input<'_>, objects: &mut Vec<(String, Vec<u8>)>) -> bool {
    let (what, which) = (input.byte(), usize::from(input.byte()) % objects.len());
    let other = usize::from(input.byte()) % objects.len();
    match what % 8 {
        0 => drop(objects.remove(which)),
        1 => {
            let bytes = objects[other].1.clone();
            objects[which].1 = bytes;
        }
        2 => {
            let (len, at) = (objects[which].1.len(), usize::from(input.u16()));
            objects[which].1.truncate(at % (len + 1));
        }
        3 => objects[which].1.extend(input.take(other)),
        4 => {
            // The same under another name: of a later generation, or at another place.
            let id = GenerationId::new(Timestamp(1_795_341_600_000 + i64::from(input.byte())), [1; 10]).to_string();
            let (key, bytes) = objects[which].clone();
            let key = match input.byte() % 4 {
                0 => key.replace(ID, &id),
                1 => key.replace("000000000001", &format!("{:012}", input.u16())),
                2 => format!("{ID}/wal/{:012}", input.byte()),
                _ => format!("{ID}/wal/{:012}-{:012}", input.byte(), input.byte()),
            };
            objects.push((key, bytes));
        }
        _ => {
            let at = usize::from(input.u16());
            let (key, bytes) = &mut objects[which];
            if bytes.is_empty() {
                return false;
            }
            let at = at % bytes.len();
            bytes[at] = input.byte();
            // Whoever writes to a bucket in the clear can make the digests right.
            if what % 8 > 5 {
                *bytes = signed(key, bytes);
                return true;
            }
        }
    }
    false
}

fn signed(key: &str, bytes: &[u8]) -> Vec<u8> {
    let json = !key.contains("/wal/") && !key.ends_with("/snapshot");
    if json {
        return documents::sign(&bytes[..bytes.len().saturating_sub(77)]);
    }
    let mut bytes = bytes.to_vec();
    if let Some(file) = bytes.get_mut(ENVELOPE_LEN..) {
        sign::sign(file);
    }
    bytes
}

/// A plan is a chain of objects that are there, from a snapshot to its point.
async fn check(store: &MemoryStore, target: Target, plan: &Plan, forged: bool) {
    let there = Objects::list(store, plan.generation, None).await.expect("memory lists").names();
    let mut next = None;
    for object in &plan.objects {
        assert!(there.contains(&(object.name, object.bytes)), "{} is not there", object.name);
        let (first, last) = match object.name {
            Name::Snapshot(_) => {
                assert_eq!(next, None, "a second snapshot");
                next = Some(0);
                continue;
            }
            Name::Segment(_, index) => (index, index),
            Name::Merged(_, first, last) => (first, last),
            Name::Manifest(_) => panic!("a manifest in the chain"),
        };
        assert_eq!(next, Some(first.get()), "the chain has a gap");
        next = Some(last.get() + 1);
    }
    assert_eq!(next, Some(plan.point.index().map_or(0, |index| index.get() + 1)), "the chain ends at the point");
    match target {
        // Whoever can sign can give two objects that end at the same commit different times: by one the point is found,
        // and the other is in the chain.
        Target::Time(moment) | Target::StrictTime(moment) => {
            assert!(forged || plan.at <= moment, "{} after {moment}", plan.at);
        }
        Target::Generation(id, point) => {
            assert_eq!(plan.generation, id);
            assert!(point.is_none_or(|point| point == plan.point), "another point");
        }
        Target::Latest => {}
    }
    assert!(plan.pages > 0);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let moment = 2_000u16.to_le_bytes();
    let with = |changes: &[u8]| [&moment[..], changes].concat();
    vec![
        with(&[]),
        with(&[0, 2, 0]),
        with(&[0, 4, 0, 0, 6, 0]),
        with(&[4, 3, 0, 5, 0, 4, 4, 0, 5, 1, 7, 0]),
        with(&[6, 2, 0, 40, 1, b'7']),
        with(&[7, 4, 0, 64, 1, 9]),
        with(&[1, 4, 5, 2, 5, 0, 100, 0]),
    ]
}
