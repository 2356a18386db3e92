//! What a page file is, without its pages: header, directory, trailer, and the digest over them.

use sha2::{Digest as _, Sha256};

use super::fields::Fields;
use super::record::{
    self, CHUNK_RECORD_LEN, CHUNK_RECORD_MIN, ENTRY_LEN, FRAME_LEN, INDEX_RECORD_LEN, SECTIONS_LEN, kind,
};
use super::summary::{COVERED_LEN, Layout};
use super::{CHUNK_LEN, Error, HEADER_LEN, Header, IndexPlace, Summary, TRAILER_LEN, Times};
use crate::ids::Digest;

const FILE: &str = "page file";
const DIRECTORY: &str = "directory";

/// The shortest page file: without any page.
const SHORTEST: u64 = (HEADER_LEN + FRAME_LEN + TRAILER_LEN) as u64;

/// Header, directory and trailer, proven against the digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outline {
    /// What was known when writing began.
    pub header: Header,
    /// What was known when it ended.
    pub summary: Summary,
    /// The points that it leads over, if it is merged and says so.
    pub times: Option<Times>,
    /// Where the index records are, in the order of the file.
    pub index: Vec<IndexPlace>,
    /// Page images in the file, every occurrence. Whoever reads the whole index compares their number with it.
    pub images: u64,
    /// The digest of the page file.
    pub digest: Digest,
    /// The length of the page file in bytes.
    pub len: u64,
}

impl Outline {
    /// The sections of a page file are at most this long together: what is read for an outline is bounded.
    pub const SECTIONS_LEN: usize = SECTIONS_LEN;

    /// Where the sections begin, told by the last bytes of a page file (at least [`super::TRAILER_LEN`] of them) and
    /// its length: what [`Outline::parse`] needs as `tail` begins there. Only checks what it needs for that.
    ///
    /// # Errors
    ///
    /// If the tail does not end with a trailer, or that says of itself what cannot be.
    pub fn tail_begins(tail: &[u8], len: u64) -> Result<u64, Error> {
        if len < SHORTEST {
            return Err(Error::Short { part: FILE, len, needed: SHORTEST });
        }
        let (_, layout) = Summary::parse(trailer(tail)?)?;
        layout.check(len)?;
        Ok(layout.directory)
    }

    /// Reads and checks all of it. `head` begins with the first [`super::HEADER_LEN`] bytes, `tail` is the last bytes,
    /// from [`Outline::tail_begins`] or earlier, `len` the length of the page file.
    ///
    /// # Errors
    ///
    /// If the bytes are not those that the digest stands for, or not what a writer makes.
    pub fn parse(head: &[u8], tail: &[u8], len: u64) -> Result<Outline, Error> {
        let header = Header::parse(head)?;
        let directory = Outline::tail_begins(tail, len)?;
        let trailer = trailer(tail)?;
        let (summary, layout) = Summary::parse(trailer)?;
        let needed = len - directory;
        let Some(sections) = usize::try_from(needed).ok().and_then(|needed| tail.len().checked_sub(needed)) else {
            return Err(Error::Short { part: "tail", len: tail.len() as u64, needed });
        };
        let sections = &tail[sections..tail.len() - TRAILER_LEN];

        let mut hash = Sha256::new();
        hash.update(&head[..HEADER_LEN]);
        hash.update(sections);
        hash.update(&trailer[..COVERED_LEN]);
        let computed: [u8; 32] = hash.finalize().into();
        if computed != trailer[COVERED_LEN..] {
            return Err(Error::Digest { part: FILE, offset: 0 });
        }

        summary.check(&header, layout.images)?;
        let (index, times) = places(sections, &layout)?;
        if let Some(times) = &times {
            times.check(&header, &summary)?;
        }
        let (chunks, full) =
            (index.iter().map(|place| u64::from(place.chunks)).sum(), CHUNK_LEN / header.page_size.len());
        if layout.images < chunks || layout.images > chunks.saturating_mul(full as u64) {
            return Err(Error::Contradiction("a number of page images that the chunks cannot have"));
        }
        Ok(Outline { header, summary, times, index, images: layout.images, digest: Digest(computed), len })
    }
}

impl Layout {
    /// Whether a page file of this length can be laid out so.
    fn check(&self, len: u64) -> Result<(), Error> {
        if self.len > len {
            return Err(Error::Short { part: FILE, len, needed: self.len });
        }
        if self.len < len {
            return Err(Error::Trailing { part: FILE, len: len - self.len });
        }
        let latest = len - (FRAME_LEN + TRAILER_LEN) as u64;
        let earliest = len.saturating_sub((SECTIONS_LEN + TRAILER_LEN) as u64).max(HEADER_LEN as u64);
        if !(earliest..=latest).contains(&self.directory) {
            return Err(Error::Range { what: "offset of the directory", value: self.directory.into() });
        }
        Ok(())
    }
}

/// The trailer at the end of these bytes.
fn trailer(tail: &[u8]) -> Result<&[u8; TRAILER_LEN], Error> {
    let short = Error::Short { part: "tail", len: tail.len() as u64, needed: TRAILER_LEN as u64 };
    tail.last_chunk().ok_or(short)
}

/// Reads the sections: the directory first, then others, each type once, in order of type.
fn places(sections: &[u8], layout: &Layout) -> Result<(Vec<IndexPlace>, Option<Times>), Error> {
    let (found, directory, mut rest) = record::split(DIRECTORY, sections)?;
    if found != kind::DIRECTORY {
        return Err(Error::RecordType { part: DIRECTORY, found });
    }
    let mut before = kind::DIRECTORY;
    let mut times = None;
    while !rest.is_empty() {
        let (found, body, after) = record::split("section", rest)?;
        if found <= before || found == kind::TRAILER {
            return Err(Error::RecordType { part: "section behind the one before", found });
        }
        if found < kind::SKIPPABLE {
            return Err(Error::Section(found));
        }
        if found == kind::TIMES {
            times = Some(Times::parse(body)?);
        }
        (before, rest) = (found, after);
    }

    let mut fields = Fields::new(DIRECTORY, directory);
    let mut index = Vec::new();
    let mut begins = HEADER_LEN as u64;
    while !fields.rest().is_empty() {
        let (offset, len, chunks) = (fields.u64()?, fields.u32()?, fields.u32()?);
        let place = IndexPlace { offset, len, chunks, digest: Digest(fields.array()?), begins };
        begins = place.ends()?;
        index.push(place);
    }
    if begins == layout.directory {
        Ok((index, times))
    } else {
        Err(Error::Gap { part: DIRECTORY, expected: begins, found: layout.directory })
    }
}

impl IndexPlace {
    /// The first byte behind the record. Refuses a record that no writer closes, or chunks that cannot be so long.
    fn ends(&self) -> Result<u64, Error> {
        let (len, chunks) = (u64::from(self.len), u64::from(self.chunks));
        let shortest = FRAME_LEN as u64 + chunks * (ENTRY_LEN + 16) as u64;
        if len < shortest || len > INDEX_RECORD_LEN as u64 {
            return Err(Error::Range { what: "length of an index record", value: len.into() });
        }
        let least = self.begins.saturating_add(chunks * CHUNK_RECORD_MIN as u64);
        let most = self.begins.saturating_add(chunks * CHUNK_RECORD_LEN as u64);
        if chunks == 0 || self.offset < least || self.offset > most {
            return Err(Error::Range { what: "offset of an index record", value: self.offset.into() });
        }
        Ok(self.offset.saturating_add(len))
    }
}
