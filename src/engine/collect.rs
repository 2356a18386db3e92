//! Collecting many pages at one commit while the database lives on.
//!
//! 1. From the beginning, capture notes each page that changes.
//! 2. The pages of the set are read in any order, a chunk between two moves of the pin, each as of the commit captured
//!    last. What changed meanwhile is the next set; and again, until it is small or no longer shrinks.
//! 3. Capture stops, at commit E. The rest is read as of E, and then everything that was read stands for E: a page that
//!    changed after it was read was read again. The current segment ends at E too.
//!
//! Only the last step holds the pin still, and it reads little.

use super::observer::Observer;
use super::page_set::PageSet;
use super::pending::{Boundary, Pages, Span, Tracker};
use crate::db::{self, Room};
use crate::planted;
use crate::units::PageNo;

/// Bytes of page images that are read between two moves of the pin.
const STEP: usize = 1 << 20;

/// The collections under way.
#[derive(Debug, Default)]
pub(super) struct Collects {
    under_way: [Option<Collect>; 3],
    frozen: Option<Tracker>,
}

#[derive(Debug)]
struct Collect {
    /// Everything that was ever in it, to be put back if it is given up.
    all: PageSet,
    /// This round's pages.
    round: PageSet,
    /// The last page of it that was read.
    read: u32,
    /// The transactions that a segment stands for.
    span: Span,
}

/// The next pages of a round.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Their numbers, ascending; none: the round is over.
    pub(super) pages: Vec<PageNo>,
    /// Their images, one after the other.
    pub(super) images: Room,
}

/// Where a collection ends.
#[derive(Debug)]
pub(super) struct Closed {
    /// The commit that it stands for.
    pub(super) boundary: Boundary,
    /// What was captured since the last segment, up to that commit; a collected segment has all of it.
    pub(super) pages: Pages,
    /// The transactions since the last segment.
    pub(super) span: Span,
}

impl Collects {
    /// Whether capture stands still.
    pub(super) fn frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Begins a first round over this set, which these transactions changed.
    pub(super) fn begin(&mut self, tracker: Tracker, set: PageSet, span: Span) {
        self.under_way[tracker as usize] = Some(Collect { all: set.clone(), round: set, read: 0, span });
    }

    /// Every page that a collection under way has had so far.
    pub(super) fn all(&self, tracker: Tracker) -> PageSet {
        self.under_way[tracker as usize].as_ref().map(|collect| collect.all.clone()).unwrap_or_default()
    }

    /// Whether one is.
    pub(super) fn is_under_way(&self, tracker: Tracker) -> bool {
        self.under_way[tracker as usize].is_some()
    }

    fn get(&mut self, tracker: Tracker) -> &mut Collect {
        self.under_way[tracker as usize]
            .as_mut()
            .expect("a collection is asked for pages between its begin and its end")
    }
}

impl Observer {
    /// Begins to collect every page of the database.
    pub(super) fn collect_all(&mut self) -> Result<(), db::Error> {
        self.capture()?;
        self.pending.track(Tracker::Snapshot);
        self.collects.begin(Tracker::Snapshot, PageSet::up_to(self.live.pages()), Span::default());
        Ok(())
    }

    /// Reads the next pages of the round, as of the commit captured last, into this room.
    pub(super) fn collect_step(&mut self, tracker: Tracker, room: Room) -> Result<Step, db::Error> {
        let count = (STEP / self.live.page_size().len()).max(1);
        let (lock_page, last) = (self.live.page_size().lock_page(), self.live.pages());
        let collect = self.collects.get(tracker);
        let mut pages = collect.round.next(collect.read, count, last);
        collect.read = pages.last().map_or(collect.read, |page| page.get());
        pages.retain(|&page| page != lock_page);
        let mut images = room;
        if !pages.is_empty() {
            self.live.read_pages(&pages, &mut images)?;
        } else if !collect.round.next(collect.read, 1, last).is_empty() {
            return self.collect_step(tracker, images);
        } else {
            images.clear();
        }
        Ok(Step { pages, images })
    }

    /// Begins the next round: the pages that changed during the last one. Returns how many there are.
    pub(super) fn collect_again(&mut self, tracker: Tracker) -> Result<usize, db::Error> {
        self.capture()?;
        let mut changed = self.pending.changed(tracker);
        if planted::is("pages changed while others are collected are forgotten") {
            changed = PageSet::default();
        }
        let collect = self.collects.get(tracker);
        collect.all.merge(&changed);
        let count = changed.len();
        (collect.round, collect.read) = (changed, 0);
        Ok(count)
    }

    /// Begins the last round and stops capture at the present commit, which is durable on this machine when this
    /// returns. `false` if it cannot end here: the images of what was captured are asked for, and there are too many.
    pub(super) fn collect_freeze(&mut self, tracker: Tracker, needs_images: bool) -> Result<bool, db::Error> {
        self.capture()?;
        if needs_images && self.pending.is_numbers() {
            return Ok(false);
        }
        self.live.sync().inspect_err(|_| self.sync_failed = true)?;
        let mut changed = self.pending.changed(tracker);
        if planted::is("pages changed while others are collected are forgotten") {
            changed = PageSet::default();
        }
        let collect = self.collects.get(tracker);
        for page in collect.round.next(collect.read, usize::MAX, u32::MAX) {
            changed.insert(page);
        }
        collect.all.merge(&changed);
        (collect.round, collect.read) = (changed, 0);
        self.collects.frozen = Some(tracker);
        Ok(true)
    }

    /// Everything was read: takes what was captured up to the commit, and lets capture go on.
    pub(super) fn collect_close(&mut self, tracker: Tracker) -> Closed {
        let (pages, span) = self.pending.take();
        let collect = self.collects.get(tracker);
        collect.span = collect.span.join(span);
        let closed = Closed { boundary: self.boundary(), pages, span: self.collects.get(tracker).span };
        self.collects.frozen = None;
        self.pending.untrack(tracker);
        closed
    }

    /// The collection is over, well or not; capture goes on if it stood still for it.
    pub(super) fn collect_end(&mut self, tracker: Tracker) {
        if self.collects.frozen == Some(tracker) {
            self.collects.frozen = None;
        }
        self.pending.untrack(tracker);
        self.collects.under_way[tracker as usize] = None;
    }

    /// Gives a collected segment up: its pages and transactions are pending again.
    pub(super) fn collect_put_back(&mut self) {
        if let Some(Collect { all, span, .. }) = self.collects.under_way[Tracker::Segment as usize].take()
            && !planted::is("a large segment that failed is forgotten")
        {
            self.pending.put_back(all, span);
        }
        self.collect_end(Tracker::Segment);
    }
}
