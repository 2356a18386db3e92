//! Puts the digests of a changed page file right, as whoever writes to a store can. From the specification alone.

use sha2::{Digest as _, Sha256};
use waloy::format::{HEADER_LEN, TRAILER_LEN};

fn u64_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn digest_of(bytes: &[u8], at: usize, len: usize) -> Option<[u8; 32]> {
    Some(Sha256::digest(bytes.get(at..at.checked_add(len)?)?).into())
}

/// As far as the lengths in it lead: chunks into the index, that into the directory, that into the trailer.
pub(crate) fn sign(bytes: &mut [u8]) {
    if bytes.len() < HEADER_LEN + 8 + TRAILER_LEN {
        return;
    }
    let checksum = crc32c::crc32c(&bytes[..156]);
    bytes[156..160].copy_from_slice(&checksum.to_le_bytes());

    let trailer = bytes.len() - TRAILER_LEN;
    let Some(directory) = u64_at(bytes, trailer + 16).filter(|&at| at <= trailer) else { return };
    let mut entry = directory.saturating_add(8);
    while entry + 48 <= trailer && sign_index(bytes, entry).is_some() {
        entry += 48;
    }
    let parts = [&bytes[..HEADER_LEN], &bytes[directory..bytes.len() - 32]].concat();
    let end = bytes.len() - 32;
    bytes[end..].copy_from_slice(&Sha256::digest(parts));
}

/// Puts right the index record of this directory entry.
fn sign_index(bytes: &mut [u8], entry: usize) -> Option<()> {
    let (index, len, chunks) = (u64_at(bytes, entry)?, u32_at(bytes, entry + 8)?, u32_at(bytes, entry + 12)?);
    let mut at = index.checked_add(8)?;
    for _ in 0..chunks.min(1000) {
        let Some(next) = sign_chunk(bytes, at) else { break };
        at = next;
    }
    let digest = digest_of(bytes, index, len)?;
    bytes[entry + 16..entry + 48].copy_from_slice(&digest);
    Some(())
}

/// Puts right the chunk of this index entry, and says where the next entry is.
fn sign_chunk(bytes: &mut [u8], entry: usize) -> Option<usize> {
    let (chunk, len, runs) = (u64_at(bytes, entry)?, u32_at(bytes, entry + 8)?, u32_at(bytes, entry + 12)?);
    let digest = digest_of(bytes, chunk, len)?;
    bytes.get_mut(entry + 16..entry + 48)?.copy_from_slice(&digest);
    let mut pages = 0usize;
    for run in 0..runs.min(1000) {
        pages += u32_at(bytes, entry + 48 + 8 * run + 4)?.min(1000);
    }
    Some(entry + 48 + 8 * runs.min(1000) + 8 * pages)
}
