//! What a generation is made of, for merging: the outermost objects, with their times.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Error, Unit};
use crate::format::{Kind, Manifest, Outline};
use crate::replica::{Name, ObjectReader, Objects, Replica};
use crate::units::{SegmentIndex, Timestamp};

/// The objects that stand for everything from the snapshot up to the first hole: the longest ranges where there are
/// several. What lies behind a hole can only be restored when that is filled, and is left as it is.
pub(super) fn outermost(objects: &Objects) -> Vec<(Name, u64)> {
    if objects.snapshot.is_some() { joined(objects, SegmentIndex::ZERO) } else { Vec::new() }
}

/// The same from this place on, whether or not there is a snapshot.
pub(crate) fn joined(objects: &Objects, from: SegmentIndex) -> Vec<(Name, u64)> {
    let id = objects.generation;
    let mut all: Vec<(u64, u64, Name, u64)> = Vec::with_capacity(objects.segments.len() + objects.merged.len());
    all.extend(objects.segments.iter().map(|&(at, size)| (at.get(), at.get(), Name::Segment(id, at), size)));
    all.extend(objects.merged.iter().map(|&(a, b, size)| (a.get(), b.get(), Name::Merged(id, a, b), size)));
    // Of those that begin at one place, the longest comes first.
    all.sort_unstable_by_key(|&(first, last, ..)| (first, std::cmp::Reverse(last)));
    let (mut found, mut next) = (Vec::new(), from.get());
    for (first, last, name, size) in all {
        if first > next {
            break;
        }
        if first == next {
            found.push((name, size));
            next = last + 1;
        }
    }
    found
}

/// These objects as units. Times and levels are the manifest's where it has them; otherwise those that the objects say of
/// themselves, for which they are read. What is merged and lies before a range of the highest level is not read: it is
/// taken for one.
pub(super) async fn units(
    replica: &Replica,
    objects: &[(Name, u64)],
    manifest: Option<&Manifest>,
    highest: u8,
    concurrency: usize,
) -> Result<Vec<Unit>, Error> {
    let known = manifest.map(known).unwrap_or_default();
    let (known, concurrency) = (&known, concurrency.max(1));
    let told = |&(name, size): &(Name, u64)| async move {
        match known.get(&name) {
            Some(unit) => Ok::<Unit, Error>(*unit),
            None => Ok(of(ObjectReader::open(replica, name, size).await?.outline())),
        }
    };
    let (mut place, mut tail) = (objects.len(), Vec::new());
    while place > 0 && tail.iter().all(|unit: &Unit| unit.level < highest) {
        let from = place.saturating_sub(concurrency);
        let read: Vec<Unit> = stream::iter(&objects[from..place]).map(told).buffered(concurrency).try_collect().await?;
        tail.extend(read.into_iter().rev());
        place = from;
    }
    let before = stream::iter(&objects[..place]).map(|object| async move {
        match object.0 {
            Name::Merged(_, first, last) => Ok(Unit { first, last, level: highest, at: Timestamp::default() }),
            _ => told(object).await,
        }
    });
    let mut units: Vec<Unit> = before.buffered(concurrency).try_collect().await?;
    units.extend(tail.into_iter().rev());
    Ok(units)
}

/// What a manifest tells.
fn known(manifest: &Manifest) -> HashMap<Name, Unit> {
    let id = manifest.generation;
    let segments = manifest.segments.iter().map(|segment| {
        let unit = Unit { first: segment.index, last: segment.index, level: 0, at: segment.at };
        (Name::Segment(id, segment.index), unit)
    });
    let merged = manifest.merged.iter().map(|merged| {
        let unit = Unit { first: merged.first, last: merged.last, level: merged.level, at: merged.at };
        (Name::Merged(id, merged.first, merged.last), unit)
    });
    segments.chain(merged).collect()
}

/// An object as a unit. A merged one that does not tell its level is taken for one of the highest.
fn of(outline: &Outline) -> Unit {
    let (header, summary) = (&outline.header, &outline.summary);
    let level = match (&outline.times, header.kind) {
        (Some(times), _) => times.level,
        (None, Kind::Merged) => u8::MAX,
        (None, Kind::Snapshot | Kind::Segment) => 0,
    };
    Unit { first: header.first, last: summary.last, level, at: summary.last_time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GenerationId;

    #[test]
    fn the_outermost_objects_stand_for_everything_up_to_the_first_hole() {
        let at = |index| SegmentIndex::new(index).unwrap();
        let mut objects = Objects {
            snapshot: Some(1),
            segments: [0, 1, 2, 3, 4, 7, 8, 9].map(|index| (at(index), 1)).to_vec(),
            merged: [(0, 1), (0, 3), (2, 3), (8, 9)].map(|(first, last)| (at(first), at(last), 1)).to_vec(),
            ..Objects::none(GenerationId::new(Timestamp(1), [1; 10]))
        };
        let ranges = |objects: &Objects| -> Vec<(u64, u64)> {
            let range = |(name, _)| match name {
                Name::Segment(_, index) => (index.get(), index.get()),
                Name::Merged(_, first, last) => (first.get(), last.get()),
                other => panic!("{other}"),
            };
            outermost(objects).into_iter().map(range).collect()
        };
        assert_eq!(ranges(&objects), [(0, 3), (4, 4)]);
        objects.snapshot = None;
        assert_eq!(ranges(&objects), []);
    }
}
