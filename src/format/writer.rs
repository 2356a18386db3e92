//! Writing a page file as a stream, in memory that does not grow with the pages.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::chunk::{Chunk, Chunks};
use super::record::{self, ENTRY_LEN, FRAME_LEN, INDEX_RECORD_LEN, PLACE_LEN, SECTIONS_LEN, kind};
use super::summary::Layout;
use super::{Error, HEADER_LEN, Header, Summary, TRAILER_LEN, Times};
use crate::compress::Compression;
use crate::ids::Digest;
use crate::units::{PageHash, PageNo};

/// How many bytes of page images the writer puts into one chunk: enough for a good ratio, few enough to read one page.
const FILL_LEN: usize = 128 * 1024;

/// Writes one page file. Bytes are taken out while it grows.
///
/// The same header, calls and summary give the same bytes, with the same version of the compressor.
#[derive(Debug)]
pub struct PageFileWriter {
    header: Header,
    head: [u8; HEADER_LEN],
    records: Chunks,
    /// Bytes ready to be taken, and how many were taken before.
    out: Vec<u8>,
    taken: u64,
    /// The chunk under way.
    pages: Vec<(PageNo, PageHash)>,
    images: Vec<u8>,
    /// The last page added since the last flush.
    last: Option<PageNo>,
    /// The body of the index record under way, and how many chunks it has.
    index: Vec<u8>,
    chunks: u32,
    /// The body of the directory.
    directory: Vec<u8>,
    /// Images added before the chunk under way.
    count: u64,
}

/// The end of a page file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// The last bytes.
    pub bytes: Vec<u8>,
    /// The digest.
    pub digest: Digest,
    /// The length of the whole page file.
    pub len: u64,
}

impl PageFileWriter {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// If a reader would refuse the header, or the compression is not built in.
    ///
    /// # Panics
    ///
    /// If the header says another codec than that of `compression`.
    pub fn new(header: &Header, compression: Compression) -> Result<PageFileWriter, Error> {
        assert_eq!(header.codec, compression.codec(), "the header names the codec that is used");
        header.check()?;
        let head = header.encode();
        Ok(PageFileWriter {
            header: header.clone(),
            head,
            records: Chunks::new(compression)?,
            out: head.to_vec(),
            taken: 0,
            pages: Vec::new(),
            images: Vec::new(),
            last: None,
            index: Vec::new(),
            chunks: 0,
            directory: Vec::new(),
            count: 0,
        })
    }

    /// Adds pages: `images` is their images one after the other. Within one call, and until [`PageFileWriter::flush`],
    /// pages ascend; a page that was added before the last flush may come again and then counts.
    ///
    /// The hashes are taken as they are: a wrong one makes a page file that nobody can read.
    ///
    /// Many pages in one call, a MiB or so, are compressed on all cores, eight at most; there is no other reason to
    /// collect them.
    ///
    /// # Errors
    ///
    /// If the compressor finds no memory.
    ///
    /// # Panics
    ///
    /// If they do not ascend, the lock page is among them, or `images` has another length.
    pub fn add(&mut self, pages: &[(PageNo, PageHash)], images: &[u8]) -> Result<(), Error> {
        let page_size = self.header.page_size;
        assert_eq!(images.len(), pages.len() * page_size.len(), "every page has one image");
        for &(page, _) in pages {
            assert!(self.last.is_none_or(|last| last < page), "pages ascend until a flush");
            assert_ne!(page, page_size.lock_page(), "the lock page is never stored");
            self.last = Some(page);
        }
        let in_a_chunk = FILL_LEN / page_size.len();
        let (mut pages, mut images, mut full) = (pages, images, Vec::new());
        while !pages.is_empty() {
            let count = pages.len().min(in_a_chunk - self.pages.len());
            let (these, rest) = pages.split_at(count);
            let (of_these, of_rest) = images.split_at(count * page_size.len());
            (pages, images) = (rest, of_rest);
            if count == in_a_chunk {
                full.push(Chunk { pages: Cow::Borrowed(these), images: Cow::Borrowed(of_these) });
                continue;
            }
            self.pages.extend_from_slice(these);
            self.images.extend_from_slice(of_these);
            if self.pages.len() == in_a_chunk {
                full.push(self.chunk_under_way());
            }
        }
        self.write(full)
    }

    /// Ends the chunk under way, so that pages may begin again from the first.
    ///
    /// # Errors
    ///
    /// Those of [`PageFileWriter::add`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.last = None;
        self.end_chunk()
    }

    /// Takes the bytes that are ready to go, in order.
    pub fn take(&mut self) -> Vec<u8> {
        self.taken += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }

    /// Takes back what [`PageFileWriter::take`] gave, to write what comes next there: fresh memory takes longer.
    pub fn reuse(&mut self, mut room: Vec<u8>) {
        if self.out.is_empty() {
            room.clear();
            self.out = room;
        }
    }

    /// How many bytes [`PageFileWriter::take`] would give.
    pub fn ready(&self) -> usize {
        self.out.len()
    }

    /// Ends the page file.
    ///
    /// # Errors
    ///
    /// If a reader would refuse the summary; those of [`PageFileWriter::add`].
    pub fn finish(self, summary: &Summary) -> Result<Finished, Error> {
        self.end(summary, None)
    }

    /// Ends the page file of a merged segment, with the times of the points that it leads over.
    ///
    /// # Errors
    ///
    /// If a reader would refuse the summary or the times; those of [`PageFileWriter::add`].
    pub fn finish_merged(self, summary: &Summary, times: &Times) -> Result<Finished, Error> {
        self.end(summary, Some(times))
    }

    fn end(mut self, summary: &Summary, times: Option<&Times>) -> Result<Finished, Error> {
        self.end_chunk()?;
        self.end_index();
        summary.check(&self.header, self.count)?;
        let times = match times {
            Some(times) => {
                times.check(&self.header, summary)?;
                times.encode()
            }
            None => Vec::new(),
        };
        if times.len() + FRAME_LEN + self.directory.len() > SECTIONS_LEN {
            return Err(Error::Range { what: "length of the directory", value: self.directory.len() as i128 });
        }
        let sections = [&record::frame(kind::DIRECTORY, self.directory.len())[..], &self.directory, &times].concat();
        let directory = self.offset();
        let len = directory + (sections.len() + TRAILER_LEN) as u64;
        let trailer = summary.encode(Layout { directory, len, images: self.count });
        let mut hash = Sha256::new();
        hash.update(self.head);
        hash.update(&sections);
        hash.update(trailer);
        let digest = Digest(hash.finalize().into());
        self.out.extend_from_slice(&sections);
        self.out.extend_from_slice(&trailer);
        self.out.extend_from_slice(&digest.0);
        Ok(Finished { bytes: self.out, digest, len })
    }

    /// Where the next record begins.
    fn offset(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    fn chunk_under_way(&mut self) -> Chunk<'static> {
        let (pages, images) = (std::mem::take(&mut self.pages), std::mem::take(&mut self.images));
        Chunk { pages: Cow::Owned(pages), images: Cow::Owned(images) }
    }

    fn end_chunk(&mut self) -> Result<(), Error> {
        if self.pages.is_empty() {
            return Ok(());
        }
        let chunk = self.chunk_under_way();
        self.write(vec![chunk])
    }

    /// Appends chunks, and what the index says of them.
    fn write(&mut self, chunks: Vec<Chunk<'_>>) -> Result<(), Error> {
        let records = self.records.records(&chunks)?;
        for (Chunk { pages, images }, record) in chunks.into_iter().zip(records) {
            let entry_len = ENTRY_LEN + record.runs.len() + 8 * pages.len();
            if FRAME_LEN + self.index.len() + entry_len > INDEX_RECORD_LEN {
                self.end_index();
            }
            let offset = self.offset();
            self.out.extend_from_slice(&record.bytes);
            self.index.extend_from_slice(&offset.to_le_bytes());
            self.index.extend_from_slice(&(record.bytes.len() as u32).to_le_bytes());
            self.index.extend_from_slice(&((record.runs.len() / 8) as u32).to_le_bytes());
            self.index.extend_from_slice(&record.digest.0);
            self.index.extend_from_slice(&record.runs);
            pages.iter().for_each(|(_, hash)| self.index.extend_from_slice(&hash.0.to_le_bytes()));
            self.records.done(record);
            self.chunks += 1;
            self.count += pages.len() as u64;
            // Its room is that of the next one.
            if let (Cow::Owned(mut pages), Cow::Owned(mut images)) = (pages, images)
                && self.pages.is_empty()
            {
                pages.clear();
                images.clear();
                (self.pages, self.images) = (pages, images);
            }
        }
        Ok(())
    }

    fn end_index(&mut self) {
        if self.chunks == 0 {
            return;
        }
        let (offset, start) = (self.offset(), self.out.len());
        self.out.extend_from_slice(&record::frame(kind::INDEX, self.index.len()));
        self.out.append(&mut self.index);
        let len = self.out.len() - start;
        self.directory.reserve(PLACE_LEN);
        self.directory.extend_from_slice(&offset.to_le_bytes());
        self.directory.extend_from_slice(&(len as u32).to_le_bytes());
        self.directory.extend_from_slice(&self.chunks.to_le_bytes());
        self.directory.extend_from_slice(&Sha256::digest(&self.out[start..]));
        self.chunks = 0;
    }
}
