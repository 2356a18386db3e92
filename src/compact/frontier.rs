//! What is open at the end of a generation, and what closes when. Pure.

use super::Levels;
use crate::units::{SegmentIndex, Timestamp};

/// A segment or a merged one, as ranges are made of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unit {
    /// Its first index.
    pub first: SegmentIndex,
    /// Its last index.
    pub last: SegmentIndex,
    /// How often segments were merged to get it; 0 for a segment.
    pub level: u8,
    /// The time of its last transaction.
    pub at: Timestamp,
}

/// A range that closed and is to be merged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    /// Its first index.
    pub first: SegmentIndex,
    /// Its last index.
    pub last: SegmentIndex,
    /// The level of the merged segment, from 1.
    pub level: u8,
    /// The ends of its parts, with their times; the last is its own.
    pub points: Vec<(SegmentIndex, Timestamp)>,
}

/// The ranges that are open, one at each level. They grow at the end of a generation, and close from below. None begins
/// before that of the level above: so no two ranges that close ever cross.
#[derive(Clone, Debug)]
pub struct Frontier {
    levels: Levels,
    open: Vec<Open>,
}

/// An open range.
#[derive(Clone, Debug, Default)]
struct Open {
    /// Its first index, and the time of its first unit; `None` while it has nothing.
    begun: Option<(SegmentIndex, Timestamp)>,
    /// The ends of its parts. Of what is still open below, nothing.
    parts: Vec<(SegmentIndex, Timestamp)>,
}

impl Frontier {
    /// Nothing is open.
    pub fn new(levels: Levels) -> Frontier {
        let open = levels.get().iter().map(|_| Open::default()).collect();
        Frontier { levels, open }
    }

    /// A unit came behind what is there. One that is merged itself closes what is open at its level and below; that has
    /// to be [closed](Frontier::before) first.
    pub fn add(&mut self, unit: Unit) {
        let level = usize::from(unit.level);
        if level >= self.open.len() {
            *self = Frontier::new(self.levels.clone());
            return;
        }
        for open in &mut self.open[level..] {
            open.begun.get_or_insert((unit.first, unit.at));
        }
        self.open[level].parts.push((unit.last, unit.at));
    }

    /// The level that has to be closed before this unit comes, if one has: its time is over with what is there, or the
    /// unit is merged and stands beside what is open.
    pub fn before(&self, unit: &Unit) -> Option<usize> {
        let below = usize::from(unit.level).min(self.open.len());
        let displaced = (0..below).rev().find(|&level| self.open[level].begun.is_some());
        self.due(unit.at).max(displaced)
    }

    /// The highest level that closes now, if one does: 0 is the lowest.
    pub fn due(&self, now: Timestamp) -> Option<usize> {
        let (mut due, mut closes) = (None, false);
        for (at, (level, open)) in self.levels.get().iter().zip(&self.open).enumerate() {
            let parts = open.parts.len() + usize::from(closes);
            let over = self.over(at).is_some_and(|over| over <= now);
            closes = open.begun.is_some() && (over || parts >= level.parts.max(1) as usize);
            if closes {
                due = Some(at);
            }
        }
        due
    }

    /// When the next level closes though nothing comes.
    pub fn next_due(&self) -> Option<Timestamp> {
        (0..self.open.len()).filter_map(|level| self.over(level)).min()
    }

    fn over(&self, level: usize) -> Option<Timestamp> {
        let window = i64::try_from(self.levels.get()[level].window.as_millis()).unwrap_or(i64::MAX);
        self.open[level].begun.map(|(_, begun)| Timestamp(begun.0.saturating_add(window)))
    }

    /// Where the open range of a level begins.
    pub fn begins(&self, level: usize) -> Option<SegmentIndex> {
        self.open[level].begun.map(|(first, _)| first)
    }

    /// Closes a level, and those below it at the same point. `None` if one object stands for the range already.
    pub fn close(&mut self, level: usize) -> Option<Closed> {
        let first = self.begins(level)?;
        // What has no object of its own yet, and what its parts are.
        let mut points: Option<Vec<(SegmentIndex, Timestamp)>> = None;
        let mut carried: Option<(SegmentIndex, Timestamp)> = None;
        for open in &mut self.open[..=level] {
            let Open { mut parts, .. } = std::mem::take(open);
            parts.extend(carried);
            carried = parts.last().copied().or(carried);
            if parts.len() > 1 {
                points = Some(parts);
            }
        }
        let (end, beyond) = (carried?, self.open.get_mut(level + 1));
        if let Some(beyond) = beyond {
            beyond.begun.get_or_insert((first, end.1));
            beyond.parts.push(end);
        }
        points.map(|points| Closed { first, last: end.0, level: level as u8 + 1, points })
    }

    /// Lets go of what was not closed when its time was over, twice: whoever has only the present state cannot merge it
    /// any more without losing points that are far apart. Says which levels begin anew, the lowest first: each where
    /// the level below it begins, or with the next unit if nothing is open there.
    pub fn forget_stale(&mut self, now: Timestamp) -> Vec<usize> {
        let mut stale = Vec::new();
        let mut left: Vec<(SegmentIndex, Timestamp)> = Vec::new();
        for level in 0..self.open.len() {
            let window = i64::try_from(self.levels.get()[level].window.as_millis()).unwrap_or(i64::MAX);
            if self.over(level).is_some_and(|over| over.0.saturating_add(window) <= now.0) {
                stale.push(level);
                left.append(&mut self.open[level].parts);
                // What is open below will be a part of it. Begun later, its range would cross that one.
                let begun = level.checked_sub(1).and_then(|below| self.open[below].begun);
                self.open[level] = Open { begun, parts: Vec::new() };
            } else {
                // They stay parts of the ranges above, each by itself.
                left.sort_unstable();
                self.open[level].parts.append(&mut left);
            }
        }
        stale
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compact::Level;

    fn index(index: u64) -> SegmentIndex {
        SegmentIndex::new(index).unwrap()
    }

    fn segment(at: u64, seconds: i64) -> Unit {
        Unit { first: index(at), last: index(at), level: 0, at: Timestamp(seconds * 1000) }
    }

    fn merged(first: u64, last: u64, level: u8, seconds: i64) -> Unit {
        Unit { first: index(first), last: index(last), level, at: Timestamp(seconds * 1000) }
    }

    /// What is merged, as level, first, last and number of parts.
    fn closed(units: impl IntoIterator<Item = Unit>) -> Vec<(u8, u64, u64, usize)> {
        let mut frontier = Frontier::new(Levels::default());
        let mut found = Vec::new();
        for unit in units {
            if let Some(level) = frontier.before(&unit) {
                found.extend(frontier.close(level));
            }
            frontier.add(unit);
            if let Some(level) = frontier.due(unit.at) {
                found.extend(frontier.close(level));
            }
        }
        found.iter().map(|closed| (closed.level, closed.first.get(), closed.last.get(), closed.points.len())).collect()
    }

    #[test]
    fn a_segment_a_second_closes_by_time_and_higher_levels_are_unions_of_lower_ones() {
        let found = closed((0..7200).map(|at| segment(at, at as i64)));
        assert_eq!(found[..2], [(1, 0, 29, 30), (1, 30, 59, 30)]);
        let of = |level: u8| found.iter().filter(move |closed| closed.0 == level).copied();
        assert_eq!(of(3).collect::<Vec<_>>(), [(3, 0, 3599, 12)]);
        assert_eq!(of(2).map(|closed| (closed.1, closed.2)).next(), Some((0, 299)));
        for (level, first, last, _) in found.iter().copied().filter(|closed| closed.0 > 1) {
            let crosses = |other: &(u8, u64, u64, usize)| other.0 < level && other.1 < first && first <= other.2;
            assert!(!found.iter().any(crosses), "{first}-{last}");
        }
        // Where several end at one point, only the highest is merged.
        let mut ends: Vec<u64> = found.iter().map(|closed| closed.2).collect();
        let all = ends.len();
        ends.sort_unstable();
        ends.dedup();
        assert_eq!(ends.len(), all);
    }

    #[test]
    fn many_segments_close_by_count() {
        let found = closed((0..4000).map(|at| segment(at, at as i64 / 100)));
        assert_eq!(found[..2], [(1, 0, 31, 32), (1, 32, 63, 32)]);
        assert!(found.contains(&(2, 0, 319, 10)), "{found:?}");
        assert!(found.contains(&(3, 0, 3839, 12)), "{found:?}");
    }

    #[test]
    fn what_comes_once_a_minute_is_merged_at_the_second_level_first() {
        let found = closed((0..61).map(|at| segment(at, at as i64 * 60)));
        assert_eq!(found[..2], [(2, 0, 4, 5), (2, 5, 9, 5)]);
        assert_eq!(found.last(), Some(&(3, 0, 59, 12)));
    }

    #[test]
    fn the_open_tail_is_never_merged_and_one_object_stands_for_itself() {
        assert_eq!(closed((0..20).map(|at| segment(at, at as i64))), []);
        assert_eq!(closed([segment(0, 0), segment(1, 4000), segment(2, 8000)]), []);
        assert_eq!(closed([merged(0, 9, 1, 9), segment(10, 4000)]), []);
    }

    #[test]
    fn what_is_merged_already_is_a_part_of_higher_levels() {
        let units = (0..9).map(|at| merged(at * 30, at * 30 + 29, 1, at as i64 * 30 + 29));
        let units = units.chain([segment(270, 270), segment(271, 271), merged(272, 400, 2, 400), segment(401, 401)]);
        // Two segments before a merged one close with everything beside it.
        assert_eq!(closed(units), [(2, 0, 271, 10)]);
        assert_eq!(closed([segment(0, 0), segment(1, 1), merged(2, 9, 3, 9), segment(10, 10)]), [(3, 0, 1, 2)]);
    }

    #[test]
    fn an_idle_database_closes_once_and_then_waits_for_nothing() {
        let mut frontier = Frontier::new(Levels::default());
        (0..5).for_each(|at| frontier.add(segment(at, at as i64)));
        let mut merges = Vec::new();
        while let Some(at) = frontier.next_due() {
            let level = frontier.due(at).unwrap();
            merges.extend(frontier.close(level).map(|closed| (closed.level, at.0)));
        }
        assert_eq!(merges, [(1, 30_000)], "of higher levels, one object stands for the range");
    }

    #[test]
    fn what_nobody_closed_in_time_begins_anew() {
        let mut frontier = Frontier::new(Levels::default());
        (0..5).for_each(|at| frontier.add(segment(at, at as i64)));
        assert!(frontier.forget_stale(Timestamp(59_999)).is_empty());
        assert_eq!(frontier.forget_stale(Timestamp(60_000)), [0]);
        assert_eq!((frontier.begins(0), frontier.begins(1)), (None, Some(index(0))));
        frontier.add(segment(5, 60));
        assert_eq!(frontier.begins(0), Some(index(5)));
        let closed = frontier.close(1).unwrap();
        assert_eq!((closed.first, closed.last, closed.points.len()), (index(0), index(5), 6));
    }
    /// For ten minutes nobody closed anything. The lowest level, which had begun anew every minute, did so once more in
    /// time, and the second one began behind it: one range closed across the beginning of the other.
    #[test]
    fn a_level_that_begins_anew_begins_where_the_one_below_does() {
        let mut frontier = Frontier::new(Levels::default());
        let mut anew = Vec::new();
        for at in 0..=86 {
            let unit = segment(at, at as i64 * 7);
            anew.push(frontier.forget_stale(unit.at));
            frontier.add(unit);
        }
        assert_eq!((&anew[81][..], &anew[86][..]), (&[0][..], &[1][..]));
        assert_eq!((frontier.begins(0), frontier.begins(1)), (Some(index(81)), Some(index(81))));
        assert_eq!(frontier.begins(2), Some(index(0)));
        let lower = frontier.close(0).unwrap();
        frontier.add(segment(87, 609));
        let upper = frontier.close(1).unwrap();
        assert_eq!((lower.first, lower.last), (index(81), index(86)));
        assert_eq!((upper.first, upper.last, upper.points.len()), (index(81), index(87), 2));
    }

    /// Numbers that follow from a seed.
    fn chance(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        move |limit| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % limit
        }
    }

    /// The ranges that close over a thousand segments while it is held up again and again that they do: until about the
    /// time at which a level begins anew.
    fn held_up(seed: u64) -> Vec<(u64, u64)> {
        let windows = [30, 300, 3600];
        let level = |&seconds| Level { window: Duration::from_secs(seconds), parts: 1000 };
        let mut frontier = Frontier::new(Levels::new(windows.iter().map(level).collect::<Vec<_>>()));
        let (mut below, mut now, mut held_until) = (chance(seed), 0, 0);
        let mut found = Vec::new();
        for at in 0..1000 {
            now += below([2000, 7000, 61_000][at as usize % 3]) as i64;
            let unit = Unit { at: Timestamp(now), ..segment(at, 0) };
            frontier.forget_stale(unit.at);
            frontier.add(unit);
            if now >= held_until && below(100) == 0 {
                let level = below(3) as usize;
                let over = frontier.over(level).map_or(now, |over| over.0);
                held_until = over + windows[level] as i64 * 1000 + below(60_000) as i64;
            }
            while let Some(level) = frontier.due(unit.at).filter(|_| now >= held_until) {
                found.extend(frontier.close(level).map(|closed| (closed.first.get(), closed.last.get())));
            }
        }
        found
    }

    #[test]
    fn however_long_it_is_held_up_that_ranges_close_no_two_of_them_cross() {
        let mut closed = 0;
        for seed in 1..=32 {
            let found = held_up(seed);
            closed += found.len();
            for (first, last) in &found {
                let crosses = |other: &&(u64, u64)| other.0 < *first && *first <= other.1 && other.1 < *last;
                assert_eq!(found.iter().find(crosses), None, "seed {seed}: {first}-{last}");
            }
        }
        assert!(closed > 1000, "{closed}");
    }
}
