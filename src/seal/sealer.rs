//! Sealing one object, piece by piece.

use std::fmt;

use secrecy::ExposeSecret;

use super::cobblestone::{CHUNK_LEN, Cobblestone, HEAD_LEN, MAX_CHUNKS, SALT_LEN, TAG_LEN};
use super::kdf::Key;
use super::{ENVELOPE_LEN, Envelope, Epoch, Error};
use crate::ids::ObjectKind;

/// Seals one object: content in, in pieces of any size; stored bytes out. From [`Keyring::sealer`](super::Keyring::sealer).
///
/// The first bytes out are the envelope, the salt and the commitment. Sealing the same content again gives other bytes:
/// the salt is random.
#[must_use = "an object ends with `finish`"]
pub struct Sealer {
    chunks: Cobblestone,
    /// Not given out yet.
    head: Option<[u8; HEAD_LEN]>,
    /// Always shorter than a chunk: a full one is never the last.
    partial: Vec<u8>,
    /// The number of the next chunk.
    next: u64,
}

impl Sealer {
    /// `context` is that of the object; the salt must never be used twice.
    pub(super) fn new(key: &Key, kind: ObjectKind, epoch: Epoch, context: &[u8], salt: [u8; SALT_LEN]) -> Sealer {
        let chunks = Cobblestone::derive(key.expose_secret(), &salt, context);
        let mut head = [0; HEAD_LEN];
        head[..ENVELOPE_LEN].copy_from_slice(&Envelope::encode_sealed(kind, epoch));
        head[ENVELOPE_LEN..ENVELOPE_LEN + SALT_LEN].copy_from_slice(&salt);
        head[ENVELOPE_LEN + SALT_LEN..].copy_from_slice(&chunks.commitment);
        Sealer { chunks, head: Some(head), partial: Vec::with_capacity(CHUNK_LEN), next: 0 }
    }

    /// Adds content, and appends what can be stored of it: all but the last chunk begun.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] beyond 64 TiB; the object is of no use then.
    pub fn update(&mut self, mut content: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let full = (self.partial.len() + content.len()) / CHUNK_LEN;
        out.reserve(HEAD_LEN + full * (CHUNK_LEN + TAG_LEN));
        out.extend(self.head.take().into_iter().flatten());
        while self.partial.len() + content.len() >= CHUNK_LEN {
            let (now, later) = content.split_at(CHUNK_LEN - self.partial.len());
            let start = out.len();
            out.extend_from_slice(&self.partial);
            out.extend_from_slice(now);
            self.partial.clear();
            self.seal(start, out)?;
            content = later;
        }
        self.partial.extend_from_slice(content);
        Ok(())
    }

    /// Appends the last chunk, which may be empty. All that was appended, in order, is the object.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], as above.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend(self.head.take().into_iter().flatten());
        let start = out.len();
        out.extend_from_slice(&self.partial);
        self.seal(start, out)
    }

    /// Seals the chunk that begins there, in place.
    fn seal(&mut self, start: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.next >= MAX_CHUNKS {
            return Err(Error::TooLong);
        }
        let tag = self.chunks.seal(self.next, &mut out[start..]);
        out.extend_from_slice(&tag);
        self.next += 1;
        Ok(())
    }
}

/// Names the next chunk, and no key.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("next", &self.next).finish_non_exhaustive()
    }
}
