//! Records: the frame of everything behind the header, and the limits of their lengths.

use super::CHUNK_LEN;
use super::Error;
use super::fields::Fields;

/// The length of type, zeros and length, in front of every body.
pub(super) const FRAME_LEN: usize = 8;

/// Images in a chunk at most, whatever the page size.
const CHUNK_IMAGES: usize = CHUNK_LEN / 512;

/// The length of a chunk's record at most: the images, their longest list of runs, and what compression may add.
pub(super) const CHUNK_RECORD_LEN: usize = 264 * 1024;

/// The length of a chunk's record at least: one run and one byte.
pub(super) const CHUNK_RECORD_MIN: usize = FRAME_LEN + 4 + 8 + 1;

/// The length of an index record at most.
pub(super) const INDEX_RECORD_LEN: usize = 1024 * 1024;

/// The length of an index entry without its runs and hashes.
pub(super) const ENTRY_LEN: usize = 48;

/// The length of a directory entry.
pub(super) const PLACE_LEN: usize = 48;

/// The length of all sections together at most.
pub(super) const SECTIONS_LEN: usize = 16 * 1024 * 1024;

// An entry of any chunk fits an index record, and both codecs add at most one byte in 255 and a few more.
const _: () = assert!(FRAME_LEN + ENTRY_LEN + 16 * CHUNK_IMAGES <= INDEX_RECORD_LEN);
const _: () = assert!(FRAME_LEN + 4 + 8 * CHUNK_IMAGES + CHUNK_LEN + CHUNK_LEN / 255 + 64 <= CHUNK_RECORD_LEN);

/// The types of records.
pub(super) mod kind {
    pub(in crate::format) const CHUNK: u8 = 1;
    pub(in crate::format) const INDEX: u8 = 2;
    pub(in crate::format) const DIRECTORY: u8 = 3;
    /// From here up to the trailer, types that a reader may skip.
    pub(in crate::format) const SKIPPABLE: u8 = 128;
    pub(in crate::format) const TIMES: u8 = 128;
    pub(in crate::format) const TRAILER: u8 = 255;
}

/// The eight bytes in front of a body of this length.
pub(super) fn frame(kind: u8, body_len: usize) -> [u8; FRAME_LEN] {
    let len = u32::try_from(body_len).expect("no record is longer than 16 MiB");
    let mut bytes = [0; FRAME_LEN];
    bytes[0] = kind;
    bytes[4..].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// Type, body and what follows of the record at the beginning of `bytes`.
pub(super) fn split<'a>(part: &'static str, bytes: &'a [u8]) -> Result<(u8, &'a [u8], &'a [u8]), Error> {
    let mut fields = Fields::new(part, bytes);
    let kind = fields.u8()?;
    fields.zero::<3>()?;
    let len = fields.u32()?;
    let rest = fields.rest();
    match rest.split_at_checked(len as usize) {
        Some((body, after)) => Ok((kind, body, after)),
        None => Err(Error::Short { part, len: rest.len() as u64, needed: len.into() }),
    }
}

/// The body of a record of this type that is all of `bytes`.
pub(super) fn body<'a>(part: &'static str, kind: u8, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    let (found, body, after) = split(part, bytes)?;
    if found != kind {
        return Err(Error::RecordType { part, found });
    }
    if !after.is_empty() {
        return Err(Error::Trailing { part, len: after.len() as u64 });
    }
    Ok(body)
}
