//! Reading one snapshot or segment, at few requests.

use std::ops::Range;

use bytes::Bytes;

use super::error::located;
use super::sealing::Opening;
use super::{Error, Name, Replica};
use crate::format::{self, ChunkEntry, HEADER_LEN, IndexPlace, Kind, Outline, TRAILER_LEN};
use crate::seal::Epoch;
use crate::storage::ErrorKind;
use crate::units::SegmentIndex;

/// Objects up to this many bytes are fetched whole, in one request.
pub const WHOLE: u64 = 1 << 20;
/// How much of the end of a larger object is fetched at first: enough for the directory of a database of some 100 GiB.
const TAIL: u64 = 64 * 1024;

/// One snapshot or segment, opened: its outline is proven, and is what its name says.
#[derive(Debug)]
pub struct ObjectReader {
    replica: Replica,
    name: Name,
    size: u64,
    opening: Opening,
    outline: Outline,
    /// The whole page file, if it is small.
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
    pub async fn open(replica: &Replica, name: Name, size: u64) -> Result<ObjectReader, Error> {
        let key = name.key();
        let damaged = |source| Error::damaged(&**replica, &key, source);
        let mut opening = replica.opening(name, size);
        let len = opening.len();
        if len < (HEADER_LEN + TRAILER_LEN) as u64 {
            return Err(Error::Short { object: located(&**replica, &key), size });
        }
        let unsealed = |source| Error::seal(&**replica, &key, source);
        let (header, mut tail, whole, mut fetched);
        if size <= WHOLE {
            let object = replica.get_range(&key, 0..size).await?;
            tail = opening.whole(replica, object).await?;
            header = tail.clone();
            whole = Some(tail.clone());
            fetched = size;
        } else {
            let (first, last) = (0..HEADER_LEN as u64, len - TAIL..len);
            let (place, end_place) = (opening.stored(&first), opening.stored(&last));
            let (front, end) = futures_util::future::try_join(
                replica.get_range(&key, 0..place.end),
                // To the end of the object, which proves its length.
                replica.get_range(&key, end_place.start..size),
            )
            .await?;
            opening.begin(replica, &front, &end).await?;
            fetched = (front.len() + end.len()) as u64;
            header = opening.content(&first, front.slice(place.start as usize..)).await.map_err(unsealed)?;
            let end = end.slice(..(end_place.end - end_place.start) as usize);
            tail = opening.content(&last, end).await.map_err(unsealed)?;
            whole = None;
        }
        let begins = Outline::tail_begins(&tail, len).map_err(damaged)?;
        if len.saturating_sub(begins) > tail.len() as u64 {
            let stored = replica.get_range(&key, opening.stored(&(begins..len))).await?;
            fetched += stored.len() as u64;
            tail = opening.content(&(begins..len), stored).await.map_err(unsealed)?;
        }
        let outline = Outline::parse(&header[..HEADER_LEN], &tail, len).map_err(damaged)?;
        if let Some(says) = differs(name, &outline) {
            return Err(Error::misplaced(&**replica, &key, says));
        }
        Ok(ObjectReader { replica: replica.clone(), name, size, opening, outline, whole, fetched })
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.name
    }

    /// Its size in the store, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The data key that it was sealed with; none for an open object.
    pub fn epoch(&self) -> Option<Epoch> {
        self.opening.epoch()
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

    /// The record of one chunk, as [`ChunkEntry::open`] takes it; nothing in it is checked yet but how it is sealed.
    ///
    /// # Errors
    ///
    /// Those of the store, and [`Error::is_damage`].
    pub async fn chunk(&self, entry: &ChunkEntry) -> Result<Bytes, Error> {
        self.read(entry.offset..entry.offset + u64::from(entry.len)).await
    }

    /// Reads bytes of the page file, counted from its first. A larger object costs one request.
    ///
    /// # Errors
    ///
    /// Those of the store, and [`Error::is_damage`].
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let place = self.opening.stored(&range);
        if range.start > range.end || range.end > self.opening.len() {
            let message = format!("it has {} bytes, not {}", self.size, place.end);
            return Err(crate::storage::Error::new(ErrorKind::Truncated, "read", self.object(), message).into());
        }
        match &self.whole {
            Some(content) => Ok(content.slice(range.start as usize..range.end as usize)),
            None => {
                let stored = self.replica.get_range(&self.name.key(), place).await?;
                let content = self.opening.content(&range, stored).await;
                content.map_err(|source| Error::seal(&*self.replica, &self.name.key(), source))
            }
        }
    }

    /// How the object is called in messages.
    pub fn object(&self) -> String {
        located(&*self.replica, &self.name.key())
    }

    /// The error of this object for what is wrong with its bytes.
    pub fn damaged(&self, source: format::Error) -> Error {
        Error::damaged(&*self.replica, &self.name.key(), source)
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
