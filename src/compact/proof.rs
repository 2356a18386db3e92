//! Reading back what was written: only what is proven may stand for other objects.

use std::ops::Range;

use super::Error;
use crate::compress::Decompressor;
use crate::format::{ChunkEntry, PageHasher};
use crate::ids::Digest;
use crate::replica::{self, Name, ObjectReader, Replica};

/// Neighbouring chunks are fetched in one request of up to this many bytes.
const GROUP: u64 = 1 << 20;

/// What is under the name of a merged segment that was to be created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// Ours: an earlier try, whose answer was lost.
    Same,
    /// Somebody else's.
    Other,
}

/// Reads a whole object and proves every byte of it; one request if it is small.
///
/// # Errors
///
/// [`Error::Differs`] if it is whole and another one; damage; those of the store.
pub(crate) async fn read_back(
    replica: &Replica,
    name: Name,
    size: u64,
    digest: Digest,
    hasher: &PageHasher,
) -> Result<(), Error> {
    let reader = ObjectReader::open(replica, name, size).await?;
    if reader.outline().digest != digest {
        return Err(Error::Differs { object: reader.object() });
    }
    let mut decompressor = Decompressor::default();
    for place in &reader.outline().index {
        for group in groups(&reader.index(place).await?) {
            let (range, entries) = group;
            let bytes = reader.read(range.clone()).await?;
            for entry in entries {
                open(&reader, &entry, &bytes, range.start, hasher, &mut decompressor)?;
            }
        }
    }
    Ok(())
}

/// Reads back what a put has just created. What is damaged, and still is when it is read once more, is deleted: it is
/// ours, and whoever lists it would take it for the objects that it was to stand for. A store that gives no answer says
/// nothing of what it has.
///
/// # Errors
///
/// Those of [`read_back`].
pub(crate) async fn read_back_or_delete(
    replica: &Replica,
    name: Name,
    size: u64,
    digest: Digest,
    hasher: &PageHasher,
) -> Result<(), Error> {
    match read_back(replica, name, size, digest, hasher).await {
        Err(error) if is_damage(&error) => tracing::debug!(object = %name, %error, "reading it back once more"),
        read => return read,
    }
    // The answer may have been damaged on its way. Where a store knows no conditions, another object may have come in
    // the place of ours: how long that is, is asked, and if it is whole, it stays.
    let size = replica.head(&name.key()).await?.size;
    let read = read_back(replica, name, size, digest, hasher).await;
    if read.as_ref().is_err_and(is_damage)
        && let Err(error) = replica.delete(&name.key()).await
    {
        tracing::warn!(object = %name, %error, "cannot delete a merged segment that is damaged");
    }
    read
}

/// The object is there, and is not one that anybody wrote.
fn is_damage(error: &Error) -> bool {
    match error {
        // It was written in the clear a moment ago: no key is missing.
        Error::Replica(replica::Error::Sealed { .. }) => true,
        Error::Replica(error) => error.is_damage() && !error.is_missing(),
        _ => false,
    }
}

/// Compares what is there with what was to be put there.
///
/// # Errors
///
/// Those of the store, and damage.
pub(crate) async fn settle(replica: &Replica, name: Name, digest: Digest) -> Result<(Found, u64), Error> {
    let size = replica.head(&name.key()).await?.size;
    let reader = ObjectReader::open(replica, name, size).await?;
    let found = if reader.outline().digest == digest { Found::Same } else { Found::Other };
    Ok((found, size))
}

/// Chunks that follow each other, and the bytes of the page file that they take.
pub(super) fn groups(entries: &[ChunkEntry]) -> Vec<(Range<u64>, Vec<ChunkEntry>)> {
    let mut groups: Vec<(Range<u64>, Vec<ChunkEntry>)> = Vec::new();
    for entry in entries {
        let end = entry.offset + u64::from(entry.len);
        match groups.last_mut() {
            Some((range, group)) if range.end == entry.offset && end - range.start <= GROUP => {
                range.end = end;
                group.push(entry.clone());
            }
            _ => groups.push((entry.offset..end, vec![entry.clone()])),
        }
    }
    groups
}

/// The images of a chunk, proven. `bytes` begins at `base` of the page file and has the chunk.
pub(super) fn open<'a>(
    reader: &ObjectReader,
    entry: &ChunkEntry,
    bytes: &'a [u8],
    base: u64,
    hasher: &PageHasher,
    decompressor: &'a mut Decompressor,
) -> Result<&'a [u8], Error> {
    let start = (entry.offset - base) as usize;
    let record = &bytes[start..start + entry.len as usize];
    let images = entry.open(record, &reader.outline().header, hasher, decompressor);
    Ok(images.map_err(|source| reader.damaged(source))?)
}
