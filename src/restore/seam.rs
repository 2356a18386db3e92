//! The seam between two generations: the commit at which the older one ended, and which the snapshot of the younger one
//! stands for. Pure.

use crate::replica::chain::Link;

/// Whether something is missing of a generation behind this object, the last one of it that is there: the snapshot of
/// the next generation was taken where another one ended.
///
/// What joins nothing tells nothing. A generation that goes on longer than up to that snapshot, as one does to which
/// another writer still adds, lacks nothing.
pub(crate) fn lacks_its_end(last: &Link, next: &Link) -> bool {
    let joins = next.joins.filter(|_| next.previous == Some(last.generation));
    joins.is_some_and(|joins| joins != last.end) && last.last_time <= next.last_time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Kind;
    use crate::ids::{Digest, GenerationId};
    use crate::units::{DbChecksum, PageSize, SegmentIndex, Timestamp};

    fn id(ms: i64) -> GenerationId {
        GenerationId::new(Timestamp(ms), [1; 10])
    }

    fn link(kind: Kind, generation: GenerationId) -> Link {
        Link {
            kind,
            generation,
            page_size: PageSize::new(4096).unwrap(),
            first: SegmentIndex::ZERO,
            next: SegmentIndex::new(1),
            previous: None,
            predecessor: Digest::NONE,
            joins: None,
            end: Digest([7; 32]),
            checksum_before: DbChecksum(0),
            checksum_after: DbChecksum(1),
            last_time: Timestamp(100),
        }
    }

    #[test]
    fn what_the_next_generation_joins_must_be_there() {
        let last = link(Kind::Segment, id(1));
        let joins = |digest, previous, last_time| Link {
            joins: digest,
            previous,
            last_time: Timestamp(last_time),
            ..link(Kind::Snapshot, id(2))
        };
        let (end, another) = (Some(Digest([7; 32])), Some(Digest([8; 32])));
        for (digest, previous, at, lacks) in [
            (end, Some(id(1)), 100, false),
            (another, Some(id(1)), 100, true),
            (another, Some(id(1)), 150, true),
            // It went on.
            (another, Some(id(1)), 99, false),
            // Nothing is known, or of another one.
            (None, Some(id(1)), 150, false),
            (another, Some(id(0)), 150, false),
            (another, None, 150, false),
        ] {
            assert_eq!(lacks_its_end(&last, &joins(digest, previous, at)), lacks, "{digest:?} {previous:?} {at}");
        }
    }
}
