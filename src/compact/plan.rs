//! What merging will do, before it does anything.

use serde::{Serialize, Serializer};

use super::units::{joined, outermost, units};
use super::{Closed, Error, Frontier, Levels, Options, Unit};
use crate::format::Manifest;
use crate::ids::GenerationId;
use crate::replica::{Inventory, Name, Objects, Replica, read_manifest};
use crate::units::{SegmentIndex, Timestamp};

/// What is to be merged, in the order in which it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Plan {
    /// The location of the replica.
    pub source: String,
    /// The merged segments that will be made.
    pub merges: Vec<PlannedMerge>,
}

/// A merged segment that will be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlannedMerge {
    /// Its key.
    #[serde(rename = "key", serialize_with = "text")]
    pub name: Name,
    /// The generation.
    pub generation: GenerationId,
    /// Its first index.
    #[serde(rename = "first_index", serialize_with = "number")]
    pub first: SegmentIndex,
    /// Its last index.
    #[serde(rename = "last_index", serialize_with = "number")]
    pub last: SegmentIndex,
    /// Its level, from 1.
    pub level: u8,
    /// The objects that it is made of; some may be made by merges before it.
    pub objects: usize,
    /// The time of the first point in it.
    #[serde(serialize_with = "text")]
    pub from: Timestamp,
    /// The time of its last transaction.
    #[serde(serialize_with = "text")]
    pub to: Timestamp,
    /// The ends of its parts, with their times.
    #[serde(skip)]
    pub points: Vec<(SegmentIndex, Timestamp)>,
}

impl Plan {
    /// There is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.merges.is_empty()
    }
}

/// Plans the merges of all generations: those ranges that have closed and have no object yet. The open end of each
/// generation is left alone. Listings, manifests, and the outlines of objects that no manifest tells of are read.
///
/// # Errors
///
/// [`Error::NoBackup`] if there is no generation; damage; those of the store.
pub async fn plan(replica: &Replica, options: &Options) -> Result<Plan, Error> {
    let inventory = Inventory::list(&**replica).await?;
    if inventory.generations.iter().all(|objects| objects.snapshot.is_none()) {
        return Err(Error::NoBackup { location: replica.location() });
    }
    let mut merges = Vec::new();
    for objects in &inventory.generations {
        let manifest = match read_manifest(replica, objects.generation).await {
            Ok(manifest) => manifest,
            // It is a hint; the objects tell the same.
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error.into()),
        };
        merges.extend(generation(replica, objects, manifest.as_ref(), options).await?);
    }
    Ok(Plan { source: replica.location(), merges })
}

async fn generation(
    replica: &Replica,
    objects: &Objects,
    manifest: Option<&Manifest>,
    options: &Options,
) -> Result<Vec<PlannedMerge>, Error> {
    let outermost = outermost(objects);
    if outermost.len() < 2 {
        return Ok(Vec::new());
    }
    let highest = options.levels.get().len() as u8;
    let units = units(replica, &outermost, manifest, highest, options.concurrency).await?;
    Ok(merges(&units, &options.levels)
        .into_iter()
        .map(|(closed, objects_in)| {
            let name = Name::Merged(objects.generation, closed.first, closed.last);
            let at = |point: Option<&(SegmentIndex, Timestamp)>| point.map_or_else(Timestamp::default, |point| point.1);
            PlannedMerge {
                name,
                generation: objects.generation,
                first: closed.first,
                last: closed.last,
                level: closed.level,
                objects: objects_in,
                from: at(closed.points.first()),
                to: at(closed.points.last()),
                points: closed.points,
            }
        })
        .collect())
}

/// The ranges that close over these units, and how many objects each is made of. Pure.
fn merges(units: &[Unit], levels: &Levels) -> Vec<(Closed, usize)> {
    let mut frontier = Frontier::new(levels.clone());
    let mut found: Vec<(Closed, usize)> = Vec::new();
    // What stands for everything so far: units, and what was merged of them.
    let mut there: Vec<(SegmentIndex, SegmentIndex)> = Vec::new();
    let mut closed = |frontier: &mut Frontier, level: usize, there: &mut Vec<(SegmentIndex, SegmentIndex)>| {
        if let Some(closed) = frontier.close(level) {
            let from = there.partition_point(|&(first, _)| first < closed.first);
            let objects = there.len() - from;
            there.truncate(from);
            there.push((closed.first, closed.last));
            found.push((closed, objects));
        }
    };
    for unit in units {
        if let Some(level) = frontier.before(unit) {
            closed(&mut frontier, level, &mut there);
        }
        frontier.add(*unit);
        there.push((unit.first, unit.last));
        if let Some(level) = frontier.due(unit.at) {
            closed(&mut frontier, level, &mut there);
        }
    }
    found
}

/// The objects of a range, oldest first, as they are listed now.
pub(super) fn parts(objects: &Objects, merge: &PlannedMerge) -> Vec<(Name, u64)> {
    let from = objects.segments.partition_point(|&(at, _)| at < merge.first);
    let until = objects.segments.partition_point(|&(at, _)| at <= merge.last);
    let inside = |&&(first, last, _): &&(SegmentIndex, SegmentIndex, u64)| merge.first <= first && last <= merge.last;
    let within = Objects {
        segments: objects.segments[from..until].to_vec(),
        merged: objects.merged.iter().filter(inside).copied().collect(),
        ..Objects::none(objects.generation)
    };
    joined(&within, merge.first)
}

fn text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn number<S: Serializer>(value: &SegmentIndex, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(value.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(count: u64, every: i64) -> Vec<Unit> {
        let index = |at| SegmentIndex::new(at).unwrap();
        let unit = |at| Unit { first: index(at), last: index(at), level: 0, at: Timestamp(at as i64 * every) };
        (0..count).map(unit).collect()
    }

    #[test]
    fn a_day_of_one_segment_a_second_is_merged_into_tens_of_objects() {
        let found = merges(&segments(86_400, 1000), &Levels::default());
        let of = |level: u8| found.iter().filter(|(closed, _)| closed.level == level).count();
        assert_eq!((of(1), of(2), of(3)), (24 * 12 * 9, 24 * 11, 23), "the last hour is open");
        assert!(found.len() <= 3200);
        assert!(found.iter().all(|(_, objects)| *objects <= 11 + 9 + 30), "each is made of few objects");
    }

    #[test]
    fn planning_again_finds_nothing() {
        let units = segments(5000, 1000);
        let mut there: Vec<Unit> = units.clone();
        for (closed, _) in merges(&units, &Levels::default()) {
            let from = there.partition_point(|unit| unit.first < closed.first);
            let until = there.partition_point(|unit| unit.last <= closed.last);
            let at = there[until - 1].at;
            there.splice(from..until, [Unit { first: closed.first, last: closed.last, level: closed.level, at }]);
        }
        assert!(there.len() < 90, "{}", there.len());
        assert_eq!(merges(&there, &Levels::default()), []);
    }
}
