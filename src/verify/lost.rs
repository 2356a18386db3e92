//! What damage takes away: which states can be restored without the objects that are not as they were written.

use std::collections::{HashMap, HashSet};

use super::{Finding, Severity};
use crate::ids::GenerationId;
use crate::replica::{self, Name, ObjectReader, Objects, Replica};
use crate::restore::{Error, Interval, Point, ends, reachable};
use crate::units::Timestamp;

/// The times of the last transactions of objects, each read once.
pub(super) struct Times<'a> {
    replica: &'a Replica,
    known: HashMap<Name, Option<Timestamp>>,
    /// Bytes read for it.
    pub(super) bytes_read: u64,
}

impl<'a> Times<'a> {
    pub(super) fn new(replica: &'a Replica) -> Times<'a> {
        Times { replica, known: HashMap::new(), bytes_read: 0 }
    }

    /// The time of an object, or why it cannot be read.
    pub(super) async fn open(&mut self, name: Name, size: u64) -> Result<Timestamp, replica::Error> {
        let opened = ObjectReader::open(self.replica, name, size).await;
        self.known.insert(name, opened.as_ref().ok().map(|reader| reader.outline().summary.last_time));
        let reader = opened?;
        self.bytes_read += reader.fetched();
        Ok(reader.outline().summary.last_time)
    }

    /// The time of an object; `None` if that cannot be read.
    async fn get(&mut self, name: Name, size: u64) -> Result<Option<Timestamp>, Error> {
        if let Some(&known) = self.known.get(&name) {
            return Ok(known);
        }
        match self.open(name, size).await {
            Ok(at) => Ok(Some(at)),
            Err(error) if error.is_damage() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The time of the first of these objects that has one.
    async fn first(&mut self, ends: impl IntoIterator<Item = End>) -> Result<Option<Timestamp>, Error> {
        for (_, name, size) in ends {
            if let Some(at) = self.get(name, size).await? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

type End = (Point, Name, u64);

/// Tells every finding what it takes away; says the first and the last moment that can be restored all the same.
/// `promised` is up to when the manifests know of segments.
pub(super) async fn weigh(
    times: &mut Times<'_>,
    generations: &[Objects],
    promised: &HashMap<GenerationId, Timestamp>,
    findings: &mut [Finding],
) -> Result<Option<(Timestamp, Timestamp)>, Error> {
    let bad: HashSet<Name> = findings.iter().filter_map(culprit).collect();
    for objects in generations.iter().filter(|it| bad.iter().any(|name| name.generation() == it.generation)) {
        let (good, all) = (reachable(&without(objects, &bad)), ends(objects));
        let id = objects.generation;
        let promised = promised.get(&id).copied();
        for finding in findings.iter_mut() {
            let Some(name) = culprit(finding).filter(|name| name.generation() == id) else { continue };
            let lost = begins(name);
            let before = good.iter().rev().copied().filter(|&(point, ..)| place(point) < lost);
            let after = good.iter().copied().filter(|&(point, ..)| place(point) >= lost);
            let from = times.first(before).await?.unwrap_or_else(|| id.at());
            let to = match times.first(after).await? {
                Some(after) => Some(after),
                None => times.first(all.iter().rev().copied()).await?.max(promised),
            };
            finding.lost = to.filter(|&to| to >= from).map(|to| Interval { from, to });
        }
    }
    let (mut from, mut to) = (None, None);
    for objects in generations {
        from = times.first(reachable(&without(objects, &bad))).await?;
        if from.is_some() {
            break;
        }
    }
    for objects in generations.iter().rev() {
        to = times.first(reachable(&without(objects, &bad)).into_iter().rev()).await?;
        if to.is_some() {
            break;
        }
    }
    Ok(from.zip(to))
}

/// The object without which states have to do after this finding.
fn culprit(finding: &Finding) -> Option<Name> {
    let name = Name::parse(finding.object.as_deref()?)?;
    let matters = match name {
        // A restore does without it.
        Name::Manifest(_) => false,
        // It stands for itself, whatever was before it.
        Name::Snapshot(_) => finding.code != "chain.broken",
        Name::Segment(..) | Name::Merged(..) => true,
    };
    (finding.severity == Severity::Damaged && matters && finding.code != "manifest.mismatch").then_some(name)
}

fn without(objects: &Objects, bad: &HashSet<Name>) -> Objects {
    let id = objects.generation;
    let mut left = objects.clone();
    left.snapshot = left.snapshot.filter(|_| !bad.contains(&Name::Snapshot(id)));
    left.segments.retain(|&(index, _)| !bad.contains(&Name::Segment(id, index)));
    left.merged.retain(|&(first, last, _)| !bad.contains(&Name::Merged(id, first, last)));
    left
}

/// The first place of a state that needs the object: 0 is the snapshot's.
fn begins(name: Name) -> u64 {
    match name {
        Name::Snapshot(_) | Name::Manifest(_) => 0,
        Name::Segment(_, index) | Name::Merged(_, index, _) => index.get() + 1,
    }
}

fn place(point: Point) -> u64 {
    point.index().map_or(0, |index| index.get() + 1)
}
