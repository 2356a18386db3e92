//! Catching up: the WAL no longer holds the place where the replica ends, so every page is compared with the replica's.
//!
//! From the moment the database is opened, capture notes what changes. Meanwhile each page is read once, as of whatever
//! commit was captured last, and its hash is compared with that of the replica. A page that was equal when it was read,
//! and is not any more, has changed since, and capture has it. So the pages that differ, and those captured, are all
//! that the next segment needs; it is made like every segment of many pages, at one commit, and leaves out what turns
//! out to be the same after all.

use tokio::time::Instant;

use super::collector::joined;
use super::context::Context;
use super::error::Error;
use super::event::Event;
use super::observer::{Observer, Watched};
use super::page_set::PageSet;
use super::pending::{Boundary, Span};
use super::segment::Unwatched;
use crate::db::{self, Room};
use crate::planted;
use crate::progress::{During, Phase};
use crate::state::{Acknowledged, PageHashes, Restored};
use crate::units::{PageHash, PageNo, Timestamp};

/// Bytes of pages that are read between two moves of the pin.
const STEP: usize = 1 << 20;

/// Below this many pages a database may look like another one that begins the same way.
const FEW: u32 = 16;

/// What the comparison has found.
#[derive(Debug)]
pub(super) struct Compared {
    /// The pages that are not as the replica has them.
    differing: PageSet,
    /// The pages of the replica, and how many of them the database has too. An empty database that was put in the place
    /// of a large one has few pages, and most of those may be the same.
    held: u32,
    same: u32,
    /// Page 1 is one of them.
    first_is_the_same: bool,
    /// When the database was opened.
    opened: Timestamp,
}

/// What is to be done about it.
#[derive(Debug)]
pub(super) enum CaughtUp {
    /// Nothing: the database is what the replica holds, at this commit.
    Level(Boundary),
    /// The pages that differ are pending.
    Behind(Unwatched),
}

impl Compared {
    /// More than half of the replica's pages are the same. Of a few pages that says little: databases that the same
    /// application has just made are alike; then page 1 has to be the same, too.
    pub(super) fn most_is_the_same(&self) -> bool {
        u64::from(self.same) * 2 > u64::from(self.held) && (self.held >= FEW || self.first_is_the_same)
    }

    /// One of sixteen pages is the same: enough for a database that is known to have been this one.
    pub(super) fn more_than_a_trace_is_the_same(&self) -> bool {
        self.same > 0 && u64::from(self.same) * 16 >= u64::from(self.held)
    }
}

/// Compares the database with what the replica holds; `table` has the hashes of that.
pub(super) async fn compare(
    context: &Context,
    observer: &Watched,
    known: &Acknowledged,
    table: &PageHashes,
) -> Result<Compared, Error> {
    let (began, opened) = (Instant::now(), context.now());
    let total = u64::from(observer.pages) * u64::from(observer.page_size.get());
    let (differing, read) = {
        let _bar = During::begin(&*context.hooks.progress, Phase::Compare, Some(total));
        differing(context, observer, table).await?
    };
    let (pages, differ) = (observer.pages, differing.len() as u32);
    context.tell(Event::Compared { pages, differing: differ, duration: began.elapsed() });
    // What the database did not have any more when it was read is not the same.
    let common = read.min(known.pages);
    let same = common.saturating_sub(differing.up_to_page(common));
    let first_is_the_same = common > 0 && differing.up_to_page(1) == 0;
    Ok(Compared { differing, held: known.pages, same, first_is_the_same, opened })
}

/// Has what differs uploaded, if anything does. `restored`: what the database was restored to, as far as is known.
pub(super) async fn settle(
    observer: &Watched,
    known: &Acknowledged,
    compared: Compared,
    restored: Option<&Restored>,
) -> Result<CaughtUp, Error> {
    let Compared { differing, opened, .. } = compared;
    let (pages_before, from) = (known.pages, known.at());
    let level = observer.call(move |observer| observer.differ(differing, pages_before, opened)).await??;
    Ok(match level {
        Some(boundary) => CaughtUp::Level(boundary),
        None => {
            let rewind = restored.is_some_and(|restored| restored.is_before(known));
            CaughtUp::Behind(Unwatched { from, to: opened.max(from), compared: true, rewind })
        }
    })
}

/// Consecutive pages that were read.
#[derive(Debug)]
pub(super) struct Run {
    /// The number of the first one.
    first: u32,
    /// The number of the last one; less than that of the first: there was none.
    last: u32,
    /// Their images, one after the other.
    pub(super) images: Room,
}

/// The pages of the database whose hashes are not those of the table, and how many it had when they were read.
///
/// The next pages are read while those before are compared.
async fn differing(context: &Context, observer: &Watched, table: &PageHashes) -> Result<(PageSet, u32), Error> {
    let count = u32::try_from(STEP / observer.page_size.len()).unwrap_or(1).max(1);
    let (mut differing, mut room, mut next) = (PageSet::default(), Room::default(), 1);
    let mut run = Run { first: 1, last: 0, images: Room::default() };
    loop {
        let into = std::mem::take(&mut room);
        let reading = observer.call(move |observer| observer.read_run(next, count, into));
        let (read, compared) = tokio::join!(reading, compare_run(context, observer, table, run, &mut differing));
        (room, run) = (compared?, read??);
        if run.last < run.first {
            return Ok((differing, next - 1));
        }
        let last = run.last;
        let Some(after) = last.checked_add(1) else {
            compare_run(context, observer, table, run, &mut differing).await?;
            return Ok((differing, last));
        };
        next = after;
    }
}

/// Adds those of the pages that are not as the table has them, and gives their room back.
async fn compare_run(
    context: &Context,
    observer: &Watched,
    table: &PageHashes,
    run: Run,
    differing: &mut PageSet,
) -> Result<Room, Error> {
    let Some(first) = PageNo::new(run.first).filter(|_| run.first <= run.last) else { return Ok(run.images) };
    let mut known = vec![PageHash::default(); (run.last - run.first + 1) as usize];
    table.get_run(first, &mut known)?;
    let (hasher, held, page_size) = (context.hasher.clone(), table.pages(), observer.page_size);
    let done = crate::task::blocking(move || {
        let pages = (run.first..=run.last).zip(known).zip(run.images.chunks_exact(page_size.len()));
        let differ: Vec<PageNo> = pages
            .filter_map(|((number, known), image)| {
                let page = PageNo::new(number).filter(|&page| page != page_size.lock_page())?;
                if planted::is("a comparison passes over every other page") && number % 2 == 0 {
                    return None;
                }
                // A page that the replica does not have has the hash 0, as a page may have by chance.
                (number > held || hasher.hash(page, image) != known).then_some(page)
            })
            .collect();
        Ok::<_, Error>((differ, run.images))
    });
    let (differ, images) = joined(done.await)?;
    differ.into_iter().for_each(|page| differing.insert(page));
    context.hooks.progress.advance(images.len() as u64);
    Ok(images)
}

impl Observer {
    /// Reads consecutive pages as of the commit captured last into this room.
    pub(super) fn read_run(&mut self, first: u32, count: u32, room: Room) -> Result<Run, db::Error> {
        let last = first.saturating_add(count - 1).min(self.live.pages());
        let pages: Vec<PageNo> = (first..=last).filter_map(PageNo::new).collect();
        let mut images = room;
        if !pages.is_empty() {
            self.live.read_pages(&pages, &mut images)?;
        }
        Ok(Run { first, last, images })
    }

    /// Has the pages that differ uploaded. If none does, and nothing was committed since the database was opened, the
    /// replica holds the database at the commit that is returned.
    fn differ(
        &mut self,
        differing: PageSet,
        pages_before: u32,
        opened: Timestamp,
    ) -> Result<Option<Boundary>, db::Error> {
        self.capture()?;
        if differing.len() == 0 && self.pending.is_empty() && self.live.pages() == pages_before {
            return Ok(Some(self.boundary()));
        }
        // How many transactions it were, nobody knows: at least one.
        self.pending.put_back(differing, Span { transactions: 1, wal_bytes: 0, first: opened, last: opened });
        Ok(None)
    }
}
