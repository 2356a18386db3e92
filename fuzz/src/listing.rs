//! Keys as a store lists them, and what they are taken for.

use std::sync::Arc;

use bytes::Bytes;
use waloy::ids::GenerationId;
use waloy::replica::{Inventory, Name, Objects, Replica, generations};
use waloy::restore::{self, Target};
use waloy::storage::{MemoryStore, Store, list_all};
use waloy::units::{SegmentIndex, Timestamp};

use super::input::{Input, now};

/// More keys than that have nothing new.
const KEYS: usize = 60;

pub(super) fn run(input: &[u8]) {
    let mut input = Input(input);
    let store = MemoryStore::new();
    now(async {
        for _ in 0..KEYS {
            if input.is_empty() {
                break;
            }
            let key = key(&mut input);
            if let Some(name) = Name::parse(&key) {
                assert_eq!(name.key(), key, "an object has one name");
                assert_eq!(Name::at_end_of(&format!("s3://bucket/{key}")), Some(name));
            }
            // Keys that no store takes are refused.
            let _ = store.put(&key, Bytes::from(vec![0; usize::from(input.byte() % 4)])).await;
        }
        check(&store).await;
        let replica = Replica::plain(Arc::new(store));
        assert!(restore::plan(&replica, Target::Latest).await.is_err(), "there is nothing in these objects");
        let _ = restore::survey(&replica).await;
    });
}

fn id(byte: u8) -> GenerationId {
    GenerationId::new(Timestamp(1_795_341_600_000 + i64::from(byte % 4)), [byte / 64; 10])
}

fn index(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        byte @ 0..=250 => u64::from(byte % 16),
        251 => SegmentIndex::MAX.get(),
        252 => SegmentIndex::MAX.get() + 1,
        _ => u64::from(input.u16()) << 24,
    }
}

fn key(input: &mut Input<'_>) -> String {
    let what = input.byte();
    let id = id(input.byte());
    let mut key = match what % 9 {
        0 => format!("{id}/snapshot"),
        1 => format!("{id}/manifest.json"),
        2 | 3 => format!("{id}/wal/{:012}", index(input)),
        4 | 5 => format!("{id}/wal/{:012}-{:012}", index(input), index(input)),
        6 => ["replica", "latest", "keys/dk-00000001", "wal/000000000001"][usize::from(input.byte() % 4)].to_owned(),
        7 => format!("{id}/confirmed"),
        _ => {
            let len = usize::from(input.byte());
            String::from_utf8_lossy(input.take(len)).into_owned()
        }
    };
    // Written in another way, sometimes.
    match what / 9 {
        20 => key.make_ascii_uppercase(),
        21 => key.push('0'),
        22 => key.insert(0, '/'),
        23 => key.truncate(key.floor_char_boundary(key.len().saturating_sub(1))),
        24 => key = key.replacen('/', "//", 1),
        _ => {}
    }
    key
}

/// Every way to list gives the same objects.
async fn check(store: &MemoryStore) {
    let all = list_all(store, "", None).await.expect("memory lists");
    let ours = all.iter().filter_map(|meta| Some((Name::parse(&meta.key)?, meta.size)));
    let mut ours: Vec<(Name, u64)> = ours.collect();
    let inventory = Inventory::list(store).await.expect("memory lists");
    let mut listed: Vec<(Name, u64)> = inventory.generations.iter().flat_map(Objects::names).collect();
    ours.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, ours, "the inventory has what is there");
    let ids = generations(store).await.expect("memory lists");
    assert!(ids.is_sorted() && inventory.generations.iter().all(|objects| ids.contains(&objects.generation)));
    for objects in &inventory.generations {
        let id = objects.generation;
        let alone = Objects::list(store, id, None).await.expect("memory lists");
        assert_eq!(alone, *objects);
        let (first, last) = (SegmentIndex::new(2).expect("small"), SegmentIndex::new(5).expect("small"));
        let range = Objects::list_range(store, id, first, last).await.expect("memory lists");
        let within = |index: SegmentIndex| first <= index && index <= last;
        let segments: Vec<_> = objects.segments.iter().copied().filter(|&(index, _)| within(index)).collect();
        let merged: Vec<_> = objects.merged.iter().copied().filter(|&(index, ..)| within(index)).collect();
        assert_eq!((range.segments, range.merged), (segments, merged), "a range is that part of the whole");
        let mut both = Objects::list(store, id, Some(last)).await.expect("memory lists");
        assert!(both.segments.iter().all(|&(index, _)| index > last));
        both.extend(alone);
        assert_eq!(both, *objects, "what is listed twice is there once");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut chain = vec![6, 0, 0, 1, 6, 0, 1, 1, 0, 0, 2, 1, 0, 2];
    for index in 0..8 {
        chain.extend([2, 0, index, 1]);
    }
    chain.extend([4, 0, 0, 3, 2, 4, 0, 4, 7, 2]);
    vec![chain, vec![0, 1, 3, 2, 1, 0, 1, 2, 1, 251, 1], vec![8, 0, 5, b'a', b'/', b'b', b'/', b'c', 1, 182, 0, 1]]
}
