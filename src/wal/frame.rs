//! Frames, and the checksum chain that makes them a log.

use super::checksum::Checksum;
use super::header::Header;
use crate::units::{FrameNo, PageNo};

/// The length of a frame's header in bytes; a page image follows.
pub const FRAME_HEADER_LEN: usize = 24;

/// One frame that continues the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// The page whose image it is.
    pub page: PageNo,
    /// In a commit frame, the pages of the database after the commit; otherwise `None`.
    pub commit: Option<u32>,
    /// The image.
    pub image: &'a [u8],
}

/// The bytes are not the next frame of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// The salts are those of an earlier log in the same file.
    #[error("frame {0} has the salts of another log")]
    Salts(FrameNo),
    /// It does not continue the checksum chain.
    #[error("frame {0} has a wrong checksum")]
    Checksum(FrameNo),
    /// Pages begin at 1.
    #[error("frame {0} is of page 0")]
    PageZero(FrameNo),
    /// There are not more than 2³² − 1 frames.
    #[error("more frames than a log can have")]
    Overflow,
}

/// A place in a log that can be kept: to go on there later, or to prove that it is still there.
///
/// Always after a commit frame. The default value stands for "a log that has not begun".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// All of the log's header.
    pub header: [u8; super::HEADER_LEN],
    /// The last frame.
    pub frame: FrameNo,
    /// The running checksum after it.
    pub checksum: Checksum,
}

/// A place in a log: the header, the last frame accepted, and the checksum up to there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain {
    header: Header,
    frame: FrameNo,
    checksum: Checksum,
}

impl Chain {
    /// Before the first frame.
    pub fn start(header: Header) -> Chain {
        Chain { header, frame: FrameNo(0), checksum: header.checksum() }
    }

    /// The header of the log.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The last frame accepted; 0 before the first.
    pub fn frame(&self) -> FrameNo {
        self.frame
    }

    /// The running checksum after that frame.
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// The place, to be kept.
    pub fn position(&self) -> Position {
        Position { header: *self.header.bytes(), frame: self.frame, checksum: self.checksum }
    }

    /// The length of a frame of this log in bytes, header and image.
    pub fn frame_len(&self) -> usize {
        FRAME_HEADER_LEN + self.header.page_size().len()
    }

    /// The offset in the file at which a frame begins, in 64 bits: a log may be larger than 4 GiB.
    pub fn frame_offset(&self, frame: FrameNo) -> u64 {
        super::HEADER_LEN as u64 + u64::from(frame.0.saturating_sub(1)) * self.frame_len() as u64
    }

    /// Accepts the next frame, or leaves the chain as it was.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if the bytes do not continue the log.
    ///
    /// # Panics
    ///
    /// If `bytes` is not exactly [`Chain::frame_len`] long.
    pub fn accept<'a>(&mut self, bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        assert_eq!(bytes.len(), self.frame_len(), "a frame is read whole");
        let next = FrameNo(self.frame.0.checked_add(1).ok_or(FrameError::Overflow)?);
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if bytes[8..16] != self.header.salts() {
            return Err(FrameError::Salts(next));
        }
        let (head, image) = bytes.split_at(FRAME_HEADER_LEN);
        let order = self.header.order();
        let checksum = self.checksum.update(order, &head[..8]).update(order, image);
        if checksum != Checksum(word(16), word(20)) {
            return Err(FrameError::Checksum(next));
        }
        let page = PageNo::new(word(0)).ok_or(FrameError::PageZero(next))?;
        self.frame = next;
        self.checksum = checksum;
        Ok(Frame { page, commit: Some(word(4)).filter(|&pages| pages != 0), image })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::ByteOrder;

    /// Offsets of 32 bits ended at 4 GiB, and began again at 0.
    #[test]
    fn a_log_may_be_longer_than_four_gibibytes() {
        let mut bytes = [0; super::super::HEADER_LEN];
        bytes[..4].copy_from_slice(&0x377f_0682u32.to_be_bytes());
        bytes[4..8].copy_from_slice(&3_007_000u32.to_be_bytes());
        bytes[8..12].copy_from_slice(&65_536u32.to_be_bytes());
        let sum = Checksum::default().update(ByteOrder::Little, &bytes[..24]);
        bytes[24..28].copy_from_slice(&sum.0.to_be_bytes());
        bytes[28..32].copy_from_slice(&sum.1.to_be_bytes());
        let chain = Chain::start(Header::parse(&bytes).unwrap());
        assert_eq!(chain.frame_offset(FrameNo(1)), 32);
        assert_eq!(chain.frame_offset(FrameNo(u32::MAX)), 32 + (u64::from(u32::MAX) - 1) * 65_560);
    }
}
