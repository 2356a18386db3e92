//! Following the log: everything committed since the last time, proven frame by frame.

use std::collections::HashMap;

use super::error::Error;
use super::handle;
use super::pin::Pin;
use super::room::Room;
use crate::units::{FrameNo, PageNo, PageSize};
use crate::wal::{Chain, HEADER_LEN, Header, Index, Position};

/// How much of the log is read at once, in bytes, if a frame is not larger: what stays in the cache of a core, and in the
/// heap once it is freed.
const BATCH: usize = 64 * 1024;

/// How often header and wal-index are read again when they are of two different logs.
const AGREE_TRIES: u32 = 100;

/// Frames of which the places are remembered in room that is kept when the log is started over.
const FRAMES_AT_MOST: usize = 64 * 1024;

/// Takes what capture finds. All of it is committed; when [`Sink::commit`] was called the pages before it are whole.
pub trait Sink {
    /// The image of a page, newer than any before.
    fn page(&mut self, page: PageNo, image: &[u8]);
    /// A transaction ended here and left the database with so many pages.
    fn commit(&mut self, pages_after: u32);
}

/// Takes nothing: for frames that are only to be proven.
#[derive(Debug)]
pub struct Ignore;

impl Sink for Ignore {
    fn page(&mut self, _page: PageNo, _image: &[u8]) {}
    fn commit(&mut self, _pages_after: u32) {}
}

/// What one capture found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Captured {
    /// Transactions, by the count that SQLite itself keeps.
    pub commits: u32,
    /// Frames.
    pub frames: u32,
    /// The log was started over since the last capture.
    pub restarted: bool,
}

/// Where a capture can be gone on with later, by another process, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The last commit captured.
    pub position: Position,
    /// The pages of the database after it. They cannot be found out later where it is the beginning of a log.
    pub pages: u32,
}

/// Where capture stands in the log.
#[derive(Debug)]
pub(super) struct Tail {
    page_size: PageSize,
    /// `None` while the log has been started over and has no header yet.
    chain: Option<Chain>,
    /// The newest frame of each page in the log, from its first frame to `chain`.
    map: HashMap<PageNo, FrameNo>,
    /// The pages of the database after the last commit captured.
    pages: u32,
    /// `iChange` at the last capture.
    change: u32,
    /// A capture failed half way: `map` may be ahead of `chain`.
    torn: bool,
}

impl Tail {
    /// The log was started over, or is another one. Of a large transaction the map would keep the room for ever.
    fn forget_frames(&mut self) {
        self.map.clear();
        self.map.shrink_to(FRAMES_AT_MOST);
    }

    /// Begins to follow the log at its present end, or, with `resume`, at a place kept earlier: what is after it goes
    /// to `sink`. The log is read from its first frame, since reads of pages need to know where each one is.
    ///
    /// # Errors
    ///
    /// [`Error::PositionLost`] if the log does not hold that place; others as [`Tail::capture`].
    pub(super) fn attach(pin: &Pin, resume: Option<&Place>, sink: &mut dyn Sink) -> Result<(Tail, Captured), Error> {
        let mut attempt = 0;
        loop {
            let index = pin.index()?;
            let page_size = match index.page_size {
                Some(size) => size,
                None => page_size_in_file(pin)?,
            };
            let mut tail =
                Tail { page_size, chain: None, map: HashMap::new(), pages: 0, change: index.change, torn: false };
            match tail.attach_once(pin, resume, sink) {
                Ok(captured) => return Ok((tail, captured)),
                // A first pin with mark 0 does not keep a log that is wholly backfilled from being started over.
                Err(error) if error.is_loss() && !matches!(error, Error::PositionLost(_)) && attempt < 10 => {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn attach_once(&mut self, pin: &Pin, resume: Option<&Place>, sink: &mut dyn Sink) -> Result<Captured, Error> {
        let (index, header) = agree(pin)?;
        let lost = |position: &Position| Error::PositionLost(position.frame);
        let Some(header) = header else {
            self.start_over(pin, &index)?;
            // Without a header nothing tells this empty log from another.
            let here = self.chain.map(|chain| chain.position());
            return match resume {
                Some(Place { position, .. }) if here != Some(*position) => Err(lost(position)),
                _ => Ok(Captured::default()),
            };
        };
        self.require_page_size(&index, Some(&header))?;
        let mut chain = Chain::start(header);
        let Some(Place { position, pages }) = resume else {
            self.read(pin, &mut chain, index.max_frame, &mut Ignore)?;
            self.finish(chain, &index)?;
            return Ok(Captured::default());
        };
        if position.header != *header.bytes() || position.frame > index.max_frame {
            return Err(lost(position));
        }
        self.read(pin, &mut chain, position.frame, &mut Ignore)?;
        if chain.checksum() != position.checksum {
            return Err(lost(position));
        }
        if position.frame == FrameNo(0) {
            // No commit before it tells.
            self.pages = *pages;
        }
        let found = self.read(pin, &mut chain, index.max_frame, sink)?;
        self.finish(chain, &index)?;
        Ok(Captured { commits: found.commits - found.repeats, frames: found.frames, restarted: false })
    }

    /// Captures everything up to the present end of the log. `pin` must have been opened before, and the one before it
    /// must still be held.
    ///
    /// # Errors
    ///
    /// [`Error::is_loss`]: what was captured does not join what the log holds. Otherwise nothing is lost, and a later
    /// capture will pass the same pages again.
    pub(super) fn capture(&mut self, pin: &Pin, sink: &mut dyn Sink) -> Result<(Captured, Index), Error> {
        let (index, header) = agree(pin)?;
        self.require_page_size(&index, header.as_ref())?;
        let Some(header) = header else {
            let restarted = self.has_frames();
            self.judge(&index, Found::default())?;
            self.start_over(pin, &index)?;
            return Ok((Captured { restarted, ..Captured::default() }, index));
        };
        let (mut chain, restarted) = match self.chain {
            // The salts alone would not do: until the first commit every writer writes the header anew, with the same
            // salts and a sequence number of its own, and each seeds another checksum chain.
            Some(chain) if *chain.header() == header => (chain, false),
            _ => {
                self.forget_frames();
                (Chain::start(header), self.has_frames())
            }
        };
        if index.max_frame < chain.frame() {
            return Err(Error::Mismatch(format!(
                "it ends at frame {}, before frame {}",
                index.max_frame,
                chain.frame()
            )));
        }
        self.torn = true;
        let pages = self.pages;
        let captured = self.read(pin, &mut chain, index.max_frame, sink).and_then(|found| {
            let commits = self.judge(&index, found)?;
            self.finish(chain, &index)?;
            Ok(Captured { commits, frames: found.frames, restarted })
        });
        if captured.is_err() {
            self.pages = pages;
        }
        Ok((captured?, index))
    }

    /// Every image must have the size that the sink was told.
    fn require_page_size(&self, index: &Index, header: Option<&Header>) -> Result<(), Error> {
        let sizes = [index.page_size, header.map(Header::page_size)];
        if sizes.into_iter().flatten().all(|size| size == self.page_size) { Ok(()) } else { Err(Error::PageSize) }
    }

    /// The log had frames at the last capture.
    fn has_frames(&self) -> bool {
        self.chain.is_some_and(|chain| chain.frame() > FrameNo(0))
    }

    /// The log was started over and is empty: everything is in the file.
    fn start_over(&mut self, pin: &Pin, index: &Index) -> Result<(), Error> {
        let header = read_header(pin)?.and_then(|bytes| Header::parse(&bytes).ok());
        self.chain = header.filter(|header| header.salts() == index.salts).map(Chain::start);
        self.forget_frames();
        self.change = index.change;
        self.pages = match index.pages {
            0 => pages_in_file(pin, self.page_size)?,
            pages => pages,
        };
        self.torn = false;
        Ok(())
    }

    fn finish(&mut self, chain: Chain, index: &Index) -> Result<(), Error> {
        if chain.checksum() != index.checksum {
            return Err(Error::Mismatch(format!("frame {} has another checksum", chain.frame())));
        }
        if self.pages != index.pages {
            return Err(Error::Mismatch(format!("{} pages in the log, {} in the wal-index", self.pages, index.pages)));
        }
        self.chain = Some(chain);
        self.change = index.change;
        self.torn = false;
        Ok(())
    }

    /// The independent detector of loss: SQLite counts its commits, and so did we. Returns its count.
    fn judge(&self, index: &Index, found: Found) -> Result<u32, Error> {
        let passed = index.change.wrapping_sub(self.change);
        if (found.commits - found.repeats..=found.commits).contains(&passed) {
            return Ok(passed);
        }
        // A recovery sets the count to 0. What it recovered is what the log holds, and that was proven above.
        if index.change <= found.commits {
            tracing::warn!(change = index.change, "the wal-index was recovered");
            return Ok(found.commits - found.repeats);
        }
        Err(Error::Lost { missing: passed.wrapping_sub(found.commits) })
    }

    /// Proves and passes on the frames after `chain`, up to and with `last`, which must end a transaction.
    fn read(&mut self, pin: &Pin, chain: &mut Chain, last: FrameNo, sink: &mut dyn Sink) -> Result<Found, Error> {
        let wal = handle::wal(&pin.connection).map_err(Error::file("reach the WAL"))?;
        let frame_len = chain.frame_len();
        let batch = (BATCH / frame_len).max(1) as u32;
        let mut buffer = vec![0u8; batch.min(last.0 - chain.frame().0) as usize * frame_len];
        let mut found = Found::default();
        let mut transaction = chain.frame();
        let mut ended = true;
        // The last frame, if it is of a commit.
        let (mut previous, mut committed): (Option<(PageNo, u32)>, Vec<u8>) = (None, Vec::new());
        while chain.frame() < last {
            let count = batch.min(last.0 - chain.frame().0) as usize;
            let bytes = &mut buffer[..count * frame_len];
            let offset = chain.frame_offset(FrameNo(chain.frame().0 + 1));
            if !wal.read_at(offset, bytes).map_err(Error::file("read the WAL"))? {
                return Err(Error::Mismatch(format!("it ends before frame {last}")));
            }
            for bytes in bytes.chunks_exact(frame_len) {
                let frame = chain.accept(bytes)?;
                found.frames += 1;
                self.map.insert(frame.page, chain.frame());
                sink.page(frame.page, frame.image);
                ended = frame.commit.is_some();
                let Some(pages_after) = frame.commit else {
                    previous = None;
                    continue;
                };
                // Without POWERSAFE_OVERWRITE SQLite fills the sector by repeating the commit frame.
                let repeats = previous == Some((frame.page, pages_after)) && committed == frame.image;
                found.commits += 1;
                found.repeats += u32::from(repeats);
                if !repeats {
                    previous = Some((frame.page, pages_after));
                    committed.clear();
                    committed.extend_from_slice(frame.image);
                }
                self.grow(pin, chain, transaction, pages_after, sink)?;
                self.pages = pages_after;
                transaction = chain.frame();
                sink.commit(pages_after);
            }
        }
        if ended { Ok(found) } else { Err(Error::Mismatch(format!("frame {last} is not a commit"))) }
    }

    /// A page that a transaction appended but did not write: SQLite reads an older frame of it, or the file.
    fn grow(
        &mut self,
        pin: &Pin,
        chain: &Chain,
        since: FrameNo,
        pages_after: u32,
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        if self.pages == 0 {
            // The first commit read: what it appended is not known, and may be all pages of a large database.
            return Ok(());
        }
        for number in (self.pages..pages_after).map(|before| before + 1) {
            let Some(page) = PageNo::new(number).filter(|&page| page != self.page_size.lock_page()) else { continue };
            let known = self.map.get(&page).copied();
            if known.is_some_and(|frame| frame > since) {
                continue;
            }
            let mut image = vec![0u8; self.page_size.len()];
            if !read_pages(pin, Some(chain), known, page, self.page_size, &mut image)? {
                return Err(Error::Mismatch(format!("it ends before frame {}", chain.frame())));
            }
            sink.page(page, &image);
        }
        Ok(())
    }

    /// Reads pages as they were at the last commit captured, whatever is committed or checkpointed meanwhile.
    ///
    /// A page is in the log (then a checkpoint may be copying it into the file, and the file is not looked at) or it
    /// is not (then no checkpoint touches it: none copies frames beyond what the pin has seen). Under mark 0 the log
    /// may be started over at any time, but only because all of it is in the file, which then stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] after a capture that failed half way; otherwise nothing is lost by an error.
    pub(super) fn read_pages(&mut self, pin: &Pin, pages: &[PageNo], images: &mut Room) -> Result<(), Error> {
        if self.torn {
            return Err(Error::Mismatch("the last capture failed half way".to_owned()));
        }
        loop {
            // All of it is read over.
            images.resize(pages.len() * self.page_size.len());
            let mut whole = true;
            let mut rest = images.bytes_mut();
            // Consecutive pages that are not in the log lie side by side in the file, and are read at once.
            let in_file = |page: &PageNo| !self.map.contains_key(page);
            for run in pages.chunk_by(|a, b| a.get() + 1 == b.get() && in_file(a) && in_file(b)) {
                let (image, after) = rest.split_at_mut(run.len() * self.page_size.len());
                rest = after;
                let frame = self.map.get(&run[0]).copied();
                whole &= read_pages(pin, self.chain.as_ref(), frame, run[0], self.page_size, image)?;
            }
            let Some(chain) = self.chain.filter(|_| !self.map.is_empty()) else { return Ok(()) };
            if read_header(pin)?.as_ref() == Some(chain.header().bytes()) {
                let cut = || Error::Mismatch(format!("it ends before frame {}", chain.frame()));
                return if whole { Ok(()) } else { Err(cut()) };
            }
            self.forget_frames();
        }
    }

    /// Where capture can be gone on with.
    pub(super) fn place(&self) -> Place {
        Place { position: self.position(), pages: self.pages }
    }

    /// Where capture stands; the default while the log has not begun.
    pub(super) fn position(&self) -> Position {
        self.chain.map(|chain| chain.position()).unwrap_or_default()
    }

    /// The pages of the database after the last commit captured.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// The page size of the database.
    pub(super) fn page_size(&self) -> PageSize {
        self.page_size
    }
}

/// What one run over the log found.
#[derive(Clone, Copy, Default)]
struct Found {
    frames: u32,
    commits: u32,
    repeats: u32,
}

/// The wal-index, and the header of the same log; no header if the log was started over and has nothing yet.
fn agree(pin: &Pin) -> Result<(Index, Option<Header>), Error> {
    for attempt in 0..AGREE_TRIES {
        let index = pin.index()?;
        if index.max_frame == FrameNo(0) {
            return Ok((index, None));
        }
        if let Some(bytes) = read_header(pin)? {
            match Header::parse(&bytes) {
                Ok(header) if header.salts() == index.salts => return Ok((index, Some(header))),
                Err(error) if attempt + 1 == AGREE_TRIES => return Err(Error::Header(error)),
                _ => {}
            }
        }
        std::thread::yield_now();
    }
    Err(Error::Mismatch("header and wal-index are of two logs".to_owned()))
}

fn read_header(pin: &Pin) -> Result<Option<[u8; HEADER_LEN]>, Error> {
    let wal = handle::wal(&pin.connection).map_err(Error::file("reach the WAL"))?;
    let mut bytes = [0; HEADER_LEN];
    let whole = wal.read_at(0, &mut bytes).map_err(Error::file("read the WAL's header"))?;
    Ok(whole.then_some(bytes))
}

/// Reads a page from its frame, or one or several from the file; `false` if the log ends before that. Beyond the end of
/// the file a page is zeros.
fn read_pages(
    pin: &Pin,
    chain: Option<&Chain>,
    frame: Option<FrameNo>,
    first: PageNo,
    page_size: PageSize,
    images: &mut [u8],
) -> Result<bool, Error> {
    match (chain, frame) {
        (Some(chain), Some(frame)) => {
            let wal = handle::wal(&pin.connection).map_err(Error::file("reach the WAL"))?;
            let offset = chain.frame_offset(frame) + crate::wal::FRAME_HEADER_LEN as u64;
            wal.read_at(offset, images).map_err(Error::file("read the WAL"))
        }
        _ => {
            let file = handle::database(&pin.connection).map_err(Error::file("reach the database file"))?;
            file.read_at(first.offset(page_size), images).map_err(Error::file("read the database"))?;
            Ok(true)
        }
    }
}

/// The first bytes of the database file.
fn file_header(pin: &Pin) -> Result<[u8; 100], Error> {
    let file = handle::database(&pin.connection).map_err(Error::file("reach the database file"))?;
    let mut header = [0u8; 100];
    file.read_at(0, &mut header).map_err(Error::file("read the database's header"))?;
    Ok(header)
}

fn page_size_in_file(pin: &Pin) -> Result<PageSize, Error> {
    let header = file_header(pin)?;
    PageSize::from_u16(u16::from_be_bytes([header[16], header[17]])).ok_or(Error::PageSize)
}

/// The number of pages by the database header, or by the length of the file where the header does not say.
fn pages_in_file(pin: &Pin, page_size: PageSize) -> Result<u32, Error> {
    let header = file_header(pin)?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    // The field counts only if it was written together with the change counter: file format, section 1.3.7.
    if word(28) != 0 && word(24) == word(92) {
        return Ok(word(28));
    }
    let file = handle::database(&pin.connection).map_err(Error::file("reach the database file"))?;
    let len = file.len().map_err(Error::file("measure the database"))?;
    Ok(u32::try_from(len / u64::from(page_size.get())).unwrap_or(u32::MAX))
}
