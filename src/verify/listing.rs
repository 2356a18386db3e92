//! What a listing tells of one generation. Pure.

use super::{Finding, Severity};
use crate::replica::{Name, Objects};
use crate::restore::{Point, Uncovered, cover};
use crate::units::SegmentIndex;

/// Everything that is missing between what is there.
pub(super) fn holes(objects: &Objects) -> Vec<Finding> {
    let generation = objects.generation;
    let Some(last) = objects.last() else { return Vec::new() };
    let mut findings = Vec::new();
    if objects.snapshot.is_none() {
        let name = Name::Snapshot(generation);
        findings.push(Finding::of(name, "object.missing", Severity::Damaged, format!("{name} is missing")));
    }
    let holes = uncovered(objects);
    for &(first, until) in &holes {
        let name = Name::Segment(generation, SegmentIndex::new(first).unwrap_or(SegmentIndex::MAX));
        let message = match until - first {
            1 => format!("{name} is missing"),
            many => format!("{name} and {} more behind it are missing", many - 1),
        };
        findings.push(Finding::of(name, "object.missing", Severity::Damaged, message));
    }
    // Merged segments may cover everything and still not join.
    if findings.is_empty()
        && let Err(Uncovered::Gap(index)) = cover(objects, Point::Index(last))
    {
        let name = Name::Segment(generation, index);
        findings.push(Finding::of(name, "object.missing", Severity::Damaged, format!("{name} is missing")));
    }
    findings
}

/// What is left of a generation that was deleted: nothing is lost by it.
pub(super) fn remnant(objects: &Objects) -> Option<Finding> {
    let &(name, _) = objects.names().first()?;
    let message = format!("{name} is left of a generation that was deleted, or is being deleted");
    Some(Finding::of(name, "generation.remnant", Severity::Warning, message))
}

/// The ranges of indices up to the last that no object covers, each without its end.
fn uncovered(objects: &Objects) -> Vec<(u64, u64)> {
    let mut covered: Vec<(u64, u64)> = Vec::with_capacity(objects.segments.len() + objects.merged.len());
    covered.extend(objects.segments.iter().map(|&(index, _)| (index.get(), index.get() + 1)));
    covered.extend(objects.merged.iter().map(|&(first, last, _)| (first.get(), last.get() + 1)));
    covered.sort_unstable();
    let (mut holes, mut place) = (Vec::new(), 0);
    for (first, until) in covered {
        if first > place {
            holes.push((place, first));
        }
        place = place.max(until);
    }
    holes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GenerationId;
    use crate::units::Timestamp;

    fn told(snapshot: bool, segments: &[u64], merged: &[(u64, u64)]) -> Vec<Option<u64>> {
        let at = |index| SegmentIndex::new(index).unwrap();
        let objects = Objects {
            snapshot: snapshot.then_some(1),
            segments: segments.iter().map(|&index| (at(index), 1)).collect(),
            merged: merged.iter().map(|&(first, last)| (at(first), at(last), 1)).collect(),
            ..Objects::none(GenerationId::new(Timestamp(1), [1; 10]))
        };
        holes(&objects).iter().map(|finding| finding.index.map(SegmentIndex::get)).collect()
    }

    #[test]
    fn every_hole_is_told() {
        assert_eq!(told(true, &[0, 1, 2], &[]), []);
        assert_eq!(told(true, &[], &[]), []);
        assert_eq!(told(true, &[1, 4, 6], &[]), [Some(0), Some(2), Some(5)]);
        assert_eq!(told(true, &[0, 5], &[(1, 4)]), []);
        assert_eq!(told(true, &[], &[(0, 2), (2, 4)]), [Some(3)]);
        assert_eq!(told(false, &[0], &[]), [None]);
    }
}
