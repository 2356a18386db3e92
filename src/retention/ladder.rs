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
        self.pairs(held, |small, larger| {
            let Some(&at) = held.modified.get(&small.name) else { return };
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

    /// The objects that can go, each with the one that stands for it; none at all if what would be left did not join.
    /// `tail`: the newest segment stays, its writer may yet look for it.
    pub(super) fn superseded(&self, held: &Held, tail: bool) -> HashMap<Name, Name> {
        let mut gone: HashMap<Name, Name> = HashMap::new();
        let last = held.objects.last();
        self.pairs(held, |small, larger| {
            let Some(span) = held.spans.get(&larger.name) else { return };
            let is_tail = tail && matches!(small.name, Name::Segment(_, index) if Some(index) == last);
            let is_fine = held.modified.get(&small.name).is_some_and(|&at| millis(span.length()) <= self.step(at));
            if is_fine && !is_tail {
                gone.insert(small.name, larger.name);
            }
        });
        if self.joins(held, &gone) { gone } else { HashMap::new() }
    }

    /// Every pair of an object older than the grace and a merged one that holds it and is older than the grace, the
    /// smallest such last.
    fn pairs(&self, held: &Held, mut found: impl FnMut(&Ranged, &Ranged)) {
        let mut all = ranged(&held.objects);
        all.retain(|object| held.modified.get(&object.name).is_some_and(|&at| self.age(at) >= self.grace));
        // The larger first, so that those that hold an object are open when it comes.
        all.sort_unstable_by_key(|object| {
            (object.first, u64::MAX - object.last, matches!(object.name, Name::Segment(..)))
        });
        let mut open: Vec<Ranged> = Vec::new();
        for object in all {
            open.retain(|larger| larger.last >= object.first);
            open.iter().filter(|larger| larger.holds(&object)).for_each(|larger| found(&object, larger));
            if matches!(object.name, Name::Merged(..)) {
                open.push(object);
            }
        }
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
