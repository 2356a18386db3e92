//! The first 32 bytes of a WAL.

use super::checksum::{ByteOrder, Checksum};
use crate::units::PageSize;

/// The length of a WAL header in bytes.
pub const HEADER_LEN: usize = 32;

const MAGIC_LITTLE: u32 = 0x377f_0682;
const MAGIC_BIG: u32 = 0x377f_0683;
const VERSION: u32 = 3_007_000;

/// A WAL header whose checksum is right.
///
/// Two logs are the same one if and only if all 32 bytes are: while nothing is committed SQLite may write the header
/// again with the same salts and another sequence number, which seeds another checksum chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    bytes: [u8; HEADER_LEN],
    page_size: PageSize,
    order: ByteOrder,
    checksum: Checksum,
}

/// The bytes are not a WAL header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// Neither of the two magic numbers.
    #[error("not a WAL: magic number {0:#010x}")]
    Magic(u32),
    /// A format that did not exist when this was written.
    #[error("unknown WAL version {0}")]
    Version(u32),
    /// Not a power of two from 512 to 65,536.
    #[error("WAL header with page size {0}")]
    PageSize(u32),
    /// Torn or damaged.
    #[error("WAL header with a wrong checksum")]
    Checksum,
}

impl Header {
    /// Reads and checks a header.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Header, HeaderError> {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let order = match word(0) {
            MAGIC_LITTLE => ByteOrder::Little,
            MAGIC_BIG => ByteOrder::Big,
            other => return Err(HeaderError::Magic(other)),
        };
        if word(4) != VERSION {
            return Err(HeaderError::Version(word(4)));
        }
        let page_size = PageSize::new(word(8)).ok_or(HeaderError::PageSize(word(8)))?;
        let checksum = Checksum::default().update(order, &bytes[..24]);
        if checksum != Checksum(word(24), word(28)) {
            return Err(HeaderError::Checksum);
        }
        Ok(Header { bytes: *bytes, page_size, order, checksum })
    }

    /// All 32 bytes, the identity of the log.
    pub fn bytes(&self) -> &[u8; HEADER_LEN] {
        &self.bytes
    }

    /// The page size in the header.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// The byte order of every checksum in this log.
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    /// The checksum that the first frame continues.
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// The two salts, as they are repeated in each frame and in the wal-index.
    pub fn salts(&self) -> [u8; 8] {
        let mut salts = [0; 8];
        salts.copy_from_slice(&self.bytes[16..24]);
        salts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(magic: u32, sequence: u32) -> [u8; 32] {
        let order = if magic == MAGIC_BIG { ByteOrder::Big } else { ByteOrder::Little };
        let mut bytes = [0u8; 32];
        for (at, word) in [magic, VERSION, 4096, sequence, 0x1111, 0x2222].iter().enumerate() {
            bytes[at * 4..at * 4 + 4].copy_from_slice(&word.to_be_bytes());
        }
        let sum = Checksum::default().update(order, &bytes[..24]);
        bytes[24..28].copy_from_slice(&sum.0.to_be_bytes());
        bytes[28..].copy_from_slice(&sum.1.to_be_bytes());
        bytes
    }

    #[test]
    fn both_byte_orders_are_read() {
        for magic in [MAGIC_LITTLE, MAGIC_BIG] {
            let parsed = Header::parse(&header(magic, 7)).unwrap();
            assert_eq!(parsed.page_size().get(), 4096);
        }
    }

    #[test]
    fn the_same_salts_with_another_sequence_number_are_another_log() {
        let (a, b) =
            (Header::parse(&header(MAGIC_LITTLE, 1)).unwrap(), Header::parse(&header(MAGIC_LITTLE, 2)).unwrap());
        assert_eq!(a.salts(), b.salts());
        assert_ne!(a.checksum(), b.checksum());
        assert_ne!(a, b);
    }

    #[test]
    fn one_changed_byte_is_noticed() {
        let good = header(MAGIC_LITTLE, 3);
        for at in 0..32 {
            let mut bad = good;
            bad[at] ^= 1;
            assert!(Header::parse(&bad).is_err(), "byte {at}");
        }
    }
}
