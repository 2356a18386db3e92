//! Page files to test with, and reading all of one.

use std::ops::RangeInclusive;

use super::Pages;
use waloy::compress::Compression;
use waloy::format::{self, Error, Flags, Header, Kind, Outline, PageFileWriter, PageHasher, Summary, WalMark};
use waloy::ids::{Digest, GenerationId, HashKey, WriterId};
use waloy::units::{DbChecksum, PageNo, PageSize, SegmentIndex, Timestamp};

/// The hasher of all samples.
pub(super) fn hasher() -> PageHasher {
    PageHasher::new(&HashKey([0x5a; 32]))
}

/// A page file to be.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) header: Header,
    pub(super) summary: Summary,
    pub(super) compression: Compression,
    /// The pages, with a flush after each round.
    pub(super) rounds: Vec<Vec<u32>>,
}

impl Sample {
    pub(super) fn new(kind: Kind, page_size: u32, compression: Compression, pages: RangeInclusive<u32>) -> Sample {
        Sample::of(kind, page_size, compression, pages.collect())
    }

    pub(super) fn of(kind: Kind, page_size: u32, compression: Compression, pages: Vec<u32>) -> Sample {
        let at = 1_795_341_600_000;
        let snapshot = kind == Kind::Snapshot;
        let first = if snapshot { 0 } else { 5 };
        let last = if kind == Kind::Merged { 9 } else { first };
        let counts = |n| if snapshot { 0 } else { n };
        Sample {
            header: Header {
                kind,
                codec: compression.codec(),
                page_size: PageSize::new(page_size).unwrap(),
                generation: GenerationId::new(Timestamp(at), [7; 10]),
                first: SegmentIndex::new(first).unwrap(),
                first_time: Timestamp(at + 1),
                checksum_before: DbChecksum(counts(0x1122_3344_5566_7788)),
                predecessor: if snapshot { Digest::NONE } else { Digest([0xd1; 32]) },
                writer: WriterId([0x77; 16]),
                previous: snapshot.then(|| GenerationId::new(Timestamp(at - 1), [6; 10])),
            },
            summary: Summary {
                flags: Flags::default(),
                pages_after: pages.last().copied().unwrap_or(1),
                last: SegmentIndex::new(last).unwrap(),
                last_time: Timestamp(at + 2),
                unobserved: None,
                transactions: counts(3),
                transactions_since_snapshot: counts(40),
                wal_bytes: counts(12_345),
                checksum_after: DbChecksum(0x8877_6655_4433_2211),
                wal: WalMark { header: [0x37; 32], frame: 17, checksum: [18, 19] },
                joins: (kind != Kind::Segment).then_some(Digest([0xd2; 32])),
            },
            compression,
            rounds: vec![pages],
        }
    }

    /// The image of a page as of a round: half of it text, half of it zeros, and told from all others.
    pub(super) fn image(&self, round: usize, page: u32) -> Vec<u8> {
        let mut image = vec![0; self.header.page_size.len()];
        let text = format!("page {page}, round {round}. ");
        let half = image.len() / 2;
        image[..half].iter_mut().zip(text.bytes().cycle()).for_each(|(to, from)| *to = from);
        image
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut writer = PageFileWriter::new(&self.header, self.compression).unwrap();
        let hasher = hasher();
        for (round, pages) in self.rounds.iter().enumerate() {
            for pages in pages.chunks(100) {
                let images: Vec<Vec<u8>> = pages.iter().map(|&page| self.image(round, page)).collect();
                let pages: Vec<PageNo> = pages.iter().map(|&page| PageNo::new(page).unwrap()).collect();
                let hashed: Vec<_> =
                    pages.iter().zip(&images).map(|(&page, image)| (page, hasher.hash(page, image))).collect();
                writer.add(&hashed, &images.concat()).unwrap();
            }
            writer.flush().unwrap();
        }
        let finished = writer.finish(&self.summary).unwrap();
        assert_eq!(finished.len, finished.bytes.len() as u64);
        finished.bytes
    }

    pub(super) fn newest(&self) -> Pages {
        let mut newest = Pages::new();
        for (round, pages) in self.rounds.iter().enumerate() {
            newest.extend(pages.iter().map(|&page| (page, self.image(round, page))));
        }
        newest
    }
}

/// All that is in a page file.
#[derive(PartialEq, Debug)]
pub(super) struct Read {
    pub(super) outline: Outline,
    pub(super) pages: Pages,
}

/// Reads and checks every byte.
pub(super) fn read(bytes: &[u8]) -> Result<Read, Error> {
    let (outline, chunks) = format::whole(bytes)?;
    let mut pages = Pages::new();
    format::each_page(bytes, &outline, &chunks, &hasher(), |page, _, image| {
        pages.insert(page.get(), image.to_vec());
    })?;
    Ok(Read { outline, pages })
}
