//! Reading one snapshot or segment, at few requests.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::error::located;
use super::{Error, Name};
use crate::format::{self, ChunkEntry, HEADER_LEN, IndexPlace, Kind, Outline, TRAILER_LEN};
use crate::seal::{self, ENVELOPE_LEN, Envelope};
use crate::storage::{ErrorKind, Store};
use crate::units::SegmentIndex;

/// Objects up to this many bytes are fetched whole, in one request.
pub const WHOLE: u64 = 1 << 20;
/// How much of the end of a larger object is fetched at first: enough for the directory of a database of some 100 GiB.
const TAIL: u64 = 64 * 1024;

/// The 16 bytes in front of the page file under this name.
pub fn envelope(name: Name) -> [u8; ENVELOPE_LEN] {
    Envelope { kind: name.kind() }.encode()
}

/// One snapshot or segment, opened: its outline is proven, and is what its name says.
#[derive(Debug)]
pub struct ObjectReader {
    store: Arc<dyn Store>,
    name: Name,
    size: u64,
    outline: Outline,
    /// The whole object, if it is small.
    whole: Option<Bytes>,
    /// Bytes that it took to open it.
    fetched: u64,
}

impl ObjectReader {
    /// Opens the object of this name and, by the listing, this size: one request for a small one, two or three for
    /// others.
    ///
    /// # Errors
    ///
    /// Those of the store, and [`Error::is_damage`] for whatever is wrong with the object.
    pub async fn open(store: &Arc<dyn Store>, name: Name, size: u64) -> Result<ObjectReader, Error> {
        let key = name.key();
        let damaged = |source| Error::damaged(&**store, &key, source);
        if size < (ENVELOPE_LEN + HEADER_LEN + TRAILER_LEN) as u64 {
            return Err(Error::Short { object: located(&**store, &key), size });
        }
        let len = size - ENVELOPE_LEN as u64;
        let (whole, head, mut tail);
        if size <= WHOLE {
            head = store.get_range(&key, 0..size).await?;
            tail = head.slice(ENVELOPE_LEN..);
            whole = Some(head.clone());
        } else {
            let ends = futures_util::future::try_join(
                store.get_range(&key, 0..(ENVELOPE_LEN + HEADER_LEN) as u64),
                store.get_range(&key, size - TAIL..size),
            );
            (head, tail) = ends.await?;
            whole = None;
        }
        Envelope::parse(&head[..ENVELOPE_LEN], name.kind()).map_err(|source| match source {
            seal::Error::Sealed => Error::Sealed { object: located(&**store, &key) },
            source => Error::Envelope { object: located(&**store, &key), source },
        })?;
        let mut fetched = if whole.is_some() { size } else { (ENVELOPE_LEN + HEADER_LEN) as u64 + TAIL };
        let begins = Outline::tail_begins(&tail, len).map_err(damaged)?;
        if len.saturating_sub(begins) > tail.len() as u64 {
            tail = store.get_range(&key, ENVELOPE_LEN as u64 + begins..size).await?;
            fetched += tail.len() as u64;
        }
        let outline = Outline::parse(&head[ENVELOPE_LEN..ENVELOPE_LEN + HEADER_LEN], &tail, len).map_err(damaged)?;
        if let Some(says) = differs(name, &outline) {
            return Err(Error::misplaced(&**store, &key, says));
        }
        Ok(ObjectReader { store: store.clone(), name, size, outline, whole, fetched })
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.name
    }

    /// Its size in the store, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What it is, proven against its digest.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The object is in memory: reading costs no request.
    pub fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// Bytes that were fetched to open it.
    pub fn fetched(&self) -> u64 {
        self.fetched
    }

    /// Reads one index record, and proves it.
    ///
    /// # Errors
    ///
    /// Those of the store and [`Error::is_damage`].
    pub async fn index(&self, place: &IndexPlace) -> Result<Vec<ChunkEntry>, Error> {
        let record = self.read(place.offset..place.offset + u64::from(place.len)).await?;
        place.parse(&record, &self.outline.header).map_err(|source| self.damaged(source))
    }

    /// The record of one chunk, as [`ChunkEntry::open`] takes it; nothing in it is checked yet.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn chunk(&self, entry: &ChunkEntry) -> Result<Bytes, Error> {
        self.read(entry.offset..entry.offset + u64::from(entry.len)).await
    }

    /// Reads bytes of the page file, counted from its first. A larger object costs one request.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let (start, end) =
            (range.start.saturating_add(ENVELOPE_LEN as u64), range.end.saturating_add(ENVELOPE_LEN as u64));
        if start > end || end > self.size {
            let message = format!("it has {} bytes, not {end}", self.size);
            return Err(crate::storage::Error::new(ErrorKind::Truncated, "read", self.object(), message).into());
        }
        match &self.whole {
            Some(bytes) => Ok(bytes.slice(start as usize..end as usize)),
            None => Ok(self.store.get_range(&self.name.key(), start..end).await?),
        }
    }

    /// How the object is called in messages.
    pub fn object(&self) -> String {
        located(&*self.store, &self.name.key())
    }

    /// The error of this object for what is wrong with its bytes.
    pub fn damaged(&self, source: format::Error) -> Error {
        Error::damaged(&*self.store, &self.name.key(), source)
    }
}

/// What the object says, if it is not what its name says: one object has one name.
fn differs(name: Name, outline: &Outline) -> Option<String> {
    let (header, summary) = (&outline.header, &outline.summary);
    let (kind, first, last) = match name {
        Name::Snapshot(_) => (Kind::Snapshot, SegmentIndex::ZERO, SegmentIndex::ZERO),
        Name::Segment(_, index) => (Kind::Segment, index, index),
        Name::Merged(_, first, last) => (Kind::Merged, first, last),
        // Manifests are no page files; nothing that a page file says fits.
        Name::Manifest(_) => return Some("page file".into()),
    };
    if header.kind != kind {
        Some(format!("{:?}", header.kind).to_lowercase())
    } else if header.generation != name.generation() {
        Some(format!("generation {}", header.generation))
    } else if (header.first, summary.last) != (first, last) {
        Some(format!("segments {} to {}", header.first, summary.last))
    } else {
        None
    }
}
