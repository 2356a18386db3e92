//! An anchor: one line that says how far a replica reaches, to be kept where the store cannot get at it.

use std::fmt;
use std::str::FromStr;

use super::cover::ends;
use super::{Error, Point};
use crate::ids::{Digest, GenerationId, ReplicaId};
use crate::replica::{self, Name, ObjectReader, Objects, Replica, generations};
use crate::storage;
use crate::units::SegmentIndex;

/// How far a replica reached once.
///
/// Whoever writes to a store can hold back what is newest, or put back an older state of all of it: everything that is
/// there is then whole and true, only old. A noted anchor tells: what it names, or something later, must be there.
///
/// Written as one line, `waloy-anchor:1:REPLICA:GENERATION:POINT:DIGEST`: 32 hex digits, 26 characters, `snapshot` or an
/// index, 64 hex digits. It has no secret in it, and needs none to be kept from changes but a place of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// The replica.
    pub replica: ReplicaId,
    /// Its newest generation then.
    pub generation: GenerationId,
    /// The last point of that.
    pub point: Point,
    /// The digest of the object that ended there.
    pub digest: Digest,
}

impl Anchor {
    /// The anchor of what the replica holds now: the end of the newest generation. A listing or two, and one small read.
    ///
    /// # Errors
    ///
    /// [`Error::NoBackup`]; damage of the newest object; those of the store.
    pub async fn of(replica: &Replica) -> Result<Anchor, Error> {
        let ids = super::hash_key(replica).await?;
        let Some(objects) = newest(replica).await? else {
            return Err(Error::NoBackup { location: replica.location() });
        };
        let Some(&(point, name, size)) = ends(&objects).last() else {
            return Err(Error::NoBackup { location: replica.location() });
        };
        let reader = ObjectReader::open(replica, name, size).await?;
        let digest = ended_by(name, &reader);
        Ok(Anchor { replica: ids.replica, generation: objects.generation, point, digest })
    }

    /// The replica holds what the anchor names, or goes on from it.
    ///
    /// The object that it names must be the one of then, as long as it is there: small segments go once a merged one stands
    /// for them, generations once retention lets go of them. Then something later must be there.
    ///
    /// # Errors
    ///
    /// [`Error::NotReached`], [`Error::NotTheAnchor`], [`Error::AnchorOfAnother`]; damage; those of the store.
    pub async fn check(&self, replica: &Replica) -> Result<(), Error> {
        let ids = super::hash_key(replica).await?;
        if ids.replica != self.replica {
            return Err(Error::AnchorOfAnother { location: replica.location(), found: ids.replica });
        }
        let Some(newest) = newest(replica).await? else {
            return Err(Error::NoBackup { location: replica.location() });
        };
        let reached = ends(&newest).last().map_or(Point::Snapshot, |&(point, ..)| point);
        self.precedes(&replica.location(), newest.generation, reached)?;
        let end = match ends(&newest).last() {
            Some(&(_, name, size)) => ObjectReader::open(replica, name, size).await,
            None => return Err(Error::NoBackup { location: replica.location() }),
        };
        let objects = match newest.generation == self.generation {
            true => newest,
            false => Objects::list(&**replica, self.generation, None).await?,
        };
        match self.object(&objects) {
            // A name proves nothing: the newest object is one of this replica.
            None => Ok(end.map(drop)?),
            Some((name, size)) => {
                let found = match ObjectReader::open(replica, name, size).await {
                    Ok(reader) => ended_by(name, &reader),
                    // Let go of between the listing and the look at it.
                    Err(error) if error.is_missing() => return Ok(()),
                    Err(error) => return Err(error.into()),
                };
                match found == self.digest {
                    true => Ok(()),
                    false => Err(Error::NotTheAnchor { object: replica::located(&**replica, &name.key()) }),
                }
            }
        }
    }

    /// A point that is the newest of a replica is not before this one.
    pub(super) fn precedes(&self, location: &str, generation: GenerationId, point: Point) -> Result<(), Error> {
        if (self.generation, self.point) <= (generation, point) {
            return Ok(());
        }
        Err(Error::NotReached { location: location.to_owned(), anchor: Box::new(*self), generation, point })
    }

    /// The object that ends at the point, if it is there.
    fn object(&self, objects: &Objects) -> Option<(Name, u64)> {
        // Without its snapshot the generation is being let go of.
        let snapshot = objects.snapshot?;
        let Point::Index(index) = self.point else { return Some((Name::Snapshot(self.generation), snapshot)) };
        let small = objects.segments.iter().find(|&&(at, _)| at == index);
        let small = small.map(|&(at, size)| (Name::Segment(self.generation, at), size));
        let merged = || {
            let merged = objects.merged.iter().find(|&&(_, last, _)| last == index);
            merged.map(|&(first, last, size)| (Name::Merged(self.generation, first, last), size))
        };
        small.or_else(merged)
    }
}

/// The newest generation that has a snapshot.
async fn newest(replica: &Replica) -> Result<Option<Objects>, storage::Error> {
    for id in generations(&**replica).await?.into_iter().rev() {
        let objects = Objects::list(&**replica, id, None).await?;
        if objects.snapshot.is_some() {
            return Ok(Some(objects));
        }
    }
    Ok(None)
}

/// The digest with which a point is left: a merged segment has that of the last it was made of.
fn ended_by(name: Name, reader: &ObjectReader) -> Digest {
    let outline = reader.outline();
    match (name, outline.summary.joins) {
        (Name::Merged(..), Some(joins)) => joins,
        _ => outline.digest,
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Anchor { replica, generation, point, digest } = self;
        write!(f, "waloy-anchor:1:{replica}:{generation}:{point}:{digest}")
    }
}

/// Why a line is no anchor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an anchor: it is one line, waloy-anchor:1:REPLICA:GENERATION:POINT:DIGEST")]
pub struct AnchorError;

impl FromStr for Anchor {
    type Err = AnchorError;

    /// Reads what `Display` writes; white space around it does not matter.
    fn from_str(text: &str) -> Result<Anchor, AnchorError> {
        let mut fields = text.trim().split(':');
        let mut next = || fields.next().ok_or(AnchorError);
        if (next()?, next()?) != ("waloy-anchor", "1") {
            return Err(AnchorError);
        }
        let (replica, generation, point, digest) = (next()?, next()?, next()?, next()?);
        let point = match point {
            "snapshot" => Point::Snapshot,
            index => Point::Index(index.parse().ok().and_then(SegmentIndex::new).ok_or(AnchorError)?),
        };
        let anchor = Anchor {
            replica: replica.parse().map_err(|_| AnchorError)?,
            generation: generation.parse().map_err(|_| AnchorError)?,
            point,
            digest: digest.parse().map_err(|_| AnchorError)?,
        };
        if fields.next().is_some() { Err(AnchorError) } else { Ok(anchor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn an_anchor_is_one_line_and_read_back() {
        let generation = GenerationId::new(Timestamp(1_795_341_600_000), [7; 10]);
        for point in [Point::Snapshot, Point::Index(SegmentIndex::ZERO), Point::Index(SegmentIndex::MAX)] {
            let anchor = Anchor { replica: ReplicaId([0xab; 16]), generation, point, digest: Digest([9; 32]) };
            let line = anchor.to_string();
            assert_eq!(format!(" {line}\n").parse(), Ok(anchor));
            for wrong in [&line[1..], &line[..line.len() - 1], &format!("{line}:"), &line.replacen(":1:", ":2:", 1)] {
                assert_eq!(wrong.parse::<Anchor>(), Err(AnchorError), "{wrong}");
            }
        }
        assert_eq!("".parse::<Anchor>(), Err(AnchorError));
    }

    #[test]
    fn later_generations_and_later_points_are_behind_an_anchor() {
        let at = |ms| GenerationId::new(Timestamp(ms), [7; 10]);
        let index = |index| Point::Index(SegmentIndex::new(index).unwrap());
        let of = |point| Anchor { replica: ReplicaId([0; 16]), generation: at(5), point, digest: Digest::NONE };
        for (anchor, generation, point, reached) in [
            (Point::Snapshot, at(5), Point::Snapshot, true),
            (Point::Snapshot, at(5), index(0), true),
            (index(3), at(5), index(3), true),
            (index(3), at(6), Point::Snapshot, true),
            (index(3), at(5), index(2), false),
            (index(0), at(5), Point::Snapshot, false),
            (Point::Snapshot, at(4), index(99), false),
        ] {
            assert_eq!(of(anchor).precedes("memory:", generation, point).is_ok(), reached);
        }
    }
}
