//! Reading a page file that is in memory as a whole.

use super::{ChunkEntry, Error, Outline, PageHasher};
use crate::compress::Decompressor;
use crate::units::{PageHash, PageNo};

/// The outline and all chunks of a page file that is all of `bytes`, in the order of the file.
///
/// Every byte but those of the chunks is checked; [`each_page`] checks those.
///
/// # Errors
///
/// Those of [`Outline::parse`] and [`super::IndexPlace::parse`]; [`Error::Images`] if the index does not have as many
/// page images as the trailer says.
pub fn whole(bytes: &[u8]) -> Result<(Outline, Vec<ChunkEntry>), Error> {
    let outline = Outline::parse(bytes, bytes, bytes.len() as u64)?;
    let mut chunks = Vec::new();
    for place in &outline.index {
        chunks.append(&mut place.parse(part(bytes, place.offset, place.len)?, &outline.header)?);
    }
    let found = chunks.iter().map(|chunk| chunk.hashes.len() as u64).sum();
    if found != outline.images {
        return Err(Error::Images { expected: outline.images, found });
    }
    Ok((outline, chunks))
}

/// Opens all chunks of a page file in its order, and calls `each` with every page image in them.
///
/// A page may come several times: its last image counts. Pages beyond [`super::Summary::pages_after`] may come: they
/// are no longer part of the database. Both are for the caller to see to.
///
/// # Errors
///
/// Those of [`ChunkEntry::open`]. Pages may have been given out before.
pub fn each_page(
    bytes: &[u8],
    outline: &Outline,
    chunks: &[ChunkEntry],
    hasher: &PageHasher,
    mut each: impl FnMut(PageNo, PageHash, &[u8]),
) -> Result<(), Error> {
    let mut decompressor = Decompressor::default();
    for chunk in chunks {
        let record = part(bytes, chunk.offset, chunk.len)?;
        let images = chunk.open(record, &outline.header, hasher, &mut decompressor)?;
        for ((page, hash), image) in chunk.pages().zip(images.chunks_exact(outline.header.page_size.len())) {
            each(page, hash, image);
        }
    }
    Ok(())
}

/// These bytes of the page file.
fn part(bytes: &[u8], offset: u64, len: u32) -> Result<&[u8], Error> {
    let start = usize::try_from(offset).ok();
    let range = start.and_then(|start| bytes.get(start..start.checked_add(len as usize)?));
    range.ok_or(Error::Short { part: "page file", len: bytes.len() as u64, needed: offset.saturating_add(len.into()) })
}
