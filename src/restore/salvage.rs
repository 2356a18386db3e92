//! What can still be restored when something cannot: the newest state before the damage.

use serde::{Serialize, Serializer};

use super::cover::{place_after, reachable};
use super::{Error, Point};
use crate::ids::GenerationId;
use crate::replica::{Name, ObjectReader, Objects, Replica, generations};
use crate::units::Timestamp;

/// A state that can be restored, as far as listings and outlines tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Survivor {
    /// The generation.
    pub generation: GenerationId,
    /// The point of it.
    #[serde(rename = "index")]
    pub point: Point,
    /// The time of its last transaction.
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
}

/// The newest state that is older than what this error says is damaged; `None` if there is none, or the error does not
/// say.
///
/// # Errors
///
/// Those of the store.
pub async fn survivor(replica: &Replica, error: &Error) -> Result<Option<Survivor>, Error> {
    match error.about().filter(|_| error.is_damage()) {
        Some(name) => before(replica, name).await,
        None => Ok(None),
    }
}

/// The newest state that does without this object and everything after it. Only listings and a few outlines are read.
///
/// # Errors
///
/// Those of the store.
pub async fn before(replica: &Replica, name: Name) -> Result<Option<Survivor>, Error> {
    let lost = match name {
        Name::Snapshot(_) => 0,
        Name::Segment(_, index) | Name::Merged(_, index, _) => index.get() + 1,
        Name::Manifest(_) => return Ok(None),
    };
    let ids = generations(&**replica).await?;
    for id in ids.into_iter().rev().filter(|&id| id <= name.generation()) {
        let objects = Objects::list(&**replica, id, None).await?;
        let limit = if id == name.generation() { lost } else { u64::MAX };
        let ends = reachable(&objects).into_iter().rev().filter(|&(point, ..)| place_after(point) < limit);
        for (point, name, size) in ends {
            match ObjectReader::open(replica, name, size).await {
                Ok(reader) => {
                    let at = reader.outline().summary.last_time;
                    return Ok(Some(Survivor { generation: id, point, at }));
                }
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(None)
}

fn text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
