//! A hash of each page of what the replica holds after exactly one object.
//!
//! ```text
//! hashes      magic 8 │ generation 16 │ objects since the snapshot u64 │ checksum u64 │ pages u32 │ 0 u32 │ hash u64 × pages
//! hashes.log  generation 16 │ objects u64 │ pages u32 │ n u32 │ n × { page u32, hash u64 } │ crc32c u32 │ …     little-endian
//! ```
//!
//! A table of another object than the replica's newest would let a page that went back to an older image pass as
//! unchanged. So a change first goes to the log, whole, and then into the table: a process that dies in between does
//! it again at the next start. The log is written over in its place, and has behind it what is left of a longer one. Nothing of it is synced, since it can be made again from the replica: after a power loss
//! the table may be a mixture of old and new, and is then told by its hashes, which no longer add up to the checksum.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::{Error, StateDir, file};
use crate::ids::GenerationId;
use crate::planted;
use crate::units::{DbChecksum, PageHash, PageNo};

const MAGIC: &[u8; 8] = b"WALOYHT1";
const HEADER: usize = 48;
const TABLE: &str = "hashes";
const NEXT: &str = "hashes.next";
/// Another name than that: a segment may be forked while the table of a snapshot is being filled.
const FORK: &str = "hashes.fork";
const LOG: &str = "hashes.log";

/// How many hashes are read at once where all of them are.
const BATCH: usize = 8192;

/// The table: on disk, so that memory does not grow with the database.
#[derive(Debug)]
pub struct PageHashes {
    file: File,
    path: PathBuf,
    pages: u32,
    checksum: DbChecksum,
}

impl PageHashes {
    /// An empty table beside the one in force, to be filled from scratch and then [put in force](Self::install).
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn begin(dir: &StateDir) -> Result<PageHashes, Error> {
        let path = dir.file(NEXT);
        let file = file::anew(&path).map_err(Error::io("create", &path))?;
        Ok(PageHashes { file, path, pages: 0, checksum: DbChecksum::default() })
    }

    /// A copy of this table beside it, to be changed and then [put in force](Self::install).
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn fork(&self, dir: &StateDir) -> Result<PageHashes, Error> {
        let path = dir.file(FORK);
        let mut file = file::anew(&path).map_err(Error::io("create", &path))?;
        let mut table = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        io::copy(&mut table, &mut file).map_err(Error::io("copy", &self.path))?;
        Ok(PageHashes { file, path, pages: self.pages, checksum: self.checksum })
    }

    /// The table of exactly this object; `None` if it is not there or cannot be trusted.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn load(dir: &StateDir, generation: GenerationId, objects: u64) -> Result<Option<PageHashes>, Error> {
        let path = dir.file(TABLE);
        let file = match file::open(&path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let mut header = [0; HEADER];
        if file.read_exact_at(&mut header, 0).is_err() || &header[..8] != MAGIC {
            return Ok(None);
        }
        let long = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let pages = u32::from_le_bytes(header[40..44].try_into().expect("four bytes"));
        let mut table = PageHashes { file, path, pages, checksum: DbChecksum(long(32)) };
        if header[8..24] != generation.to_bytes() {
            return Ok(None);
        }
        if long(24) != objects
            && !planted::is("the page hashes of another object are taken")
            && !(long(24) + 1 == objects && table.redo(dir, generation, objects)?)
        {
            return Ok(None);
        }
        let whole = table.file.metadata().is_ok_and(|meta| meta.len() == table.offset(table.pages));
        if !whole || table.sum_beyond(0)? != table.checksum {
            return Ok(None);
        }
        Ok(Some(table))
    }

    /// The pages that the table covers.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// The checksum of the database: all of its hashes together.
    pub fn checksum(&self) -> DbChecksum {
        self.checksum
    }

    /// The hash of a page; zero for one beyond the end.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn get(&self, page: PageNo) -> Result<PageHash, Error> {
        let mut hash = [PageHash::default()];
        self.get_run(page, &mut hash)?;
        Ok(hash[0])
    }

    /// The hashes of consecutive pages; zeros for those beyond the end.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn get_run(&self, first: PageNo, into: &mut [PageHash]) -> Result<(), Error> {
        let known = self.pages.saturating_sub(first.get() - 1).min(into.len() as u32) as usize;
        let mut bytes = vec![0; known * 8];
        self.file.read_exact_at(&mut bytes, self.offset(first.get() - 1)).map_err(Error::io("read", &self.path))?;
        for (hash, bytes) in into.iter_mut().zip(bytes.chunks_exact(8)) {
            *hash = PageHash(u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
        }
        into[known..].fill(PageHash::default());
        Ok(())
    }

    /// Sets the hashes of consecutive pages, and the checksum with them.
    ///
    /// # Errors
    ///
    /// Those of the operating system; the table is not to be used then.
    pub fn set_run(&mut self, first: PageNo, hashes: &[PageHash]) -> Result<(), Error> {
        let mut old = vec![PageHash::default(); hashes.len()];
        self.get_run(first, &mut old)?;
        old.iter().chain(hashes).for_each(|&hash| self.checksum.toggle(hash));
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0.to_le_bytes()).collect();
        self.file.write_all_at(&bytes, self.offset(first.get() - 1)).map_err(Error::io("write", &self.path))?;
        self.pages = self.pages.max(first.get() - 1 + hashes.len() as u32);
        Ok(())
    }

    /// Sets the hash of any pages, in ascending order, by runs.
    fn set(&mut self, changes: &[(PageNo, PageHash)]) -> Result<(), Error> {
        for run in changes.chunk_by(|a, b| a.0.get() + 1 == b.0.get()) {
            let hashes: Vec<PageHash> = run.iter().map(|change| change.1).collect();
            self.set_run(run[0].0, &hashes)?;
        }
        Ok(())
    }

    /// Cuts or extends the table to so many pages.
    ///
    /// # Errors
    ///
    /// Those of the operating system; the table is not to be used then.
    pub fn resize(&mut self, pages: u32) -> Result<(), Error> {
        self.checksum.0 ^= self.sum_beyond(pages)?.0;
        self.file.set_len(self.offset(pages)).map_err(Error::io("resize", &self.path))?;
        self.pages = pages;
        Ok(())
    }

    /// What the checksum would be with these changes, in ascending order of pages, and so many pages.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn preview(&self, changes: &[(PageNo, PageHash)], pages: u32) -> Result<DbChecksum, Error> {
        let mut checksum = self.checksum;
        for (page, hash) in changes {
            checksum.toggle(self.get(*page)?);
            checksum.toggle(*hash);
        }
        checksum.0 ^= self.sum_beyond(pages)?.0;
        Ok(checksum)
    }

    /// Brings the table in force forward by one acknowledged object. `changes` are in ascending order of pages.
    ///
    /// # Errors
    ///
    /// Those of the operating system; the table is not to be used then.
    pub fn apply(
        &mut self,
        dir: &StateDir,
        generation: GenerationId,
        objects: u64,
        changes: &[(PageNo, PageHash)],
        pages: u32,
    ) -> Result<(), Error> {
        let mut record = Vec::with_capacity(36 + changes.len() * 12);
        record.extend_from_slice(&generation.to_bytes());
        record.extend_from_slice(&objects.to_le_bytes());
        record.extend_from_slice(&pages.to_le_bytes());
        record.extend_from_slice(&(changes.len() as u32).to_le_bytes());
        for (page, hash) in changes {
            record.extend_from_slice(&page.get().to_le_bytes());
            record.extend_from_slice(&hash.0.to_le_bytes());
        }
        let sum = crc32c::crc32c(&record);
        record.extend_from_slice(&sum.to_le_bytes());
        dir.write_over(LOG, &record)?;
        self.take(changes, pages)?;
        self.stand_for(generation, objects)
    }

    fn take(&mut self, changes: &[(PageNo, PageHash)], pages: u32) -> Result<(), Error> {
        self.set(changes)?;
        self.resize(pages)
    }

    /// Takes the change that was under way when the process ended; `false` if there is no such change.
    fn redo(&mut self, dir: &StateDir, generation: GenerationId, objects: u64) -> Result<bool, Error> {
        let Some(record) = dir.read(LOG)? else { return Ok(false) };
        let count = record.get(28..32).map(|four| u32::from_le_bytes(four.try_into().expect("four bytes")));
        let len = count.and_then(|count| usize::try_from(32 + 12 * u64::from(count)).ok());
        let Some((record, rest)) = len.and_then(|len| record.split_at_checked(len)) else {
            return Ok(false);
        };
        if !rest.starts_with(&crc32c::crc32c(record).to_le_bytes()) {
            return Ok(false);
        }
        let (head, entries) = record.split_at(32);
        if head[..16] != generation.to_bytes() || head[16..24] != objects.to_le_bytes() {
            return Ok(false);
        }
        let pages = u32::from_le_bytes(head[24..28].try_into().expect("four bytes"));
        let changes: Option<Vec<(PageNo, PageHash)>> = entries
            .chunks_exact(12)
            .map(|entry| {
                let (page, hash) = entry.split_at(4);
                let page = PageNo::new(u32::from_le_bytes(page.try_into().expect("four bytes")))?;
                Some((page, PageHash(u64::from_le_bytes(hash.try_into().expect("eight bytes")))))
            })
            .collect();
        let Some(changes) = changes else { return Ok(false) };
        // Some of it may be in the table already: the checksum is counted anew.
        self.pages =
            ((self.file.metadata().map_err(Error::io("measure", &self.path))?.len() as usize - HEADER) / 8) as u32;
        self.take(&changes, pages)?;
        self.checksum = self.sum_beyond(0)?;
        self.stand_for(generation, objects)?;
        Ok(true)
    }

    /// Puts a table from [`PageHashes::begin`] or [`PageHashes::fork`] in force, for exactly this object.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn install(mut self, dir: &StateDir, generation: GenerationId, objects: u64) -> Result<PageHashes, Error> {
        self.stand_for(generation, objects)?;
        let path = dir.file(TABLE);
        fs::rename(&self.path, &path).map_err(Error::io("rename", &self.path))?;
        dir.remove(LOG)?;
        self.path = path;
        Ok(self)
    }

    fn stand_for(&self, generation: GenerationId, objects: u64) -> Result<(), Error> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..24].copy_from_slice(&generation.to_bytes());
        header[24..32].copy_from_slice(&objects.to_le_bytes());
        header[32..40].copy_from_slice(&self.checksum.0.to_le_bytes());
        header[40..44].copy_from_slice(&self.pages.to_le_bytes());
        self.file.write_all_at(&header, 0).map_err(Error::io("write", &self.path))
    }

    /// All hashes after the first `pages` together.
    fn sum_beyond(&self, pages: u32) -> Result<DbChecksum, Error> {
        let mut sum = DbChecksum::default();
        let mut at = pages;
        while at < self.pages {
            let first = PageNo::new(at + 1).expect("one more than a count is a page");
            let mut hashes = vec![PageHash::default(); BATCH.min((self.pages - at) as usize)];
            self.get_run(first, &mut hashes)?;
            hashes.iter().for_each(|&hash| sum.toggle(hash));
            at += hashes.len() as u32;
        }
        Ok(sum)
    }

    fn offset(&self, page: u32) -> u64 {
        HEADER as u64 + u64::from(page) * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    fn page(number: u32) -> PageNo {
        PageNo::new(number).unwrap()
    }

    fn generation() -> GenerationId {
        GenerationId::new(Timestamp(1), [7; 10])
    }

    fn table(dir: &StateDir) -> PageHashes {
        let mut table = PageHashes::begin(dir).unwrap();
        let hashes: Vec<PageHash> = (1..=10).map(|n| PageHash(n * 1000)).collect();
        table.set_run(page(1), &hashes).unwrap();
        table.install(dir, generation(), 0).unwrap()
    }

    fn dir() -> (tempfile::TempDir, StateDir) {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temporary.path(), Timestamp(0)).unwrap();
        (temporary, dir)
    }

    #[test]
    fn a_table_counts_for_exactly_one_object() {
        let (_temporary, dir) = dir();
        let mut made = table(&dir);
        let before = made.checksum();
        let changes = [(page(2), PageHash(5)), (page(3), PageHash(6)), (page(12), PageHash(7))];
        let expected = made.preview(&changes, 12).unwrap();
        made.apply(&dir, generation(), 1, &changes, 12).unwrap();
        assert_eq!(made.checksum(), expected);
        assert_ne!(made.checksum(), before);
        assert!(PageHashes::load(&dir, generation(), 0).unwrap().is_none());
        assert!(PageHashes::load(&dir, generation(), 2).unwrap().is_none());
        let loaded = PageHashes::load(&dir, generation(), 1).unwrap().unwrap();
        assert_eq!((loaded.pages(), loaded.checksum()), (12, expected));
        assert_eq!(loaded.get(page(12)).unwrap(), PageHash(7));
        assert_eq!(loaded.get(page(11)).unwrap(), PageHash(0));
    }

    #[test]
    fn a_page_that_is_dropped_leaves_the_checksum() {
        let (_temporary, dir) = dir();
        let mut made = table(&dir);
        let expected = made.preview(&[], 4).unwrap();
        made.apply(&dir, generation(), 1, &[], 4).unwrap();
        assert_eq!(made.checksum(), expected);
        assert_eq!(expected, DbChecksum(1000 ^ 2000 ^ 3000 ^ 4000));
    }

    #[test]
    fn a_change_that_was_under_way_is_taken_at_the_next_start() {
        let (_temporary, dir) = dir();
        let mut made = table(&dir);
        let before = fs::read(dir.file(TABLE)).unwrap();
        made.apply(&dir, generation(), 1, &[(page(2), PageHash(5)), (page(11), PageHash(9))], 11).unwrap();
        let (after, sum) = (fs::read(dir.file(TABLE)).unwrap(), made.checksum());
        // Every mixture of old and new bytes, as a process that dies in the middle leaves them.
        for cut in [0, 48, 56, 64, 72, before.len(), after.len()] {
            let mut torn = before.clone();
            torn.resize(after.len().min(cut.max(before.len())), 0);
            let upto = cut.min(torn.len());
            if cut > HEADER {
                torn[HEADER..upto].copy_from_slice(&after[HEADER..upto]);
            }
            fs::write(dir.file(TABLE), &torn).unwrap();
            let loaded = PageHashes::load(&dir, generation(), 1).unwrap().unwrap();
            assert_eq!((loaded.checksum(), loaded.pages()), (sum, 11), "cut at {cut}");
        }
    }

    #[test]
    fn a_log_is_read_with_what_is_left_of_a_longer_one_behind_it_and_not_when_it_is_torn() {
        let (_temporary, dir) = dir();
        let mut made = table(&dir);
        made.apply(&dir, generation(), 1, &[(page(2), PageHash(5)), (page(11), PageHash(9))], 11).unwrap();
        let (table, log) = (fs::read(dir.file(TABLE)).unwrap(), fs::read(dir.file(LOG)).unwrap());
        made.apply(&dir, generation(), 2, &[(page(3), PageHash(6))], 11).unwrap();
        let over = fs::read(dir.file(LOG)).unwrap();
        assert_eq!(over.len(), log.len());
        let load = |log: &[u8]| {
            fs::write(dir.file(TABLE), &table).unwrap();
            fs::write(dir.file(LOG), log).unwrap();
            PageHashes::load(&dir, generation(), 2).unwrap().map(|loaded| loaded.checksum())
        };
        assert_eq!(load(&over), Some(made.checksum()));
        let end = 32 + 12 + 4;
        for cut in 0..end {
            assert_eq!(load(&[&over[..cut], &log[cut..]].concat()), None, "torn at {cut}");
            assert_eq!(load(&over[..cut]), None, "cut at {cut}");
        }
        assert_eq!(load(&over[..end]), Some(made.checksum()));
    }

    #[test]
    fn a_table_that_does_not_add_up_is_not_trusted() {
        let (_temporary, dir) = dir();
        drop(table(&dir));
        let mut bytes = fs::read(dir.file(TABLE)).unwrap();
        bytes[HEADER + 3] ^= 1;
        fs::write(dir.file(TABLE), bytes).unwrap();
        assert!(PageHashes::load(&dir, generation(), 0).unwrap().is_none());
    }
}
