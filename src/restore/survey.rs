//! What can be restored from a replica: its generations, told from listings and the outlines of few objects.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Serialize, Serializer};

use super::cover::{ends, place_after, reachable};
use super::gap::Absence;
use super::{Error, Gap, Point, cover};
use crate::format::{Outline, Reason};
use crate::ids::{Digest, GenerationId};
use crate::replica::{self, Inventory, Name, ObjectReader, Objects, Replica, read_manifest};
use crate::seal::{ENVELOPE_LEN, Suite};
use crate::storage::{self, Store};
use crate::units::Timestamp;

/// Generations that are looked at at the same time.
const CONCURRENCY: usize = 8;

/// What a replica has.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Survey {
    /// The location of the replica.
    pub source: String,
    /// It is encrypted.
    pub encrypted: bool,
    /// Its generations, oldest first.
    pub generations: Vec<Generation>,
    /// Times of which no state can be restored, oldest first: nobody watched the database, or the store was out of reach.
    pub gaps: Vec<Gap>,
    /// From the first moment that can be restored to the last.
    pub restorable: Option<Interval>,
    /// Bytes of all objects of all generations.
    pub stored_bytes: u64,
}

impl Survey {
    /// Of a place where there is no backup.
    pub fn nothing(location: &str) -> Survey {
        Survey {
            source: location.to_owned(),
            encrypted: false,
            generations: Vec::new(),
            gaps: Vec::new(),
            restorable: None,
            stored_bytes: 0,
        }
    }
}

/// From one moment to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Interval {
    /// The first moment.
    #[serde(serialize_with = "text")]
    pub from: Timestamp,
    /// The last moment.
    #[serde(serialize_with = "text")]
    pub to: Timestamp,
}

/// Whether a generation can be restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// As far as listings tell, up to its end.
    Ok,
    /// Up to a point: something is missing behind it.
    Partial,
    /// Not at all.
    Damaged,
    /// It is encrypted, and there is no key: only what the store shows of it is known.
    Sealed,
}

/// One generation.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Generation {
    /// Its id.
    pub id: GenerationId,
    /// It is the newest.
    pub latest: bool,
    /// Whether it can be restored.
    pub state: State,
    /// The times of its first and last state that can be restored.
    #[serde(flatten)]
    pub covers: Option<Interval>,
    /// The last point that can be restored.
    pub last: Option<Point>,
    /// Transactions up to that point.
    pub commits: u64,
    /// Why it was begun, by its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The size of its snapshot in the store.
    pub snapshot_bytes: u64,
    /// Its segments, merged ones counted as one.
    pub segments: u64,
    /// The size of all its objects in the store.
    pub stored_bytes: u64,
    /// The page size of the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u32>,
    /// The size of the database at its last point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_bytes: Option<u64>,
    /// How its snapshot is compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// The number of the data key that it is sealed with, by its snapshot; `None` if it is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_epoch: Option<u32>,
    /// Why it cannot be restored up to its end, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Capture went on from the generation before: nothing was committed unseen between the two.
    #[serde(skip)]
    joins: bool,
    /// The generation before it, by its snapshot.
    #[serde(skip)]
    previous: Option<GenerationId>,
    /// The gaps within it, as far as the manifest and the newest segment tell.
    #[serde(skip)]
    gaps: Vec<Gap>,
}

/// Looks at a whole replica. It is only read: one listing, and four small reads a generation. Without a key of one that
/// is encrypted, what the store shows of it is told: see [`State::Sealed`].
///
/// # Errors
///
/// [`Error::NoBackup`] if there is no generation; those of the store. Damage is no error, it is told.
pub async fn survey(replica: &Replica) -> Result<Survey, Error> {
    let inventory = Inventory::list(&**replica).await?;
    let stored_bytes = inventory.generations.iter().map(Objects::stored_bytes).sum();
    let encrypted = inventory.keys;
    let newest = inventory.generations.iter().rev().find(|objects| objects.snapshot.is_some()).map(|it| it.generation);
    let began = inventory.generations.into_iter().filter(|objects| match objects.is_remnant() {
        // What is left of one that was deleted.
        true => Some(objects.generation) > newest && objects.last().is_some(),
        false => objects.snapshot.is_some() || objects.last().is_some(),
    });
    let looked = stream::iter(began).map(|objects| async move { survey_generation(replica, &objects).await });
    let mut generations: Vec<Generation> = looked.buffered(CONCURRENCY).try_collect().await?;
    let Some(latest) = generations.last_mut() else { return Err(Error::NoBackup { location: replica.location() }) };
    latest.latest = true;
    let mut covers = generations.iter().filter_map(|generation| generation.covers);
    let first = covers.next();
    let restorable = first.map(|first| Interval { from: first.from, to: covers.next_back().unwrap_or(first).to });
    let gaps = gaps(&generations);
    Ok(Survey { source: replica.location(), encrypted, generations, gaps, restorable, stored_bytes })
}

/// The gaps between generations and within them.
fn gaps(generations: &[Generation]) -> Vec<Gap> {
    let between = generations.windows(2).filter_map(|pair| {
        let (from, to) = (pair[0].covers?.to, pair[1].covers?.from);
        match pair[1].previous > Some(pair[0].id) {
            true => Gap::new(from, to, Absence::Deleted),
            false => Gap::between(from, to, pair[1].joins),
        }
    });
    let within = generations.iter().flat_map(|generation| generation.gaps.iter().copied());
    let mut gaps: Vec<Gap> = between.chain(within).collect();
    gaps.sort_unstable();
    gaps.dedup();
    gaps
}

/// Looks at one generation.
///
/// # Errors
///
/// Those of the store. Damage is no error, it is told.
pub async fn survey_generation(replica: &Replica, objects: &Objects) -> Result<Generation, Error> {
    let manifest = told(read_manifest(replica, objects.generation).await)?.ok().flatten();
    let (last, mut problem) = last_point(objects);
    let promised = manifest.as_ref().map_or(0, |manifest| manifest.next_index);
    if problem.is_none() && lacks_promised(&**replica, objects, promised).await? {
        problem = Some(format!("the manifest knows of {promised} segments, and they are not all there"));
    }
    let mut generation = Generation {
        id: objects.generation,
        latest: false,
        state: State::Damaged,
        covers: None,
        last: None,
        commits: 0,
        reason: manifest.as_ref().map(|manifest| manifest.reason),
        snapshot_bytes: objects.snapshot.unwrap_or(0),
        segments: (objects.segments.len() + objects.merged.len()) as u64,
        stored_bytes: objects.stored_bytes(),
        page_size: None,
        db_bytes: None,
        compression: None,
        key_epoch: None,
        problem,
        joins: false,
        previous: None,
        gaps: Vec::new(),
    };
    let (Some(snapshot), Some((point, name, size))) = (objects.snapshot, last) else { return Ok(generation) };
    let snapshot_name = Name::Snapshot(objects.generation);
    let first = told(outline(replica, snapshot_name, snapshot).await)?;
    if replica.is_sealed() || matches!(first, Err(replica::Error::Sealed { .. })) {
        generation.key_epoch = match told(suite(replica, snapshot_name).await)? {
            Ok(Suite::Sealed(epoch)) => Some(epoch.0),
            _ => None,
        };
    }
    if let Err(replica::Error::Sealed { .. }) = first {
        generation.state = State::Sealed;
        return Ok(generation);
    }
    let newest = told(outline(replica, name, size).await)?;
    match (first, newest) {
        (Ok(first), Ok(newest)) => {
            generation.state = if generation.problem.is_some() { State::Partial } else { State::Ok };
            generation.covers = Some(Interval { from: first.summary.last_time, to: newest.summary.last_time });
            generation.last = Some(point);
            generation.commits = newest.summary.transactions_since_snapshot;
            generation.page_size = Some(newest.header.page_size.get());
            generation.db_bytes =
                Some(u64::from(newest.summary.pages_after) * u64::from(newest.header.page_size.get()));
            generation.compression = Some(first.header.codec.to_string());
            generation.joins = first.summary.joins.is_some();
            generation.previous = first.header.previous;
            let listed =
                manifest.iter().flat_map(|manifest| &manifest.segments).filter_map(|segment| segment.unobserved);
            let listed = listed.filter_map(|it| {
                let why = if it.outage { Absence::Outage } else { Absence::NotRunning };
                Gap::new(it.from, it.to, why)
            });
            generation.gaps = listed.chain(Gap::closed_by(&newest.summary)).collect();
        }
        (Err(error), _) | (_, Err(error)) => generation.problem = Some(told_here(replica, &error)),
    }
    Ok(generation)
}

/// Whether segments are missing at the end that a manifest knows of: so many are there by it. A writer may have written
/// them since the listing, so that what comes behind that is listed before they are missed.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn lacks_promised(store: &dyn Store, listed: &Objects, promised: u64) -> Result<bool, storage::Error> {
    let end = |objects: &Objects| Point::from(objects.last());
    if place_after(end(listed)) >= promised {
        return Ok(false);
    }
    let mut now = listed.clone();
    now.extend(Objects::list(store, listed.generation, listed.last()).await?);
    Ok(place_after(end(&now)) < promised || cover(&now, end(&now)).is_err())
}

/// The last point that can be restored, and the object that ends there; and why it is not the end.
fn last_point(objects: &Objects) -> (Option<(Point, Name, u64)>, Option<String>) {
    let ends = ends(objects);
    let whole = |&&(point, ..): &&(Point, Name, u64)| cover(objects, point).is_ok();
    if objects.snapshot.is_none() {
        return (None, Some("the snapshot is missing".into()));
    }
    // Most are whole; in one with a hole, what comes after it is told by nothing but trying.
    match ends.last().filter(whole) {
        Some(&last) => (Some(last), None),
        None => {
            let last = reachable(objects).pop();
            let missing = last.map_or(0, |(point, ..)| point.index().map_or(0, |index| index.get() + 1));
            (last, Some(format!("segment {missing} is missing")))
        }
    }
}

/// An object of a generation, by its outline.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// `snapshot`, `segment`, `merged` or `manifest`.
    pub kind: &'static str,
    /// Its first index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_index: Option<u64>,
    /// Its last index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_index: Option<u64>,
    /// The time of its last transaction.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text_or_none")]
    pub at: Option<Timestamp>,
    /// Transactions in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commits: Option<u64>,
    /// Bytes of the page images in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_bytes: Option<u64>,
    /// Its size in the store.
    pub stored_bytes: u64,
    /// The digest of its page file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The digest of the object before it; the inner `None` if it stands for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_sha256: Option<Option<String>>,
    /// It is encrypted, and there is no key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
    /// Why its outline cannot be read, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Looks at every object of a generation, in the order of keys; of each, only the outline is read.
///
/// # Errors
///
/// Those of the store. Damage is no error, it is told.
pub async fn survey_objects(replica: &Replica, objects: &Objects) -> Result<Vec<ObjectInfo>, Error> {
    let looked = stream::iter(objects.names()).map(|(name, size)| async move { object(replica, name, size).await });
    looked.buffered(CONCURRENCY).try_collect().await
}

async fn object(replica: &Replica, name: Name, size: u64) -> Result<ObjectInfo, Error> {
    let (kind, first_index, last_index) = match name {
        Name::Manifest(_) => ("manifest", None, None),
        Name::Snapshot(_) => ("snapshot", None, None),
        Name::Segment(_, index) => ("segment", Some(index.get()), Some(index.get())),
        Name::Merged(_, first, last) => ("merged", Some(first.get()), Some(last.get())),
    };
    let mut info = ObjectInfo {
        key: name.key(),
        kind,
        first_index,
        last_index,
        at: None,
        commits: None,
        raw_bytes: None,
        stored_bytes: size,
        sha256: None,
        prev_sha256: None,
        sealed: false,
        problem: None,
    };
    if matches!(name, Name::Manifest(_)) {
        return Ok(info);
    }
    match told(outline(replica, name, size).await)? {
        Ok(outline) => {
            info.at = Some(outline.summary.last_time);
            info.commits = Some(outline.summary.transactions);
            info.raw_bytes = Some(outline.images * u64::from(outline.header.page_size.get()));
            info.sha256 = Some(outline.digest.to_string());
            let predecessor = outline.header.predecessor;
            info.prev_sha256 = Some((predecessor != Digest::NONE).then(|| predecessor.to_string()));
        }
        Err(replica::Error::Sealed { .. }) => info.sealed = true,
        Err(error) => info.problem = Some(told_here(replica, &error)),
    }
    Ok(info)
}

/// What an object says of how it is sealed: nothing of that is proven.
pub async fn suite(replica: &Replica, name: Name) -> Result<Suite, replica::Error> {
    let head = replica.get_range(&name.key(), 0..ENVELOPE_LEN as u64).await?;
    Suite::parse(&head, name.kind()).map_err(|source| replica::Error::seal(&**replica, &name.key(), source))
}

async fn outline(replica: &Replica, name: Name, size: u64) -> Result<Outline, replica::Error> {
    Ok(ObjectReader::open(replica, name, size).await?.outline().clone())
}

/// The error without the location of the store, which is told once.
fn told_here(replica: &Replica, error: &replica::Error) -> String {
    replica::without_location(&**replica, &error.to_string())
}

/// Damage is something to tell, and that there is no key; what kept us from looking is an error.
fn told<T>(looked: Result<T, replica::Error>) -> Result<Result<T, replica::Error>, Error> {
    match looked {
        Err(error) if !error.is_damage() && !matches!(error, replica::Error::Sealed { .. }) => Err(error.into()),
        looked => Ok(looked),
    }
}

pub(super) fn text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn text_or_none<T: std::fmt::Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
