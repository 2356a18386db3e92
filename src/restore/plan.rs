//! What a restore will do, before it does anything.

use serde::{Serialize, Serializer};

use super::seek::{Found, Scope, join, seek};
use super::{Around, Error, Gap, Interval, LeftOut, Point, Survivor, Target};
use crate::ids::GenerationId;
use crate::replica::{Name, ObjectReader, Replica};
use crate::units::{DbChecksum, PageSize, Timestamp};

/// A point that can be restored, and what that takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Plan {
    /// The location of the replica.
    pub source: String,
    /// It is encrypted.
    pub encrypted: bool,
    /// The generation.
    pub generation: GenerationId,
    /// Its point.
    #[serde(rename = "index")]
    pub point: Point,
    /// The time of the last transaction before the point.
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    /// The moment asked for lies in a gap: there may have been later transactions before it.
    pub in_gap: bool,
    /// From when to when that is, and why.
    pub gap: Option<Gap>,
    /// The first state behind the gap.
    pub after_gap: Option<Survivor>,
    /// States around the moment asked for were merged: this is the nearest point before it, and the next one is at the
    /// end of this interval.
    pub merged: Option<Interval>,
    /// The time of the next state behind the point, for a moment that was asked for.
    #[serde(skip)]
    pub next_at: Option<Timestamp>,
    /// Merged segments that are damaged, and are not read: what they were merged from leads to the same point.
    pub left_out: Vec<LeftOut>,
    /// Not everything was listed: a manifest told the rest.
    #[serde(skip)]
    pub(super) hinted: bool,
    /// The page size of the database.
    #[serde(serialize_with = "bytes")]
    pub page_size: PageSize,
    /// Pages of the database.
    pub pages: u32,
    /// The checksum that the database must have.
    #[serde(serialize_with = "text")]
    pub checksum: DbChecksum,
    /// What is read, oldest first: the snapshot, then segments.
    pub objects: Vec<PlannedObject>,
}

/// An object that a restore reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PlannedObject {
    /// Its name.
    #[serde(rename = "key", serialize_with = "text")]
    pub name: Name,
    /// Its size in the store.
    pub bytes: u64,
}

impl Plan {
    /// The size of the database in bytes.
    pub fn db_bytes(&self) -> u64 {
        u64::from(self.pages) * u64::from(self.page_size.get())
    }

    /// Bytes of all objects: what is downloaded at most, requests for parts of large objects aside.
    pub fn stored_bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }

    /// Bytes of the snapshot alone.
    pub fn snapshot_bytes(&self) -> u64 {
        self.objects.first().map_or(0, |object| object.bytes)
    }
}

/// How often a restore plans at most: merging and retention take objects away once others stand for them, one after the
/// other.
pub(super) const PLANS: u32 = 8;

/// Plans a restore: finds the point, and the fewest objects that lead to it. Only listings, and the outlines of a few
/// objects are read; whether the others are whole is seen when they are.
///
/// # Errors
///
/// [`Error::NoBackup`], [`Error::BeforeAll`], [`Error::InGap`] and what else says that the target does not exist; damage and missing
/// objects at or before the target; those of the store.
pub async fn plan(replica: &Replica, target: Target) -> Result<Plan, Error> {
    match in_scope(replica, target, Scope::Hinted).await {
        // A manifest is a hint: what it told may be gone by now, and everything is listed then.
        Err((error, true)) if error.is_damage() || matches!(error, Error::Merged { .. }) => {
            whole(replica, target, &[]).await
        }
        // Or taken away between the listing and the look at it; or others stand for what is damaged.
        Err((error, false)) => {
            let damaged = LeftOut::suspects(&**replica, &error, &[]);
            match error.is_missing() || !damaged.is_empty() {
                true => whole(replica, target, &damaged).await,
                false => Err(error),
            }
        }
        planned => planned.map_err(|(error, _)| error),
    }
}

/// The same, from a listing of everything. What is deleted while it is planned costs another listing: what is missing
/// twice was not there in the second one, and is lost. So does each merged segment that is found damaged: it is planned
/// without these, and without others that are met, as far as others stand for them.
pub(super) async fn whole(replica: &Replica, target: Target, damaged: &[LeftOut]) -> Result<Plan, Error> {
    let (mut damaged, mut missed) = (damaged.to_vec(), None::<String>);
    let mut tries = 1;
    loop {
        let error = match in_scope(replica, target, Scope::Whole(&damaged)).await {
            Ok(plan) => return Ok(plan),
            Err((error, _)) => error,
        };
        let met = LeftOut::suspects(&**replica, &error, &damaged);
        if met.is_empty() {
            if tries == PLANS || !error.is_missing() || missed.as_deref() == Some(&*error.to_string()) {
                return Err(error);
            }
            missed = Some(error.to_string());
            tries += 1;
        }
        damaged.extend(met);
    }
}

/// An error comes with whether it may be owed to a manifest.
async fn in_scope(replica: &Replica, target: Target, scope: Scope<'_>) -> Result<Plan, (Error, bool)> {
    let found = seek(replica, target, scope).await.map_err(|error| (error, scope == Scope::Hinted))?;
    let hinted = found.hinted;
    of(replica, target, found).await.map_err(|error| (error, hinted))
}

async fn of(replica: &Replica, target: Target, found: Found) -> Result<Plan, Error> {
    let chain = join(&**replica, &found.objects, found.point)?;
    let Some(&(name, size)) = chain.last() else { unreachable!("a chain begins with its snapshot") };
    let newest = ObjectReader::open(replica, name, size).await?;
    replica.require_order(found.objects.generation).await?;
    let outline = newest.outline();
    if let (Target::StrictTime(asked), Some((gap, after))) = (target, found.gap) {
        let generation = found.objects.generation;
        let before = Survivor { generation, point: found.point, at: outline.summary.last_time };
        let around = Box::new(Around { gap, before, after });
        return Err(Error::InGap { location: replica.location(), asked, around });
    }
    Ok(Plan {
        source: replica.location(),
        encrypted: replica.is_sealed(),
        generation: found.objects.generation,
        point: found.point,
        at: outline.summary.last_time,
        in_gap: found.gap.is_some(),
        gap: found.gap.map(|(gap, _)| gap),
        after_gap: found.gap.map(|(_, after)| after),
        merged: found.merged.map(|(from, to)| Interval { from, to }),
        next_at: found.next_at,
        left_out: found.left_out,
        hinted: found.hinted,
        page_size: outline.header.page_size,
        pages: outline.summary.pages_after,
        checksum: outline.summary.checksum_after,
        objects: chain.into_iter().map(|(name, bytes)| PlannedObject { name, bytes }).collect(),
    })
}

fn text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn bytes<S: Serializer>(size: &PageSize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(size.get())
}
