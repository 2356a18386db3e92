//! The ladder: which small objects of a generation go for larger ones that stand for them. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{Held, Policy};
use crate::replica::{Name, Objects};
use crate::restore::{Point, ends, reachable};
use crate::units::Timestamp;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
/// Up to which age there is a point every 30 s.
const FINE: u64 = 7 * 24 * 60 * MINUTE;

/// How coarse the points may be at which age.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ladder {
    now: Timestamp,
    grace: u64,
    retention: u64,
}

/// An object with a range of indices.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ranged {
    first: u64,
    last: u64,
    name: Name,
    size: u64,
}

/// What is known of the objects that a merged segment might stand for.
struct Parts {
    from: Timestamp,
    to: Timestamp,
    /// How long the time may be that it stands for, at the age of the oldest.
    step: u64,
    size: u64,
}

impl Ranged {
    fn holds(&self, other: &Ranged) -> bool {
        self.name != other.name && self.first <= other.first && other.last <= self.last
    }
}

impl Ladder {
    /// The ladder of a policy; `None` if it keeps everything.
    pub fn of(policy: &Policy, now: Timestamp) -> Option<Ladder> {
        Some(Ladder { now, grace: millis(policy.grace), retention: millis(policy.retention?) })
    }

    /// The merged segments that something smaller might go for: by the times at which the smaller ones came, they do
    /// not stand for too long a time. How long it is, they say themselves, when they are read.
    pub(super) fn substitutes(&self, held: &Held) -> Vec<(Name, u64)> {
        let mut larger_ones: HashMap<Name, Parts> = HashMap::new();
        let mut old = ranged(&held.objects);
        old.retain(|object| self.is_old(held, object.name));
        meetings(old, |small, larger| {
            let Some(&at) = held.modified.get(&small.name).filter(|_| larger.holds(small)) else { return };
            let parts =
                larger_ones.entry(larger.name).or_insert(Parts { from: at, to: at, step: 0, size: larger.size });
            (parts.from, parts.to) = (parts.from.min(at), parts.to.max(at));
            parts.step = parts.step.max(self.step(at));
        });
        let fine = |parts: &Parts| parts.to.0.abs_diff(parts.from.0) <= parts.step;
        let mut wanted: Vec<(Name, u64)> =
            larger_ones.into_iter().filter(|(_, parts)| fine(parts)).map(|(name, parts)| (name, parts.size)).collect();
        wanted.sort_unstable();
        wanted
    }

    /// The objects that can go, each with the one that stands for it. `tail`: the newest segment stays, its writer may
    /// yet look for it.
    pub(super) fn superseded(&self, held: &Held, tail: bool) -> HashMap<Name, Name> {
        let gone = self.stood_for(held, tail);
        // What is deleted does not come back: it is looked once more.
        if self.joins(held, &gone) { gone } else { HashMap::new() }
    }

    /// The same. A merged segment stands for all that it holds or for nothing, and for nothing if another one crosses
    /// it: so every way through what goes comes by where the merged one begins and by where it ends, and can take that
    /// instead; and none ends in between, where nothing stays.
    fn stood_for(&self, held: &Held, tail: bool) -> HashMap<Name, Name> {
        let last = held.objects.last();
        let stays = |name: Name| tail && matches!(name, Name::Segment(_, index) if Some(index) == last);
        let mut barred: HashSet<Name> = HashSet::new();
        meetings(ranged(&held.objects), |object, larger| {
            if !larger.holds(object) {
                barred.extend([object.name, larger.name]);
            } else if !stays(object.name) && !self.may_go(held, object, larger) {
                barred.insert(larger.name);
            }
        });
        let mut gone: HashMap<Name, Name> = HashMap::new();
        meetings(ranged(&held.objects), |object, larger| {
            if !barred.contains(&larger.name) && !stays(object.name) {
                gone.insert(object.name, larger.name);
            }
        });
        gone
    }

    /// Both are older than the grace, and the larger one does not stand for a longer time than the ladder allows at the
    /// age of the other.
    fn may_go(&self, held: &Held, object: &Ranged, larger: &Ranged) -> bool {
        let (at, span) = (held.modified.get(&object.name), held.spans.get(&larger.name));
        self.is_old(held, object.name)
            && self.is_old(held, larger.name)
            && at.zip(span).is_some_and(|(&at, span)| millis(span.length()) <= self.step(at))
    }

    fn is_old(&self, held: &Held, name: Name) -> bool {
        held.modified.get(&name).is_some_and(|&at| self.age(at) >= self.grace)
    }

    /// Everything that stays can still be reached that could be before, the end of the generation above all.
    fn joins(&self, held: &Held, gone: &HashMap<Name, Name>) -> bool {
        let left = without(&held.objects, |name| gone.contains_key(&name));
        let points = |objects: &Objects| -> HashSet<Point> { reachable(objects).iter().map(|end| end.0).collect() };
        let (before, after) = (points(&held.objects), points(&left));
        let kept = ends(&left).into_iter().map(|end| end.0);
        let last = Point::from(held.objects.last());
        kept.filter(|point| before.contains(point)).all(|point| after.contains(&point))
            && (after.contains(&last) || !before.contains(&last))
    }

    fn age(&self, at: Timestamp) -> u64 {
        self.now.0.saturating_sub(at.0).max(0).unsigned_abs()
    }

    /// How long the time may be that one object stands for, at the age of something written at this time. Half as much
    /// again as the rung says: a merged segment takes in one upload after its time is over.
    fn step(&self, at: Timestamp) -> u64 {
        let age = self.age(at);
        let rung = match age {
            _ if age > self.retention => 60 * MINUTE,
            _ if age > FINE => 5 * MINUTE,
            _ => 30 * SECOND,
        };
        rung + rung / 2
    }
}

/// Every object with each merged one that begins there or before and has its first segment, too: that one holds it, or
/// the two cross. Of several that hold it, the smallest comes last.
fn meetings(mut all: Vec<Ranged>, mut found: impl FnMut(&Ranged, &Ranged)) {
    // The larger first, so that those that hold an object are open when it comes.
    all.sort_unstable_by_key(|object| (object.first, u64::MAX - object.last, matches!(object.name, Name::Segment(..))));
    let mut open: Vec<Ranged> = Vec::new();
    for object in all {
        open.retain(|larger| larger.last >= object.first);
        open.iter().for_each(|larger| found(&object, larger));
        if matches!(object.name, Name::Merged(..)) {
            open.push(object);
        }
    }
}

/// The segments of a generation, merged or not.
fn ranged(objects: &Objects) -> Vec<Ranged> {
    let id = objects.generation;
    let single = objects.segments.iter().map(|&(index, size)| {
        let at = index.get();
        Ranged { first: at, last: at, name: Name::Segment(id, index), size }
    });
    let merged = objects.merged.iter().map(|&(first, last, size)| Ranged {
        first: first.get(),
        last: last.get(),
        name: Name::Merged(id, first, last),
        size,
    });
    single.chain(merged).collect()
}

/// The same without some objects.
pub(super) fn without(objects: &Objects, gone: impl Fn(Name) -> bool) -> Objects {
    let mut left = Objects::none(objects.generation);
    objects.names().into_iter().filter(|&(name, _)| !gone(name)).for_each(|(name, size)| left.add(name, size));
    left
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::GenerationId;
    use crate::restore::Interval;
    use crate::units::SegmentIndex;

    const DAY: u64 = 24 * 60 * MINUTE;

    /// A generation with segments so many milliseconds apart, and what was merged of them as soon as that could be.
    fn held(apart: i64, segments: impl IntoIterator<Item = u64>, merged: &[(u64, u64)]) -> Held {
        let mut held = Held::none(GenerationId::new(Timestamp(1), [1; 10]));
        let (id, at) = (held.id(), |index: u64| Timestamp(index as i64 * apart));
        held.objects.add(Name::Snapshot(id), 1);
        for place in segments {
            let name = Name::Segment(id, SegmentIndex::new(place).unwrap());
            held.objects.add(name, 1);
            held.modified.insert(name, at(place));
        }
        for &(first, last) in merged {
            let name = Name::Merged(id, SegmentIndex::new(first).unwrap(), SegmentIndex::new(last).unwrap());
            held.objects.add(name, 1);
            held.modified.insert(name, at(last));
            held.spans.insert(name, Interval { from: at(first), to: at(last) });
        }
        held
    }

    /// The ladder of 30 days with a grace of one, so many milliseconds after the first segment.
    fn ladder(after: u64) -> Ladder {
        Ladder { now: Timestamp(after as i64), grace: DAY, retention: 30 * DAY }
    }

    /// What goes, each with what stands for it: their first and last indices.
    fn gone(ladder: Ladder, held: &Held) -> BTreeSet<((u64, u64), (u64, u64))> {
        let range = |name: Name| match name {
            Name::Segment(_, at) => (at.get(), at.get()),
            Name::Merged(_, first, last) => (first.get(), last.get()),
            other => panic!("{other}"),
        };
        ladder.superseded(held, false).into_iter().map(|(small, larger)| (range(small), range(larger))).collect()
    }

    /// Where two crossed, what would have been left did not join, and nothing was let go of in the whole generation.
    #[test]
    fn ranges_that_cross_stand_for_nothing_and_hold_up_nothing_else() {
        let mut merged = vec![(0, 3), (4, 9), (8, 12), (13, 16)];
        let segments = |range: (u64, u64), by| (range.0..=range.1).map(move |at| ((at, at), by));
        let apart = segments((0, 3), (0, 3)).chain(segments((13, 16), (13, 16)));
        assert_eq!(gone(ladder(2 * DAY), &held(1000, 0..=20, &merged)), BTreeSet::from_iter(apart.clone()));
        // One that holds both stands for them as for everything else in it.
        merged.push((4, 12));
        let within = segments((4, 12), (4, 12)).chain([(4, 9), (8, 12)].map(|crossing| (crossing, (4, 12))));
        assert_eq!(gone(ladder(2 * DAY), &held(1000, 0..=20, &merged)), BTreeSet::from_iter(apart.chain(within)));
    }

    /// The first of ten objects of 30 s had reached the age at which 5 min are enough, and the others had not. Some ten
    /// are so at nearly every time, and nothing was let go of in a generation older than a week.
    #[test]
    fn a_range_that_is_old_enough_in_part_stands_for_nothing_yet_and_holds_up_nothing_else() {
        let fine = (0..20).map(|at| (at * 3, at * 3 + 2));
        let merged: Vec<(u64, u64)> = fine.clone().chain([(0, 29), (30, 59)]).collect();
        let held = held(10_000, [], &merged);
        for (after, count) in [(0, 0), (280_000, 0), (300_000, 10), (450_000, 10), (580_000, 10), (600_000, 20)] {
            let expected = fine.clone().take(count).map(|fine| (fine, if fine.0 < 30 { (0, 29) } else { (30, 59) }));
            assert_eq!(gone(ladder(FINE + after), &held), BTreeSet::from_iter(expected), "{after}");
        }
    }

    #[test]
    fn however_ranges_cross_everything_that_stays_can_be_reached_as_before() {
        let mut state = 11u64;
        let mut below = |limit: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % limit
        };
        let mut let_go = 0;
        for round in 0..3000 {
            let count = 1 + below(14);
            let segments: Vec<u64> = (0..count).filter(|_| below(16) > 0).collect();
            let merged: BTreeSet<(u64, u64)> = (0..below(6))
                .map(|_| {
                    let first = below(count);
                    (first, first + below(count - first))
                })
                .collect();
            let held = held(10_000, segments, &merged.into_iter().collect::<Vec<_>>());
            // Some of it is younger than the grace, or than a week.
            let ladder = ladder([DAY, FINE][round % 2] + below(count * 10_000));
            let gone = ladder.stood_for(&held, below(2) == 0);
            assert!(ladder.joins(&held, &gone), "{round}: {held:?} without {gone:?}");
            let_go += gone.len();
        }
        assert!(let_go > 1000, "{let_go}");
    }
}
