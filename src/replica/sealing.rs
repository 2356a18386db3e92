//! From the content of an object to the bytes that are stored, and back. The content of a snapshot or segment is its
//! page file.

use std::ops::Range;

use bytes::Bytes;

#[cfg(feature = "encryption")]
use super::opened::Opened;
use super::{Error, Name, Replica};
#[cfg(feature = "encryption")]
use crate::seal::Sealer;
use crate::seal::{self, ENVELOPE_LEN, Envelope, Epoch};

/// The bytes of one object on their way into a store. Every byte of it that leaves memory goes through here first: also
/// into the state directory, where it waits for the store.
#[derive(Debug)]
pub struct Sealing(How);

#[derive(Debug)]
enum How {
    /// As it is, behind an envelope: what comes in front of the content, until it was given.
    Open(Option<[u8; ENVELOPE_LEN]>),
    #[cfg(feature = "encryption")]
    Sealed(Box<Sealer>),
}

impl Sealing {
    pub(super) fn open(name: Name) -> Sealing {
        Sealing(How::Open(Some(Envelope { kind: name.kind() }.encode())))
    }

    #[cfg(feature = "encryption")]
    pub(super) fn sealed(sealer: Sealer) -> Sealing {
        Sealing(How::Sealed(Box::new(sealer)))
    }

    /// Takes the next bytes of the content and gives those to store next; some may be held back.
    pub fn add(&mut self, content: Vec<u8>) -> Vec<u8> {
        match &mut self.0 {
            How::Open(front) => match front.take() {
                Some(front) => [&front[..], &content].concat(),
                None => content,
            },
            #[cfg(feature = "encryption")]
            How::Sealed(sealer) => {
                let mut stored = Vec::new();
                sealer.update(&content, &mut stored).expect(TOO_LONG);
                stored
            }
        }
    }

    /// Takes the last bytes of the content and gives all that is left to store: with nothing added before, the whole
    /// object.
    pub fn finish(mut self, content: Vec<u8>) -> Vec<u8> {
        #[cfg_attr(not(feature = "encryption"), expect(unused_mut, reason = "nothing is held back"))]
        let mut stored = self.add(content);
        #[cfg(feature = "encryption")]
        if let How::Sealed(sealer) = self.0 {
            sealer.finish(&mut stored).expect(TOO_LONG);
        }
        stored
    }
}

#[cfg(feature = "encryption")]
const TOO_LONG: &str = "no store takes an object of 64 TiB";

/// The bytes of one object on their way out of a store. Where a piece of the content lies in the object, and what it
/// takes to have it, is known here alone.
#[derive(Debug)]
pub(super) struct Opening {
    name: Name,
    size: u64,
    #[cfg(feature = "encryption")]
    sealed: Option<Opened>,
}

impl Opening {
    /// How many bytes come in front of the content of an open object.
    const FRONT: u64 = ENVELOPE_LEN as u64;

    pub(super) fn new(replica: &Replica, name: Name, size: u64) -> Opening {
        #[cfg(not(feature = "encryption"))]
        let _ = replica;
        Opening {
            name,
            size,
            #[cfg(feature = "encryption")]
            sealed: replica.is_sealed().then(Opened::default),
        }
    }

    /// The data key that it was sealed with, once it was begun; none for an open object.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        #[cfg(feature = "encryption")]
        return self.sealed.as_ref().and_then(|sealed| sealed.epoch);
        #[cfg(not(feature = "encryption"))]
        None
    }

    /// The length of the content; 0 also for an object too short to have any. A claim of the store until the object is
    /// begun.
    pub(super) fn len(&self) -> u64 {
        #[cfg(feature = "encryption")]
        if self.sealed.is_some() {
            return seal::content_len(self.size).unwrap_or(0);
        }
        self.size.saturating_sub(Self::FRONT)
    }

    /// The bytes of the object that it takes to have these of the content.
    pub(super) fn stored(&self, content: &Range<u64>) -> Range<u64> {
        #[cfg(feature = "encryption")]
        if self.sealed.is_some() {
            return seal::stored_range(content, self.len());
        }
        content.start.saturating_add(Self::FRONT)..content.end.saturating_add(Self::FRONT)
    }

    /// Checks what is in front of the content, of the beginning of the object, and what proves its length, of its end.
    /// Before this nothing is opened.
    pub(super) async fn begin(&mut self, replica: &Replica, head: &[u8], tail: &[u8]) -> Result<(), Error> {
        #[cfg(feature = "encryption")]
        if let Some(sealed) = &mut self.sealed {
            return sealed.begin(replica, self.name, self.size, head, tail).await;
        }
        let _ = tail;
        let parsed = Envelope::parse(head, self.name.kind());
        parsed.map(drop).map_err(|source| Error::seal(&**replica, &self.name.key(), source))
    }

    /// The content of a whole object; this begins it as well.
    pub(super) async fn whole(&mut self, replica: &Replica, object: Bytes) -> Result<Bytes, Error> {
        #[cfg(feature = "encryption")]
        if let Some(sealed) = &mut self.sealed {
            return sealed.whole(replica, self.name, self.size, object).await;
        }
        self.begin(replica, &object, &[]).await?;
        Ok(object.slice(ENVELOPE_LEN.min(object.len())..))
    }

    /// These bytes of the content, of the bytes of the object that [`Opening::stored`] says.
    pub(super) async fn content(&self, content: &Range<u64>, mut stored: Bytes) -> Result<Bytes, seal::Error> {
        #[cfg(feature = "encryption")]
        if let Some(sealed) = &self.sealed {
            return sealed.content(content, stored).await;
        }
        stored.truncate((content.end - content.start) as usize);
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{GenerationId, ObjectKind};
    use crate::storage::MemoryStore;
    use crate::units::Timestamp;
    use std::sync::Arc;

    fn name() -> Name {
        Name::Snapshot(GenerationId::new(Timestamp(1), [7; 10]))
    }

    #[test]
    fn in_pieces_or_at_once_the_envelope_comes_first_and_the_content_is_as_it_was() {
        let mut sealing = Sealing::open(name());
        let pieces =
            [sealing.add(b"page ".to_vec()), sealing.add(Vec::new()), sealing.finish(b"file".to_vec())].concat();
        let whole = Sealing::open(name()).finish(b"page file".to_vec());
        assert_eq!(pieces, whole);
        assert_eq!(whole, [&Envelope { kind: ObjectKind::Snapshot }.encode()[..], b"page file"].concat());
    }

    #[tokio::test]
    async fn what_was_sealed_is_opened_from_any_range_of_it() {
        let replica = Replica::plain(Arc::new(MemoryStore::new()));
        let stored = Bytes::from(Sealing::open(name()).finish(b"page file".to_vec()));
        let mut opening = Opening::new(&replica, name(), stored.len() as u64);
        opening.begin(&replica, &stored, &[]).await.unwrap();
        assert_eq!(opening.len(), 9);
        for range in [0..9, 0..4, 5..9, 3..3] {
            let place = opening.stored(&range);
            let content = opening.content(&range, stored.slice(place.start as usize..place.end as usize)).await;
            assert_eq!(content.unwrap(), b"page file"[range.start as usize..range.end as usize]);
        }
        assert_eq!(Opening::new(&replica, name(), 5).len(), 0);
        assert!(opening.begin(&replica, &stored[1..], &[]).await.is_err());
    }
}
