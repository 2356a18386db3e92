//! Whether objects follow each other. Pure.

use crate::format::{Kind, Outline};
use crate::ids::{Digest, GenerationId};
use crate::units::{DbChecksum, PageSize, SegmentIndex, Timestamp};

/// Why one object does not follow another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Break {
    /// They belong to different generations.
    #[error("it belongs to another generation")]
    Generation,
    /// The page size changed.
    #[error("its page size is {found}, not {expected}")]
    PageSize {
        /// The earlier object's.
        expected: PageSize,
        /// The later object's.
        found: PageSize,
    },
    /// The indices do not join.
    #[error("it begins with segment {found}, not {expected}")]
    Index {
        /// The index after the earlier object.
        expected: SegmentIndex,
        /// The later object's first.
        found: SegmentIndex,
    },
    /// The later object was written after another one.
    #[error("its predecessor is {expected}, but {found} is there")]
    Predecessor {
        /// What the later object names.
        expected: Digest,
        /// The digest at the end of the earlier one.
        found: Digest,
    },
    /// The database was another when the later object was begun.
    #[error("it begins with database checksum {found}, but {expected} was reached")]
    Checksum {
        /// After the earlier object.
        expected: DbChecksum,
        /// Before the later one.
        found: DbChecksum,
    },
    /// Time went back.
    #[error("its time {found} is before {earlier}")]
    Time {
        /// The earlier object's last.
        earlier: Timestamp,
        /// The later object's last.
        found: Timestamp,
    },
}

/// What ties an object to its neighbours: small, so that a whole chain of them fits into memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// What the object is.
    pub kind: Kind,
    /// Its generation.
    pub generation: GenerationId,
    /// Its page size.
    pub page_size: PageSize,
    /// Its first index; of a snapshot, zero.
    pub first: SegmentIndex,
    /// The index that comes after it; `None` after the last that there can be.
    pub next: Option<SegmentIndex>,
    /// Of a snapshot, the generation before it, if that is known.
    pub previous: Option<GenerationId>,
    /// The digest of the object before.
    pub predecessor: Digest,
    /// The digest of the object that ends at the same commit, see [`crate::format::Summary::joins`].
    pub joins: Option<Digest>,
    /// What the object after names as its predecessor: the digest, or that of the segment at `last` if it is merged.
    pub end: Digest,
    /// The checksum of the database before.
    pub checksum_before: DbChecksum,
    /// The checksum of the database after.
    pub checksum_after: DbChecksum,
    /// The time of its last transaction.
    pub last_time: Timestamp,
}

impl Link {
    /// The link of a whole object.
    pub fn of(outline: &Outline) -> Link {
        let (header, summary) = (&outline.header, &outline.summary);
        Link {
            kind: header.kind,
            generation: header.generation,
            page_size: header.page_size,
            first: header.first,
            next: match header.kind {
                Kind::Snapshot => Some(SegmentIndex::ZERO),
                Kind::Segment | Kind::Merged => summary.last.next(),
            },
            previous: header.previous,
            predecessor: header.predecessor,
            end: match header.kind {
                Kind::Merged => summary.joins.unwrap_or(outline.digest),
                Kind::Snapshot | Kind::Segment => outline.digest,
            },
            joins: summary.joins,
            checksum_before: header.checksum_before,
            checksum_after: summary.checksum_after,
            last_time: summary.last_time,
        }
    }
}

/// Everything that speaks against `later` being the object after `earlier`, in one generation; empty if nothing does.
pub fn breaks(earlier: &Link, later: &Link) -> Vec<Break> {
    let mut breaks = Vec::new();
    if later.generation != earlier.generation {
        breaks.push(Break::Generation);
    }
    if later.page_size != earlier.page_size {
        breaks.push(Break::PageSize { expected: earlier.page_size, found: later.page_size });
    }
    if later.kind == Kind::Snapshot || Some(later.first) != earlier.next {
        breaks.push(Break::Index { expected: earlier.next.unwrap_or(SegmentIndex::MAX), found: later.first });
    }
    if later.predecessor != earlier.end {
        breaks.push(Break::Predecessor { expected: later.predecessor, found: earlier.end });
    }
    if later.checksum_before != earlier.checksum_after {
        breaks.push(Break::Checksum { expected: earlier.checksum_after, found: later.checksum_before });
    }
    if later.last_time < earlier.last_time {
        breaks.push(Break::Time { earlier: earlier.last_time, found: later.last_time });
    }
    breaks
}

/// The same over a whole chain, oldest first: the place of each object that does not follow the one before it, and why.
pub fn check<'a>(links: impl IntoIterator<Item = &'a Link>) -> Vec<(usize, Break)> {
    let mut found = Vec::new();
    let mut earlier: Option<&Link> = None;
    for (place, link) in links.into_iter().enumerate() {
        if let Some(earlier) = earlier {
            found.extend(breaks(earlier, link).into_iter().map(|why| (place, why)));
        }
        earlier = Some(link);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(place: u64) -> Link {
        Link {
            kind: if place == 0 { Kind::Snapshot } else { Kind::Segment },
            generation: GenerationId::new(Timestamp(1), [1; 10]),
            page_size: PageSize::new(4096).unwrap(),
            first: SegmentIndex::new(place.saturating_sub(1)).unwrap(),
            next: SegmentIndex::new(place),
            previous: None,
            predecessor: Digest([place as u8; 32]),
            joins: None,
            end: Digest([place as u8 + 1; 32]),
            checksum_before: DbChecksum(place),
            checksum_after: DbChecksum(place + 1),
            last_time: Timestamp(place as i64 / 2),
        }
    }

    #[test]
    fn a_chain_that_joins_has_no_breaks() {
        let chain: Vec<Link> = (0..5).map(link).collect();
        assert_eq!(check(&chain), []);
    }

    #[test]
    fn every_way_not_to_follow_is_told() {
        let (earlier, good) = (link(1), link(2));
        let told = |change: fn(&mut Link)| {
            let mut later = good.clone();
            change(&mut later);
            breaks(&earlier, &later)
        };
        assert!(matches!(told(|l| l.generation = GenerationId::new(Timestamp(2), [1; 10]))[..], [Break::Generation]));
        assert!(matches!(told(|l| l.page_size = PageSize::new(512).unwrap())[..], [Break::PageSize { .. }]));
        assert!(matches!(told(|l| l.first = SegmentIndex::new(2).unwrap())[..], [Break::Index { .. }]));
        assert!(matches!(told(|l| l.kind = Kind::Snapshot)[..], [Break::Index { .. }]));
        assert!(matches!(told(|l| l.predecessor = Digest::NONE)[..], [Break::Predecessor { .. }]));
        assert!(matches!(told(|l| l.checksum_before = DbChecksum(9))[..], [Break::Checksum { .. }]));
        assert!(matches!(told(|l| l.last_time = Timestamp(-1))[..], [Break::Time { .. }]));
    }

    #[test]
    fn a_missing_link_is_told_at_the_place_behind_it() {
        let chain: Vec<Link> = [0, 1, 3, 4].map(link).to_vec();
        assert!(check(&chain).iter().all(|&(place, _)| place == 2));
        assert!(check(&chain).len() >= 3);
    }
}
