//! What lies on the disk of this machine for a moment.

use super::kdf::{self, Key};
use super::{Content, Epoch, Error, Opener, Sealer};
use crate::clock::entropy;
use crate::ids::ObjectKind;

const CONTEXT: &[u8] = b"waloy/v1 scratch";

/// A key that is in memory alone: what is sealed with it can be read by this process, and by nobody once it has ended.
pub struct ScratchKey(Key);

impl ScratchKey {
    /// A new one, from the operating system.
    pub fn generate() -> ScratchKey {
        ScratchKey(kdf::random_key())
    }

    /// Begins a file.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(&self.0, ObjectKind::Merged, Epoch::FIRST, CONTEXT, entropy())
    }

    /// Opens a file of this many bytes: its [head](super::HEAD_LEN), and the rest by
    /// [`last_chunk`](Opener::last_chunk).
    ///
    /// # Errors
    ///
    /// [`Error::Cut`], [`Error::Commitment`].
    pub fn opener(&self, head: &[u8], len: u64) -> Result<Opener, Error> {
        Opener::new(&self.0, Epoch::FIRST, CONTEXT, head, len)
    }

    /// Opens a file, by its head and its last chunk.
    ///
    /// # Errors
    ///
    /// [`Error::Tampered`], and those of [`ScratchKey::opener`].
    pub fn open(&self, head: &[u8], len: u64, last: &[u8]) -> Result<Content, Error> {
        self.opener(head, len)?.prove(last)
    }
}

impl std::fmt::Debug for ScratchKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScratchKey")
    }
}
