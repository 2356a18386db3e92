//! The header of the wal-index: where the log really ends.

use super::checksum::{ByteOrder, Checksum};
use crate::units::{FrameNo, PageSize};

/// How much of the wal-index is read, in bytes: two copies of the header and the count of backfilled frames.
pub const INDEX_LEN: usize = 100;

const COPY_LEN: usize = 48;

/// What the wal-index says of the log at one moment. In the byte order of this machine, as SQLite keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Index {
    /// Grows by one with each commit, survives a restart of the log, is 0 after a recovery (`iChange`).
    pub change: u32,
    /// The last committed frame; 0 if the log was started over and has none yet (`mxFrame`).
    pub max_frame: FrameNo,
    /// The pages of the database after that frame (`nPage`); 0 if the log has never had one.
    pub pages: u32,
    /// The running checksum after that frame (`aFrameCksum`).
    pub checksum: Checksum,
    /// The salts of the log (`aSalt`).
    pub salts: [u8; 8],
    /// The page size (`szPage`); `None` after the recovery of an empty log, which did not say.
    pub page_size: Option<PageSize>,
    /// Frames that a checkpoint has copied into the database file (`nBackfill`).
    pub backfilled: FrameNo,
}

/// The bytes are not a settled wal-index header. Reading again a moment later may succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IndexError {
    /// A writer is at work between the two copies, or died there.
    #[error("the wal-index is being written")]
    Torn,
    /// Nobody has set the wal-index up yet.
    #[error("the wal-index is not initialised")]
    Uninitialised,
    /// A layout that did not exist when this was written.
    #[error("unknown wal-index version {0}")]
    Version(u32),
    /// Not a page size.
    #[error("wal-index with page size field {0}")]
    PageSize(u16),
}

impl Index {
    /// Reads the header: both copies equal, checksum right.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if they are not, at this moment.
    pub fn parse(bytes: &[u8; INDEX_LEN]) -> Result<Index, IndexError> {
        let (copy, second) = (&bytes[..COPY_LEN], &bytes[COPY_LEN..2 * COPY_LEN]);
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if copy != second {
            return Err(IndexError::Torn);
        }
        if bytes[12] == 0 {
            return Err(IndexError::Uninitialised);
        }
        if Checksum::default().update(ByteOrder::NATIVE, &copy[..40]) != Checksum(word(40), word(44)) {
            return Err(IndexError::Torn);
        }
        if word(0) != 3_007_000 {
            return Err(IndexError::Version(word(0)));
        }
        let size = u16::from_ne_bytes([bytes[14], bytes[15]]);
        let mut salts = [0; 8];
        salts.copy_from_slice(&bytes[32..40]);
        Ok(Index {
            change: word(8),
            max_frame: FrameNo(word(16)),
            pages: word(20),
            checksum: Checksum(word(24), word(28)),
            salts,
            page_size: match size {
                0 => None,
                size => Some(PageSize::from_u16(size).ok_or(IndexError::PageSize(size))?),
            },
            backfilled: FrameNo(word(96)),
        })
    }
}
