//! Which objects lead to a point: the fewest that join. Pure.

use std::collections::HashMap;

use super::Point;
use crate::replica::{Name, Objects};
use crate::units::SegmentIndex;

/// Why there are no objects that lead to a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Uncovered {
    /// There is no snapshot.
    NoSnapshot,
    /// This segment is missing.
    Gap(SegmentIndex),
    /// The point lies inside of a merged segment; the point before it can still be restored.
    Merged(Point),
    /// The generation ends before it, here.
    Beyond(Point),
}

/// The best way known to a place: objects, bytes, and the last object with the place before it.
#[derive(Clone, Copy)]
struct Way {
    objects: u64,
    bytes: u64,
    from: u64,
    name: Name,
    size: u64,
}

/// The fewest objects, oldest first, that together are the database at this point.
pub(crate) fn cover(objects: &Objects, point: Point) -> Result<Vec<(Name, u64)>, Uncovered> {
    let snapshot = objects.snapshot.ok_or(Uncovered::NoSnapshot)?;
    let goal = place_after(point);
    let end = objects.last().map_or(0, |last| last.get() + 1);
    if goal > end {
        return Err(Uncovered::Beyond(objects.last().into()));
    }
    let ways = ways(objects);
    let reaches = |place: u64| place == 0 || ways.contains_key(&place);
    if !reaches(goal) {
        let around = |&&(first, last, _): &&(SegmentIndex, SegmentIndex, u64)| {
            reaches(first.get()) && first.get() < goal && goal <= last.get()
        };
        // Not counted down from the goal: whoever writes to the store can name a segment of any index.
        let before = ways.keys().copied().filter(|&place| place < goal).max().unwrap_or(0);
        // Merging deletes small segments from the first of a range to the last but one; a hole beside it is a hole.
        return Err(match objects.merged.iter().find(around) {
            Some(_) => Uncovered::Merged(point_at(before)),
            None => Uncovered::Gap(SegmentIndex::new(before).unwrap_or(SegmentIndex::MAX)),
        });
    }
    let mut chain = Vec::new();
    let mut place = goal;
    while place > 0 {
        let way = ways[&place];
        chain.push((way.name, way.size));
        place = way.from;
    }
    chain.push((Name::Snapshot(objects.generation), snapshot));
    chain.reverse();
    Ok(chain)
}

/// The best way to every place that can be reached; place `n` is the state before segment `n`.
fn ways(objects: &Objects) -> HashMap<u64, Way> {
    let id = objects.generation;
    let mut edges: Vec<(u64, u64, Name, u64)> = Vec::with_capacity(objects.segments.len() + objects.merged.len());
    edges.extend(objects.segments.iter().map(|&(at, size)| (at.get(), at.get() + 1, Name::Segment(id, at), size)));
    edges.extend(objects.merged.iter().map(|&(a, b, size)| (a.get(), b.get() + 1, Name::Merged(id, a, b), size)));
    // Every edge leads upward, so that in the order of their beginnings all ways to a place are known when it is left.
    edges.sort_unstable_by_key(|&(from, to, ..)| (from, to));
    let mut ways: HashMap<u64, Way> = HashMap::with_capacity(edges.len());
    for (from, to, name, size) in edges {
        let (objects, bytes) = match ways.get(&from) {
            Some(way) => (way.objects, way.bytes),
            None if from == 0 => (0, 0),
            None => continue,
        };
        let way = Way { objects: objects + 1, bytes: bytes + size, from, name, size };
        let best = ways.entry(to).or_insert(way);
        if (way.objects, way.bytes) < (best.objects, best.bytes) {
            *best = way;
        }
    }
    ways
}

/// The points whose state some object ends with, oldest first, and the smallest such object; the snapshot first.
pub(crate) fn ends(objects: &Objects) -> Vec<(Point, Name, u64)> {
    let id = objects.generation;
    let mut ends: Vec<(Point, Name, u64)> = Vec::new();
    ends.extend(objects.snapshot.map(|size| (Point::Snapshot, Name::Snapshot(id), size)));
    ends.extend(objects.segments.iter().map(|&(at, size)| (Point::Index(at), Name::Segment(id, at), size)));
    ends.extend(objects.merged.iter().map(|&(a, b, size)| (Point::Index(b), Name::Merged(id, a, b), size)));
    ends.sort_unstable_by_key(|&(point, _, size)| (point, size));
    ends.dedup_by_key(|end| end.0);
    ends
}

/// The [`ends`] that can be restored: those that some objects lead to.
pub(crate) fn reachable(objects: &Objects) -> Vec<(Point, Name, u64)> {
    if objects.snapshot.is_none() {
        return Vec::new();
    }
    let ways = ways(objects);
    let leads = |point: Point| point == Point::Snapshot || ways.contains_key(&place_after(point));
    ends(objects).into_iter().filter(|&(point, ..)| leads(point)).collect()
}

/// The [`ends`] among which a moment is looked for: those that can be restored, and those that something missing keeps from
/// it. Points inside of a merged segment are left out once nothing else leads to them.
pub(super) fn sought(objects: &Objects) -> Vec<(Point, Name, u64)> {
    let ways = ways(objects);
    let reaches = |place: u64| place == 0 || ways.contains_key(&place);
    let leads: Vec<(u64, u64)> = objects
        .merged
        .iter()
        .map(|&(first, last, _)| (first.get(), last.get() + 1))
        .filter(|&(from, _)| reaches(from))
        .collect();
    // The furthest place that a range which begins up to here leads to.
    let mut beyond: Vec<(u64, u64)> = Vec::with_capacity(leads.len());
    for (from, to) in leads {
        let furthest = beyond.last().map_or(to, |&(_, before)| to.max(before));
        beyond.push((from, furthest));
    }
    let merged = |place: u64| {
        let at = beyond.partition_point(|&(from, _)| from < place);
        at > 0 && beyond[at - 1].1 > place
    };
    let kept = |&(point, ..): &(Point, Name, u64)| {
        let place = place_after(point);
        reaches(place) || !merged(place)
    };
    ends(objects).into_iter().filter(kept).collect()
}

/// How many segments there are up to a point.
pub(super) fn place_after(point: Point) -> u64 {
    point.index().map_or(0, |index| index.get() + 1)
}

fn point_at(place: u64) -> Point {
    place.checked_sub(1).and_then(SegmentIndex::new).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GenerationId;
    use crate::units::Timestamp;

    fn at(index: u64) -> SegmentIndex {
        SegmentIndex::new(index).unwrap()
    }

    fn objects(segments: &[u64], merged: &[(u64, u64)]) -> Objects {
        Objects {
            snapshot: Some(100),
            segments: segments.iter().map(|&index| (at(index), 10)).collect(),
            merged: merged.iter().map(|&(first, last)| (at(first), at(last), 50)).collect(),
            ..Objects::none(GenerationId::new(Timestamp(1), [1; 10]))
        }
    }

    /// The chain behind the snapshot, as the numbers in its keys.
    fn chain(objects: &Objects, point: Point) -> Result<Vec<(u64, u64)>, Uncovered> {
        let names = cover(objects, point)?;
        assert!(matches!(names[0].0, Name::Snapshot(_)));
        Ok(names[1..]
            .iter()
            .map(|&(name, _)| match name {
                Name::Segment(_, index) => (index.get(), index.get()),
                Name::Merged(_, first, last) => (first.get(), last.get()),
                other => panic!("{other}"),
            })
            .collect())
    }

    fn index(index: u64) -> Point {
        Point::Index(at(index))
    }

    #[test]
    fn without_merged_segments_it_is_the_snapshot_and_every_segment() {
        let objects = objects(&[0, 1, 2, 3], &[]);
        assert_eq!(chain(&objects, Point::Snapshot), Ok(vec![]));
        assert_eq!(chain(&objects, index(2)), Ok(vec![(0, 0), (1, 1), (2, 2)]));
        assert_eq!(chain(&objects, index(4)), Err(Uncovered::Beyond(index(3))));
    }

    #[test]
    fn merged_segments_are_taken_where_they_make_the_chain_shorter() {
        let objects = objects(&[0, 1, 2, 3, 4, 5, 6, 7], &[(0, 2), (3, 6), (0, 4)]);
        assert_eq!(chain(&objects, index(6)), Ok(vec![(0, 2), (3, 6)]));
        assert_eq!(chain(&objects, index(5)), Ok(vec![(0, 4), (5, 5)]));
        assert_eq!(chain(&objects, index(4)), Ok(vec![(0, 4)]));
        assert_eq!(chain(&objects, index(1)), Ok(vec![(0, 0), (1, 1)]));
    }

    #[test]
    fn a_hole_is_named_by_its_first_segment() {
        assert_eq!(chain(&objects(&[0, 1, 4, 5], &[]), index(5)), Err(Uncovered::Gap(at(2))));
        assert_eq!(chain(&objects(&[1, 2], &[]), index(1)), Err(Uncovered::Gap(at(0))));
        assert_eq!(chain(&objects(&[0, 4], &[(1, 2)]), index(4)), Err(Uncovered::Gap(at(3))));
        assert_eq!(chain(&objects(&[0, 3], &[(2, 3)]), index(3)), Err(Uncovered::Gap(at(1))));
    }

    #[test]
    fn a_point_inside_of_a_merged_segment_is_answered_with_the_one_before() {
        let objects = objects(&[0, 5], &[(1, 4)]);
        assert_eq!(chain(&objects, index(3)), Err(Uncovered::Merged(index(0))));
        assert_eq!(chain(&objects, index(4)), Ok(vec![(0, 0), (1, 4)]));
        assert_eq!(chain(&objects, index(5)), Ok(vec![(0, 0), (1, 4), (5, 5)]));
    }

    #[test]
    fn without_a_snapshot_nothing_leads_anywhere() {
        let mut objects = objects(&[0], &[]);
        objects.snapshot = None;
        assert_eq!(chain(&objects, index(0)), Err(Uncovered::NoSnapshot));
    }

    #[test]
    fn a_segment_that_nobody_can_have_written_is_a_gap_like_any_other() {
        let objects = objects(&[0, 1, SegmentIndex::MAX.get()], &[]);
        assert_eq!(
            chain(&objects, Point::Index(SegmentIndex::MAX)),
            Err(Uncovered::Gap(SegmentIndex::new(2).unwrap()))
        );
    }

    #[test]
    fn what_is_reachable_is_what_can_be_covered() {
        for objects in [objects(&[0, 1, 4, 5], &[(1, 4)]), objects(&[0, 2, 3], &[(2, 3)]), objects(&[], &[(0, 4)])] {
            let points: Vec<Point> = reachable(&objects).iter().map(|&(point, ..)| point).collect();
            let covered = |point: &Point| cover(&objects, *point).is_ok();
            let expected: Vec<Point> = ends(&objects).iter().map(|&(point, ..)| point).filter(covered).collect();
            assert_eq!(points, expected);
        }
    }

    #[test]
    fn what_is_left_inside_of_a_merged_segment_is_not_looked_for() {
        let points = |objects: &Objects| -> Vec<Point> { sought(objects).iter().map(|&(point, ..)| point).collect() };
        // Deletion ended half way: 3 is left of 2 to 5.
        let left = objects(&[0, 1, 3, 6], &[(2, 5)]);
        assert_eq!(points(&left), [Point::Snapshot, index(0), index(1), index(5), index(6)]);
        let whole = objects(&[0, 1, 2, 3, 4, 5, 6], &[(2, 5)]);
        assert_eq!(points(&whole).len(), 8);
        let hole = objects(&[0, 1, 3, 6], &[]);
        assert_eq!(points(&hole).len(), 5, "what is missing is met and told");
    }

    #[test]
    fn the_smallest_object_stands_for_each_end() {
        let ends = ends(&objects(&[0, 1, 2], &[(0, 2)]));
        let names: Vec<Point> = ends.iter().map(|&(point, ..)| point).collect();
        assert_eq!(names, [Point::Snapshot, index(0), index(1), index(2)]);
        assert!(matches!(ends[3].1, Name::Segment(..)));
    }
}
