//! From the content of an object to the bytes that are stored, and back. The content of a snapshot or segment is its
//! page file.

use std::ops::Range;

use bytes::Bytes;

use super::Name;
use crate::seal::{self, ENVELOPE_LEN, Envelope};

/// The bytes of one object on their way into a store. Every byte of it that leaves memory goes through here first: also
/// into the state directory, where it waits for the store.
#[derive(Debug)]
pub struct Sealing {
    /// What comes in front of the content, until it was given.
    front: Option<[u8; ENVELOPE_LEN]>,
}

impl Sealing {
    pub(super) fn new(name: Name) -> Sealing {
        Sealing { front: Some(Envelope { kind: name.kind() }.encode()) }
    }

    /// Takes the next bytes of the content and gives those to store next; some may be held back.
    pub fn add(&mut self, content: Vec<u8>) -> Vec<u8> {
        match self.front.take() {
            Some(front) => [&front[..], &content].concat(),
            None => content,
        }
    }

    /// Takes the last bytes of the content and gives all that is left to store: with nothing added before, the whole
    /// object.
    pub fn finish(mut self, content: Vec<u8>) -> Vec<u8> {
        self.add(content)
    }
}

/// The bytes of one object on their way out of a store. Where a piece of the content lies in the object, and what it
/// takes to have it, is known here alone.
#[derive(Debug)]
pub(super) struct Opening {
    name: Name,
    size: u64,
}

impl Opening {
    /// How many bytes come in front of the content.
    const FRONT: u64 = ENVELOPE_LEN as u64;

    pub(super) fn new(name: Name, size: u64) -> Opening {
        Opening { name, size }
    }

    /// The length of the content; 0 also for an object too short to have any.
    pub(super) fn len(&self) -> u64 {
        self.size.saturating_sub(Self::FRONT)
    }

    /// The bytes of the object that it takes to have these of the content.
    pub(super) fn stored(&self, content: &Range<u64>) -> Range<u64> {
        content.start.saturating_add(Self::FRONT)..content.end.saturating_add(Self::FRONT)
    }

    /// Checks what is in front of the content, of the beginning of the object. Before this nothing is opened.
    pub(super) fn begin(&mut self, head: &[u8]) -> Result<(), seal::Error> {
        Envelope::parse(head, self.name.kind()).map(drop)
    }

    /// These bytes of the content, of the bytes of the object that [`Opening::stored`] says.
    pub(super) fn content(&self, content: &Range<u64>, mut stored: Bytes) -> Bytes {
        stored.truncate((content.end - content.start) as usize);
        stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{GenerationId, ObjectKind};
    use crate::units::Timestamp;

    fn name() -> Name {
        Name::Snapshot(GenerationId::new(Timestamp(1), [7; 10]))
    }

    #[test]
    fn in_pieces_or_at_once_the_envelope_comes_first_and_the_content_is_as_it_was() {
        let mut sealing = Sealing::new(name());
        let pieces =
            [sealing.add(b"page ".to_vec()), sealing.add(Vec::new()), sealing.finish(b"file".to_vec())].concat();
        let whole = Sealing::new(name()).finish(b"page file".to_vec());
        assert_eq!(pieces, whole);
        assert_eq!(whole, [&Envelope { kind: ObjectKind::Snapshot }.encode()[..], b"page file"].concat());
    }

    #[test]
    fn what_was_sealed_is_opened_from_any_range_of_it() {
        let stored = Bytes::from(Sealing::new(name()).finish(b"page file".to_vec()));
        let mut opening = Opening::new(name(), stored.len() as u64);
        assert_eq!(opening.begin(&stored), Ok(()));
        assert_eq!(opening.len(), 9);
        for range in [0..9, 0..4, 5..9, 3..3] {
            let place = opening.stored(&range);
            let content = opening.content(&range, stored.slice(place.start as usize..place.end as usize));
            assert_eq!(content, b"page file"[range.start as usize..range.end as usize]);
        }
        assert_eq!(Opening::new(name(), 5).len(), 0);
        assert!(opening.begin(&stored[1..]).is_err());
    }
}
