//! What stays and what goes, and why. Pure.

use std::collections::{BTreeMap, HashMap};

use super::holdings::{Held, Holdings};
use super::ladder::{Ladder, millis};
use super::{Period, Policy, calendar};
use crate::ids::GenerationId;
use crate::replica::Name;
use crate::restore::{Interval, ends};
use crate::units::Timestamp;

/// What becomes of every object of a replica.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// The location of the replica.
    pub source: String,
    /// The time from which ages were counted back.
    pub now: Timestamp,
    /// Every generation, oldest first.
    pub generations: Vec<GenerationPlan>,
    /// Keys that are not waloy's: told, and left alone.
    pub unknown: Vec<String>,
}

/// What becomes of a generation.
#[derive(Clone, PartialEq, Debug)]
pub struct GenerationPlan {
    /// Its id.
    pub generation: GenerationId,
    /// Whether it stays, and why; single objects of one that stays may go all the same.
    pub fate: Fate,
    /// From its beginning to its last upload, by the clock of the store.
    pub covers: Interval,
    /// States that it ends objects with: points that can be restored.
    pub points: u64,
    /// Every object of it.
    pub objects: Vec<PlannedObject>,
    /// The mark that its replacement was confirmed is there.
    pub confirmed: bool,
    /// There is a snapshot.
    pub(super) has_snapshot: bool,
    /// How many segments its manifest knows of.
    pub(super) promised: u64,
}

/// What becomes of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlannedObject {
    /// Its name.
    pub name: Name,
    /// Its size in the store.
    pub bytes: u64,
    /// Whether it stays, and why.
    pub fate: Fate,
}

/// Whether something stays, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It stays.
    Kept(Kept),
    /// It goes.
    Deleted(Deleted),
}

/// Why something stays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Kept {
    /// The newest generation that can be restored.
    Latest,
    /// One of so many that stay in any case.
    AtLeast,
    /// Nothing is ever let go of.
    Forever,
    /// A moment within the retention, and the grace on top, is covered by it.
    Retention,
    /// The last point of a day, a week or a month is in it.
    Point(Period),
    /// It is the last state before a database that was replaced, in this generation; nobody has confirmed that.
    BeforeReplacement(GenerationId),
    /// It replaced another database, or may have; nobody has confirmed that.
    Replacement,
    /// Something in it is younger than the grace.
    Young,
    /// It has no snapshot, and nobody has asked for such to go.
    Incomplete,
}

/// Why something goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Deleted {
    /// No moment within the retention needs it.
    Expired,
    /// This merged segment stands for it.
    Superseded(Name),
    /// It is what is left of a generation that was deleted.
    Remnant,
    /// It belongs to a generation that never had a snapshot, or lost it.
    Orphan,
}

impl Kept {
    /// The reason in a word, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Kept::Latest => "latest",
            Kept::AtLeast => "min_keep",
            Kept::Forever => "forever",
            Kept::Retention => "retention",
            Kept::Point(Period::Daily) => "daily",
            Kept::Point(Period::Weekly) => "weekly",
            Kept::Point(Period::Monthly) => "monthly",
            Kept::BeforeReplacement(_) => "before_replacement",
            Kept::Replacement => "replacement",
            Kept::Young => "young",
            Kept::Incomplete => "incomplete",
        }
    }
}

impl Deleted {
    /// The reason in a word, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Deleted::Expired => "expired",
            Deleted::Superseded(_) => "superseded",
            Deleted::Remnant => "remnant",
            Deleted::Orphan => "orphan",
        }
    }
}

impl Fate {
    /// It goes.
    pub fn is_deleted(self) -> bool {
        matches!(self, Fate::Deleted(_))
    }
}

impl Plan {
    /// Nothing is to be deleted.
    pub fn is_empty(&self) -> bool {
        self.deleted().next().is_none()
    }

    /// The objects that go.
    pub fn deleted(&self) -> impl Iterator<Item = &PlannedObject> {
        self.generations.iter().flat_map(|it| &it.objects).filter(|object| object.fate.is_deleted())
    }

    /// Bytes of the objects that go.
    pub fn freed_bytes(&self) -> u64 {
        self.deleted().map(|object| object.bytes).sum()
    }

    /// From the first to the last moment that can be restored afterwards; `None` if nothing can.
    pub fn restorable(&self) -> Option<Interval> {
        let mut stay = self.generations.iter().filter(|it| it.has_snapshot && !it.fate.is_deleted());
        let first = stay.next()?;
        let last = stay.next_back().unwrap_or(first);
        Some(Interval { from: first.covers.from, to: last.covers.to })
    }
}

impl GenerationPlan {
    /// The small objects that go although the generation stays.
    pub fn superseded(&self) -> impl Iterator<Item = &PlannedObject> {
        self.objects.iter().filter(|object| object.fate.is_deleted() && !self.fate.is_deleted())
    }

    /// Bytes of all its objects.
    pub fn stored_bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }
}

/// What becomes of everything. The same holdings and policy give the same plan.
pub fn plan(holdings: &Holdings, policy: &Policy) -> Plan {
    let fates = Fates::new(holdings, policy);
    let ladder = Ladder::of(policy, holdings.now);
    let generations = holdings.generations.iter().enumerate().map(|(place, held)| {
        let fate = fates.of(place);
        let is_newest = Some(place) >= fates.complete.last().copied();
        let gone = match (&ladder, fate) {
            (Some(ladder), Fate::Kept(_)) if held.has_snapshot() => ladder.superseded(held, is_newest),
            _ => HashMap::new(),
        };
        let of = |name| gone.get(&name).map_or(fate, |&by| Fate::Deleted(Deleted::Superseded(by)));
        let objects = held.objects.names().into_iter();
        GenerationPlan {
            generation: held.id(),
            fate,
            covers: Interval { from: held.begun(holdings.clock), to: held.newest(holdings.clock) },
            points: ends(&held.objects).len() as u64,
            objects: objects.map(|(name, bytes)| PlannedObject { name, bytes, fate: of(name) }).collect(),
            confirmed: held.confirmed,
            has_snapshot: held.has_snapshot(),
            promised: held.promised,
        }
    });
    let generations = generations.collect();
    Plan { source: holdings.source.clone(), now: holdings.now, generations, unknown: holdings.unknown.clone() }
}

/// What the generations are to each other.
struct Fates<'a> {
    holdings: &'a Holdings,
    policy: &'a Policy,
    /// The places of generations with a snapshot, oldest first.
    complete: Vec<usize>,
    /// The places of generations with the last point of a period.
    points: BTreeMap<usize, Period>,
}

impl Fates<'_> {
    fn new<'a>(holdings: &'a Holdings, policy: &'a Policy) -> Fates<'a> {
        let places = 0..holdings.generations.len();
        let complete: Vec<usize> = places.filter(|&place| holdings.generations[place].has_snapshot()).collect();
        let nexts = complete.iter().skip(1).map(|&next| Some(holdings.generations[next].id())).chain([None]);
        let times = complete
            .iter()
            .zip(nexts)
            .flat_map(|(&place, next)| times(&holdings.generations[place], next).map(move |at| (at, place)));
        let points = calendar::kept(&policy.keep, &times.collect::<Vec<_>>());
        Fates { holdings, policy, complete, points }
    }

    fn of(&self, place: usize) -> Fate {
        let held = &self.holdings.generations[place];
        match self.complete.binary_search(&place) {
            Ok(rank) => self.of_complete(held, place, rank),
            Err(_) => self.of_incomplete(held, place),
        }
    }

    fn of_complete(&self, held: &Held, place: usize, rank: usize) -> Fate {
        let younger = self.complete.len() - rank;
        if younger == 1 {
            return Fate::Kept(Kept::Latest);
        }
        if younger <= self.policy.min_keep {
            return Fate::Kept(Kept::AtLeast);
        }
        if self.policy.retention.is_none() {
            return Fate::Kept(Kept::Forever);
        }
        if !self.is_over(place) {
            return Fate::Kept(Kept::Retention);
        }
        if let Some(&period) = self.points.get(&place) {
            return Fate::Kept(Kept::Point(period));
        }
        let next = &self.holdings.generations[self.complete[rank + 1]];
        if next.may_replace() {
            return Fate::Kept(Kept::BeforeReplacement(next.id()));
        }
        if rank > 0 && held.may_replace() {
            return Fate::Kept(Kept::Replacement);
        }
        match self.is_young(held) {
            true => Fate::Kept(Kept::Young),
            false => Fate::Deleted(Deleted::Expired),
        }
    }

    /// Of a generation without a snapshot nothing can be restored; it is told apart from one that is being made.
    fn of_incomplete(&self, held: &Held, place: usize) -> Fate {
        let objects = &held.objects;
        let is_newest = self.complete.last().is_none_or(|&latest| latest < place);
        if self.is_young(held) {
            return Fate::Kept(Kept::Young);
        }
        // Segments of a generation after the newest one with a snapshot: without them, that would pass for the newest.
        if is_newest && (self.complete.is_empty() || objects.last().is_some()) {
            return Fate::Kept(Kept::Incomplete);
        }
        let is_remnant = objects.is_remnant() && !is_newest;
        if is_remnant || (self.policy.retention.is_some() && self.is_over(place)) {
            return Fate::Deleted(Deleted::Remnant);
        }
        match self.policy.orphans {
            true => Fate::Deleted(Deleted::Orphan),
            false => Fate::Kept(Kept::Incomplete),
        }
    }

    /// A younger generation covers all that is to be kept: its snapshot has been there for the retention and the grace.
    fn is_over(&self, place: usize) -> bool {
        let Some(retention) = self.policy.retention else { return false };
        let next = self.complete.iter().find(|&&next| next > place);
        let needed = millis(retention).saturating_add(millis(self.policy.grace));
        next.is_some_and(|&next| self.age(self.holdings.generations[next].begun(self.holdings.clock)) >= needed)
    }

    fn is_young(&self, held: &Held) -> bool {
        self.age(held.newest(self.holdings.clock)) < millis(self.policy.grace)
    }

    fn age(&self, at: Timestamp) -> u64 {
        self.holdings.now.0.saturating_sub(at.0).max(0).unsigned_abs()
    }
}

/// The times of the points of a generation, for the calendar: of its beginning as its id tells, and of the others as the
/// store does, but none after the next one was begun. An object may be there later than the point that it leads to: copied
/// with the whole replica, or merged from others.
fn times(held: &Held, next: Option<GenerationId>) -> impl Iterator<Item = Timestamp> {
    let is_point = |name: &Name| matches!(name, Name::Segment(..) | Name::Merged(..));
    let ends = held.modified.iter().filter(move |(name, _)| is_point(name)).map(|(_, &at)| at);
    std::iter::once(held.id().at()).chain(ends.map(move |at| next.map_or(at, |next| at.min(next.at()))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::format::Reason;
    use crate::retention::{Began, Keep};
    use crate::units::SegmentIndex;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    /// A generation that the writer begins at this moment, and whose snapshot and segments the store takes at these.
    fn held(begun: i64, taken: &[i64]) -> Held {
        let id = GenerationId::new(Timestamp(begun), [0; 10]);
        let names = (0..).map_while(SegmentIndex::new).map(|index| Name::Segment(id, index));
        let mut held = Held { began: Began::Read(Reason::Interval, Timestamp(begun)), ..Held::none(id) };
        for (name, &at) in std::iter::once(Name::Snapshot(id)).chain(names).zip(taken) {
            held.objects.add(name, 1);
            held.modified.insert(name, Timestamp(at));
        }
        held
    }

    /// What becomes of them at this time, by the clock of everybody.
    fn fates(generations: &[Held], keep: Keep, now: i64) -> Vec<Fate> {
        let (now, clock) = (Timestamp(now), Timestamp(now));
        let holdings = Holdings { now, clock, generations: generations.to_vec(), ..Holdings::default() };
        let policy = Policy { keep, ..Policy::new(Some(Duration::from_secs(30 * 86_400))) };
        plan(&holdings, &policy).generations.into_iter().map(|generation| generation.fate).collect()
    }

    #[test]
    fn the_calendar_of_a_replica_that_was_copied_is_that_of_its_original() {
        let begun = |day: i64| day * DAY + 9 * HOUR;
        let taken = |day| [0, 1, 5, 23].map(|hour| begun(day) + hour * HOUR);
        let original: Vec<Held> = (0..400).map(|day| held(begun(day), &taken(day))).collect();
        let copied: Vec<Held> = (0..400).map(|day| held(begun(day), &[400 * DAY; 4])).collect();
        let keep = Keep { daily: 60, weekly: 20, monthly: 12 };
        assert_eq!(fates(&original, keep, 432 * DAY), fates(&copied, keep, 432 * DAY));
        let stay = fates(&copied, keep, 432 * DAY).into_iter().filter(|fate| !fate.is_deleted()).count();
        assert!((70..100).contains(&stay), "{stay}");
    }

    #[test]
    fn what_is_merged_late_is_no_later_point_of_its_day() {
        // The first generation's day ends with the second one; in the evening segments of the first are merged.
        let mut first = held(10 * HOUR, &[10 * HOUR, 11 * HOUR, 14 * HOUR]);
        let (from, to) = (SegmentIndex::ZERO, SegmentIndex::new(1).unwrap());
        let merged = Name::Merged(first.id(), from, to);
        first.objects.add(merged, 1);
        first.modified.insert(merged, Timestamp(23 * HOUR));
        let generations = [first, held(15 * HOUR, &[15 * HOUR, 18 * HOUR]), held(3 * DAY, &[3 * DAY])];
        let keep = Keep { daily: 30, ..Keep::default() };
        let fates = fates(&generations, keep, 100 * DAY);
        let expected =
            [Fate::Deleted(Deleted::Expired), Fate::Kept(Kept::Point(Period::Daily)), Fate::Kept(Kept::Latest)];
        assert_eq!(fates, expected);
    }

    #[test]
    fn a_clock_that_was_ahead_for_years_once_does_not_end_retention() {
        // The writer's clock was ahead as the second generation was begun; the ids of those that follow are behind it.
        let ahead = 4000 * DAY;
        let generations =
            [held(0, &[0]), held(ahead, &[DAY]), held(ahead + 1, &[2 * DAY]), held(ahead + 2, &[40 * DAY])];
        let expired = Fate::Deleted(Deleted::Expired);
        assert_eq!(fates(&generations, Keep::default(), 40 * DAY)[..2], [expired, expired]);
        // Where the store's clock has been set back since, ours tells that those times are true.
        let (now, clock) = (Timestamp(39 * DAY), Timestamp(41 * DAY));
        let generations = vec![held(0, &[0]), held(40 * DAY, &[-60 * DAY])];
        let holdings = Holdings { now, clock, generations, ..Holdings::default() };
        assert!(plan(&holdings, &Policy::new(Some(Duration::from_secs(30 * 86_400)))).is_empty());
    }
}
