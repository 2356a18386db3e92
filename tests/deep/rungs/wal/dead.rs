//! One log that nobody has open: both say the same.

use anyhow::{Context as _, bail, ensure};
use waloy::db::{Ignore, Live, Options, Room};
use waloy::units::{FrameNo, PageNo, PageSize};
use waloy::wal::{Checksum, HeaderError, Index, IndexError};

use super::scan::Scan;
use super::sqlite::{Answer, Sqlite, pages};
use crate::ladder::Tally;

/// A database that claims to have more pages, by a commit mark that was put into the log, is not read page by page.
const MANY: u32 = 1 << 14;

/// How far it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    /// Where the log ends, by the wal-index.
    Index,
    /// And every page.
    Pages,
    /// And what [`Live`] makes of it, which lets SQLite recover it.
    Live,
}

/// `before` is the last commit frame that the log had before it was changed.
pub(super) fn check(
    sqlite: &mut Sqlite,
    database: &[u8],
    (log, before): (&[u8], FrameNo),
    compare: Compare,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let scan = Scan::of(log);
    let answer = sqlite.recover(log)?;
    match Index::parse(&answer.index) {
        Ok(index) => same_end(&scan, &index)?,
        // SQLite refuses it, since whoever wrote it may know better; all else that is wrong makes an empty log. Of the
        // wal-index before, three bytes are left.
        Err(IndexError::Torn | IndexError::Uninitialised)
            if answer.read.is_err() && matches!(scan.refused, Some(HeaderError::Version(_))) =>
        {
            tally.add("of another version", 1);
            return Ok(());
        }
        Err(error) => bail!("SQLite leaves a wal-index that says: {error}; its reader: {:?}", answer.read),
    }
    let end = match scan.frame {
        FrameNo(0) => "empty",
        end if end < before => "shorter",
        end if end > before => "longer",
        _ => "as long as before",
    };
    tally.add(end, 1);
    if compare != Compare::Index {
        same_pages(sqlite, answer, &scan, (database, log), compare, tally)?;
    }
    Ok(())
}

fn same_end(scan: &Scan, index: &Index) -> anyhow::Result<()> {
    ensure!(index.max_frame == scan.frame, "SQLite recovers {} frames, the scan {}", index.max_frame, scan.frame);
    ensure!(index.pages == scan.pages, "SQLite recovers {} pages, the scan {}", index.pages, scan.pages);
    ensure!(index.checksum == scan.checksum, "the checksum is {:?}, not {:?}", index.checksum, scan.checksum);
    ensure!((index.change, index.backfilled) == (0, FrameNo(0)), "{index:?} is not one just recovered");
    if scan.frame > FrameNo(0) {
        ensure!(index.salts == scan.salts, "SQLite recovers salts {:x?}, the scan {:x?}", index.salts, scan.salts);
        ensure!(index.page_size == scan.page_size, "{:?}, not {:?}", index.page_size, scan.page_size);
    }
    Ok(())
}

fn same_pages(
    sqlite: &Sqlite,
    answer: Answer,
    scan: &Scan,
    (database, log): (&[u8], &[u8]),
    compare: Compare,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let size = PageSize::from_u16(u16::from_be_bytes([database[16], database[17]])).context("a page size")?;
    if scan.pages.max(scan.most) > MANY || (scan.frame > FrameNo(0) && scan.page_size != Some(size)) {
        tally.add("pages not compared", 1);
        return Ok(());
    }
    let Answer { connection, read, .. } = answer;
    // No connection does anything with a schema that cannot be read.
    let schema = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let read = read.and_then(|()| pages(&connection));
    let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0));
    drop(connection);
    let Ok(theirs) = read else {
        // Of a page 1 that was changed and signed.
        tally.add("not a database", 1);
        return Ok(());
    };
    let count = (theirs.len() / size.len()) as u32;
    let differs = |number: &u32| {
        let ours = scan.page(*number, size.len(), log, database);
        ours != theirs[(*number as usize - 1) * size.len()..][..size.len()]
    };
    if let Some(page) = (1..=count).find(differs) {
        bail!("page {page} of {count} is not what SQLite reads");
    }
    tally.add("compared page by page", 1);
    if compare == Compare::Live && schema.is_ok() && mode.is_ok_and(|mode| mode == "wal") {
        let mut live = Live::open(&sqlite.path, Options::default(), None, &mut Ignore).context("Live::open")?;
        // SQLite goes by page 1 where that says less than the commit mark, which only a changed mark or page does.
        let pages = if scan.frame > FrameNo(0) { scan.pages } else { count };
        ensure!(live.pages() == pages, "{} pages live, {pages} scanned", live.pages());
        let end = Some(live.position()).filter(|end| end.frame > FrameNo(0));
        let end = end.map_or((FrameNo(0), Checksum::default()), |end| (end.frame, end.checksum));
        ensure!(end == (scan.frame, scan.checksum), "the end is {end:?} live");
        let numbers: Vec<PageNo> = (1..=count.min(pages)).filter_map(PageNo::new).collect();
        let mut images = Room::default();
        live.read_pages(&numbers, &mut images)?;
        ensure!(images[..] == theirs[..images.len()], "the pages are others live");
        tally.add("opened live", 1);
    }
    Ok(())
}
