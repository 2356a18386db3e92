//! What slots and data keys have in common: a magic in front, a CRC-32C behind.

use super::{Error, What};

/// Checks length and magic, then the checksum.
pub(super) fn check<const N: usize>(bytes: &[u8], magic: &[u8; 8], what: What) -> Result<[u8; N], Error> {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else {
        return Err(Error::Cut { what, len: bytes.len() as u64 });
    };
    if !bytes.starts_with(magic) {
        return Err(Error::NotOurs { what });
    }
    if array(bytes, N - 4) != crc32c::crc32c(&bytes[..N - 4]).to_be_bytes() {
        return Err(Error::Damaged { what });
    }
    Ok(*bytes)
}

/// Writes the checksum of all before it.
pub(super) fn finish<const N: usize>(bytes: &mut [u8; N]) {
    let checksum = crc32c::crc32c(&bytes[..N - 4]);
    bytes[N - 4..].copy_from_slice(&checksum.to_be_bytes());
}

/// The field at this offset, which is within the bytes.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

/// The number at this offset.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}
