//! From a target to a point of a generation.

use std::collections::HashMap;

use super::cover::{Uncovered, cover, place_after, sought};
use super::hinted::{self, Hinted};
use super::left_out::{LeftOut, leave_out};
use super::seam::lacks_its_end;
use super::{Absence, Error, Gap, Point, Survivor, Target};
use crate::format::{Outline, Summary, Times};
use crate::ids::GenerationId;
use crate::replica::chain::Link;
use crate::replica::{self, Name, ObjectReader, Objects, Replica, generations, read_latest, read_manifest};
use crate::storage::Store;
use crate::units::{SegmentIndex, Timestamp};

/// A point that was found.
pub(super) struct Found {
    pub(super) objects: Objects,
    pub(super) point: Point,
    /// The gap that the moment asked for lies in, and the first state behind it.
    pub(super) gap: Option<(Gap, Survivor)>,
    /// States between the point and the next one were merged, and the moment asked for is among them: from when to when.
    pub(super) merged: Option<(Timestamp, Timestamp)>,
    /// The time of the next state.
    pub(super) next_at: Option<Timestamp>,
    /// Not everything was listed: a manifest told the rest.
    pub(super) hinted: bool,
    /// What is left out of the objects.
    pub(super) left_out: Vec<LeftOut>,
}

/// What is listed to find a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope<'a> {
    /// What the manifest does not tell.
    Hinted,
    /// Everything. These are damaged, and left out where others stand for them.
    Whole(&'a [LeftOut]),
}

impl<'a> Scope<'a> {
    /// The same, with everything.
    fn whole(self) -> Scope<'a> {
        Scope::Whole(self.damaged())
    }

    fn damaged(self) -> &'a [LeftOut] {
        match self {
            Scope::Hinted => &[],
            Scope::Whole(damaged) => damaged,
        }
    }
}

/// The point that a target means.
pub(super) async fn seek(replica: &Replica, target: Target, scope: Scope<'_>) -> Result<Found, Error> {
    match target {
        Target::Latest => latest(replica, scope).await,
        Target::Time(at) | Target::StrictTime(at) => at_time(replica, at, scope).await,
        Target::Generation(id, point) => in_generation(replica, id, point, scope.whole()).await,
    }
}

/// A generation as listed, with what its manifest had promised before.
struct Listed {
    objects: Objects,
    /// How many segments the manifest knew of.
    promised: u64,
    /// Only part of it was listed; within these indices, everything.
    hinted: Option<(SegmentIndex, SegmentIndex)>,
    left_out: Vec<LeftOut>,
}

impl Listed {
    /// The manifest is read first: what it promises must then be in the listing. A damaged one promises nothing.
    async fn of(
        replica: &Replica,
        id: GenerationId,
        scope: Scope<'_>,
        moment: Option<Timestamp>,
    ) -> Result<Listed, Error> {
        let manifest = match read_manifest(replica, id).await {
            Ok(manifest) => manifest,
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error.into()),
        };
        let promised = manifest.as_ref().map_or(0, |manifest| manifest.next_index);
        if let (Scope::Hinted, Some(manifest)) = (scope, &manifest)
            && let Some(Hinted { objects, whole }) = hinted::list(&**replica, manifest, moment).await?
        {
            return Ok(Listed { objects, promised, hinted: Some(whole), left_out: Vec::new() });
        }
        let mut objects = Objects::list(&**replica, id, None).await?;
        let left_out = leave_out(&mut objects, scope.damaged());
        Ok(Listed { objects, promised, hinted: None, left_out })
    }

    /// The end of the generation, if nothing of it is known to be missing.
    fn end(&self, store: &dyn Store) -> Result<Point, Error> {
        let end = Point::from(self.objects.last());
        match SegmentIndex::new(place_after(end)) {
            Some(next) if next.get() < self.promised => Err(self.missing(store, next)),
            _ => Ok(end),
        }
    }

    /// Refuses the last object that is there where the next generation, by its snapshot, was begun at another one.
    fn require_end(&self, store: &dyn Store, last: &Link, next: &Link) -> Result<(), Error> {
        match lacks_its_end(last, next) {
            true => Err(self.missing(store, last.next.unwrap_or(SegmentIndex::MAX))),
            false => Ok(()),
        }
    }

    fn missing(&self, store: &dyn Store, index: SegmentIndex) -> Error {
        missing(store, Name::Segment(self.objects.generation, index))
    }

    fn found(self, point: Point) -> Found {
        let (objects, hinted, left_out) = (self.objects, self.hinted.is_some(), self.left_out);
        Found { objects, point, gap: None, merged: None, next_at: None, hinted, left_out }
    }
}

/// The newest state: that of the greatest generation with a snapshot.
async fn latest(replica: &Replica, scope: Scope<'_>) -> Result<Found, Error> {
    let hint = hint(replica).await?;
    for id in generations(&**replica).await?.into_iter().rev() {
        let listed = Listed::of(replica, id, scope, None).await?;
        if listed.objects.snapshot.is_none() {
            // One that never got its snapshot has no segments either.
            refuse_headless(&**replica, &listed.objects)?;
            continue;
        }
        if let Some(promised) = hint.filter(|&promised| promised > id) {
            return Err(missing(&**replica, Name::Snapshot(promised)));
        }
        let end = listed.end(&**replica)?;
        return Ok(listed.found(end));
    }
    match hint {
        Some(promised) => Err(missing(&**replica, Name::Snapshot(promised))),
        None => Err(Error::NoBackup { location: replica.location() }),
    }
}

/// The generation that `latest` names. It is written after the snapshot, so that a snapshot it names must be there.
async fn hint(replica: &Replica) -> Result<Option<GenerationId>, Error> {
    match read_latest(replica).await {
        Ok(latest) => Ok(latest.map(|latest| latest.generation)),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A point of one generation.
async fn in_generation(
    replica: &Replica,
    id: GenerationId,
    point: Option<Point>,
    scope: Scope<'_>,
) -> Result<Found, Error> {
    // Looked at before the listing: what it was taken at was there before it.
    let next = if point.is_none() { snapshot_after(replica, id).await? } else { None };
    let listed = Listed::of(replica, id, scope, None).await?;
    if listed.objects.snapshot.is_none() {
        refuse_headless(&**replica, &listed.objects)?;
        return Err(match generations(&**replica).await?.is_empty() {
            true => Error::NoBackup { location: replica.location() },
            false => Error::NoSuchGeneration { id: id.to_string(), location: replica.location() },
        });
    }
    let point = match point {
        None => {
            let end = listed.end(&**replica)?;
            if let Some(next) = next.filter(|next| next.joins.is_some() && next.previous == Some(id)) {
                let chain = join(&**replica, &listed.objects, end)?;
                let Some(&(name, size)) = chain.last() else { unreachable!("a chain begins with its snapshot") };
                let last = ObjectReader::open(replica, name, size).await?;
                listed.require_end(&**replica, &Link::of(last.outline()), &next)?;
            }
            end
        }
        // Asked for by name, a segment that the manifest knows of is missing, not uncovered.
        Some(Point::Index(index)) if Some(index) > listed.objects.last() && index.get() < listed.promised => {
            return Err(listed.missing(&**replica, index));
        }
        Some(point) => point,
    };
    Ok(listed.found(point))
}

/// The newest point that is not after this moment.
async fn at_time(replica: &Replica, asked: Timestamp, scope: Scope<'_>) -> Result<Found, Error> {
    let (generation, following) = generation_at(replica, asked).await?;
    let listed = Listed::of(replica, generation, scope, Some(asked)).await?;
    if listed.objects.snapshot.is_none() {
        // Let go of since it was looked at: the snapshot goes before everything else.
        return Err(missing(&**replica, Name::Snapshot(generation)));
    }
    let mut times = Ends { replica, ends: sought(&listed.objects), known: HashMap::new() };
    let place = times.newest_at(asked).await?;
    let point = times.ends[place].0;
    let (mut merged, mut next_at) = (None, None);
    let after = match times.ends.get(place + 1).map(|end| end.0) {
        // Where something is missing between the point and the next one, the state asked for may be among it.
        Some(next) => {
            let chain = join(&**replica, &listed.objects, next)?;
            let behind = times.summary(place + 1).await?;
            let passed = place_after(next) - place_after(point) > 1;
            if let (true, Some(&(name, size))) = (passed, chain.last()) {
                let here = times.summary(place).await?.last_time;
                let over = ObjectReader::open(replica, name, size).await?;
                if leads_over(over.outline(), point, here, asked) {
                    merged = Some((here, behind.last_time));
                }
            }
            let known = |(first, last): (SegmentIndex, SegmentIndex)| {
                first.get() <= place_after(point) && place_after(next) <= last.get() + 1
            };
            if passed && listed.hinted.is_some_and(|whole| !known(whole)) {
                // The manifest's times led astray: what lies between may be there after all.
                return Box::pin(at_time(replica, asked, scope.whole())).await;
            }
            next_at = Some(behind.last_time);
            let after = Survivor { generation, point: next, at: behind.last_time };
            Gap::closed_by(&behind).map(|gap| (gap, after))
        }
        None => {
            listed.end(&**replica)?;
            match following {
                Some(next) => {
                    next_at = Some(next.last_time);
                    let last = times.link(place).await?;
                    listed.require_end(&**replica, &last, &next)?;
                    let after = Survivor { generation: next.generation, point: Point::Snapshot, at: next.last_time };
                    // The generation before it: where that is younger than the one that was found, it was deleted.
                    let gap = match next.previous > Some(generation) {
                        true => Gap::new(last.last_time, next.last_time, Absence::Deleted),
                        false => Gap::between(last.last_time, next.last_time, next.joins.is_some()),
                    };
                    gap.map(|gap| (gap, after))
                }
                None => None,
            }
        }
    };
    // What was committed in the gap is in the state behind it and in none before, also for a moment between its end and
    // that state.
    let gap = after.filter(|(gap, _)| gap.from <= asked);
    Ok(Found { gap, merged, next_at, ..listed.found(point) })
}

/// The generation whose snapshot is the newest one not after this moment; and the snapshot of the next one with a
/// snapshot, if there is one.
///
/// The moment in a generation's id is about that of its snapshot: few snapshots are looked at, however many there are.
async fn generation_at(replica: &Replica, asked: Timestamp) -> Result<(GenerationId, Option<Link>), Error> {
    let hint = hint(replica).await?;
    let ids = generations(&**replica).await?;
    if let Some(promised) = hint.filter(|hint| ids.last() < Some(hint) && hint.at() <= asked) {
        return Err(missing(&**replica, Name::Snapshot(promised)));
    }
    let (before, behind) = ids.split_at(ids.partition_point(|id| id.at() <= asked));
    let (mut chosen, mut following) = (None, None);
    for &id in behind {
        match snapshot(replica, id).await {
            Ok(Some(found)) if found.last_time <= asked => chosen = Some(id),
            Ok(Some(found)) => {
                following = Some(found);
                break;
            }
            Ok(None) => {}
            // It is younger than what was asked for, by its id.
            Err(error) if error.is_damage() => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(chosen) = chosen {
        return Ok((chosen, following));
    }
    for &id in before.iter().rev() {
        match snapshot(replica, id).await? {
            Some(found) if found.last_time <= asked => return Ok((id, following)),
            Some(found) => following = Some(found),
            None => {
                let objects = Objects::list(&**replica, id, None).await?;
                // What is left of one that was deleted: the next one says that it was there.
                if following.is_none() || !objects.is_remnant() {
                    refuse_headless(&**replica, &objects)?;
                }
            }
        }
    }
    Err(match following {
        Some(earliest) => Error::BeforeAll { location: replica.location(), asked, earliest: earliest.last_time },
        None => Error::NoBackup { location: replica.location() },
    })
}

/// The snapshot of the generation after this one, if there is one that can be opened.
async fn snapshot_after(replica: &Replica, generation: GenerationId) -> Result<Option<Link>, Error> {
    for id in generations(&**replica).await?.into_iter().filter(|&id| id > generation) {
        match snapshot(replica, id).await {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            // It says nothing then, and what was asked for does without it.
            Err(error) if error.is_damage() || error.is_bad_key() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// A generation's snapshot, if there is one.
async fn snapshot(replica: &Replica, id: GenerationId) -> Result<Option<Link>, replica::Error> {
    let name = Name::Snapshot(id);
    match replica.head(&name.key()).await {
        Ok(meta) => {
            let reader = ObjectReader::open(replica, name, meta.size).await?;
            Ok(Some(Link::of(reader.outline())))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a merged segment has, between this point and its end, a state not after the moment asked for.
fn leads_over(merged: &Outline, point: Point, here: Timestamp, asked: Timestamp) -> bool {
    match &merged.times {
        // Of every segment in it, the time is known.
        Some(Times { level: 1, points }) => {
            points.iter().any(|&(index, at)| Some(index) > point.index() && index < merged.summary.last && at <= asked)
        }
        _ => here < asked && merged.header.first_time <= asked,
    }
}

/// The times of the ends of a generation, read as far as they are needed.
struct Ends<'a> {
    replica: &'a Replica,
    ends: Vec<(Point, Name, u64)>,
    known: HashMap<usize, (Summary, Link)>,
}

impl Ends<'_> {
    async fn summary(&mut self, place: usize) -> Result<Summary, Error> {
        Ok(self.look(place).await?.0)
    }

    async fn link(&mut self, place: usize) -> Result<Link, Error> {
        Ok(self.look(place).await?.1)
    }

    async fn look(&mut self, place: usize) -> Result<(Summary, Link), Error> {
        if let Some(known) = self.known.get(&place) {
            return Ok(known.clone());
        }
        let (_, name, size) = self.ends[place];
        let reader = ObjectReader::open(self.replica, name, size).await?;
        let known = (reader.outline().summary.clone(), Link::of(reader.outline()));
        self.known.insert(place, known.clone());
        Ok(known)
    }

    /// The place of the newest end not after this moment. The first one, the snapshot, is known not to be; times never
    /// go back. A damaged object is stepped over if its neighbours tell that it does not matter.
    async fn newest_at(&mut self, asked: Timestamp) -> Result<usize, Error> {
        let (mut good, mut late) = (0, self.ends.len());
        while late - good > 1 {
            let middle = good + (late - good) / 2;
            match self.summary(middle).await {
                Ok(summary) if summary.last_time <= asked => good = middle,
                Ok(_) => late = middle,
                Err(error) if error.is_damage() => {
                    let (below, above) =
                        (self.readable((good + 1..middle).rev()).await?, self.readable(middle + 1..late).await?);
                    match (below, above) {
                        (Some((place, time)), _) if time > asked => late = place,
                        (_, Some((place, time))) if time <= asked => good = place,
                        // It is the one, or none can say.
                        _ => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(good)
    }

    /// The first of these places that can be read, and its time.
    async fn readable(&mut self, places: impl Iterator<Item = usize>) -> Result<Option<(usize, Timestamp)>, Error> {
        for place in places {
            match self.summary(place).await {
                Ok(summary) => return Ok(Some((place, summary.last_time))),
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The objects up to a point; what stands in the way is an error.
pub(super) fn join(store: &dyn Store, objects: &Objects, point: Point) -> Result<Vec<(Name, u64)>, Error> {
    let generation = objects.generation;
    cover(objects, point).map_err(|uncovered| match uncovered {
        Uncovered::NoSnapshot => missing(store, Name::Snapshot(generation)),
        Uncovered::Gap(index) => missing(store, Name::Segment(generation, index)),
        Uncovered::Merged(before) => Error::Merged { generation, asked: point, before },
        Uncovered::Beyond(last) => Error::Beyond { generation, asked: point, last },
    })
}

/// Segments without their snapshot: it was there once.
fn refuse_headless(store: &dyn Store, objects: &Objects) -> Result<(), Error> {
    match objects.last() {
        Some(_) => Err(missing(store, Name::Snapshot(objects.generation))),
        None => Ok(()),
    }
}

fn missing(store: &dyn Store, name: Name) -> Error {
    replica::Error::missing(store, &name.key()).into()
}
