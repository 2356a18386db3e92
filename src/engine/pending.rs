//! What was captured and not yet sealed: the newest image of each page changed, or only the page numbers.

use std::collections::BTreeMap;

use super::page_set::PageSet;
use crate::db::Sink;
use crate::planted;
use crate::units::{PageNo, Timestamp};
use crate::wal::Position;

/// The pages of one segment to be.
#[derive(Debug)]
pub(super) enum Pages {
    /// Their newest images, copied at capture: places in the WAL die when the pin moves.
    Images(BTreeMap<PageNo, Box<[u8]>>),
    /// Too many to hold: only which ones. Their images are read when the segment is made.
    Numbers(PageSet),
}

impl Default for Pages {
    fn default() -> Pages {
        Pages::Images(BTreeMap::new())
    }
}

/// What the transactions of one segment have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    /// How many there are.
    pub(super) transactions: u64,
    /// Bytes of the WAL that they took.
    pub(super) wal_bytes: u64,
    /// When the first was captured.
    pub(super) first: Timestamp,
    /// When the last was captured: read after the end of the WAL was.
    pub(super) last: Timestamp,
}

impl Span {
    /// This span and the one after it.
    pub(super) fn join(self, later: Span) -> Span {
        match (self.is_empty(), later.is_empty()) {
            (true, _) => later,
            (_, true) => self,
            _ => Span {
                transactions: self.transactions + later.transactions,
                wal_bytes: self.wal_bytes + later.wal_bytes,
                first: self.first,
                last: later.last,
            },
        }
    }

    /// Nothing was captured.
    pub(super) fn is_empty(&self) -> bool {
        self.wal_bytes == 0 && self.transactions == 0
    }
}

/// A commit: where a segment or a snapshot ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Boundary {
    /// The pages of the database after it.
    pub(super) pages: u32,
    /// Its place in the WAL.
    pub(super) position: Position,
    /// When it was captured.
    pub(super) at: Timestamp,
}

/// Collects what capture finds, within a budget of memory.
#[derive(Debug)]
pub(super) struct Pending {
    /// Bytes of images at most.
    budget: usize,
    pages: Pages,
    span: Span,
    /// For each collection of pages under way, those changed since its round began.
    trackers: [Option<PageSet>; 3],
}

/// Which of the collections under way: a snapshot or a merge, and a segment too large for memory, which may fall into the
/// time of either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tracker {
    Snapshot,
    Segment,
    Merge,
}

impl Pending {
    pub(super) fn new(budget: usize) -> Pending {
        Pending { budget, pages: Pages::default(), span: Span::default(), trackers: [None, None, None] }
    }

    /// Nothing was committed since the last batch was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.span.is_empty()
    }

    /// Transactions not yet taken.
    pub(super) fn transactions(&self) -> u64 {
        self.span.transactions
    }

    /// When the first of them was captured.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        (!self.is_empty()).then_some(self.span.first)
    }

    /// There is more than fits into memory.
    pub(super) fn is_numbers(&self) -> bool {
        matches!(self.pages, Pages::Numbers(_))
    }

    /// A capture is whole: so many transactions, of so many bytes of the WAL, at this moment.
    pub(super) fn captured(&mut self, transactions: u64, wal_bytes: u64, at: Timestamp) {
        self.span = self.span.join(Span { transactions, wal_bytes, first: at, last: at });
    }

    /// Takes everything, to be sealed.
    pub(super) fn take(&mut self) -> (Pages, Span) {
        (std::mem::take(&mut self.pages), std::mem::take(&mut self.span))
    }

    /// Puts back, by number, what could not be sealed.
    pub(super) fn put_back(&mut self, mut numbers: PageSet, span: Span) {
        numbers.merge(&numbers_of(std::mem::take(&mut self.pages)));
        self.pages = Pages::Numbers(numbers);
        self.span = span.join(self.span);
    }

    /// Which pages were captured and not taken.
    pub(super) fn numbers(&self) -> PageSet {
        match &self.pages {
            Pages::Numbers(set) => set.clone(),
            Pages::Images(images) => PageSet::of(images.keys().copied()),
        }
    }

    /// Begins to note changed pages.
    pub(super) fn track(&mut self, tracker: Tracker) {
        self.trackers[tracker as usize] = Some(PageSet::default());
    }

    /// The pages changed since the last call, or since tracking began.
    pub(super) fn changed(&mut self, tracker: Tracker) -> PageSet {
        self.trackers[tracker as usize].as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// No longer notes changed pages.
    pub(super) fn untrack(&mut self, tracker: Tracker) {
        self.trackers[tracker as usize] = None;
    }
}

/// Which pages they are.
pub(super) fn numbers_of(pages: Pages) -> PageSet {
    match pages {
        Pages::Numbers(set) => set,
        Pages::Images(images) => PageSet::of(images.keys().copied()),
    }
}

impl Sink for Pending {
    fn page(&mut self, page: PageNo, image: &[u8]) {
        self.trackers.iter_mut().flatten().for_each(|changed| changed.insert(page));
        match &mut self.pages {
            Pages::Numbers(set) => set.insert(page),
            Pages::Images(images) => {
                match images.get_mut(&page) {
                    Some(held) => held.copy_from_slice(image),
                    None => drop(images.insert(page, image.into())),
                }
                if images.len() * image.len() > self.budget {
                    self.pages = Pages::Numbers(numbers_of(std::mem::take(&mut self.pages)));
                }
            }
        }
    }

    fn commit(&mut self, pages_after: u32) {
        // Numbers beyond the end are passed over when the pages are read. A page that a later transaction appends
        // again is passed again.
        if planted::is("pages behind the end of the database are kept") {
            return;
        }
        if let Pages::Images(images) = &mut self.pages
            && images.last_key_value().is_some_and(|(page, _)| page.get() > pages_after)
        {
            images.retain(|page, _| page.get() <= pages_after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32) -> PageNo {
        PageNo::new(number).unwrap()
    }

    #[test]
    fn a_page_changed_ten_times_is_held_once_and_a_dropped_one_not_at_all() {
        let mut pending = Pending::new(1 << 20);
        for n in 0..10u8 {
            pending.page(page(2), &[n; 512]);
            pending.page(page(9), &[n; 512]);
            pending.commit(9);
        }
        pending.page(page(1), &[1; 512]);
        pending.commit(8);
        pending.captured(11, 21 * 536, Timestamp(5));
        let (Pages::Images(images), span) = pending.take() else { panic!("images") };
        assert_eq!(images.keys().map(|page| page.get()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(images[&page(2)][0], 9);
        assert_eq!((span.transactions, span.wal_bytes), (11, 21 * 536));
        assert!(pending.is_empty());
    }

    #[test]
    fn above_the_budget_only_numbers_are_held() {
        let mut pending = Pending::new(1024);
        pending.track(Tracker::Snapshot);
        for n in [5, 3, 9, 5] {
            pending.page(page(n), &[0; 512]);
        }
        pending.commit(9);
        pending.captured(1, 4 * 536, Timestamp(5));
        assert!(pending.is_numbers());
        let (Pages::Numbers(set), span) = pending.take() else { panic!("numbers") };
        assert_eq!(set.len(), 3);
        pending.page(page(4), &[0; 512]);
        pending.captured(1, 536, Timestamp(6));
        pending.put_back(set, span);
        let (Pages::Numbers(set), span) = pending.take() else { panic!("numbers") };
        assert_eq!((set.len(), span.transactions, span.first, span.last), (4, 2, Timestamp(5), Timestamp(6)));
        assert_eq!(pending.changed(Tracker::Snapshot).len(), 4);
        assert_eq!(pending.changed(Tracker::Snapshot).len(), 0);
        assert_eq!(pending.changed(Tracker::Segment).len(), 0);
    }
}
