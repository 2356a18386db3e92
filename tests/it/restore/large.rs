//! Objects that are not fetched whole, and the lock page.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use bytes::Bytes;
use std::sync::Arc;
use waloy::format::{Header, Kind, PageFileWriter, PageHasher, Summary, WalMark};
use waloy::ids::{Digest, GenerationId, HashKey, WriterId};
use waloy::replica::{Name, Replica, WHOLE};
use waloy::units::{DbChecksum, PageNo, PageSize, SegmentIndex, Timestamp};

use super::*;
use crate::handmade::Rng;
use crate::watched::Watched;

#[tokio::test]
async fn a_large_object_is_read_in_a_few_ranges() {
    let mut made = Handmade::new(4096, Compression::None).await;
    let mut rng = Rng(41);
    let mut pages: Vec<Vec<u8>> = (0..5000).map(|_| rng.page(4096)).collect();
    made.begin(pages.concat()).await;
    for _ in 0..2 {
        for _ in 0..700 {
            let at = rng.below(5000) as usize;
            pages[at] = rng.page(4096);
        }
        made.commit(pages.concat()).await;
    }
    let counting = Arc::new(Watched::new(&made.replica));
    let store = Replica::plain(counting.clone());
    let report = expect(&store, Target::Latest, made.last()).await;
    assert!(report.plan.objects.iter().all(|object| object.bytes > WHOLE));
    let requests = counting.requests() as u64;
    let least = report.plan.stored_bytes() / (1 << 20);
    assert!((least..least + 30).contains(&requests), "{requests} requests for {} bytes", report.plan.stored_bytes());
}

#[tokio::test]
async fn a_page_file_with_several_index_records_comes_back() {
    // Every second page changes again and again: runs of one page, and so a large index.
    let mut made = Handmade::new(512, Compression::Lz4).await;
    let bytes: Vec<u8> = (0..72_000u32).flat_map(|page| [page as u8, (page >> 8) as u8].repeat(256)).collect();
    made.begin(bytes.clone()).await;
    let changed: Vec<u8> = bytes
        .chunks(512)
        .enumerate()
        .flat_map(|(at, page)| if at % 2 == 0 { vec![7; 512] } else { page.to_vec() })
        .collect();
    let state = made.commit(changed).await;
    let name = Name::Segment(state.generation, index(0));
    let size = made.replica.head(&name.key()).await.unwrap().size;
    let header = waloy::replica::ObjectReader::open(&made.replica, name, size).await.unwrap().outline().header.clone();
    let stale: BTreeMap<PageNo, Vec<u8>> = made.pages(&vec![9; bytes.len()], |page| page % 2 == 0);
    let newest = made.pages(&state.bytes, |page| page % 2 == 0);
    let (size, _) = made.write(name, &header, &[&stale, &newest], &made.summary(&state)).await;
    let reader = waloy::replica::ObjectReader::open(&made.replica, name, size).await.unwrap();
    assert!(reader.outline().index.len() > 1 && size > WHOLE, "{} {size}", reader.outline().index.len());
    expect(&made.replica, Target::Latest, &state).await;
}

#[tokio::test]
async fn the_lock_page_is_neither_stored_nor_missed() {
    // A database of over 1 GiB, of pages that compress to nothing.
    let page_size = PageSize::new(65_536).unwrap();
    let (generation, pages) = (GenerationId::new(Timestamp(1), [1; 10]), page_size.lock_page().get() + 3);
    let made = Handmade::new(65_536, Compression::Zstd(1)).await;
    let hasher = PageHasher::new(&HashKey([3; 32]));
    let header = Header {
        kind: Kind::Snapshot,
        codec: Compression::Zstd(1).codec(),
        page_size,
        generation,
        first: SegmentIndex::ZERO,
        first_time: Timestamp(1),
        checksum_before: DbChecksum(0),
        predecessor: Digest::NONE,
        writer: WriterId([7; 16]),
        previous: None,
    };
    let image = |page: u32| (page % 251) as u8;
    let mut writer = PageFileWriter::new(&header, Compression::Zstd(1)).unwrap();
    let (mut sealing, mut bytes) = (made.replica.sealing(Name::Snapshot(generation)).await.unwrap(), Vec::new());
    let mut checksum = DbChecksum::default();
    for page in (1..=pages).filter_map(PageNo::new).filter(|&page| page != page_size.lock_page()) {
        let image = vec![image(page.get()); page_size.len()];
        let hash = hasher.hash(page, &image);
        checksum.toggle(hash);
        writer.add(&[(page, hash)], &image).unwrap();
        bytes.extend(sealing.add(writer.take()));
    }
    let summary = Summary {
        flags: waloy::format::Flags::default(),
        pages_after: pages,
        last: SegmentIndex::ZERO,
        last_time: Timestamp(1),
        unobserved: None,
        transactions: 0,
        transactions_since_snapshot: 0,
        wal_bytes: 0,
        checksum_after: checksum,
        wal: WalMark::default(),
        joins: None,
    };
    bytes.extend(sealing.finish(writer.finish(&summary).unwrap().bytes));
    made.replica.put(&Name::Snapshot(generation).key(), Bytes::from(bytes)).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored.db");
    restore::restore(&made.replica, Target::Latest, &Output::new(&path), &Options::default()).await.unwrap();
    let file = std::fs::File::open(&path).unwrap();
    assert_eq!(file.metadata().unwrap().len(), u64::from(pages) * 65_536);
    let (mut file, mut found) = (BufReader::with_capacity(1 << 20, file), vec![0; page_size.len()]);
    for page in 1..=pages {
        file.read_exact(&mut found).unwrap();
        let expected = if page == page_size.lock_page().get() { 0 } else { image(page) };
        assert!(found == vec![expected; page_size.len()], "page {page}");
    }
}
