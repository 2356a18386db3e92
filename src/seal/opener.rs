//! Opening one object: its head, then its last chunk, then any of it.

use std::fmt;
use std::ops::Range;

use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::cobblestone::{self, CHUNK_LEN, Cobblestone, HEAD_LEN, SALT_LEN, TAG_LEN};
use super::kdf::Key;
use super::{ENVELOPE_LEN, Epoch, Error, What};

/// A sealed object of which the head is proven: it was sealed with this key for this place. From
/// [`Keyring::opener`](super::Keyring::opener).
///
/// Its length is what the store said, and proves nothing: an object that was cut looks like a shorter one until its last
/// chunk is opened. So that is all that can be done with it: [`Opener::prove`], or [`Opener::open_whole`].
#[must_use]
pub struct Opener {
    chunks: Cobblestone,
    epoch: Epoch,
    /// The length of the content if the store told the truth.
    len: u64,
}

impl Opener {
    /// `head` is the first bytes of the object, `stored` its length by the store. The envelope has been parsed.
    pub(super) fn new(key: &Key, epoch: Epoch, context: &[u8], head: &[u8], stored: u64) -> Result<Opener, Error> {
        let cut = |len| Error::Cut { what: What::Object, len };
        let len = cobblestone::content_len(stored).ok_or(cut(stored))?;
        let head = head.first_chunk::<HEAD_LEN>().ok_or(cut(head.len() as u64))?;
        let (salt, commitment) =
            head[ENVELOPE_LEN..].split_first_chunk::<SALT_LEN>().expect("a head is longer than its salt");
        let chunks = Cobblestone::derive(key.expose_secret(), salt, context);
        if !bool::from(chunks.commitment.ct_eq(commitment)) {
            return Err(Error::Commitment);
        }
        Ok(Opener { chunks, epoch, len })
    }

    /// The epoch of the data key that it was sealed with; 0 for `replica`.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Which bytes of the object are its last chunk, its tag included: 16 to 16,399.
    pub fn last_chunk(&self) -> Range<u64> {
        cobblestone::chunk(self.len / CHUNK_LEN as u64, self.len)
    }

    /// Proves the length, by the bytes of [`Opener::last_chunk`].
    ///
    /// # Errors
    ///
    /// [`Error::Tampered`], and [`Error::Range`] for another number of bytes.
    pub fn prove(self, last: &[u8]) -> Result<Content, Error> {
        self.prove_in_place(&mut last.to_vec())
    }

    /// Opens an object that is in memory as a whole, in place: its content.
    ///
    /// # Errors
    ///
    /// [`Error::Tampered`], and [`Error::Range`] for another length than the store said.
    pub fn open_whole(self, mut object: Vec<u8>) -> Result<Vec<u8>, Error> {
        let last = self.last_chunk();
        if object.len() as u64 != last.end {
            return Err(Error::Range { start: 0, end: object.len() as u64, len: self.len });
        }
        let start = last.start as usize;
        let content = self.prove_in_place(&mut object[start..])?;
        object.truncate(object.len() - TAG_LEN);
        let (full, rest) = (content.len / CHUNK_LEN as u64, object.len() - start);
        for number in 0..full {
            let at = HEAD_LEN + number as usize * (CHUNK_LEN + TAG_LEN);
            content.chunks.open(number, &mut object[at..at + CHUNK_LEN + TAG_LEN])?;
            object.copy_within(at..at + CHUNK_LEN, number as usize * CHUNK_LEN);
        }
        object.copy_within(start..start + rest, full as usize * CHUNK_LEN);
        object.truncate(full as usize * CHUNK_LEN + rest);
        Ok(object)
    }

    fn prove_in_place(self, last: &mut [u8]) -> Result<Content, Error> {
        let Opener { chunks, epoch, len } = self;
        let content = Content { chunks, epoch, len };
        content.open_chunk(len / CHUNK_LEN as u64, last)?;
        Ok(content)
    }
}

/// A sealed object of which head and length are proven. Any of it can be opened, in any order.
pub struct Content {
    chunks: Cobblestone,
    epoch: Epoch,
    len: u64,
}

impl Content {
    /// The length of the content in bytes.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The epoch of the data key that it was sealed with; 0 for `replica`.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Which bytes of the object hold this range of its content: whole chunks. None for an empty range.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for one beyond the content.
    pub fn stored(&self, range: &Range<u64>) -> Result<Range<u64>, Error> {
        if range.start > range.end || range.end > self.len {
            return Err(self.no_such(range));
        }
        Ok(cobblestone::stored_range(range, self.len))
    }

    /// Opens a range of the content, in place: `bytes` are those of [`Content::stored`].
    ///
    /// # Errors
    ///
    /// [`Error::Tampered`]; [`Error::Range`] for another number of bytes.
    pub fn open(&self, range: Range<u64>, mut bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        let stored = self.stored(&range)?;
        if bytes.len() as u64 != stored.end - stored.start {
            return Err(self.no_such(&range));
        }
        let first = range.start / CHUNK_LEN as u64;
        let (mut at, mut len) = (0, 0);
        for number in first.. {
            let chunk = CHUNK_LEN.saturating_add(TAG_LEN).min(bytes.len() - at);
            if chunk == 0 {
                break;
            }
            let content = self.open_chunk(number, &mut bytes[at..at + chunk])?.len();
            bytes.copy_within(at..at + content, len);
            (at, len) = (at + chunk, len + content);
        }
        let skip = (range.start - first * CHUNK_LEN as u64) as usize;
        bytes.truncate(skip + (range.end - range.start) as usize);
        bytes.drain(..skip.min(bytes.len()));
        Ok(bytes)
    }

    /// Opens one chunk in place, its tag included, and gives its content.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] unless there is such a chunk of this length: every one but the last has 16,400 bytes, the last
    /// fewer. [`Error::Tampered`].
    pub fn open_chunk<'a>(&self, number: u64, chunk: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let last = self.len / CHUNK_LEN as u64;
        let no_such = Error::Range { start: number, end: chunk.len() as u64, len: self.len };
        if number > last {
            return Err(no_such);
        }
        let place = cobblestone::chunk(number, self.len);
        if chunk.len() as u64 != place.end - place.start {
            return Err(no_such);
        }
        self.chunks.open(number, chunk)
    }

    fn no_such(&self, range: &Range<u64>) -> Error {
        Error::Range { start: range.start, end: range.end, len: self.len }
    }
}

/// Names the length, and no key.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("len", &self.len).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// Names the epoch, and no key; not the length, which nothing has proven.
impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
