//! The newest image of every page in some objects, in bounded memory.

use std::collections::BTreeMap;

use super::Error;
use super::proof::{groups, open};
use crate::compress::Decompressor;
use crate::format::{ChunkEntry, PageFileWriter, PageHasher};
use crate::replica::{Claimed, ObjectReader};
use crate::units::{PageHash, PageNo};

/// Page images that are held before they are written, in the order of pages.
const HELD: usize = 8 << 20;

/// Takes pages from objects, the newest first, and writes each once.
pub(super) struct Newest {
    file: PageFileWriter,
    hasher: PageHasher,
    decompressor: Decompressor,
    claimed: Claimed,
    lock_page: PageNo,
    /// Pages of the database where it was shortest, from the present object to the newest one.
    shortest: u32,
    held: BTreeMap<PageNo, (PageHash, Box<[u8]>)>,
    bytes: usize,
}

impl Newest {
    /// `newest` is the object at whose end all of it stands.
    pub(super) fn new(file: PageFileWriter, hasher: PageHasher, newest: &ObjectReader) -> Newest {
        let outline = newest.outline();
        let pages = outline.summary.pages_after;
        let lock_page = outline.header.page_size.lock_page();
        Newest {
            file,
            hasher,
            decompressor: Decompressor::default(),
            claimed: Claimed::none(pages),
            lock_page,
            shortest: pages,
            held: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Takes the pages of the next older object that no newer one had. Says how many bytes of it were passed over.
    pub(super) async fn take(&mut self, reader: &ObjectReader) -> Result<(), Error> {
        let outline = reader.outline();
        self.shortest = self.shortest.min(outline.summary.pages_after);
        let page_len = outline.header.page_size.len();
        // From the end, so that the last occurrence of a page is met first.
        for place in outline.index.iter().rev() {
            let mut wanted: Vec<(ChunkEntry, Vec<usize>)> = Vec::new();
            for entry in reader.index(place).await?.into_iter().rev() {
                let pages = self.claim(&entry);
                if !pages.is_empty() {
                    wanted.push((entry, pages));
                }
            }
            wanted.reverse();
            let entries: Vec<ChunkEntry> = wanted.iter().map(|(entry, _)| entry.clone()).collect();
            let mut wanted = wanted.into_iter();
            for (range, group) in groups(&entries) {
                let bytes = reader.read(range.clone()).await?;
                for (entry, (_, pages)) in group.iter().zip(wanted.by_ref()) {
                    let images = open(reader, entry, &bytes, range.start, &self.hasher, &mut self.decompressor)?;
                    let all: Vec<(PageNo, PageHash)> = entry.pages().collect();
                    for at in pages {
                        let (page, hash) = all[at];
                        self.held.insert(page, (hash, images[at * page_len..(at + 1) * page_len].into()));
                        self.bytes += page_len;
                    }
                }
                if self.bytes >= HELD {
                    self.write()?;
                }
            }
        }
        Ok(())
    }

    /// The places in a chunk of the pages that no newer one had.
    fn claim(&mut self, entry: &ChunkEntry) -> Vec<usize> {
        let (shortest, lock_page) = (self.shortest, self.lock_page);
        let claimed = &mut self.claimed;
        let free = entry
            .pages()
            .enumerate()
            .filter(|&(_, (page, _))| page.get() <= shortest && page != lock_page && claimed.claim(page));
        free.map(|(at, _)| at).collect()
    }

    fn write(&mut self) -> Result<(), Error> {
        for (page, (hash, image)) in std::mem::take(&mut self.held) {
            self.file.add(&[(page, hash)], &image)?;
        }
        self.bytes = 0;
        Ok(self.file.flush()?)
    }

    /// Bytes of the page file that are ready.
    pub(super) fn ready(&mut self) -> Vec<u8> {
        self.file.take()
    }

    /// Everything was taken.
    pub(super) fn finish(mut self) -> Result<PageFileWriter, Error> {
        self.write()?;
        Ok(self.file)
    }
}
