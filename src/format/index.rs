//! Index records: where the chunks are, and what is in them.

use sha2::{Digest as _, Sha256};

use super::fields::Fields;
use super::record::{self, CHUNK_RECORD_LEN, CHUNK_RECORD_MIN, kind};
use super::{CHUNK_LEN, Error, Header, PageHasher};
use crate::compress::Decompressor;
use crate::ids::Digest;
use crate::units::{PageHash, PageNo, PageSize};

/// Consecutive pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The first.
    pub first: PageNo,
    /// How many, at least one.
    pub count: u32,
}

impl Run {
    /// The last.
    pub fn last(self) -> PageNo {
        PageNo::new(self.first.get().saturating_add(self.count.saturating_sub(1))).unwrap_or(self.first)
    }

    /// Its pages in order.
    pub fn pages(self) -> impl Iterator<Item = PageNo> {
        (self.first.get()..=self.last().get()).filter_map(PageNo::new)
    }
}

/// Where an index record is, by the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexPlace {
    /// Its first byte in the page file.
    pub offset: u64,
    /// The length of the whole record.
    pub len: u32,
    /// The chunks it covers.
    pub chunks: u32,
    /// SHA-256 of the whole record.
    pub digest: Digest,
    /// The first byte of its first chunk: where the record before it ends, or the header does.
    pub begins: u64,
}

impl IndexPlace {
    /// Reads the record: `bytes` is all of it. Checks its digest, and that its chunks fill `begins..offset`.
    ///
    /// # Errors
    ///
    /// If the bytes are not those that the digest stands for, or not an index record of chunks that a writer makes.
    pub fn parse(&self, bytes: &[u8], header: &Header) -> Result<Vec<ChunkEntry>, Error> {
        proven(PART, self.offset, self.len, &self.digest, bytes)?;
        let mut fields = Fields::new(PART, record::body(PART, kind::INDEX, bytes)?);
        let mut chunks = Vec::new();
        let mut next = self.begins;
        for _ in 0..self.chunks {
            let chunk = ChunkEntry::parse(&mut fields, header.page_size)?;
            if chunk.offset != next {
                return Err(Error::Gap { part: CHUNK, expected: next, found: chunk.offset });
            }
            next = next.saturating_add(chunk.len.into());
            chunks.push(chunk);
        }
        fields.end()?;
        if next != self.offset {
            return Err(Error::Gap { part: PART, expected: next, found: self.offset });
        }
        Ok(chunks)
    }
}

const PART: &str = "index record";
const CHUNK: &str = "chunk";

/// One chunk: where it is and what is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkEntry {
    /// The first byte of its record in the page file.
    pub offset: u64,
    /// The length of the whole record.
    pub len: u32,
    /// SHA-256 of the whole record.
    pub digest: Digest,
    /// Its pages: ascending, with at least one other page (perhaps the lock page) between two runs.
    pub runs: Vec<Run>,
    /// Their hashes, in the same order.
    pub hashes: Vec<PageHash>,
}

impl ChunkEntry {
    /// Its pages in order, with their hashes.
    pub fn pages(&self) -> impl Iterator<Item = (PageNo, PageHash)> + '_ {
        self.runs.iter().flat_map(|run| run.pages()).zip(self.hashes.iter().copied())
    }

    /// The images of all its pages, one after the other. `record` is the whole record; its digest, its runs, the
    /// length of what is in it and every page hash are checked.
    ///
    /// # Errors
    ///
    /// If anything of that is not as the index says, or the compression is not built in.
    pub fn open<'a>(
        &self,
        record: &'a [u8],
        header: &Header,
        hasher: &PageHasher,
        decompressor: &'a mut Decompressor,
    ) -> Result<&'a [u8], Error> {
        let images = self.unhashed(record, header, decompressor)?;
        for ((page, hash), image) in self.pages().zip(images.chunks_exact(header.page_size.len())) {
            if hasher.hash(page, image) != hash {
                return Err(Error::PageHash(page));
            }
        }
        Ok(images)
    }

    /// The same where the key of page hashes is gone: that the bytes are those that were written is proven, but not that
    /// the pages are those of the database.
    ///
    /// # Errors
    ///
    /// Those of [`ChunkEntry::open`], but for the hashes.
    pub(crate) fn unhashed<'a>(
        &self,
        record: &'a [u8],
        header: &Header,
        decompressor: &'a mut Decompressor,
    ) -> Result<&'a [u8], Error> {
        proven(CHUNK, self.offset, self.len, &self.digest, record)?;
        let mut fields = Fields::new(CHUNK, record::body(CHUNK, kind::CHUNK, record)?);
        if fields.u32()? as usize != self.runs.len() {
            return Err(Error::Pages(self.offset));
        }
        for run in &self.runs {
            if (fields.u32()?, fields.u32()?) != (run.first.get(), run.count) {
                return Err(Error::Pages(self.offset));
            }
        }
        let page_size = header.page_size.len();
        Ok(decompressor.decompress(header.codec, fields.rest(), self.hashes.len() * page_size)?)
    }

    fn parse(fields: &mut Fields<'_>, page_size: PageSize) -> Result<ChunkEntry, Error> {
        let (offset, len, count) = (fields.u64()?, fields.u32()?, fields.u32()?);
        let digest = Digest(fields.array()?);
        let (runs, images) = runs(fields, count, page_size)?;
        let shortest = CHUNK_RECORD_MIN + 8 * (runs.len() - 1);
        if !(shortest..=CHUNK_RECORD_LEN).contains(&(len as usize)) {
            return Err(Error::Range { what: "length of a chunk", value: len.into() });
        }
        let hashes = (0..images).map(|_| fields.u64().map(PageHash)).collect::<Result<_, _>>()?;
        Ok(ChunkEntry { offset, len, digest, runs, hashes })
    }
}

/// Reads this many runs, at least one, and counts their pages, which are at most those of a full chunk.
fn runs(fields: &mut Fields<'_>, count: u32, page_size: PageSize) -> Result<(Vec<Run>, u32), Error> {
    let limit = (CHUNK_LEN / page_size.len()) as u32;
    if !(1..=limit).contains(&count) {
        return Err(Error::Range { what: "number of runs in a chunk", value: count.into() });
    }
    let mut runs = Vec::with_capacity(count as usize);
    let (mut images, mut before) = (0, None);
    for _ in 0..count {
        let (first, count) = (fields.u32()?, fields.u32()?);
        let first = PageNo::new(first).ok_or(Error::Range { what: "page number", value: 0 })?;
        if !(1..=limit - images).contains(&count) {
            return Err(Error::Range { what: "pages in a chunk", value: i128::from(images) + i128::from(count) });
        }
        images += count;
        let run = Run { first, count };
        if first.get().checked_add(count - 1).is_none() {
            return Err(Error::Range { what: "page number", value: i128::from(first.get()) + i128::from(count - 1) });
        }
        // Runs that touch would be one run: a list of pages is written in one way only.
        if before.is_some_and(|before: PageNo| first.get() - 1 <= before.get()) {
            return Err(Error::Run(first));
        }
        let lock = page_size.lock_page();
        if (first..=run.last()).contains(&lock) {
            return Err(Error::LockPage(lock));
        }
        before = Some(run.last());
        runs.push(run);
    }
    Ok((runs, images))
}

/// Whether these are all the bytes of a record, by length and digest.
fn proven(part: &'static str, offset: u64, len: u32, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() < len as usize {
        return Err(Error::Short { part, len: bytes.len() as u64, needed: len.into() });
    }
    if bytes.len() > len as usize {
        return Err(Error::Trailing { part, len: (bytes.len() - len as usize) as u64 });
    }
    let computed: [u8; 32] = Sha256::digest(bytes).into();
    if computed == digest.0 { Ok(()) } else { Err(Error::Digest { part, offset }) }
}
