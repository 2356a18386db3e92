//! What a log holds, by [`waloy::wal`] alone.

use std::collections::HashMap;

use waloy::units::{FrameNo, PageSize};
use waloy::wal::{Chain, Checksum, FRAME_HEADER_LEN, HEADER_LEN, Header, HeaderError};

/// The committed prefix of a log that nobody has open.
#[derive(Default)]
pub(super) struct Scan {
    /// Why there is none at all, if it begins with no header.
    pub(super) refused: Option<HeaderError>,
    pub(super) salts: [u8; 8],
    pub(super) page_size: Option<PageSize>,
    /// The last commit frame; 0 without one, as the next two.
    pub(super) frame: FrameNo,
    pub(super) pages: u32,
    pub(super) checksum: Checksum,
    /// The greatest count of pages that any commit but the first left.
    pub(super) most: u32,
    /// Where the newest image of each page begins.
    images: HashMap<u32, usize>,
}

impl Scan {
    pub(super) fn of(log: &[u8]) -> Scan {
        let Some(header) = log.first_chunk::<HEADER_LEN>() else { return Scan::default() };
        let header = match Header::parse(header) {
            Ok(header) => header,
            Err(error) => return Scan { refused: Some(error), ..Scan::default() },
        };
        let mut scan = Scan { salts: header.salts(), page_size: Some(header.page_size()), ..Scan::default() };
        let mut chain = Chain::start(header);
        let mut uncommitted = Vec::new();
        for bytes in log[HEADER_LEN..].chunks_exact(chain.frame_len()) {
            let Ok(frame) = chain.accept(bytes) else { break };
            let image = chain.frame_offset(chain.frame()) as usize + FRAME_HEADER_LEN;
            uncommitted.push((frame.page.get(), image));
            if let Some(pages) = frame.commit {
                if scan.pages > 0 {
                    scan.most = scan.most.max(pages);
                }
                (scan.frame, scan.pages, scan.checksum) = (chain.frame(), pages, chain.checksum());
                scan.images.extend(uncommitted.drain(..));
            }
        }
        scan
    }

    /// A page as the log and the database file together have it; beyond the end of the file it is zeros.
    pub(super) fn page(&self, number: u32, size: usize, log: &[u8], database: &[u8]) -> Vec<u8> {
        if let Some(&at) = self.images.get(&number) {
            return log[at..at + size].to_vec();
        }
        let at = (number as usize - 1) * size;
        let mut image: Vec<u8> = database.iter().skip(at).take(size).copied().collect();
        image.resize(size, 0);
        image
    }
}
