//! What a sealed object is bound to: its place, and whose it is.
//!
//! | offset | length | field |
//! |--:|--:|---|
//! | 0 | 16 | `waloy/v1 object\0` |
//! | 16 | 12 | bytes 0..12 of the object |
//! | 28 | 16 | replica id |
//! | 44 | 16 | database id; zeros for `replica` |
//! | 60 | 16 | generation; zeros for `latest` and `replica` |
//! | 76 | 1 | kind |
//! | 77 | 3 | zero |
//! | 80 | 16 | first and last index, 8 bytes each; 0 for all but segments |

use super::{Envelope, Epoch};
use crate::ids::{DatabaseId, GenerationId, ObjectKind, ReplicaId};
use crate::units::SegmentIndex;

/// The length of a context in bytes.
pub(super) const CONTEXT_LEN: usize = 96;

/// Where an object stands in its replica: what its key says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    kind: ObjectKind,
    generation: [u8; 16],
    first: u64,
    last: u64,
}

impl Place {
    /// That of a snapshot.
    pub fn snapshot(generation: GenerationId) -> Place {
        Place { kind: ObjectKind::Snapshot, generation: generation.to_bytes(), first: 0, last: 0 }
    }

    /// That of a segment.
    pub fn segment(generation: GenerationId, index: SegmentIndex) -> Place {
        let index = index.get();
        Place { kind: ObjectKind::Segment, generation: generation.to_bytes(), first: index, last: index }
    }

    /// That of a merged segment: both indices are in it.
    pub fn merged(generation: GenerationId, first: SegmentIndex, last: SegmentIndex) -> Place {
        let (first, last) = (first.get(), last.get());
        Place { kind: ObjectKind::Merged, generation: generation.to_bytes(), first, last }
    }

    /// That of a manifest.
    pub fn manifest(generation: GenerationId) -> Place {
        Place { kind: ObjectKind::Manifest, generation: generation.to_bytes(), first: 0, last: 0 }
    }

    /// That of `latest`.
    pub fn latest() -> Place {
        Place { kind: ObjectKind::Latest, generation: [0; 16], first: 0, last: 0 }
    }

    /// That of `replica`, which a [`ReplicaKey`](super::ReplicaKey) alone opens.
    pub(super) fn replica() -> Place {
        Place { kind: ObjectKind::Replica, generation: [0; 16], first: 0, last: 0 }
    }

    /// The kind of the object.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// The context of the object here. The database is `None` for `replica` alone, which tells it.
    pub(super) fn context(&self, epoch: Epoch, replica: ReplicaId, database: Option<DatabaseId>) -> [u8; CONTEXT_LEN] {
        let mut context = [0; CONTEXT_LEN];
        context[..16].copy_from_slice(b"waloy/v1 object\0");
        context[16..28].copy_from_slice(&Envelope::encode_sealed(self.kind, epoch)[..12]);
        context[28..44].copy_from_slice(&replica.0);
        context[44..60].copy_from_slice(&database.map_or([0; 16], |database| database.0));
        context[60..76].copy_from_slice(&self.generation);
        context[76] = self.kind as u8;
        context[80..88].copy_from_slice(&self.first.to_be_bytes());
        context[88..].copy_from_slice(&self.last.to_be_bytes());
        context
    }
}
