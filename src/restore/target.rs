//! What to restore.

use std::fmt;

use super::Error;
use crate::ids::GenerationId;
use crate::replica::{Name, generations};
use crate::storage::Store;
use crate::units::{SegmentIndex, Timestamp};

/// The state to restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The newest.
    Latest,
    /// The newest that is not after this moment.
    Time(Timestamp),
    /// The same, and refused ([`Error::InGap`]) if the moment lies in a [`Gap`](super::Gap): there may have been later
    /// states before it. After the newest state of all there is no gap yet, whether or not anybody watches.
    StrictTime(Timestamp),
    /// A point of one generation; without one, its newest.
    Generation(GenerationId, Option<Point>),
}

/// A point of a generation, as people write it behind the id: `snapshot`, or an index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Point {
    /// The state of the snapshot.
    Snapshot,
    /// The state after this segment.
    Index(SegmentIndex),
}

impl Point {
    /// The index; of a snapshot, none.
    pub fn index(self) -> Option<SegmentIndex> {
        match self {
            Point::Snapshot => None,
            Point::Index(index) => Some(index),
        }
    }
}

impl From<Option<SegmentIndex>> for Point {
    fn from(index: Option<SegmentIndex>) -> Point {
        index.map_or(Point::Snapshot, Point::Index)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Snapshot => f.write_str("snapshot"),
            Point::Index(index) => index.fmt(f),
        }
    }
}

/// As people write it: an index, or `"snapshot"`.
impl serde::Serialize for Point {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Point::Snapshot => serializer.serialize_str("snapshot"),
            Point::Index(index) => serializer.serialize_u64(index.get()),
        }
    }
}

/// The one generation whose id begins with these characters, in any case; or begins and ends with what stands around
/// an `…`, as [`GenerationId::short`] writes it. `latest` is the newest, of those with a snapshot if
/// any has one.
///
/// # Errors
///
/// [`Error::NoSuchGeneration`], [`Error::AmbiguousGeneration`], [`Error::NoBackup`] if there is none at all, and those
/// of the store.
pub async fn resolve_generation(store: &dyn Store, prefix: &str) -> Result<GenerationId, Error> {
    let wanted = prefix.to_ascii_lowercase();
    let all = generations(store).await?;
    if all.is_empty() {
        return Err(Error::NoBackup { location: store.location() });
    }
    if wanted == "latest" {
        for &id in all.iter().rev() {
            match store.head(&Name::Snapshot(id).key()).await {
                Ok(_) => return Ok(id),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        return all.last().copied().ok_or(Error::NoBackup { location: store.location() });
    }
    // As `--plain` prints it, too.
    let (head, tail) = wanted.split_once('…').or_else(|| wanted.split_once("..")).unwrap_or((&wanted, ""));
    let mut matching = all.into_iter().filter(|id| {
        let id = id.to_string();
        id.starts_with(head) && id.ends_with(tail)
    });
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Error::AmbiguousGeneration { prefix: prefix.to_owned() }),
        (None, _) => Err(Error::NoSuchGeneration { id: prefix.to_owned(), location: store.location() }),
    }
}
