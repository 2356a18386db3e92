//! Which segments are merged next: what is open at each level, and which pages changed in it.
//!
//! Fed by what the store has acknowledged. It is gone with the session; the next one makes it again, or leaves what was open
//! to `compact`.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::error::Error;
use super::event::Synced;
use super::page_set::PageSet;
use super::pending::Span;
use super::segment::Joint;
use crate::compact::{Closed, Frontier, Levels, Unit};
use crate::format::{Flags, ManifestMerged, Summary};
use crate::ids::{Digest, GenerationId};
use crate::state::Acknowledged;
use crate::units::{DbChecksum, SegmentIndex, Timestamp};

/// How long nothing is merged after that failed.
const REST: Duration = Duration::from_secs(30);
/// How soon it is looked again whether an object has been put.
const SOON: Duration = Duration::from_millis(100);

/// What a segment adds to the ranges that it is in.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) first_time: Timestamp,
    pub(super) checksum_before: DbChecksum,
    pub(super) predecessor: Digest,
    pub(super) flags: Flags,
    pub(super) unobserved: Option<(Timestamp, Timestamp)>,
    pub(super) span: Span,
    pub(super) pages: PageSet,
}

impl Part {
    /// Of a segment with this joint and summary; these are the pages in it, or more.
    pub(super) fn of(joint: &Joint, summary: &Summary, span: Span, pages: PageSet) -> Part {
        let header = joint.header(span.first);
        Part {
            first_time: header.first_time,
            checksum_before: header.checksum_before,
            predecessor: header.predecessor,
            flags: summary.flags,
            unobserved: summary.unobserved,
            span,
            pages,
        }
    }
}

/// What the segments of an open range have in common.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub(super) first_time: Timestamp,
    pub(super) checksum_before: DbChecksum,
    pub(super) predecessor: Digest,
    pub(super) flags: Flags,
    pub(super) unobserved: Option<(Timestamp, Timestamp)>,
    pub(super) transactions: u64,
    pub(super) wal_bytes: u64,
    /// Every page that changed in it.
    pub(super) pages: PageSet,
}

impl Range {
    fn begin(part: &Part) -> Range {
        Range {
            first_time: part.first_time,
            checksum_before: part.checksum_before,
            predecessor: part.predecessor,
            flags: Flags::default(),
            unobserved: None,
            transactions: 0,
            wal_bytes: 0,
            pages: PageSet::default(),
        }
    }

    fn add(&mut self, part: &Part) {
        self.flags.catch_up |= part.flags.catch_up;
        self.flags.rewind |= part.flags.rewind;
        self.flags.outage |= part.flags.outage;
        self.unobserved = match (self.unobserved, part.unobserved) {
            // One interval for both: what was unobserved is never passed over.
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.transactions += part.span.transactions;
        self.wal_bytes += part.span.wal_bytes;
        self.pages.merge(&part.pages);
    }
}

/// A merged segment on its way to the store: told, with its generation, when it is there and was read back; `None` if
/// another one was.
pub(super) type Putting = AbortOnDropHandle<Result<Option<(GenerationId, ManifestMerged)>, Error>>;

/// The open ranges of a generation.
#[derive(Debug)]
pub(super) struct Merging {
    frontier: Frontier,
    ranges: Vec<Option<Range>>,
    pub(super) putting: Option<Putting>,
    /// The segment that was last closed for a merge, if nobody was told that it is durable.
    pub(super) synced: Option<Synced>,
    /// Nothing is merged before this: it failed.
    not_before: Option<Instant>,
    told: bool,
    /// The generation was begun before this session.
    resumed: bool,
}

impl Merging {
    /// Nothing is open. Without levels, nothing ever is.
    pub(super) fn new(levels: Option<Levels>) -> Merging {
        let levels = levels.unwrap_or_else(|| Levels::new([]));
        Merging {
            ranges: vec![None; levels.get().len()],
            frontier: Frontier::new(levels),
            putting: None,
            synced: None,
            not_before: None,
            told: false,
            resumed: false,
        }
    }

    /// The same, in a generation that was begun before.
    pub(super) fn resumed(levels: Option<Levels>) -> Merging {
        Merging { resumed: levels.is_some(), ..Merging::new(levels) }
    }

    /// Another generation begins. What is on its way to the store belongs to the one before, and gets there.
    pub(super) fn reset(&mut self, levels: Option<Levels>) {
        let fresh = Merging::new(levels);
        (self.frontier, self.ranges, self.resumed) = (fresh.frontier, fresh.ranges, false);
    }

    /// The store has acknowledged a segment.
    pub(super) fn add(&mut self, part: &Part, after: &Acknowledged) {
        let Some(index) = after.index.and_then(SegmentIndex::new) else { return };
        self.add_unit(Unit { first: index, last: index, level: 0, at: after.at() }, part);
    }

    /// A segment, or what was merged, comes behind what is there. It closes what is open below its level.
    pub(super) fn add_unit(&mut self, unit: Unit, part: &Part) {
        for level in self.frontier.forget_stale(unit.at) {
            // It begins where the level below does, and has in it what that one has.
            self.ranges[level] = level.checked_sub(1).and_then(|below| self.ranges[below].clone());
        }
        let below = usize::from(unit.level).min(self.ranges.len());
        if below > 0 {
            self.frontier.close(below - 1);
            self.ranges[..below].fill(None);
        }
        self.frontier.add(unit);
        for range in &mut self.ranges[below..] {
            range.get_or_insert_with(|| Range::begin(part)).add(part);
        }
    }

    /// Whether what was open before this session is still to be looked for; says so once.
    pub(super) fn is_to_be_reopened(&mut self) -> bool {
        std::mem::take(&mut self.resumed)
    }

    /// Goes on with ranges that begin earlier.
    pub(super) fn take_over(&mut self, reopened: Merging) {
        (self.frontier, self.ranges) = (reopened.frontier, reopened.ranges);
    }

    /// The level to close now, if there is one.
    pub(super) fn due(&self, now: Timestamp) -> Option<usize> {
        let rests = self.not_before.is_some_and(|not_before| Instant::now() < not_before);
        if rests || self.putting.is_some() { None } else { self.frontier.due(now) }
    }

    /// How long it is until there is something to do.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Duration> {
        if self.putting.is_some() {
            return Some(SOON);
        }
        let rest = self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        let next = self.frontier.next_due()?;
        let until = Duration::from_millis(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0));
        Some(until.max(rest))
    }

    /// Whether several objects stand for the open range of a level.
    pub(super) fn is_worth(&self, level: usize) -> bool {
        self.frontier.clone().close(level).is_some()
    }

    /// Where the open range of a level begins, and what is in it.
    pub(super) fn open(&self, level: usize) -> Option<(SegmentIndex, &Range)> {
        Some((self.frontier.begins(level)?, self.ranges[level].as_ref()?))
    }

    /// Closes a level, and those below, at the newest segment.
    pub(super) fn close(&mut self, level: usize) -> Option<(Closed, Range)> {
        let closed = self.frontier.close(level);
        let range = self.ranges[..=level].iter_mut().fold(None, |_, range| range.take());
        closed.zip(range)
    }

    /// A merge failed, and is made later: with the next one at its level or above.
    pub(super) fn failed(&mut self, error: &Error) {
        self.not_before = Some(Instant::now() + REST);
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(%error, "cannot merge segments now; they stay as they are, and are merged later");
        } else {
            tracing::debug!(%error, "cannot merge segments now");
        }
    }

    /// A merge is done.
    pub(super) fn done(&mut self) {
        (self.not_before, self.told) = (None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::PageNo;

    /// One of the segments that come every seven seconds, each with a page of its own.
    fn segment(at: u64) -> (Unit, Part) {
        let (index, time) = (SegmentIndex::new(at).unwrap(), Timestamp(at as i64 * 7000));
        let part = Part {
            first_time: time,
            checksum_before: DbChecksum(at),
            predecessor: Digest::NONE,
            flags: Flags::default(),
            unobserved: None,
            span: Span { transactions: 1, wal_bytes: 1, first: time, last: time },
            pages: PageSet::of(PageNo::new(at as u32 + 1)),
        };
        (Unit { first: index, last: index, level: 0, at: time }, part)
    }

    #[test]
    fn a_range_that_begins_anew_has_in_it_what_the_one_below_has() {
        let mut merging = Merging::new(Some(Levels::default()));
        for at in 0..=86 {
            let (unit, part) = segment(at);
            merging.add_unit(unit, &part);
        }
        for level in [0, 1] {
            let (first, range) = merging.open(level).unwrap();
            assert_eq!((first.get(), range.checksum_before, range.transactions), (81, DbChecksum(81), 6), "{level}");
            assert_eq!(range.first_time, Timestamp(81 * 7000));
            assert_eq!(range.pages, PageSet::of((82..=87).filter_map(PageNo::new)));
        }
        assert_eq!(merging.open(2).map(|(first, range)| (first.get(), range.transactions)), Some((0, 87)));
    }
}
