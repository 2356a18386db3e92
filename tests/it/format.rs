//! The page file: what is written is read, and nothing else is.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod damage;
mod golden;
mod golden_make;
mod sample;
pub(crate) mod sign;

use std::collections::BTreeMap;

use sample::{Sample, hasher};
use waloy::compress::{Compression, Decompressor};
use waloy::format::{self, Error, Flags, Kind, Outline, PageFileWriter};
use waloy::units::{PageNo, PageSize, Timestamp};

const ALL: [Compression; 4] = [Compression::None, Compression::Lz4, Compression::Zstd(3), Compression::Zstd(19)];

#[test]
fn pages_come_back_for_every_page_size_and_compression() {
    for (page_size, pages) in [(512, 600), (4096, 300), (65_536, 20)] {
        for compression in ALL {
            let sample = Sample::new(Kind::Snapshot, page_size, compression, 1..=pages);
            let bytes = sample.write();
            let read = sample::read(&bytes).unwrap();
            assert_eq!(read.outline.header, sample.header);
            assert_eq!(read.outline.summary, sample.summary);
            assert_eq!(read.outline.images, u64::from(pages));
            assert_eq!(read.outline.len, bytes.len() as u64);
            assert!(read.pages == sample.newest(), "{page_size} {compression}: a page differs");
            if compression != Compression::None {
                assert!(bytes.len() < (pages * page_size / 2) as usize, "{page_size} {compression}: {}", bytes.len());
            }
        }
    }
}

#[test]
fn the_last_occurrence_of_a_page_comes_last() {
    for compression in ALL {
        let mut sample = Sample::new(Kind::Snapshot, 4096, compression, 1..=100);
        sample.rounds.push((40..=90).step_by(3).collect());
        sample.rounds.push(vec![1, 2, 90, 5000]);
        let read = sample::read(&sample.write()).unwrap();
        assert_eq!(read.outline.images, 100 + 17 + 4);
        assert!(read.pages == sample.newest());
        assert!(read.pages.contains_key(&5000), "a page beyond the last is given out; the caller ignores it");
    }
}

#[test]
fn a_page_file_without_pages_is_one() {
    let mut sample = Sample::new(Kind::Segment, 4096, Compression::default(), 1..=1);
    sample.rounds.clear();
    let bytes = sample.write();
    assert_eq!(bytes.len(), format::HEADER_LEN + 8 + format::TRAILER_LEN);
    let read = sample::read(&bytes).unwrap();
    assert!(read.pages.is_empty() && read.outline.index.is_empty());
    assert_eq!(read.outline.summary, sample.summary);
}

#[test]
fn runs_end_at_gaps_and_at_the_lock_page() {
    let page_size = PageSize::new(65_536).unwrap();
    let lock = page_size.lock_page().get();
    let sample = Sample::of(Kind::Segment, 65_536, Compression::Lz4, vec![lock - 1, lock + 1, lock + 4, u32::MAX]);
    let bytes = sample.write();
    let (_, chunks) = format::whole(&bytes).unwrap();
    let runs: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.runs).map(|run| (run.first.get(), run.count)).collect();
    assert_eq!(runs, [(lock - 1, 1), (lock + 1, 1), (lock + 4, 1), (u32::MAX, 1)]);
    assert!(sample::read(&bytes).unwrap().pages == sample.newest());
}

#[test]
#[should_panic(expected = "the lock page is never stored")]
fn the_lock_page_is_not_taken() {
    let lock = PageSize::new(65_536).unwrap().lock_page().get();
    Sample::of(Kind::Segment, 65_536, Compression::None, vec![lock]).write();
}

#[test]
#[should_panic(expected = "pages ascend until a flush")]
fn pages_that_do_not_ascend_are_not_taken() {
    Sample::of(Kind::Segment, 512, Compression::None, vec![2, 2]).write();
}

#[test]
fn bytes_can_be_taken_at_any_time_and_are_the_same() {
    let sample = Sample::new(Kind::Snapshot, 512, Compression::default(), 1..=3000);
    let mut writer = PageFileWriter::new(&sample.header, sample.compression).unwrap();
    let mut bytes = Vec::new();
    for page in 1..=3000 {
        let image = sample.image(0, page);
        let page = PageNo::new(page).unwrap();
        writer.add(&[(page, hasher().hash(page, &image))], &image).unwrap();
        let ready = writer.ready();
        let taken = writer.take();
        assert_eq!(taken.len(), ready);
        bytes.extend(taken);
    }
    let finished = writer.finish(&sample.summary).unwrap();
    bytes.extend_from_slice(&finished.bytes);
    assert_eq!(finished.len, bytes.len() as u64);
    assert!(bytes == sample.write());
    assert_eq!(sample::read(&bytes).unwrap().outline.digest, finished.digest);
}

#[test]
fn an_index_of_many_records_leads_to_every_page_by_ranged_reads() {
    // Isolated pages make the largest entries: 256 pages a chunk, 4 KiB of index each.
    let pages: Vec<u32> = (1..=80_000).map(|n| n * 2).collect();
    let sample = Sample::of(Kind::Segment, 512, Compression::Lz4, pages);
    let bytes = sample.write();
    let len = bytes.len() as u64;

    let tail = &bytes[bytes.len() - format::TRAILER_LEN..];
    let begins = Outline::tail_begins(tail, len).unwrap();
    let outline = Outline::parse(&bytes[..format::HEADER_LEN], &bytes[begins as usize..], len).unwrap();
    assert!(outline.index.len() > 1, "{} index records", outline.index.len());
    assert!(outline.index.iter().all(|place| place.len <= 1024 * 1024));
    let (mut found, mut decompressor) = (0, Decompressor::default());
    for place in &outline.index {
        let record = &bytes[place.offset as usize..][..place.len as usize];
        for chunk in place.parse(record, &outline.header).unwrap() {
            if found % 50 == 0 {
                let record = &bytes[chunk.offset as usize..][..chunk.len as usize];
                let images = chunk.open(record, &outline.header, &hasher(), &mut decompressor).unwrap();
                let (page, _) = chunk.pages().next().unwrap();
                assert!(images[..512] == sample.image(0, page.get()));
            }
            found += 1;
        }
    }
    assert_eq!(found, 80_000u32.div_ceil(256));

    // A tail that begins too late, and one that is the whole file.
    assert!(matches!(Outline::parse(&bytes, tail, len), Err(Error::Short { part: "tail", .. })));
    assert_eq!(Outline::parse(&bytes, &bytes, len), Ok(outline));
}

#[test]
fn the_writer_is_held_to_the_rules_of_the_reader() {
    let good = Sample::new(Kind::Merged, 512, Compression::None, 1..=3);
    let writer = || {
        let mut writer = PageFileWriter::new(&good.header, Compression::None).unwrap();
        let image = good.image(0, 1);
        writer.add(&[(PageNo::FIRST, hasher().hash(PageNo::FIRST, &image))], &image).unwrap();
        writer
    };
    assert!(writer().finish(&good.summary).is_ok());
    let mut bad = good.summary.clone();
    bad.last_time = Timestamp(good.header.first_time.0 - 1);
    assert_eq!(writer().finish(&bad), Err(Error::Contradiction("a last time before the first")));
    let mut bad = good.summary.clone();
    bad.joins = None;
    assert!(writer().finish(&bad).is_err());
    let mut bad = good.summary.clone();
    bad.unobserved = Some((Timestamp(5), Timestamp(4)));
    assert!(writer().finish(&bad).is_err());
    let mut bad = good.header.clone();
    bad.first_time = Timestamp(i64::MAX);
    assert!(PageFileWriter::new(&bad, Compression::None).is_err());

    let snapshot = Sample::new(Kind::Snapshot, 512, Compression::None, 1..=3);
    let mut writer = PageFileWriter::new(&snapshot.header, Compression::None).unwrap();
    let image = snapshot.image(0, 1);
    writer.add(&[(PageNo::FIRST, hasher().hash(PageNo::FIRST, &image))], &image).unwrap();
    assert_eq!(writer.finish(&snapshot.summary), Err(Error::Contradiction("a snapshot without all pages")));
}

#[test]
fn flags_and_the_unobserved_interval_come_back() {
    for bits in 0..8 {
        let mut sample = Sample::new(Kind::Segment, 512, Compression::None, 1..=2);
        sample.summary.flags = Flags { catch_up: bits & 1 != 0, rewind: bits & 2 != 0, outage: bits & 4 != 0 };
        sample.summary.unobserved = (bits != 0).then_some((Timestamp(-5), Timestamp(0)));
        assert_eq!(sample::read(&sample.write()).unwrap().outline.summary, sample.summary);
    }
}

/// What a page file says, with the newest image of each page.
type Pages = BTreeMap<u32, Vec<u8>>;
